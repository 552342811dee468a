//! The learning rate over a run: up from a tenth, then down along a cosine.

use serde::{Deserialize, Serialize};

/// How the learning rate goes over a run. What agents ask for multiplies it and never replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The highest learning rate.
    pub peak: f64,
    /// Share of the run in which it rises to the peak.
    pub warm_up: f64,
    /// What it begins with, as a share of the peak.
    pub first: f64,
    /// What it ends with, as a share of the peak.
    pub last: f64,
}

impl Schedule {
    /// The usual: a twentieth of the run up from a tenth of the peak, down to a hundredth.
    pub const fn with_peak(peak: f64) -> Self {
        Self { peak, warm_up: 0.05, first: 0.1, last: 0.01 }
    }

    /// Whether it says something at every point of a run.
    pub fn is_valid(&self) -> bool {
        let shares = [self.warm_up, self.first, self.last];
        self.peak.is_finite()
            && self.peak > 0.0
            && shares.iter().all(|share| (0.0..=1.0).contains(share))
    }

    /// The learning rate once `done` of `total` steps are taken; after the end, that of the end.
    pub fn at(&self, done: u64, total: u64) -> f64 {
        let progress = if total == 0 {
            1.0
        } else {
            (crate::count::double(done) / crate::count::double(total)).min(1.0)
        };
        let share = if progress < self.warm_up {
            self.first + (1.0 - self.first) * progress / self.warm_up
        } else if self.warm_up < 1.0 {
            let fallen = (progress - self.warm_up) / (1.0 - self.warm_up);
            self.last + (1.0 - self.last) * 0.5 * (1.0 + (std::f64::consts::PI * fallen).cos())
        } else {
            1.0
        };
        self.peak * share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_for_a_twentieth_and_falls_along_a_cosine() {
        let schedule = Schedule::with_peak(1e-3);
        let at = |done| schedule.at(done, 1_000) / 1e-3;
        assert!((at(0) - 0.1).abs() < 1e-12);
        assert!((at(25) - 0.55).abs() < 1e-12);
        assert!((at(50) - 1.0).abs() < 1e-12);
        assert!((at(525) - 0.505).abs() < 1e-12, "halfway down: {}", at(525));
        assert!((at(1_000) - 0.01).abs() < 1e-12 && (at(2_000) - 0.01).abs() < 1e-12);
        let rates: Vec<f64> = (50..=1_000).map(at).collect();
        assert!(rates.is_sorted_by(|before, after| before >= after));
    }

    #[test]
    fn what_is_not_a_number_or_not_a_share_is_not_valid() {
        assert!(Schedule::with_peak(1e-3).is_valid());
        for peak in [f64::NAN, f64::INFINITY, 0.0, -1.0] {
            assert!(!Schedule::with_peak(peak).is_valid(), "{peak}");
        }
        assert!(!Schedule { warm_up: f64::NAN, ..Schedule::with_peak(1e-3) }.is_valid());
        assert!(!Schedule { last: 1.5, ..Schedule::with_peak(1e-3) }.is_valid());
        let whole = Schedule { warm_up: 1.0, ..Schedule::with_peak(1.0) };
        assert!(whole.at(5, 5).is_finite() && whole.at(0, 0).is_finite());
    }
}
