//! The trading decision as a pure pair: [`prepare`] before the round, [`conclude`] after it.
//!
//! The back-test in one process and the orchestrator's actor call the same two functions; between
//! them lies the round, or nothing. `prepare` evaluates the gates, sizes the order, projects the
//! portfolio and writes the brief; `conclude` turns settled advice into an order intent. An intent
//! is no permission: the verdict, the mode and safety come after.
//!
//! A reversal is two orders. The exit half (signal flip) is the caller's, goes first and meets no
//! gate; the entry half is decided here, as if the exit had filled, and is a critical action
//! ([`BaseOrder::is_reversal`]). The account is to be passed as it was before the exit half.
//!
//! # Invariants
//!
//! - O-3: after HALTED no entry leaves: a state that is not active ends both halves of the pair.

use std::sync::Arc;

use crate::account::{Candidate, Holding, View};
use crate::brief::trading::{
    BookView, GateResult, Projected, Question, Session, TrackRecord, TradingBrief, TradingState,
};
use crate::code::Code;
use crate::fixed::{Bp, FixedError, Price, Qty, notional};
use crate::gates;
use crate::limits::Limits;
use crate::market::symbol::{AssetClass, Symbol};
use crate::order::{
    ClientOrderId, DecisionId, ExitPlan, OrderIntent, OrderKind, Purpose, Side, TimeInForce,
};
use crate::projection::{breach, max_correlation, project};
use crate::ratio::Ratio;
use crate::risk::DailyReturns;
use crate::signal::Direction;
use crate::sizing::{self, LotTerms, Resize, Sized, SizingTrace, Step};
use crate::synthesis::{OrderChoice, Settled};

/// An entry on the terms that the round is asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct BaseOrder {
    /// The decision's name.
    pub decision: DecisionId,
    /// The symbol.
    pub symbol: Symbol,
    /// What kind of thing it is.
    pub class: AssetClass,
    /// Long or short.
    pub direction: Direction,
    /// The last price.
    pub price: Price,
    /// The signal's raw confidence: what [`crate::synthesis::compose`] adjusts.
    pub confidence: Ratio,
    /// The size after the caps and before lots, fraction of equity.
    pub fraction: Ratio,
    /// The size in lots.
    pub qty: Qty,
    /// Distance of the stop while nobody advises another, fraction of the price.
    pub stop_distance: Ratio,
    /// Distance of the take-profit while nobody advises another, fraction of the price.
    pub target_distance: Ratio,
    /// Average true range over 14 bars, fraction of the price.
    pub atr_pct: Option<Ratio>,
    /// The symbol's daily returns.
    pub returns: Arc<DailyReturns>,
    /// Whether it turns an open position round: then it is critical.
    pub is_reversal: bool,
    /// How the size came about.
    pub trace: SizingTrace,
}

impl BaseOrder {
    /// The position that this order would open, at another size and stop.
    pub(crate) fn as_holding(&self, qty: Qty, stop_distance: Ratio) -> Holding {
        let qty = if self.direction == Direction::Short { qty.negated() } else { qty };
        let kept = Ratio::or_zero(1.0 - self.direction.sign() * stop_distance.get());
        Holding {
            symbol: self.symbol.clone(),
            class: self.class,
            qty,
            price: self.price,
            stop: self.price.scaled(kept).ok(),
            atr_pct: self.atr_pct,
            returns: Arc::clone(&self.returns),
        }
    }

    const fn lot_terms(&self) -> LotTerms {
        LotTerms { class: self.class, direction: self.direction, price: self.price }
    }
}

/// A candidate that may be put to a round.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// What the agents are told; the track record is filled in for each of them.
    pub brief: TradingBrief,
    /// The order on the terms of the brief.
    pub base: BaseOrder,
}

/// What comes of a candidate before any round.
#[derive(Clone, Debug, PartialEq)]
pub enum Prepared {
    /// Nothing is asked.
    Denied {
        /// Why: the first gate that failed, or [`Code::SizeZero`].
        code: Code,
        /// How every gate answered.
        gates: Vec<GateResult>,
    },
    /// The round is to be asked.
    Ask(Box<Asked>),
}

/// The order that settled advice comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Concluded {
    /// The intent.
    pub intent: OrderIntent,
    /// How the base size became the final one.
    pub trace: SizingTrace,
}

/// Evaluates the gates, sizes the order under the caps, projects the portfolio, writes the brief.
pub fn prepare(candidate: &Candidate, view: View, limits: &Limits) -> Prepared {
    let gates = gates::evaluate(candidate, view, limits);
    if let Some(code) = gates::denial(&gates) {
        return Prepared::Denied { code, gates };
    }
    match sized_order(candidate, view, limits) {
        Ok(base) if base.qty.is_zero() => Prepared::Denied { code: Code::SizeZero, gates },
        Err(_) => Prepared::Denied { code: Code::OrderInvalid, gates },
        Ok(base) => {
            let after =
                project(view.account, &base.as_holding(base.qty, base.stop_distance), limits);
            match brief(candidate, view, &base, after) {
                Ok(brief) => {
                    let brief = TradingBrief { gates, ..brief };
                    Prepared::Ask(Box::new(Asked { brief, base }))
                }
                Err(_) => Prepared::Denied { code: Code::OrderInvalid, gates },
            }
        }
    }
}

/// The order at its base size.
fn sized_order(
    candidate: &Candidate,
    view: View,
    limits: &Limits,
) -> Result<BaseOrder, FixedError> {
    let signal = candidate.signal;
    let atr_pct = signal.features.atr14_pct;
    let (stop_distance, target_distance) = distances(atr_pct, limits);
    let mut base = BaseOrder {
        decision: DecisionId::new(&signal.symbol, signal.at, "entry"),
        symbol: signal.symbol.clone(),
        class: candidate.class,
        direction: signal.direction,
        price: signal.price,
        confidence: signal.confidence,
        fraction: Ratio::ZERO,
        qty: Qty::ZERO,
        stop_distance,
        target_distance,
        atr_pct,
        returns: Arc::clone(&candidate.returns),
        is_reversal: view.account.is_reversal(&signal.symbol, signal.direction),
        trace: SizingTrace::default(),
    };
    let one = base.as_holding(Qty::from_units(1)?, stop_distance);
    let correlation = max_correlation(view.account, &one);
    let Sized { fraction, qty, trace } = sizing::base(candidate, view, correlation, limits)?;
    (base.fraction, base.qty, base.trace) = (fraction, qty, trace);
    Ok(base)
}

/// Where the exits of a position stand that no entry of ours has planned for.
pub fn plan_without_advice(limits: &Limits) -> ExitPlan {
    let (stop_distance, target_distance) = distances(None, limits);
    ExitPlan { stop_distance, target_distance }
}

/// Where stop and take-profit stand while nobody advises others, within the agents' bounds.
fn distances(atr_pct: Option<Ratio>, limits: &Limits) -> (Ratio, Ratio) {
    let (rules, bounds) = (&limits.sizing, &limits.bounds);
    let range = atr_pct.map(|atr| atr.get() * rules.stop_atr.get());
    let stop = range.unwrap_or(rules.unknown_stop.get());
    let stop = stop.max(bounds.stop_distance.min()).min(bounds.stop_distance.max());
    let target = stop * rules.target_stops.get();
    let target = target.max(bounds.target_distance.min()).min(bounds.target_distance.max());
    (Ratio::or_zero(stop), Ratio::or_zero(target))
}

/// The account as the agents see it.
///
/// # Errors
/// When an amount is beyond what fixed-point numbers hold.
pub fn book_view(
    view: View,
    symbol: &Symbol,
    direction: Direction,
) -> Result<BookView, FixedError> {
    let account = view.account;
    let usage = account.usage(symbol, direction);
    let state = view.protections;
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let held = account.holdings.iter().filter(|holding| !holding.qty.is_zero());
    Ok(BookView {
        equity: account.equity,
        cash: account.equity.scaled(usage.free_cash)?,
        exposure: usage.exposure,
        drawdown: account.drawdown(),
        win_rate: state.win_rate(),
        trades: state.trades(),
        loss_streak: state.loss_streak(),
        daily_pnl_pct: account.daily_pnl_pct,
        positions: count(held.count()),
        open_orders: count(account.open_orders.len()),
        open_order_for_symbol: account.open_orders.iter().any(|order| &order.symbol == symbol),
    })
}

/// The brief, but for the gates' answers and the asked agent's own record.
fn brief(
    candidate: &Candidate,
    view: View,
    base: &BaseOrder,
    projected: Projected,
) -> Result<TradingBrief, FixedError> {
    let signal = candidate.signal;
    Ok(TradingBrief {
        question: Question::Entry,
        symbol: signal.symbol.clone(),
        asset_class: candidate.class,
        as_of: view.market.now,
        direction: signal.direction,
        confidence: signal.confidence,
        magnitude: signal.magnitude,
        hit_rate: candidate.hit_rate,
        price: signal.price,
        regime: signal.regime,
        features: signal.features,
        book: book_view(view, &signal.symbol, signal.direction)?,
        order_value: notional(base.price, base.qty)?,
        projected,
        gates: Vec::new(),
        session: view.market.session,
        trading_state: view.market.trading_state,
        open_position: candidate.open_position,
        appeal: None,
        news: None,
        track_record: TrackRecord::default(),
    })
}

/// Turns settled advice into an order intent: the base size times the agents' factor, under the
/// caps again, on terms that keep the guardian's limits.
///
/// # Errors
/// With the code of what stands against it: a trading state that is not active, an agent that
/// advised to leave, nothing left under the caps, or a limit of the guardian's that the book has
/// come to breach since it looked.
pub fn conclude(
    base: &BaseOrder,
    settled: &Settled,
    view: View,
    limits: &Limits,
) -> Result<Concluded, Code> {
    let terms = settled.terms();
    if view.market.trading_state != TradingState::Active {
        return Err(Code::GateTradingState);
    }
    if terms.exit_now {
        return Err(Code::RoundExitAdvised);
    }
    let (sized, stop_distance) = affordable(base, settled, view, limits)?;
    let side = Side::opening(base.direction);
    let (kind, time_in_force, extended_hours) =
        order_kind(base, terms.order, view.market.session).map_err(|_| Code::OrderInvalid)?;
    let target_distance = terms.target_distance.unwrap_or(base.target_distance);
    let intent = OrderIntent {
        client_order_id: ClientOrderId::derive(&base.decision, side, 0),
        decision: base.decision.clone(),
        symbol: base.symbol.clone(),
        side,
        qty: sized.qty,
        kind,
        time_in_force,
        extended_hours,
        purpose: Purpose::Entry,
        at: view.market.now,
        reference: base.price,
        exits: Some(ExitPlan { stop_distance, target_distance }),
    };
    Ok(Concluded { intent, trace: sized.trace })
}

/// The largest of the offered terms that keeps the guardian's limits, and its stop.
///
/// The guardian has judged the base size with the base stop. A larger size or a wider stop is new to
/// it: where it would breach a limit the order falls back to the tighter stop, then to the base
/// size, so that synthesis never widens what the round allowed.
fn affordable(
    base: &BaseOrder,
    settled: &Settled,
    view: View,
    limits: &Limits,
) -> Result<(Sized, Ratio), Code> {
    let terms = settled.terms();
    let smaller = |one: Ratio, other: Ratio| if one < other { one } else { other };
    let advised = terms.stop_distance.unwrap_or(base.stop_distance);
    let tighter = smaller(advised, base.stop_distance);
    let offers = [
        (terms.size_factor, advised, Step::Advice),
        (terms.size_factor, tighter, Step::GuardianTerms),
        (smaller(terms.size_factor, Ratio::ONE), tighter, Step::GuardianTerms),
    ];
    let usage = view.account.usage(&base.symbol, base.direction);
    let mut denied = Code::SizeZero;
    for (factor, stop_distance, step) in offers {
        let resize = Resize { base: base.fraction, factor, step };
        let sized = sizing::resized(resize, base.lot_terms(), view.account, &usage, limits)
            .map_err(|_| Code::OrderInvalid)?;
        if sized.qty.is_zero() {
            return Err(Code::SizeZero);
        }
        let entry = base.as_holding(sized.qty, stop_distance);
        match breach(&project(view.account, &entry, limits), &limits.risk) {
            None => return Ok((sized, stop_distance)),
            Some(code) => denied = code,
        }
    }
    Err(denied)
}

/// How the order seeks its price, how long it stays, and whether it may trade in extended hours.
///
/// Outside of the regular session shares take limit orders for the day only, so a market order
/// becomes a limit at the last price. Coins know no day: their orders stay until canceled.
fn order_kind(
    base: &BaseOrder,
    choice: OrderChoice,
    session: Session,
) -> Result<(OrderKind, TimeInForce, bool), FixedError> {
    let is_share = base.class == AssetClass::Equity;
    let extended = is_share && session != Session::Regular;
    let (kind, time_in_force) = match choice {
        OrderChoice::Market if extended => (limit_at(base, Ratio::ZERO)?, TimeInForce::Day),
        OrderChoice::Market => (OrderKind::Market, TimeInForce::Day),
        OrderChoice::Limit { offset_bp, time_in_force } => {
            (limit_at(base, offset_bp)?, if extended { TimeInForce::Day } else { time_in_force })
        }
    };
    let endless = !is_share && time_in_force == TimeInForce::Day;
    Ok((kind, if endless { TimeInForce::Gtc } else { time_in_force }, extended))
}

/// A limit on the passive side of the last price, on the exchange's tick.
///
/// Shares from one unit of currency on are priced in hundredths, below in hundredths of those
/// (Regulation NMS, rule 612); rounding goes to the passive side too.
fn limit_at(base: &BaseOrder, offset_bp: Ratio) -> Result<OrderKind, FixedError> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 5,000")]
    let hundredths = (offset_bp.get().max(0.0) * 100.0).round_ties_even() as u32;
    let is_short = base.direction == Direction::Short;
    let exact = Bp::hundredths(hundredths).move_price(base.price, is_short)?.raw();
    let tick = match base.class {
        AssetClass::Crypto => 1,
        AssetClass::Equity if exact >= Price::SCALE => Price::SCALE / 100,
        AssetClass::Equity => Price::SCALE / 10_000,
    };
    let down = exact - exact.rem_euclid(tick);
    let raw = if is_short && down < exact { down.saturating_add(tick) } else { down };
    // A price below one tick has no passive tick of its own; its exact price is the best there is.
    Ok(OrderKind::Limit { limit: Price::from_raw(if raw > 0 { raw } else { exact }) })
}

#[cfg(test)]
mod tests;
