//! GARCH(1,1): how long a shock to the volatility lasts.
//!
//! `h(t) = ω + α·e²(t−1) + β·h(t−1)` (Bollerslev, *J. of Econometrics* 31, 1986), fitted by quasi-maximum
//! likelihood to returns less their mean; the first variance is the sample's. It is searched for by BFGS
//! with the analytic gradient in coordinates in which every point is a stationary process:
//! `v = e^x0` (the long-run variance, ω = v(1 − α − β)), `α = e^x1/D`, `β = e^x2/D`, `D = 1 + e^x1 + e^x2`. The
//! search begins at variance targeting, v being the sample's variance. Steps are bounded, and nothing is
//! allocated on the way. A search that does not settle has no result.
//!
//! Where a constant variance is about as likely (a likelihood ratio below the 5 % point of χ² with two
//! degrees), α is as good as zero and says nothing of β: the search may then end anywhere up to
//! β = 1. Such a series has no clusters, and nothing of a shock persists.

use super::numbers::{Undefined, centred, check, mean_square};
use super::whiteness::{Test, arch_lm, ljung_box};
use crate::metrics::numerics::float;

/// Fewer returns than this are not fitted.
pub const RETURNS_MIN: usize = 250;
/// Where the search begins, α and β; the second and third are tried when one does not settle.
const STARTS: [(f64, f64); 3] = [(0.08, 0.88), (0.05, 0.60), (0.15, 0.75)];
/// Steps of one search.
const STEPS_MAX: usize = 200;
/// The longest step in any coordinate.
const STEP_MAX: f64 = 1.0;
/// The slope of the mean log likelihood below which a point is the top.
const SETTLED: f64 = 1e-7;
/// The 5 % point of χ² with two degrees of freedom.
const CLUSTERS_MIN: f64 = 5.991_464_547_107_979;
/// Coordinates beyond this are the edge of all parameters: nothing more is found there.
const EDGE: f64 = 25.0;

/// A fitted process. Variances are in the returns' unit, per bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Garch {
    /// The constant.
    pub omega: f64,
    /// The weight of the last square.
    pub alpha: f64,
    /// The weight of the last variance.
    pub beta: f64,
    /// The log likelihood with its constant.
    pub log_likelihood: f64,
    /// Twice the log likelihood above that of a constant variance.
    pub ratio: f64,
    /// Returns that were fitted.
    pub returns: usize,
    /// Ljung–Box of the standardised residuals: whether the mean is more than a constant.
    pub residuals: Test,
    /// Ljung–Box of their squares: whether clusters are left.
    pub squares: Test,
    /// ARCH-LM of the standardised residuals.
    pub arch: Test,
}

impl Garch {
    /// Whether the variance changes at all, more than chance would have it.
    pub fn has_clusters(&self) -> bool {
        self.ratio > CLUSTERS_MIN
    }

    /// How much of a shock's variance is there a bar later: α + β, or nothing without clusters.
    pub fn persistence(&self) -> f64 {
        if self.has_clusters() { self.alpha + self.beta } else { 0.0 }
    }
}

/// Fits returns.
///
/// # Errors
/// With fewer than [`RETURNS_MIN`] returns, one that is not finite, none that varies, or when the search
/// does not settle.
pub fn fit(returns: &[f64]) -> Result<Garch, Undefined> {
    check(returns, RETURNS_MIN)?;
    let mut shocks = centred(returns);
    let variance = mean_square(&shocks);
    let deviation = variance.sqrt();
    for shock in &mut shocks {
        *shock /= deviation;
    }
    let squares: Vec<f64> = shocks.iter().map(|shock| shock * shock).collect();
    let found = STARTS.iter().find_map(|&start| search(&squares, start));
    let (point, cost) = found.ok_or(Undefined::NoConvergence { steps: STEPS_MAX })?;
    let terms = Terms::at(&point);
    let Terms { alpha, beta, .. } = terms;
    let standardised = terms.standardised(&shocks);
    let count = float(returns.len());
    let constant = std::f64::consts::TAU.ln() + variance.ln();
    Ok(Garch {
        omega: variance * terms.omega(),
        alpha,
        beta,
        log_likelihood: -count * (cost + 0.5 * constant),
        // A constant variance of one has a cost of one half.
        ratio: count * (1.0 - 2.0 * cost),
        returns: returns.len(),
        residuals: ljung_box(&standardised)?,
        squares: ljung_box(&standardised.iter().map(|z| z * z).collect::<Vec<f64>>())?,
        arch: arch_lm(&standardised)?,
    })
}

/// A point of the search.
type Point = [f64; 3];

/// The parameters at a point; the sample's variance is one.
#[derive(Clone, Copy, Debug)]
struct Terms {
    long_run: f64,
    alpha: f64,
    beta: f64,
}

impl Terms {
    fn at(point: &Point) -> Self {
        let (a, b) = (point[1].exp(), point[2].exp());
        let whole = 1.0 + a + b;
        Self { long_run: point[0].exp(), alpha: a / whole, beta: b / whole }
    }

    fn omega(&self) -> f64 {
        self.long_run * (1.0 - self.alpha - self.beta)
    }

    /// The shocks over their own deviations.
    fn standardised(&self, shocks: &[f64]) -> Vec<f64> {
        let mut variance = 1.0_f64;
        let step = |&shock: &f64| {
            let standardised = shock / variance.sqrt();
            variance = self.omega() + self.alpha * shock * shock + self.beta * variance;
            standardised
        };
        shocks.iter().map(step).collect()
    }
}

/// Half the mean of `ln h + e²/h`, and its slope at a point.
fn cost(squares: &[f64], point: &Point) -> (f64, Point) {
    let terms = Terms::at(point);
    let Terms { long_run, alpha, beta } = terms;
    let omega = terms.omega();
    let (mut variance, mut slopes) = (1.0_f64, [0.0_f64; 3]);
    let (mut total, mut gradient) = (0.0, [0.0_f64; 3]);
    for &square in squares {
        let inverse = 1.0 / variance;
        total += variance.ln() + square * inverse;
        let pull = inverse - square * inverse * inverse;
        for (sum, slope) in gradient.iter_mut().zip(&slopes) {
            *sum += pull * slope;
        }
        slopes = [
            omega + beta * slopes[0],
            square - long_run + beta * slopes[1],
            variance - long_run + beta * slopes[2],
        ];
        variance = omega + alpha * square + beta * variance;
    }
    let half = 0.5 / float(squares.len());
    let [of_level, of_alpha, of_beta] = gradient.map(|slope| slope * half);
    let joint = -alpha * beta;
    let slope = [
        of_level,
        of_alpha * alpha * (1.0 - alpha) + of_beta * joint,
        of_alpha * joint + of_beta * beta * (1.0 - beta),
    ];
    (total * half, slope)
}

fn dot(a: &Point, b: &Point) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn times(matrix: &[Point; 3], vector: &Point) -> Point {
    [dot(&matrix[0], vector), dot(&matrix[1], vector), dot(&matrix[2], vector)]
}

const IDENTITY: [Point; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// Goes down from a start by BFGS; `None` where it does not settle inside of the edge.
fn search(squares: &[f64], (alpha, beta): (f64, f64)) -> Option<(Point, f64)> {
    let rest = 1.0 - alpha - beta;
    let mut point = [0.0, f64::ln(alpha / rest), f64::ln(beta / rest)];
    let (mut here, mut slope) = cost(squares, &point);
    let mut inverse = IDENTITY;
    for _ in 0..STEPS_MAX {
        if slope.iter().all(|part| part.abs() < SETTLED) {
            return Some((point, here));
        }
        let mut way = times(&inverse, &slope).map(|part| -part);
        if dot(&way, &slope) >= 0.0 {
            inverse = IDENTITY;
            way = slope.map(|part| -part);
        }
        let longest = way.iter().fold(STEP_MAX, |longest, part| longest.max(part.abs()));
        let way = way.map(|part| part * STEP_MAX / longest);
        let (next, down, new_slope) = descend(squares, &point, here, &way, dot(&way, &slope))?;
        if next.iter().any(|part| part.abs() > EDGE) {
            return None;
        }
        let step = [next[0] - point[0], next[1] - point[1], next[2] - point[2]];
        let change = [new_slope[0] - slope[0], new_slope[1] - slope[1], new_slope[2] - slope[2]];
        learn(&mut inverse, &step, &change);
        (point, here, slope) = (next, down, new_slope);
    }
    None
}

/// Halves a step until it goes down enough (Armijo); `None` where none does.
fn descend(
    squares: &[f64],
    point: &Point,
    here: f64,
    way: &Point,
    fall: f64,
) -> Option<(Point, f64, Point)> {
    let mut share = 1.0;
    for _ in 0..40 {
        let next = [0, 1, 2].map(|at| point[at] + share * way[at]);
        let (cost, slope) = cost(squares, &next);
        // At the top the cost changes by less than its last digits: what is no higher is taken.
        let enough = here + 1e-4 * share * fall + 1e-15 * here.abs();
        if cost <= enough && slope.iter().all(|part| part.is_finite()) {
            return Some((next, cost, slope));
        }
        share *= 0.5;
    }
    None
}

/// The BFGS update of the inverse curvature; a step along which the slope does not rise teaches nothing.
fn learn(inverse: &mut [Point; 3], step: &Point, change: &Point) {
    let along = dot(step, change);
    if along <= 1e-18 {
        return;
    }
    let turned = times(inverse, change);
    let factor = (1.0 + dot(change, &turned) / along) / along;
    for (row, cells) in inverse.iter_mut().enumerate() {
        for (column, cell) in cells.iter_mut().enumerate() {
            *cell += factor * step[row] * step[column]
                - (turned[row] * step[column] + step[row] * turned[column]) / along;
        }
    }
}
