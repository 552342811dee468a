//! What happens to an account: events that are recorded, counted and shown.

use serde::{Deserialize, Serialize};

use crate::book::Trade;
use crate::brief::trading::OpenPosition;
use crate::code::Code;
use crate::exits::Outcome;
use crate::faults::Item;
use crate::fixed::Money;
use crate::market::symbol::Symbol;
use crate::order::{ClientOrderId, DecisionId, Fill, OrderIntent};
use crate::order_state::{Order, OrderEvent, Status};
use crate::ratio::Ratio;
use crate::reconcile::Adjustment;
use crate::time::Time;
use crate::watch::Pulse;

/// One point of the equity curve: the account after a slice.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EquityPoint {
    /// The slice's time.
    pub at: Time,
    /// Cash plus positions at the last prices.
    pub equity: Money,
    /// The ledger's cash.
    pub cash: Money,
    /// Sum of the positions' sizes, fraction of equity.
    pub exposure: Ratio,
    /// Fall from the peak, fraction, 0 to 1.
    pub drawdown: Ratio,
}

/// One thing that happened to the account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "happened")]
pub enum Happening {
    /// An order was sent.
    Submitted {
        /// The order.
        intent: OrderIntent,
    },
    /// An order that was known already was sent again: nothing came of it.
    Duplicate {
        /// The order.
        order: ClientOrderId,
        /// Where it stands.
        status: Status,
    },
    /// Something came of an order that is not known any more, and changed nothing.
    Refused {
        /// The order.
        order: ClientOrderId,
        /// The decision that it belongs to, where that is said.
        decision: Option<DecisionId>,
        /// Why.
        code: Code,
    },
    /// The broker said something of an order that is no fill.
    Order {
        /// What it said.
        event: OrderEvent,
    },
    /// A fill was booked.
    Filled {
        /// The fill.
        fill: Fill,
    },
    /// A round trip ended; the prediction that opened it has its outcome.
    TradeClosed {
        /// The trade.
        trade: Trade,
        /// The prediction's outcome.
        outcome: Outcome,
    },
    /// The account was brought to the statement of the broker outside.
    Adjusted {
        /// In what it differed.
        adjustments: Vec<Adjustment>,
    },
    /// A fault of the simulated broker was injected on request.
    Injected {
        /// The fault.
        item: Item,
    },
    /// A slice ended.
    Marked(EquityPoint),
}

/// What happened to an open position that an adviser on exits should hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PositionNews {
    /// The regime has turned against it.
    RegimeTurned,
    /// It has gained several times its risk and its momentum has turned.
    GainAtRisk,
    /// It has gone nowhere for a while.
    Stalled,
}

/// An event of one open position, with the figures of its bar.
#[derive(Clone, Debug, PartialEq)]
pub struct PositionEvent {
    /// The symbol.
    pub symbol: Symbol,
    /// What happened.
    pub news: PositionNews,
    /// The slice's time.
    pub at: Time,
    /// The position then.
    pub position: OpenPosition,
    /// The symbol's figures then.
    pub pulse: Pulse,
}

/// What has left an account's memory and only reports need.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Closed {
    /// Closed round trips, in the order in which they were closed.
    pub trades: Vec<Trade>,
    /// Orders that ended long ago, in the order in which they were forgotten.
    pub orders: Vec<Order>,
}
