//! From metrics to a score: each metric gives a part of 0 to 1, the weights add them up.
//!
//! | metric | part | why |
//! |--------|------|-----|
//! | Hurst, short and long | distance from 0.5 over 0.15 | what persists or turns back can be foreseen |
//! | half-life | 1 from 2 to 30 bars, then falling with its logarithm to 0 at 250; below 2 as its half | it must end in time to be traded, and not before a fill |
//! | GARCH persistence | (1 − it) over 0.10, at most 1 | shocks that die out can be sized for |
//! | regime persistence | from 0.5 to 1 | a regime that stays can be acted on |
//! | autocorrelation | its size over 0.15 | as with Hurst, at the shortest lag |
//! | Sharpe | from −1 to 2 | what was paid for risk |
//! | drawdown | 1 less it over 0.5 | what it takes to hold it |
//!
//! A metric without a value has no part, and its symbol no score: a missing figure must neither lift nor
//! sink a symbol among those that have it.

use std::collections::BTreeMap;

use crate::brief::selection::{Candidate, Metric};
use crate::ratio::Ratio;

/// Weights may miss a sum of one by this much.
const TOLERANCE: f64 = 1e-6;

/// Weights of all metrics.
pub type Weights = BTreeMap<Metric, Ratio>;

/// Weights that are none.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum WeightsError {
    /// A metric has no weight.
    #[error("there is no weight for {}", metric.name())]
    Missing {
        /// The metric.
        metric: Metric,
    },
    /// A weight is below zero.
    #[error("the weight of {} is below zero", metric.name())]
    Negative {
        /// The metric.
        metric: Metric,
    },
    /// The weights do not sum to one.
    #[error("the weights sum to {sum:.6}, not to 1")]
    Sum {
        /// Their sum.
        sum: f64,
    },
}

/// The default weights.
pub fn default_weights() -> Weights {
    Metric::ALL.iter().map(|metric| (*metric, metric.default_weight())).collect()
}

/// Checks weights: one for each metric, none below zero, one in all.
///
/// # Errors
/// With the first of these that does not hold.
pub fn check_weights(weights: &Weights) -> Result<(), WeightsError> {
    let mut sum = 0.0;
    for metric in Metric::ALL {
        let weight = weights.get(&metric).ok_or(WeightsError::Missing { metric })?.get();
        if weight < 0.0 {
            return Err(WeightsError::Negative { metric });
        }
        sum += weight;
    }
    if (sum - 1.0).abs() > TOLERANCE { Err(WeightsError::Sum { sum }) } else { Ok(()) }
}

/// A metric's part of a score, 0 to 1.
pub fn part(metric: Metric, value: Ratio) -> Ratio {
    let value = value.get();
    Ratio::within_unit(match metric {
        Metric::HurstShort | Metric::HurstLong => (value - 0.5).abs() / 0.15,
        Metric::HalfLife if value <= 2.0 => value / 2.0,
        Metric::HalfLife => (250.0 / value).ln() / (250.0_f64 / 30.0).ln(),
        Metric::GarchPersistence => (1.0 - value) / 0.10,
        Metric::RegimePersistence => (value - 0.5) / 0.5,
        Metric::Autocorrelation => value.abs() / 0.15,
        Metric::Sharpe => (value + 1.0) / 3.0,
        Metric::Drawdown => 1.0 - value / 0.5,
    })
}

/// The weighted sum of a candidate's parts; `None` where a part or a weight is missing.
pub fn score(candidate: &Candidate, weights: &Weights) -> Option<Ratio> {
    let mut sum = 0.0;
    for metric in Metric::ALL {
        sum += weights.get(&metric)?.get() * candidate.metrics.get(&metric)?.part?.get();
    }
    Ratio::new(sum).ok()
}

/// Gives every candidate that is not excluded its score and its place, and takes them from all others.
/// Of equal scores the symbol that comes first in the alphabet stands first.
///
/// # Errors
/// When the weights are none; then nothing is changed.
pub fn rank(candidates: &mut [Candidate], weights: &Weights) -> Result<(), WeightsError> {
    check_weights(weights)?;
    for candidate in &mut *candidates {
        let is_in = candidate.excluded.is_empty();
        candidate.score = if is_in { score(candidate, weights) } else { None };
        candidate.rank = None;
    }
    place(candidates, |_| 0.0);
    Ok(())
}

/// Gives every candidate with a score its place; `bonus` is added to the score where places are compared,
/// and stands in no score.
pub(super) fn place(candidates: &mut [Candidate], bonus: impl Fn(&Candidate) -> f64) {
    let mut order: Vec<&mut Candidate> =
        candidates.iter_mut().filter(|candidate| candidate.score.is_some()).collect();
    let value = |candidate: &Candidate| {
        candidate.score.map_or(f64::MIN, |score| score.get() + bonus(candidate))
    };
    order.sort_by(|a, b| value(b).total_cmp(&value(a)).then_with(|| a.symbol.cmp(&b.symbol)));
    for (rank, candidate) in (1..).zip(order) {
        candidate.rank = Some(rank);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_the_table() {
        for (metric, points) in [
            (Metric::HurstShort, [(0.5, 0.0), (0.575, 0.5), (0.425, 0.5), (0.65, 1.0), (0.1, 1.0)]),
            (Metric::HurstLong, [(0.5, 0.0), (0.53, 0.2), (0.35, 1.0), (0.95, 1.0), (-0.2, 1.0)]),
            (Metric::HalfLife, [(0.5, 0.25), (2.0, 1.0), (30.0, 1.0), (250.0, 0.0), (900.0, 0.0)]),
            (
                Metric::GarchPersistence,
                [(0.0, 1.0), (0.9, 1.0), (0.95, 0.5), (1.0, 0.0), (1.2, 0.0)],
            ),
            (
                Metric::RegimePersistence,
                [(0.5, 0.0), (0.75, 0.5), (0.9, 0.8), (1.0, 1.0), (0.2, 0.0)],
            ),
            (
                Metric::Autocorrelation,
                [(0.0, 0.0), (0.03, 0.2), (-0.03, 0.2), (0.15, 1.0), (-0.9, 1.0)],
            ),
            (Metric::Sharpe, [(-3.0, 0.0), (-1.0, 0.0), (0.5, 0.5), (2.0, 1.0), (9.0, 1.0)]),
            (Metric::Drawdown, [(0.0, 1.0), (0.1, 0.8), (0.25, 0.5), (0.5, 0.0), (1.0, 0.0)]),
        ] {
            for (value, expected) in points {
                let found = part(metric, Ratio::of(value)).get();
                assert!((found - expected).abs() < 1e-9, "{metric:?} {value}: {found}");
            }
        }
        // Half of the way from 30 to 250 by the logarithm.
        let middle = (30.0_f64 * 250.0).sqrt();
        assert!((part(Metric::HalfLife, Ratio::of(middle)).get() - 0.5).abs() < 1e-9);
    }

    #[test]
    fn no_value_has_a_part_outside_of_zero_to_one() {
        for metric in Metric::ALL {
            for value in [f64::MIN, -1.0, -0.0, 0.0, f64::MIN_POSITIVE, 1.0, 1e9, f64::MAX] {
                let found = part(metric, Ratio::of(value)).get();
                assert!((0.0..=1.0).contains(&found), "{metric:?} {value}: {found}");
            }
        }
    }

    #[test]
    fn default_weights_are_weights() {
        assert_eq!(check_weights(&default_weights()), Ok(()));
    }
}
