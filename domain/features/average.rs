//! Averages: simple (exact, in integers), exponential, and Wilder's.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::ring::Ring;
use crate::fixed::{Price, div_half_even};

/// Simple moving average of prices: the arithmetic mean of the last `period`.
///
/// The sum is kept in integers, so it never drifts and two averages compare exactly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sma {
    window: Ring<i64>,
    sum: i128,
}

impl Sma {
    pub(crate) fn new(period: u16) -> Self {
        Self { window: Ring::new(usize::from(period)), sum: 0 }
    }

    pub(crate) fn period(&self) -> usize {
        self.window.capacity()
    }

    pub(crate) fn update(&mut self, price: Price) {
        let leaving = self.window.push(price.raw()).unwrap_or(0);
        self.sum += i128::from(price.raw()) - i128::from(leaving);
    }

    /// The average, rounded half to even; `None` until the window is full.
    pub(crate) fn value(&self) -> Option<Price> {
        let period = i128::try_from(self.period()).ok()?;
        let mean = self.window.is_full().then(|| div_half_even(self.sum, period))?;
        i64::try_from(mean).ok().map(Price::from_raw)
    }

    /// This average against another, without rounding; `None` until both windows are full.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        if !(self.window.is_full() && other.window.is_full()) {
            return None;
        }
        // At most 65,535 × 65,535 × 2^63: far inside an i128.
        let ours = self.sum * i128::try_from(other.period()).ok()?;
        let theirs = other.sum * i128::try_from(self.period()).ok()?;
        Some(ours.cmp(&theirs))
    }
}

/// Exponential moving average with weight 2 ÷ (period + 1), seeded with the mean of the first
/// `period` values (as chart vendors do).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ema {
    seed: Seed,
    weight: f64,
}

/// Wilder's average: the first value is the mean of `period` values, then each new one has weight
/// 1 ÷ period (J. W. Wilder, *New Concepts in Technical Trading Systems*, 1978).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Wilder {
    seed: Seed,
    weight: f64,
}

/// A mean that grows until it has seen `period` values and is moved by weight from then on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Seed {
    period: u16,
    seen: u16,
    sum: f64,
    value: f64,
}

impl Seed {
    fn new(period: u16) -> Self {
        Self { period: period.max(1), seen: 0, sum: 0.0, value: 0.0 }
    }

    fn update(&mut self, value: f64, weight: f64) {
        if self.seen < self.period {
            self.seen += 1;
            self.sum += value;
            self.value = self.sum / f64::from(self.seen);
        } else {
            self.value += weight * (value - self.value);
        }
    }

    fn value(&self) -> Option<f64> {
        (self.seen == self.period).then_some(self.value)
    }
}

impl Ema {
    pub(crate) fn new(period: u16) -> Self {
        Self { seed: Seed::new(period), weight: 2.0 / (f64::from(period) + 1.0) }
    }

    pub(crate) fn update(&mut self, value: f64) -> Option<f64> {
        self.seed.update(value, self.weight);
        self.seed.value()
    }
}

impl Wilder {
    pub(crate) fn new(period: u16) -> Self {
        Self { seed: Seed::new(period), weight: 1.0 / f64::from(period.max(1)) }
    }

    pub(crate) fn update(&mut self, value: f64) {
        self.seed.update(value, self.weight);
    }

    pub(crate) fn value(&self) -> Option<f64> {
        self.seed.value()
    }

    /// The mean of what was seen so far, before the window is full; `None` before the first value.
    pub(crate) fn so_far(&self) -> Option<f64> {
        (self.seed.seen > 0).then_some(self.seed.value)
    }
}
