//! Fixed-point prices, money, quantities and volumes: integers with a scale, never floats.
//!
//! Prices and money are `i64` at 1e-8, quantities `i64` at 1e-9, volumes `i64` at 1e-4. Products go
//! through `i128` and round half to even; fees round up; an overflow is an error, never a wrap.
//! Text is parsed through `rust_decimal`, so `0.1` is exactly one tenth.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use rust_decimal::prelude::{FromPrimitive, ToPrimitive};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Why a fixed-point number could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FixedError {
    /// The text is no decimal number.
    #[error("`{text}` is not a decimal number")]
    Unreadable {
        /// The offending text, cut to 40 characters.
        text: String,
    },
    /// The text has more digits than can be read exactly; rounding them away would be silent.
    #[error("`{text}` has {digits} significant digits, over the bound of {DIGITS_MAX}")]
    TooManyDigits {
        /// The offending text, cut to 40 characters.
        text: String,
        /// Its digits from the first that is not zero.
        digits: usize,
    },
    /// The number, or the result of an operation, lies outside the representable range.
    #[error("{what} is outside the range of {unit}")]
    OutOfRange {
        /// The number or the operation.
        what: String,
        /// The type that cannot hold it.
        unit: &'static str,
    },
}

impl FixedError {
    pub(crate) fn range(what: impl fmt::Display, unit: &'static str) -> Self {
        Self::OutOfRange { what: what.to_string().chars().take(60).collect(), unit }
    }
}

/// The most significant digits of a decimal text; a float needs 17 at most.
pub const DIGITS_MAX: usize = 28;

/// Digits of a decimal text from the first that is not zero, without those of its exponent.
fn significant_digits(text: &str) -> usize {
    let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
    let digits = mantissa.bytes().filter(u8::is_ascii_digit);
    digits.skip_while(|&byte| byte == b'0').count()
}

/// Divides and rounds half to even. `divisor` must be positive.
pub(crate) fn div_half_even(value: i128, divisor: i128) -> i128 {
    let quotient = value.div_euclid(divisor);
    let twice = value.rem_euclid(divisor) * 2;
    if twice > divisor || (twice == divisor && quotient % 2 != 0) { quotient + 1 } else { quotient }
}

/// Divides and rounds towards plus infinity. `divisor` must be positive.
fn div_up(value: i128, divisor: i128) -> i128 {
    let quotient = value.div_euclid(divisor);
    if value.rem_euclid(divisor) == 0 { quotient } else { quotient + 1 }
}

/// What is wrong with a text that the decimal parser did not take: too long a number, or no number.
fn unparsed(text: &str, unit: &'static str) -> FixedError {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && digits.bytes().any(|byte| byte.is_ascii_digit())
        && digits.matches('.').count() <= 1;
    if is_number {
        FixedError::range(text, unit)
    } else {
        FixedError::Unreadable { text: cut(text) }
    }
}

/// The part of a text that a message shows.
fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}

macro_rules! fixed {
    ($(#[$doc:meta])* $name:ident, $places:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// Zero.
            pub const ZERO: Self = Self(0);
            /// One whole unit, as raw steps.
            pub const SCALE: i64 = 10_i64.pow($places);

            /// From raw steps of the scale.
            pub const fn from_raw(raw: i64) -> Self {
                Self(raw)
            }

            /// From whole units.
            ///
            /// # Errors
            /// When the number is outside the range.
            pub fn from_units(units: i64) -> Result<Self, FixedError> {
                let raw = units.checked_mul(Self::SCALE);
                raw.map(Self).ok_or_else(|| FixedError::range(units, stringify!($name)))
            }

            /// The raw steps of the scale.
            pub const fn raw(self) -> i64 {
                self.0
            }

            /// Nearest number to a float, half to even on the decimal expansion.
            ///
            /// # Errors
            /// When the float is not finite or outside the range.
            pub fn from_f64(value: f64) -> Result<Self, FixedError> {
                let out = || FixedError::range(value, stringify!($name));
                let decimal = Decimal::from_f64(value).ok_or_else(out)?;
                Self::from_decimal(decimal)
            }

            /// The nearest float: for statistics and display, never for bookkeeping.
            #[expect(clippy::cast_precision_loss, reason = "statistics tolerate 2^-53")]
            pub fn to_f64(self) -> f64 {
                self.0 as f64 / Self::SCALE as f64
            }

            /// From a decimal, rounded half to even to the scale.
            ///
            /// # Errors
            /// When the number is outside the range.
            pub fn from_decimal(decimal: Decimal) -> Result<Self, FixedError> {
                let out = || FixedError::range(decimal, stringify!($name));
                let rounded = decimal.round_dp($places);
                let scaled = rounded.checked_mul(Decimal::from(Self::SCALE)).ok_or_else(out)?;
                scaled.to_i64().map(Self).ok_or_else(out)
            }

            /// The exact decimal.
            pub fn to_decimal(self) -> Decimal {
                Decimal::new(self.0, $places)
            }

            /// Sum.
            ///
            /// # Errors
            /// On overflow.
            pub fn plus(self, other: Self) -> Result<Self, FixedError> {
                let sum = self.0.checked_add(other.0);
                sum.map(Self).ok_or_else(|| FixedError::range("the sum", stringify!($name)))
            }

            /// Difference.
            ///
            /// # Errors
            /// On overflow.
            pub fn minus(self, other: Self) -> Result<Self, FixedError> {
                let difference = self.0.checked_sub(other.0);
                difference
                    .map(Self)
                    .ok_or_else(|| FixedError::range("the difference", stringify!($name)))
            }

            /// The same size with the other sign.
            #[must_use]
            pub const fn negated(self) -> Self {
                Self(-self.0)
            }

            /// The size without its sign.
            #[must_use]
            pub const fn abs(self) -> Self {
                Self(self.0.abs())
            }

            /// Whether this is zero.
            pub const fn is_zero(self) -> bool {
                self.0 == 0
            }

            /// Times a finite factor, rounded half to even.
            ///
            /// # Errors
            /// When the result is outside the range.
            pub fn scaled(self, factor: crate::ratio::Ratio) -> Result<Self, FixedError> {
                #[expect(clippy::cast_precision_loss, reason = "a factor is a float by nature")]
                let product = (self.0 as f64 * factor.get()).round_ties_even();
                #[expect(clippy::cast_precision_loss, reason = "only the range is compared")]
                if product.abs() >= i64::MAX as f64 {
                    return Err(FixedError::range("the product", stringify!($name)));
                }
                #[expect(clippy::cast_possible_truncation, reason = "checked just above")]
                Ok(Self(product as i64))
            }
        }

        impl FromStr for $name {
            type Err = FixedError;

            fn from_str(text: &str) -> Result<Self, FixedError> {
                let decimal = Decimal::from_str(text)
                    .or_else(|_| Decimal::from_scientific(text))
                    .map_err(|_| unparsed(text, stringify!($name)))?;
                let number = Self::from_decimal(decimal)?;
                match significant_digits(text) {
                    0..=DIGITS_MAX => Ok(number),
                    digits => Err(FixedError::TooManyDigits { text: cut(text), digits }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let decimal = self.to_decimal();
                match f.precision() {
                    Some(places) => {
                        let places = u32::try_from(places).unwrap_or(u32::MAX);
                        let shown = decimal.round_dp(places.min($places));
                        fmt::Display::fmt(&shown, f)
                    }
                    None => fmt::Display::fmt(&decimal.normalize(), f),
                }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.to_decimal().normalize())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_i64(self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                    text.parse().map_err(de::Error::custom)
                } else {
                    i64::deserialize(deserializer).map(Self)
                }
            }
        }
    };
}

fixed!(
    /// A price of one unit in the account's currency, at 1e-8.
    Price,
    8
);
fixed!(
    /// An amount of the account's currency, at 1e-8; negative is owed.
    Money,
    8
);
fixed!(
    /// A quantity of shares or coins, at 1e-9; negative is short.
    Qty,
    9
);
fixed!(
    /// A traded volume in shares or coins, at 1e-4.
    Volume,
    4
);

/// Price times quantity, rounded half to even; the sign is the quantity's.
///
/// # Errors
/// On overflow of [`Money`].
pub fn notional(price: Price, qty: Qty) -> Result<Money, FixedError> {
    // Whole units need no wide division, which is most of what a ledger costs per bar.
    if qty.raw() % Qty::SCALE == 0
        && let Some(raw) = price.raw().checked_mul(qty.raw() / Qty::SCALE)
    {
        return Ok(Money::from_raw(raw));
    }
    let product = i128::from(price.raw()) * i128::from(qty.raw());
    let money = div_half_even(product, i128::from(Qty::SCALE));
    let raw = i64::try_from(money).map_err(|_| FixedError::range("price × quantity", "Money"))?;
    Ok(Money::from_raw(raw))
}

/// The whole units that `money` buys at `price`, towards zero; zero when the price is not positive.
pub fn whole_units(money: Money, price: Price) -> i64 {
    if price.raw() <= 0 { 0 } else { money.raw() / price.raw() }
}

/// Basis points: 1 bp is 0.01 %. Fees and slippage are stated in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bp(
    /// Whole hundredths of a basis point, so that 2.5 bp is exact.
    u32,
);

impl Bp {
    /// None at all.
    pub const ZERO: Self = Self(0);

    /// From whole basis points.
    pub const fn whole(bp: u32) -> Self {
        Self(bp * 100)
    }

    /// From hundredths of a basis point.
    pub const fn hundredths(hundredths: u32) -> Self {
        Self(hundredths)
    }

    /// Hundredths of a basis point.
    pub const fn as_hundredths(self) -> u32 {
        self.0
    }

    /// This share of an amount's size, rounded up: how fees are charged.
    ///
    /// # Errors
    /// On overflow of [`Money`].
    pub fn fee_on(self, amount: Money) -> Result<Money, FixedError> {
        let product = i128::from(amount.raw()).abs() * i128::from(self.0);
        let raw = i64::try_from(div_up(product, 1_000_000));
        raw.map(Money::from_raw).map_err(|_| FixedError::range("the fee", "Money"))
    }

    /// A price moved up by this share (`up`) or down: how slippage is applied. Rounded half to even.
    ///
    /// # Errors
    /// On overflow of [`Price`].
    pub fn move_price(self, price: Price, up: bool) -> Result<Price, FixedError> {
        let share =
            if up { 1_000_000 + i128::from(self.0) } else { 1_000_000 - i128::from(self.0) };
        let product = i128::from(price.raw()) * share;
        let raw = i64::try_from(div_half_even(product, 1_000_000));
        raw.map(Price::from_raw).map_err(|_| FixedError::range("the moved price", "Price"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_exactly_and_printed_back() {
        for (text, raw) in
            [("0.1", 10_000_000), ("130.31", 13_031_000_000), ("-2.5e1", -2_500_000_000)]
        {
            assert_eq!(text.parse::<Price>().unwrap().raw(), raw, "{text}");
        }
        assert_eq!("130.3100".parse::<Price>().unwrap().to_string(), "130.31");
        assert_eq!("1".parse::<Qty>().unwrap().raw(), 1_000_000_000);
    }

    #[test]
    fn what_is_no_number_or_too_large_is_an_error_that_names_it() {
        for text in ["", "NaN", "inf", "12,5", "0x10", "1e400"] {
            assert!(text.parse::<Price>().is_err(), "{text}");
        }
        let error = "123456789012345678901234567890".parse::<Price>().unwrap_err();
        assert!(error.to_string().contains("outside the range"), "{error}");
        for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e30] {
            assert!(Money::from_f64(float).is_err(), "{float}");
        }
    }

    #[test]
    fn products_round_half_to_even_and_fees_round_up() {
        assert_eq!(div_half_even(5, 2), 2);
        assert_eq!(div_half_even(7, 2), 4);
        assert_eq!(div_half_even(-5, 2), -2);
        assert_eq!(div_half_even(-7, 2), -4);
        let tiny = Money::from_raw(1);
        assert_eq!(Bp::whole(1).fee_on(tiny).unwrap(), tiny);
        let price: Price = "100".parse().unwrap();
        assert_eq!(notional(price, Qty::from_units(-3).unwrap()).unwrap().to_string(), "-300");
    }

    #[test]
    fn an_overflow_is_an_error() {
        let huge = Price::from_raw(i64::MAX);
        assert!(notional(huge, Qty::from_units(1_000).unwrap()).is_err());
        assert!(Money::from_raw(i64::MAX).plus(Money::from_raw(1)).is_err());
    }
}
