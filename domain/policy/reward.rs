//! What a policy is paid for one step: eight parts and their weights. Pure.
//!
//! Parts are counted in the volatility of one bar, so that a quiet share teaches as much as a wild
//! coin. None can be farmed: a call is paid for by what the position then does, not for having been
//! made, and the pay for exploring comes once per direction and episode.
//!
//! The differential Sharpe ratio is that of J. Moody and M. Saffell, "Learning to Trade via Direct
//! Reinforcement", *IEEE Transactions on Neural Networks* 12 (2001), equation 14.

use serde::{Deserialize, Serialize};

use crate::bounds::BoundsTable;
use crate::brief::training::{PART_DIRECTION, PART_PNL, PART_SHARPE, PART_SLIPPAGE};
use crate::ratio::Ratio;

/// Number of parts.
pub const PARTS: usize = 8;

/// The parts in order.
pub const PART_NAMES: [&str; PARTS] = [
    PART_DIRECTION,
    "magnitude",
    PART_PNL,
    "stop_target",
    "exploration",
    PART_SLIPPAGE,
    "drawdown",
    PART_SHARPE,
];

/// No weight falls below this: a part at zero could never be seen to help.
pub const WEIGHT_MIN: f64 = 0.01;
/// What is off one by more than this does not sum to one.
const SUM_TOLERANCE: f64 = 1e-9;
/// How quickly the differential Sharpe ratio forgets, per step.
const SHARPE_RATE: f64 = 0.02;
/// The furthest a part goes, in volatilities.
const FURTHEST: f64 = 5.0;

/// The weight of each part; they sum to one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "[f64; PARTS]", into = "[f64; PARTS]")]
pub struct RewardWeights([f64; PARTS]);

/// Numbers that are no weights.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WeightsError {
    /// NaN, infinite, or negative.
    #[error("the weight of `{part}` is not a number from 0 to 1")]
    Senseless {
        /// Which part.
        part: &'static str,
    },
    /// They do not sum to one.
    #[error("the weights sum to {sum}, not to 1")]
    Sum {
        /// What they sum to.
        sum: f64,
    },
    /// There is no such part.
    #[error("the reward has no part `{name}`")]
    Unknown {
        /// What was asked for.
        name: String,
    },
}

impl TryFrom<[f64; PARTS]> for RewardWeights {
    type Error = WeightsError;

    fn try_from(weights: [f64; PARTS]) -> Result<Self, WeightsError> {
        Self::new(weights)
    }
}

impl From<RewardWeights> for [f64; PARTS] {
    fn from(weights: RewardWeights) -> Self {
        weights.0
    }
}

impl Default for RewardWeights {
    /// Mostly money; the rest makes the first steps of learning easier.
    fn default() -> Self {
        Self([0.05, 0.10, 0.60, 0.05, 0.02, 0.05, 0.05, 0.08])
    }
}

/// The place of a part.
///
/// # Errors
/// When there is none of this name.
pub fn part(name: &str) -> Result<usize, WeightsError> {
    let unknown = || WeightsError::Unknown { name: name.chars().take(40).collect() };
    PART_NAMES.iter().position(|part| *part == name).ok_or_else(unknown)
}

impl RewardWeights {
    /// Weights in the order of [`PART_NAMES`].
    ///
    /// # Errors
    /// When one is not finite or negative, or when they do not sum to one.
    pub fn new(weights: [f64; PARTS]) -> Result<Self, WeightsError> {
        for (part, weight) in PART_NAMES.into_iter().zip(weights) {
            if !(0.0..=1.0).contains(&weight) {
                return Err(WeightsError::Senseless { part });
            }
        }
        let sum: f64 = weights.iter().sum();
        if (sum - 1.0).abs() > SUM_TOLERANCE {
            Err(WeightsError::Sum { sum })
        } else {
            Ok(Self(weights))
        }
    }

    /// The weights in the order of [`PART_NAMES`].
    pub const fn get(&self) -> &[f64; PARTS] {
        &self.0
    }

    /// The same with one part changed by `delta`, none below [`WEIGHT_MIN`], all scaled to sum to one
    /// again.
    ///
    /// # Errors
    /// When there is no such part.
    pub fn changed(&self, name: &str, delta: Ratio) -> Result<Self, WeightsError> {
        let at = part(name)?;
        let mut weights = self.0;
        weights[at] = (weights[at] + delta.get()).max(0.0);
        // What is raised to the floor is not scaled again, so the others share what is left.
        let mut floored = [false; PARTS];
        for _ in 0..PARTS {
            let fixed = floored.iter().filter(|floored| **floored).map(|_| WEIGHT_MIN).sum::<f64>();
            let pairs = || weights.iter().zip(&floored).filter(|(_, floored)| !**floored);
            let free: f64 = pairs().map(|(weight, _)| *weight).sum();
            let scale = (1.0 - fixed) / free;
            let low = |(weight, floored): (&f64, &bool)| !floored && weight * scale < WEIGHT_MIN;
            let Some(low) = weights.iter().zip(&floored).position(low) else {
                for (weight, floored) in weights.iter_mut().zip(floored) {
                    *weight = if floored { WEIGHT_MIN } else { *weight * scale };
                }
                break;
            };
            floored[low] = true;
        }
        Self::new(weights)
    }

    /// The reward: the weighted sum of the parts. NaN where a part is NaN, so that a guard finds it.
    pub fn reward(&self, parts: &[f64; PARTS]) -> f64 {
        self.0.iter().zip(parts).map(|(weight, part)| weight * part).sum()
    }
}

/// The sum of one part's changes that may still be added to `total` in this run.
pub fn allowed_change(bounds: &BoundsTable, total: Ratio, delta: f64) -> f64 {
    let (call, run) = (&bounds.reward_weight_delta, &bounds.reward_weight_total);
    let once = delta.max(call.min()).min(call.max());
    (total.get() + once).max(run.min()).min(run.max()) - total.get()
}

/// What happened in one step, as the reward looks at it. Fractions of the equity before the step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepOutcome {
    /// Change of equity, costs included.
    pub equity_return: f64,
    /// Change of the price from the fill to the bar's close.
    pub price_return: f64,
    /// Share of equity in the market during it, negative for a short.
    pub exposure: f64,
    /// Fees and slippage paid.
    pub cost: f64,
    /// By how much the fall from the peak has grown; negative where it has shrunk.
    pub drawdown_change: f64,
    /// Profit of what was closed, as a fraction of what it cost, with the bars that it was held.
    pub closed: Option<(f64, u32)>,
    /// Whether a position was opened in a direction that the episode had not seen before.
    pub is_first_entry: bool,
    /// Volatility of one bar, fraction, above zero.
    pub vol: f64,
}

/// What the differential Sharpe ratio remembers of an episode.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SharpeState {
    mean: f64,
    square: f64,
}

impl SharpeState {
    /// Takes the next return, in volatilities, and says what it adds to the Sharpe ratio; 0 until
    /// returns have varied.
    pub fn next(&mut self, value: f64) -> f64 {
        let (mean, square) = (self.mean, self.square);
        let (dm, ds) = (value - mean, value * value - square);
        self.mean += SHARPE_RATE * dm;
        self.square += SHARPE_RATE * ds;
        let variance = square - mean * mean;
        // NaN must come out as NaN: the guard looks at rewards.
        if variance < 1e-4 {
            value * 0.0
        } else {
            (square * dm - 0.5 * mean * ds) / variance.powf(1.5)
        }
    }

    /// Its two numbers, for a checkpoint.
    pub const fn to_parts(self) -> [f64; 2] {
        [self.mean, self.square]
    }

    /// From the two numbers of a checkpoint.
    pub const fn from_parts([mean, square]: [f64; 2]) -> Self {
        Self { mean, square }
    }
}

/// The parts of one step's reward, unweighted, in the order of [`PART_NAMES`].
pub fn parts(step: &StepOutcome, sharpe: &mut SharpeState) -> [f64; PARTS] {
    let in_vols = |value: f64| bounded(value / step.vol);
    let pnl = in_vols(step.equity_return);
    let held = if step.exposure > 0.0 {
        1.0
    } else if step.exposure < 0.0 {
        -1.0
    } else {
        0.0
    };
    let moved = if step.price_return > 0.0 {
        1.0
    } else if step.price_return < 0.0 {
        -1.0
    } else {
        0.0
    };
    let closed = step.closed.map_or(0.0, |(profit, bars)| {
        bounded(profit / (step.vol * f64::from(bars.max(1)).sqrt())) / 2.0
    });
    [
        0.5 * held * moved,
        in_vols(step.exposure * step.price_return),
        pnl,
        closed,
        f64::from(u8::from(step.is_first_entry)),
        -in_vols(step.cost),
        -in_vols(step.drawdown_change),
        bounded(sharpe.next(pnl)) / 2.0,
    ]
}

/// Within ± [`FURTHEST`]; NaN stays what it is.
#[expect(clippy::manual_clamp, reason = "the clamp of floats is banned, and here NaN must pass")]
fn bounded(value: f64) -> f64 {
    if value > FURTHEST {
        FURTHEST
    } else if value < -FURTHEST {
        -FURTHEST
    } else {
        value
    }
}

#[cfg(test)]
mod tests;
