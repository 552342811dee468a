//! Where a symbol stood when something was decided about it, in figures without a scale.
//!
//! Everything is measured in what is usual for the symbol itself, so that a quiet share and a wild coin,
//! days and hours, can be compared: a return counts in moves that its volatility would give in as many
//! bars, a distance from the mean in standard deviations.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::fixed::Price;
use crate::ratio::Ratio;

/// Bars in the return, in the volatility and in the mean.
pub const BARS: usize = 20;
/// Closes from whose highest the drawdown is taken.
const PEAK_CLOSES: usize = 60;
/// The least volatility that anything is measured in: a price that never moves is no division by zero.
const VOLATILITY_MIN: f64 = 1e-6;

/// The last closes of a symbol that may be believed, oldest first; bounded.
#[derive(Clone, Debug, Default)]
pub struct Trail(VecDeque<Price>);

impl Trail {
    /// Takes the next close; one of zero or below is left out.
    pub fn add(&mut self, close: Price) {
        if close.raw() <= 0 {
            return;
        }
        if self.0.len() >= PEAK_CLOSES {
            self.0.pop_front();
        }
        self.0.push_back(close);
    }

    /// The situation after the last close; `None` before there are enough closes to know one.
    pub fn situation(&self) -> Option<Situation> {
        let closes: Vec<f64> = self.0.iter().map(|close| close.to_f64()).collect();
        let recent = closes.get(closes.len().checked_sub(BARS + 1)?..)?;
        let (first, last) = (*recent.first()?, *recent.last()?);
        let bars = count(BARS);
        let squares = recent.windows(2).map(|pair| match pair {
            [before, after] => (after / before - 1.0).powi(2),
            _ => 0.0,
        });
        let volatility = (squares.sum::<f64>() / bars).sqrt();
        let held = recent.get(1..)?;
        let mean = held.iter().sum::<f64>() / bars;
        let variance = held.iter().map(|close| (close - mean).powi(2)).sum::<f64>() / bars;
        let deviation = variance.sqrt().max(mean * VOLATILITY_MIN);
        let peak = closes.iter().copied().fold(last, f64::max);
        Some(Situation {
            trend: Ratio::new(last / first - 1.0).ok()?,
            volatility: Ratio::new(volatility).ok()?,
            drawdown: Ratio::new(last / peak - 1.0).ok()?,
            from_mean: Ratio::new((last - mean) / deviation).ok()?,
        })
    }
}

/// Where a symbol stands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Situation {
    /// The return over the last 20 bars, fraction.
    pub trend: Ratio,
    /// The root of the mean squared return of those bars, fraction a bar.
    pub volatility: Ratio,
    /// The fall from the highest of the last 60 closes, −1 to 0.
    pub drawdown: Ratio,
    /// The distance of the last close from the mean of 20, standard deviations.
    pub from_mean: Ratio,
}

impl Situation {
    /// The move that its volatility would give in so many bars, fraction.
    pub fn usual_move(&self, bars: u16) -> f64 {
        self.volatility.get().max(VOLATILITY_MIN) * f64::from(bars).sqrt()
    }

    /// How like another it is, above 0 and at most 1: 1 / (1 + the distance over all four figures).
    pub fn similarity(&self, other: &Self) -> Ratio {
        let (mine, theirs) = (self.scaled(), other.scaled());
        let squares = mine.iter().zip(theirs).map(|(mine, theirs)| (mine - theirs).powi(2));
        let (one, two) = (self.volatility.get(), other.volatility.get());
        // Twice the volatility is a distance of one.
        let volatility = 2.0 * (one - two) / one.max(two).max(VOLATILITY_MIN);
        let distance = (squares.sum::<f64>() + volatility.powi(2)).sqrt();
        Ratio::within_unit(1.0 / (1.0 + distance))
    }

    /// Trend, drawdown and distance from the mean in units of what is usual.
    fn scaled(&self) -> [f64; 3] {
        let usual = self.volatility.get().max(VOLATILITY_MIN);
        let trend = self.trend.get() / (usual * count(BARS).sqrt());
        let drawdown = self.drawdown.get() / (usual * count(PEAK_CLOSES).sqrt());
        [trend, drawdown, self.from_mean.get()]
    }
}

#[expect(clippy::cast_precision_loss, reason = "numbers of bars are small")]
const fn count(bars: usize) -> f64 {
    bars as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trail(closes: impl IntoIterator<Item = f64>) -> Trail {
        let mut trail = Trail::default();
        for close in closes {
            trail.add(Price::from_f64(close).unwrap());
        }
        trail
    }

    fn rising(start: f64, by: f64) -> Situation {
        let mut close = start;
        let closes = (0..=BARS).map(|nth| {
            close *= 1.0 + by * if nth % 2 == 0 { 2.0 } else { -1.0 };
            close
        });
        trail(closes.collect::<Vec<_>>()).situation().unwrap()
    }

    #[test]
    fn nothing_is_known_before_21_closes_and_the_figures_are_those_of_a_hand() {
        assert_eq!(trail((1..=20).map(f64::from)).situation(), None);
        // 100 twenty times, then 110: one move of 10 % in 20 bars.
        let closes = std::iter::repeat_n(100.0, 20).chain([110.0]);
        let found = trail(closes).situation().unwrap();
        let is = |found: Ratio, wanted: f64| (found.get() - wanted).abs() < 1e-9;
        assert!(is(found.trend, 0.1) && is(found.drawdown, 0.0), "{found:?}");
        assert!(is(found.volatility, (0.01_f64 / 20.0).sqrt()), "{found:?}");
        // The mean is 100.5, the deviation √(19·0.25 + 90.25)/20) = √4.75.
        assert!(is(found.from_mean, 9.5 / 4.75_f64.sqrt()), "{found:?}");
        let fallen = trail(std::iter::once(200.0).chain([100.0; 40])).situation().unwrap();
        assert!(is(fallen.drawdown, -0.5), "{fallen:?}");
    }

    #[test]
    fn a_price_a_thousand_times_as_high_is_the_same_situation() {
        let (low, high) = (rising(1.0, 0.01), rising(1_000.0, 0.01));
        assert!(low.similarity(&high).get() > 0.999_99);
        assert_eq!(low.similarity(&low), Ratio::ONE);
    }

    #[test]
    fn a_fall_is_less_like_a_rise_than_another_rise_is_and_likeness_is_mutual() {
        let (rise, other, fall) = (rising(50.0, 0.01), rising(50.0, 0.012), rising(50.0, -0.01));
        assert!(rise.similarity(&other) > rise.similarity(&fall));
        assert_eq!(rise.similarity(&fall), fall.similarity(&rise));
    }

    #[test]
    fn a_price_that_never_moves_has_a_situation_and_a_worthless_one_is_left_out() {
        let still = trail([5.0; 30]).situation().unwrap();
        assert_eq!((still.trend, still.volatility), (Ratio::ZERO, Ratio::ZERO));
        assert!(still.similarity(&rising(5.0, 0.01)).get() > 0.0);
        let mut trail = trail([5.0; 21]);
        trail.add(Price::from_raw(0));
        assert_eq!(trail.situation(), Some(still));
    }
}
