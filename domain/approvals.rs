//! The queue of supervised mode: what waits for a person, until when, and what became of it. Pure.
//!
//! # Invariants
//!
//! - T-3: silence is never consent: what nobody answered in time is denied.
//! - O-1: an item is decided once; a second answer changes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::order::{DecisionId, OrderIntent};
use crate::selection::dynamic::Change;
use crate::time::Time;

/// What a person is asked to approve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "asks")]
pub enum Proposal {
    /// An entry that a round cleared.
    Entry {
        /// The order as it would leave.
        intent: OrderIntent,
        /// The objection that an appeal has overcome: then the answer is to the appeal too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        appealed: Option<Code>,
    },
    /// Other members of the run's universe, which a round cleared.
    Universe {
        /// Who would leave and who would come in.
        change: Change,
    },
}

/// One item of the queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// The decision that waits.
    pub decision: DecisionId,
    /// What is asked.
    pub proposal: Proposal,
    /// Why the council wants it, one sentence.
    pub reasoning: String,
    /// When it was put into the queue.
    pub proposed_at: Time,
    /// When silence becomes no.
    pub expires_at: Time,
}

/// What became of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// A person said yes.
    Approved {
        /// The person's note.
        note: String,
    },
    /// A person said no.
    Denied {
        /// The person's note.
        note: String,
    },
    /// Nobody answered in time.
    Expired,
}

impl Proposal {
    /// The decision that it belongs to.
    pub const fn decision(&self) -> &DecisionId {
        match self {
            Self::Entry { intent, .. } => &intent.decision,
            Self::Universe { change } => &change.decision,
        }
    }

    /// When it was decided, on the clock of the bars.
    pub const fn at(&self) -> Time {
        match self {
            Self::Entry { intent, .. } => intent.at,
            Self::Universe { change } => change.at,
        }
    }

    /// What stands in the way when nobody said yes: `otherwise`, or that an appeal lacked its person.
    pub const fn denied_as(&self, otherwise: Code) -> Code {
        match self {
            Self::Entry { appealed: Some(_), .. } => Code::AppealPerson,
            Self::Entry { appealed: None, .. } | Self::Universe { .. } => otherwise,
        }
    }
}

/// Why the queue refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// No such item waits, or it was decided already.
    #[error("no approval named `{0}` is waiting; it was decided, has expired, or never was")]
    NotFound(String),
    /// The queue is full: somebody must answer first.
    #[error("the approval queue is full: {0} items wait")]
    Full(usize),
}

/// The queue. Its size is bounded; what does not fit is denied at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Queue {
    pending: BTreeMap<DecisionId, Pending>,
}

impl Queue {
    /// Items that may wait at one time.
    pub const CAPACITY: usize = 256;

    /// What waits, by decision.
    pub fn pending(&self) -> impl Iterator<Item = &Pending> {
        self.pending.values()
    }

    /// Puts an item into the queue.
    ///
    /// # Errors
    /// When the queue is full.
    pub fn propose(
        &mut self,
        decision: DecisionId,
        proposal: Proposal,
        reasoning: String,
        now: Time,
        expiry: Duration,
    ) -> Result<&Pending, QueueError> {
        if self.pending.len() >= Self::CAPACITY && !self.pending.contains_key(&decision) {
            return Err(QueueError::Full(self.pending.len()));
        }
        let expires_at = now + expiry;
        let item = Pending {
            decision: decision.clone(),
            proposal,
            reasoning,
            proposed_at: now,
            expires_at,
        };
        Ok(self.pending.entry(decision).or_insert(item))
    }

    /// A person's answer; an item that has expired by now cannot be approved any more.
    ///
    /// # Errors
    /// When no such item waits.
    pub fn decide(
        &mut self,
        decision: &str,
        approve: bool,
        note: String,
        now: Time,
    ) -> Result<(Pending, Outcome), QueueError> {
        let found = self.pending.keys().find(|id| id.as_str() == decision).cloned();
        let item = found.and_then(|id| self.pending.remove(&id));
        let item = item.ok_or_else(|| QueueError::NotFound(decision.chars().take(60).collect()))?;
        let outcome = if item.expires_at <= now {
            Outcome::Expired
        } else if approve {
            Outcome::Approved { note }
        } else {
            Outcome::Denied { note }
        };
        Ok((item, outcome))
    }

    /// Takes an item out again that could not be written down; nobody has seen it.
    pub fn withdraw(&mut self, decision: &DecisionId) {
        self.pending.remove(decision);
    }

    /// Takes out what has expired by `now`.
    pub fn expire(&mut self, now: Time) -> Vec<Pending> {
        self.expire_if(|item| item.expires_at <= now)
    }

    /// Takes out what is over for another reason than its time.
    pub fn expire_if(&mut self, is_over: impl Fn(&Pending) -> bool) -> Vec<Pending> {
        self.pending.extract_if(.., |_, item| is_over(item)).map(|(_, item)| item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixed::Qty;
    use crate::order::{ClientOrderId, OrderKind, Purpose, Side, TimeInForce};
    use crate::testing;

    const EXPIRY: Duration = Duration::from_mins(5);

    fn entry(appealed: Option<Code>) -> Proposal {
        let symbol = testing::symbol("AAPL");
        let decision = DecisionId::new(&symbol, Time::EPOCH, "entry");
        let intent = OrderIntent {
            client_order_id: ClientOrderId::derive(&decision, Side::Buy, 0),
            decision,
            symbol,
            side: Side::Buy,
            qty: Qty::from_units(10).unwrap(),
            kind: OrderKind::Market,
            time_in_force: TimeInForce::Day,
            extended_hours: false,
            purpose: Purpose::Entry,
            at: Time::EPOCH,
            reference: testing::price(100),
            exits: None,
        };
        Proposal::Entry { intent, appealed }
    }

    fn waiting(minute: i64) -> (Queue, DecisionId) {
        let mut queue = Queue::default();
        let at = Time::from_ms(minute * 60_000);
        let proposal = entry(None);
        let id = proposal.decision().clone();
        queue.propose(id.clone(), proposal, "why".to_owned(), at, EXPIRY).unwrap();
        (queue, id)
    }

    #[test]
    fn without_a_yes_an_appealed_entry_is_denied_for_want_of_a_person() {
        for otherwise in [Code::ApprovalDenied, Code::ApprovalExpired] {
            assert_eq!(entry(None).denied_as(otherwise), otherwise);
            let appealed = entry(Some(Code::GuardCrash));
            assert_eq!(appealed.denied_as(otherwise), Code::AppealPerson);
        }
    }

    #[test]
    fn an_answer_counts_once() {
        let (mut queue, id) = waiting(0);
        let (_, outcome) =
            queue.decide(id.as_str(), true, "fine".to_owned(), Time::from_ms(1)).unwrap();
        assert_eq!(outcome, Outcome::Approved { note: "fine".to_owned() });
        let again = queue.decide(id.as_str(), true, String::new(), Time::from_ms(2));
        assert!(matches!(again, Err(QueueError::NotFound(_))));
    }

    /// T-3: silence is never consent.
    #[test]
    fn what_nobody_answered_in_time_is_denied_even_if_the_answer_is_yes() {
        let (mut queue, id) = waiting(0);
        let late = Time::from_ms(300_000);
        let (_, outcome) = queue.decide(id.as_str(), true, String::new(), late).unwrap();
        assert_eq!(outcome, Outcome::Expired);
        let (mut queue, id) = waiting(0);
        assert_eq!(queue.expire(late).first().map(|item| item.decision.clone()), Some(id));
        assert_eq!(queue.pending().count(), 0);
    }

    #[test]
    fn the_same_decision_waits_once() {
        let (mut queue, id) = waiting(0);
        let proposal = entry(Some(Code::GuardRegime));
        let item = queue.propose(id, proposal, String::new(), Time::from_ms(9), EXPIRY).unwrap();
        assert_eq!(item.proposal, entry(None));
        assert_eq!(queue.pending().count(), 1);
    }
}
