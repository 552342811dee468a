//! One order in the book of an exchange: what was asked, what became of it, and what hangs on it.

use std::sync::Arc;

use super::ticket::{Amount, Kind, Tif, Trail};
use crate::fixed::{FixedError, Money, Price, Qty, notional};
use crate::market::symbol::Symbol;
use crate::order::Side;
use crate::time::Time;

/// Where an order stands, in the exchange's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Taken, and on its way: what the answer to a new order says.
    PendingNew,
    /// Taken, and waits for its market to open.
    Accepted,
    /// In the market.
    New,
    /// Filled in part, and the rest is in the market.
    PartiallyFilled,
    /// Filled.
    Filled,
    /// Ended by its owner, by the one it is bound to, or by its time in force.
    Canceled,
    /// Ended by time.
    Expired,
    /// Another stands in its place.
    Replaced,
    /// Its cancellation is on the way; it may still fill.
    PendingCancel,
    /// Turned down after it was taken.
    Rejected,
    /// Waits for the order that it is bound to.
    Held,
}

impl Status {
    /// The wire word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PendingNew => "pending_new",
            Self::Accepted => "accepted",
            Self::New => "new",
            Self::PartiallyFilled => "partially_filled",
            Self::Filled => "filled",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
            Self::Replaced => "replaced",
            Self::PendingCancel => "pending_cancel",
            Self::Rejected => "rejected",
            Self::Held => "held",
        }
    }

    /// Whether nothing more happens to it.
    pub const fn is_over(self) -> bool {
        matches!(
            self,
            Self::Filled | Self::Canceled | Self::Expired | Self::Replaced | Self::Rejected
        )
    }
}

/// What an order is in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupRole {
    /// Opens the position.
    Entry,
    /// Closes it at a profit.
    TakeProfit,
    /// Closes it at a loss.
    StopLoss,
}

impl GroupRole {
    /// The wire word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::TakeProfit => "take_profit",
            Self::StopLoss => "stop_loss",
        }
    }
}

/// Orders that stand and fall together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// The group's number: that of the order it began with.
    pub nth: u32,
    /// What this order is in it.
    pub role: GroupRole,
    /// The order that cancels this one by its fill, and the reverse.
    pub partner: Option<u32>,
}

/// An order, named by its number in its account.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a state of its own")]
pub struct Order {
    /// Its number in its account, from 0.
    pub nth: u32,
    /// The client's name for it, unique for ever.
    pub client_order_id: Arc<str>,
    /// The listing's place in the venue.
    pub place: usize,
    /// What.
    pub symbol: Symbol,
    /// Buy or sell.
    pub side: Side,
    /// Whether it opened a position when it was made.
    pub opens: bool,
    /// How much was asked for.
    pub amount: Amount,
    /// At which price.
    pub kind: Kind,
    /// For how long.
    pub tif: Tif,
    /// The wire word of the class that it came in.
    pub class: &'static str,
    /// Whether it trades outside of the regular session too.
    pub extended_hours: bool,
    /// Where it stands.
    pub status: Status,
    /// How much of it shall fill; unknown while it is money that no price has been found for.
    pub target: Option<Qty>,
    /// How much has filled.
    pub filled: Qty,
    /// What that was worth.
    pub filled_value: Money,
    /// Best price that a trailing stop has seen.
    pub best: Option<Price>,
    /// Whether its trigger has traded.
    pub triggered: bool,
    /// Whether its trigger is watched although it is held: a stop beside a take-profit.
    pub armed: bool,
    /// Its group.
    pub group: Option<Group>,
    /// The orders that are shown below it.
    pub legs: Vec<u32>,
    /// The order that it is shown below.
    pub parent: Option<u32>,
    /// The order in whose place it stands.
    pub replaces: Option<u32>,
    /// The order that stands in its place.
    pub replaced_by: Option<u32>,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// When it ended, however it did.
    pub ended_at: Option<Time>,
    /// When it expires, at the latest.
    pub expires_at: Time,
}

impl Order {
    /// What is still to be filled; `None` while the quantity is unknown.
    pub fn open_qty(&self) -> Option<Qty> {
        self.target.map(|target| Qty::from_raw((target.raw() - self.filled.raw()).max(0)))
    }

    /// The mean price of its fills, rounded half to even; `None` before the first.
    pub fn average_price(&self) -> Option<Price> {
        let qty = i128::from(self.filled.raw());
        (qty > 0).then(|| {
            let value = i128::from(self.filled_value.raw()) * i128::from(Qty::SCALE);
            Price::from_raw(i64::try_from(crate::fixed::div_half_even(value, qty)).unwrap_or(0))
        })
    }

    /// Where the trigger of a stop stands now; `None` for orders without one.
    pub fn trigger(&self) -> Option<Price> {
        match self.kind {
            Kind::Stop { stop } | Kind::StopLimit { stop, .. } => Some(stop),
            Kind::TrailingStop { trail } => self.best.map(|best| trailed(best, trail, self.side)),
            Kind::Market | Kind::Limit { .. } => None,
        }
    }

    /// Whether it is a stop of any kind that has not been triggered.
    pub fn waits_for_trigger(&self) -> bool {
        !self.triggered && !matches!(self.kind, Kind::Market | Kind::Limit { .. })
    }

    /// Whether the market may fill it: it is routed, or a stop of a pair, which is shown as held.
    pub fn is_live(&self) -> bool {
        match self.status {
            Status::New | Status::PartiallyFilled | Status::PendingCancel => true,
            Status::Held => self.armed,
            _ => false,
        }
    }

    /// What it is worth at a price, as far as it is open; notional orders are worth what they say.
    ///
    /// # Errors
    /// On overflow.
    pub fn open_value(&self, price: Price) -> Result<Money, FixedError> {
        match (self.open_qty(), self.amount) {
            (Some(open), _) => notional(price, open),
            (None, Amount::Notional(money)) => money.minus(self.filled_value),
            (None, Amount::Qty(qty)) => notional(price, qty),
        }
    }
}

/// Where a trailing stop stands behind the best price; never below the smallest price there is.
fn trailed(best: Price, trail: Trail, side: Side) -> Price {
    let moved = match trail {
        Trail::Price(distance) => {
            let distance = if side == Side::Buy { distance.raw() } else { -distance.raw() };
            Price::from_raw(best.raw().saturating_add(distance))
        }
        // A share of a price that overflows stands nowhere near the market.
        Trail::Percent(share) => share.move_price(best, side == Side::Buy).unwrap_or(best),
    };
    moved.max(Price::from_raw(1))
}

/// What a stream calls something that happened to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// It is in the market.
    New,
    /// It was filled, and is over.
    Fill,
    /// It was filled in part.
    PartialFill,
    /// It was canceled.
    Canceled,
    /// It ended by time.
    Expired,
    /// Another stands in its place.
    Replaced,
    /// It was turned down.
    Rejected,
    /// Its cancellation is on the way.
    PendingCancel,
}

impl Event {
    /// The wire word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Fill => "fill",
            Self::PartialFill => "partial_fill",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
            Self::Replaced => "replaced",
            Self::Rejected => "rejected",
            Self::PendingCancel => "pending_cancel",
        }
    }
}

/// One execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execution {
    /// Its number in its account, from 0.
    pub nth: u64,
    /// At which price.
    pub price: Price,
    /// How much.
    pub qty: Qty,
    /// The position after it; negative is short.
    pub position: Qty,
}

/// Something that happened to an order, with the order as it was then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// What.
    pub event: Event,
    /// When.
    pub at: Time,
    /// The order after it.
    pub order: Order,
    /// The execution, of a fill.
    pub execution: Option<Execution>,
}
