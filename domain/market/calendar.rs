//! Exchange calendars: US equity sessions with holidays and early closes; coins never close.
//!
//! Pure arithmetic over a table that is computed once per stretch of days, so that a question per
//! bar costs an index and not a time-zone conversion. Exact from 2000-01-01; before that the same
//! rules are applied, without the special closures of those years. Sources: NYSE rule 7.2 and the
//! exchange's published closures; counted against a public reference calendar.

use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use jiff::civil::{Date, Weekday, date};
use jiff::tz::TimeZone;

use super::bar::Timeframe;
use super::symbol::AssetClass;
use crate::brief::trading::Session;
use crate::time::Time;

/// When a market trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Calendar {
    /// New York: 09:30 to 16:00, or 13:00 on early closes, on weekdays that are no holiday.
    Xnys,
    /// Round the clock; a day is a UTC day.
    Always,
}

/// One civil day of a market: its bounds and, if it is a session, its hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Day {
    date: Date,
    from: Time,
    until: Time,
    hours: Option<(Time, Time)>,
}

/// Days in one stretch of the table.
const STRETCH: usize = 512;
/// The first day the table knows; days before it are no sessions.
const FIRST: Date = date(1900, 1, 1);
/// Stretches that reach past the year 2200.
const STRETCHES: usize = 215;
/// The same, in days.
const TABLE_DAYS: i64 = 215 * 512;
/// A day in milliseconds.
const DAY_MS: i64 = 86_400_000;
/// New York's standard time behind UTC, in milliseconds.
const NEW_YORK_BEHIND_MS: i64 = 5 * 3_600_000;
/// Pre-market trading starts this long before the opening (04:00).
const PRE: Duration = Duration::from_mins(330);
/// After-hours trading lasts this long (20:00, or 17:00 on early closes).
const AFTER: Duration = Duration::from_hours(4);

/// Weekdays without a session that no rule gives: 11 September 2001, the funerals of Presidents
/// Reagan, Ford, Bush and Carter, hurricane Sandy.
const CLOSURES: [Date; 10] = [
    date(2001, 9, 11),
    date(2001, 9, 12),
    date(2001, 9, 13),
    date(2001, 9, 14),
    date(2004, 6, 11),
    date(2007, 1, 2),
    date(2012, 10, 29),
    date(2012, 10, 30),
    date(2018, 12, 5),
    date(2025, 1, 9),
];

/// New York's clocks.
pub(crate) static NEW_YORK: LazyLock<TimeZone> = LazyLock::new(new_york);
static TABLE: [OnceLock<Vec<Day>>; STRETCHES] = [const { OnceLock::new() }; STRETCHES];

#[expect(clippy::expect_used, reason = "the zone is compiled into the binary; a test loads it")]
fn new_york() -> TimeZone {
    TimeZone::get("America/New_York").expect("the bundled zones hold New York")
}

impl Calendar {
    /// From this day on every session, closure and early close is exact.
    pub const EXACT_FROM: Date = date(2000, 1, 1);

    /// The calendar of a kind of asset.
    pub const fn of(class: AssetClass) -> Self {
        match class {
            AssetClass::Equity => Self::Xnys,
            AssetClass::Crypto => Self::Always,
        }
    }

    /// Whether the market opens on a day. Days before 1900 and after 2200 are no sessions.
    pub fn is_session(self, day: Date) -> bool {
        self.open_close(day).is_some()
    }

    /// Whether a session ends at 13:00.
    pub fn is_early_close(self, day: Date) -> bool {
        self == Self::Xnys && !is_closed(day) && is_early(day)
    }

    /// The opening and the close of a day's regular session; `None` when there is none.
    pub fn open_close(self, day: Date) -> Option<(Time, Time)> {
        match self {
            Self::Xnys => usize::try_from(days_since_first(day)).ok().and_then(nth)?.hours,
            Self::Always => {
                let open = utc_midnight(day);
                Some((open, open + Duration::from_hours(24)))
            }
        }
    }

    /// The hours a day would have as an ordinary session: for data on days that are none.
    pub fn ordinary_hours(self, day: Date) -> (Time, Time) {
        self.open_close(day).unwrap_or_else(|| (new_york_at(day, 9, 30), new_york_at(day, 16, 0)))
    }

    /// When a bar of days or weeks that is stamped with a day opens and closes: with its session, or
    /// with the last session within the week's seven days.
    pub fn hours_of_day_bar(self, timeframe: Timeframe, day: Date) -> (Time, Time) {
        let (open, close) = self.ordinary_hours(day);
        if timeframe != Timeframe::Week {
            return (open, close);
        }
        let days = day.series(jiff::Span::new().days(1)).take(7);
        let closes = days.filter_map(|day| self.open_close(day)).map(|hours| hours.1);
        (open, closes.last().unwrap_or(open + Duration::from_hours(24)))
    }

    /// When a bar that began at `stamp` opens and closes. The last bar of a session ends with it.
    pub fn hours_of_bar(self, timeframe: Timeframe, stamp: Time) -> (Time, Time) {
        if timeframe >= Timeframe::Day {
            return self.hours_of_day_bar(timeframe, self.session_date(stamp));
        }
        let close = stamp + timeframe.length();
        let end = self.open_close(self.session_date(stamp)).map(|hours| hours.1);
        (stamp, end.filter(|&end| stamp < end && end < close).unwrap_or(close))
    }

    /// The civil day at the market: New York's, or UTC's where it never closes.
    pub fn session_date(self, time: Time) -> Date {
        self.day(time).date
    }

    /// Where the market stands at a time. The instant of the close still belongs to the session,
    /// because that is when its last bar becomes known; a market that never closes is `Regular`.
    pub fn session(self, time: Time) -> Session {
        if self == Self::Always { Session::Regular } else { self.day(time).session(time) }
    }

    /// The first session after a day; `None` past the year 2200.
    pub fn next_session(self, day: Date) -> Option<Date> {
        let mut day = day;
        loop {
            day = day.tomorrow().ok()?;
            if self.is_session(day) {
                return Some(day);
            }
            if day.year() > 2200 {
                return None;
            }
        }
    }

    /// Sessions strictly between two days; zero when `before` is not after `after`.
    pub fn sessions_between(self, after: Date, before: Date) -> u32 {
        let (first, last) = (days_since_first(after).saturating_add(1), days_since_first(before));
        match self {
            Self::Always => u32::try_from(last.saturating_sub(first)).unwrap_or(0),
            Self::Xnys => {
                let end = last.min(TABLE_DAYS);
                let days =
                    (first.max(0)..end).filter_map(|index| nth(usize::try_from(index).ok()?));
                let sessions = days.filter(|day| day.hours.is_some()).count();
                u32::try_from(sessions).unwrap_or(u32::MAX)
            }
        }
    }

    fn day(self, time: Time) -> Day {
        match self {
            Self::Xnys => {
                let local_ms = time.ms().saturating_sub(NEW_YORK_BEHIND_MS);
                let guess = local_ms.div_euclid(DAY_MS).saturating_add(-days_before_epoch());
                // In summer the local day began an hour before the guess says.
                let table = usize::try_from(guess).ok().and_then(|guess| {
                    nth(guess).filter(|day| time < day.until).or_else(|| nth(guess + 1))
                });
                table.unwrap_or_else(|| {
                    new_york_day(NEW_YORK.to_datetime(time.timestamp()).date(), None)
                })
            }
            Self::Always => {
                let from = Time::from_ms(time.ms().div_euclid(DAY_MS).saturating_mul(DAY_MS));
                let until = from + Duration::from_hours(24);
                let date = TimeZone::UTC.to_datetime(time.timestamp()).date();
                Day { date, from, until, hours: Some((from, until)) }
            }
        }
    }
}

impl Day {
    fn session(&self, time: Time) -> Session {
        match self.hours {
            Some((open, close)) if open <= time && time <= close => Session::Regular,
            Some((open, _)) if open - PRE <= time && time < open => Session::Pre,
            Some((_, close)) if close < time && time < close + AFTER => Session::After,
            Some(_) | None => Session::Closed,
        }
    }
}

/// Answers the calendar's questions about times that come in order, at the price of a comparison
/// while they stay within one day.
#[derive(Clone, Debug)]
pub struct SessionCursor {
    calendar: Calendar,
    day: Day,
}

impl SessionCursor {
    /// A cursor that has seen nothing.
    pub fn new(calendar: Calendar) -> Self {
        let day = calendar.day(Time::EPOCH);
        Self { calendar, day }
    }

    /// The calendar behind it.
    pub const fn calendar(&self) -> Calendar {
        self.calendar
    }

    /// As [`Calendar::session_date`].
    pub fn session_date(&mut self, time: Time) -> Date {
        self.seek(time).date
    }

    /// As [`Calendar::open_close`] of the day that a time lies in.
    pub fn open_close(&mut self, time: Time) -> Option<(Time, Time)> {
        self.seek(time).hours
    }

    /// As [`Calendar::session`].
    pub fn session(&mut self, time: Time) -> Session {
        match self.calendar {
            Calendar::Always => Session::Regular,
            Calendar::Xnys => self.seek(time).session(time),
        }
    }

    fn seek(&mut self, time: Time) -> &Day {
        if time < self.day.from || self.day.until <= time {
            self.day = self.calendar.day(time);
        }
        &self.day
    }
}

/// Days from the table's first day to the epoch.
const fn days_before_epoch() -> i64 {
    -25_567
}

fn days_since_first(day: Date) -> i64 {
    day.duration_since(FIRST).as_hours() / 24
}

fn utc_midnight(day: Date) -> Time {
    Time::from_ms((days_since_first(day) + days_before_epoch()) * DAY_MS)
}

fn new_york_at(day: Date, hour: i8, minute: i8) -> Time {
    let local = day.at(hour, minute, 0, 0);
    // Sessions and midnights are never skipped or repeated in New York; the end of time is.
    let exact = NEW_YORK.to_ambiguous_timestamp(local).compatible();
    exact.map_or_else(|_| Time::from(jiff::Timestamp::MAX), Time::from)
}

fn nth(index: usize) -> Option<Day> {
    let stretch = TABLE.get(index / STRETCH)?.get_or_init(|| {
        let start = index / STRETCH * STRETCH;
        let days = (start..start + STRETCH).scan(None, |until, index| {
            // Fewer than 110,080 days, so the number always fits.
            let days = i64::try_from(index).unwrap_or(TABLE_DAYS);
            let day = new_york_day(FIRST + jiff::Span::new().days(days), *until);
            *until = Some(day.until);
            Some(day)
        });
        days.collect()
    });
    stretch.get(index % STRETCH).copied()
}

fn new_york_day(date: Date, from: Option<Time>) -> Day {
    let from = from.unwrap_or_else(|| new_york_at(date, 0, 0));
    let until = new_york_at(date.tomorrow().unwrap_or(date), 0, 0);
    let close_hour = if is_early(date) { 13 } else { 16 };
    let hours =
        (!is_closed(date)).then(|| (new_york_at(date, 9, 30), new_york_at(date, close_hour, 0)));
    Day { date, from, until, hours }
}

fn is_closed(day: Date) -> bool {
    let (weekday, year, dom) = (day.weekday(), day.year(), day.day());
    let is_nth =
        |wanted: Weekday, first: i8| weekday == wanted && (first..first + 7).contains(&dom);
    let holiday = match day.month() {
        // A New Year's Day on a Saturday is not made up for: the books of the year are closed.
        1 => {
            dom == 1
                || (dom == 2 && weekday == Weekday::Monday)
                || (year >= 1998 && is_nth(Weekday::Monday, 15))
        }
        2 => is_nth(Weekday::Monday, 15),
        3 | 4 => weekday == Weekday::Friday && is_good_friday(day),
        5 => is_nth(Weekday::Monday, 25),
        6 => year >= 2022 && is_observed(day, 19),
        7 => is_observed(day, 4),
        9 => is_nth(Weekday::Monday, 1),
        11 => is_nth(Weekday::Thursday, 22),
        12 => is_observed(day, 25),
        _ => false,
    };
    let weekend = matches!(weekday, Weekday::Saturday | Weekday::Sunday);
    weekend || holiday || CLOSURES.contains(&day)
}

/// Whether a holiday on `dom` of the day's month is kept on this weekday.
fn is_observed(day: Date, dom: i8) -> bool {
    day.day() == dom
        || (day.weekday() == Weekday::Friday && day.day() + 1 == dom)
        || (day.weekday() == Weekday::Monday && day.day() - 1 == dom)
}

/// Easter by the anonymous Gregorian computus (Meeus, Astronomical Algorithms, chapter 8), less two
/// days.
#[expect(clippy::many_single_char_names, reason = "the names of the published rule")]
fn is_good_friday(day: Date) -> bool {
    let year = i32::from(day.year());
    let (a, b, c) = (year % 19, year / 100, year % 100);
    let (d, e, f) = (b / 4, b % 4, (b + 8) / 25);
    let g = (b - f + 1) / 3;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    // Months and days of Easter count from the start of March.
    let easter = h + l - 7 * m + 22;
    let since_march = i32::from(day.day()) + if day.month() == 4 { 31 } else { 0 };
    since_march == easter - 2
}

/// Whether a session on this day ends at 13:00.
fn is_early(day: Date) -> bool {
    let after_thanksgiving = day.weekday() == Weekday::Friday && (23..=29).contains(&day.day());
    match (day.month(), day.day()) {
        (11, _) => after_thanksgiving,
        (12, 24) => true,
        (12, 26) => day.year() == 2003,
        // In 2002 the short day was the Friday after the holiday.
        (7, 3) => day.year() != 2002,
        (7, 5) => day.year() == 2002,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
