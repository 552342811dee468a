//! Readers of other arenas' files: books of positions, series of prices, round trips.
//!
//! The texts are untrusted. A reader takes what it understands and lists the rest with its line;
//! nothing is guessed, repaired or read through a float. An object that names a key twice is no
//! object: the two could say different things to two readers. How much is read is bounded: lines by
//! [`LINES_MAX`], a line by [`LINE_MAX`], an object by a million entries, the list of what cannot be
//! read by [`UNREAD_MAX`].

pub mod merged;
mod object;
pub mod positions;
pub mod trades;

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time as Clock, time};
use serde::{Serialize, Serializer};

/// The most lines of a book, and round trips of a file.
pub const LINES_MAX: usize = 100_000;
/// The longest line, bytes: a symbol's whole series stands in one.
pub const LINE_MAX: usize = 32 << 20;
/// The most unreadable places that are listed; behind them only their number is known.
pub const UNREAD_MAX: usize = 200;

/// A date on a market's own clocks, with the time of day where one is stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// The day.
    pub date: Date,
    /// The time of day; a stamp of days has none.
    pub clock: Option<Clock>,
}

/// A text that is no stamp.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no date such as 2031-03-04 or 2031-03-04 09:30:00")]
pub struct StampError {
    text: String,
}

impl Stamp {
    /// A whole day.
    pub const fn day(date: Date) -> Self {
        Self { date, clock: None }
    }

    /// A moment.
    pub fn moment(at: DateTime) -> Self {
        Self { date: at.date(), clock: Some(at.time()) }
    }

    /// The moment itself, or the day's at `clock`.
    pub fn at_or(self, clock: Clock) -> DateTime {
        self.date.to_datetime(self.clock.unwrap_or(clock))
    }

    /// The last stamp that is not after this one: of a day, its last moment.
    #[must_use]
    pub fn end(self) -> Self {
        let last = self.clock.unwrap_or(Clock::MAX);
        Self { date: self.date, clock: Some(last) }
    }
}

impl FromStr for Stamp {
    type Err = StampError;

    /// Reads `2031-03-04`, or with a time behind a space whose hour may lack its zero.
    fn from_str(text: &str) -> Result<Self, StampError> {
        let error = || StampError { text: text.chars().take(40).collect() };
        let (day, clock) = match text.split_once(' ') {
            Some((day, clock)) => (day, Some(clock)),
            None => (text, None),
        };
        let [year, month, day] = parts(day, '-', [4, 2, 2]).ok_or_else(error)?;
        let number = |value: i16| i8::try_from(value).map_err(|_| error());
        let date = Date::new(year, number(month)?, number(day)?).map_err(|_| error())?;
        let Some(clock) = clock else { return Ok(Self::day(date)) };
        let padded = if clock.len() == 7 { format!("0{clock}") } else { clock.to_owned() };
        let [hour, minute, second] = parts(&padded, ':', [2, 2, 2]).ok_or_else(error)?;
        let clock = Clock::new(number(hour)?, number(minute)?, number(second)?, 0);
        Ok(Self { date, clock: Some(clock.map_err(|_| error())?) })
    }
}

/// Three numbers of exactly these widths.
fn parts(text: &str, between: char, widths: [usize; 3]) -> Option<[i16; 3]> {
    let mut pieces = text.split(between);
    let mut numbers = [0; 3];
    for (number, width) in numbers.iter_mut().zip(widths) {
        let piece = pieces.next()?;
        let is_number = piece.len() == width && piece.bytes().all(|byte| byte.is_ascii_digit());
        *number = piece.parse().ok().filter(|_| is_number)?;
    }
    pieces.next().is_none().then_some(numbers)
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.clock {
            None => write!(f, "{}", self.date),
            Some(clock) => {
                let (hour, minute, second) = (clock.hour(), clock.minute(), clock.second());
                write!(f, "{} {hour:02}:{minute:02}:{second:02}", self.date)
            }
        }
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The opening of a market by hours, for stamps that name no time.
pub(super) const OPENING: Clock = time(9, 30, 0, 0);

/// A place that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The line in its file, from one; of a document that is one, the entry's number.
    pub line: usize,
    /// Why.
    pub why: String,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

/// What of a file could not be read: the first [`UNREAD_MAX`] places, and how many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// The first places, in the file's order.
    pub listed: Vec<Unread>,
    /// All of them.
    pub total: usize,
}

impl Skipped {
    fn note(&mut self, line: usize, why: String) {
        self.total += 1;
        if self.listed.len() < UNREAD_MAX {
            self.listed.push(Unread { line, why });
        }
    }
}

/// The lines of a text that hold anything, with their numbers; a line that is too long is only noted.
fn lines<'a>(
    text: &'a str,
    skipped: &mut Skipped,
    mut read: impl FnMut(&'a str, usize, &mut Skipped),
) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut count = 0;
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        count += 1;
        if count > LINES_MAX {
            return skipped
                .note(index + 1, format!("more than {LINES_MAX} lines; the rest is left"));
        }
        if line.len() > LINE_MAX {
            skipped.note(index + 1, format!("longer than {LINE_MAX} bytes"));
        } else {
            read(line, index + 1, skipped);
        }
    }
}

/// The part of a foreign text that a message shows, without what would move a terminal.
pub(super) fn shown(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(40).collect()
}
