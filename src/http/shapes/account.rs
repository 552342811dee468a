//! The account, its positions and orders, its curve, and who may be entered.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// The account at the last prices.
#[derive(Debug, Serialize, ToSchema)]
pub struct Account {
    /// `real` or `shadow`: the book that the present mode decides on, or the other one where that was
    /// never opened.
    pub book: String,
    /// Cash plus positions.
    pub equity: String,
    /// Cash.
    pub cash: String,
    /// Share of the equity that is in positions.
    pub exposure: f64,
    /// Fall from the peak of equity.
    pub drawdown: f64,
    /// Gain since the beginning of the day.
    pub daily_pnl: f64,
    /// What would be lost from here if every stop filled at its price, share of the equity; a position
    /// without a stop counts in full.
    pub open_risk: f64,
    /// Closed trades.
    pub trades: u64,
    /// Open positions.
    pub positions: u64,
}

/// The account and its open positions.
#[derive(Debug, ToSchema)]
pub struct Positions {
    /// `positions/1`.
    pub schema: String,
    /// The account.
    pub account: Account,
    /// Open positions of all books.
    pub positions: Vec<Position>,
}

/// An open position.
#[derive(Debug, ToSchema)]
pub struct Position {
    /// `real`, or the book of advice that nobody trades on.
    pub book: String,
    /// The symbol.
    pub symbol: String,
    /// `long` or `short`.
    pub side: String,
    /// How much.
    pub qty: String,
    /// The mean price of entry, where it is known.
    pub entry_price: Option<String>,
    /// The last price.
    pub price: String,
    /// What it is worth.
    pub value: String,
    /// What it would gain if it were closed at the last price, where that is known.
    pub unrealised: Option<String>,
    /// Where its stop stands.
    pub stop: Option<String>,
    /// Since when.
    pub opened_at: String,
}

/// Orders, newest first.
#[derive(Debug, ToSchema)]
pub struct Orders {
    /// `orders/1`.
    pub schema: String,
    /// The last orders of all books.
    pub orders: Vec<Order>,
}

/// An order and what became of it.
#[derive(Debug, ToSchema)]
pub struct Order {
    /// Its book.
    pub book: String,
    /// Its id at the broker.
    pub client_order_id: String,
    /// The decision that it belongs to.
    pub decision: String,
    /// The symbol.
    pub symbol: String,
    /// `buy` or `sell`.
    pub side: String,
    /// How much.
    pub qty: String,
    /// `market`, `limit`, `stop`, …
    pub kind: String,
    /// Where it stands, in the broker's words.
    pub status: String,
    /// How much was filled.
    pub filled: String,
    /// When it was made.
    pub at: String,
    /// When the last of it was filled.
    pub filled_at: Option<String>,
    /// At which mean price.
    pub filled_price: Option<String>,
}

/// The account as it went, thinned.
#[derive(Debug, ToSchema)]
pub struct Curve {
    /// `curve/1`.
    pub schema: String,
    /// Which book.
    pub book: String,
    /// `paper` or `live`.
    pub money: String,
    /// Oldest first.
    pub points: Vec<Point>,
    /// The prices of what was decided on last; null before the first decision.
    pub price: Option<Prices>,
}

/// How the share went that was decided on last.
#[derive(Debug, ToSchema)]
pub struct Prices {
    /// The symbol.
    pub symbol: String,
    /// The decision.
    pub decision: String,
    /// Its last closes, oldest first.
    pub closes: Vec<Close>,
    /// Orders that were filled among them.
    pub marks: Vec<Mark>,
}

/// The close of a bar.
#[derive(Debug, ToSchema)]
pub struct Close {
    /// When.
    pub at: String,
    /// The price.
    pub close: String,
}

/// An order that was filled.
#[derive(Debug, ToSchema)]
pub struct Mark {
    /// When the last of it was filled.
    pub at: String,
    /// At which mean price.
    pub price: Option<String>,
    /// How much.
    pub qty: String,
    /// `buy` or `sell`.
    pub side: String,
    /// Its decision.
    pub decision: String,
}

/// The account at one time.
#[derive(Debug, ToSchema)]
pub struct Point {
    /// When.
    pub at: String,
    /// Cash plus positions.
    pub equity: String,
    /// Cash.
    pub cash: String,
    /// Share of the equity that is in positions.
    pub exposure: f64,
    /// What holding all shares in equal parts would have come to; null where the bars do not say.
    pub benchmark: Option<String>,
}

/// Who may be entered, where that changes as the run goes on.
#[derive(Debug, ToSchema)]
pub struct Universe {
    /// `universe/1`.
    pub schema: String,
    /// Whether it changes; without it every symbol of the run may be entered.
    pub enabled: bool,
    /// The members.
    pub members: Vec<Member>,
    /// Which book.
    #[schema(required = false)]
    pub book: String,
    /// Members that were asked to rest, and until when.
    #[schema(required = false)]
    pub resting: Value,
    /// Changes so far.
    #[schema(required = false)]
    pub changes: Value,
    /// When the symbols were last measured.
    #[schema(required = false)]
    pub measured_at: Option<String>,
}

/// A member and how its trades went.
#[derive(Debug, ToSchema)]
pub struct Member {
    /// The symbol.
    pub symbol: String,
    /// Closed trades.
    pub trades: u64,
    /// Share of them that won; null while there is none.
    pub win_rate: Option<f64>,
    /// Fall of their sum from its peak.
    pub drawdown: Option<f64>,
    /// Why it would be asked to go, where it would.
    pub poor: Value,
}
