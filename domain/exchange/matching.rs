//! When and at which price an order fills.
//!
//! The market jumps from one bar to the next and moves through every price within one. Where it jumps,
//! an order fills at the quote there, as far as its limit allows. Where it moves, each order is met at
//! its own level, in the order in which the market meets them, and at one level stops come before
//! limits: the worse for whoever protects a position with one.

use super::Exchange;
use super::door::units;
use super::order::{Event, Order, Status};
use super::ticket::{Amount, Kind, Tif};
use crate::fixed::{Price, Qty};
use crate::market::symbol::AssetClass;
use crate::order::Side;
use crate::time::Time;

/// Where the market meets an order: how far away, limits after stops, then by account and number.
type Meeting = (i64, bool, u16, u32, Price);

impl Exchange {
    /// Every order of a listing tries the quote that there is now.
    pub(super) fn at_quote(&mut self, place: usize) {
        for account in 0..self.accounts_len() {
            // Legs of an order are behind it, so that they try after it has filled.
            for nth in self.open_at(account, place) {
                self.attempt(account, nth);
            }
        }
    }

    fn accounts_len(&self) -> u16 {
        u16::try_from(self.accounts.len()).unwrap_or(u16::MAX)
    }

    fn open_at(&self, account: u16, place: usize) -> Vec<u32> {
        let open = self.account(account).and_then(|of| of.open.get(&place));
        open.cloned().unwrap_or_default()
    }

    /// An order that may trade now, and no auction's.
    fn tradable(&self, account: u16, nth: u32) -> Option<&Order> {
        let order = self.account(account)?.order(nth)?;
        let is_auction = matches!(order.tif, Tif::Opg | Tif::Cls);
        let trades = order.is_live()
            && !is_auction
            && self.venue.is_open(order.place, order.extended_hours, self.now);
        trades.then_some(order)
    }

    /// An order tries the quote that there is now.
    pub(super) fn attempt(&mut self, account: u16, nth: u32) {
        let Some(order) = self.tradable(account, nth) else { return };
        let listing = self.venue.listing(order.place);
        let Some(last) = listing.last().filter(|_| listing.is_fresh(self.now)) else { return };
        if order.waits_for_trigger() {
            let touched = order.trigger().is_some_and(|trigger| match order.side {
                Side::Buy => trigger <= last,
                Side::Sell => last <= trigger,
            });
            if !touched {
                self.follow(account, nth, last);
                return;
            }
            self.trigger(account, nth);
        }
        let Some(order) = self.tradable(account, nth) else { return };
        if let Some(price) = self.price_at(order, last) {
            self.fill(account, nth, price);
        }
    }

    /// What an order pays or gets where the last price is `at`; `None` beyond its limit.
    fn price_at(&self, order: &Order, at: Price) -> Option<Price> {
        let (bid, ask) = self.venue.quote_at(order.place, at);
        match (order.side, order.kind.limit()) {
            (Side::Buy, None) => Some(ask),
            (Side::Sell, None) => Some(bid),
            (Side::Buy, Some(limit)) => (ask <= limit).then_some(ask),
            (Side::Sell, Some(limit)) => (limit <= bid).then_some(bid),
        }
    }

    /// A trailing stop follows the price.
    fn follow(&mut self, account: u16, nth: u32, price: Price) {
        let of = self.accounts.get_mut(usize::from(account));
        if let Some(order) = of.and_then(|of| of.order_mut(nth))
            && matches!(order.kind, Kind::TrailingStop { .. })
        {
            let best = order.best.unwrap_or(price);
            order.best = Some(match order.side {
                Side::Sell => best.max(price),
                Side::Buy => best.min(price),
            });
        }
    }

    /// A stop's price has traded: it is an order in the market now, and its pair goes.
    fn trigger(&mut self, account: u16, nth: u32) {
        let now = self.now;
        let Some(of) = self.accounts.get_mut(usize::from(account)) else { return };
        let Some(order) = of.order_mut(nth) else { return };
        order.triggered = true;
        order.updated_at = now;
        if order.status != Status::Held {
            return;
        }
        order.status = Status::New;
        let partner = order.group.as_mut().and_then(|group| group.partner.take());
        of.tell(nth, Event::New, now);
        if let Some(partner) = partner {
            let pair = of.order_mut(partner).and_then(|order| order.group.as_mut());
            if let Some(pair) = pair {
                pair.partner = None;
            }
            self.end(account, partner, Status::Canceled, Event::Canceled);
        }
    }

    /// The market moves from the last price to another, through every price in between.
    pub(super) fn slide(&mut self, place: usize, to: Price, at: Time) {
        let Some(mut from) = self.venue.listing(place).last() else { return };
        self.venue.trade(place, from, at);
        // Each meeting triggers or fills something, so that they come to an end; the bound is for the
        // day on which somebody breaks that.
        let open = (0..self.accounts_len()).map(|account| self.open_at(account, place).len());
        let bound = 16 + 4 * open.sum::<usize>();
        for _ in 0..bound {
            let Some((_, _, account, nth, level)) = self.next_meeting(place, from, to) else {
                break;
            };
            from = level;
            self.venue.listing_mut(place).stand(level, at);
            self.meet(account, nth, level);
        }
        self.venue.listing_mut(place).stand(to, at);
        for account in 0..self.accounts_len() {
            for nth in self.open_at(account, place) {
                if self.tradable(account, nth).is_some_and(Order::waits_for_trigger) {
                    self.follow(account, nth, to);
                }
            }
        }
    }

    /// The order that the market meets next on its way.
    fn next_meeting(&self, place: usize, from: Price, to: Price) -> Option<Meeting> {
        let meetings = (0..self.accounts_len()).flat_map(|account| {
            let open = self.account(account).and_then(|of| of.open.get(&place));
            open.into_iter().flatten().filter_map(move |&nth| {
                let order = self.tradable(account, nth)?;
                let level = self.level(order, from, to)?;
                let far = (level.raw() - from.raw()).abs();
                Some((far, order.kind.limit().is_some(), account, nth, level))
            })
        });
        meetings.min()
    }

    /// Where on its way the market meets an order; `None` where it does not, or has nothing to give.
    fn level(&self, order: &Order, from: Price, to: Price) -> Option<Price> {
        let reach = |level: Price, from_above: bool| {
            let (is_there, comes) = if from_above {
                (from <= level, to <= level)
            } else {
                (level <= from, level <= to)
            };
            if is_there { Some(from) } else { comes.then_some(level) }
        };
        if order.waits_for_trigger() {
            return reach(order.trigger()?, order.side == Side::Sell);
        }
        if self.obtainable(order, from).is_zero() {
            return None;
        }
        match order.kind.limit() {
            None => Some(from),
            Some(limit) => reach(limit, order.side == Side::Buy),
        }
    }

    /// The market is at an order's level.
    fn meet(&mut self, account: u16, nth: u32, level: Price) {
        let waits = self.tradable(account, nth).is_some_and(Order::waits_for_trigger);
        if waits {
            self.trigger(account, nth);
        }
        let Some(order) = self.tradable(account, nth) else { return };
        let (bid, ask) = self.venue.quote_at(order.place, level);
        let price = match (order.side, order.kind.limit()) {
            (Side::Buy, None) => ask,
            (Side::Sell, None) => bid,
            // A stop-limit whose limit is out of reach when it is triggered rests from now on.
            (Side::Buy, Some(limit)) if waits && limit < ask => return,
            (Side::Sell, Some(limit)) if waits && bid < limit => return,
            // A limit that rested is met at its own price.
            (Side::Buy, Some(limit)) => limit.min(ask),
            (Side::Sell, Some(limit)) => limit.max(bid),
        };
        self.fill(account, nth, price);
    }

    /// How much of an order the market gives at a price: as far as it is open, and as there is volume;
    /// whole units where all of it is whole.
    fn obtainable(&self, order: &Order, price: Price) -> Qty {
        let open = match (order.open_qty(), order.amount) {
            (Some(open), _) => open,
            (None, Amount::Notional(money)) => units(money, price).unwrap_or(Qty::ZERO),
            (None, Amount::Qty(qty)) => qty,
        };
        let listing = self.venue.listing(order.place);
        let Some(left) = listing.left() else { return open };
        let is_whole = listing.class == AssetClass::Equity && open.raw() % Qty::SCALE == 0;
        let left = if is_whole { left.raw() - left.raw() % Qty::SCALE } else { left.raw() };
        let all_or_none = order.tif == Tif::Fok && left < open.raw();
        if all_or_none { Qty::ZERO } else { open.min(Qty::from_raw(left)) }
    }

    /// Fills an order at a price, as far as the market gives.
    fn fill(&mut self, account: u16, nth: u32, price: Price) {
        let Some(order) = self.tradable(account, nth) else { return };
        let qty = self.obtainable(order, price);
        let unknown = order.target.is_none();
        let money = order.amount;
        if unknown && let Amount::Notional(money) = money {
            let whole = units(money, price).unwrap_or(Qty::ZERO);
            if whole.is_zero() {
                // The money buys not even the smallest part of one.
                self.end(account, nth, Status::Canceled, Event::Canceled);
                return;
            }
            let of = self.accounts.get_mut(usize::from(account));
            if let Some(order) = of.and_then(|of| of.order_mut(nth)) {
                order.target = Some(whole);
            }
        }
        if !qty.is_zero() {
            self.execute(account, nth, qty, price);
        }
    }

    /// Books an execution and what follows from it.
    fn execute(&mut self, account: u16, nth: u32, qty: Qty, price: Price) {
        let now = self.now;
        let Some(of) = self.accounts.get_mut(usize::from(account)) else { return };
        let place = of.order(nth).map(|order| order.place);
        if of.book(nth, qty, price, now).is_err() {
            // The books cannot hold a figure as large as that.
            self.end(account, nth, Status::Rejected, Event::Rejected);
            return;
        }
        if let Some(place) = place {
            self.venue.listing_mut(place).take(qty);
        }
        self.filled(account, nth);
    }

    /// Fills a part of an order at the quote, whatever its terms: what a fault asks for.
    pub(super) fn fill_part(&mut self, account: u16, nth: u32, part: i64, of: i64) {
        let Some(order) = self.account(account).and_then(|of| of.order(nth)) else { return };
        let Some(quote) = self.venue.quote(order.place) else { return };
        let is_open = self.venue.is_open(order.place, order.extended_hours, self.now);
        if !order.is_live() || !is_open {
            return;
        }
        let price = match (order.side, order.kind.limit()) {
            (Side::Buy, limit) => limit.unwrap_or(quote.ask),
            (Side::Sell, limit) => limit.unwrap_or(quote.bid),
        };
        let open = order.open_qty().unwrap_or(Qty::ZERO).raw();
        let step = if open % Qty::SCALE == 0 { Qty::SCALE } else { 1 };
        let qty = Qty::from_raw(open / of * part / step * step);
        let qty = if part == of { Qty::from_raw(open) } else { qty };
        if !qty.is_zero() {
            self.execute(account, nth, qty, price);
        }
    }

    /// The first price of a session fills what waits for it, and ends what it does not fill.
    pub(super) fn opening_auction(&mut self, place: usize) {
        self.auction(place, Tif::Opg);
    }

    /// The last price of a session fills what waits for it, and ends what it does not fill.
    pub(super) fn closing_auction(&mut self) {
        for place in 0..self.venue.listings().len() {
            if self.venue.listing(place).class == AssetClass::Equity {
                self.auction(place, Tif::Cls);
            }
        }
    }

    fn auction(&mut self, place: usize, tif: Tif) {
        let Some(price) = self.venue.listing(place).last() else { return };
        for account in 0..self.accounts_len() {
            for nth in self.open_at(account, place) {
                let order = self.account(account).and_then(|of| of.order(nth));
                let order = order.filter(|it| it.tif == tif && it.status == Status::New);
                let Some(order) = order else { continue };
                let within = order.kind.limit().is_none_or(|limit| match order.side {
                    Side::Buy => price <= limit,
                    Side::Sell => limit <= price,
                });
                // One price for everybody, and all that crosses trades at it.
                let open = order.open_qty().unwrap_or(Qty::ZERO);
                if within && !open.is_zero() {
                    self.execute(account, nth, open, price);
                }
                self.end(account, nth, Status::Canceled, Event::Canceled);
            }
        }
    }
}
