//! What is traded: listings with their bars, the last price, the quote around it, what of the volume
//! is left, halts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::path::{PRICES, Point, point};
use crate::alpaca::is_same_symbol;
use crate::brief::trading::Session;
use crate::fixed::{Bp, Price, Qty, Volume};
use crate::market::bar::{Bar, Timeframe};
use crate::market::calendar::Calendar;
use crate::market::dividends::Dividend;
use crate::market::series::Series;
use crate::market::splits::Split;
use crate::market::symbol::{AssetClass, Symbol};
use crate::ratio::Ratio;
use crate::time::Time;

/// Something that is traded.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The symbol.
    pub symbol: Symbol,
    /// The company's or coin's name.
    pub name: String,
    /// What kind of thing it is.
    pub class: AssetClass,
    /// The length of its bars.
    pub timeframe: Timeframe,
    /// Its bars as they were printed on their day, oldest first.
    pub bars: Arc<[Bar]>,
    /// Its splits.
    pub splits: Vec<Split>,
    /// Its dividends.
    pub dividends: Vec<Dividend>,
    /// The bar that is played, or will be next.
    next: usize,
    /// The price of it that is next.
    phase: u8,
    /// The last price and when it traded.
    last: Option<(Price, Time)>,
    /// The last price of the session before this one.
    last_day: Option<Price>,
    /// What one may still take at the last price; `None` is without limit.
    left: Option<Qty>,
    is_halted: bool,
    /// Whether prices went by since it last traded, in a halt.
    missed: bool,
}

/// Bid and ask around the last price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// What a seller gets.
    pub bid: Price,
    /// What a buyer pays.
    pub ask: Price,
    /// When the last price traded.
    pub at: Time,
}

impl Listing {
    /// A listing that trades from its first bar on.
    pub fn new(series: Series, name: String, splits: &[Split], dividends: &[Dividend]) -> Self {
        let ours = |symbol: &Symbol| *symbol == series.symbol;
        Self {
            splits: splits.iter().filter(|it| ours(&it.symbol)).cloned().collect(),
            dividends: dividends.iter().filter(|it| ours(&it.symbol)).cloned().collect(),
            name,
            class: series.class,
            timeframe: series.timeframe,
            bars: series.bars.into(),
            symbol: series.symbol,
            next: 0,
            phase: 0,
            last: None,
            last_day: None,
            left: None,
            is_halted: false,
            missed: false,
        }
    }

    /// The calendar that it trades by.
    pub const fn calendar(&self) -> Calendar {
        Calendar::of(self.class)
    }

    /// The last price.
    pub fn last(&self) -> Option<Price> {
        self.last.map(|(price, _)| price)
    }

    /// When it last traded.
    pub fn last_at(&self) -> Option<Time> {
        self.last.map(|(_, at)| at)
    }

    /// The last price of the session before, the last price at all where there was none.
    pub fn last_day(&self) -> Option<Price> {
        self.last_day.or(self.last())
    }

    /// The bars that have closed.
    pub fn closed(&self) -> &[Bar] {
        &self.bars[..self.next]
    }

    /// Whether the last price is one that somebody could trade at now: it is of this session, and none
    /// went by since.
    pub fn is_fresh(&self, now: Time) -> bool {
        let Some((_, at)) = self.last else { return false };
        let calendar = self.calendar();
        let opening = calendar.open_close(calendar.session_date(now)).map(|(open, _)| open);
        let always = self.class == AssetClass::Crypto || calendar.session(now) != Session::Regular;
        !self.missed && (always || opening.is_none_or(|opening| opening <= at))
    }

    /// A price went by while it was halted.
    pub(super) const fn miss(&mut self) {
        self.missed = true;
    }

    /// Whether it is halted.
    pub const fn is_halted(&self) -> bool {
        self.is_halted
    }

    /// What one may still take at the last price.
    pub(super) const fn left(&self) -> Option<Qty> {
        self.left
    }

    pub(super) fn take(&mut self, qty: Qty) {
        self.left = self.left.map(|left| Qty::from_raw((left.raw() - qty.raw()).max(0)));
    }

    /// The smallest step of its price.
    pub fn price_step(&self, price: Price) -> Price {
        match self.class {
            AssetClass::Equity if price.raw() >= Price::SCALE => Price::from_raw(1_000_000),
            AssetClass::Equity => Price::from_raw(10_000),
            AssetClass::Crypto => Price::from_raw(1),
        }
    }

    /// The quote around a price, whole steps apart; the spread is a share of the price.
    pub(super) fn around(&self, price: Price, spread: Bp) -> (Price, Price) {
        let step = self.price_step(price).raw();
        let half = i128::from(price.raw()) * i128::from(spread.as_hundredths()) / 2_000_000;
        let half = i64::try_from(half).unwrap_or(0);
        if half == 0 {
            return (price, price);
        }
        let (low, high) = (price.raw().saturating_sub(half), price.raw().saturating_add(half));
        let bid = Price::from_raw(low.div_euclid(step) * step).max(Price::from_raw(1));
        let ask = Price::from_raw(high.saturating_add(step - 1).div_euclid(step) * step);
        (bid, ask)
    }

    /// The next price that trades.
    pub(super) fn upcoming(&self) -> Option<Point> {
        self.bars.get(self.next).map(|bar| point(bar, self.phase))
    }

    /// Goes on behind the next price; says the bar when that was its close.
    pub(super) fn pass(&mut self) -> Option<Bar> {
        let bar = *self.bars.get(self.next)?;
        self.phase += 1;
        if self.phase < PRICES {
            return None;
        }
        self.phase = 0;
        self.next += 1;
        Some(bar)
    }

    /// A price has traded, and so much of the bar's volume may be taken with it.
    pub(super) fn trade(&mut self, price: Price, at: Time, share: Option<Ratio>) {
        self.last = Some((price, at));
        self.missed = false;
        self.left = share.map(|share| {
            let volume = self.bars.get(self.next).map_or(Volume::ZERO, |bar| bar.volume);
            let volume = volume.scaled(share).unwrap_or(Volume::ZERO).raw().max(0);
            let steps = Qty::SCALE / Volume::SCALE / i64::from(PRICES);
            // A volume too large to count in quantities limits nobody.
            Qty::from_raw(volume.saturating_mul(steps))
        });
    }

    /// The market stands at a price on its way to another.
    pub(super) fn stand(&mut self, price: Price, at: Time) {
        self.last = Some((price, at));
    }

    /// The price is the same market's after a split.
    pub(super) fn rescale(&mut self, scale: impl Fn(Price) -> Price) {
        self.last = self.last.map(|(price, at)| (scale(price), at));
        self.last_day = self.last_day.map(&scale);
    }
}

/// Everything that is traded, in the order of the symbols.
#[derive(Clone, Debug)]
pub struct Venue {
    listings: Vec<Listing>,
    places: BTreeMap<Symbol, usize>,
    /// When each listing trades next; at one moment closes come before opens.
    agenda: BTreeSet<(Time, bool, usize)>,
    spread: Bp,
    volume_share: Option<Ratio>,
    /// Whether today's session has ended: its last instant belongs to its last price alone.
    is_shut: bool,
}

impl Venue {
    /// A venue of these listings; bars that close at or before `from` are history.
    pub fn new(
        mut listings: Vec<Listing>,
        from: Time,
        spread: Bp,
        volume_share: Option<Ratio>,
    ) -> Self {
        listings.sort_by(|a, b| a.symbol.cmp(&b.symbol));
        listings.dedup_by(|a, b| a.symbol == b.symbol);
        for listing in &mut listings {
            listing.next = listing.bars.partition_point(|bar| bar.close_time <= from);
            let before = listing.next.checked_sub(1).and_then(|last| listing.bars.get(last));
            listing.last = before.map(|bar| (bar.close, bar.close_time));
            listing.last_day = listing.last();
        }
        let places = listings.iter().enumerate();
        let places = places.map(|(place, it)| (it.symbol.clone(), place)).collect();
        let agenda = BTreeSet::new();
        let mut venue = Self { listings, places, agenda, spread, volume_share, is_shut: false };
        for place in 0..venue.listings.len() {
            venue.schedule(place);
        }
        venue
    }

    /// The listings, in the order of their symbols.
    pub fn listings(&self) -> &[Listing] {
        &self.listings
    }

    /// A listing's place.
    pub fn place(&self, symbol: &Symbol) -> Option<usize> {
        self.places.get(symbol).copied()
    }

    /// The place of a symbol, however it is spelt: `BTCUSD` is `BTC/USD`.
    pub fn spelt(&self, text: &str) -> Option<usize> {
        let exact = Symbol::new(text).ok().and_then(|symbol| self.place(&symbol));
        exact.or_else(|| {
            self.listings.iter().position(|it| is_same_symbol(it.symbol.as_str(), text))
        })
    }

    /// The listing at a place.
    ///
    /// # Panics
    /// When there is no such place; places come from [`Venue::place`].
    pub fn listing(&self, place: usize) -> &Listing {
        &self.listings[place]
    }

    pub(super) fn listing_mut(&mut self, place: usize) -> &mut Listing {
        &mut self.listings[place]
    }

    /// The last quote of a listing; `None` before it has ever traded.
    pub fn quote(&self, place: usize) -> Option<Quote> {
        let (price, at) = self.listings[place].last?;
        let (bid, ask) = self.listings[place].around(price, self.spread);
        Some(Quote { bid, ask, at })
    }

    /// The quote around any price of a listing.
    pub(super) fn quote_at(&self, place: usize, price: Price) -> (Price, Price) {
        self.listings[place].around(price, self.spread)
    }

    /// When the next price trades, and whether it is the first of its bar.
    pub(super) fn next_price(&self) -> Option<(Time, bool)> {
        self.agenda.first().map(|&(at, opens, _)| (at, opens))
    }

    /// The listing whose price is next, and that price; it is no longer next afterwards.
    pub(super) fn next_point(&mut self) -> Option<(usize, Point)> {
        let (_, _, place) = self.agenda.pop_first()?;
        self.listings[place].upcoming().map(|point| (place, point))
    }

    /// The price of a listing has traded; says the bar when it is closed.
    pub(super) fn passed(&mut self, place: usize) -> Option<Bar> {
        let closed = self.listings[place].pass();
        self.schedule(place);
        closed
    }

    fn schedule(&mut self, place: usize) {
        if let Some(point) = self.listings[place].upcoming() {
            self.agenda.insert((point.at, point.jumps, place));
        }
    }

    pub(super) fn trade(&mut self, place: usize, price: Price, at: Time) {
        self.listings[place].trade(price, at, self.volume_share);
    }

    /// Halts a listing, or lets it go on.
    pub(super) fn halt(&mut self, place: usize, is_halted: bool) {
        self.listings[place].is_halted = is_halted;
    }

    /// The session of shares has ended, or a new day has come.
    pub(super) const fn shut(&mut self, is_shut: bool) {
        self.is_shut = is_shut;
    }

    /// The session of shares has ended: what they cost is what they cost yesterday from now on.
    pub(super) fn end_session(&mut self) {
        for listing in &mut self.listings {
            listing.last_day = listing.last();
        }
    }

    /// Whether a listing trades now for orders that want the extended session too, or do not.
    pub fn is_open(&self, place: usize, extended: bool, now: Time) -> bool {
        let listing = &self.listings[place];
        let session = listing.calendar().session(now);
        !listing.is_halted
            && match session {
                Session::Regular => {
                    extended || !self.is_shut || listing.class == AssetClass::Crypto
                }
                Session::Pre | Session::After => extended,
                Session::Closed | Session::CryptoOnly => false,
            }
    }
}
