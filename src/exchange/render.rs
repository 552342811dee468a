//! Orders, positions and accounts as the trading side shows them: figures are decimal texts.

use conclave_domain::exchange::account::{Account, Activity, Deed, Funds, Position};
use conclave_domain::exchange::ids::{Id, Kind as IdKind};
use conclave_domain::exchange::order::{Event, Order, Status, Update};
use conclave_domain::exchange::ticket::{Amount, Kind, Trail};
use conclave_domain::exchange::venue::{Listing, Venue};
use conclave_domain::fixed::{FixedError, Money, Price};
use conclave_domain::market::symbol::AssetClass;
use conclave_domain::order::Side;
use conclave_domain::time::Time;
use serde_json::{Value, json};

/// The name of an asset.
pub(super) fn asset_id(account: &Account, place: usize) -> String {
    let id = Id { account: 0, ..account.id(IdKind::Asset, place as u64 + 1) };
    id.to_string()
}

pub(super) const fn class_name(class: AssetClass) -> &'static str {
    match class {
        AssetClass::Equity => "us_equity",
        AssetClass::Crypto => "crypto",
    }
}

const fn exchange_name(class: AssetClass) -> &'static str {
    match class {
        AssetClass::Equity => "NASDAQ",
        AssetClass::Crypto => "CRYPTO",
    }
}

fn text(figure: impl std::fmt::Display) -> Value {
    Value::String(figure.to_string())
}

fn maybe(figure: Option<impl std::fmt::Display>) -> Value {
    figure.map_or(Value::Null, text)
}

fn order_name(account: &Account, nth: u32) -> String {
    account.id(IdKind::Order, u64::from(nth)).to_string()
}

/// An order without what is shown below it.
pub(super) fn order(order: &Order, account: &Account, venue: &Venue) -> Value {
    let name = |nth: u32| order_name(account, nth);
    let ended = |status: Status| order.ended_at.filter(|_| order.status == status);
    let (percent, distance) = match order.kind {
        Kind::TrailingStop { trail: Trail::Percent(share) } => {
            // Hundredths of a basis point are 1e-4 %.
            (Some(Price::from_raw(i64::from(share.as_hundredths()) * 10_000)), None)
        }
        Kind::TrailingStop { trail: Trail::Price(price) } => (None, Some(price)),
        _ => (None, None),
    };
    let (qty, notional) = match order.amount {
        Amount::Qty(_) => (order.target, None),
        Amount::Notional(money) => (None, Some(money)),
    };
    let is_trailing = matches!(order.kind, Kind::TrailingStop { .. });
    let mut shown = json!({
        "id": name(order.nth),
        "client_order_id": &*order.client_order_id,
        "created_at": order.created_at,
        "updated_at": order.updated_at,
        "submitted_at": order.created_at,
        "filled_at": ended(Status::Filled),
        "expired_at": ended(Status::Expired),
        "expires_at": order.expires_at,
        "canceled_at": ended(Status::Canceled),
        "failed_at": ended(Status::Rejected),
        "replaced_at": ended(Status::Replaced),
        "replaced_by": order.replaced_by.map(name),
        "replaces": order.replaces.map(name),
        "asset_id": asset_id(account, order.place),
        "symbol": order.symbol,
        "asset_class": class_name(venue.listing(order.place).class),
        "notional": maybe(notional),
        "qty": maybe(qty),
        "filled_qty": text(order.filled),
        "filled_avg_price": maybe(order.average_price()),
        "order_class": order.class,
        "order_type": order.kind.name(),
        "type": order.kind.name(),
        "side": order.side.name(),
        "position_intent": intent(order),
        "time_in_force": order.tif.name(),
        "limit_price": maybe(order.kind.limit()),
        "stop_price": maybe(if is_trailing { order.trigger() } else { order.kind.stop() }),
        "status": order.status.name(),
        "extended_hours": order.extended_hours,
        "legs": null,
        "trail_percent": maybe(percent),
        "trail_price": maybe(distance),
        "hwm": maybe(order.best.filter(|_| is_trailing)),
    });
    if let (Some(group), Some(fields)) = (order.group, shown.as_object_mut()) {
        let id = account.id(IdKind::Group, u64::from(group.nth)).to_string();
        fields.insert("group_id".to_owned(), json!(id));
        fields.insert("group_role".to_owned(), json!(group.role.name()));
    }
    shown
}

fn intent(order: &Order) -> &'static str {
    match (order.side, order.opens) {
        (Side::Buy, true) => "buy_to_open",
        (Side::Buy, false) => "buy_to_close",
        (Side::Sell, true) => "sell_to_open",
        (Side::Sell, false) => "sell_to_close",
    }
}

/// An order with its legs below it: the first of a family, and the others.
pub(super) fn family(orders: &[Order], account: &Account, venue: &Venue) -> Value {
    let Some((first, legs)) = orders.split_first() else { return Value::Null };
    let mut shown = order(first, account, venue);
    if let Some(fields) = shown.as_object_mut().filter(|_| !legs.is_empty()) {
        let legs: Vec<Value> = legs.iter().map(|leg| order(leg, account, venue)).collect();
        fields.insert("legs".to_owned(), Value::Array(legs));
    }
    shown
}

/// What the trading stream says of something that happened to an order. Legs are not shown there.
pub(super) fn update(update: &Update, account: &Account, venue: &Venue) -> Value {
    let number = update.execution.map_or(u64::from(update.order.nth), |it| it.nth);
    let mut shown = json!({
        "event": update.event.name(),
        "timestamp": update.at,
        "order": order(&update.order, account, venue),
        "execution_id": account.id(IdKind::Execution, number).to_string(),
    });
    if let (Some(execution), Some(fields)) = (update.execution, shown.as_object_mut()) {
        fields.insert("price".to_owned(), text(execution.price));
        fields.insert("qty".to_owned(), text(execution.qty));
        fields.insert("position_qty".to_owned(), text(execution.position));
    } else if let Some(fields) = shown.as_object_mut() {
        fields.remove("execution_id");
    }
    shown
}

/// A gain over what it was made of, to four places; zero where there is nothing to measure it by.
fn share(gain: Money, of: Money) -> String {
    let of = i128::from(of.raw().abs());
    let share = (i128::from(gain.raw()) * 10_000).checked_div(of).unwrap_or(0);
    Price::from_raw(i64::try_from(share * 10_000).unwrap_or(0)).to_string()
}

/// A position at the market's prices.
///
/// # Errors
/// On overflow.
pub(super) fn position(
    held: &Position,
    place: usize,
    account: &Account,
    venue: &Venue,
) -> Result<Value, FixedError> {
    let listing = venue.listing(place);
    let last = listing.last().unwrap_or_else(|| held.average_price());
    let before = listing.last_day().unwrap_or(last);
    let (value, former) = (held.value(last)?, held.value(before)?);
    let (gain, today) = (value.minus(held.cost)?, value.minus(former)?);
    let unit = |price: Price| Money::from_raw(price.raw());
    let is_share = listing.class == AssetClass::Equity;
    let available = account.available(place);
    let available = if held.qty.raw() < 0 { available.negated() } else { available };
    Ok(json!({
        "asset_id": asset_id(account, place),
        "symbol": listing.symbol,
        "exchange": exchange_name(listing.class),
        "asset_class": class_name(listing.class),
        "asset_marginable": is_share && account.multiplier > 1,
        "qty": text(held.qty),
        "qty_available": text(available),
        "avg_entry_price": text(held.average_price()),
        "side": if held.qty.raw() < 0 { "short" } else { "long" },
        "market_value": text(value),
        "cost_basis": text(held.cost),
        "unrealized_pl": text(gain),
        "unrealized_plpc": share(gain, held.cost),
        "unrealized_intraday_pl": text(today),
        "unrealized_intraday_plpc": share(today, former),
        "current_price": text(last),
        "lastday_price": text(before),
        "change_today": share(unit(last).minus(unit(before))?, unit(before)),
    }))
}

/// An account at the market's prices.
pub(super) fn account(of: &Account, funds: &Funds, now: Time) -> Value {
    let money = |money: Money| Value::String(format!("{money:.2}"));
    let zero = || text("0");
    json!({
        "id": of.id(IdKind::Account, u64::from(of.number) + 1).to_string(),
        "account_number": format!("PAX{:06}", u32::from(of.number) + 1),
        "status": "ACTIVE",
        "crypto_status": "ACTIVE",
        "currency": "USD",
        "cash": money(of.cash()),
        "portfolio_value": money(funds.equity),
        "equity": money(funds.equity),
        "last_equity": money(of.last_equity),
        "long_market_value": money(funds.long_value),
        "short_market_value": money(funds.short_value),
        "initial_margin": money(funds.initial_margin),
        "maintenance_margin": money(funds.maintenance_margin),
        "last_maintenance_margin": money(funds.maintenance_margin),
        "sma": zero(),
        "buying_power": money(funds.buying_power),
        "regt_buying_power": money(funds.buying_power),
        "non_marginable_buying_power": money(funds.non_marginable),
        "options_buying_power": money(funds.non_marginable),
        "options_approved_level": 0,
        "options_trading_level": 0,
        "accrued_fees": zero(),
        "pending_transfer_in": zero(),
        "pending_transfer_out": zero(),
        "pending_reg_taf_fees": zero(),
        "intraday_adjustments": zero(),
        "multiplier": text(of.multiplier),
        "shorting_enabled": of.multiplier > 1,
        "trading_blocked": false,
        "transfers_blocked": false,
        "account_blocked": false,
        "trade_suspended_by_user": of.is_suspended,
        "created_at": of.opened_at,
        "balance_asof": now.timestamp().strftime("%Y-%m-%d").to_string(),
    })
}

/// An asset.
pub(super) fn asset(listing: &Listing, place: usize, account: &Account) -> Value {
    let flags = listing.flags();
    let is_share = flags.class == AssetClass::Equity;
    let mut attributes = Vec::new();
    if is_share && flags.fractional_extended {
        attributes.push("fractional_eh_enabled");
    }
    if is_share && flags.overnight {
        attributes.push("overnight_tradable");
    }
    let mut shown = json!({
        "id": asset_id(account, place),
        "class": class_name(listing.class),
        "exchange": exchange_name(listing.class),
        "symbol": listing.symbol,
        "name": listing.name,
        "status": "active",
        "tradable": flags.tradable,
        "marginable": is_share,
        "shortable": flags.shortable,
        "easy_to_borrow": flags.shortable,
        "borrow_status": if flags.shortable { "easy_to_borrow" } else { "hard_to_borrow" },
        "fractionable": flags.fractionable,
        "maintenance_margin_requirement": if is_share { 30 } else { 100 },
        "margin_requirement_long": if is_share { "30" } else { "100" },
        "margin_requirement_short": if is_share { "30" } else { "100" },
        "attributes": attributes,
    });
    if let Some(fields) = shown.as_object_mut().filter(|_| !is_share) {
        fields.insert("min_order_size".to_owned(), maybe(flags.qty_min));
        fields.insert("min_trade_increment".to_owned(), maybe(flags.qty_step));
        fields.insert("price_increment".to_owned(), maybe(flags.price_step));
    }
    shown
}

/// The name of an activity: its time first, so that names sort as activities do.
pub(super) fn activity_id(activity: &Activity) -> String {
    let at = activity.at.timestamp().strftime("%Y%m%d%H%M%S%3f");
    format!("{at}::{:012}", activity.nth)
}

/// The word of an activity's kind.
pub(super) const fn activity_type(activity: &Activity) -> &'static str {
    match activity.deed {
        Deed::Fill { .. } => "FILL",
        Deed::Dividend { .. } => "DIV",
        Deed::Split { .. } => "SPLIT",
    }
}

/// An activity.
pub(super) fn activity(activity: &Activity, account: &Account, venue: &Venue) -> Value {
    let id = activity_id(activity);
    let kind = activity_type(activity);
    let date = activity.at.timestamp().strftime("%Y-%m-%d").to_string();
    let symbol = |place: usize| venue.listing(place).symbol.clone();
    match &activity.deed {
        Deed::Fill { order, execution } => {
            let is_whole = order.status == Status::Filled;
            let event = if is_whole { Event::Fill } else { Event::PartialFill };
            json!({
                "id": id,
                "activity_type": kind,
                "transaction_time": activity.at,
                "type": event.name(),
                "price": text(execution.price),
                "qty": text(execution.qty),
                "side": order.side.name(),
                "symbol": order.symbol,
                "leaves_qty": maybe(order.open_qty()),
                "order_id": order_name(account, order.nth),
                "cum_qty": text(order.filled),
                "order_status": order.status.name(),
            })
        }
        Deed::Dividend { place, qty, per_share, amount } => json!({
            "id": id,
            "activity_type": kind,
            "date": date,
            "net_amount": text(amount),
            "symbol": symbol(*place),
            "qty": text(qty),
            "per_share_amount": text(per_share),
            "status": "executed",
            "created_at": activity.at,
            "currency": "USD",
        }),
        Deed::Split { place, before, after } => json!({
            "id": id,
            "activity_type": kind,
            "date": date,
            "net_amount": "0",
            "symbol": symbol(*place),
            "qty": text(after.raw().checked_sub(before.raw()).map_or(*after, |raw| {
                conclave_domain::fixed::Qty::from_raw(raw)
            })),
            "status": "executed",
            "created_at": activity.at,
            "currency": "USD",
        }),
    }
}
