//! What an exchange lets in: the checks of a new order that depend on the account and on the hour.
//!
//! What an order must look like whoever sends it is judged before, by the rules that clients share.

use super::account::{Account, worst_price};
use super::ids::Kind as IdKind;
use super::order::{Order, Status};
use super::refusal::Refusal;
use super::ticket::{Amount, Class, Kind, Ticket};
use super::venue::Venue;
use crate::fixed::{Money, Price, Qty, notional};
use crate::market::symbol::AssetClass;
use crate::order::Side;

/// The longest name of an order, in bytes.
pub(super) const CLIENT_ORDER_ID_MAX: usize = 128;
/// Orders that an account may ever have.
const ORDERS_MAX: usize = 2_000_000;
/// Open orders that an account may have.
const OPEN_MAX: usize = 10_000;
/// The largest value of one order, dollars: beyond it the books could not be kept exactly.
const VALUE_MAX: i64 = 1_000_000_000;
/// What a ticket that may enter means to the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Admitted {
    /// The listing.
    pub(super) place: usize,
    /// Whether it opens a position or adds to one.
    pub(super) opens: bool,
}

/// Judges a ticket.
///
/// # Errors
/// The first thing that forbids it.
pub(super) fn admit(
    ticket: &Ticket,
    account: &Account,
    venue: &Venue,
) -> Result<Admitted, Refusal> {
    if account.is_suspended {
        return Err(Refusal::forbidden("new orders are rejected by user request"));
    }
    let symbol = &ticket.symbol;
    let unknown = || Refusal::unprocessable(format!("asset \"{symbol}\" not found"));
    let place = venue.place(symbol).ok_or_else(unknown)?;
    name(ticket, account)?;
    if account.orders.len() >= ORDERS_MAX
        || account.open.values().map(Vec::len).sum::<usize>() >= OPEN_MAX
    {
        return Err(Refusal::forbidden("this account has too many orders"));
    }
    let opens = opens(ticket, account, venue, place)?;
    wash(ticket, account, venue, place)?;
    if opens {
        affordable(ticket, account, venue, place)?;
    }
    Ok(Admitted { place, opens })
}

fn name(ticket: &Ticket, account: &Account) -> Result<(), Refusal> {
    let Some(name) = &ticket.client_order_id else { return Ok(()) };
    if name.len() > CLIENT_ORDER_ID_MAX {
        return Err(Refusal::bad_input(format!(
            "client_order_id must be no more than {CLIENT_ORDER_ID_MAX} characters"
        )));
    }
    if account.names.contains_key(name.as_str()) {
        return Err(Refusal::bad_input("client_order_id must be unique"));
    }
    Ok(())
}

/// How much of the position a ticket is about, at the price that there is now.
fn asked(ticket: &Ticket, venue: &Venue, place: usize) -> Result<Qty, Refusal> {
    match ticket.amount {
        Amount::Qty(qty) => Ok(qty),
        Amount::Notional(money) => {
            let price = venue.quote(place).map_or(Price::ZERO, |quote| quote.bid);
            units(money, price).ok_or_else(|| no_price(ticket))
        }
    }
}

/// The units that money buys at a price, towards zero.
pub(super) fn units(money: Money, price: Price) -> Option<Qty> {
    let raw = i128::from(money.raw()) * i128::from(Qty::SCALE);
    let raw = raw.checked_div(i128::from(price.raw()))?;
    i64::try_from(raw).ok().map(Qty::from_raw)
}

fn no_price(ticket: &Ticket) -> Refusal {
    Refusal::unprocessable(format!("there is no price of {} yet", ticket.symbol))
}

/// Whether the order opens; refuses one that would turn a position, or sell what may not be owed.
fn opens(ticket: &Ticket, account: &Account, venue: &Venue, place: usize) -> Result<bool, Refusal> {
    let held = account.position(place);
    let closes = match ticket.side {
        Side::Buy => held.raw() < 0,
        Side::Sell => held.raw() > 0,
    };
    if closes {
        if matches!(
            ticket.class,
            Class::Bracket { .. } | Class::OtoProfit { .. } | Class::OtoLoss { .. }
        ) {
            return Err(Refusal::unprocessable("bracket and oto orders must be entry orders"));
        }
        let (wanted, available) = (asked(ticket, venue, place)?, account.available(place));
        if available < wanted {
            return Err(insufficient(ticket, wanted, available, held));
        }
        return Ok(false);
    }
    if matches!(ticket.class, Class::Oco { .. }) {
        return Err(Refusal::unprocessable("oco orders must be exit orders"));
    }
    if ticket.side == Side::Sell {
        may_short(ticket, account, venue, place)?;
    }
    Ok(true)
}

fn insufficient(ticket: &Ticket, wanted: Qty, available: Qty, held: Qty) -> Refusal {
    let text = format!(
        "insufficient qty available for order (requested: {wanted}, available: {available})"
    );
    let bound = Qty::from_raw(held.raw().abs() - available.raw());
    Refusal::forbidden(text)
        .with("available", available)
        .with("existing_qty", held.abs())
        .with("held_for_orders", bound)
        .with("symbol", &ticket.symbol)
}

fn may_short(
    ticket: &Ticket,
    account: &Account,
    venue: &Venue,
    place: usize,
) -> Result<(), Refusal> {
    let wanted = asked(ticket, venue, place)?;
    if venue.listing(place).class == AssetClass::Crypto {
        return Err(insufficient(ticket, wanted, Qty::ZERO, Qty::ZERO));
    }
    if account.multiplier < 2 {
        return Err(Refusal::forbidden("account is not allowed to short"));
    }
    let is_whole = matches!(ticket.amount, Amount::Qty(qty) if qty.raw() % Qty::SCALE == 0);
    if !is_whole {
        return Err(Refusal::unprocessable("fractional orders cannot be sold short"));
    }
    Ok(())
}

/// Refuses an order that could trade with another of the same account.
fn wash(ticket: &Ticket, account: &Account, venue: &Venue, place: usize) -> Result<(), Refusal> {
    if ticket.class != Class::Simple {
        return Ok(());
    }
    let meets = |order: &&Order| {
        let is_waiting = order.status == Status::Held && !order.armed;
        order.side != ticket.side && !is_waiting && crosses(ticket.kind, ticket.side, order.kind)
    };
    let Some(order) = account.open_orders(place).find(meets) else { return Ok(()) };
    let kind = if order.kind.limit().is_some() { "limit" } else { "market/stop" };
    Err(Refusal::unprocessable("potential wash trade detected. use complex orders")
        .with("existing_order_id", account.id(IdKind::Order, u64::from(order.nth)))
        .with("reject_reason", format!("opposite side {kind} order exists"))
        .with("symbol", &venue.listing(place).symbol))
}

/// Whether an order of this kind and side could trade with one of that kind on the other side.
fn crosses(kind: Kind, side: Side, other: Kind) -> bool {
    match (kind.limit(), other.limit()) {
        (Some(mine), Some(theirs)) => match side {
            Side::Buy => theirs <= mine,
            Side::Sell => mine <= theirs,
        },
        _ => true,
    }
}

fn affordable(
    ticket: &Ticket,
    account: &Account,
    venue: &Venue,
    place: usize,
) -> Result<(), Refusal> {
    let range = |_| Refusal::unprocessable("the figures of this order are out of range");
    let price =
        worst_price(ticket.kind, ticket.side, place, venue).map_err(|_| no_price(ticket))?;
    let cost = match ticket.amount {
        Amount::Qty(qty) => notional(price, qty).map_err(range)?,
        Amount::Notional(money) => money,
    };
    if cost.raw() > VALUE_MAX * Money::SCALE {
        return Err(Refusal::unprocessable("the value of this order is above what is taken"));
    }
    let funds = account.funds(venue).map_err(range)?;
    let power = match venue.listing(place).class {
        AssetClass::Equity => funds.buying_power,
        AssetClass::Crypto => funds.non_marginable,
    };
    if power < cost {
        return Err(Refusal::forbidden("insufficient buying power")
            .with("buying_power", format!("{power:.2}"))
            .with("cost_basis", format!("{cost:.2}")));
    }
    Ok(())
}

/// Judges what a replacement adds to an order.
///
/// # Errors
/// When the account may not take it.
pub(super) fn admit_change(
    old: &Order,
    new: &Order,
    account: &Account,
    venue: &Venue,
) -> Result<(), Refusal> {
    let range = |_| Refusal::unprocessable("the figures of this order are out of range");
    let place = old.place;
    if !old.opens {
        let qty = |order: &Order| order.open_qty().map_or(0, Qty::raw);
        let more = Qty::from_raw((qty(new) - qty(old)).max(0));
        let available = account.available(place);
        if available < more {
            let text = format!(
                "insufficient qty available for order (requested: {more}, available: {available})"
            );
            return Err(Refusal::forbidden(text));
        }
        return Ok(());
    }
    let bound = |order: &Order| account.bound(order, venue).map_err(range);
    let more = bound(new)?.minus(bound(old)?).map_err(range)?;
    let power = account.funds(venue).map_err(range)?.buying_power;
    if power < more {
        return Err(Refusal::forbidden("insufficient buying power")
            .with("buying_power", format!("{power:.2}"))
            .with("cost_basis", format!("{more:.2}")));
    }
    Ok(())
}
