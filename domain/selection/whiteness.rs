//! Whether anything is left in a series: autocorrelation, Ljung–Box and ARCH-LM.

use super::numbers::{Undefined, centred, check, mean_square};
use crate::metrics::numerics::{float, mean};

/// Lags that the tests look at. Even, so that the tail of χ² is a finite sum.
pub const LAGS: usize = 10;
/// The size of the normal equations of ARCH-LM: a constant and the lags.
const SIZE: usize = LAGS + 1;

/// A test's statistic and how often chance alone exceeds it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Test {
    /// The statistic.
    pub statistic: f64,
    /// Its p-value.
    pub p: f64,
}

impl Test {
    /// By the χ² distribution with as many degrees of freedom as there are lags.
    fn by_lags(statistic: f64) -> Self {
        Self { statistic, p: tail_of_chi_square(statistic) }
    }
}

/// `P(χ²₁₀ > x)`: with an even number of degrees the tail is a sum of Poisson terms.
fn tail_of_chi_square(x: f64) -> f64 {
    let half = x.max(0.0) / 2.0;
    let (mut term, mut total) = (1.0, 0.0);
    for nth in 0..LAGS / 2 {
        if nth > 0 {
            term *= half / float(nth);
        }
        total += term;
    }
    ((-half).exp() * total).min(1.0)
}

/// The autocorrelation at a lag: the covariance with its own past over the variance, both over n.
///
/// # Errors
/// With no more values than `lag` and two, one that is not finite, or none that varies.
pub fn autocorrelation(values: &[f64], lag: usize) -> Result<f64, Undefined> {
    check(values, lag + 2)?;
    let centred = centred(values);
    Ok(joint(&centred, lag) / mean_square(&centred) / float(values.len()))
}

/// The sum of products of values that are `lag` apart.
fn joint(centred: &[f64], lag: usize) -> f64 {
    centred.iter().zip(&centred[lag..]).map(|(a, b)| a * b).sum()
}

/// Whether [`LAGS`] autocorrelations together are more than chance: `n(n+2)·Σ ρ²/(n−k)` (Ljung & Box,
/// *Biometrika* 65, 1978).
///
/// # Errors
/// As [`autocorrelation`].
pub fn ljung_box(values: &[f64]) -> Result<Test, Undefined> {
    check(values, LAGS + 2)?;
    let (count, centred) = (float(values.len()), centred(values));
    let square = mean_square(&centred) * count;
    let part = |lag: usize| (joint(&centred, lag) / square).powi(2) / (count - float(lag));
    let total: f64 = (1..=LAGS).map(part).sum();
    Ok(Test::by_lags(count * (count + 2.0) * total))
}

/// Whether squares depend on [`LAGS`] squares before them: `n·R²` of that regression (Engle,
/// *Econometrica* 50, 1982).
///
/// # Errors
/// With fewer than four values for each coefficient, one that is not finite, or squares that do not vary.
pub fn arch_lm(values: &[f64]) -> Result<Test, Undefined> {
    check(values, 4 * SIZE)?;
    let squares: Vec<f64> = values.iter().map(|value| value * value).collect();
    check(&squares, 4 * SIZE)?;
    // A scale near one keeps the equations well conditioned; R² does not depend on it.
    let scale = mean(&squares);
    let squares: Vec<f64> = squares.iter().map(|square| square / scale).collect();
    let rows = squares.len() - LAGS;
    let mut equations = [[0.0_f64; SIZE + 1]; SIZE];
    for at in LAGS..squares.len() {
        let mut row = [1.0; SIZE + 1];
        for lag in 1..=LAGS {
            row[lag] = squares[at - lag];
        }
        row[SIZE] = squares[at];
        for (one, equation) in row.iter().zip(&mut equations) {
            for (cell, other) in equation.iter_mut().zip(&row) {
                *cell += one * other;
            }
        }
    }
    let coefficients = solve(equations).ok_or(Undefined::NoVariance)?;
    let known = &squares[LAGS..];
    let centre = mean(known);
    let (mut left, mut total) = (0.0, 0.0);
    for (at, value) in (LAGS..).zip(known) {
        let lags = coefficients[1..].iter().zip((1..=LAGS).map(|lag| squares[at - lag]));
        let fitted = coefficients[0] + lags.map(|(weight, square)| weight * square).sum::<f64>();
        left += (value - fitted) * (value - fitted);
        total += (value - centre) * (value - centre);
    }
    Ok(Test::by_lags(float(rows) * (1.0 - left / total)))
}

/// Solves equations by Gauss with the largest pivot; `None` where they do not determine a solution.
fn solve(mut equations: [[f64; SIZE + 1]; SIZE]) -> Option<[f64; SIZE]> {
    for column in 0..SIZE {
        let size = |row: &usize| equations[*row][column].abs();
        let pivot = (column..SIZE).max_by(|a, b| size(a).total_cmp(&size(b)))?;
        equations.swap(column, pivot);
        let lead = equations[column];
        if lead[column].abs() < 1e-9 {
            return None;
        }
        for (at, row) in equations.iter_mut().enumerate() {
            let factor = row[column] / lead[column];
            if at != column {
                for (cell, value) in row.iter_mut().zip(&lead).skip(column) {
                    *cell -= factor * value;
                }
            }
        }
    }
    let mut solution = [0.0; SIZE];
    for (at, (found, row)) in solution.iter_mut().zip(&equations).enumerate() {
        *found = row[SIZE] / row[at];
    }
    Some(solution)
}
