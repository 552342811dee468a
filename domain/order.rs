//! Orders as intents: what is to be bought or sold, on which terms, and why.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::fixed::{Money, Price, Qty};
use crate::market::symbol::Symbol;
use crate::signal::Direction;
use crate::time::Time;

/// Buy or sell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Adds to a long position or takes from a short one.
    Buy,
    /// Adds to a short position or takes from a long one.
    Sell,
}

impl Side {
    /// The wire word: `buy` or `sell`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Buy => "buy",
            Self::Sell => "sell",
        }
    }

    /// The side that opens a position in this direction.
    pub const fn opening(direction: Direction) -> Self {
        match direction {
            Direction::Long => Self::Buy,
            Direction::Short => Self::Sell,
        }
    }

    /// The side that closes a position in this direction.
    pub const fn closing(direction: Direction) -> Self {
        Self::opening(direction.opposite())
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How an order seeks its price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum OrderKind {
    /// At the next price there is.
    Market,
    /// At this price or better.
    Limit {
        /// The worst price accepted.
        limit: Price,
    },
    /// A market order once this price has traded.
    Stop {
        /// The trigger.
        stop: Price,
    },
    /// A limit order once the trigger has traded.
    StopLimit {
        /// The trigger.
        stop: Price,
        /// The worst price accepted.
        limit: Price,
    },
    /// A stop that follows the best price at a distance.
    TrailingStop {
        /// The distance in price.
        trail: Price,
    },
}

impl OrderKind {
    /// The wire word: `market`, `limit`, `stop`, `stop_limit`, `trailing_stop`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Market => "market",
            Self::Limit { .. } => "limit",
            Self::Stop { .. } => "stop",
            Self::StopLimit { .. } => "stop_limit",
            Self::TrailingStop { .. } => "trailing_stop",
        }
    }
}

/// How long an order stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeInForce {
    /// Until the end of the session.
    #[default]
    Day,
    /// Until canceled.
    Gtc,
    /// At once or not at all; the rest is canceled.
    Ioc,
}

impl TimeInForce {
    /// The wire word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Gtc => "gtc",
            Self::Ioc => "ioc",
        }
    }
}

/// Why a position is left. The word stands in `trades.csv`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitReason {
    /// The stop was reached.
    Stop,
    /// The take-profit was reached.
    TakeProfit,
    /// The stop that had been moved to the entry price was reached.
    BreakEven,
    /// The trailing stop was reached.
    TrailingStop,
    /// The position was held for too long without success.
    TimeStop,
    /// The signal turned.
    SignalFlip,
    /// The Exit Strategist advised it.
    Advised,
    /// The trading state was halted and a rule closed the position.
    Halt,
    /// A person ordered it.
    Person,
    /// The data ended.
    EndOfData,
}

impl ExitReason {
    /// The word in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::TakeProfit => "take_profit",
            Self::BreakEven => "break_even",
            Self::TrailingStop => "trailing_stop",
            Self::TimeStop => "time_stop",
            Self::SignalFlip => "signal_flip",
            Self::Advised => "advised",
            Self::Halt => "halt",
            Self::Person => "person",
            Self::EndOfData => "end_of_data",
        }
    }
}

/// What an order is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "purpose")]
pub enum Purpose {
    /// Opens or adds to a position: new risk.
    Entry,
    /// Only shrinks a position: never blocked.
    Exit {
        /// Why.
        reason: ExitReason,
    },
}

/// The name of one decision: everything from the signal to the book carries it.
///
/// Derived from the symbol and the market time, so that a replay gives the same name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DecisionId(String);

impl DecisionId {
    /// `what` is one short word such as `entry`, `exit` or `appeal`.
    pub fn new(symbol: &Symbol, at: Time, what: &str) -> Self {
        let at = at.timestamp().strftime("%Y%m%dT%H%M%S");
        Self(format!("{}-{at}-{what}", symbol.slug()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The id that an order carries to the broker: derived from the intent, at most 48 characters, so
/// that the same intent sent twice is one order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientOrderId(String);

impl ClientOrderId {
    /// The one id of the `nth` order of a decision.
    pub fn derive(decision: &DecisionId, side: Side, nth: u32) -> Self {
        let text = format!("{decision}/{side}/{nth}");
        let hash = blake3::hash(text.as_bytes()).to_hex();
        Self(format!("cv-{}", &hash[..32]))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientOrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Where the exits of the position that an entry opens shall stand, as fractions of the entry price.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExitPlan {
    /// Distance of the stop.
    pub stop_distance: crate::ratio::Ratio,
    /// Distance of the take-profit.
    pub target_distance: crate::ratio::Ratio,
}

/// What somebody wants to buy or sell. Not permission to do it: that is `Cleared<OrderIntent>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderIntent {
    /// The id it carries to the broker.
    pub client_order_id: ClientOrderId,
    /// The decision that it belongs to.
    pub decision: DecisionId,
    /// The symbol.
    pub symbol: Symbol,
    /// Buy or sell.
    pub side: Side,
    /// How much, always positive.
    pub qty: Qty,
    /// How it seeks its price.
    pub kind: OrderKind,
    /// How long it stays.
    pub time_in_force: TimeInForce,
    /// Whether it may trade outside of the regular session (limit and day only).
    pub extended_hours: bool,
    /// What it is for.
    pub purpose: Purpose,
    /// Market time of the intent.
    pub at: Time,
    /// The last price when it was made: what slippage is measured from.
    pub reference: Price,
    /// Exits of the position that it opens; `None` for exits and for raw strategies.
    pub exits: Option<ExitPlan>,
}

/// One execution of a part of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill {
    /// The order.
    pub client_order_id: ClientOrderId,
    /// 0 for the order's first fill, 1 for its second: a duplicate is known by it.
    pub nth: u32,
    /// The symbol.
    pub symbol: Symbol,
    /// Buy or sell.
    pub side: Side,
    /// How much, always positive.
    pub qty: Qty,
    /// At which price, slippage included.
    pub price: Price,
    /// What it cost, never negative.
    pub fee: Money,
    /// When.
    pub at: Time,
}
