//! An exchange: accounts, orders and a market of bars on a clock of its own. Pure: requests and time
//! in, happenings out.
//!
//! It keeps to what a broker's clients see: an order rests until the market reaches it, complex orders
//! stand and fall together, a name is unique for ever, and nothing trades while its market is closed.
//! What it does not know: fees, interest, margin calls, locates, queue position.
//!
//! # Invariants
//!
//! - D-1: the same bars and requests at the same times give the same happenings, to the last name.

pub mod account;
mod actions;
mod door;
pub mod faults;
mod group;
pub mod ids;
mod life;
mod matching;
pub mod order;
pub mod path;
pub mod refusal;
mod replace;
#[cfg(test)]
mod tests;
pub mod ticket;
pub mod venue;
mod wire;

use std::time::Duration;

use jiff::civil::Date;

use crate::brief::trading::Session;
use crate::fixed::{Bp, Money};
use crate::market::bar::Bar;
use crate::market::calendar::Calendar;
use crate::market::symbol::Symbol;
use crate::ratio::Ratio;
use crate::time::Time;

use account::Account;
use order::Update;
use refusal::Refusal;
use venue::{Listing, Venue};

/// The terms of an exchange.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// Stands in every name that it gives.
    pub exchange: u32,
    /// What each account begins with.
    pub cash: Money,
    /// Times its equity that an account may hold: 1 (cash, no short sales) or 2 (margin).
    pub multiplier: u8,
    /// Bid and ask are so far apart around the last price.
    pub spread: Bp,
    /// The share of a bar's volume, 0 to 1, that orders may take of it; `None`: all they want.
    pub volume_share: Option<Ratio>,
}

impl Default for Terms {
    /// $100,000 on margin, a spread of 2 bp, a tenth of the volume.
    fn default() -> Self {
        Self {
            exchange: 0,
            cash: Money::from_raw(100_000 * Money::SCALE),
            multiplier: 2,
            spread: Bp::whole(2),
            volume_share: Some(Ratio::or_zero(0.1)),
        }
    }
}

/// Something that happened, in the order in which it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A price has traded.
    Price {
        /// The listing's place.
        place: usize,
        /// When.
        at: Time,
    },
    /// A bar has closed.
    Bar {
        /// The listing's place.
        place: usize,
        /// The bar.
        bar: Bar,
    },
    /// Something happened to an order.
    Order {
        /// The account's number.
        account: u16,
        /// What.
        update: Box<Update>,
    },
}

/// A moment of the day at which something happens that no price brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    /// Extended trading begins; a new day's splits and dividends are due.
    Morning,
    /// The regular session begins.
    Open,
    /// The regular session ends.
    Close,
    /// Extended trading ends.
    Night,
}

/// Extended trading begins this long before the opening.
const MORNING: Duration = Duration::from_mins(330);
/// Extended trading ends this long after the close.
const NIGHT: Duration = Duration::from_hours(4);
/// An order that is good till canceled lives this long.
const GTC: Duration = Duration::from_hours(90 * 24);

/// 2200-01-01: the calendar ends there, and so does time.
const END: Time = Time::from_ms(7_258_118_400_000);

/// An exchange.
#[derive(Clone, Debug)]
pub struct Exchange {
    terms: Terms,
    venue: Venue,
    accounts: Vec<Account>,
    now: Time,
    /// The day whose moments are due, and the next of them.
    day: Date,
    moment: Moment,
    /// Splits and dividends up to this day are done.
    acted_until: Date,
    happenings: Vec<Happening>,
}

impl Exchange {
    /// An exchange of these listings whose clock stands at `from`; bars before it are history. It has
    /// one account; see [`Exchange::open_account`].
    pub fn new(terms: Terms, listings: Vec<Listing>, from: Time) -> Self {
        let venue = Venue::new(listings, from, terms.spread, terms.volume_share);
        let today = Calendar::Xnys.session_date(from);
        let mut exchange = Self {
            accounts: Vec::new(),
            venue,
            now: from,
            day: today,
            moment: Moment::Morning,
            acted_until: today.yesterday().unwrap_or(today),
            happenings: Vec::new(),
            terms,
        };
        exchange.open_account();
        exchange
    }

    /// Opens one more account on the same terms; says its number.
    pub fn open_account(&mut self) -> u16 {
        let number = u16::try_from(self.accounts.len()).unwrap_or(u16::MAX);
        self.accounts.push(Account::new(&self.terms, number, self.now));
        number
    }

    /// The time at the exchange.
    pub const fn now(&self) -> Time {
        self.now
    }

    /// Its number among exchanges, which is part of every name that it gives.
    pub const fn number(&self) -> u32 {
        self.terms.exchange
    }

    /// What is traded.
    pub const fn venue(&self) -> &Venue {
        &self.venue
    }

    /// The accounts, by number.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// An account.
    pub fn account(&self, number: u16) -> Option<&Account> {
        self.accounts.get(usize::from(number))
    }

    /// When the next price trades; `None` once the data are at their end.
    pub fn next_price_at(&self) -> Option<Time> {
        self.venue.next_price().map(|(at, _)| at)
    }

    /// What has happened since it was last asked.
    pub fn happenings(&mut self) -> Vec<Happening> {
        std::mem::take(&mut self.happenings)
    }

    /// Lets time pass; a time before now changes nothing, and none is beyond the year 2200.
    pub fn advance(&mut self, until: Time) {
        let until = until.min(END);
        loop {
            let moment_at = self.moment_at();
            let price = self.venue.next_price();
            // At one moment closes come first, then what the hour brings, then opens.
            let price_first =
                price.filter(|&(at, opens)| at < moment_at || (at == moment_at && !opens));
            let at = price_first.map_or(moment_at, |(at, _)| at);
            if until < at {
                break;
            }
            self.now = self.now.max(at);
            if price_first.is_some() {
                self.play_price();
            } else {
                self.play_moment();
            }
        }
        self.now = self.now.max(until);
    }

    /// Halts a listing or lets it go on.
    ///
    /// # Errors
    /// When it is not traded here.
    pub fn halt(&mut self, symbol: &Symbol, is_halted: bool) -> Result<(), Refusal> {
        let unknown = || Refusal::not_found(format!("asset \"{symbol}\" not found"));
        let place = self.venue.place(symbol).ok_or_else(unknown)?;
        self.venue.halt(place, is_halted);
        if !is_halted {
            self.route_waiting();
            self.at_quote(place);
            self.collect();
        }
        Ok(())
    }

    /// Lets an account take new orders, or not.
    pub fn suspend(&mut self, account: u16, is_suspended: bool) {
        if let Some(account) = self.accounts.get_mut(usize::from(account)) {
            account.is_suspended = is_suspended;
        }
    }

    /// When the moment that is next comes.
    fn moment_at(&self) -> Time {
        let (open, close) = Calendar::Xnys.ordinary_hours(self.day);
        match self.moment {
            Moment::Morning => open - MORNING,
            Moment::Open => open,
            Moment::Close => close,
            Moment::Night => close + NIGHT,
        }
    }

    fn play_moment(&mut self) {
        let is_session = Calendar::Xnys.is_session(self.day);
        if is_session {
            match self.moment {
                Moment::Morning => {
                    self.begin_day();
                    self.route_waiting();
                }
                Moment::Open => self.route_waiting(),
                Moment::Close => {
                    self.closing_auction();
                    self.venue.shut(true);
                    self.expire(false);
                }
                Moment::Night => self.expire(true),
            }
        }
        (self.moment, self.day) = match self.moment {
            Moment::Morning => (Moment::Open, self.day),
            Moment::Open => (Moment::Close, self.day),
            Moment::Close => (Moment::Night, self.day),
            // Beyond the calendar's end the last day comes again and brings nothing new.
            Moment::Night => (Moment::Morning, self.day.tomorrow().unwrap_or(self.day)),
        };
        self.collect();
    }

    /// The day before is over: its prices and equities are yesterday's; splits and dividends are due.
    fn begin_day(&mut self) {
        self.venue.end_session();
        self.venue.shut(false);
        for account in &mut self.accounts {
            if let Ok(funds) = account.funds(&self.venue) {
                account.last_equity = funds.equity;
                account.history.push((self.now, funds.equity));
            }
        }
        self.corporate_actions();
    }

    fn play_price(&mut self) {
        let Some((place, point)) = self.venue.next_point() else { return };
        if self.venue.listing(place).is_halted() {
            // Nobody trades in a halt; the price is found where it goes on.
            self.venue.listing_mut(place).miss();
        } else if point.jumps || !self.venue.listing(place).is_fresh(point.at) {
            self.venue.trade(place, point.price, point.at);
            self.at_quote(place);
            self.opening_auction(place);
        } else {
            self.slide(place, point.price, point.at);
        }
        self.happenings.push(Happening::Price { place, at: point.at });
        if let Some(bar) = self.venue.passed(place) {
            self.happenings.push(Happening::Bar { place, bar });
        }
        self.collect();
    }

    /// Puts what happened in the accounts behind what happened before.
    fn collect(&mut self) {
        for account in &mut self.accounts {
            let number = account.number;
            let updates = account.updates.drain(..);
            self.happenings.extend(
                updates.map(|it| Happening::Order { account: number, update: Box::new(it) }),
            );
        }
    }

    /// Whether the regular session of shares is on.
    pub fn is_open(&self) -> bool {
        // The instant of the close belongs to the session for its last bar, not for its clients.
        let hours = Calendar::Xnys.open_close(Calendar::Xnys.session_date(self.now));
        Calendar::Xnys.session(self.now) == Session::Regular
            && hours.is_some_and(|(_, close)| self.now < close)
    }

    /// When the regular session of shares begins next, and when it, or the one that is on, ends.
    pub fn next_hours(&self) -> (Time, Time) {
        let calendar = Calendar::Xnys;
        let mut day = calendar.session_date(self.now);
        let mut close = None;
        // Two sessions at most are looked at, and ten days lie between them.
        for _ in 0..20 {
            if let Some((open, end)) = calendar.open_close(day) {
                if self.now < end && close.is_none() {
                    close = Some(end);
                }
                if self.now < open {
                    return (open, close.unwrap_or(end));
                }
            }
            day = day.tomorrow().unwrap_or(day);
        }
        (self.now, close.unwrap_or(self.now))
    }
}
