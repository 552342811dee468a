//! The trading team's brief: one entry candidate, or one open position in which something happened.

use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::fixed::{Money, Price, Qty};
use crate::market::symbol::{AssetClass, Symbol};
use crate::ratio::Ratio;
use crate::signal::{Direction, Features, Regime};
use crate::time::Time;

/// What the round is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Open this entry on these terms?
    Entry,
    /// Something happened to an open position: hold or leave? Only the Exit Strategist is asked.
    Position,
}

/// Where the market stands in its day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Session {
    /// Before the opening.
    Pre,
    /// The regular session.
    Regular,
    /// After the close.
    After,
    /// No trading.
    Closed,
    /// Only coins trade.
    CryptoOnly,
}

/// What the council's trading state permits.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum TradingState {
    /// Everything the mode permits.
    #[default]
    Active,
    /// No new risk; agents may still advise exits.
    Reducing,
    /// No new risk and no consultations; protective exits, cancels and a person's orders go on.
    Halted,
}

impl TradingState {
    /// The word in records, metrics and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Reducing => "reducing",
            Self::Halted => "halted",
        }
    }
}

/// The account as the agents see it. Fractions are of equity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BookView {
    /// Cash plus positions at the last prices.
    pub equity: Money,
    /// Cash that is not bound by short positions or open orders.
    pub cash: Money,
    /// Sum of the positions' sizes, fraction of equity.
    pub exposure: Ratio,
    /// Fall from the peak of equity, fraction, 0 to 1.
    pub drawdown: Ratio,
    /// Won trades among closed ones in the present window, fraction; `None` before the first.
    pub win_rate: Option<Ratio>,
    /// Trades closed in the present window.
    pub trades: u32,
    /// Losing trades in a row up to now.
    pub loss_streak: u32,
    /// Profit or loss of the present session, fraction of its opening equity.
    pub daily_pnl_pct: Ratio,
    /// Number of open positions.
    pub positions: u32,
    /// Number of open orders.
    pub open_orders: u32,
    /// Whether an order for the brief's symbol is open.
    pub open_order_for_symbol: bool,
}

/// The portfolio as it would be after the order. Fractions of equity unless stated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Projected {
    /// The symbol's position.
    pub position_pct: Ratio,
    /// All positions.
    pub exposure_pct: Ratio,
    /// Cash.
    pub cash_pct: Ratio,
    /// Historical one-day value at risk at 95 %, positive, over up to 250 days.
    pub var95_pct: Ratio,
    /// Mean loss beyond it, positive.
    pub cvar95_pct: Ratio,
    /// Drawdown if every stop fills with a gap of one ATR.
    pub drawdown_if_all_stops_pct: Ratio,
    /// Largest correlation of the symbol with a position, −1 to 1, seen from the profits: a long and a
    /// short that move apart are the same bet.
    pub max_correlation: Ratio,
}

/// How one gate answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateResult {
    /// The gate's stable code.
    pub code: Code,
    /// Whether the candidate may pass.
    pub passed: bool,
    /// What was measured.
    pub value: Ratio,
    /// What it was measured against.
    pub threshold: Ratio,
}

/// The position that the brief's symbol has now.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenPosition {
    /// Long or short.
    pub direction: Direction,
    /// Its size, always positive.
    pub qty: Qty,
    /// Mean entry price.
    pub entry_price: Price,
    /// Unrealised profit in units of the initial risk (entry to stop).
    pub r_multiple: Ratio,
    /// Bars since the entry.
    pub bars_held: u32,
}

/// An agent's record so far, up to the brief's as-of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrackRecord {
    /// Times it was consulted.
    pub consulted: u64,
    /// Times it answered.
    pub answered: u64,
    /// Rounds in which its vote was that of the verdict.
    pub agreed: u64,
    /// Share of its votes for that led to a winning trade, after shrinking to one half.
    pub hit_rate: Option<Ratio>,
}

/// Everything the trading team is told about one question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TradingBrief {
    /// What is asked.
    pub question: Question,
    /// The symbol.
    pub symbol: Symbol,
    /// What kind of thing it is.
    pub asset_class: AssetClass,
    /// Nothing in this brief was known later than this.
    pub as_of: Time,
    /// Long or short.
    pub direction: Direction,
    /// The signal's raw confidence, 0 to 1.
    pub confidence: Ratio,
    /// The signal's expected move, fraction.
    pub magnitude: Ratio,
    /// Share of the signal's source that was right on this symbol so far, shrunken to one half.
    pub hit_rate: Ratio,
    /// The last price.
    pub price: Price,
    /// The regime filter's probabilities.
    pub regime: Regime,
    /// The feature engine's figures.
    pub features: Features,
    /// The account.
    pub book: BookView,
    /// The order's base size after the caps, as value.
    pub order_value: Money,
    /// The portfolio after the order.
    pub projected: Projected,
    /// How the gates answered.
    pub gates: Vec<GateResult>,
    /// Where the market stands in its day.
    pub session: Session,
    /// What the trading state permits.
    pub trading_state: TradingState,
    /// The present position in the symbol, if any.
    pub open_position: Option<OpenPosition>,
    /// What the guardian objected to, when this round is an appeal against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appeal: Option<crate::advice::Objection>,
    /// What was read of the news about the symbol; `None` without any. Numbers and words of ours, never
    /// a text from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub news: Option<crate::news::view::NewsView>,
    /// The asked agent's own record.
    pub track_record: TrackRecord,
}
