//! Orders as intents: what is to be bought or sold, on which terms, and why.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

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
///
/// Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DecisionId(Arc<str>);

impl DecisionId {
    /// `what` is one short word such as `entry`, `exit` or `appeal`.
    pub fn new(symbol: &Symbol, at: Time, what: &str) -> Self {
        let mut text = String::with_capacity(symbol.as_str().len() + what.len() + 17);
        text.extend(symbol.as_str().chars().map(|it| if it == '/' { '_' } else { it }));
        text.push('-');
        at.push_compact(&mut text);
        text.push('-');
        text.push_str(what);
        Self(text.into())
    }

    /// The name of a decision on a job's run: after its validation cycle `number`. What a name cannot
    /// hold becomes an underscore.
    pub fn of_run(run: &str, number: u32, what: &str) -> Self {
        let is_plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.');
        let run: String =
            run.chars().take(64).map(|it| if is_plain(it) { it } else { '_' }).collect();
        Self(format!("{run}-c{number:05}-{what}").into())
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
///
/// Kept in place, without a heap, because ledgers and registries look orders up by it.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientOrderId {
    /// UTF-8, zeros after the end, so that ids compare as their texts do.
    bytes: [u8; Self::MAX_LEN],
    len: u8,
}

impl ClientOrderId {
    /// The longest id, in bytes.
    pub const MAX_LEN: usize = 48;

    /// The one id of the `nth` order of a decision.
    pub fn derive(decision: &DecisionId, side: Side, nth: u32) -> Self {
        // Put together by hand and kept in place: an engine does this at every order.
        let mut text = String::with_capacity(decision.0.len() + 16);
        for part in [decision.as_str(), "/", side.name(), "/"] {
            text.push_str(part);
        }
        if nth == 0 {
            text.push('0');
        } else {
            text.push_str(&nth.to_string());
        }
        let hash = blake3::hash(text.as_bytes());
        let mut bytes = [0; Self::MAX_LEN];
        bytes[..3].copy_from_slice(b"cv-");
        for (digits, byte) in bytes[3..35].chunks_exact_mut(2).zip(hash.as_bytes()) {
            digits.copy_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 15)]);
        }
        Self { bytes, len: 35 }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        let text = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }

    /// An id that was written before, by us or by a broker; `None` when it is too long to be ours.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; Self::MAX_LEN];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self { bytes, len: u8::try_from(text.len()).ok()? })
    }
}

/// The lower-case digit of a number below 16.
const fn hex_digit(number: u8) -> u8 {
    if number < 10 { b'0' + number } else { b'a' + number - 10 }
}

impl Hash for ClientOrderId {
    /// Of the first bytes, as with [`Ord`]: equal ids have equal ones, and hashes hardly share them.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.bytes[..16]);
    }
}

impl PartialOrd for ClientOrderId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ClientOrderId {
    /// By the text. Ids are hashes, so the first bytes nearly always decide.
    fn cmp(&self, other: &Self) -> Ordering {
        let head = |id: &Self| id.bytes.first_chunk().map(|bytes| u128::from_be_bytes(*bytes));
        head(self)
            .cmp(&head(other))
            .then_with(|| (&self.bytes, self.len).cmp(&(&other.bytes, other.len)))
    }
}

impl fmt::Display for ClientOrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for ClientOrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientOrderId").field(&self.as_str()).finish()
    }
}

impl Serialize for ClientOrderId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ClientOrderId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let too_long = || de::Error::custom("a client order id has at most 48 bytes");
        Self::parse(&text).ok_or_else(too_long)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_named_by_symbol_and_time_and_an_order_by_its_decision() {
        let symbol = Symbol::new("BTC/USD").unwrap();
        let at: Time = "2013-03-01T21:00:05Z".parse().unwrap();
        let decision = DecisionId::new(&symbol, at, "entry");
        assert_eq!(decision.as_str(), "BTC_USD-20130301T210005-entry");
        let id = ClientOrderId::derive(&decision, Side::Buy, 0);
        let hash = blake3::hash(b"BTC_USD-20130301T210005-entry/buy/0").to_hex();
        assert_eq!(id.as_str(), format!("cv-{}", &hash[..32]));
        let text = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<ClientOrderId>(&text).unwrap(), id);
        assert_ne!(id, ClientOrderId::derive(&decision, Side::Buy, 1));
    }

    #[test]
    fn ids_sort_as_their_texts_and_long_ones_are_refused() {
        let read = |text: &str| serde_json::from_str::<ClientOrderId>(&format!("\"{text}\""));
        let mut texts = ["b", "a", "ab", "", "a-"];
        let mut ids = texts.map(|text| read(text).unwrap());
        texts.sort_unstable();
        ids.sort();
        assert_eq!(ids.map(|id| id.to_string()), texts);
        assert!(read(&"x".repeat(48)).is_ok());
        assert!(read(&"x".repeat(49)).is_err());
    }
}
