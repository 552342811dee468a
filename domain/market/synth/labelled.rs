//! Series whose nature is known, to judge estimators by: what they find must be what was put in.
//!
//! Each draws from a random stream of its own, so one seed and index always give the same series.

use jiff::civil::date;

use super::SynthError;
use super::model::{Dice, Purpose};
use crate::fixed::{Price, Volume};
use crate::market::asset::Asset;
use crate::market::bar::{Bar, Timeframe};
use crate::market::calendar::Calendar;
use crate::market::series::Series;
use crate::market::symbol::{AssetClass, Symbol};

/// What a series truly is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Nature {
    /// Log prices are an Ornstein–Uhlenbeck process: half of a distance from the mean is gone after
    /// these bars.
    Reverting {
        /// Bars.
        half_life: f64,
    },
    /// Returns are fractional Gaussian noise: above one half they persist, below it they turn back.
    Fractional {
        /// The Hurst exponent, between 0 and 1.
        hurst: f64,
    },
    /// Returns are independent.
    Walk,
    /// Returns have clusters: GARCH(1,1).
    Clustered {
        /// The weight of the last square.
        alpha: f64,
        /// The weight of the last variance.
        beta: f64,
    },
    /// Returns come from a calm state and one three times as wild, each of which stays with a chance.
    Regimes {
        /// The calm state's chance to stay for a bar.
        calm: f64,
        /// The wild state's.
        wild: f64,
    },
}

impl Nature {
    /// The word in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reverting { .. } => "reverting",
            Self::Fractional { hurst } if hurst > 0.5 => "trending",
            Self::Fractional { .. } => "turning",
            Self::Walk => "random",
            Self::Clustered { .. } => "clustered",
            Self::Regimes { .. } => "regimes",
        }
    }
}

/// Bars before the first that is shown, in which a process forgets where it began.
const RUN_IN: usize = 500;

/// Log returns of a nature, one for each bar, with a deviation of about `daily`.
pub fn log_returns(nature: Nature, count: usize, daily: f64, seed: u64, index: usize) -> Vec<f64> {
    let mut dice = Dice::new(seed, Purpose::Labelled(index));
    let mut unit = match nature {
        Nature::Walk => (0..count).map(|_| dice.normal()).collect(),
        Nature::Reverting { half_life } => reverting(half_life, count, &mut dice),
        Nature::Fractional { hurst } => fractional(hurst, count, &mut dice),
        Nature::Clustered { alpha, beta } => clustered(alpha, beta, count, &mut dice),
        Nature::Regimes { calm, wild } => regimes(calm, wild, count, &mut dice),
    };
    for value in &mut unit {
        *value *= daily;
    }
    unit
}

/// Differences of an autoregression of the first order whose shocks have a deviation of one.
fn reverting(half_life: f64, count: usize, dice: &mut Dice) -> Vec<f64> {
    let phi = (-std::f64::consts::LN_2 / half_life.max(1e-3)).exp();
    let mut level = dice.normal() / (1.0 - phi * phi).sqrt();
    let mut step = || {
        let former = level;
        level = phi * level + dice.normal();
        level - former
    };
    (0..count).map(|_| step()).collect()
}

/// Exactly, by the recursion of Durbin and Levinson (Hosking 1984): the square of `count` steps.
fn fractional(hurst: f64, count: usize, dice: &mut Dice) -> Vec<f64> {
    let power = 2.0 * hurst;
    let covariance = |lag: usize| {
        let lag = small(lag);
        0.5 * ((lag + 1.0).powf(power) - 2.0 * lag.powf(power) + (lag - 1.0).abs().powf(power))
    };
    let known: Vec<f64> = (0..=count).map(covariance).collect();
    let (mut variance, mut weights) = (1.0_f64, Vec::<f64>::with_capacity(count));
    let mut former = Vec::with_capacity(count);
    let mut values: Vec<f64> = Vec::with_capacity(count);
    for at in 0..count {
        let mean: f64 = weights.iter().zip(values.iter().rev()).map(|(w, v)| w * v).sum();
        values.push(mean + variance.sqrt() * dice.normal());
        let told: f64 = weights.iter().zip(known[1..=at].iter().rev()).map(|(w, k)| w * k).sum();
        let last = (known[at + 1] - told) / variance;
        former.clone_from(&weights);
        for (weight, other) in weights.iter_mut().zip(former.iter().rev()) {
            *weight -= last * other;
        }
        weights.push(last);
        variance *= 1.0 - last * last;
    }
    values
}

fn clustered(alpha: f64, beta: f64, count: usize, dice: &mut Dice) -> Vec<f64> {
    let mut variance = 1.0_f64;
    let mut step = || {
        let shock = variance.sqrt() * dice.normal();
        variance = (1.0 - alpha - beta) + alpha * shock * shock + beta * variance;
        shock
    };
    (0..RUN_IN + count).map(|_| step()).skip(RUN_IN).collect()
}

fn regimes(calm: f64, wild: f64, count: usize, dice: &mut Dice) -> Vec<f64> {
    let mut is_calm = true;
    let mut step = || {
        let shock = dice.normal() * if is_calm { 0.6 } else { 1.8 };
        let stays = dice.hits(if is_calm { calm } else { wild });
        is_calm = is_calm == stays;
        shock
    };
    (0..RUN_IN + count).map(|_| step()).skip(RUN_IN).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a lag or a number of a symbol")]
fn small(number: usize) -> f64 {
    number as f64
}

/// Days of a share of this nature, traded enough for every filter, and what is known of it.
///
/// # Errors
/// When the calendar ends before the bars, or a ticker cannot be made.
pub fn labelled(
    nature: Nature,
    bars: usize,
    seed: u64,
    index: usize,
) -> Result<(Asset, Series), SynthError> {
    let (sector, letters) = super::SECTORS[index % super::SECTORS.len()];
    let symbol = Symbol::new(&format!("{letters}T{index}"))?;
    let start = date(2010, 1, 4);
    let mut day = Some(start);
    // A deviation of 1 % a day is 16 % a year.
    let mut level = 100.0_f64;
    let mut found = Vec::with_capacity(bars);
    for step in log_returns(nature, bars, 0.01, seed, index) {
        let today = day.ok_or(SynthError::Calendar { start, found: found.len() })?;
        let (open_time, close_time) = Calendar::Xnys.ordinary_hours(today);
        let open = price(level);
        level *= step.exp();
        let close = price(level);
        let volume = Volume::from_raw(1_000_000 * Volume::SCALE);
        let (high, low) = (open.max(close), open.min(close));
        found.push(Bar { open_time, close_time, open, high, low, close, volume });
        day = Calendar::Xnys.next_session(today);
    }
    let asset = Asset {
        symbol: symbol.clone(),
        class: AssetClass::Equity,
        sector: sector.to_owned(),
        name: format!("{} {sector} {index}", nature.name()),
    };
    let (class, timeframe) = (AssetClass::Equity, Timeframe::Day);
    Ok((asset, Series { symbol, class, timeframe, bars: found }))
}

/// A price to the ten-thousandth, at least one cent.
fn price(level: f64) -> Price {
    let least = Price::from_raw(Price::SCALE / 100);
    Price::from_f64(level).map_or(least, |price| price.max(least))
}
