//! Decimal text into raw fixed-point steps: a short way for plain decimals, the exact parser of
//! [`crate::fixed`] for everything else.

use std::str::FromStr;

use crate::fixed::{FixedError, Price, Volume};

use super::fault::Fault;

/// A price.
///
/// # Errors
/// When the field is empty, no decimal number, or out of range.
pub(super) fn price(column: &'static str, field: &str) -> Result<Price, Fault> {
    match plain(field.as_bytes(), 8) {
        Some(raw) => Ok(Price::from_raw(raw)),
        None => exact(column, field, i64::MAX / Price::SCALE),
    }
}

/// A volume.
///
/// # Errors
/// As [`price`].
pub(super) fn volume(column: &'static str, field: &str) -> Result<Volume, Fault> {
    match plain(field.as_bytes(), 4) {
        Some(raw) => Ok(Volume::from_raw(raw)),
        None => exact(column, field, i64::MAX / Volume::SCALE),
    }
}

fn exact<T: FromStr<Err = FixedError>>(
    column: &'static str,
    field: &str,
    bound: i64,
) -> Result<T, Fault> {
    let value = || Fault::cut(field);
    if field.is_empty() {
        return Err(Fault::EmptyField { column });
    }
    // The decimal parser takes `1_000`; in a file of figures an underscore is a slip.
    if field.contains('_') {
        return Err(Fault::NotANumber { column, value: value() });
    }
    let is_finite = || field.parse::<f64>().is_ok_and(f64::is_finite);
    field.parse().map_err(|error| match error {
        FixedError::TooManyDigits { digits, .. } => {
            Fault::TooManyDigits { column, value: value(), digits }
        }
        FixedError::Unreadable { .. } if !is_finite() => {
            Fault::NotANumber { column, value: value() }
        }
        // A power of ten beyond the decimal parser's reach is a number all the same.
        FixedError::Unreadable { .. } | FixedError::OutOfRange { .. } => {
            Fault::OutOfRange { column, value: value(), bound }
        }
    })
}

/// `12`, `-12.5` and their like with at most 18 digits after scaling; `None` means "ask the exact
/// parser", not "wrong".
fn plain(text: &[u8], places: usize) -> Option<i64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, text),
    };
    let mut raw: i64 = 0;
    let (mut whole, mut fraction) = (0, None);
    for &byte in digits {
        match byte {
            b'0'..=b'9' => {
                raw = raw.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?;
                match &mut fraction {
                    Some(count) => *count += 1,
                    None => whole += 1,
                }
            }
            b'.' if fraction.is_none() => fraction = Some(0),
            _ => return None,
        }
    }
    let missing = places.checked_sub(fraction.unwrap_or(0))?;
    // A lone point, and forms such as `.5` and `5.`, are for the exact parser to judge.
    if whole == 0 || fraction == Some(0) {
        return None;
    }
    let raw = raw.checked_mul(10_i64.checked_pow(u32::try_from(missing).ok()?)?)?;
    Some(if negative { -raw } else { raw })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_plain_decimal_is_left_to_the_exact_parser() {
        for text in ["", "-", ".", ".5", "5.", "1e3", "+1", "1_0", "NaN", "1.123456789", "0x1"] {
            assert_eq!(plain(text.as_bytes(), 8), None, "{text}");
        }
        assert_eq!(plain(b"92233720368.54775807", 8), Some(i64::MAX));
        assert_eq!(plain(b"92233720368.54775808", 8), None);
    }

    #[test]
    fn a_fault_names_the_column_the_value_and_the_bound() {
        for (field, expected) in [
            ("", "column `close` is empty: give a value or drop the line"),
            ("NaN", "column `close`: `NaN` is not a decimal number such as 130.31"),
            ("1_000", "column `close`: `1_000` is not a decimal number such as 130.31"),
            ("inf", "column `close`: `inf` is not a decimal number such as 130.31"),
            ("12,5", "column `close`: `12,5` is not a decimal number such as 130.31"),
            (
                "123456789012345678901234567890",
                "column `close`: `123456789012345678901234567890` is out of range: its size must be \
                 below 92233720368",
            ),
            (
                "10.0000000000000000000000000001",
                "column `close`: `10.0000000000000000000000000001` has 30 significant digits, over the \
                 bound of 28",
            ),
            ("1e73", "column `close`: `1e73` is out of range: its size must be below 92233720368"),
        ] {
            assert_eq!(price("close", field).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn what_a_float_prints_is_taken_and_leading_zeros_are_no_digits() {
        for field in ["0.30000000000000004", "130.30999755859375", "1.7976931348623157e2"] {
            assert!(price("close", field).is_ok(), "{field}");
        }
        let tiny = format!("0.{}1", "0".repeat(27));
        assert_eq!(volume("volume", &tiny), Ok(Volume::from_raw(0)));
        let long = format!("1.{}", "0".repeat(27));
        assert!(price("close", &long).is_ok(), "{long}");
        assert!(price("close", &format!("{long}0")).is_err(), "{long}0");
    }

    proptest! {
        #[test]
        fn the_short_way_gives_what_the_exact_parser_gives(text in "-?[0-9]{1,13}(\\.[0-9]{1,10})?") {
            if let Some(raw) = plain(text.as_bytes(), 8) {
                prop_assert_eq!(text.parse::<Price>().map(Price::raw), Ok(raw));
            }
            if let Some(raw) = plain(text.as_bytes(), 4) {
                prop_assert_eq!(text.parse::<Volume>().map(Volume::raw), Ok(raw));
            }
        }
    }
}
