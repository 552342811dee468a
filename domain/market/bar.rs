//! A closed bar of one symbol.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::symbol::AssetClass;
use crate::fixed::{Price, Volume};
use crate::ratio::Ratio;
use crate::time::Time;

/// Open, high, low, close and volume of one closed interval. The symbol is kept beside it.
///
/// `open_time` is when the interval began; an event is delivered at the close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bar {
    /// When the interval began.
    pub open_time: Time,
    /// When the interval ended: the moment from which it may be known.
    pub close_time: Time,
    /// First price.
    pub open: Price,
    /// Highest price.
    pub high: Price,
    /// Lowest price.
    pub low: Price,
    /// Last price.
    pub close: Price,
    /// Shares or coins traded.
    pub volume: Volume,
}

impl Bar {
    /// All of it as raw numbers, in the order of its fields: what hashes of bars are made of.
    pub const fn numbers(&self) -> [i64; 7] {
        [
            self.open_time.ms(),
            self.close_time.ms(),
            self.open.raw(),
            self.high.raw(),
            self.low.raw(),
            self.close.raw(),
            self.volume.raw(),
        ]
    }
}

/// The length of a bar's interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Timeframe {
    /// One minute.
    #[serde(rename = "1m")]
    Minute,
    /// Five minutes.
    #[serde(rename = "5m")]
    FiveMinutes,
    /// Fifteen minutes.
    #[serde(rename = "15m")]
    QuarterHour,
    /// Thirty minutes.
    #[serde(rename = "30m")]
    HalfHour,
    /// One hour.
    #[serde(rename = "1h")]
    Hour,
    /// Four hours.
    #[serde(rename = "4h")]
    FourHours,
    /// One session, or one day of a market that never closes.
    #[serde(rename = "1d")]
    Day,
    /// One week.
    #[serde(rename = "1w")]
    Week,
}

impl Timeframe {
    /// The interval's nominal length.
    pub const fn length(self) -> Duration {
        let minutes = match self {
            Self::Minute => 1,
            Self::FiveMinutes => 5,
            Self::QuarterHour => 15,
            Self::HalfHour => 30,
            Self::Hour => 60,
            Self::FourHours => 240,
            Self::Day => 1_440,
            Self::Week => 10_080,
        };
        Duration::from_secs(minutes * 60)
    }

    /// The word users know: `1m`, `1d`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minute => "1m",
            Self::FiveMinutes => "5m",
            Self::QuarterHour => "15m",
            Self::HalfHour => "30m",
            Self::Hour => "1h",
            Self::FourHours => "4h",
            Self::Day => "1d",
            Self::Week => "1w",
        }
    }

    /// How many such bars a year has, by convention and not by counting: 252 sessions of 6½ hours
    /// for shares, 365 whole days for coins.
    pub fn bars_per_year(self, class: AssetClass) -> Ratio {
        let (days, weeks, minutes_a_day) = match class {
            AssetClass::Equity => (252.0, 52.0, 390.0),
            AssetClass::Crypto => (365.0, 365.0 / 7.0, 1_440.0),
        };
        Ratio::or_zero(match self {
            Self::Minute => days * minutes_a_day,
            Self::FiveMinutes => days * minutes_a_day / 5.0,
            Self::QuarterHour => days * minutes_a_day / 15.0,
            Self::HalfHour => days * minutes_a_day / 30.0,
            Self::Hour => days * minutes_a_day / 60.0,
            Self::FourHours => days * minutes_a_day / 240.0,
            Self::Day => days,
            Self::Week => weeks,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_has_the_conventional_number_of_bars() {
        for (timeframe, class, bars) in [
            (Timeframe::Day, AssetClass::Equity, 252.0),
            (Timeframe::Day, AssetClass::Crypto, 365.0),
            (Timeframe::Minute, AssetClass::Equity, 98_280.0),
            (Timeframe::Hour, AssetClass::Equity, 1_638.0),
            (Timeframe::Hour, AssetClass::Crypto, 8_760.0),
            (Timeframe::Week, AssetClass::Equity, 52.0),
        ] {
            assert_eq!(timeframe.bars_per_year(class), Ratio::of(bars), "{timeframe:?} {class:?}");
        }
    }
}
