//! The markets by name, with their clocks, currencies and the shape of their symbols.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use serde::{Deserialize, Serialize};

use crate::fixed::Money;
use crate::market::calendar::NEW_YORK;
use crate::market::symbol::{AssetClass, Symbol};
use crate::time::Time;

/// A market, and how often it is looked at.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum MarketKind {
    /// US shares by days.
    #[default]
    Us,
    /// US shares by hours.
    UsHourly,
    /// A-shares by days.
    Cn,
    /// A-shares by hours.
    CnHourly,
    /// Coins by days or hours, round the clock.
    Crypto,
}

/// A text that names no market.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no market: us, us-hourly, cn, cn-hourly or crypto is wanted")]
pub struct KindError {
    text: String,
}

impl MarketKind {
    /// Every market.
    pub const ALL: [Self; 5] = [Self::Us, Self::UsHourly, Self::Cn, Self::CnHourly, Self::Crypto];

    /// The word on the command line and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Us => "us",
            Self::UsHourly => "us-hourly",
            Self::Cn => "cn",
            Self::CnHourly => "cn-hourly",
            Self::Crypto => "crypto",
        }
    }

    /// Whether it trades within a session by hours.
    pub const fn is_hourly(self) -> bool {
        matches!(self, Self::UsHourly | Self::CnHourly)
    }

    /// The class of everything that it trades.
    pub const fn class(self) -> AssetClass {
        match self {
            Self::Us | Self::UsHourly | Self::Cn | Self::CnHourly => AssetClass::Equity,
            Self::Crypto => AssetClass::Crypto,
        }
    }

    /// What its prices are in.
    pub const fn currency(self) -> &'static str {
        match self {
            Self::Us | Self::UsHourly => "USD",
            Self::Cn | Self::CnHourly => "CNY",
            Self::Crypto => "USDT",
        }
    }

    /// What an account begins with, in its currency.
    pub const fn start_cash(self) -> Money {
        let units = match self {
            Self::Us | Self::UsHourly => 10_000,
            Self::Cn | Self::CnHourly => 100_000,
            Self::Crypto => 50_000,
        };
        Money::from_raw(units * Money::SCALE)
    }

    /// Its clocks: New York's, Shanghai's (eight hours ahead the whole year, since 1991), or UTC.
    fn zone(self) -> TimeZone {
        match self {
            Self::Us | Self::UsHourly => NEW_YORK.clone(),
            Self::Cn | Self::CnHourly => TimeZone::fixed(Offset::constant(8)),
            Self::Crypto => TimeZone::UTC,
        }
    }

    /// What the market's clocks show at a time.
    pub fn civil(self, time: Time) -> DateTime {
        self.zone().to_datetime(time.timestamp())
    }

    /// The market's day at a time; never [`crate::market::calendar::Calendar`]'s, which knows only
    /// New York.
    pub fn day_of(self, time: Time) -> Date {
        self.civil(time).date()
    }

    /// When the market's clocks show `at`; the first of two where they were set back, `None` beyond
    /// the range of times.
    pub fn time_of(self, at: DateTime) -> Option<Time> {
        self.zone().to_zoned(at).ok().map(|zoned| zoned.timestamp().into())
    }

    /// Whether a symbol can be of this market, by its shape: `AAPL` or `BRK.B`, `600519.SH`,
    /// `BTC-USDT` or `BTC/USD`. A shape proves nothing; it finds a file given to the wrong market.
    pub fn fits(self, symbol: &Symbol) -> bool {
        let text = symbol.as_str();
        let (base, suffix) = text.split_once(['.', '-', '/']).unwrap_or((text, ""));
        let is_pair = text.contains(['-', '/']) && (3..=5).contains(&suffix.len());
        match self {
            Self::Us | Self::UsHourly => {
                let is_word = base.bytes().all(|byte| byte.is_ascii_uppercase());
                is_word && suffix.len() <= 2 && !text.contains('/')
            }
            Self::Cn | Self::CnHourly => {
                let is_code = base.len() == 6 && base.bytes().all(|byte| byte.is_ascii_digit());
                is_code && matches!(suffix, "SH" | "SZ" | "BJ")
            }
            Self::Crypto => is_pair,
        }
    }
}

impl fmt::Display for MarketKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for MarketKind {
    type Err = KindError;

    fn from_str(text: &str) -> Result<Self, KindError> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| KindError { text: text.chars().take(40).collect() })
    }
}
