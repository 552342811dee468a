//! Replacement of orders: another order in the place of one, with its ties.

use super::door::{CLIENT_ORDER_ID_MAX, admit_change};
use super::life::push;
use super::order::{Event, Order, Status};
use super::refusal::Refusal;
use super::ticket::{Amount, Change, Kind, Tif, Trail};
use super::{Exchange, account::Account};
use crate::fixed::Qty;

impl Exchange {
    /// Puts another order in the place of one. The new one is about what of the old one is still open.
    ///
    /// # Errors
    /// When there is no such order, it is not in the market, or the change makes no sense.
    pub fn replace(
        &mut self,
        account: u16,
        nth: u32,
        change: &Change,
    ) -> Result<Vec<Order>, Refusal> {
        let now = self.now;
        let of = self.account(account);
        let old = of.and_then(|of| of.order(nth));
        let (Some(of), Some(old)) = (of, old) else {
            return Err(Refusal::not_found("order not found"));
        };
        if !matches!(old.status, Status::New | Status::PartiallyFilled | Status::Held) {
            let status = old.status.name();
            return Err(Refusal::unprocessable(format!("cannot replace order in {status} status")));
        }
        let mut new = changed(old, change)?;
        name(&mut new, of, change)?;
        admit_change(old, &new, of, &self.venue)?;
        new.created_at = now;
        new.updated_at = now;
        let to = new.nth;
        let Some(of) = self.accounts.get_mut(usize::from(account)) else {
            return Err(Refusal::not_found("there is no such account"));
        };
        push(of, new);
        if let Some(old) = of.order_mut(nth) {
            old.replaced_by = Some(to);
        }
        tie(of, nth, to);
        self.end(account, nth, Status::Replaced, Event::Replaced);
        let answer = self.family(account, to);
        if let Some(of) = self.accounts.get_mut(usize::from(account)) {
            let is_routed = of.order(to).is_some_and(|order| order.status == Status::New);
            if is_routed {
                of.tell(to, Event::New, now);
            }
        }
        self.attempt(account, to);
        self.collect();
        Ok(answer)
    }
}

/// The order that stands in the place of another.
fn changed(old: &Order, change: &Change) -> Result<Order, Refusal> {
    let mut new = old.clone();
    new.kind = kind(old.kind, change)?;
    let open = old.open_qty();
    if let Some(qty) = change.qty {
        if old.target.is_none() {
            return Err(Refusal::unprocessable("qty of a notional order cannot be changed"));
        }
        if qty <= old.filled {
            return Err(Refusal::unprocessable("qty must be more than what is filled already"));
        }
        new.target = qty.minus(old.filled).ok();
    } else {
        new.target = open;
    }
    if let Some(target) = new.target {
        new.amount = Amount::Qty(target);
    }
    if let Some(tif) = change.tif {
        if !matches!(tif, Tif::Day | Tif::Gtc) && tif != old.tif {
            return Err(Refusal::unprocessable("time_in_force can be changed to day or gtc only"));
        }
        new.tif = tif;
    }
    (new.filled, new.filled_value) = (Qty::ZERO, crate::fixed::Money::ZERO);
    if new.status == Status::PartiallyFilled {
        new.status = Status::New;
    }
    (new.replaces, new.replaced_by) = (Some(old.nth), None);
    Ok(new)
}

/// The kind with its new prices; a price that the kind does not have is refused.
fn kind(old: Kind, change: &Change) -> Result<Kind, Refusal> {
    let strange = |what: &str| {
        let of = old.name();
        Err(Refusal::unprocessable(format!("{of} orders have no {what}")))
    };
    if change.limit.is_some() && old.limit().is_none() {
        return strange("limit_price");
    }
    if change.stop.is_some() && old.stop().is_none() {
        return strange("stop_price");
    }
    Ok(match (old, change.trail) {
        (Kind::TrailingStop { trail }, Some(to)) => {
            let is_same_unit = matches!(
                (trail, to),
                (Trail::Price(_), Trail::Price(_)) | (Trail::Percent(_), Trail::Percent(_))
            );
            if !is_same_unit {
                return strange("trail in this unit");
            }
            Kind::TrailingStop { trail: to }
        }
        (_, Some(_)) => return strange("trail"),
        (Kind::Limit { limit }, None) => Kind::Limit { limit: change.limit.unwrap_or(limit) },
        (Kind::Stop { stop }, None) => Kind::Stop { stop: change.stop.unwrap_or(stop) },
        (Kind::StopLimit { stop, limit }, None) => Kind::StopLimit {
            stop: change.stop.unwrap_or(stop),
            limit: change.limit.unwrap_or(limit),
        },
        (kind @ (Kind::Market | Kind::TrailingStop { .. }), None) => kind,
    })
}

/// The new order's number and name.
fn name(new: &mut Order, of: &Account, change: &Change) -> Result<(), Refusal> {
    new.nth = u32::try_from(of.orders.len()).unwrap_or(u32::MAX);
    let own = || of.id(super::ids::Kind::Order, u64::from(new.nth)).to_string();
    let name = change.client_order_id.clone().unwrap_or_else(own);
    if name.len() > CLIENT_ORDER_ID_MAX {
        return Err(Refusal::bad_input("client_order_id is too long"));
    }
    if of.names.contains_key(name.as_str()) {
        return Err(Refusal::bad_input("client_order_id must be unique"));
    }
    new.client_order_id = name.into();
    Ok(())
}

/// Whoever was tied to the one is tied to the other.
fn tie(of: &mut Account, from: u32, to: u32) {
    let Some(order) = of.order(to).cloned() else { return };
    if let Some(parent) = order.parent.and_then(|parent| of.order_mut(parent)) {
        for leg in parent.legs.iter_mut().filter(|leg| **leg == from) {
            *leg = to;
        }
    }
    for leg in &order.legs {
        if let Some(leg) = of.order_mut(*leg) {
            leg.parent = Some(to);
        }
    }
    let partner = order.group.and_then(|group| group.partner);
    if let Some(group) = partner.and_then(|it| of.order_mut(it)).and_then(|it| it.group.as_mut()) {
        group.partner = Some(to);
    }
}
