//! Orders as they are asked for, and as they are told of.

use serde::{Deserialize, Serialize};

use super::number::{Figure, Stamp, maybe_text, or_default, text};
use super::word::{
    GroupRole, OrderClass, OrderStatus, OrderType, PositionIntent, Side, TimeInForce, VenueClass,
};
use crate::fixed::{Money, Price, Qty};

/// The body of `POST /v2/orders`. Figures are exactly what was asked for: whether they have too many
/// places is for [`super::rules`] to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewOrder {
    /// What is traded.
    #[serde(default)]
    pub symbol: String,
    /// How much, in shares or coins; not together with `notional`.
    #[serde(with = "maybe_text", default, skip_serializing_if = "Option::is_none")]
    pub qty: Option<Figure>,
    /// How much, in dollars.
    #[serde(with = "maybe_text", default, skip_serializing_if = "Option::is_none")]
    pub notional: Option<Figure>,
    /// Buy or sell.
    #[serde(default)]
    pub side: Side,
    /// How it seeks its price.
    #[serde(rename = "type", default)]
    pub kind: OrderType,
    /// How long it stays.
    #[serde(default)]
    pub time_in_force: TimeInForce,
    /// The worst price accepted, of `limit` and `stop_limit`.
    #[serde(with = "maybe_text", default, skip_serializing_if = "Option::is_none")]
    pub limit_price: Option<Figure>,
    /// The trigger, of `stop` and `stop_limit`.
    #[serde(with = "maybe_text", default, skip_serializing_if = "Option::is_none")]
    pub stop_price: Option<Figure>,
    /// The distance in dollars, of `trailing_stop`.
    #[serde(with = "maybe_text", default, skip_serializing_if = "Option::is_none")]
    pub trail_price: Option<Figure>,
    /// The distance in percent, of `trailing_stop`.
    #[serde(with = "maybe_text", default, skip_serializing_if = "Option::is_none")]
    pub trail_percent: Option<Figure>,
    /// Whether it may trade before the opening and after the close.
    #[serde(deserialize_with = "or_default", default, skip_serializing_if = "is_false")]
    pub extended_hours: bool,
    /// The client's own id of it, unique for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_order_id: Option<String>,
    /// How it belongs to its legs.
    #[serde(default, skip_serializing_if = "OrderClass::is_simple")]
    pub order_class: OrderClass,
    /// The exit with profit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub take_profit: Option<TakeProfit>,
    /// The exit that protects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_loss: Option<StopLoss>,
    /// What it is meant to do to the position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position_intent: Option<PositionIntent>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// The exit with profit of a bracket: a limit order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakeProfit {
    /// Its limit.
    #[serde(with = "maybe_text", default, skip_serializing_if = "Option::is_none")]
    pub limit_price: Option<Figure>,
}

/// The exit that protects: a stop order, or a stop-limit order where it has a limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopLoss {
    /// Its trigger.
    #[serde(with = "maybe_text", default, skip_serializing_if = "Option::is_none")]
    pub stop_price: Option<Figure>,
    /// Its limit.
    #[serde(with = "maybe_text", default, skip_serializing_if = "Option::is_none")]
    pub limit_price: Option<Figure>,
}

/// The body of `PATCH /v2/orders/{id}`: what shall be different. The answer is a new order, and says
/// nothing yet about whether the old one is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replacement {
    /// How much.
    #[serde(with = "maybe_text", default, skip_serializing_if = "Option::is_none")]
    pub qty: Option<Figure>,
    /// How long it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_in_force: Option<TimeInForce>,
    /// The worst price accepted.
    #[serde(with = "maybe_text", default, skip_serializing_if = "Option::is_none")]
    pub limit_price: Option<Figure>,
    /// The trigger.
    #[serde(with = "maybe_text", default, skip_serializing_if = "Option::is_none")]
    pub stop_price: Option<Figure>,
    /// The distance of a trailing stop, in dollars or percent as it was.
    #[serde(with = "maybe_text", default, skip_serializing_if = "Option::is_none")]
    pub trail: Option<Figure>,
    /// The new order's own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_order_id: Option<String>,
}

/// An order as the broker tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The broker's id of it.
    pub id: String,
    /// The client's id of it.
    #[serde(deserialize_with = "or_default", default)]
    pub client_order_id: String,
    /// When it was made.
    #[serde(default)]
    pub created_at: Option<Stamp>,
    /// When it last changed.
    #[serde(default)]
    pub updated_at: Option<Stamp>,
    /// When it was sent: what pages of orders are sorted by.
    #[serde(default)]
    pub submitted_at: Option<Stamp>,
    /// When it was filled.
    #[serde(default)]
    pub filled_at: Option<Stamp>,
    /// When its time ran out.
    #[serde(default)]
    pub expired_at: Option<Stamp>,
    /// When its time will run out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Stamp>,
    /// When it was canceled.
    #[serde(default)]
    pub canceled_at: Option<Stamp>,
    /// When it was rejected.
    #[serde(default)]
    pub failed_at: Option<Stamp>,
    /// When another took its place.
    #[serde(default)]
    pub replaced_at: Option<Stamp>,
    /// The broker's id of the order in its place.
    #[serde(default)]
    pub replaced_by: Option<String>,
    /// The broker's id of the order in whose place it stands.
    #[serde(default)]
    pub replaces: Option<String>,
    /// The broker's id of what is traded.
    #[serde(deserialize_with = "or_default", default)]
    pub asset_id: String,
    /// What is traded.
    #[serde(deserialize_with = "or_default", default)]
    pub symbol: String,
    /// What kind of thing that is.
    #[serde(default)]
    pub asset_class: VenueClass,
    /// How much, in dollars; then `qty` is nothing.
    #[serde(with = "maybe_text", default)]
    pub notional: Option<Money>,
    /// How much, in shares or coins.
    #[serde(with = "maybe_text", default)]
    pub qty: Option<Qty>,
    /// How much of it is filled. Never guessed: without it the order is unreadable.
    #[serde(with = "text")]
    pub filled_qty: Qty,
    /// At which mean price, rounded to 1e-8.
    #[serde(with = "maybe_text", default)]
    pub filled_avg_price: Option<Price>,
    /// How it belongs to others.
    #[serde(default)]
    pub order_class: OrderClass,
    /// The same as `type`, from before.
    #[serde(default)]
    pub order_type: OrderType,
    /// How it seeks its price.
    #[serde(rename = "type")]
    pub kind: OrderType,
    /// Buy or sell.
    #[serde(default)]
    pub side: Side,
    /// How long it stays.
    pub time_in_force: TimeInForce,
    /// The worst price accepted.
    #[serde(with = "maybe_text", default)]
    pub limit_price: Option<Price>,
    /// The trigger.
    #[serde(with = "maybe_text", default)]
    pub stop_price: Option<Price>,
    /// Where it stands.
    pub status: OrderStatus,
    /// Whether it may trade before the opening and after the close.
    #[serde(deserialize_with = "or_default", default)]
    pub extended_hours: bool,
    /// The orders below it, where it was asked for nested.
    #[serde(default)]
    pub legs: Option<Vec<Self>>,
    /// The distance of a trailing stop, percent.
    #[serde(with = "maybe_text", default)]
    pub trail_percent: Option<Figure>,
    /// The distance of a trailing stop, dollars.
    #[serde(with = "maybe_text", default)]
    pub trail_price: Option<Price>,
    /// The best price since a trailing stop was sent.
    #[serde(with = "maybe_text", default)]
    pub hwm: Option<Price>,
    /// What joins the orders of a bracket, also on the stream, where `legs` is never given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_id: Option<String>,
    /// What it is in its group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_role: Option<GroupRole>,
    /// What it is meant to do to the position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position_intent: Option<PositionIntent>,
}

impl Order {
    /// How much of it is not filled; `None` where it was ordered in dollars.
    pub fn open_qty(&self) -> Option<Qty> {
        self.qty.and_then(|qty| qty.minus(self.filled_qty).ok())
    }

    /// Whether it is what `asked` asked for: what an id that we find at the broker is compared with,
    /// before it is taken for ours. The broker fills in what was left open, so only what was stated
    /// counts.
    pub fn is_what_was_asked(&self, asked: &NewOrder) -> bool {
        let price = |asked: Option<Figure>, told: Option<Price>| {
            asked.is_none_or(|asked| asked.price().ok() == told)
        };
        let qty = asked.qty.is_none_or(|qty| qty.qty().ok() == self.qty);
        let notional = asked.notional.is_none_or(|it| it.money().ok() == self.notional);
        super::is_same_symbol(&self.symbol, &asked.symbol)
            && self.side == asked.side
            && self.kind == asked.kind
            && self.time_in_force == asked.time_in_force
            && qty
            && notional
            && price(asked.limit_price, self.limit_price)
            && price(asked.stop_price, self.stop_price)
    }
}
