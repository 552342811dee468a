//! Hurst exponents of returns: above one half they persist, below it they turn back.
//!
//! Rescaled range (Hurst 1951; Mandelbrot & Wallis 1969) with the expected value of independent normal
//! returns taken off (Anis & Lloyd, *Biometrika* 63, 1976; Weron, *Physica A* 312, 2002): without that,
//! short windows find persistence in pure noise. Detrended fluctuation analysis of the first order
//! (Peng et al., *Phys. Rev. E* 49, 1994) stands beside it as a diagnostic, since both err differently.

use super::numbers::{Line, Undefined, centred, check};
use crate::metrics::numerics::{float, mean};

/// The shortest window, in returns.
const SHORTEST: usize = 10;
/// Each window is longer than the one before by this factor, rounded.
const GROWTH: f64 = 1.25;
/// Fewer returns than this hold too few windows of different lengths for a line.
pub const RETURNS_MIN: usize = 100;

/// Lengths of windows from [`SHORTEST`] to `longest`, each once.
fn windows(longest: usize) -> impl Iterator<Item = usize> {
    let mut next = float(SHORTEST);
    std::iter::from_fn(move || {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small positive number"
        )]
        let length = next.round() as usize;
        next *= GROWTH;
        (length <= longest).then_some(length)
    })
}

/// The Hurst exponent by rescaled range: 0.5 plus the slope of `ln(R/S)` less that of its expected value
/// over `ln` of the window, in windows side by side of 10 returns up to half of them.
///
/// # Errors
/// With fewer than [`RETURNS_MIN`] returns, one that is not finite, or none that varies.
pub fn rescaled_range(returns: &[f64]) -> Result<f64, Undefined> {
    check(returns, RETURNS_MIN)?;
    let mut points = Vec::new();
    for window in windows(returns.len() / 2) {
        if let Some(range) = mean_range(returns, window) {
            points.push((float(window).ln(), range.ln() - expected_range(window).ln()));
        }
    }
    let line = Line::through(&points).filter(|_| points.len() >= 3);
    line.map(|line| 0.5 + line.slope).ok_or(Undefined::NoVariance)
}

/// The mean of R/S over windows side by side, the last of which ends with the last return; those in
/// which nothing varies have none. `None` where no window has one.
fn mean_range(returns: &[f64], window: usize) -> Option<f64> {
    let ranges: Vec<f64> = returns.rchunks_exact(window).filter_map(range).collect();
    (!ranges.is_empty()).then(|| mean(&ranges))
}

/// The range of the sums of deviations from the mean, over the (population) deviation.
fn range(returns: &[f64]) -> Option<f64> {
    let (count, centre) = (float(returns.len()), mean(returns));
    let (mut total, mut low, mut high, mut squares) = (0.0_f64, 0.0_f64, 0.0_f64, 0.0_f64);
    let mut largest = 0.0_f64;
    for value in returns {
        let distance = value - centre;
        total += distance;
        low = low.min(total);
        high = high.max(total);
        squares += distance * distance;
        largest = largest.max(value.abs());
    }
    let deviation = (squares / count).sqrt();
    // What is left of equal returns is rounding, and a range over rounding is anything.
    (deviation > 1e-12 * largest).then(|| (high - low) / deviation)
}

/// The expected R/S of `window` independent normal returns, exactly:
/// `Γ((n−1)/2) / (√π·Γ(n/2)) · Σ √((n−r)/r)` for r from 1 to n − 1.
pub fn expected_range(window: usize) -> f64 {
    // Γ((n−1)/2) / Γ(n/2) from that of n − 2: no gamma function is needed, and none overflows.
    let even = window.is_multiple_of(2);
    let root_pi = std::f64::consts::PI.sqrt();
    let (mut ratio, mut at) = if even { (root_pi, 2) } else { (2.0 / root_pi, 3) };
    while at < window {
        at += 2;
        ratio *= float(at - 3) / float(at - 2);
    }
    let count = float(window);
    let sum: f64 = (1..window).map(|r| ((count - float(r)) / float(r)).sqrt()).sum();
    ratio / root_pi * sum
}

/// The exponent of detrended fluctuation analysis of the first order, in windows of 10 returns up to a
/// quarter of them: near the Hurst exponent for returns with a memory.
///
/// # Errors
/// As [`rescaled_range`].
pub fn detrended_fluctuation(returns: &[f64]) -> Result<f64, Undefined> {
    check(returns, RETURNS_MIN)?;
    let mut total = 0.0;
    let profile: Vec<f64> = centred(returns)
        .iter()
        .map(|value| {
            total += value;
            total
        })
        .collect();
    let mut points = Vec::new();
    for window in windows(returns.len() / 4) {
        let squares: Vec<f64> = profile.rchunks_exact(window).map(residual).collect();
        let fluctuation = mean(&squares).max(0.0).sqrt();
        if fluctuation > 0.0 {
            points.push((float(window).ln(), fluctuation.ln()));
        }
    }
    let line = Line::through(&points).filter(|_| points.len() >= 3);
    line.map(|line| line.slope).ok_or(Undefined::NoVariance)
}

/// The mean square of a window's distance from the straight line through it.
fn residual(window: &[f64]) -> f64 {
    let (count, centre) = (float(window.len()), mean(window));
    let middle = (count - 1.0) / 2.0;
    let (mut own, mut joint) = (0.0, 0.0);
    for (at, value) in window.iter().enumerate() {
        let (x, y) = (float(at) - middle, value - centre);
        own += y * y;
        joint += x * y;
    }
    let spread = count * (count * count - 1.0) / 12.0;
    (own - joint * joint / spread).max(0.0) / count
}
