//! One account of an exchange: cash, positions, orders, and what it may still buy. Money is exact.
//!
//! # Invariants
//!
//! - P-1: cash is what it was at the start, less what was bought, plus what was sold and paid out; a
//!   position is the sum of its executions.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Terms;
use super::ids::{Id, Kind as IdKind};
use super::order::{Event, Execution, Order, Status, Update};
use super::ticket::Kind;
use super::venue::Venue;
use crate::fixed::{FixedError, Money, Price, Qty, div_half_even, notional};
use crate::market::symbol::AssetClass;
use crate::order::Side;
use crate::ratio::Ratio;
use crate::time::Time;

/// By how much a short sale is valued above the ask, so that a rise before its fill is covered.
const SHORT_MARGIN: f64 = 1.03;
/// The share of a marginable position's value that must stand behind it at all times.
const MAINTENANCE: f64 = 0.3;

/// What is held of a listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// How much; negative is short.
    pub qty: Qty,
    /// What it was bought for; negative is what it was sold short for.
    pub cost: Money,
}

impl Position {
    /// The mean price of its entries, rounded half to even; zero when it is flat.
    pub fn average_price(&self) -> Price {
        if self.qty.is_zero() {
            return Price::ZERO;
        }
        let value = i128::from(self.cost.raw().abs()) * i128::from(Qty::SCALE);
        let mean = div_half_even(value, i128::from(self.qty.raw().abs()));
        Price::from_raw(i64::try_from(mean).unwrap_or(i64::MAX))
    }

    /// What it is worth at a price; negative is owed.
    ///
    /// # Errors
    /// On overflow.
    pub fn value(&self, price: Price) -> Result<Money, FixedError> {
        notional(price, self.qty)
    }

    /// Adds a signed execution of this value.
    fn add(&mut self, qty: Qty, value: Money) -> Result<(), FixedError> {
        let after = self.qty.plus(qty)?;
        let is_same_way = self.qty.is_zero() || (self.qty.raw() > 0) == (qty.raw() > 0);
        self.cost = if is_same_way {
            self.cost.plus(value)?
        } else if (after.raw() > 0) == (self.qty.raw() > 0) && !after.is_zero() {
            // What is left was bought at the same mean price as what went.
            let part = i128::from(self.cost.raw().abs()) * i128::from(after.raw().abs());
            let left = div_half_even(part, i128::from(self.qty.raw().abs()));
            let left = Money::from_raw(i64::try_from(left).unwrap_or(i64::MAX));
            if self.qty.raw() > 0 { left } else { left.negated() }
        } else {
            // Doors do not let an order turn a position; what is closed costs nothing.
            Money::ZERO
        };
        self.qty = after;
        Ok(())
    }
}

/// Something that an account was credited, charged or given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Its number in the account, from 0.
    pub nth: u64,
    /// When.
    pub at: Time,
    /// What.
    pub deed: Deed,
}

/// What an activity was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// An execution.
    Fill {
        /// The order after it.
        order: Box<Order>,
        /// The execution.
        execution: Execution,
    },
    /// A dividend, credited or, on a short position, charged.
    Dividend {
        /// The listing's place.
        place: usize,
        /// The position.
        qty: Qty,
        /// How much a share.
        per_share: Price,
        /// The amount of cash.
        amount: Money,
    },
    /// A split.
    Split {
        /// The listing's place.
        place: usize,
        /// The position before.
        before: Qty,
        /// The position after.
        after: Qty,
    },
}

/// What an account is worth and may spend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Funds {
    /// Cash and the value of all positions.
    pub equity: Money,
    /// Value of what is held.
    pub long_value: Money,
    /// Value of what is owed, negative.
    pub short_value: Money,
    /// What may be bought on margin.
    pub buying_power: Money,
    /// What may be bought of what has no margin.
    pub non_marginable: Money,
    /// What stands behind the positions.
    pub initial_margin: Money,
    /// What must stand behind them.
    pub maintenance_margin: Money,
}

/// An account.
#[derive(Clone, Debug)]
pub struct Account {
    /// The exchange's number, which stands in every name that it gives.
    pub exchange: u32,
    /// Its number at the exchange.
    pub number: u16,
    /// Times its equity that it may hold: 1 or 2.
    pub multiplier: u8,
    /// When it was opened.
    pub opened_at: Time,
    /// Its equity at the end of the last session.
    pub last_equity: Money,
    /// Its equity on the morning of every session.
    pub history: Vec<(Time, Money)>,
    /// Whether its owner lets it take no new orders.
    pub is_suspended: bool,
    pub(super) cash: Money,
    pub(super) positions: BTreeMap<usize, Position>,
    pub(super) orders: Vec<Order>,
    pub(super) names: BTreeMap<Arc<str>, u32>,
    /// Orders that are not over, by listing, in the order in which they were made.
    pub(super) open: BTreeMap<usize, Vec<u32>>,
    pub(super) activities: Vec<Activity>,
    pub(super) updates: Vec<Update>,
    executions: u64,
}

impl Account {
    /// An account with nothing but cash.
    pub(super) fn new(terms: &Terms, number: u16, opened_at: Time) -> Self {
        let cash = terms.cash;
        Self {
            exchange: terms.exchange,
            number,
            multiplier: terms.multiplier,
            opened_at,
            last_equity: cash,
            history: Vec::new(),
            is_suspended: false,
            cash,
            positions: BTreeMap::new(),
            orders: Vec::new(),
            names: BTreeMap::new(),
            open: BTreeMap::new(),
            activities: Vec::new(),
            updates: Vec::new(),
            executions: 0,
        }
    }

    /// The name of something of this account.
    pub const fn id(&self, kind: IdKind, nth: u64) -> Id {
        Id { exchange: self.exchange, kind, account: self.number, nth }
    }

    /// Its cash; negative is borrowed.
    pub const fn cash(&self) -> Money {
        self.cash
    }

    /// What it holds, by the listings' places.
    pub const fn positions(&self) -> &BTreeMap<usize, Position> {
        &self.positions
    }

    /// What it holds of a listing.
    pub fn position(&self, place: usize) -> Qty {
        self.positions.get(&place).map_or(Qty::ZERO, |held| held.qty)
    }

    /// Every order that it ever had, in the order in which they were made.
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// An order by its number.
    pub fn order(&self, nth: u32) -> Option<&Order> {
        self.orders.get(usize::try_from(nth).ok()?)
    }

    /// An order by its client's name for it.
    pub fn named(&self, client_order_id: &str) -> Option<&Order> {
        self.names.get(client_order_id).and_then(|nth| self.order(*nth))
    }

    /// What it was credited, charged or given, oldest first.
    pub fn activities(&self) -> &[Activity] {
        &self.activities
    }

    /// Orders of a listing that are not over.
    pub fn open_orders(&self, place: usize) -> impl Iterator<Item = &Order> {
        self.open.get(&place).into_iter().flatten().filter_map(|nth| self.order(*nth))
    }

    pub(super) fn order_mut(&mut self, nth: u32) -> Option<&mut Order> {
        self.orders.get_mut(usize::try_from(nth).ok()?)
    }

    /// What of a position no open order is going to close: orders of one group close it once.
    pub fn available(&self, place: usize) -> Qty {
        let held = self.open_orders(place).filter(|order| {
            let waits = order.status == Status::Held && !order.armed;
            let beside = order.armed && order.status == Status::Held;
            !order.opens && !waits && !beside
        });
        let held: i64 =
            held.map(|order| order.open_qty().map_or(0, Qty::raw)).fold(0, i64::saturating_add);
        Qty::from_raw((self.position(place).raw().abs() - held).max(0))
    }

    /// What an order binds of the buying power at the market's prices.
    ///
    /// # Errors
    /// On overflow.
    pub(super) fn bound(&self, order: &Order, venue: &Venue) -> Result<Money, FixedError> {
        if !order.opens || order.status == Status::Held {
            return Ok(Money::ZERO);
        }
        let value = order.open_value(worst_price(order.kind, order.side, order.place, venue)?)?;
        match venue.listing(order.place).class {
            AssetClass::Equity => Ok(value),
            // What has no margin takes the whole of its value from the equity.
            AssetClass::Crypto => {
                Ok(Money::from_raw(value.raw().saturating_mul(i64::from(self.multiplier))))
            }
        }
    }

    /// What it is worth and may spend at the market's prices.
    ///
    /// # Errors
    /// On overflow.
    pub fn funds(&self, venue: &Venue) -> Result<Funds, FixedError> {
        let mut funds = Funds { equity: self.cash, ..Funds::default() };
        let (mut margined, mut coins) = (Money::ZERO, Money::ZERO);
        for (&place, held) in &self.positions {
            let listing = venue.listing(place);
            let value = held.value(listing.last().unwrap_or_else(|| held.average_price()))?;
            funds.equity = funds.equity.plus(value)?;
            if value.raw() >= 0 {
                funds.long_value = funds.long_value.plus(value)?;
            } else {
                funds.short_value = funds.short_value.plus(value)?;
            }
            match listing.class {
                AssetClass::Equity => margined = margined.plus(value.abs())?,
                AssetClass::Crypto => coins = coins.plus(value)?,
            }
        }
        let times = i64::from(self.multiplier.max(1));
        let mut power = i128::from(funds.equity.minus(coins)?.raw()) * i128::from(times);
        power -= i128::from(margined.raw());
        for order in self.open.keys().flat_map(|&place| self.open_orders(place)) {
            power -= i128::from(self.bound(order, venue)?.raw());
        }
        let power = i64::try_from(power.max(0)).unwrap_or(i64::MAX);
        funds.buying_power = Money::from_raw(power);
        funds.non_marginable = Money::from_raw(power / times);
        let behind = margined.raw() / times;
        funds.initial_margin = Money::from_raw(behind).plus(coins)?;
        funds.maintenance_margin = margined.scaled(Ratio::or_zero(MAINTENANCE))?.plus(coins)?;
        Ok(funds)
    }

    /// Books an execution of an order: cash, position, the order's own figures.
    ///
    /// # Errors
    /// On overflow; nothing is booked then.
    pub(super) fn book(
        &mut self,
        nth: u32,
        qty: Qty,
        price: Price,
        at: Time,
    ) -> Result<(), FixedError> {
        let Some(order) = self.order(nth).cloned() else { return Ok(()) };
        let value = notional(price, qty)?;
        let (signed_qty, signed_value) = match order.side {
            Side::Buy => (qty, value),
            Side::Sell => (qty.negated(), value.negated()),
        };
        let cash = self.cash.minus(signed_value)?;
        let mut position = self.positions.get(&order.place).copied().unwrap_or_default();
        position.add(signed_qty, signed_value)?;
        let (filled, filled_value) = (order.filled.plus(qty)?, order.filled_value.plus(value)?);
        self.cash = cash;
        if position.qty.is_zero() {
            self.positions.remove(&order.place);
        } else {
            self.positions.insert(order.place, position);
        }
        let execution = Execution { nth: self.executions, price, qty, position: position.qty };
        self.executions += 1;
        let Some(order) = self.order_mut(nth) else { return Ok(()) };
        (order.filled, order.filled_value, order.updated_at) = (filled, filled_value, at);
        let is_whole = order.target.is_some_and(|target| target <= filled);
        order.status = match (is_whole, order.status) {
            (true, _) => Status::Filled,
            (false, Status::PendingCancel) => Status::PendingCancel,
            (false, _) => Status::PartiallyFilled,
        };
        if is_whole {
            order.ended_at = Some(at);
        }
        let order = order.clone();
        let deed = Deed::Fill { order: Box::new(order.clone()), execution };
        self.remember(at, deed);
        let event = if is_whole { Event::Fill } else { Event::PartialFill };
        self.updates.push(Update { event, at, order, execution: Some(execution) });
        if is_whole {
            self.close(nth);
        }
        Ok(())
    }

    /// Keeps an activity.
    pub(super) fn remember(&mut self, at: Time, deed: Deed) {
        let nth = self.activities.len() as u64;
        self.activities.push(Activity { nth, at, deed });
    }

    /// The order is not open any more.
    pub(super) fn close(&mut self, nth: u32) {
        let Some(place) = self.order(nth).map(|order| order.place) else { return };
        if let Some(open) = self.open.get_mut(&place) {
            open.retain(|it| *it != nth);
            if open.is_empty() {
                self.open.remove(&place);
            }
        }
    }

    /// Says that something happened to an order, as it is now.
    pub(super) fn tell(&mut self, nth: u32, event: Event, at: Time) {
        if let Some(order) = self.order(nth).cloned() {
            self.updates.push(Update { event, at, order, execution: None });
        }
    }
}

/// The price at which an order is valued before it fills.
///
/// # Errors
/// On overflow, or when nothing of it has ever traded.
pub(super) fn worst_price(
    kind: Kind,
    side: Side,
    place: usize,
    venue: &Venue,
) -> Result<Price, FixedError> {
    let unknown = FixedError::OutOfRange { what: "an unknown price".to_owned(), unit: "Price" };
    let quote = venue.quote(place);
    match side {
        Side::Buy => kind.limit().or(kind.stop()).or(quote.map(|quote| quote.ask)).ok_or(unknown),
        Side::Sell => {
            let ask = quote.ok_or(unknown)?.ask.scaled(Ratio::or_zero(SHORT_MARGIN))?;
            Ok(kind.limit().map_or(ask, |limit| limit.max(ask)))
        }
    }
}
