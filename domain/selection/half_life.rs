//! How fast a price returns to its mean: the half-life of an Ornstein–Uhlenbeck process.
//!
//! Such a process seen at every bar is an autoregression of the first order, `x(t) = c + φ·x(t−1) + ε`, of
//! the log price; half of a distance from the mean is gone after `ln 2 / −ln φ` bars. φ is estimated by
//! least squares, which is too low in small samples by about `(1 + 3φ)/n` (Kendall, *Biometrika* 41,
//! 1954), so half-lives come out too short; the value with that taken off stands beside it. A random walk
//! has no half-life, yet its φ is found below one: the statistic of Dickey & Fuller (*JASA* 74, 1979) says
//! whether one is ruled out.

use super::numbers::{Line, Undefined, check};
use crate::metrics::numerics::{float, sum};

/// Fewer log prices than this are not fitted.
pub const PRICES_MIN: usize = 50;
/// Below this a random walk is ruled out with a confidence of 95 % (large samples, with a constant).
pub const RULED_OUT: f64 = -2.86;

/// A fitted autoregression of log prices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reversion {
    /// The coefficient of the former log price, between 0 and 1.
    pub phi: f64,
    /// Bars until half of a distance from the mean is gone.
    pub half_life: f64,
    /// The same with the small-sample bias of φ taken off; `None` where φ is then one or more.
    pub unbiased: Option<f64>,
    /// (φ − 1) over its standard error; see [`RULED_OUT`].
    pub dickey_fuller: f64,
    /// Pairs of neighbours that were fitted.
    pub pairs: usize,
}

/// Fits log prices.
///
/// # Errors
/// With fewer than [`PRICES_MIN`] prices, one that is not finite, none that varies, or a φ that is not
/// between 0 and 1.
pub fn half_life(log_prices: &[f64]) -> Result<Reversion, Undefined> {
    check(log_prices, PRICES_MIN)?;
    let points: Vec<(f64, f64)> = log_prices.windows(2).map(|pair| (pair[0], pair[1])).collect();
    let line = Line::through(&points).ok_or(Undefined::NoVariance)?;
    let (phi, pairs) = (line.slope, points.len());
    let bars = bars_of(phi).ok_or(Undefined::NotReverting { phi })?;
    let distance = |(x, y): &(f64, f64)| (y - line.intercept - phi * x).powi(2);
    let error = (sum(points.iter().map(distance)) / float(pairs - 2) / line.spread).sqrt();
    let unbiased = bars_of((phi * float(pairs) + 1.0) / (float(pairs) - 3.0));
    // A perfect fit has no error; how far it is from a random walk is then beyond all tables.
    let dickey_fuller = ((phi - 1.0) / error).max(-1e9);
    Ok(Reversion { phi, half_life: bars, unbiased, dickey_fuller, pairs })
}

/// The half-life of a coefficient that has one.
fn bars_of(phi: f64) -> Option<f64> {
    let bars = std::f64::consts::LN_2 / -phi.ln();
    (0.0 < phi && phi < 1.0 && bars.is_finite()).then_some(bars)
}
