//! What belongs to an account: its money, positions and past, and the venue's clock and assets.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::number::{Figure, Stamp, maybe_text, or_default, text};
use super::order::Order;
use super::rules::Moment;
use super::word::{AccountStatus, AssetStatus, OrderStatus, Side, VenueClass};
use crate::fixed::{Money, Price, Qty};
use crate::market::calendar::Calendar;

/// `GET /v2/account`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the flags are those of the contract")]
pub struct Account {
    /// The broker's id of it.
    pub id: String,
    /// Its number; on paper it begins with `PA`.
    #[serde(default)]
    pub account_number: Option<String>,
    /// Where it stands.
    pub status: AccountStatus,
    /// Where it stands with coins.
    #[serde(default)]
    pub crypto_status: AccountStatus,
    /// Its currency.
    #[serde(deserialize_with = "or_default", default)]
    pub currency: String,
    /// Cash; negative is borrowed.
    #[serde(with = "text")]
    pub cash: Money,
    /// Cash and positions.
    #[serde(with = "text")]
    pub equity: Money,
    /// The same at the last close.
    #[serde(with = "maybe_text", default)]
    pub last_equity: Option<Money>,
    /// What may be spent, borrowing included.
    #[serde(with = "text")]
    pub buying_power: Money,
    /// The same by Regulation T.
    #[serde(with = "maybe_text", default)]
    pub regt_buying_power: Option<Money>,
    /// What may be spent on what cannot be borrowed for, such as coins.
    #[serde(with = "maybe_text", default)]
    pub non_marginable_buying_power: Option<Money>,
    /// The same as `equity`.
    #[serde(with = "maybe_text", default)]
    pub portfolio_value: Option<Money>,
    /// The worth of what is held.
    #[serde(with = "maybe_text", default)]
    pub long_market_value: Option<Money>,
    /// The worth of what is owed, never positive.
    #[serde(with = "maybe_text", default)]
    pub short_market_value: Option<Money>,
    /// What positions took to open.
    #[serde(with = "maybe_text", default)]
    pub initial_margin: Option<Money>,
    /// What positions take to keep.
    #[serde(with = "maybe_text", default)]
    pub maintenance_margin: Option<Money>,
    /// The same at the last close.
    #[serde(with = "maybe_text", default)]
    pub last_maintenance_margin: Option<Money>,
    /// How often equity may be spent: 1, 2 or 4.
    #[serde(with = "maybe_text", default)]
    pub multiplier: Option<Figure>,
    /// Whether it may not trade.
    #[serde(deserialize_with = "or_default", default)]
    pub trading_blocked: bool,
    /// Whether no money may move.
    #[serde(deserialize_with = "or_default", default)]
    pub transfers_blocked: bool,
    /// Whether it may do nothing.
    #[serde(deserialize_with = "or_default", default)]
    pub account_blocked: bool,
    /// Whether its owner stopped it.
    #[serde(deserialize_with = "or_default", default)]
    pub trade_suspended_by_user: bool,
    /// Whether shares may be sold short.
    #[serde(deserialize_with = "or_default", default)]
    pub shorting_enabled: bool,
    /// When it was opened.
    #[serde(default)]
    pub created_at: Option<Stamp>,
}

impl Account {
    /// Why it may not trade now; `None` where nothing speaks against it.
    pub const fn block(&self) -> Option<&'static str> {
        if !matches!(self.status, AccountStatus::Active) {
            Some("its status is not ACTIVE")
        } else if self.account_blocked {
            Some("the account is blocked")
        } else if self.trading_blocked {
            Some("its trading is blocked")
        } else if self.trade_suspended_by_user {
            Some("its owner suspended trading")
        } else {
            None
        }
    }
}

/// One of `GET /v2/positions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The broker's id of what is held.
    #[serde(deserialize_with = "or_default", default)]
    pub asset_id: String,
    /// What is held; of a coin without its slash.
    pub symbol: String,
    /// Where it is listed.
    #[serde(deserialize_with = "or_default", default)]
    pub exchange: String,
    /// What kind of thing it is.
    #[serde(default)]
    pub asset_class: VenueClass,
    /// Whether money may be borrowed on it.
    #[serde(deserialize_with = "or_default", default)]
    pub asset_marginable: bool,
    /// How much; negative for a short.
    #[serde(with = "text")]
    pub qty: Qty,
    /// How much no open order has taken yet.
    #[serde(with = "maybe_text", default)]
    pub qty_available: Option<Qty>,
    /// `long` or `short`.
    #[serde(deserialize_with = "or_default", default)]
    pub side: String,
    /// At which mean price it was opened, rounded to 1e-8.
    #[serde(with = "text")]
    pub avg_entry_price: Price,
    /// Its worth.
    #[serde(with = "maybe_text", default)]
    pub market_value: Option<Money>,
    /// What it cost.
    #[serde(with = "maybe_text", default)]
    pub cost_basis: Option<Money>,
    /// Profit not yet taken.
    #[serde(with = "maybe_text", default)]
    pub unrealized_pl: Option<Money>,
    /// The same as a fraction.
    #[serde(with = "maybe_text", default)]
    pub unrealized_plpc: Option<Figure>,
    /// Today's part of it.
    #[serde(with = "maybe_text", default)]
    pub unrealized_intraday_pl: Option<Money>,
    /// The same as a fraction.
    #[serde(with = "maybe_text", default)]
    pub unrealized_intraday_plpc: Option<Figure>,
    /// The last price.
    #[serde(with = "maybe_text", default)]
    pub current_price: Option<Price>,
    /// The last close.
    #[serde(with = "maybe_text", default)]
    pub lastday_price: Option<Price>,
    /// Today's change, as a fraction.
    #[serde(with = "maybe_text", default)]
    pub change_today: Option<Figure>,
}

impl Position {
    /// How much, negative for a short, whichever of the two fields says so.
    pub fn signed_qty(&self) -> Qty {
        if self.side == "short" { self.qty.abs().negated() } else { self.qty }
    }
}

/// One of `GET /v2/assets`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the flags are those of the contract")]
pub struct Asset {
    /// The broker's id of it.
    pub id: String,
    /// What kind of thing it is.
    #[serde(default)]
    pub class: VenueClass,
    /// Where it is listed.
    #[serde(deserialize_with = "or_default", default)]
    pub exchange: String,
    /// Its symbol.
    pub symbol: String,
    /// Its name.
    #[serde(deserialize_with = "or_default", default)]
    pub name: String,
    /// Whether it is traded at all.
    #[serde(default)]
    pub status: AssetStatus,
    /// Whether it is traded here.
    #[serde(deserialize_with = "or_default", default)]
    pub tradable: bool,
    /// Whether money may be borrowed on it.
    #[serde(deserialize_with = "or_default", default)]
    pub marginable: bool,
    /// Whether it may be sold short.
    #[serde(deserialize_with = "or_default", default)]
    pub shortable: bool,
    /// Whether it is easily borrowed; nothing where nobody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub easy_to_borrow: Option<bool>,
    /// Whether parts of one may be traded.
    #[serde(deserialize_with = "or_default", default)]
    pub fractionable: bool,
    /// What else is special about it, such as `fractional_eh_enabled`.
    #[serde(deserialize_with = "or_default", default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<String>,
    /// The smallest order; of coins.
    #[serde(with = "maybe_text", default, skip_serializing_if = "Option::is_none")]
    pub min_order_size: Option<Qty>,
    /// The step of quantities; of coins.
    #[serde(with = "maybe_text", default, skip_serializing_if = "Option::is_none")]
    pub min_trade_increment: Option<Qty>,
    /// The step of prices; of coins.
    #[serde(with = "maybe_text", default, skip_serializing_if = "Option::is_none")]
    pub price_increment: Option<Price>,
}

/// `GET /v2/clock`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// The venue's time.
    pub timestamp: Stamp,
    /// Whether the regular session of shares goes on.
    pub is_open: bool,
    /// When the next one begins.
    pub next_open: Stamp,
    /// When it, or the present one, ends.
    pub next_close: Stamp,
}

/// One of `GET /v2/calendar`: a session, in New York's time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarDay {
    /// Its date, `2025-01-02`.
    pub date: String,
    /// When it opens, `09:30`.
    pub open: String,
    /// When it closes, `16:00`.
    pub close: String,
    /// When trading before the opening begins, `0400`.
    #[serde(deserialize_with = "or_default", default)]
    pub session_open: String,
    /// When trading after the close ends, `2000`.
    #[serde(deserialize_with = "or_default", default)]
    pub session_close: String,
    /// When its trades settle, `2025-01-03`.
    #[serde(deserialize_with = "or_default", default)]
    pub settlement_date: String,
}

impl CalendarDay {
    /// A session as our own calendar has it; `None` where there is none that day. Its trades settle on
    /// the next session.
    pub fn of(day: Date) -> Option<Self> {
        let calendar = Calendar::Xnys;
        let (open, close) = calendar.open_close(day)?;
        let minutes = |time| {
            let minute = Moment::at(time).minute;
            (minute / 60, minute % 60)
        };
        let ((open_hour, open_minute), (hour, minute)) = (minutes(open), minutes(close));
        Some(Self {
            date: day.to_string(),
            open: format!("{open_hour:02}:{open_minute:02}"),
            close: format!("{hour:02}:{minute:02}"),
            session_open: "0400".to_owned(),
            session_close: format!("{:02}00", hour + 4),
            settlement_date: calendar.next_session(day)?.to_string(),
        })
    }
}

/// One of `GET /v2/account/activities`: a fill, or something that is no trade.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Its id, which is also the token of the page after it.
    pub id: String,
    /// `FILL`, `DIV`, `SPLIT`, `FEE` and others.
    pub activity_type: String,
    /// Of a fill: when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_time: Option<Stamp>,
    /// Of a fill: `fill` or `partial_fill`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Of a fill: at which price.
    #[serde(with = "maybe_text", default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// How much.
    #[serde(with = "maybe_text", default, skip_serializing_if = "Option::is_none")]
    pub qty: Option<Qty>,
    /// Of a fill: buy or sell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// Of a fill: how much of the order is left.
    #[serde(with = "maybe_text", default, skip_serializing_if = "Option::is_none")]
    pub leaves_qty: Option<Qty>,
    /// Of a fill: how much of the order is filled.
    #[serde(with = "maybe_text", default, skip_serializing_if = "Option::is_none")]
    pub cum_qty: Option<Qty>,
    /// Of a fill: the broker's id of the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// Of a fill: where the order stood then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_status: Option<OrderStatus>,
    /// Of what is no trade: its day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Of what is no trade: what it brought; negative is a cost.
    #[serde(with = "maybe_text", default, skip_serializing_if = "Option::is_none")]
    pub net_amount: Option<Money>,
    /// Of what is no trade: the same for one share.
    #[serde(with = "maybe_text", default, skip_serializing_if = "Option::is_none")]
    pub per_share_amount: Option<Money>,
    /// Of what is no trade: `executed`, `correct` or `canceled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

impl Activity {
    /// The word for a fill.
    pub const FILL: &'static str = "FILL";
}

/// One of the answers to `DELETE /v2/orders`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanceledOrder {
    /// The broker's id of the order.
    pub id: String,
    /// An HTTP status: 200 where it is being canceled.
    pub status: u16,
}

/// One of the answers to `DELETE /v2/positions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedPosition {
    /// What was held.
    pub symbol: String,
    /// An HTTP status: 200 where an order closes it.
    pub status: u16,
    /// The order that closes it, or the error.
    #[serde(default)]
    pub body: serde_json::Value,
}

impl ClosedPosition {
    /// The order that closes it, where there is one.
    pub fn order(&self) -> Option<Order> {
        serde_json::from_value(self.body.clone()).ok()
    }

    /// Why it is not being closed, where the broker says so.
    pub fn problem(&self) -> Option<&str> {
        let text = self.body.get("message").and_then(serde_json::Value::as_str);
        text.filter(|_| self.status >= 300)
    }
}
