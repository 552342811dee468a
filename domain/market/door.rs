//! The bar door: checks every bar before anything else sees it, and names what is wrong.
//!
//! A bar that cannot be true is refused; one that is only strange (a jump like a split's, a gap, a
//! day on which the market was closed) is admitted with a warning. Nothing is repaired or invented.

use jiff::civil::Date;

use super::bar::{Bar, Timeframe};
use super::calendar::{Calendar, SessionCursor};
use super::symbol::AssetClass;
use crate::fixed::{Price, Volume};
use crate::time::Time;

/// The highest price of one unit that is believed: ten million.
pub const PRICE_MAX: Price = Price::from_raw(10_000_000 * Price::SCALE);

/// Why a bar was refused. `at` is the bar's opening time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BarError {
    /// A price of zero or less.
    #[error("the bar of {at} has {column} {value}: a price must be above zero")]
    NotPositive {
        /// Opening time.
        at: Time,
        /// The price's column.
        column: &'static str,
        /// The price.
        value: Price,
    },
    /// A price that nobody would believe.
    #[error("the bar of {at} has {column} {value}: above the plausible {PRICE_MAX}")]
    Implausible {
        /// Opening time.
        at: Time,
        /// The price's column.
        column: &'static str,
        /// The price.
        value: Price,
    },
    /// The high is below another price.
    #[error("the bar of {at} has high {high} below {column} {value}")]
    HighTooLow {
        /// Opening time.
        at: Time,
        /// The high.
        high: Price,
        /// The price that is above it.
        column: &'static str,
        /// Its value.
        value: Price,
    },
    /// The low is above another price.
    #[error("the bar of {at} has low {low} above {column} {value}")]
    LowTooHigh {
        /// Opening time.
        at: Time,
        /// The low.
        low: Price,
        /// The price that is below it.
        column: &'static str,
        /// Its value.
        value: Price,
    },
    /// A volume below zero.
    #[error("the bar of {at} has volume {volume}: it must be zero or more")]
    NegativeVolume {
        /// Opening time.
        at: Time,
        /// The volume.
        volume: Volume,
    },
    /// The interval ends before it begins, or has no length.
    #[error("the bar of {at} closes at {close}: it must close after it opens")]
    NoLength {
        /// Opening time.
        at: Time,
        /// Closing time.
        close: Time,
    },
    /// The same time twice.
    #[error("the bar of {at} is there already: times must increase")]
    Duplicate {
        /// Opening time.
        at: Time,
    },
    /// A time before the former bar's, or within it.
    #[error("the bar of {at} comes after the one of {last}: times must increase")]
    GoesBack {
        /// Opening time.
        at: Time,
        /// The former bar's opening time.
        last: Time,
    },
}

/// What is strange about a bar that was admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The close moved by more than a quarter: a split that is not in the table, or a crash.
    Jump {
        /// Opening time.
        at: Time,
        /// The former close.
        from: Price,
        /// This close.
        to: Price,
    },
    /// Bars are missing inside the calendar.
    Gap {
        /// The former bar's close.
        after: Time,
        /// This bar's opening.
        before: Time,
        /// How many bars were expected between.
        missing: u32,
    },
    /// A bar on a day on which the market was closed.
    OffCalendar {
        /// Opening time.
        at: Time,
        /// The day at the market.
        day: Date,
    },
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Jump { at, from, to } => {
                let change = (to.to_f64() / from.to_f64() - 1.0) * 100.0;
                write!(f, "split? {at}: the close went from {from} to {to} ({change:+.1} %)")
            }
            Self::Gap { after, before, missing } => {
                write!(f, "gap: {missing} bars are missing between {after} and {before}")
            }
            Self::OffCalendar { at, day } => {
                write!(
                    f,
                    "off calendar: the market was closed on {day}, yet there is a bar of {at}"
                )
            }
        }
    }
}

/// Checks the bars of one symbol as they come.
#[derive(Clone, Debug)]
pub struct Door {
    cursor: SessionCursor,
    timeframe: Timeframe,
    last: Option<Bar>,
}

impl Door {
    /// A door that has seen no bar.
    pub fn new(class: AssetClass, timeframe: Timeframe) -> Self {
        Self { cursor: SessionCursor::new(Calendar::of(class)), timeframe, last: None }
    }

    /// The last bar that was admitted.
    pub const fn last(&self) -> Option<&Bar> {
        self.last.as_ref()
    }

    /// Admits a bar, with what is strange about it. A refused bar leaves no trace.
    ///
    /// # Errors
    /// When the bar cannot be true.
    pub fn admit(&mut self, bar: &Bar) -> Result<Vec<Warning>, BarError> {
        check(bar)?;
        let mut warnings = Vec::new();
        if let Some(last) = self.last {
            let at = bar.open_time;
            if at == last.open_time {
                return Err(BarError::Duplicate { at });
            }
            if at < last.close_time {
                return Err(BarError::GoesBack { at, last: last.open_time });
            }
            let (from, to) = (last.close, bar.close);
            if i128::from((to.raw() - from.raw()).abs()) * 4 > i128::from(from.raw()) {
                warnings.push(Warning::Jump { at, from, to });
            }
            if at != last.close_time {
                let missing = self.missing(&last, bar);
                if missing > 0 {
                    warnings.push(Warning::Gap { after: last.close_time, before: at, missing });
                }
            }
        }
        let day = self.cursor.session_date(bar.open_time);
        if self.cursor.open_close(bar.open_time).is_none()
            && day >= Calendar::EXACT_FROM
            && self.timeframe != Timeframe::Week
        {
            warnings.push(Warning::OffCalendar { at: bar.open_time, day });
        }
        self.last = Some(*bar);
        Ok(warnings)
    }

    /// Bars that the calendar expects between two bars. Weeks are counted by length alone.
    fn missing(&mut self, last: &Bar, bar: &Bar) -> u32 {
        let calendar = self.cursor.calendar();
        let length_ms = i64::try_from(self.timeframe.length().as_millis()).unwrap_or(i64::MAX);
        let count = |ms: i64| u32::try_from(ms / length_ms).unwrap_or(0);
        if self.timeframe == Timeframe::Week {
            // A week's bar may be stamped on any of its days, so a few days are no gap.
            let apart_ms = bar.open_time.ms() - last.open_time.ms();
            return count(apart_ms + length_ms / 2).saturating_sub(1);
        }
        let (from, to) =
            (calendar.session_date(last.open_time), calendar.session_date(bar.open_time));
        if from < Calendar::EXACT_FROM {
            return 0;
        }
        if self.timeframe == Timeframe::Day {
            return calendar.sessions_between(from, to);
        }
        let mut day = Some(from);
        let mut open_ms = 0;
        while let Some(today) = day.filter(|&today| today <= to) {
            if let Some((open, close)) = calendar.open_close(today) {
                let (start, end) = (open.max(last.close_time), close.min(bar.open_time));
                open_ms += (end.ms() - start.ms()).max(0);
            }
            day = calendar.next_session(today);
        }
        count(open_ms)
    }
}

/// What can be said of a bar alone.
fn check(bar: &Bar) -> Result<(), BarError> {
    let at = bar.open_time;
    let prices = [("open", bar.open), ("high", bar.high), ("low", bar.low), ("close", bar.close)];
    for (column, value) in prices {
        if value <= Price::ZERO {
            return Err(BarError::NotPositive { at, column, value });
        }
        if value > PRICE_MAX {
            return Err(BarError::Implausible { at, column, value });
        }
    }
    for (column, value) in prices {
        if value > bar.high {
            return Err(BarError::HighTooLow { at, high: bar.high, column, value });
        }
        if value < bar.low {
            return Err(BarError::LowTooHigh { at, low: bar.low, column, value });
        }
    }
    if bar.volume < Volume::ZERO {
        return Err(BarError::NegativeVolume { at, volume: bar.volume });
    }
    if bar.close_time <= at {
        return Err(BarError::NoLength { at, close: bar.close_time });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
