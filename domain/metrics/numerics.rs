//! Sums, moments and quantiles in a fixed order, so that equal input gives equal bits.

/// The compensated sum (Neumaier's variant of Kahan's), in the order given.
pub(crate) fn sum(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut total = 0.0_f64;
    let mut lost = 0.0_f64;
    for value in values {
        let next = total + value;
        lost += if total.abs() >= value.abs() {
            (total - next) + value
        } else {
            (value - next) + total
        };
        total = next;
    }
    total + lost
}

/// A count as a float.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(crate) fn float(count: usize) -> f64 {
    count as f64
}

/// The arithmetic mean; NaN when there is nothing.
pub(crate) fn mean(values: &[f64]) -> f64 {
    sum(values.iter().copied()) / float(values.len())
}

/// The sum of the `power`-th powers of the distances from `centre`.
pub(crate) fn central_sum(values: &[f64], centre: f64, power: i32) -> f64 {
    sum(values.iter().map(|value| (value - centre).powi(power)))
}

/// The sample standard deviation (divisor n − 1); NaN below two values.
pub(crate) fn sample_sd(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return f64::NAN;
    }
    (central_sum(values, mean(values), 2) / float(values.len() - 1)).sqrt()
}

/// Whether all values are the same number.
///
/// Their range is compared, not their deviation: the deviation of equal numbers is rounding noise,
/// and a ratio over noise is huge. `scale` is the size of what the values were computed from; a
/// range within a few units of its last place is no variance either (a constant growth, divided).
pub(crate) fn is_constant(values: &[f64], scale: f64) -> bool {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    high - low <= 8.0 * f64::EPSILON * scale
}

/// The quantile `share` (0 to 1) of sorted values, linear between neighbours (numpy's default);
/// NaN when there is nothing.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let position = share * float(last);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a length is a small positive number"
    )]
    let below = (position.floor() as usize).min(last);
    let above = (below + 1).min(last);
    let weight = position - float(below);
    sorted[below] + (sorted[above] - sorted[below]) * weight
}

/// Sorted from small to large.
pub(crate) fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

/// Skewness, corrected for bias as pandas does: `G1 = √(n(n−1))/(n−2) · m3/m2^1.5`.
/// NaN below three values.
pub(crate) fn skew(values: &[f64]) -> f64 {
    let n = float(values.len());
    if values.len() < 3 {
        return f64::NAN;
    }
    let centre = mean(values);
    let second = central_sum(values, centre, 2) / n;
    let third = central_sum(values, centre, 3) / n;
    (n * (n - 1.0)).sqrt() / (n - 2.0) * third / second.powf(1.5)
}

/// Excess kurtosis, corrected for bias as pandas does:
/// `(n−1)/((n−2)(n−3)) · ((n+1)·m4/m2² − 3(n−1))`. NaN below four values.
pub(crate) fn kurtosis(values: &[f64]) -> f64 {
    let n = float(values.len());
    if values.len() < 4 {
        return f64::NAN;
    }
    let centre = mean(values);
    let second = central_sum(values, centre, 2) / n;
    let fourth = central_sum(values, centre, 4) / n;
    let ratio = fourth / (second * second);
    (n - 1.0) / ((n - 2.0) * (n - 3.0)) * ((n + 1.0) * ratio - 3.0 * (n - 1.0))
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these results are exact")]
mod tests {
    use super::*;

    #[test]
    fn a_compensated_sum_keeps_what_a_naive_one_loses() {
        let values = [1.0, 1e100, 1.0, -1e100];
        assert_eq!(values.iter().sum::<f64>(), 0.0);
        assert_eq!(sum(values), 2.0);
    }

    #[test]
    fn quantiles_are_linear_between_neighbours() {
        let values = sorted(&[4.0, 1.0, 3.0, 2.0]);
        assert_eq!(quantile(&values, 0.0), 1.0);
        assert_eq!(quantile(&values, 0.5), 2.5);
        assert_eq!(quantile(&values, 1.0), 4.0);
        assert_eq!(quantile(&[7.0], 0.05), 7.0);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn a_constant_is_one_despite_rounding_and_a_real_range_is_not() {
        let growth: Vec<f64> = (0..200).map(|n| 100.0 * 1.01_f64.powi(n)).collect();
        let returns: Vec<f64> = growth.windows(2).map(|pair| pair[1] / pair[0] - 1.0).collect();
        assert!(is_constant(&returns, 1.01));
        assert!(!is_constant(&[0.01, 0.010_000_000_001], 1.01));
    }
}
