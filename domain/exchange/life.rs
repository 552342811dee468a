//! What befalls an order beside its fills: it is taken, routed, canceled, it expires.

use super::account::Account;
use super::door::{self, Admitted};
use super::group;
use super::order::{Event, Order, Status};
use super::refusal::Refusal;
use super::ticket::{Amount, Class, Kind, Ticket, Tif};
use super::{Exchange, GTC, NIGHT};
use crate::fixed::Qty;
use crate::market::calendar::Calendar;
use crate::market::symbol::{AssetClass, Symbol};
use crate::order::Side;
use crate::time::Time;

impl Exchange {
    /// Takes a new order and lets the market have it. The answer is the order, and its legs, as they
    /// were before that: what happens next is a happening.
    ///
    /// # Errors
    /// When the order may not be; nothing has changed then.
    pub fn submit(&mut self, account: u16, ticket: &Ticket) -> Result<Vec<Order>, Refusal> {
        let nth = self.take(account, ticket)?;
        let answer = self.family(account, nth);
        self.route(account, nth);
        self.collect();
        Ok(answer)
    }

    /// An order and the legs that are shown below it.
    pub fn family(&self, account: u16, nth: u32) -> Vec<Order> {
        let Some(of) = self.account(account) else { return Vec::new() };
        let Some(order) = of.order(nth) else { return Vec::new() };
        let legs = order.legs.iter().filter_map(|leg| of.order(*leg));
        std::iter::once(order).chain(legs).cloned().collect()
    }

    /// Books a new order without letting the market have it.
    fn take(&mut self, account: u16, ticket: &Ticket) -> Result<u32, Refusal> {
        let (now, venue) = (self.now, &self.venue);
        let of = self.accounts.get_mut(usize::from(account));
        let of = of.ok_or_else(|| Refusal::not_found("there is no such account"))?;
        let Admitted { place, opens } = door::admit(ticket, of, venue)?;
        let nth = u32::try_from(of.orders.len()).unwrap_or(u32::MAX);
        let is_open = venue.is_open(place, ticket.extended_hours, now);
        let mut order = blank(ticket, of, place, now);
        order.opens = opens;
        order.status = if is_open { Status::PendingNew } else { Status::Accepted };
        order.best = venue.listing(place).last();
        order.expires_at = expires_at(venue.listing(place).calendar(), ticket, now);
        push(of, order);
        group::bind(of, nth, ticket);
        Ok(nth)
    }

    /// Lets the market have an order if its market is open.
    pub(super) fn route(&mut self, account: u16, nth: u32) {
        let now = self.now;
        let Some(of) = self.accounts.get_mut(usize::from(account)) else { return };
        let Some(order) = of.order(nth).filter(|order| !order.status.is_over()) else { return };
        let (place, tif) = (order.place, order.tif);
        let is_open = self.venue.is_open(place, order.extended_hours, now);
        let at_once = matches!(tif, Tif::Ioc | Tif::Fok);
        if is_open {
            set(of, nth, Status::New, now);
            of.tell(nth, Event::New, now);
            self.attempt(account, nth);
            for leg in self.legs_of(account, nth) {
                self.attempt(account, leg);
            }
        }
        if at_once {
            self.end(account, nth, Status::Canceled, Event::Canceled);
        }
    }

    fn legs_of(&self, account: u16, nth: u32) -> Vec<u32> {
        let order = self.account(account).and_then(|of| of.order(nth));
        order.map(|order| order.legs.clone()).unwrap_or_default()
    }

    /// Lets the market have what has waited for its opening.
    pub(super) fn route_waiting(&mut self) {
        for account in 0..self.accounts.len() {
            let of = &self.accounts[account];
            let waiting: Vec<u32> = of
                .open
                .values()
                .flatten()
                .copied()
                .filter(|&nth| of.order(nth).is_some_and(|it| it.status == Status::Accepted))
                .collect();
            for nth in waiting {
                self.route(u16::try_from(account).unwrap_or(u16::MAX), nth);
            }
        }
    }

    /// Cancels an order.
    ///
    /// # Errors
    /// When there is no such order, or it is over.
    pub fn cancel(&mut self, account: u16, nth: u32) -> Result<(), Refusal> {
        self.cancelable(account, nth)?;
        self.end(account, nth, Status::Canceled, Event::Canceled);
        self.collect();
        Ok(())
    }

    /// A cancellation that comes too late: it is taken, and the order fills all the same.
    ///
    /// # Errors
    /// As [`Exchange::cancel`].
    pub fn cancel_too_late(&mut self, account: u16, nth: u32) -> Result<(), Refusal> {
        self.cancelable(account, nth)?;
        let now = self.now;
        let is_live = |of: &&mut Account| of.order(nth).is_some_and(Order::is_live);
        let of = self.accounts.get_mut(usize::from(account));
        if let Some(of) = of.filter(is_live) {
            set(of, nth, Status::PendingCancel, now);
            of.tell(nth, Event::PendingCancel, now);
        }
        self.fill_part(account, nth, 1, 1);
        // What had no price to fill at is canceled after all.
        self.end(account, nth, Status::Canceled, Event::Canceled);
        self.collect();
        Ok(())
    }

    /// The market fills a half of an order and drops the rest.
    pub fn fill_half_and_drop(&mut self, account: u16, nth: u32) {
        self.fill_part(account, nth, 1, 2);
        self.end(account, nth, Status::Canceled, Event::Canceled);
        self.collect();
    }

    fn cancelable(&self, account: u16, nth: u32) -> Result<(), Refusal> {
        let order = self.account(account).and_then(|of| of.order(nth));
        let order = order.ok_or_else(|| Refusal::not_found("order not found"))?;
        if order.status.is_over() {
            let status = order.status.name();
            return Err(Refusal::unprocessable(format!("order is already in \"{status}\" state")));
        }
        Ok(())
    }

    /// Orders of an account that are not over, in the order in which they were made.
    pub fn open_orders(&self, account: u16) -> Vec<u32> {
        let Some(of) = self.account(account) else { return Vec::new() };
        let mut open: Vec<u32> = of.open.values().flatten().copied().collect();
        open.sort_unstable();
        open
    }

    /// Sells what is held of a listing, or buys back what is owed, at the market; `qty` is how much of
    /// it, all of it when not given.
    ///
    /// # Errors
    /// When nothing is held, orders bind it, or it is less than `qty`.
    pub fn close_position(
        &mut self,
        account: u16,
        symbol: &Symbol,
        qty: Option<Qty>,
    ) -> Result<Vec<Order>, Refusal> {
        let none = || Refusal::not_found(format!("position does not exist: {symbol}"));
        let place = self.venue.place(symbol).ok_or_else(none)?;
        let of = self.account(account).ok_or_else(none)?;
        let held = of.position(place);
        if held.is_zero() {
            return Err(none());
        }
        let ticket = Ticket {
            symbol: symbol.clone(),
            side: if held.raw() > 0 { Side::Sell } else { Side::Buy },
            amount: Amount::Qty(qty.unwrap_or_else(|| held.abs())),
            kind: Kind::Market,
            tif: match self.venue.listing(place).class {
                AssetClass::Equity => Tif::Day,
                AssetClass::Crypto => Tif::Gtc,
            },
            class: Class::Simple,
            extended_hours: false,
            client_order_id: None,
        };
        self.submit(account, &ticket)
    }

    /// Ends what the end of a session ends; `night` is the end of the extended one.
    pub(super) fn expire(&mut self, night: bool) {
        let now = self.now;
        for account in 0..u16::try_from(self.accounts.len()).unwrap_or(u16::MAX) {
            for nth in self.open_orders(account) {
                let Some(order) = self.account(account).and_then(|of| of.order(nth)) else {
                    continue;
                };
                let is_share = self.venue.listing(order.place).class == AssetClass::Equity;
                let of_day = is_share && order.tif == Tif::Day && order.extended_hours == night;
                if order.status.is_over() || !(of_day || order.expires_at <= now) {
                    continue;
                }
                if order.created_at < now {
                    self.end(account, nth, Status::Expired, Event::Expired);
                }
            }
        }
    }

    /// Ends an order, and what is bound to it; one that is over already stays as it is.
    pub(super) fn end(&mut self, account: u16, nth: u32, status: Status, event: Event) {
        let now = self.now;
        let Some(of) = self.accounts.get_mut(usize::from(account)) else { return };
        let Some(order) = of.order(nth).filter(|order| !order.status.is_over()) else { return };
        let bound: Vec<u32> = group::bound_to(order).collect();
        set(of, nth, status, now);
        of.close(nth);
        of.tell(nth, event, now);
        if status != Status::Replaced {
            for other in bound {
                self.end(account, other, Status::Canceled, Event::Canceled);
            }
        }
    }
}

/// Puts an order where it stands now.
pub(super) fn set(of: &mut Account, nth: u32, status: Status, now: Time) {
    if let Some(order) = of.order_mut(nth) {
        (order.status, order.updated_at) = (status, now);
        if status.is_over() {
            order.ended_at = Some(now);
        }
    }
}

/// Puts a new order into an account's book.
pub(super) fn push(of: &mut Account, order: Order) {
    of.names.insert(order.client_order_id.clone(), order.nth);
    of.open.entry(order.place).or_default().push(order.nth);
    of.orders.push(order);
}

/// A ticket as an order to which nothing has happened.
pub(super) fn blank(ticket: &Ticket, of: &Account, place: usize, now: Time) -> Order {
    let nth = u32::try_from(of.orders.len()).unwrap_or(u32::MAX);
    let name = ticket.client_order_id.clone().unwrap_or_else(|| {
        // A name that no client gives: it is the order's own.
        of.id(super::ids::Kind::Order, u64::from(nth)).to_string()
    });
    Order {
        nth,
        client_order_id: name.into(),
        place,
        symbol: ticket.symbol.clone(),
        side: ticket.side,
        opens: true,
        amount: ticket.amount,
        kind: ticket.kind,
        tif: ticket.tif,
        class: ticket.class.name(),
        extended_hours: ticket.extended_hours,
        status: Status::Accepted,
        target: match ticket.amount {
            Amount::Qty(qty) => Some(qty),
            Amount::Notional(_) => None,
        },
        filled: Qty::ZERO,
        filled_value: crate::fixed::Money::ZERO,
        best: None,
        triggered: false,
        armed: false,
        group: None,
        legs: Vec::new(),
        parent: None,
        replaces: None,
        replaced_by: None,
        created_at: now,
        updated_at: now,
        ended_at: None,
        expires_at: now + GTC,
    }
}

/// When an order expires at the latest.
pub(super) fn expires_at(calendar: Calendar, ticket: &Ticket, now: Time) -> Time {
    if matches!(ticket.tif, Tif::Gtc) || calendar == Calendar::Always {
        return now + GTC;
    }
    let today = calendar.session_date(now);
    let end = |day| {
        let (_, close) = calendar.open_close(day)?;
        Some(if ticket.extended_hours { close + NIGHT } else { close })
    };
    let this = end(today).filter(|end| now < *end);
    this.or_else(|| calendar.next_session(today).and_then(end)).unwrap_or(now + GTC)
}
