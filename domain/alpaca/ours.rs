//! Between the broker's words and ours: intents as orders of the API, its news as reports, its account
//! as a statement. Pure.
//!
//! - O-2: one intent, at most one live order: the order carries the intent's own id.
//!
//! What is not ours is told apart by its id: ours begin with `cv-`. A leg that the broker named itself,
//! or an order of a person, is none of ours and is only counted.

use super::order::{NewOrder, Replacement};
use super::rules::{self, AssetFlags, Judged, Moment};
use super::stream::TradeUpdate;
use super::word::{OrderType, PositionIntent, UpdateEvent, VenueClass};
use super::{Account, Order, OrderStatus, Position, Side, Stamp, TimeInForce};
use crate::away::{Execution, Report, Said};
use crate::code::Code;
use crate::fixed::{FixedError, Money, Price, Qty, div_half_even};
use crate::market::symbol::{AssetClass, Symbol, SymbolError};
use crate::order::{self, ClientOrderId, OrderIntent, OrderKind, Purpose};
use crate::reconcile::{StatedOrder, StatedPosition, StatedState, Statement};
use crate::time::Time;

/// What every id of ours begins with.
const OURS: &str = "cv-";

/// An order id, if it is one of ours.
pub fn our_id(text: &str) -> Option<ClientOrderId> {
    text.starts_with(OURS).then(|| ClientOrderId::parse(text)).flatten()
}

/// An intent as the broker is asked for it.
pub fn asked(intent: &OrderIntent, class: AssetClass) -> NewOrder {
    let (kind, limit, stop, trail) = match intent.kind {
        OrderKind::Market => (OrderType::Market, None, None, None),
        OrderKind::Limit { limit } => (OrderType::Limit, Some(limit), None, None),
        OrderKind::Stop { stop } => (OrderType::Stop, None, Some(stop), None),
        OrderKind::StopLimit { stop, limit } => {
            (OrderType::StopLimit, Some(limit), Some(stop), None)
        }
        OrderKind::TrailingStop { trail } => (OrderType::TrailingStop, None, None, Some(trail)),
    };
    let time_in_force = match (class, intent.time_in_force) {
        // Coins know no day.
        (AssetClass::Crypto, order::TimeInForce::Day) | (_, order::TimeInForce::Gtc) => {
            TimeInForce::Gtc
        }
        (AssetClass::Equity, order::TimeInForce::Day) => TimeInForce::Day,
        (_, order::TimeInForce::Ioc) => TimeInForce::Ioc,
    };
    NewOrder {
        symbol: intent.symbol.as_str().to_owned(),
        qty: Some(intent.qty.into()),
        side: if intent.side == order::Side::Buy { Side::Buy } else { Side::Sell },
        kind,
        time_in_force,
        limit_price: limit.map(Into::into),
        stop_price: stop.map(Into::into),
        trail_price: trail.map(Into::into),
        extended_hours: intent.extended_hours,
        client_order_id: Some(intent.client_order_id.to_string()),
        position_intent: Some(meant(intent)),
        ..NewOrder::default()
    }
}

/// A stop as the broker is asked for it in the place of another one of its symbol and side.
pub fn replacement(intent: &OrderIntent) -> Replacement {
    let NewOrder { qty, stop_price, client_order_id, .. } = asked(intent, AssetClass::Equity);
    Replacement { qty, stop_price, client_order_id, ..Replacement::default() }
}

/// Judges an intent by the broker's rules, before it is sent. An exit counts as one of a position of
/// its own size, because custody asks for none that is larger; an entry as one of no position.
///
/// # Errors
/// With the first rule that it breaks.
pub fn admitted(intent: &OrderIntent, asset: &AssetFlags, at: Time) -> Judged {
    let held = match (intent.purpose, intent.side) {
        (Purpose::Entry, _) => Qty::ZERO,
        (Purpose::Exit { .. }, order::Side::Sell) => intent.qty,
        (Purpose::Exit { .. }, order::Side::Buy) => intent.qty.negated(),
    };
    rules::admit(&asked(intent, asset.class), asset, Moment::at(at), held)
}

/// What the order is meant to do, said so that the broker refuses what would do something else.
const fn meant(intent: &OrderIntent) -> PositionIntent {
    match (intent.purpose, intent.side) {
        (Purpose::Entry, order::Side::Buy) => PositionIntent::BuyToOpen,
        (Purpose::Entry, order::Side::Sell) => PositionIntent::SellToOpen,
        (Purpose::Exit { .. }, order::Side::Buy) => PositionIntent::BuyToClose,
        (Purpose::Exit { .. }, order::Side::Sell) => PositionIntent::SellToClose,
    }
}

/// What an update says of an order of ours; nothing for others' orders, and for stages on the way that
/// change nothing here.
///
/// An end, and an execution that is not the first, come with the total that the broker has: a message
/// before it may have been lost or be late, and the account would show another position until then.
pub fn heard(update: &TradeUpdate, now: Time) -> Vec<Report> {
    let Some(order) = our_id(&update.order.client_order_id) else { return Vec::new() };
    let at = update.timestamp.map_or(now, Stamp::time);
    let Some(said) = said(update) else { return Vec::new() };
    let report = |said| Report { order: order.clone(), at, said };
    let filled = update.order.filled_qty;
    let total = update.order.filled_avg_price.filter(|_| filled.raw() > 0);
    let total = total.map(|average| report(Said::Total { filled, average }));
    match &said {
        Said::Canceled | Said::Expired | Said::Replaced => {
            total.into_iter().chain([report(said)]).collect()
        }
        Said::Executed { execution } if execution.qty < filled => {
            [report(said)].into_iter().chain(total).collect()
        }
        _ => vec![report(said)],
    }
}

/// Whether an update is a reason to compare the account: somebody else trades in it, an execution was
/// corrected, or it says less than what it tells must say.
pub fn is_doubtful(update: &TradeUpdate) -> bool {
    let is_ours = our_id(&update.order.client_order_id).is_some();
    match &update.event {
        // What was to take its place is no order, although the answer said so.
        UpdateEvent::Restated | UpdateEvent::OrderReplaceRejected => true,
        event => event.is_fill() && !(is_ours && said(update).is_some()),
    }
}

fn said(update: &TradeUpdate) -> Option<Said> {
    Some(match &update.event {
        event if event.is_fill() => executed(update)?,
        UpdateEvent::New | UpdateEvent::Accepted | UpdateEvent::PendingNew => {
            Said::Accepted { venue_order_id: Some(update.order.id.clone()) }
        }
        UpdateEvent::Canceled => Said::Canceled,
        UpdateEvent::Expired => Said::Expired,
        UpdateEvent::Replaced => Said::Replaced,
        UpdateEvent::Rejected => Said::Rejected {
            code: Code::BrokerRejected,
            text: Code::BrokerRejected.cause().to_owned(),
        },
        UpdateEvent::OrderCancelRejected => Said::CancelRejected,
        UpdateEvent::OrderReplaceRejected => Said::ReplaceRejected,
        // Corrections are found by a statement.
        _ => return None,
    })
}

/// An execution; where the update does not name it, the order's total says as much.
fn executed(update: &TradeUpdate) -> Option<Said> {
    let filled = update.order.filled_qty;
    let named = (update.execution_id.as_ref(), update.qty, update.price);
    if let (Some(id), Some(qty), Some(price)) = named {
        let execution = Execution { id: id.clone(), qty, price, fee: Money::ZERO, filled };
        return Some(Said::Executed { execution });
    }
    update.order.filled_avg_price.map(|average| Said::Total { filled, average })
}

/// An order as a statement tells of it; `None` for one that is not ours.
pub fn stated(order: &Order, now: Time) -> Option<StatedOrder> {
    let id = our_id(&order.client_order_id)?;
    let state = match &order.status {
        OrderStatus::Filled => StatedState::Filled,
        OrderStatus::Canceled => StatedState::Canceled,
        OrderStatus::Expired => StatedState::Expired,
        OrderStatus::Replaced => StatedState::Replaced,
        OrderStatus::Rejected => {
            StatedState::Rejected { text: Code::BrokerRejected.cause().to_owned() }
        }
        _ => StatedState::Open,
    };
    let at = [order.updated_at, order.filled_at, order.submitted_at].into_iter().flatten().next();
    Some(StatedOrder {
        order: id,
        venue_order_id: Some(order.id.clone()),
        at: at.map_or(now, Stamp::time),
        filled: order.filled_qty,
        average: order.filled_avg_price,
        state,
    })
}

/// Why an account cannot be stated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnstatedError {
    /// A position in something that is no symbol here.
    #[error("the broker holds `{symbol}`, which is no symbol here")]
    Symbol {
        /// Its name there, cut.
        symbol: String,
        /// What is wrong with it.
        source: SymbolError,
    },
    /// A position without a price.
    #[error("the broker says no price of its position in {symbol}")]
    Unpriced {
        /// The symbol.
        symbol: Symbol,
    },
    /// A figure is out of range.
    #[error("the broker states a figure that is out of range")]
    Range(#[from] FixedError),
}

/// The account as the broker tells of it. `ours` are the orders that it was asked about, `known` the
/// symbols that are traded: positions in coins are told without their slash.
///
/// # Errors
/// When a position makes no sense.
pub fn statement(
    (changes, at): (u64, Time),
    account: &Account,
    positions: &[Position],
    (orders, foreign_orders): (Vec<StatedOrder>, u32),
    known: &[Symbol],
) -> Result<Statement, UnstatedError> {
    let positions = positions.iter().map(|position| stated_position(position, known));
    Ok(Statement {
        changes,
        at,
        cash: account.cash,
        equity: Some(account.equity),
        positions: positions.collect::<Result<_, _>>()?,
        orders,
        foreign_orders,
    })
}

fn stated_position(told: &Position, known: &[Symbol]) -> Result<StatedPosition, UnstatedError> {
    let symbol = symbol_of(told, known)?;
    let (class, qty) = (class_of(&told.asset_class), told.signed_qty());
    let price = match (told.current_price, told.market_value) {
        (Some(price), _) => price,
        (None, Some(value)) if !qty.is_zero() => per_unit(value, qty)?,
        _ => return Err(UnstatedError::Unpriced { symbol }),
    };
    Ok(StatedPosition { symbol, class, qty, average: told.avg_entry_price, price })
}

/// Dollars over units, both at their own scales, half to even.
fn per_unit(value: Money, qty: Qty) -> Result<Price, FixedError> {
    // What is owed has a negative worth and a negative quantity; the divisor must be positive.
    let value = i128::from(value.raw()) * i128::from(qty.raw().signum());
    let raw = div_half_even(value * i128::from(Qty::SCALE), i128::from(qty.raw()).abs());
    let raw = i64::try_from(raw).map_err(|_| FixedError::OutOfRange {
        what: "a worth over its quantity".to_owned(),
        unit: "a price",
    })?;
    Ok(Price::from_raw(raw))
}

fn symbol_of(told: &Position, known: &[Symbol]) -> Result<Symbol, UnstatedError> {
    let ours = known.iter().find(|known| super::is_same_symbol(known.as_str(), &told.symbol));
    if let Some(ours) = ours {
        return Ok(ours.clone());
    }
    let spelt = match (&told.asset_class, told.symbol.strip_suffix("USD")) {
        (VenueClass::Crypto, Some(coin)) if !coin.contains('/') => format!("{coin}/USD"),
        _ => told.symbol.clone(),
    };
    Symbol::new(&spelt).map_err(|source| UnstatedError::Symbol {
        symbol: spelt.chars().take(40).collect(),
        source,
    })
}

/// What kind of thing a class of the broker is here.
fn class_of(class: &VenueClass) -> AssetClass {
    if *class == VenueClass::Crypto { AssetClass::Crypto } else { AssetClass::Equity }
}

#[cfg(test)]
mod tests;
