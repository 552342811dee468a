//! Points in time as data: market time and record time, never "now".

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time, in whole milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

/// A text that is no RFC 3339 time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an RFC 3339 time such as 2013-03-01T21:00:00Z")]
pub struct TimeError {
    text: String,
}

impl Time {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// From milliseconds since the epoch.
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the epoch.
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// How long it is since `earlier`; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Whole days since 1970-01-01 in UTC, for grouping by date.
    pub const fn utc_day(self) -> i64 {
        self.0.div_euclid(86_400_000)
    }

    /// The time to the second in UTC, as it stands in names: `20130301T210000`.
    pub fn compact(self) -> String {
        let mut text = String::with_capacity(15);
        self.push_compact(&mut text);
        text
    }

    /// Appends [`Time::compact`].
    pub fn push_compact(self, text: &mut String) {
        // The years 1000 to 9999 have four digits; the rest of time is the library's.
        if !(-30_610_224_000_000..253_402_300_800_000).contains(&self.0) {
            text.push_str(&self.timestamp().strftime("%Y%m%dT%H%M%S").to_string());
            return;
        }
        let seconds = self.0.div_euclid(1_000);
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // Days to a civil date in the Gregorian calendar, in eras of 400 years that begin in March
        // (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
        let shifted = days + 719_468;
        let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        for (number, digits) in [(year, 4), (month, 2), (day, 2)] {
            push_digits(text, number, digits);
        }
        text.push('T');
        for number in [second / 3_600, second / 60 % 60, second % 60] {
            push_digits(text, number, 2);
        }
    }

    /// As a calendar library's time stamp; times beyond its range (the year 9999) are its ends.
    pub fn timestamp(self) -> Timestamp {
        let end = if self.0 < 0 { Timestamp::MIN } else { Timestamp::MAX };
        Timestamp::from_millisecond(self.0).unwrap_or(end)
    }
}

/// Appends the last decimal digits of a number that is not negative.
fn push_digits(text: &mut String, number: i64, digits: u32) {
    for place in (0..digits).rev() {
        let digit = number / 10_i64.pow(place) % 10;
        text.push(char::from(b'0' + u8::try_from(digit).unwrap_or(0)));
    }
}

impl From<Timestamp> for Time {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp.as_millisecond())
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(ms))
    }
}

impl Sub<Duration> for Time {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(ms))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.timestamp(), f)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Time {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let timestamp: Result<Timestamp, _> = text.parse();
        timestamp.map(Self::from).map_err(|_| TimeError { text: text.chars().take(40).collect() })
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
            text.parse().map_err(de::Error::custom)
        } else {
            i64::deserialize(deserializer).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_rfc_3339_and_read_back() {
        let time: Time = "2013-03-01T21:00:00Z".parse().unwrap();
        assert_eq!(time.ms(), 1_362_171_600_000);
        assert_eq!(time.to_string(), "2013-03-01T21:00:00Z");
        assert!("yesterday".parse::<Time>().is_err());
    }

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        let last = Time::from_ms(i64::MAX);
        assert_eq!(last + Duration::from_secs(1), last);
        assert_eq!(Time::EPOCH.since(last), Duration::ZERO);
    }

    #[test]
    fn the_compact_form_is_the_librarys() {
        let mut ms = -40_000_000_000_000_i64;
        while ms < 260_000_000_000_000 {
            let time = Time::from_ms(ms);
            let expected = time.timestamp().strftime("%Y%m%dT%H%M%S").to_string();
            assert_eq!(time.compact(), expected, "{ms}");
            ms += 86_399_999 * 97;
        }
        let leap: Time = "2000-02-29T23:59:59Z".parse().unwrap();
        assert_eq!(leap.compact(), "20000229T235959");
    }
}
