//! Proof that an order may leave: `Cleared`.
//!
//! # Invariants
//!
//! - O-1: no order without `Cleared`. There are three ways to one: by the verdict of a round, by a
//!   person, and by an exit, which can only shrink a position and never waits for an approval, a
//!   permit or a budget. It cannot be copied, and it carries the fence's epoch and an expiry.
//! - O-3: after HALTED no entry leaves.
//! - O-4: exits are never blocked by agents: no fence, halt or expiry stops one.

use std::time::Duration;

use crate::code::Code;
use crate::fixed::Qty;
use crate::mode::Person;
use crate::order::{DecisionId, OrderIntent, Purpose, Side};
use crate::signal::Direction;
use crate::tally::Acted;
use crate::time::Time;

/// Something that a decision was about and that may be carried out once it is cleared.
pub trait Decided {
    /// The decision that it belongs to.
    fn decision(&self) -> &DecisionId;
    /// Whether carrying it out adds risk.
    fn adds_risk(&self) -> bool;
}

impl Decided for OrderIntent {
    fn decision(&self) -> &DecisionId {
        &self.decision
    }

    fn adds_risk(&self) -> bool {
        matches!(self.purpose, Purpose::Entry)
    }
}

/// How a clearance came about.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "cleared_by")]
pub enum Origin {
    /// A round said act.
    Verdict,
    /// A person ordered or approved it.
    Person {
        /// Who.
        person: Person,
    },
    /// It only shrinks a position.
    Exit,
}

/// How long, and in which epoch of the fence, a clearance holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The fence's epoch when the round was opened or the person answered.
    pub epoch: u64,
    /// The first moment at which it no longer holds, on the clock that the order path is given.
    pub expires_at: Time,
}

impl Validity {
    /// Whether what adds risk may take effect at this moment.
    ///
    /// # Errors
    /// The code of what stands in the way.
    pub fn check(self, gate: Gate) -> Result<(), Code> {
        match () {
            () if gate.halted => Err(Code::SafetyHalted),
            () if gate.epoch != self.epoch => Err(Code::SafetyFenced),
            () if gate.now >= self.expires_at => Err(Code::SafetyExpired),
            () => Ok(()),
        }
    }
}

/// What the order path sees of the fence immediately before an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The present time, on the clock of [`Validity::expires_at`].
    pub now: Time,
    /// The fence's present epoch.
    pub epoch: u64,
    /// Whether trading is halted, by the state or by the flag file.
    pub halted: bool,
}

/// Why no clearance could be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClearanceError {
    /// The round was about something else.
    #[error("the round was about {round}, not about {item}")]
    OtherDecision {
        /// What the round was about.
        round: DecisionId,
        /// What was to be cleared.
        item: DecisionId,
    },
    /// The intent would not only shrink the position.
    #[error("the intent does not only shrink the position: {why}")]
    NotAnExit {
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Permission to carry out one thing, once.
#[derive(Debug, PartialEq, Eq)]
pub struct Cleared<T> {
    item: T,
    origin: Origin,
    validity: Validity,
}

impl<T: Decided> Cleared<T> {
    /// What a round said act to.
    ///
    /// # Errors
    /// When the round was about another decision.
    pub fn by_verdict(acted: Acted, item: T, validity: Validity) -> Result<Self, ClearanceError> {
        let round = acted.into_decision();
        if round == *item.decision() {
            Ok(Self { item, origin: Origin::Verdict, validity })
        } else {
            Err(ClearanceError::OtherDecision { round, item: item.decision().clone() })
        }
    }

    /// What a person ordered or approved.
    pub fn by_person(person: Person, item: T, validity: Validity) -> Self {
        Self { item, origin: Origin::Person { person }, validity }
    }

    /// Whether it may take effect at this moment. Read immediately before the effect.
    ///
    /// # Errors
    /// The code of what stands in the way; never for what adds no risk.
    pub fn check(&self, gate: Gate) -> Result<(), Code> {
        if self.item.adds_risk() { self.validity.check(gate) } else { Ok(()) }
    }
}

impl Cleared<OrderIntent> {
    /// An intent that only shrinks a position of this direction and size. Holds at once and for
    /// ever: whoever carries it out checks the position again.
    ///
    /// # Errors
    /// When it is no exit, adds to the position or is larger than it.
    pub fn by_exit(
        intent: OrderIntent,
        direction: Direction,
        held: Qty,
    ) -> Result<Self, ClearanceError> {
        let wrong = match () {
            () if intent.adds_risk() => Some("it is an entry"),
            () if intent.side != Side::closing(direction) => Some("it adds to the position"),
            () if intent.qty.raw() <= 0 => Some("its quantity is not positive"),
            () if intent.qty > held => Some("it is larger than the position"),
            () => None,
        };
        if let Some(why) = wrong {
            return Err(ClearanceError::NotAnExit { why });
        }
        let validity = Validity { epoch: 0, expires_at: Time::from_ms(i64::MAX) };
        Ok(Self { item: intent, origin: Origin::Exit, validity })
    }
}

impl<T> Cleared<T> {
    /// What is cleared.
    pub const fn item(&self) -> &T {
        &self.item
    }

    /// How the clearance came about.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// How long it holds.
    pub const fn validity(&self) -> Validity {
        self.validity
    }

    /// Ends the proof: what it was about.
    pub fn into_item(self) -> T {
        self.item
    }
}

/// Whether a round that was open when its process ended is too old to be finished: more than
/// `lasting` of the trading clock has passed since its signal. A clock that stands still, as between
/// two bars of a replay, or that went back makes nothing old.
pub fn is_interrupted(raised_at: Time, now: Time, lasting: Duration) -> bool {
    now > raised_at && now.since(raised_at) > lasting
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixed::Price;
    use crate::limits::ConsensusRules;
    use crate::market::symbol::Symbol;
    use crate::order::{ClientOrderId, ExitReason, OrderKind, TimeInForce};
    use crate::tally::{Event, Settle, Tally, TallySpec};

    fn decision(what: &str) -> DecisionId {
        DecisionId::new(&Symbol::new("AAPL").unwrap(), Time::EPOCH, what)
    }

    fn intent(what: &str, side: Side, units: i64) -> OrderIntent {
        let purpose = match what {
            "exit" => Purpose::Exit { reason: ExitReason::Stop },
            _ => Purpose::Entry,
        };
        OrderIntent {
            client_order_id: ClientOrderId::derive(&decision(what), side, 0),
            decision: decision(what),
            symbol: Symbol::new("AAPL").unwrap(),
            side,
            qty: Qty::from_units(units).unwrap(),
            kind: OrderKind::Market,
            time_in_force: TimeInForce::Day,
            extended_hours: false,
            purpose,
            at: Time::EPOCH,
            reference: Price::ZERO,
            exits: None,
        }
    }

    fn acted(what: &str) -> Acted {
        use crate::advice::Vote;
        let rules = ConsensusRules::default();
        let (voters, guardians, settle) = (vec!["a", "b"], Vec::new(), Settle::All);
        let mut tally =
            Tally::new(&TallySpec { voters, guardians, critical: false, rules: &rules, settle });
        for agent in ["a", "b"] {
            tally.apply(Event::Opinion { agent, vote: Vote::For });
        }
        tally.acted(decision(what)).unwrap()
    }

    const VALID: Validity = Validity { epoch: 7, expires_at: Time::from_ms(1_000) };
    const OPEN: Gate = Gate { now: Time::from_ms(999), epoch: 7, halted: false };

    /// O-1: no order without `Cleared`. O-3: after HALTED no entry leaves.
    #[test]
    fn an_entry_leaves_only_in_its_epoch_before_its_expiry_and_while_not_halted() {
        let ada = || Person::authenticated("ada", "cli");
        let entry = || intent("entry", Side::Buy, 1);
        for cleared in [
            Cleared::by_verdict(acted("entry"), entry(), VALID).unwrap(),
            Cleared::by_person(ada(), entry(), VALID),
        ] {
            for (gate, expected) in [
                (OPEN, Ok(())),
                (Gate { halted: true, ..OPEN }, Err(Code::SafetyHalted)),
                (Gate { epoch: 8, ..OPEN }, Err(Code::SafetyFenced)),
                (Gate { epoch: 6, ..OPEN }, Err(Code::SafetyFenced)),
                (Gate { now: VALID.expires_at, ..OPEN }, Err(Code::SafetyExpired)),
            ] {
                assert_eq!(cleared.check(gate), expected, "{gate:?}");
            }
        }
    }

    /// O-1: a round clears only what it was about.
    #[test]
    fn the_verdict_on_one_decision_clears_no_other() {
        let cleared = Cleared::by_verdict(acted("appeal"), intent("entry", Side::Buy, 1), VALID);
        assert!(matches!(cleared, Err(ClearanceError::OtherDecision { .. })));
    }

    /// O-4: exits are never blocked by agents.
    #[test]
    fn an_exit_only_shrinks_and_then_nothing_stops_it() {
        let three = Qty::from_units(3).unwrap();
        let clear = |intent, direction| Cleared::by_exit(intent, direction, three);
        for units in [1, 3] {
            let exit = clear(intent("exit", Side::Sell, units), Direction::Long).unwrap();
            let worst = Gate { now: Time::from_ms(i64::MAX), epoch: 99, halted: true };
            assert_eq!(exit.check(worst), Ok(()));
        }
        assert!(clear(intent("exit", Side::Buy, 3), Direction::Short).is_ok());
        for (bad, direction) in [
            (intent("entry", Side::Sell, 1), Direction::Long),
            (intent("exit", Side::Buy, 1), Direction::Long),
            (intent("exit", Side::Sell, 1), Direction::Short),
            (intent("exit", Side::Sell, 4), Direction::Long),
            (intent("exit", Side::Sell, 0), Direction::Long),
            (intent("exit", Side::Sell, -1), Direction::Long),
        ] {
            assert!(clear(bad, direction).is_err());
        }
    }

    #[test]
    fn a_persons_exit_passes_a_halt_and_an_expired_approval() {
        let ada = Person::authenticated("ada", "cli");
        let exit = Cleared::by_person(ada, intent("exit", Side::Sell, 1), VALID);
        let worst = Gate { now: Time::from_ms(i64::MAX), epoch: 99, halted: true };
        assert_eq!(exit.check(worst), Ok(()));
    }

    #[test]
    fn a_round_is_interrupted_once_its_bar_is_older_than_it_may_be() {
        let (raised_at, lasting) = (Time::from_ms(1_000_000), Duration::from_mins(5));
        let table = [(-1, false), (0, false), (299_999, false), (300_000, false), (300_001, true)];
        for (passed_ms, expected) in table {
            let now = Time::from_ms(raised_at.ms() + passed_ms);
            assert_eq!(is_interrupted(raised_at, now, lasting), expected, "{passed_ms}");
        }
        assert!(is_interrupted(raised_at, Time::from_ms(i64::MAX), lasting));
        assert!(!is_interrupted(raised_at, Time::from_ms(i64::MIN), lasting));
    }
}
