//! What the estimators share: the check of their input, why one has no value, and straight lines.

use crate::metrics::numerics::{float, is_constant, mean, sum};

/// Why an estimator has no value. It is never replaced by a number.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Undefined {
    /// There are fewer values than it takes.
    #[error("{found} values, {wanted} needed")]
    Short {
        /// How many there are.
        found: usize,
        /// How many it takes.
        wanted: usize,
    },
    /// A value is NaN or infinite.
    #[error("a value is not finite")]
    NotFinite,
    /// All values are the same, or nearly all.
    #[error("the values do not vary")]
    NoVariance,
    /// The series does not return to a mean.
    #[error("phi {phi:.5} is not between 0 and 1")]
    NotReverting {
        /// The coefficient of the former value.
        phi: f64,
    },
    /// An iteration did not come to an end.
    #[error("the fit does not settle within {steps} steps")]
    NoConvergence {
        /// Steps that were made.
        steps: usize,
    },
    /// The figure cannot be had; the metrics say why.
    #[error("{0}")]
    Metric(crate::metrics::Reason),
    /// The series cannot be measured at all.
    #[error("{0}")]
    Series(crate::metrics::MetricsError),
}

/// Checks what an estimator is given: enough values, all finite, not all the same.
///
/// # Errors
/// With the first of these that does not hold.
pub(super) fn check(values: &[f64], wanted: usize) -> Result<(), Undefined> {
    if values.len() < wanted {
        return Err(Undefined::Short { found: values.len(), wanted });
    }
    if !values.iter().all(|value| value.is_finite()) {
        return Err(Undefined::NotFinite);
    }
    let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    if is_constant(values, largest) {
        return Err(Undefined::NoVariance);
    }
    Ok(())
}

/// The values less their mean.
pub(super) fn centred(values: &[f64]) -> Vec<f64> {
    let mean = mean(values);
    values.iter().map(|value| value - mean).collect()
}

/// The mean of the squares.
pub(super) fn mean_square(values: &[f64]) -> f64 {
    sum(values.iter().map(|value| value * value)) / float(values.len())
}

/// A straight line through points, by least squares.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// Its slope.
    pub(super) slope: f64,
    /// Its value at zero.
    pub(super) intercept: f64,
    /// The sum of squares of x about its mean.
    pub(super) spread: f64,
}

impl Line {
    /// The line through the points; `None` where x does not vary.
    pub(super) fn through(points: &[(f64, f64)]) -> Option<Self> {
        let count = float(points.len());
        let x_mean = sum(points.iter().map(|(x, _)| *x)) / count;
        let y_mean = sum(points.iter().map(|(_, y)| *y)) / count;
        let spread = sum(points.iter().map(|(x, _)| (x - x_mean) * (x - x_mean)));
        let joint = sum(points.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)));
        let slope = joint / spread;
        let line = Self { slope, intercept: y_mean - slope * x_mean, spread };
        (spread > 0.0 && slope.is_finite()).then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_measured_is_refused_with_the_reason() {
        assert_eq!(check(&[1.0], 2), Err(Undefined::Short { found: 1, wanted: 2 }));
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(check(&[1.0, bad], 2), Err(Undefined::NotFinite));
        }
        assert_eq!(check(&[0.1; 9], 2), Err(Undefined::NoVariance));
        assert_eq!(check(&[0.0; 9], 2), Err(Undefined::NoVariance));
        assert_eq!(check(&[0.1, 0.2], 2), Ok(()));
    }

    #[test]
    fn a_line_goes_through_points_that_lie_on_it() {
        let line = Line::through(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]).unwrap();
        assert!((line.slope - 2.0).abs() < 1e-12 && (line.intercept - 1.0).abs() < 1e-12);
        assert!((line.spread - 2.0).abs() < 1e-12);
        assert!(Line::through(&[(1.0, 1.0), (1.0, 2.0)]).is_none());
        assert!(Line::through(&[]).is_none());
    }
}
