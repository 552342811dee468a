//! What a decision is made of, gathered once: the signal, the account, the market, the state.
//!
//! The orchestrator's actor and the engine without actors both gather a [`Matter`], put it to a
//! round (or not), and turn the round's advice into an order with it.
//!
//! # Invariants
//!
//! - L-1: a matter holds what was known at the close of its signal's slice and nothing later.

use std::sync::Arc;
use std::time::Duration;

use crate::account::{Account, Candidate, Holding, Market, View};
use crate::advice::{Advice, Objection, Stance};
use crate::appeal::{Case, Voice};
use crate::brief::trading::{
    OpenPosition, Question, Session, TrackRecord, TradingBrief, TradingState,
};
use crate::code::Code;
use crate::custody::{Custody, CustodyError, PositionEvent};
use crate::decide::{BaseOrder, Concluded, Prepared, book_view, conclude, prepare};
use crate::fixed::{Money, Qty};
use crate::limits::Limits;
use crate::market::calendar::Calendar;
use crate::market::symbol::AssetClass;
use crate::market::tape::Instrument;
use crate::order::OrderIntent;
use crate::projection::{breach, project};
use crate::protections::Protections;
use crate::ratio::Ratio;
use crate::risk::DailyReturns;
use crate::strategy::SourceRecord;
use crate::synthesis::{Composed, Settled, compose};
use crate::time::Time;
use crate::watch::{MarketSnapshot, Raised};

/// Everything that one decision looks at; owned, so that it can travel.
#[derive(Clone, Debug)]
pub struct Matter {
    /// The signal and the market around it.
    pub raised: Raised,
    /// What kind of thing the symbol is.
    pub class: AssetClass,
    /// The account, before the exit half of a reversal.
    pub account: Account,
    /// The present position in the symbol.
    pub open_position: Option<OpenPosition>,
    protections: Protections,
    market: Market,
}

/// An order, and the settled terms that it was made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Conclusion {
    /// The order.
    pub order: Concluded,
    /// The terms.
    pub settled: Settled,
}

/// Where the market of a kind of thing stands at a time.
pub fn session_of(class: AssetClass, at: crate::time::Time) -> Session {
    match class {
        AssetClass::Equity => Calendar::Xnys.session(at),
        AssetClass::Crypto => Calendar::Always.session(at),
    }
}

impl Matter {
    /// Gathers what a signal's decision looks at.
    ///
    /// # Errors
    /// On overflow of the ledger.
    pub fn of(
        custody: &Custody,
        instruments: &[Instrument],
        raised: Raised,
        trading_state: TradingState,
    ) -> Result<Self, CustodyError> {
        let symbol = &raised.signal.symbol;
        let class = custody.class_of(symbol).unwrap_or_default();
        let account = custody.account(instruments, &raised.market)?;
        let own = raised.market.symbols.get(usize::from(raised.instrument));
        let now = raised.signal.at;
        let last_bar_age = own
            .and_then(|own| own.last_close_time)
            .map_or(Duration::MAX, |closed_at| now.since(closed_at));
        let market = Market {
            vix_level: raised.market.vix_level,
            session: session_of(class, now),
            trading_state,
            last_bar_age,
            now,
        };
        let open_position = custody.open_position(symbol);
        let protections = custody.protections().clone();
        Ok(Self { raised, class, account, open_position, protections, market })
    }

    fn view(&self) -> View<'_> {
        View { account: &self.account, protections: &self.protections, market: &self.market }
    }

    /// How late it is at the market, where bars are played that somebody had missed: what they say is
    /// as old as that.
    pub fn age(&mut self, market: crate::time::Time) {
        let behind = market.since(self.market.now);
        self.market.last_bar_age = self.market.last_bar_age.max(behind);
    }

    /// Whether the signal turns an open position round: its exit half goes first, asks nobody, and
    /// its entry half is critical.
    pub fn is_reversal(&self) -> bool {
        self.account.is_reversal(&self.raised.signal.symbol, self.raised.signal.direction)
    }

    /// Gates, base size, projection, brief: everything before the round.
    pub fn prepare(&self, limits: &Limits) -> Prepared {
        let own = self.raised.market.symbols.get(usize::from(self.raised.instrument));
        let returns = own.map(|own| Arc::clone(&own.returns));
        let call = self.raised.call;
        let candidate = Candidate {
            signal: &self.raised.signal,
            class: self.class,
            // A strategy's confidence is its own shrunken hit rate on the symbol.
            hit_rate: call.map_or(self.raised.signal.confidence, |call| call.hit_rate),
            record: call.map_or(self.raised.market.source, |call| call.record),
            actions: call.map(|call| call.actions),
            bucket: call.map(|call| call.bucket),
            returns: returns.unwrap_or_else(|| Arc::new(DailyReturns::default())),
            open_position: self.open_position,
        };
        prepare(&candidate, self.view(), limits)
    }

    /// Looks again at an order that this matter has come to, `now`, with the account as it is now and
    /// the market as it was when the order was weighed: the gates, and the hard limits with the order in
    /// the book. `newest` is when the last bar of its symbol closed that the account has seen: those of
    /// other symbols say nothing of its price.
    ///
    /// # Errors
    /// With the code of what stands against it.
    pub fn recheck(
        mut self,
        intent: &OrderIntent,
        (now, newest): (Time, Option<Time>),
        limits: &Limits,
    ) -> Result<(), Code> {
        // An order of a bar that ended the session was meant for the next one all along: what counts is
        // whether the market stands otherwise than right after the signal.
        let then = self.raised.signal.at + Duration::from_millis(1);
        let session = session_of(self.class, now);
        if session != session_of(self.class, then) {
            self.market.session = session;
        }
        self.market.now = now;
        self.market.last_bar_age = newest.map_or(Duration::MAX, |newest| now.since(newest));
        let asked = match self.prepare(limits) {
            Prepared::Denied { code, .. } => return Err(code),
            Prepared::Ask(asked) => asked,
        };
        let stop =
            intent.exits.as_ref().map_or(asked.base.stop_distance, |plan| plan.stop_distance);
        let after = project(&self.account, &asked.base.as_holding(intent.qty, stop), limits);
        breach(&after, &limits.risk).map_or(Ok(()), Err)
    }

    /// What all advice comes to.
    ///
    /// # Errors
    /// When a product of factors is no number any more.
    pub fn compose(base: &BaseOrder, advice: &[Advice], limits: &Limits) -> Result<Composed, Code> {
        compose(advice, base.confidence, limits).map_err(|_| Code::OrderInvalid)
    }

    /// The order that composed advice comes to, once it is known whether a critical size is
    /// permitted.
    ///
    /// # Errors
    /// With the code of what stands against it.
    pub fn conclude(
        &self,
        base: &BaseOrder,
        composed: Composed,
        critical_permitted: bool,
        limits: &Limits,
    ) -> Result<Conclusion, Code> {
        let settled = composed.settle(critical_permitted, limits);
        let order = conclude(base, &settled, self.view(), limits)?;
        Ok(Conclusion { order, settled })
    }
}

/// What an appeal against an objection is judged by.
pub fn case<'a>(brief: &'a TradingBrief, objection: &'a Objection, limits: &'a Limits) -> Case<'a> {
    Case {
        objection,
        projected: &brief.projected,
        book: &brief.book,
        limits: &limits.risk,
        rules: &limits.consensus,
    }
}

/// What the voters of a round said, for the conditions of an appeal.
pub fn voices(advice: &[Advice]) -> Vec<Voice> {
    let voice = |advice: &Advice| match advice.stance {
        Stance::Vote(vote) => {
            let confidence = advice.confidence.ratio();
            Some(Voice { agent: advice.agent, vote: Some(vote), confidence })
        }
        Stance::NoObjection | Stance::Veto(_) => None,
    };
    advice.iter().filter_map(voice).collect()
}

/// The brief of an open position in which something happened: what the Exit Strategist is told.
///
/// The tail risks of the book are not looked at for an exit; they stand in the brief as unknown,
/// which is their worst.
///
/// # Errors
/// On overflow of the ledger.
pub fn position_brief(
    custody: &Custody,
    instruments: &[Instrument],
    event: &PositionEvent,
    trading_state: TradingState,
    limits: &Limits,
) -> Result<TradingBrief, CustodyError> {
    let (at, source) = (event.at, SourceRecord::default());
    let nothing = MarketSnapshot { at, vix_level: None, source, symbols: Vec::new() };
    let account = custody.account(instruments, &nothing)?;
    let class = custody.class_of(&event.symbol).unwrap_or_default();
    let market = Market {
        vix_level: None,
        session: session_of(class, event.at),
        trading_state,
        last_bar_age: Duration::ZERO,
        now: event.at,
    };
    let view = View { account: &account, protections: custody.protections(), market: &market };
    let direction = event.position.direction;
    let held = account.holding(&event.symbol);
    let price = held.map_or(event.position.entry_price, |held| held.price);
    let unchanged = Holding {
        symbol: event.symbol.clone(),
        class,
        qty: Qty::ZERO,
        price,
        stop: None,
        atr_pct: event.pulse.features.atr14_pct,
        returns: Arc::new(DailyReturns::default()),
    };
    Ok(TradingBrief {
        question: Question::Position,
        symbol: event.symbol.clone(),
        asset_class: class,
        as_of: event.at,
        direction,
        confidence: Ratio::ZERO,
        magnitude: Ratio::ZERO,
        hit_rate: Ratio::of(0.5),
        price,
        regime: event.pulse.regime,
        features: event.pulse.features,
        book: book_view(view, &event.symbol, direction)?,
        order_value: Money::ZERO,
        projected: project(&account, &unchanged, limits),
        gates: Vec::new(),
        session: market.session,
        trading_state,
        open_position: Some(event.position),
        appeal: None,
        news: None,
        track_record: TrackRecord::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custody::{CustodyConfig, PositionNews};
    use crate::exits::ExitRules;
    use crate::fixed::Bp;
    use crate::limits::RiskLimits;
    use crate::market::tape::{Chunk, Tick};
    use crate::order::{ClientOrderId, DecisionId, OrderIntent, OrderKind, Purpose, Side};
    use crate::order::{ExitPlan, TimeInForce};
    use crate::signal::{Direction, Features, Regime};
    use crate::sim_broker::{FillAt, SimConfig};
    use crate::testing;
    use crate::time::Time;
    use crate::watch::{Pulse, SymbolSnapshot};

    fn instruments() -> Arc<[Instrument]> {
        [Instrument { symbol: testing::symbol("AAPL"), class: AssetClass::Equity }].into()
    }

    /// A flat session at 100 that closes at [`testing::now`].
    fn bar() -> crate::market::bar::Bar {
        let close_time = testing::now();
        let open_time = Time::from_ms(close_time.ms() - 6 * 3_600_000);
        let [open, high, low, close] = [testing::price(100); 4];
        let volume = crate::fixed::Volume::ZERO;
        crate::market::bar::Bar { open_time, close_time, open, high, low, close, volume }
    }

    /// An account that holds ten AAPL, or minus ten, or none, at the close of [`testing::now`].
    fn custody(held: Option<Side>) -> Custody {
        let config = CustodyConfig {
            sim: SimConfig::raw(FillAt::Close, Bp::ZERO),
            exits: ExitRules::default(),
            guarded: true,
            cash: Money::from_units(100_000).unwrap(),
        };
        let mut custody = Custody::new(&config, &instruments()).unwrap();
        let (close_time, limits) = (testing::now(), Limits::default());
        let bar = bar();
        let chunk = Chunk::of_slice(vec![Tick { instrument: 0, bar }]);
        custody.advance(&instruments(), &chunk, &[], 0..1, &limits).unwrap();
        if let Some(side) = held {
            let symbol = testing::symbol("AAPL");
            let decision = DecisionId::new(&symbol, close_time, "entry");
            let exits = ExitPlan { stop_distance: Ratio::of(0.1), target_distance: Ratio::of(0.2) };
            let intent = OrderIntent {
                client_order_id: ClientOrderId::derive(&decision, side, 0),
                decision,
                symbol,
                side,
                qty: Qty::from_units(10).unwrap(),
                kind: OrderKind::Market,
                time_in_force: TimeInForce::Gtc,
                extended_hours: false,
                purpose: Purpose::Entry,
                at: close_time,
                reference: bar.close,
                exits: Some(exits),
            };
            let person = crate::mode::Person::authenticated("ada", "cli");
            let expires_at = Time::from_ms(i64::MAX);
            let validity = crate::clearance::Validity { epoch: 0, expires_at };
            let cleared = crate::clearance::Cleared::by_person(person, intent, validity);
            custody.submit(cleared, &limits).unwrap();
        }
        custody
    }

    fn matter(held: Option<Side>, last_close_time: Option<Time>, state: TradingState) -> Matter {
        let own = SymbolSnapshot {
            atr_pct: Some(Ratio::of(0.02)),
            returns: testing::returns(0.005, 1),
            last_close_time,
        };
        let (at, vix_level) = (testing::now(), Some(Ratio::of(15.0)));
        let source = SourceRecord::default();
        let market = Arc::new(MarketSnapshot { at, vix_level, source, symbols: vec![own] });
        let signal = testing::signal(Direction::Long);
        let raised = Raised { slice: 0, instrument: 0, bar: bar(), signal, market, call: None };
        Matter::of(&custody(held), &instruments(), raised, state).unwrap()
    }

    fn denial(matter: &Matter, limits: &Limits) -> Option<Code> {
        match matter.prepare(limits) {
            Prepared::Denied { code, .. } => Some(code),
            Prepared::Ask(_) => None,
        }
    }

    /// L-1: the account, the market and the session are those of the signal's close.
    #[test]
    fn a_matter_is_gathered_at_the_close_of_its_signal() {
        let limits = Limits {
            risk: RiskLimits { symbol_cooldown: Duration::ZERO, ..RiskLimits::default() },
            ..Limits::default()
        };
        let fresh = Some(testing::now());
        assert_eq!(denial(&matter(None, fresh, TradingState::Active), &limits), None);
        let late = Time::from_ms(testing::now().ms() - 600_001);
        for stale in [None, Some(late)] {
            let stale = matter(None, stale, TradingState::Active);
            assert_eq!(denial(&stale, &limits), Some(Code::GateStaleData));
        }
        for state in [TradingState::Reducing, TradingState::Halted] {
            assert_eq!(denial(&matter(None, fresh, state), &limits), Some(Code::GateTradingState));
        }
    }

    #[test]
    fn a_call_against_what_is_held_is_a_reversal_with_the_account_before_its_exit() {
        let limits = Limits {
            risk: RiskLimits { symbol_cooldown: Duration::ZERO, ..RiskLimits::default() },
            ..Limits::default()
        };
        for (held, expected) in [(None, false), (Some(Side::Buy), false), (Some(Side::Sell), true)]
        {
            let matter = matter(held, Some(testing::now()), TradingState::Active);
            assert_eq!(matter.is_reversal(), expected, "{held:?}");
            assert_eq!(matter.account.holdings.len(), usize::from(held.is_some()));
            match matter.prepare(&limits) {
                Prepared::Ask(asked) => {
                    assert_eq!(asked.base.is_reversal, expected, "{held:?}");
                    assert_eq!(asked.brief.open_position.is_some(), held.is_some());
                }
                Prepared::Denied { code, .. } => panic!("{held:?}: {code}"),
            }
        }
    }

    #[test]
    fn a_brief_of_a_position_changes_nothing_and_does_not_know_the_tails() {
        let custody = custody(Some(Side::Buy));
        let symbol = testing::symbol("AAPL");
        let position = custody.open_position(&symbol).unwrap();
        let pulse = Pulse { features: Features::default(), regime: Regime::default() };
        let (news, at) = (PositionNews::Stalled, testing::now());
        let event = PositionEvent { symbol, news, at, position, pulse };
        let state = TradingState::Active;
        let brief =
            position_brief(&custody, &instruments(), &event, state, &Limits::default()).unwrap();
        assert_eq!((brief.question, brief.session), (Question::Position, Session::Regular));
        assert_eq!((brief.direction, brief.open_position), (Direction::Long, Some(position)));
        assert_eq!(brief.order_value, Money::ZERO);
        assert!((brief.projected.position_pct.get() - 0.01).abs() < 1e-9, "{:?}", brief.projected);
        assert_eq!(
            (brief.projected.var95_pct, brief.projected.cvar95_pct),
            (Ratio::ONE, Ratio::ONE)
        );
    }
}
