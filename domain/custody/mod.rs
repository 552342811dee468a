//! Custody of one account, simulated or at a broker outside: its orders, its positions, what protects
//! them, and what each bar does to all of it. Pure; the broker actor moves it, and so does the engine
//! without actors.
//!
//! # Invariants
//!
//! - O-1: an order comes in as `Cleared<OrderIntent>` and in no other way.
//! - O-2: one intent, at most one live order: a known id gets its first answer again, and what is too
//!   old to be known is refused.
//! - O-4: exits are never blocked: protective exits are found and sent here, without asking anybody.

mod away;
mod happening;
mod leave;
mod reconcile;
mod venue;
mod view;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::away::{AwayBroker, AwayTerms};
use crate::book::{Book, BookError};
use crate::clearance::{ClearanceError, Cleared};
use crate::code::Code;
use crate::deliberation::session_of;
use crate::exits::{self, ExitRules};
use crate::fixed::{FixedError, Money};
use crate::limits::Limits;
use crate::market::symbol::{AssetClass, Symbol};
use crate::market::tape::{Chunk, Instrument};
use crate::order::{DecisionId, OrderIntent, Purpose};
use crate::order_state::{Added, Denial, News, OrderError, OrderEvent, Orders, Terms, validate};
use crate::policy::caller::{Caller, Look, Word};
use crate::protections::{ClosedTrade, HaltChange, HaltRule, Protections};
use crate::ratio::Ratio;
use crate::sim_broker::{SimBroker, SimConfig};
use crate::time::Time;
use crate::watch::Pulse;

pub use away::Heard;
pub use happening::{Closed, EquityPoint, Happening, PositionEvent, PositionNews};
pub use reconcile::Reconciled;
use venue::Venue;

/// Why custody cannot go on. None of these is an answer to an order: those are events.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CustodyError {
    /// The ledger does not add up or overflows.
    #[error("the ledger refused")]
    Book(#[from] BookError),
    /// An order was told something that contradicts its life.
    #[error("an order's life makes no sense")]
    Order(#[from] OrderError),
    /// An amount is out of range.
    #[error("an amount is out of range")]
    Range(#[from] FixedError),
    /// There is no account of that book.
    #[error("there is no account of that book")]
    NoAccount,
    /// The account is simulated in this process, and was given news of a broker outside.
    #[error("the account is at no broker outside")]
    NotAway,
    /// An exit was built that would not shrink its position.
    #[error("an exit is none")]
    Exit(#[from] ClearanceError),
}

/// Terms of an account.
#[derive(Clone, Debug, PartialEq)]
pub struct CustodyConfig {
    /// The simulated broker's terms.
    pub sim: SimConfig,
    /// When positions are left by rule.
    pub exits: ExitRules,
    /// Whether cooldowns, the drawdown halt and position events are kept: for councils. A raw
    /// strategy is run without.
    pub guarded: bool,
    /// Cash at the start.
    pub cash: Money,
}

/// How far the account was advanced.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// The slices before this index are done.
    pub through: usize,
    /// What happened, in order.
    pub happenings: Vec<Happening>,
    /// Events of positions in the last slice, for whoever advises on exits.
    pub events: Vec<PositionEvent>,
    /// Whether the drawdown halt is due: the trading state must change before time goes on.
    pub halt_due: Option<Ratio>,
}

/// One account and everything that belongs to it. It is stored as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Custody {
    broker: Venue,
    orders: Orders,
    guards: exits::Protections,
    protections: Protections,
    halt: HaltRule,
    /// When each position's last event was, so that one is raised once.
    noticed: BTreeMap<Symbol, view::Noticed>,
    /// The present session's day and the equity that it opened with.
    session: Option<(i64, Money)>,
    last_equity: Money,
    /// Trades that wait in the ledger and were told already.
    trades_seen: usize,
    now: Time,
    guarded: bool,
    /// What a policy has said with this account, where one calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    caller: Option<Caller>,
}

impl Custody {
    /// An account that holds nothing but cash, for these instruments.
    ///
    /// # Errors
    /// When the cash is not positive.
    pub fn new(config: &CustodyConfig, instruments: &[Instrument]) -> Result<Self, CustodyError> {
        let broker = SimBroker::new(config.sim.clone(), config.cash)?;
        Ok(Self::kept_by(Venue::Sim(broker), config, instruments))
    }

    /// An account at a broker outside that holds nothing but this cash, as far as is known: its first
    /// statement says the rest. The simulated broker's terms are of no account.
    ///
    /// # Errors
    /// When the cash is not positive.
    pub fn outside(
        config: &CustodyConfig,
        terms: AwayTerms,
        instruments: &[Instrument],
    ) -> Result<Self, CustodyError> {
        let broker = AwayBroker::new(terms, config.cash)?;
        Ok(Self::kept_by(Venue::Away(broker), config, instruments))
    }

    fn kept_by(mut broker: Venue, config: &CustodyConfig, instruments: &[Instrument]) -> Self {
        for instrument in instruments {
            broker.list(instrument.symbol.clone(), instrument.class);
        }
        Self {
            broker,
            orders: Orders::default(),
            guards: exits::Protections::new(config.exits.clone()),
            protections: Protections::default(),
            halt: HaltRule::new(config.cash),
            noticed: BTreeMap::new(),
            session: None,
            last_equity: config.cash,
            trades_seen: 0,
            now: Time::EPOCH,
            guarded: config.guarded,
            caller: None,
        }
    }

    /// The ledger.
    pub const fn book(&self) -> &Book {
        self.broker.book()
    }

    /// All orders and their lives.
    pub const fn orders(&self) -> &Orders {
        &self.orders
    }

    /// Cooldowns, streaks, outcomes.
    pub const fn protections(&self) -> &Protections {
        &self.protections
    }

    /// The drawdown halt's memory.
    pub const fn halt_rule(&self) -> &HaltRule {
        &self.halt
    }

    /// The last time that was played.
    pub const fn now(&self) -> Time {
        self.now
    }

    /// When the newest bar of a symbol closed that this account has seen.
    pub fn last_bar_at(&self, symbol: &Symbol) -> Option<Time> {
        self.broker.last(symbol).map(|bar| bar.close_time)
    }

    /// Takes what is over out of memory: closed trades, and orders that no news is expected of. Nothing
    /// here needs them again; whoever takes them keeps them for the report.
    pub fn take_closed(&mut self) -> Closed {
        let trades = self.broker.take_trades();
        self.trades_seen = 0;
        Closed { trades, orders: self.orders.take_retired() }
    }

    /// Whether the account still needs to know of a decision: its position is open, or news of its
    /// order may come.
    pub fn is_pending(&self, decision: &DecisionId) -> bool {
        let mut held = self.book().positions().values();
        held.any(|position| position.decision.as_ref() == Some(decision))
            || self.orders.remembers(decision)
    }

    /// A person lifts the halt: drawdown is measured from the present equity on.
    pub fn lift_halt(&mut self) {
        self.halt.lift(self.last_equity);
    }

    /// The guardian's objection to an entry stood, after an appeal if there was one.
    pub fn on_objection(&mut self, code: Code, limits: &Limits) {
        self.protections.on_objection(code, &limits.risk);
    }

    /// What a policy says at the close of a bar that this account has played. `may_short` is whether
    /// shares may be sold short; coins never are.
    ///
    /// # Errors
    /// On overflow of the equity.
    pub fn consider(
        &mut self,
        look: Look,
        may_short: bool,
        limits: &Limits,
    ) -> Result<Word, CustodyError> {
        let class = self.class_of(&look.symbol).unwrap_or_default();
        let caller = self.caller.get_or_insert_with(|| Caller::new(limits.gates.health_calls));
        let may_short = may_short && class != AssetClass::Crypto;
        Ok(caller.consider(look, self.broker.book(), may_short)?)
    }

    /// Plays slices of a chunk: fills of what rests, protective exits, marks, cooldowns. Stops early
    /// behind a slice in which a halt falls due or a position has an event.
    ///
    /// # Errors
    /// When the ledger or an order's life breaks; the run cannot go on.
    pub fn advance(
        &mut self,
        instruments: &Arc<[Instrument]>,
        chunk: &Chunk,
        pulses: &[Pulse],
        slices: Range<usize>,
        limits: &Limits,
    ) -> Result<Step, CustodyError> {
        let mut step = Step { through: slices.start, ..Step::default() };
        for slice in slices {
            let Some(range) = chunk.range(slice) else { break };
            let ticks = &chunk.ticks()[range.clone()];
            let Some(first) = ticks.first() else {
                step.through = slice + 1;
                continue;
            };
            self.now = first.bar.close_time;
            for tick in ticks {
                let Some(of) = instruments.get(usize::from(tick.instrument)) else { continue };
                let events = self.broker.on_bar(&of.symbol, &tick.bar)?;
                self.take_in(events, limits, &mut step.happenings)?;
            }
            if !self.book().positions().is_empty() {
                for tick in ticks {
                    let Some(of) = instruments.get(usize::from(tick.instrument)) else { continue };
                    self.protect(&of.symbol, &tick.bar, limits, &mut step.happenings)?;
                }
            }
            step.happenings.push(Happening::Marked(self.settle(first.bar.open_time, limits)?));
            step.through = slice + 1;
            if self.guarded {
                self.notice(instruments, ticks, pulses.get(range).unwrap_or(&[]), &mut step.events);
                let change = self.halt.observe(self.last_equity, self.now, &limits.risk);
                if change == HaltChange::Halted {
                    step.halt_due = Some(self.drawdown());
                }
                if step.halt_due.is_some() || !step.events.is_empty() {
                    break;
                }
            }
        }
        Ok(step)
    }

    /// Takes a cleared order. A known id changes nothing and answers with where its order stands.
    ///
    /// # Errors
    /// When the ledger or an order's life breaks.
    pub fn submit(
        &mut self,
        cleared: Cleared<OrderIntent>,
        limits: &Limits,
    ) -> Result<Vec<Happening>, CustodyError> {
        let mut happenings = Vec::new();
        self.send(cleared, limits, &mut happenings)?;
        Ok(happenings)
    }

    fn send(
        &mut self,
        cleared: Cleared<OrderIntent>,
        limits: &Limits,
        happenings: &mut Vec<Happening>,
    ) -> Result<(), CustodyError> {
        let intent = self.broker.fitted(cleared.into_item());
        match self.orders.add(intent.clone()) {
            Ok(Added::Known(order)) => {
                happenings.push(Happening::Duplicate {
                    order: order.intent.client_order_id.clone(),
                    status: order.status(),
                });
                return Ok(());
            }
            Ok(Added::New(_)) => {}
            Err(OrderError::Forgotten { order }) => {
                let (decision, code) = (Some(intent.decision), Code::OrderForgotten);
                happenings.push(Happening::Refused { order, decision, code });
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        if let Err(denial) = self.validated(&intent) {
            let news = News::Denied { code: denial.code, text: denial.text.to_owned() };
            let event = OrderEvent { order: intent.client_order_id, at: self.now, news };
            self.orders.apply(&event)?;
            happenings.push(Happening::Order { event });
            return Ok(());
        }
        happenings.push(Happening::Submitted { intent: intent.clone() });
        let id = intent.client_order_id.clone();
        let sent = OrderEvent { order: id, at: self.now, news: News::Submitted };
        self.orders.apply(&sent)?;
        let events = self.broker.submit(intent, self.now)?;
        self.take_in(events, limits, happenings)
    }

    /// The last look at an entry before it leaves. An exit was judged when it was cleared, and what
    /// shrinks a position is not held up by its form.
    fn validated(&self, intent: &OrderIntent) -> Result<(), Denial> {
        if intent.purpose != Purpose::Entry {
            return Ok(());
        }
        let class = self.class_of(&intent.symbol).unwrap_or_default();
        if self.is_behind_exit(&intent.symbol) {
            let code = Code::OrderBehindExit;
            return Err(Denial { code, text: code.cause() });
        }
        let position = self.position_after_exits(&intent.symbol);
        validate(intent, Terms { class, session: session_of(class, intent.at), position })
    }

    /// Books what the broker says.
    fn take_in(
        &mut self,
        events: Vec<OrderEvent>,
        limits: &Limits,
        happenings: &mut Vec<Happening>,
    ) -> Result<(), CustodyError> {
        let injected = self.broker.take_injected().into_iter();
        happenings.extend(injected.map(|item| Happening::Injected { item }));
        for event in events {
            let transition = match self.orders.apply(&event) {
                Err(OrderError::Unknown { order }) => {
                    let (decision, code) = (None, Code::OrderForgotten);
                    happenings.push(Happening::Refused { order, decision, code });
                    continue;
                }
                applied => applied?,
            };
            match &event.news {
                // O-2: a fill that was told before is booked once.
                News::Fill { .. } if !transition.fill_is_new => {
                    let status = transition.to;
                    happenings.push(Happening::Duplicate { order: event.order, status });
                    continue;
                }
                News::Fill { fill } => {
                    let trades = self.trades_behind(fill.at, limits);
                    let plan = self.orders.get(&event.order).and_then(|order| order.intent.exits);
                    if let (Some(plan), Some(position)) =
                        (plan, self.broker.book().position(&fill.symbol))
                    {
                        let position = position.clone();
                        self.guards.guard(&fill.symbol, &position, plan)?;
                    }
                    self.protections.on_trade(&fill.symbol, fill.at);
                    happenings.push(Happening::Filled { fill: fill.clone() });
                    happenings.extend(trades);
                }
                // Where the former stop stands, nothing that was wanted is missing.
                News::Rejected { .. } if self.is_replacement(&event.order) => {}
                News::Rejected { .. } => self.protections.on_rejection(&limits.risk),
                News::Accepted { .. } => self.protections.on_acceptance(),
                _ => {}
            }
            if !matches!(event.news, News::Fill { .. } | News::Submitted) {
                happenings.push(Happening::Order { event });
            }
        }
        Ok(())
    }

    /// The trades that the ledger has closed since it was last asked.
    fn trades_behind(&mut self, at: Time, limits: &Limits) -> Vec<Happening> {
        let trades = self.broker.book().trades().get(self.trades_seen..).unwrap_or(&[]).to_vec();
        self.trades_seen += trades.len();
        let happening = |trade: crate::book::Trade| {
            let return_pct = trade.return_on_cost().unwrap_or(Ratio::ZERO);
            let symbol = trade.symbol.clone();
            let is_share = self.broker.class_of(&symbol).unwrap_or_default() == AssetClass::Equity;
            let same_day = trade.entry_time.utc_day() == trade.exit_time.utc_day();
            let same_session = is_share && same_day;
            let closed = ClosedTrade { symbol, return_pct, at, same_session };
            self.protections.on_trade_closed(&closed, &limits.risk);
            let outcome = exits::Outcome::of(&trade);
            Happening::TradeClosed { trade, outcome }
        };
        trades.into_iter().map(happening).collect()
    }

    /// Ends a slice: the session's figures and one point of the equity curve.
    fn settle(&mut self, opened: Time, limits: &Limits) -> Result<EquityPoint, CustodyError> {
        let equity = self.broker.settle()?;
        let day = opened.utc_day();
        if self.session.is_none_or(|(session, _)| session != day) {
            self.session = Some((day, self.last_equity));
            if self.guarded {
                self.protections.on_session(opened, &limits.risk, &limits.gates);
            }
        }
        self.last_equity = equity;
        if self.guarded {
            self.protections.on_daily_pnl(self.daily_pnl_pct(), &limits.risk);
        }
        let book = self.broker.book();
        Ok(EquityPoint {
            at: self.now,
            equity,
            cash: book.cash(),
            exposure: if book.positions().is_empty() { Ratio::ZERO } else { book.exposure()? },
            drawdown: book.drawdown(),
        })
    }

    /// Profit or loss of the present session, fraction of its opening equity.
    pub fn daily_pnl_pct(&self) -> Ratio {
        let opening = self.session.map_or(self.last_equity, |(_, opening)| opening);
        if opening <= Money::ZERO {
            return Ratio::ZERO;
        }
        Ratio::or_zero(self.last_equity.to_f64() / opening.to_f64() - 1.0)
    }

    /// Fall of equity from the peak that the halt is measured from, fraction, 0 to 1.
    pub fn drawdown(&self) -> Ratio {
        let (equity, peak) = (self.last_equity.to_f64(), self.halt.peak().to_f64());
        Ratio::or_zero((1.0 - equity / peak).max(0.0))
    }

    /// What kind of thing a symbol is, as listed.
    pub fn class_of(&self, symbol: &Symbol) -> Option<AssetClass> {
        self.broker.class_of(symbol)
    }
}

#[cfg(test)]
mod tests;
