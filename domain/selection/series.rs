//! Bars of one symbol as selection takes them: checked, cut at the as-of time, and summed up.
//!
//! Metrics look at the last [`LONG`] bars at most, so that a share of thirty years is measured like one of
//! four; how many there were is in each diagnostic.

use crate::fixed::{FixedError, Money, Price, Volume, div_half_even};
use crate::market::bar::{Bar, Timeframe};
use crate::market::door::{BarError, Door, Warning};
use crate::market::series::Series;
use crate::market::symbol::AssetClass;
use crate::ratio::Ratio;
use crate::time::Time;

/// Returns that the long metrics look at: about four years of days.
pub const LONG: usize = 1_000;
/// Returns that most metrics look at: about two years of days, as many as every symbol must have.
pub const MEDIUM: usize = 500;
/// Returns that the short metrics look at: about a year of days.
pub const SHORT: usize = 250;
/// Sessions over which the traded value is averaged: about a quarter.
const VALUE_SESSIONS: usize = 60;

/// Why a series cannot be looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoHistory {
    /// There is no bar until the as-of time.
    #[error("there is no bar until {as_of}")]
    Empty {
        /// The as-of time.
        as_of: Time,
    },
    /// A bar cannot be true.
    #[error("a bar cannot be true: {0}")]
    Bar(#[from] BarError),
    /// What was traded cannot be added up.
    #[error("the traded value is out of range: {0}")]
    Value(#[from] FixedError),
}

/// Closes with the moments by which they are compared with those of other symbols.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Closes {
    /// Strictly increasing: the day of a daily bar, the close of a shorter one in milliseconds.
    keys: Vec<i64>,
    /// Logarithms of the closes.
    logs: Vec<f64>,
}

impl Closes {
    /// Closes by key; a key that is not after the one before it is left out with its close.
    pub fn of(closes: impl IntoIterator<Item = (i64, f64)>) -> Self {
        let mut all = Self::default();
        for (key, log) in closes {
            all.push(key, log);
        }
        all
    }

    /// Adds a close; `false` where it is not after the last or not finite, and then nothing is added.
    pub fn push(&mut self, key: i64, log: f64) -> bool {
        let is_next = self.keys.last().is_none_or(|&last| last < key) && log.is_finite();
        if is_next {
            self.keys.push(key);
            self.logs.push(log);
        }
        is_next
    }

    /// Drops the oldest so that `count` are left.
    pub fn keep_last(&mut self, count: usize) {
        let more = self.keys.len().saturating_sub(count);
        self.keys.drain(..more);
        self.logs.drain(..more);
    }

    /// The moments.
    pub fn keys(&self) -> &[i64] {
        &self.keys
    }

    /// The logarithms of the closes.
    pub fn logs(&self) -> &[f64] {
        &self.logs
    }

    /// Log returns between neighbours.
    pub fn returns(&self) -> Vec<f64> {
        self.logs.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    /// The last closes, as many as `returns` returns need.
    pub fn last_logs(&self, returns: usize) -> &[f64] {
        &self.logs[self.logs.len().saturating_sub(returns + 1)..]
    }
}

/// The last values of a slice.
pub fn last(values: &[f64], count: usize) -> &[f64] {
    &values[values.len().saturating_sub(count)..]
}

/// What selection knows of a symbol's bars.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// The last closes: [`LONG`] and one at most.
    pub closes: Closes,
    /// Bars until the as-of time, all of them.
    pub bars: u32,
    /// Share of the bars that should be among the last and are not.
    pub gap_share: Ratio,
    /// Close of the last bar.
    pub last_bar_at: Time,
    /// The last price.
    pub price: Price,
    /// Mean traded value a session, over the last 60 of them.
    pub dollar_volume: Money,
}

impl History {
    /// Looks at the bars that were closed at `as_of`.
    ///
    /// # Errors
    /// Without such a bar, or with one among the last that cannot be true.
    pub fn of(series: &Series, as_of: Time) -> Result<Self, NoHistory> {
        let known = series.bars.partition_point(|bar| bar.close_time <= as_of);
        let bars = &series.bars[..known];
        let last_bar = bars.last().ok_or(NoHistory::Empty { as_of })?;
        let recent = &bars[bars.len().saturating_sub(LONG + 1)..];
        let mut door = Door::new(series.class, series.timeframe);
        let (mut missing, mut closes) = (0_u64, Closes::default());
        for bar in recent {
            for warning in door.admit(bar)? {
                if let Warning::Gap { missing: more, .. } = warning {
                    missing += u64::from(more);
                }
            }
            closes.push(key(series.timeframe, bar), bar.close.to_f64().ln());
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of bars stay far below 2^53")]
        let gap_share = missing as f64 / (missing as f64 + recent.len() as f64);
        Ok(Self {
            closes,
            bars: u32::try_from(bars.len()).unwrap_or(u32::MAX),
            gap_share: Ratio::or_zero(gap_share),
            last_bar_at: last_bar.close_time,
            price: last_bar.close,
            dollar_volume: dollar_volume(recent, series.class, series.timeframe)?,
        })
    }
}

/// By what a bar is compared with those of other symbols. Days and weeks of shares and coins end at
/// different hours, yet belong to one date.
const fn key(timeframe: Timeframe, bar: &Bar) -> i64 {
    match timeframe {
        Timeframe::Day | Timeframe::Week => bar.open_time.utc_day(),
        _ => bar.close_time.ms(),
    }
}

/// The mean over sessions of price times volume, exactly.
fn dollar_volume(
    bars: &[Bar],
    class: AssetClass,
    timeframe: Timeframe,
) -> Result<Money, FixedError> {
    let sessions_a_bar = match (timeframe, class) {
        (Timeframe::Week, AssetClass::Equity) => 5,
        (Timeframe::Week, AssetClass::Crypto) => 7,
        _ => 1,
    };
    let (mut total, mut sessions, mut former) = (0_i128, 0_i128, None);
    for bar in bars.iter().rev() {
        let day = bar.open_time.utc_day();
        if former.replace(day) != Some(day) {
            if sessions >= i128::try_from(VALUE_SESSIONS).unwrap_or(i128::MAX) {
                break;
            }
            sessions += sessions_a_bar;
        }
        total += i128::from(bar.close.raw()) * i128::from(bar.volume.raw());
    }
    let mean = div_half_even(total, i128::from(Volume::SCALE) * sessions.max(1));
    let out = || FixedError::range("the mean traded value", "Money");
    i64::try_from(mean).map(Money::from_raw).map_err(|_| out())
}
