//! Numbers and times on the wire: decimal text in strings on the trading side, JSON numbers whose
//! text is read on the data side, times to the nanosecond.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::value::RawValue;

use crate::fixed::{FixedError, Money, Price, Qty, Volume};
use crate::time::Time;

/// The longest text of a number that is read, bytes.
const TEXT_MAX: usize = 64;

/// A decimal number exactly as it was written, up to 28 digits: what a request asks for, before
/// anybody decides whether it has too many places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Figure(Decimal);

impl Figure {
    /// From a decimal.
    pub const fn new(decimal: Decimal) -> Self {
        Self(decimal)
    }

    /// The decimal.
    pub const fn decimal(self) -> Decimal {
        self.0
    }

    /// Places after the point that are not zeros.
    pub fn places(self) -> u32 {
        self.0.normalize().scale()
    }

    /// Whether it is above zero.
    pub fn is_positive(self) -> bool {
        self.0 > Decimal::ZERO
    }

    /// Whether it is a whole number.
    pub fn is_whole(self) -> bool {
        self.places() == 0
    }

    /// As a price, rounded half to even to 1e-8.
    ///
    /// # Errors
    /// When it is out of range.
    pub fn price(self) -> Result<Price, FixedError> {
        Price::from_decimal(self.0)
    }

    /// As a quantity, rounded half to even to 1e-9.
    ///
    /// # Errors
    /// When it is out of range.
    pub fn qty(self) -> Result<Qty, FixedError> {
        Qty::from_decimal(self.0)
    }

    /// As money, rounded half to even to 1e-8.
    ///
    /// # Errors
    /// When it is out of range.
    pub fn money(self) -> Result<Money, FixedError> {
        Money::from_decimal(self.0)
    }
}

impl From<Price> for Figure {
    fn from(price: Price) -> Self {
        Self(price.to_decimal())
    }
}

impl From<Qty> for Figure {
    fn from(qty: Qty) -> Self {
        Self(qty.to_decimal())
    }
}

impl From<Money> for Figure {
    fn from(money: Money) -> Self {
        Self(money.to_decimal())
    }
}

impl FromStr for Figure {
    type Err = FixedError;

    fn from_str(text: &str) -> Result<Self, FixedError> {
        let exact = Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text));
        let unreadable = || FixedError::Unreadable { text: text.chars().take(40).collect() };
        exact.map(Self).map_err(|_| unreadable())
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.normalize(), f)
    }
}

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize(deserializer)
    }
}

/// A point in time to the nanosecond, in RFC 3339. Market time keeps milliseconds; cursors of pages
/// must not lose the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(Timestamp);

impl Stamp {
    /// Market time, to the millisecond before it.
    pub fn time(self) -> Time {
        let ns = self.0.as_nanosecond().div_euclid(1_000_000);
        Time::from_ms(i64::try_from(ns).unwrap_or(i64::MAX))
    }

    /// The time stamp.
    pub const fn timestamp(self) -> Timestamp {
        self.0
    }
}

impl From<Time> for Stamp {
    fn from(time: Time) -> Self {
        Self(time.timestamp())
    }
}

impl From<Timestamp> for Stamp {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp)
    }
}

impl FromStr for Stamp {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        text.parse().map(Self)
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(|_| {
            let shown: String = text.chars().take(40).collect();
            de::Error::custom(format!("`{shown}` is not an RFC 3339 time"))
        })
    }
}

/// What can be read from, and written as, decimal text.
pub trait Numeral: Sized + fmt::Display {
    /// Reads a decimal; more places than the type has are rounded half to even.
    ///
    /// # Errors
    /// When the text is no number, or out of range.
    fn read(text: &str) -> Result<Self, FixedError>;
}

impl Numeral for Figure {
    fn read(text: &str) -> Result<Self, FixedError> {
        text.parse()
    }
}

macro_rules! numeral {
    ($($name:ident),*) => {$(
        impl Numeral for $name {
            /// Averages and fees come with more digits than any figure of ours has; they are rounded.
            fn read(text: &str) -> Result<Self, FixedError> {
                let decimal = Decimal::from_str(text).or_else(|_| Decimal::from_scientific(text));
                let number = match decimal {
                    Ok(decimal) => Self::from_decimal(decimal)?,
                    Err(_) => text.parse()?,
                };
                // The lowest number has no size: whoever asks for it would overflow.
                if number.raw() == i64::MIN {
                    let what = text.chars().take(40).collect();
                    return Err(FixedError::OutOfRange { what, unit: stringify!($name) });
                }
                Ok(number)
            }
        }
    )*};
}

numeral!(Price, Qty, Money, Volume);

/// The text of a number, out of a JSON string or a JSON number; `None` for `null` and for nothing
/// between quotes.
pub(crate) fn numeral_text(raw: &RawValue) -> Result<Option<String>, String> {
    let raw = raw.get();
    if raw == "null" || raw == "\"\"" {
        return Ok(None);
    }
    let bare = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(raw);
    let is_numeral = bare.len() <= TEXT_MAX
        && bare.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
        && bare.bytes().any(|byte| byte.is_ascii_digit());
    if is_numeral {
        Ok(Some(bare.to_owned()))
    } else {
        let shown: String = raw.chars().take(40).collect();
        Err(format!("{shown} is not a number"))
    }
}

fn read_raw<'de, N: Numeral, D: Deserializer<'de>>(deserializer: D) -> Result<Option<N>, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    let text = numeral_text(&raw).map_err(de::Error::custom)?;
    text.map(|text| N::read(&text).map_err(de::Error::custom)).transpose()
}

fn write_raw<N: Numeral, S: Serializer>(number: &N, serializer: S) -> Result<S::Ok, S::Error> {
    let raw = RawValue::from_string(number.to_string()).map_err(ser::Error::custom)?;
    raw.serialize(serializer)
}

/// A number that must be there, written as a string.
pub(super) mod text {
    use super::{Deserializer, Numeral, Serializer, de, read_raw};

    pub(in crate::alpaca) fn serialize<N: Numeral, S: Serializer>(
        number: &N,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(in crate::alpaca) fn deserialize<'de, N: Numeral, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<N, D::Error> {
        read_raw(deserializer)?.ok_or_else(|| de::Error::custom("a number is missing"))
    }
}

/// A number that may be `null` or missing, written as a string or `null`.
pub(super) mod maybe_text {
    use super::{Deserializer, Numeral, Serializer, read_raw};

    #[expect(clippy::ref_option, reason = "the form that serde calls")]
    pub(in crate::alpaca) fn serialize<N: Numeral, S: Serializer>(
        number: &Option<N>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match number {
            Some(number) => serializer.collect_str(number),
            None => serializer.serialize_none(),
        }
    }

    pub(in crate::alpaca) fn deserialize<'de, N: Numeral, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<N>, D::Error> {
        read_raw(deserializer)
    }
}

/// A number that must be there, written as a JSON number.
pub(super) mod plain {
    use super::{Numeral, Serializer, write_raw};

    pub(in crate::alpaca) fn serialize<N: Numeral, S: Serializer>(
        number: &N,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        write_raw(number, serializer)
    }

    pub(in crate::alpaca) use super::text::deserialize;
}

/// A number that may be `null` or missing, written as a JSON number or `null`.
pub(super) mod maybe_plain {
    use super::{Numeral, Serializer, write_raw};

    #[expect(clippy::ref_option, reason = "the form that serde calls")]
    pub(in crate::alpaca) fn serialize<N: Numeral, S: Serializer>(
        number: &Option<N>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match number {
            Some(number) => write_raw(number, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(in crate::alpaca) use super::maybe_text::deserialize;
}

/// `null` as nothing at all: a list or a map that is empty comes so.
pub(crate) fn or_default<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}
