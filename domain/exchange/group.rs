//! Complex orders: what is bound to what, and what the end or the fill of one means to the others.

use super::Exchange;
use super::account::Account;
use super::life::{blank, push, set};
use super::order::{Event, Group, GroupRole, Order, Status};
use super::ticket::{Amount, Class, Kind, StopLoss, Ticket};
use crate::fixed::Qty;
use crate::order::Side;

/// Makes the legs of a new order, and binds them to it and to each other.
pub(super) fn bind(of: &mut Account, nth: u32, ticket: &Ticket) {
    let (profit, loss) = match ticket.class {
        Class::Simple => return,
        Class::Bracket { take_profit, stop_loss } => (Some(take_profit), Some(stop_loss)),
        Class::OtoProfit { take_profit } => (Some(take_profit), None),
        Class::Oco { stop_loss } | Class::OtoLoss { stop_loss } => (None, Some(stop_loss)),
    };
    let is_oco = matches!(ticket.class, Class::Oco { .. });
    let own = if is_oco { GroupRole::TakeProfit } else { GroupRole::Entry };
    let profit = profit
        .map(|limit| leg(of, nth, ticket, is_oco, Kind::Limit { limit }, GroupRole::TakeProfit));
    let loss = loss.map(|stop| leg(of, nth, ticket, is_oco, stop_kind(stop), GroupRole::StopLoss));
    let legs: Vec<u32> = profit.into_iter().chain(loss).collect();
    let partner = if is_oco { loss } else { None };
    if let Some(order) = of.order_mut(nth) {
        order.group = Some(Group { nth, role: own, partner });
        order.legs = legs;
    }
    let pair = if is_oco { Some((nth, loss)) } else { profit.map(|profit| (profit, loss)) };
    if let Some((first, Some(second))) = pair {
        for (one, other) in [(first, second), (second, first)] {
            if let Some(group) = of.order_mut(one).and_then(|order| order.group.as_mut()) {
                group.partner = Some(other);
            }
        }
    }
}

const fn stop_kind(loss: StopLoss) -> Kind {
    match loss.limit {
        Some(limit) => Kind::StopLimit { stop: loss.stop, limit },
        None => Kind::Stop { stop: loss.stop },
    }
}

/// One leg: on the other side of an entry, on the same side as the take-profit of a pair.
fn leg(
    of: &mut Account,
    parent: u32,
    ticket: &Ticket,
    is_oco: bool,
    kind: Kind,
    role: GroupRole,
) -> u32 {
    let place = of.order(parent).map_or(0, |order| order.place);
    let (created_at, expires_at) =
        of.order(parent).map_or_else(Default::default, |it| (it.created_at, it.expires_at));
    let other = match ticket.side {
        Side::Buy => Side::Sell,
        Side::Sell => Side::Buy,
    };
    let own = Ticket {
        side: if is_oco { ticket.side } else { other },
        kind,
        class: Class::Simple,
        client_order_id: None,
        ..ticket.clone()
    };
    let mut order = blank(&own, of, place, created_at);
    order.class = ticket.class.name();
    order.opens = false;
    order.status = Status::Held;
    order.armed = is_oco;
    order.expires_at = expires_at;
    order.parent = Some(parent);
    order.group = Some(Group { nth: parent, role, partner: None });
    let nth = order.nth;
    push(of, order);
    nth
}

/// The orders that end when this one does.
pub(super) fn bound_to(order: &Order) -> impl Iterator<Item = u32> + use<> {
    let is_entry = order.group.is_some_and(|group| group.role == GroupRole::Entry);
    let legs = if is_entry { order.legs.clone() } else { Vec::new() };
    let partner = order.group.and_then(|group| group.partner);
    legs.into_iter().chain(partner)
}

impl Exchange {
    /// An order was filled, in part or whole: its pair shrinks or goes, its legs come to life.
    pub(super) fn filled(&mut self, account: u16, nth: u32) {
        let Some(order) = self.account(account).and_then(|of| of.order(nth)).cloned() else {
            return;
        };
        let Some(group) = order.group else { return };
        if let Some(partner) = group.partner {
            if order.status == Status::Filled {
                self.end(account, partner, Status::Canceled, Event::Canceled);
            } else if let Some(open) = order.open_qty() {
                let of = self.accounts.get_mut(usize::from(account));
                if let Some(partner) = of.and_then(|of| of.order_mut(partner)) {
                    // The pair closes one position, so that what one has closed the other need not.
                    partner.target = partner.filled.plus(open).ok().or(partner.target);
                }
            }
        }
        if order.status == Status::Filled && group.role == GroupRole::Entry {
            for leg in order.legs {
                self.wake(account, leg, order.filled);
            }
        }
    }

    /// A leg comes to life: a stop beside a take-profit stays held with its trigger watched.
    fn wake(&mut self, account: u16, leg: u32, qty: Qty) {
        let now = self.now;
        let Some(of) = self.accounts.get_mut(usize::from(account)) else { return };
        let Some(order) = of.order_mut(leg).filter(|it| it.status == Status::Held) else { return };
        order.target = Some(qty);
        order.amount = Amount::Qty(qty);
        let is_paired_stop =
            order.group.is_some_and(|it| it.role == GroupRole::StopLoss && it.partner.is_some());
        if is_paired_stop {
            order.armed = true;
            order.updated_at = now;
            return;
        }
        let is_open = self.venue.is_open(order.place, order.extended_hours, now);
        if is_open {
            set(of, leg, Status::New, now);
            of.tell(leg, Event::New, now);
        } else {
            set(of, leg, Status::Accepted, now);
        }
    }
}
