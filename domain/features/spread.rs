//! The bid-ask spread, estimated from highs and lows.
//!
//! Source: S. A. Corwin and P. Schultz, "A Simple Way to Estimate Bid-Ask Spreads from Daily High
//! and Low Prices", *Journal of Finance* 67 (2012), equations 14 and 18, with their correction for
//! overnight moves. Estimates of single pairs of bars may be negative; they are averaged as they are
//! and only the mean is floored at zero, because flooring each would find a wide spread in any
//! liquid but volatile share.

use serde::{Deserialize, Serialize};

use super::range::Prices;
use super::ring::{Moments, Ring};

/// Pairs of bars in the mean.
const PAIRS: usize = 20;

/// A running Corwin–Schultz estimate over the last 20 pairs of bars.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    former: Option<Prices>,
    pairs: Ring<f64>,
}

impl Spread {
    pub(crate) fn new() -> Self {
        Self { former: None, pairs: Ring::new(PAIRS) }
    }

    pub(crate) fn update(&mut self, bar: Prices) {
        if let Some(former) = self.former.replace(bar) {
            self.pairs.push(of_pair(former, bar));
        }
    }

    /// Fraction of the price, never negative; from bar 21 on.
    pub(crate) fn value(&self) -> Option<f64> {
        let mean = Moments::of(self.pairs.iter()).filter(|_| self.pairs.is_full())?.mean;
        Some(mean.max(0.0))
    }
}

/// One pair's estimate, −2 to 2.
fn of_pair(former: Prices, bar: Prices) -> f64 {
    // A close outside the next bar's range is an overnight move and is taken out.
    let overnight = (bar.low - former.close).max(0.0) - (former.close - bar.high).max(0.0);
    let (high, low) = (bar.high - overnight, bar.low - overnight);
    let square_log = |high: f64, low: f64| (high / low).ln().powi(2);
    let beta = square_log(former.high, former.low) + square_log(high, low);
    let gamma = square_log(former.high.max(high), former.low.min(low));
    let k = 3.0 - 2.0 * std::f64::consts::SQRT_2;
    let alpha = ((2.0 * beta).sqrt() - beta.sqrt()) / k - (gamma / k).sqrt();
    // 2(e^α − 1) ÷ (1 + e^α), in a form that cannot overflow.
    2.0 * (alpha / 2.0).tanh()
}
