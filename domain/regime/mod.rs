//! The regime filter: how likely it is that the market rises, falls, drifts or crashes.
//!
//! A hidden Markov model's forward filter (J. D. Hamilton, *Econometrica* 57, 1989) over log
//! returns, one per bar. It is stateful: each bar's posterior is the next bar's prior. A return is
//! measured in the symbol's own slow volatility (an exponential average with a half-life of 120
//! days), so the same parameters serve a utility and a coin. The parameters are fixed and stated for
//! a day; for bars of another length means scale with time, deviations with its square root (which
//! the slow volatility does by itself) and the chances of a change with time.
//!
//! | state    | mean a day | deviation | leaves it a day |
//! |----------|------------|-----------|-----------------|
//! | bull     | +0.20 σ    | 0.85 σ    | 1.0 %           |
//! | bear     | −0.25 σ    | 1.25 σ    | 1.5 %           |
//! | sideways | 0          | 0.70 σ    | 1.2 %           |
//! | crash    | −1.00 σ    | 2.50 σ    | 10 %            |
//!
//! Returns above +2.5 σ count as +2.5 σ: a leap upwards is no sign of a crash. Returns below −8 σ
//! count as −8 σ, so that one bad print cannot make every other state impossible.

mod vix;

use serde::{Deserialize, Serialize};

pub use self::vix::VixLike;
use crate::fixed::Price;
use crate::ratio::Ratio;
use crate::signal::Regime;

const STATES: usize = 4;
/// Mean of a day's return in σ: bull, bear, sideways, crash.
const MEANS: [f64; STATES] = [0.20, -0.25, 0.0, -1.0];
/// Deviation of a return in σ.
const DEVIATIONS: [f64; STATES] = [0.85, 1.25, 0.70, 2.50];
/// Chance a day of going from the row's state to the column's; the rest of each row is staying.
const LEAVING: [[f64; STATES]; STATES] = [
    [0.0, 0.003, 0.006, 0.001],
    [0.005, 0.0, 0.007, 0.003],
    [0.006, 0.005, 0.0, 0.001],
    [0.010, 0.060, 0.030, 0.0],
];
/// Sessions in the year that the parameters are stated for.
const DAYS_PER_YEAR: f64 = 252.0;
/// Days after which a return has half its weight in the slow volatility.
const HALF_LIFE_DAYS: f64 = 120.0;
/// A day's volatility before anything was seen, and how many days it counts for.
const FIRST_VOL: f64 = 0.015;
const FIRST_VOL_DAYS: f64 = 10.0;
/// The range of a return that is believed, in σ.
const LOWEST: f64 = -8.0;
const HIGHEST: f64 = 2.5;
/// Beyond this a return enters the slow volatility only in part, in σ.
const VOL_CAP: f64 = 4.0;
/// No state is ever less likely, so that none is lost for good.
const FLOOR: f64 = 1e-6;

/// The filter of one symbol or index. Its state is a value: clone or (de)serialise it to keep it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegimeFilter {
    days_per_bar: f64,
    probabilities: [f64; STATES],
    bars_in_regime: u32,
    variance: f64,
    weight_seen: f64,
    former: Option<Price>,
}

impl RegimeFilter {
    /// A filter that has seen nothing: all states equally likely.
    pub fn new(bars_per_year: Ratio) -> Self {
        let days_per_bar = DAYS_PER_YEAR / bars_per_year.get().max(1.0);
        Self {
            days_per_bar,
            probabilities: [0.25; STATES],
            bars_in_regime: 0,
            variance: FIRST_VOL * FIRST_VOL * days_per_bar,
            weight_seen: FIRST_VOL_DAYS / days_per_bar,
            former: None,
        }
    }

    /// Takes the next close. One that is not above zero changes nothing.
    pub fn update(&mut self, close: Price) {
        if close <= Price::ZERO {
            return;
        }
        if let Some(former) = self.former.replace(close) {
            let log_return = (close.to_f64() / former.to_f64()).ln();
            let deviation = self.variance.sqrt();
            self.weigh(log_return / deviation);
            self.learn_variance(log_return, deviation);
        }
    }

    /// The probabilities now.
    pub fn regime(&self) -> Regime {
        let [bull, bear, sideways, crash] = self.probabilities.map(Ratio::or_zero);
        Regime { bull, bear, sideways, crash, bars_in_regime: self.bars_in_regime }
    }

    /// One step of the forward filter: predict, weigh by the likelihood of `score`, normalise.
    fn weigh(&mut self, score: f64) {
        let score = if score < LOWEST { LOWEST } else { score.min(HIGHEST) };
        let likeliest = self.likeliest();
        let mut posterior = self.predicted();
        for (state, chance) in posterior.iter_mut().enumerate() {
            let distance = (score - MEANS[state] * self.days_per_bar.sqrt()) / DEVIATIONS[state];
            *chance *= (-0.5 * distance * distance).exp() / DEVIATIONS[state];
        }
        let sum: f64 = posterior.iter().sum();
        if !(sum.is_finite() && sum > 0.0) {
            return;
        }
        let floored = posterior.map(|chance| (chance / sum).max(FLOOR));
        let sum: f64 = floored.iter().sum();
        self.probabilities = floored.map(|chance| chance / sum);
        let same = self.likeliest() == likeliest;
        self.bars_in_regime = if same { self.bars_in_regime.saturating_add(1) } else { 0 };
    }

    /// The prior of the next bar: each state's chance after one bar's transitions.
    fn predicted(&self) -> [f64; STATES] {
        let mut prior = [0.0; STATES];
        for (from, row) in LEAVING.iter().enumerate() {
            let daily: f64 = row.iter().sum();
            // What leaves within one bar, so that a day of bars leaves as much as a day.
            let leaves = 1.0 - (1.0 - daily).powf(self.days_per_bar);
            prior[from] += self.probabilities[from] * (1.0 - leaves);
            for (to, share) in row.iter().enumerate() {
                prior[to] += self.probabilities[from] * leaves * share / daily;
            }
        }
        prior
    }

    fn likeliest(&self) -> usize {
        let mut best = 0;
        for (state, chance) in self.probabilities.iter().enumerate() {
            if *chance > self.probabilities[best] {
                best = state;
            }
        }
        best
    }

    fn learn_variance(&mut self, log_return: f64, deviation: f64) {
        let slowest = std::f64::consts::LN_2 * self.days_per_bar / HALF_LIFE_DAYS;
        self.weight_seen += 1.0;
        let weight = self.weight_seen.recip().max(slowest).min(1.0);
        let believed = log_return.abs().min(VOL_CAP * deviation);
        let variance = self.variance + weight * (believed * believed - self.variance);
        // A price that stands still must not make its first move infinitely surprising.
        let least = 1e-4 * FIRST_VOL * FIRST_VOL * self.days_per_bar;
        self.variance = variance.max(least);
    }
}

#[cfg(test)]
mod tests;
