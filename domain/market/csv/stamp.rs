//! Times as data files write them, into milliseconds.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::fault::Fault;
use crate::time::Time;

/// A day in milliseconds.
pub(super) const DAY_MS: i64 = 86_400_000;
/// Midnight of 1900-01-01 and of 2200-01-01, UTC: times outside are misread, not old.
const PLAUSIBLE_MS: std::ops::Range<i64> = -2_208_988_800_000..7_258_118_400_000;

/// Reads a time; a date alone is its midnight in UTC, a time without an offset is UTC.
///
/// # Errors
/// When the field is empty or no time between 1900 and 2200.
pub(super) fn stamp(column: &'static str, field: &str) -> Result<Time, Fault> {
    if field.is_empty() {
        return Err(Fault::EmptyField { column });
    }
    let ms = plain(field.as_bytes()).or_else(|| integer(field)).or_else(|| general(field));
    let ms = ms.filter(|ms| PLAUSIBLE_MS.contains(ms));
    ms.map(Time::from_ms).ok_or_else(|| Fault::NotATime { column, value: Fault::cut(field) })
}

/// `2013-03-01` and `2013-03-01T21:00:00Z`, the two forms that large files have.
fn plain(text: &[u8]) -> Option<i64> {
    let number = |from: usize, to: usize| {
        text.get(from..to)?.iter().try_fold(0_i64, |sum, &byte| {
            byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0'))
        })
    };
    if text.len() != 10 && !(text.len() == 20 && text[19] == b'Z') {
        return None;
    }
    if text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let date =
        Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    let midnight = days_since_epoch(date.ok()?) * DAY_MS;
    if text.len() == 10 {
        return Some(midnight);
    }
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let marks = text[10] == b'T' && text[13] == b':' && text[16] == b':';
    let is_time = marks && hour < 24 && minute < 60 && second < 60;
    is_time.then_some(midnight + ((hour * 60 + minute) * 60 + second) * 1_000)
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar, by counting from the first of March
/// so that the leap day is a year's last.
fn days_since_epoch(date: Date) -> i64 {
    let (month, day) = (i64::from(date.month()), i64::from(date.day()));
    let year = i64::from(date.year()) - i64::from(month < 3);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year
        - 719_468
}

/// Seconds (9 or 10 digits) or milliseconds (12 or 13) since 1970. Eight digits would be read as
/// 1970 where `20130301` was meant, so they are no time.
fn integer(field: &str) -> Option<i64> {
    let number: i64 =
        field.bytes().all(|byte| byte.is_ascii_digit()).then(|| field.parse().ok())??;
    match field.len() {
        9 | 10 => Some(number * 1_000),
        12 | 13 => Some(number),
        _ => None,
    }
}

fn general(field: &str) -> Option<i64> {
    if let Ok(timestamp) = field.parse::<Timestamp>() {
        return Some(timestamp.as_millisecond());
    }
    let has_time = field.contains(':');
    let local: DateTime = field.parse().ok().filter(|_| has_time)?;
    Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_accepted_form_is_read_as_utc() {
        for (text, time) in [
            ("2013-03-01", "2013-03-01T00:00:00Z"),
            ("2013-03-01T21:00:00Z", "2013-03-01T21:00:00Z"),
            ("2013-03-01T16:00:00-05:00", "2013-03-01T21:00:00Z"),
            ("2013-03-01 21:00", "2013-03-01T21:00:00Z"),
            ("2013-03-01 21:00:30", "2013-03-01T21:00:30Z"),
            ("2013-03-01 16:00:00-05:00", "2013-03-01T21:00:00Z"),
            ("2013-03-01T21:00:00.250Z", "2013-03-01T21:00:00.25Z"),
            ("1362171600", "2013-03-01T21:00:00Z"),
            ("1362171600000", "2013-03-01T21:00:00Z"),
            ("2000-02-29", "2000-02-29T00:00:00Z"),
        ] {
            assert_eq!(stamp("timestamp", text).map(|time| time.to_string()), Ok(time.to_owned()));
        }
    }

    #[test]
    fn what_could_be_misread_is_no_time() {
        for text in [
            "20130301",
            "01/03/2013",
            "2013-13-01",
            "2013-02-29",
            "1",
            "-1",
            "NaN",
            "9999-12-31",
            "0001-01-01",
            "2013-03-01T25:00:00Z",
            "2013-03-01x21:00:00Z",
            "2013-03-01T21:00:00é",
            "99999999999999999999",
            "yesterday",
            "2013_03_01",
        ] {
            let error = stamp("timestamp", text).unwrap_err();
            assert!(matches!(error, Fault::NotATime { .. }), "{text}: {error}");
        }
        assert_eq!(stamp("timestamp", ""), Err(Fault::EmptyField { column: "timestamp" }));
    }

    proptest! {
        #[test]
        fn the_short_way_gives_what_the_library_gives(ms in PLAUSIBLE_MS) {
            let second = Time::from_ms(ms.div_euclid(1_000) * 1_000);
            let text = second.to_string();
            prop_assert_eq!(plain(text.as_bytes()), Some(second.ms()), "{}", text);
            let midnight = ms.div_euclid(DAY_MS) * DAY_MS;
            prop_assert_eq!(plain(&text.as_bytes()[..10]), Some(midnight), "{}", text);
        }
    }
}
