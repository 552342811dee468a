//! One configured value: what kind it is, which bounds it has, and how a text or a TOML value is read.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use conclave_domain::fixed::Money;
use conclave_domain::ratio::Ratio;
use toml::Value;

/// What a key accepts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A finite number within closed bounds; `unit` is for people.
    Number {
        /// Smallest value accepted.
        min: f64,
        /// Largest value accepted.
        max: f64,
        /// Unit, such as `fraction of equity`.
        unit: &'static str,
    },
    /// A whole number within closed bounds.
    Integer {
        /// Smallest value accepted.
        min: i64,
        /// Largest value accepted.
        max: i64,
        /// Unit, such as `sessions`.
        unit: &'static str,
    },
    /// A duration such as `5m`, within closed bounds in milliseconds.
    Duration {
        /// Shortest duration accepted, milliseconds.
        min_ms: u64,
        /// Longest duration accepted, milliseconds.
        max_ms: u64,
    },
    /// An amount of dollars written as text or number, within closed bounds in whole dollars.
    Dollars {
        /// Smallest amount accepted.
        min: i64,
        /// Largest amount accepted.
        max: i64,
    },
    /// A pair `[low, high]` of finite numbers within closed bounds, low not above high.
    Range {
        /// Smallest low end accepted.
        min: f64,
        /// Largest high end accepted.
        max: f64,
    },
    /// `true` or `false`.
    Flag,
    /// One of a few words.
    Word {
        /// The words accepted.
        words: &'static [&'static str],
    },
    /// Any text up to 256 characters.
    Text,
    /// An IP address.
    Address,
}

/// A value that was read and lies within its bounds.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// From [`Kind::Number`].
    Number(Ratio),
    /// From [`Kind::Integer`].
    Integer(i64),
    /// From [`Kind::Duration`].
    Duration(Duration),
    /// From [`Kind::Dollars`].
    Dollars(Money),
    /// From [`Kind::Range`].
    Range(f64, f64),
    /// From [`Kind::Flag`].
    Flag(bool),
    /// From [`Kind::Word`] and [`Kind::Text`].
    Text(String),
    /// From [`Kind::Address`].
    Address(IpAddr),
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Integer(integer) => write!(f, "{integer}"),
            Self::Duration(duration) => {
                write!(f, "\"{}\"", humantime::format_duration(*duration))
            }
            Self::Dollars(money) => write!(f, "\"{money}\""),
            Self::Range(low, high) => write!(f, "[{low}, {high}]"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::Address(address) => write!(f, "\"{address}\""),
        }
    }
}

impl Kind {
    /// The bounds, for messages and `config schema`.
    pub fn bound(&self) -> String {
        match self {
            Self::Number { min, max, unit } => format!("a number from {min} to {max} ({unit})"),
            Self::Integer { min, max, unit } => {
                format!("a whole number from {min} to {max} ({unit})")
            }
            Self::Duration { min_ms, max_ms } => {
                let show = |ms: u64| humantime::format_duration(Duration::from_millis(ms));
                format!("a duration from {} to {}", show(*min_ms), show(*max_ms))
            }
            Self::Dollars { min, max } => format!("an amount from ${min} to ${max}"),
            Self::Range { min, max } => format!("a pair [low, high] within {min} to {max}"),
            Self::Flag => "true or false".to_owned(),
            Self::Word { words } => format!("one of {}", words.join(", ")),
            Self::Text => "a text of at most 256 characters".to_owned(),
            Self::Address => "an IP address such as 127.0.0.1".to_owned(),
        }
    }

    /// Reads a value; `None` when it is of another kind or out of bounds.
    pub fn read(&self, value: &Value) -> Option<Setting> {
        match self {
            Self::Number { min, max, .. } => {
                let number = Ratio::new(number_of(value)?).ok()?;
                (*min <= number.get() && number.get() <= *max).then_some(Setting::Number(number))
            }
            Self::Integer { min, max, .. } => {
                let integer = value.as_integer()?;
                (*min <= integer && integer <= *max).then_some(Setting::Integer(integer))
            }
            Self::Duration { min_ms, max_ms } => {
                let duration = humantime::parse_duration(value.as_str()?).ok()?;
                let bounds = Duration::from_millis(*min_ms)..=Duration::from_millis(*max_ms);
                bounds.contains(&duration).then_some(Setting::Duration(duration))
            }
            Self::Dollars { min, max } => {
                let money: Money = plain(value)?.parse().ok()?;
                let bounds = Money::from_units(*min).ok()?..=Money::from_units(*max).ok()?;
                bounds.contains(&money).then_some(Setting::Dollars(money))
            }
            Self::Range { min, max } => {
                let [low, high] = value.as_array()?.as_slice() else { return None };
                let (low, high) = (number_of(low)?, number_of(high)?);
                (*min <= low && low <= high && high <= *max).then_some(Setting::Range(low, high))
            }
            Self::Flag => value.as_bool().map(Setting::Flag),
            Self::Word { words } => {
                let word = value.as_str()?;
                words.contains(&word).then(|| Setting::Text(word.to_owned()))
            }
            Self::Text => {
                let text = value.as_str()?;
                (text.chars().count() <= 256).then(|| Setting::Text(text.to_owned()))
            }
            Self::Address => value.as_str()?.parse().ok().map(Setting::Address),
        }
    }

    /// Reads a text from the environment or a flag as this kind of value.
    pub fn value_of_text(&self, text: &str) -> Value {
        match self {
            Self::Number { .. } => text.parse().map(Value::Float).ok(),
            Self::Integer { .. } => text.parse().map(Value::Integer).ok(),
            Self::Flag => text.parse().map(Value::Boolean).ok(),
            Self::Range { .. } => format!("pair = {text}")
                .parse::<toml::Table>()
                .ok()
                .and_then(|mut table| table.remove("pair")),
            Self::Duration { .. }
            | Self::Dollars { .. }
            | Self::Word { .. }
            | Self::Text
            | Self::Address => None,
        }
        .unwrap_or_else(|| Value::String(text.to_owned()))
    }
}

/// A TOML number as a float; whole numbers are welcome where a number is asked for.
fn number_of(value: &Value) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "bounds are far below 2^53")]
    value.as_float().or_else(|| value.as_integer().map(|integer| integer as f64))
}

/// A number or a text as decimal text.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(integer) => Some(integer.to_string()),
        Value::Float(float) => Some(float.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_within_its_bounds_or_not_at_all() {
        let number = Kind::Number { min: 0.0, max: 1.0, unit: "fraction" };
        assert!(number.read(&Value::Float(0.5)).is_some());
        for bad in [Value::Float(f64::NAN), Value::Float(1.1), Value::String("0.5".into())] {
            assert_eq!(number.read(&bad), None, "{bad:?}");
        }
        let duration = Kind::Duration { min_ms: 1_000, max_ms: 60_000 };
        assert!(duration.read(&Value::String("5s".into())).is_some());
        assert_eq!(duration.read(&Value::String("5h".into())), None);
        let dollars = Kind::Dollars { min: 0, max: 1_000 };
        assert!(dollars.read(&Value::String("0.50".into())).is_some());
        assert_eq!(dollars.read(&Value::Integer(1_001)), None);
    }
}
