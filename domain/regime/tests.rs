//! The filter on markets whose truth is known, and on hostile closes.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, Normal};

use super::*;
use crate::market::bar::Timeframe;
use crate::market::symbol::AssetClass;

/// Closes of a market with normal log returns: mean and deviation of a bar.
struct Market {
    rng: ChaCha8Rng,
    close: f64,
}

impl Market {
    fn new(seed: u64) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed), close: 1_000.0 }
    }

    fn go(&mut self, filter: &mut RegimeFilter, bars: u32, mean: f64, deviation: f64) -> Regime {
        let normal = Normal::new(mean, deviation).unwrap();
        for _ in 0..bars {
            self.close *= normal.sample(&mut self.rng).exp();
            filter.update(Price::from_f64(self.close).unwrap());
        }
        filter.regime()
    }
}

fn daily() -> RegimeFilter {
    RegimeFilter::new(Ratio::of(252.0))
}

fn sum(regime: Regime) -> f64 {
    [regime.bull, regime.bear, regime.sideways, regime.crash].map(Ratio::get).iter().sum()
}

#[test]
fn the_filter_keeps_what_it_learned() {
    let (mut filter, mut market) = (daily(), Market::new(1));
    assert_eq!(filter.regime(), Regime::default());
    let regime = market.go(&mut filter, 60, 0.003, 0.010);
    assert!(regime.bull.get() > 0.5, "{regime:?}");
    assert!(regime.bars_in_regime > 5, "{regime:?}");
    assert!((sum(regime) - 1.0).abs() < 1e-12);
    // One quiet bar does not undo what sixty have said.
    let after = market.go(&mut filter, 1, 0.0, 0.0001);
    assert!(after.bull.get() > 0.3, "{after:?}");
}

/// Goal: the filter knows a plain market for what it is. Method: a year of a usual market, then each
/// regime for 60 bars under 20 seeds; the mean probability of the truth must be the largest.
#[test]
fn each_plain_regime_is_recognised() {
    for (truth, mean, deviation) in
        [("bull", 0.003, 0.010), ("bear", -0.005, 0.017), ("sideways", 0.0, 0.006)]
    {
        let mut means = [0.0; 3];
        for seed in 0..20 {
            let (mut filter, mut market) = (daily(), Market::new(seed));
            market.go(&mut filter, 252, 0.0004, 0.012);
            let regime = market.go(&mut filter, 60, mean, deviation);
            for (total, found) in means.iter_mut().zip([regime.bull, regime.bear, regime.sideways])
            {
                *total += found.get() / 20.0;
            }
        }
        let names = ["bull", "bear", "sideways"];
        let best = (0..3).max_by(|&x, &y| means[x].total_cmp(&means[y])).unwrap();
        assert_eq!(names[best], truth, "{means:?}");
    }
}

#[test]
fn a_crash_is_seen_within_two_bars_and_a_leap_is_none() {
    for seed in 0..20 {
        let (mut filter, mut market) = (daily(), Market::new(seed));
        let calm = market.go(&mut filter, 252, 0.0004, 0.010);
        assert!(calm.crash.get() < 0.2, "{calm:?}");
        let crashed = market.go(&mut filter.clone(), 2, -0.07, 0.0);
        assert!(crashed.crash.get() > 0.5, "seed {seed}: {crashed:?}");
        market.close *= 1.07_f64.powi(2);
        let leapt = market.go(&mut filter, 1, 0.07, 0.0);
        assert!(leapt.crash.get() < 0.5, "seed {seed}: {leapt:?}");
    }
}

/// Goal: the parameters mean the same on bars of any length. Method: what one day's bar says, 26
/// quarters of an hour must say too, roughly; a per-bar parameter would be off by far.
#[test]
fn parameters_scale_with_the_length_of_a_bar() {
    let bars_per_year = Timeframe::QuarterHour.bars_per_year(AssetClass::Equity);
    let per_day: u32 = 26;
    for (mean, deviation, bullish) in [(0.004, 0.010, true), (-0.006, 0.017, false)] {
        let mut lean = 0.0;
        for seed in 0..4 {
            let (mut filter, mut market) = (RegimeFilter::new(bars_per_year), Market::new(seed));
            let root = f64::from(per_day).sqrt();
            market.go(&mut filter, 60 * per_day, 0.0004 / 26.0, 0.012 / root);
            let regime = market.go(&mut filter, 30 * per_day, mean / 26.0, deviation / root);
            lean += regime.bull.get() - regime.bear.get();
        }
        assert_eq!(lean > 0.0, bullish, "{lean}");
    }
    let mut still = RegimeFilter::new(bars_per_year);
    let one_bar = Market::new(3).go(&mut still, 2, 0.0, 0.0001);
    assert!(one_bar.sideways.get() < 0.5, "one short bar says little: {one_bar:?}");
}

#[test]
fn hostile_closes_leave_probabilities_that_are_probabilities() {
    let mut filter = daily();
    for raw in [1, i64::MAX, 1, 0, -5, i64::MIN, i64::MAX, i64::MAX, 7] {
        for _ in 0..30 {
            filter.update(Price::from_raw(raw));
            let regime = filter.regime();
            assert!((sum(regime) - 1.0).abs() < 1e-9, "{regime:?}");
        }
    }
    // A price that stood still for years may move again.
    for _ in 0..2_000 {
        filter.update(Price::from_raw(7_000_000));
    }
    filter.update(Price::from_raw(7_000_001));
    assert!((sum(filter.regime()) - 1.0).abs() < 1e-9);
}

#[test]
fn a_restored_filter_goes_on_bit_for_bit() {
    let (mut filter, mut market) = (daily(), Market::new(9));
    market.go(&mut filter, 100, 0.001, 0.012);
    let text = serde_json::to_string(&filter).unwrap();
    let mut restored: RegimeFilter = serde_json::from_str(&text).unwrap();
    for close in [1_000, 990, 1_013, 870] {
        filter.update(Price::from_units(close).unwrap());
        restored.update(Price::from_units(close).unwrap());
    }
    assert_eq!(serde_json::to_string(&filter).unwrap(), serde_json::to_string(&restored).unwrap());
}

mod level {
    use std::time::Duration;

    use super::super::VixLike;
    use crate::market::symbol::AssetClass;
    use crate::ratio::Ratio;
    use crate::time::Time;

    fn noon(day: u32) -> Time {
        Time::EPOCH + Duration::from_hours(12) + Duration::from_hours(24) * day
    }

    /// The returns alternate between +x and −x, so that the deviation is x·√(20 ÷ 19) nearly.
    #[test]
    fn the_level_is_the_annualised_volatility_in_percent() {
        let mut level = VixLike::new(AssetClass::Equity);
        for day in 0..20 {
            assert_eq!(level.level(), None);
            let size = if day % 2 == 0 { 0.01 } else { -0.01 };
            // Two symbols whose mean is the move; the order must not matter.
            for part in [size * 2.0, 0.0] {
                level.observe(noon(day), Ratio::of(part));
            }
        }
        level.close_step();
        let (up, down) = (0.01_f64.ln_1p(), (-0.01_f64).ln_1p());
        let expected = 100.0 * (up - down) / 2.0 * (20.0_f64 / 19.0 * 252.0).sqrt();
        let got = level.level().unwrap().get();
        assert!((got - expected).abs() < 1e-9, "{got} is not {expected}");
    }

    #[test]
    fn the_order_within_a_time_late_returns_and_ruin_change_nothing() {
        let mut one = VixLike::new(AssetClass::Equity);
        let mut other = one.clone();
        for day in 1..40 {
            let size = 0.01 * f64::from(day % 5);
            for part in [size, -0.02, 0.1 / 3.0] {
                one.observe(noon(day), Ratio::new(part).unwrap());
            }
            for part in [0.1 / 3.0, size, -0.02] {
                other.observe(noon(day), Ratio::new(part).unwrap());
            }
            other.observe(noon(day - 1), Ratio::of(0.5));
            other.observe(noon(day), Ratio::of(-1.0));
        }
        assert_eq!(one.level(), other.level());
        assert!(one.level().is_some());
    }

    #[test]
    fn intraday_steps_add_up_to_days() {
        let (mut days, mut halves) =
            (VixLike::new(AssetClass::Crypto), VixLike::new(AssetClass::Crypto));
        for day in 0..30 {
            let size = 0.01 * f64::from(day % 3) - 0.01;
            days.observe(noon(day), Ratio::new(size).unwrap());
            let half = ((1.0 + size).sqrt()) - 1.0;
            halves.observe(noon(day), Ratio::new(half).unwrap());
            halves.observe(noon(day) + Duration::from_hours(1), Ratio::new(half).unwrap());
        }
        days.close_step();
        halves.close_step();
        let (days, halves) = (days.level().unwrap().get(), halves.level().unwrap().get());
        assert!((days - halves).abs() < 1e-9, "{days} is not {halves}");
    }
}
