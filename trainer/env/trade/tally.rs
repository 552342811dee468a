//! What the parts of the reward come to: their means, and what each weighs in truth.

use conclave_domain::policy::reward::PARTS;
use conclave_domain::ratio::Ratio;
use serde::{Deserialize, Serialize};

use crate::count::double;

/// Sums over steps, enough for means and covariances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PartTally {
    steps: u64,
    reward: f64,
    squares: f64,
    paid: [f64; PARTS],
    crossed: [f64; PARTS],
}

impl PartTally {
    /// Counts a step: what each part paid, unweighted, by these weights. A reward that is not finite
    /// is the guard's affair and would end all sums.
    pub(crate) fn take(&mut self, weights: &[f64; PARTS], paid: &[f64; PARTS], reward: f64) {
        if !reward.is_finite() {
            return;
        }
        self.steps += 1;
        self.reward += reward;
        self.squares += reward * reward;
        for at in 0..PARTS {
            let weighted = weights[at] * paid[at];
            self.paid[at] += weighted;
            self.crossed[at] += weighted * reward;
        }
    }

    /// Adds the steps of another.
    pub fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.reward += other.reward;
        self.squares += other.squares;
        for at in 0..PARTS {
            self.paid[at] += other.paid[at];
            self.crossed[at] += other.crossed[at];
        }
    }

    /// Steps counted.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Mean reward of a step; zero without one, or where a reward was not finite.
    pub fn reward_mean(&self) -> Ratio {
        Ratio::or_zero(self.reward / double(self.steps.max(1)))
    }

    /// Mean weighted contribution of each part to a step's reward.
    pub fn means(&self) -> [Ratio; PARTS] {
        self.paid.map(|sum| Ratio::or_zero(sum / double(self.steps.max(1))))
    }

    /// Share of each part in the reward's variance: its covariance with the reward over the reward's
    /// variance. They sum to one; all are zero where the reward never varied.
    pub fn effective_shares(&self) -> [Ratio; PARTS] {
        let steps = double(self.steps.max(1));
        let mean = self.reward / steps;
        let variance = self.squares / steps - mean * mean;
        std::array::from_fn(|at| {
            let covariance = self.crossed[at] / steps - self.paid[at] / steps * mean;
            if variance > 1e-18 { Ratio::or_zero(covariance / variance) } else { Ratio::ZERO }
        })
    }
}
