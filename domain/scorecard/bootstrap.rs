//! How far a sum of daily differences could be off by chance: the stationary bootstrap.
//!
//! Days are drawn in blocks of random length, so that what hangs together over days stays together
//! (Politis and Romano, "The Stationary Bootstrap", JASA 89, 1994). The mean length is the cube root of
//! the number of days. Percentiles of the drawn sums are the interval: it makes no assumption about the
//! distribution of a day, and is a little too narrow where days are few.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde::Serialize;

use crate::ratio::Ratio;

/// How often a series is drawn anew.
pub const RESAMPLES: usize = 10_000;
/// Fewer days say nothing.
const DAYS_MIN: usize = 20;
/// Fewer days that differ say nothing: a handful of them on one side is what chance does.
const DIFFERING_MIN: usize = 10;

/// Where a sum lies, but for an error of a stated size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Its lower end.
    pub low: Ratio,
    /// Its upper end.
    pub high: Ratio,
}

impl Interval {
    /// Whether the whole of it lies on one side of zero.
    pub fn excludes_zero(&self) -> bool {
        self.low.get() > 0.0 || self.high.get() < 0.0
    }
}

/// The interval of the sum of `days` that misses it with probability `error`, half of it on either side.
/// The same seed gives the same interval. `None` where too few days, or too few that differ from zero,
/// say nothing, or where a number is not finite.
pub fn interval_of_sum(days: &[f64], error: f64, seed: u64) -> Option<Interval> {
    drawn_interval(days, error, seed, RESAMPLES)
}

/// The interval by so many draws.
pub(super) fn drawn_interval(
    days: &[f64],
    error: f64,
    seed: u64,
    draws: usize,
) -> Option<Interval> {
    let differing = days.iter().filter(|day| **day != 0.0).count();
    if days.len() < DAYS_MIN || differing < DIFFERING_MIN {
        return None;
    }
    let sums = Sums::of(days);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut all: Vec<f64> = (0..draws).map(|_| sums.draw(&mut rng)).collect();
    if all.iter().any(|sum| !sum.is_finite()) {
        return None;
    }
    all.sort_by(f64::total_cmp);
    let tail = tail(error, draws);
    let (low, high) = (*all.get(tail)?, *all.get(draws.checked_sub(tail + 1)?)?);
    Some(Interval { low: Ratio::new(low).ok()?, high: Ratio::new(high).ok()? })
}

/// How many drawn sums lie outside on one side.
fn tail(error: f64, draws: usize) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a few thousand"
    )]
    let count = (draws as f64 * error.max(0.0) / 2.0).floor() as usize;
    count.min((draws / 2).saturating_sub(1))
}

/// Sums of the series from its beginning, twice round, so that a block costs one subtraction.
struct Sums {
    days: usize,
    to: Vec<f64>,
    /// Logarithm of the chance that a block goes on for another day.
    log_goes_on: f64,
}

impl Sums {
    fn of(days: &[f64]) -> Self {
        let mut to = Vec::with_capacity(2 * days.len() + 1);
        let mut sum = 0.0;
        to.push(sum);
        for day in days.iter().chain(days) {
            sum += day;
            to.push(sum);
        }
        #[expect(clippy::cast_precision_loss, reason = "days stay far below 2^53")]
        let mean_length = (days.len() as f64).cbrt().max(2.0);
        Self { days: days.len(), to, log_goes_on: (1.0 - 1.0 / mean_length).ln() }
    }

    /// One series of the same length, drawn in blocks: its sum.
    fn draw(&self, rng: &mut ChaCha8Rng) -> f64 {
        let (mut left, mut sum) = (self.days, 0.0);
        while left > 0 {
            let word = rng.next_u64();
            let (from, length) = (self.day(word >> 32), self.length(word & 0xffff_ffff).min(left));
            sum += self.to[from + length] - self.to[from];
            left -= length;
        }
        sum
    }

    /// The day of 32 random bits, each as likely as the others but for a billionth.
    fn day(&self, bits: u64) -> usize {
        ((bits * self.days as u64) >> 32) as usize
    }

    /// A geometric number of days of 32 random bits, at least one.
    fn length(&self, bits: u64) -> usize {
        #[expect(clippy::cast_precision_loss, reason = "32 bits")]
        let uniform = (bits as f64 + 0.5) / 4_294_967_296.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative; a cast beyond the largest number stays there"
        )]
        let more = (uniform.ln() / self.log_goes_on) as usize;
        more.saturating_add(1)
    }
}
