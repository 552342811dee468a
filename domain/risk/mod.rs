//! Statistics of risk over daily returns: value at risk of a portfolio, correlations.
//!
//! Pure arithmetic on windows of up to 250 daily returns. Windows are aligned by their days: only
//! days that every one of them has are compared, so a share and a coin meet on the share's sessions.
//! Fewer than [`MIN_OBSERVATIONS`] common days are no evidence: the answer is `None`, and whoever
//! asks must treat that as "not known to be safe".

mod daily;

use serde::{Deserialize, Serialize};

pub use self::daily::DailyReturns;
use crate::features::{Moments, as_float};
use crate::ratio::Ratio;
use crate::signal::Direction;

/// The least number of common days that a statistic is made of.
pub const MIN_OBSERVATIONS: usize = 20;

/// One position, held or intended.
#[derive(Clone, Copy, Debug)]
pub struct Holding<'a> {
    /// Its size as a fraction of equity; negative when short.
    pub weight: Ratio,
    /// The symbol's daily returns.
    pub returns: &'a DailyReturns,
}

/// What a portfolio may lose in a day; positive fractions of equity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TailRisk {
    /// Value at risk at 95 %: the loss that one day in twenty exceeds. Zero when even that day gains.
    pub var95: Ratio,
    /// The mean of the losses from there on. Zero when they are gains.
    pub cvar95: Ratio,
}

/// Historical value at risk and its tail mean, at 95 %, of a portfolio over the common days of its holdings.
///
/// The former is the 5th percentile with linear interpolation, the latter the mean of the
/// ⌊0.05·(n − 1)⌋ + 1 smallest returns (as empyrical computes both), with the sign turned. Cash earns
/// nothing. An empty portfolio has no risk. `None` below [`MIN_OBSERVATIONS`] common days.
pub fn tail_risk(holdings: &[Holding<'_>]) -> Option<TailRisk> {
    let mut returns = portfolio_returns(holdings)?;
    returns.sort_by(f64::total_cmp);
    let rank = 0.05 * as_float(returns.len() - 1);
    let below = lower_rank(returns.len());
    let low = *returns.get(below)?;
    let high = returns.get(below + 1).copied().unwrap_or(low);
    let percentile = low + (high - low) * (rank - as_float(below));
    let tail = &returns[..=below];
    let mean = tail.iter().sum::<f64>() / as_float(tail.len());
    let loss = |value: f64| Ratio::new((-value).max(0.0)).ok();
    Some(TailRisk { var95: loss(percentile)?, cvar95: loss(mean)? })
}

/// ⌊0.05·(n − 1)⌋ without leaving the integers.
fn lower_rank(count: usize) -> usize {
    count.saturating_sub(1) / 20
}

/// The portfolio's return on each common day; a single zero for a portfolio without positions.
fn portfolio_returns(holdings: &[Holding<'_>]) -> Option<Vec<f64>> {
    let mut held = holdings.iter().filter(|holding| holding.weight != Ratio::ZERO);
    let Some(first) = held.next() else { return Some(vec![0.0]) };
    let rest: Vec<_> = held.collect();
    let mut returns = Vec::with_capacity(first.returns.len());
    for (day, value) in first.returns.iter() {
        let start = Some(first.weight.get() * value);
        let on_day = rest.iter().fold(start, |sum, holding| {
            Some(sum? + holding.weight.get() * holding.returns.on(day)?)
        });
        returns.extend(on_day);
    }
    (returns.len() >= MIN_OBSERVATIONS).then_some(returns)
}

/// Pearson's correlation of two symbols over their common days, −1 to 1.
///
/// `None` below [`MIN_OBSERVATIONS`] common days, or when one of them never moved.
pub fn correlation(left: &DailyReturns, right: &DailyReturns) -> Option<Ratio> {
    let pairs: Vec<(f64, f64)> =
        left.iter().filter_map(|(day, value)| Some((value, right.on(day)?))).collect();
    if pairs.len() < MIN_OBSERVATIONS {
        return None;
    }
    let (x, y) = (pairs.iter().map(|pair| pair.0), pairs.iter().map(|pair| pair.1));
    let (x, y) = (Moments::of(x)?, Moments::of(y)?);
    let spread = x.population_sd() * y.population_sd();
    if spread <= 0.0 {
        return None;
    }
    let products = pairs.iter().map(|pair| (pair.0 - x.mean) * (pair.1 - y.mean));
    let covariance = products.sum::<f64>() / as_float(pairs.len());
    // Rounding may carry a perfect correlation past one.
    let found = covariance / spread;
    Ratio::new(found.abs().min(1.0).copysign(found)).ok()
}

/// The largest correlation of a candidate with what is held, −1 to 1, seen from the profits: two
/// shorts that fall together correlate by +1, a long and a short of the same thing by −1.
///
/// Holdings without enough common days are passed over. `None` when none is left: with an empty book
/// nothing correlates.
pub fn max_correlation<'a>(
    candidate: (&DailyReturns, Direction),
    held: impl IntoIterator<Item = (&'a DailyReturns, Direction)>,
) -> Option<Ratio> {
    let (returns, direction) = candidate;
    let mut largest: Option<f64> = None;
    for (other, other_direction) in held {
        if let Some(found) = correlation(returns, other) {
            let felt = found.get() * direction.sign() * other_direction.sign();
            largest = Some(largest.map_or(felt, |largest| largest.max(felt)));
        }
    }
    largest.and_then(|largest| Ratio::new(largest).ok())
}

#[cfg(test)]
mod tests;
