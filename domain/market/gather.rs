//! Bars as they come in, gathered into slices: what stands between a live stream and the council.
//!
//! - L-1: a slice is handed on once, and nothing is added to it afterwards: a bar that comes behind it
//!   is late and is turned away.
//!
//! Streams bring the bars of one moment one by one, some of them late, some never, some twice. A slice
//! is whole when every instrument is in it whose market is open; one that is not is handed on when its
//! patience is over. So coins wait for no share at night and on a weekend, and for an eighth of the
//! patience before the opening and after the close, when shares trade seldom.

use std::collections::BTreeMap;
use std::time::Duration;

use super::bar::Timeframe;
use super::calendar::Calendar;
use super::doors::{Doors, Refused};
use super::tape::{Chunk, Instrument, Tick};
use crate::brief::trading::Session;
use crate::time::Time;

/// Slices that wait at most; beyond them the oldest is handed on as it is.
const WAITING_MAX: usize = 4_096;

/// The part of the patience with which one waits for what may trade in extended hours.
const BRIEFLY: u32 = 8;

/// One slice in the making.
#[derive(Clone, Debug)]
struct Slice {
    ticks: BTreeMap<u16, Tick>,
    /// When its first bar was heard.
    since: Time,
}

/// Gathers bars into slices.
#[derive(Clone, Debug)]
pub struct Gatherer {
    /// By which calendar each instrument trades.
    calendars: Vec<Calendar>,
    timeframe: Timeframe,
    doors: Doors,
    waiting: BTreeMap<Time, Slice>,
    /// Slices up to this moment were handed on.
    closed: Time,
    patience: Duration,
}

/// What was handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathered {
    /// One slice; none where the door has turned all of its bars away.
    pub chunk: Chunk,
    /// What the door has turned away.
    pub refused: Vec<Refused>,
}

impl Gatherer {
    /// Nothing is handed on that closes at or before `closed`; a slice that is not whole waits for
    /// `patience` after its first bar was heard.
    pub fn new(
        instruments: &[Instrument],
        timeframe: Timeframe,
        closed: Time,
        patience: Duration,
    ) -> Self {
        Self {
            calendars: instruments.iter().map(|of| Calendar::of(of.class)).collect(),
            timeframe,
            doors: Doors::new(instruments, timeframe),
            waiting: BTreeMap::new(),
            closed,
            patience,
        }
    }

    /// Up to when slices were handed on.
    pub const fn closed(&self) -> Time {
        self.closed
    }

    /// Takes a bar that was heard at `heard`, wall time. False for one that is too late; of two bars of
    /// one instrument and one moment the later one counts.
    pub fn take(&mut self, tick: Tick, heard: Time) -> bool {
        let at = tick.bar.close_time;
        if at <= self.closed {
            return false;
        }
        let fresh = || Slice { ticks: BTreeMap::new(), since: heard };
        self.waiting.entry(at).or_insert_with(fresh).ticks.insert(tick.instrument, tick);
        true
    }

    /// The oldest slice, if it is whole, has waited long enough, or stands behind one that is whole.
    pub fn next(&mut self, now: Time) -> Option<Gathered> {
        let is_due = self.due().is_some_and(|due| due <= now);
        let is_whole = |(at, slice): (&Time, &Slice)| self.waits(*at, slice).is_zero();
        let is_overtaken = self.waiting.iter().skip(1).any(is_whole);
        let is_ready = self.waiting.iter().next().is_some_and(is_whole);
        if !(is_due || is_ready || is_overtaken || self.waiting.len() > WAITING_MAX) {
            return None;
        }
        let (at, slice) = self.waiting.pop_first()?;
        self.closed = at;
        let raw = Chunk::of_slice(slice.ticks.into_values().collect());
        let (chunk, refused) = self.doors.admit(&raw);
        Some(Gathered { chunk, refused })
    }

    /// How long a slice waits for what it lacks: not for what is closed, briefly for what has extended
    /// hours, and long for what trades; where nothing trades, long for all.
    fn waits(&self, at: Time, slice: &Slice) -> Duration {
        let opened = at - self.timeframe.length();
        let trades = |calendar: Calendar| {
            [opened, at].iter().all(|&time| calendar.session(time) == Session::Regular)
        };
        let is_night = !self.calendars.iter().any(|calendar| trades(*calendar));
        let lacking =
            self.calendars.iter().zip(0..).filter(|(_, nth)| !slice.ticks.contains_key(nth));
        let waits = |calendar: Calendar| match () {
            () if is_night || trades(calendar) => self.patience,
            () if calendar.session(opened) == Session::Closed => Duration::ZERO,
            () => self.patience / BRIEFLY,
        };
        lacking.map(|(calendar, _)| waits(*calendar)).max().unwrap_or_default()
    }

    /// When the oldest slice will have waited long enough, wall time.
    pub fn due(&self) -> Option<Time> {
        let (at, oldest) = self.waiting.iter().next()?;
        let waits = i64::try_from(self.waits(*at, oldest).as_millis()).unwrap_or(i64::MAX);
        Some(Time::from_ms(oldest.since.ms().saturating_add(waits)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixed::{Price, Volume};
    use crate::market::bar::Bar;
    use crate::market::symbol::{AssetClass, Symbol};

    const MINUTE: i64 = 60_000;
    /// A Monday at ten in New York.
    const OPEN: i64 = 1_772_463_600_000;

    fn gatherer() -> Gatherer {
        let instrument = |name: &str| Instrument {
            symbol: Symbol::new(name).unwrap(),
            class: AssetClass::Crypto,
        };
        let instruments = ["AAA/USD", "BBB/USD"].map(instrument);
        let closed = Time::from_ms(OPEN);
        Gatherer::new(&instruments, Timeframe::Minute, closed, Duration::from_secs(2))
    }

    fn tick(instrument: u16, minute: i64) -> Tick {
        let price = Price::from_units(10).unwrap();
        let open_time = Time::from_ms(OPEN + minute * MINUTE);
        let bar = Bar {
            open_time,
            close_time: Time::from_ms(open_time.ms() + MINUTE),
            open: price,
            high: price,
            low: price,
            close: price,
            volume: Volume::ZERO,
        };
        Tick { instrument, bar }
    }

    fn at(ms: i64) -> Time {
        Time::from_ms(ms)
    }

    fn bars(gathered: Option<Gathered>) -> Vec<(u16, i64)> {
        let ticks = gathered.map(|it| it.chunk.ticks().to_vec()).unwrap_or_default();
        ticks
            .iter()
            .map(|tick| (tick.instrument, (tick.bar.open_time.ms() - OPEN) / MINUTE))
            .collect()
    }

    #[test]
    fn a_whole_slice_is_handed_on_at_once_in_the_order_of_the_instruments() {
        let mut gatherer = gatherer();
        assert!(gatherer.take(tick(1, 0), at(0)));
        assert_eq!(gatherer.next(at(0)), None);
        assert!(gatherer.take(tick(0, 0), at(1)));
        assert_eq!(bars(gatherer.next(at(1))), [(0, 0), (1, 0)]);
        assert_eq!(gatherer.next(at(9_999)), None);
    }

    #[test]
    fn a_slice_that_is_not_whole_waits_for_its_patience_and_what_comes_behind_it_is_late() {
        let mut gatherer = gatherer();
        gatherer.take(tick(0, 0), at(100));
        assert_eq!(gatherer.due(), Some(at(2_100)));
        assert_eq!(gatherer.next(at(2_099)), None);
        assert_eq!(bars(gatherer.next(at(2_100))), [(0, 0)]);
        assert!(!gatherer.take(tick(1, 0), at(2_101)));
        assert_eq!(gatherer.closed(), at(OPEN + MINUTE));
    }

    #[test]
    fn a_whole_slice_overtakes_nobody_and_hurries_those_before_it() {
        let mut gatherer = gatherer();
        gatherer.take(tick(0, 0), at(0));
        for instrument in [0, 1] {
            gatherer.take(tick(instrument, 1), at(1));
        }
        assert_eq!(bars(gatherer.next(at(1))), [(0, 0)]);
        assert_eq!(bars(gatherer.next(at(1))), [(0, 1), (1, 1)]);
    }

    #[test]
    fn coins_wait_for_no_share_that_is_closed_and_briefly_in_extended_hours() {
        let instrument =
            |name: &str, class| Instrument { symbol: Symbol::new(name).unwrap(), class };
        let instruments =
            [instrument("AAA", AssetClass::Equity), instrument("BBB/USD", AssetClass::Crypto)];
        let close = 360;
        let (night, opening) = (close + 1_050 - 1, close + 1_050);
        for (minute, waits) in [
            (0, 2_000),
            (close - 1, 2_000),
            // The first minute behind the close, one of the night, and the last before the opening.
            (close, 250),
            (close + 500, 0),
            (night, 250),
            (opening, 2_000),
        ] {
            let closed = Time::from_ms(OPEN - MINUTE);
            let patience = Duration::from_secs(2);
            let mut gatherer = Gatherer::new(&instruments, Timeframe::Minute, closed, patience);
            gatherer.take(tick(1, minute), at(0));
            assert_eq!(gatherer.due(), Some(at(waits)), "{minute}");
            assert_eq!(gatherer.next(at(waits - 1)).is_none(), waits > 0, "{minute}");
            assert_eq!(gatherer.next(at(waits)).is_some(), waits > 0, "{minute}");
        }
        // Where nothing trades, a share waits for the others as it does in the session.
        let shares = ["AAA", "BBB"].map(|name| instrument(name, AssetClass::Equity));
        let mut gatherer =
            Gatherer::new(&shares, Timeframe::Minute, Time::EPOCH, Duration::from_secs(2));
        gatherer.take(tick(0, close + 5), at(0));
        assert_eq!(gatherer.next(at(0)), None);
        gatherer.take(tick(1, close + 5), at(1));
        assert_eq!(bars(gatherer.next(at(1))).len(), 2);
    }

    #[test]
    fn a_bar_that_comes_twice_is_one_bar_and_the_later_word_counts() {
        let mut gatherer = gatherer();
        gatherer.take(tick(0, 0), at(0));
        let mut corrected = tick(0, 0);
        corrected.bar.close = Price::from_units(9).unwrap();
        corrected.bar.low = corrected.bar.close;
        gatherer.take(corrected, at(1));
        let handed = gatherer.next(at(2_000)).unwrap();
        assert_eq!(handed.chunk.ticks(), [corrected]);
    }

    #[test]
    fn what_no_market_says_is_turned_away_and_named() {
        let mut gatherer = gatherer();
        let mut wrong = tick(0, 0);
        wrong.bar.high = Price::from_units(1).unwrap();
        gatherer.take(wrong, at(0));
        let handed = gatherer.next(at(2_000)).unwrap();
        assert!(handed.chunk.is_empty());
        assert_eq!(handed.refused.len(), 1);
    }
}
