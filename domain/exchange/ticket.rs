//! What a client asks of an exchange: a new order whose parts fit together.

use crate::fixed::{Bp, Money, Price, Qty};
use crate::market::symbol::Symbol;
use crate::order::Side;

/// How much is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// So many shares or coins, above zero.
    Qty(Qty),
    /// As many as this money buys or brings, above zero.
    Notional(Money),
}

/// By how much a trailing stop stands behind the best price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trail {
    /// By a difference of prices.
    Price(Price),
    /// By a share of the best price.
    Percent(Bp),
}

/// How an order seeks its price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
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
    /// A stop that follows the best price.
    TrailingStop {
        /// Its distance.
        trail: Trail,
    },
}

impl Kind {
    /// The wire word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Market => "market",
            Self::Limit { .. } => "limit",
            Self::Stop { .. } => "stop",
            Self::StopLimit { .. } => "stop_limit",
            Self::TrailingStop { .. } => "trailing_stop",
        }
    }

    /// The worst price accepted, where there is one.
    pub const fn limit(self) -> Option<Price> {
        match self {
            Self::Limit { limit } | Self::StopLimit { limit, .. } => Some(limit),
            Self::Market | Self::Stop { .. } | Self::TrailingStop { .. } => None,
        }
    }

    /// The trigger, where one is stated.
    pub const fn stop(self) -> Option<Price> {
        match self {
            Self::Stop { stop } | Self::StopLimit { stop, .. } => Some(stop),
            Self::Market | Self::Limit { .. } | Self::TrailingStop { .. } => None,
        }
    }

    /// Every price that is stated, scaled by a split: `old` shares become `new`.
    pub(super) fn split(self, scale: impl Fn(Price) -> Price) -> Self {
        match self {
            Self::Market => Self::Market,
            Self::Limit { limit } => Self::Limit { limit: scale(limit) },
            Self::Stop { stop } => Self::Stop { stop: scale(stop) },
            Self::StopLimit { stop, limit } => {
                Self::StopLimit { stop: scale(stop), limit: scale(limit) }
            }
            Self::TrailingStop { trail: Trail::Price(price) } => {
                Self::TrailingStop { trail: Trail::Price(scale(price)) }
            }
            Self::TrailingStop { trail } => Self::TrailingStop { trail },
        }
    }
}

/// How long an order stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tif {
    /// Until the end of the session, the extended one where it asks for it.
    Day,
    /// Until canceled, for ninety days at most.
    Gtc,
    /// In the opening auction only.
    Opg,
    /// In the closing auction only.
    Cls,
    /// At once; the rest is canceled.
    Ioc,
    /// At once and whole, or not at all.
    Fok,
}

impl Tif {
    /// Every word there is.
    pub const ALL: [Self; 6] = [Self::Day, Self::Gtc, Self::Opg, Self::Cls, Self::Ioc, Self::Fok];

    /// The wire word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Gtc => "gtc",
            Self::Opg => "opg",
            Self::Cls => "cls",
            Self::Ioc => "ioc",
            Self::Fok => "fok",
        }
    }
}

/// The stop of a complex order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopLoss {
    /// The trigger.
    pub stop: Price,
    /// The worst price accepted; a market order once triggered where there is none.
    pub limit: Option<Price>,
}

/// Whether an order stands alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It does.
    Simple,
    /// An entry with a take-profit and a stop that cancel each other.
    Bracket {
        /// Limit of the take-profit.
        take_profit: Price,
        /// The stop.
        stop_loss: StopLoss,
    },
    /// A take-profit (the order itself) and a stop that cancel each other.
    Oco {
        /// The stop.
        stop_loss: StopLoss,
    },
    /// An entry with a take-profit behind it.
    OtoProfit {
        /// Limit of the take-profit.
        take_profit: Price,
    },
    /// An entry with a stop behind it.
    OtoLoss {
        /// The stop.
        stop_loss: StopLoss,
    },
}

impl Class {
    /// The wire word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Bracket { .. } => "bracket",
            Self::Oco { .. } => "oco",
            Self::OtoProfit { .. } | Self::OtoLoss { .. } => "oto",
        }
    }
}

/// A new order as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// What.
    pub symbol: Symbol,
    /// Buy or sell.
    pub side: Side,
    /// How much.
    pub amount: Amount,
    /// At which price.
    pub kind: Kind,
    /// For how long.
    pub tif: Tif,
    /// Alone or with others.
    pub class: Class,
    /// Whether it trades before and after the regular session too.
    pub extended_hours: bool,
    /// The client's own name for it; the exchange makes one where there is none.
    pub client_order_id: Option<String>,
}

/// What shall be changed of an order; what is not named stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The new quantity, of which what is filled already is a part.
    pub qty: Option<Qty>,
    /// How long it stays.
    pub tif: Option<Tif>,
    /// The limit of a limit or stop-limit order.
    pub limit: Option<Price>,
    /// The trigger of a stop or stop-limit order.
    pub stop: Option<Price>,
    /// The distance of a trailing stop, in the unit in which it was given.
    pub trail: Option<Trail>,
    /// The new order's name.
    pub client_order_id: Option<String>,
}
