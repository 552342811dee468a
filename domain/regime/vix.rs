//! The market's volatility level: what stands in for an index of implied volatility.

use serde::{Deserialize, Serialize};

use crate::features::{Moments, Ring};
use crate::market::symbol::AssetClass;
use crate::ratio::Ratio;
use crate::time::Time;

/// Days in the level.
const DAYS: usize = 20;

/// Returns are summed in whole steps of this size, because a sum of floats depends on its order.
const STEPS_PER_UNIT: f64 = 1e15;

fn in_steps(value: Ratio) -> i128 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the cast saturates, and 1e38 steps suffice"
    )]
    let steps = (value.get() * STEPS_PER_UNIT).round_ties_even().min(1e30) as i128;
    steps
}

fn from_steps(steps: i128) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a mean for statistics")]
    let value = steps as f64 / STEPS_PER_UNIT;
    value
}

/// Annualised realised volatility of the equal-weighted universe over 20 days, in percent, from
/// whatever bars the universe has.
///
/// The returns of one time are averaged, and become part of the level when the time is over: with
/// the first return of a later time, or at [`VixLike::close_step`]. So the level does not depend on
/// the order in which the symbols of one time arrive. Days are those of UTC; the present day counts
/// as far as it has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VixLike {
    days_per_year: f64,
    at: Option<Time>,
    sum: i128,
    count: u32,
    day: Option<i64>,
    today: f64,
    days: Ring<f64>,
}

impl VixLike {
    /// A level that has seen nothing. The class says how many days a year has.
    pub fn new(class: AssetClass) -> Self {
        let days_per_year = crate::market::bar::Timeframe::Day.bars_per_year(class).get();
        let days = Ring::new(DAYS - 1);
        Self { days_per_year, at: None, sum: 0, count: 0, day: None, today: 0.0, days }
    }

    /// Takes one symbol's simple return over the bar that opened at `open_time`.
    ///
    /// A return of a time that is over already comes too late and is dropped, as is one of −100 %
    /// or less.
    pub fn observe(&mut self, open_time: Time, simple_return: Ratio) {
        if simple_return.get() <= -1.0 || self.at.is_some_and(|at| open_time < at) {
            return;
        }
        if self.at != Some(open_time) {
            self.close_step();
            self.at = Some(open_time);
        }
        self.sum += in_steps(simple_return);
        self.count += 1;
    }

    /// Ends the present time: what was observed of it becomes part of the level.
    pub fn close_step(&mut self) {
        let Some(at) = self.at.filter(|_| self.count > 0) else { return };
        let mean = from_steps(self.sum) / f64::from(self.count);
        (self.sum, self.count) = (0, 0);
        let day = at.utc_day();
        if self.day.replace(day).is_some_and(|former| former != day) {
            self.days.push(self.today);
            self.today = 0.0;
        }
        self.today += mean.ln_1p();
    }

    /// The level in percent; `None` before 20 days.
    pub fn level(&self) -> Option<Ratio> {
        if !self.days.is_full() || self.day.is_none() {
            return None;
        }
        let days = self.days.iter().chain(std::iter::once(self.today));
        let sd = Moments::of(days)?.sample_sd()?;
        Ratio::new(100.0 * sd * self.days_per_year.sqrt()).ok()
    }
}
