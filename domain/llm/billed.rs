//! An amount of money as a provider writes it.

use std::str::FromStr as _;

use rust_decimal::{Decimal, RoundingStrategy};

use crate::fixed::{DIGITS_MAX, Money};

/// Decimals that [`Money`] keeps.
const PLACES: u32 = 8;

/// The dollars in a decimal text such as `0.00236` or `5.4e-06`, exact and rounded up to what
/// [`Money`] keeps.
///
/// `None` for what is no amount, is negative or has more digits than can be read exactly: then nobody
/// knows what it was, and it is booked as all that was reserved.
pub fn billed(text: &str) -> Option<Money> {
    if text.bytes().filter(u8::is_ascii_digit).count() > DIGITS_MAX {
        return None;
    }
    let decimal = Decimal::from_str(text).or_else(|_| Decimal::from_scientific(text)).ok()?;
    if decimal.is_sign_negative() && !decimal.is_zero() {
        return None;
    }
    let up = decimal.round_dp_with_strategy(PLACES, RoundingStrategy::AwayFromZero);
    Money::from_decimal(up).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_exact_and_never_rounded_down() {
        for (text, raw) in [
            ("0.00236", 236_000),
            ("0", 0),
            ("1e-5", 1_000),
            ("5.4e-06", 540),
            ("0.000000001", 1),
            ("0.00014999999999999998", 15_000),
            ("12.3456789012", 1_234_567_891),
        ] {
            assert_eq!(billed(text), Some(Money::from_raw(raw)), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_unknown_and_never_zero() {
        let long = format!("0.{}1", "0".repeat(30));
        for text in ["", "free", "NaN", "inf", "-0.01", "1e400", "99999999999999", &long] {
            assert_eq!(billed(text), None, "{text}");
        }
    }
}
