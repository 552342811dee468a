//! Strategies on hand-made closes, and the SMA rule against a plain reading of its text.

use std::time::Duration;

use proptest::prelude::*;

use super::{Strategy as _, *};
use crate::fixed::{Price, Volume};
use crate::signal::Direction::{Long, Short};
use crate::time::Time;

fn bar(index: u32, close: Price) -> Bar {
    let open_time = Time::EPOCH + Duration::from_mins(1) * index;
    let close_time = open_time + Duration::from_mins(1);
    let volume = Volume::from_units(10).unwrap();
    Bar { open_time, close_time, open: close, high: close, low: close, close, volume }
}

/// The calls of a strategy on closes, each with the index of its bar.
fn calls(config: &StrategyConfig, closes: &[Price]) -> Vec<(u32, Direction)> {
    let mut strategy = StrategyKind::new(config).unwrap();
    let mut engine = FeatureEngine::new(&strategy.needs(), Ratio::of(252.0));
    let mut calls = Vec::new();
    for (index, &close) in (0..).zip(closes) {
        let bar = bar(index, close);
        assert!(engine.update(&bar));
        if let Some(call) = strategy.on_bar(&bar, &engine) {
            assert!(call.magnitude.get() >= 0.0);
            calls.push((index, call.direction));
        }
    }
    calls
}

fn units(closes: &[i64]) -> Vec<Price> {
    closes.iter().map(|&units| Price::from_units(units).unwrap()).collect()
}

#[test]
fn the_first_sign_is_no_cross_and_a_tie_keeps_the_former_sign() {
    let config = StrategyConfig::SmaCross { fast: 1, slow: 2 };
    // Signs: none, +, +, tie, +, tie, −, tie, tie, +
    let closes = units(&[10, 11, 12, 12, 13, 13, 9, 9, 9, 10]);
    assert_eq!(calls(&config, &closes), [(6, Short), (9, Long)]);
    // A tie before the first sign is no sign: what follows it is the first one.
    assert_eq!(calls(&config, &units(&[10, 10, 10, 11, 12, 11])), [(5, Short)]);
}

#[test]
fn momentum_calls_when_its_state_turns() {
    let config = StrategyConfig::Momentum { lookback: 1, threshold: Ratio::of(0.10) };
    let closes = units(&[100, 109, 120, 140, 135, 160, 140, 139, 138, 100]);
    assert_eq!(calls(&config, &closes), [(2, Long), (6, Short)]);
    let eager = StrategyConfig::Momentum { lookback: 1, threshold: Ratio::ZERO };
    assert_eq!(calls(&eager, &units(&[5, 5, 6, 6, 5])), [(2, Long), (4, Short)]);
}

#[test]
fn mean_reversion_calls_against_the_move_and_re_arms_near_the_mean() {
    let config =
        StrategyConfig::MeanReversion { window: 4, entry: Ratio::of(1.5), rearm: Ratio::of(0.5) };
    // z at the 4th close of [10, 10, 10, 14] is √3; 14 again has z = 1.
    let closes = units(&[10, 10, 10, 14, 14, 14, 14, 20, 20, 20, 20, 14]);
    assert_eq!(calls(&config, &closes), [(3, Short), (7, Short), (11, Long)]);
}

#[test]
fn parameters_out_of_bounds_are_named_with_their_bound() {
    let ratio = Ratio::of;
    let reversion = |window, entry, rearm| StrategyConfig::MeanReversion {
        window,
        entry: ratio(entry),
        rearm: ratio(rearm),
    };
    for (config, parameter) in [
        (StrategyConfig::SmaCross { fast: 0, slow: 20 }, "fast"),
        (StrategyConfig::SmaCross { fast: 20, slow: 20 }, "fast"),
        (StrategyConfig::SmaCross { fast: 10, slow: 5001 }, "slow"),
        (StrategyConfig::SmaCross { fast: 1, slow: 1 }, "slow"),
        (StrategyConfig::Momentum { lookback: 0, threshold: ratio(0.1) }, "lookback"),
        (StrategyConfig::Momentum { lookback: 5, threshold: ratio(-0.1) }, "threshold"),
        (reversion(1, 2.0, 0.5), "window"),
        (reversion(20, 0.5, 0.5), "entry"),
        (reversion(20, 2.0, -0.5), "rearm"),
    ] {
        let error = StrategyKind::new(&config).unwrap_err();
        assert_eq!(error.parameter, parameter, "{error}");
        assert!(error.to_string().contains(error.bound), "{error}");
    }
    let error = StrategyKind::new(&StrategyConfig::SmaCross { fast: 20, slow: 10 }).unwrap_err();
    let text = "`fast` of sma-cross is 20; it must be at least 1 and less than `slow`";
    assert_eq!(error.to_string(), text);
}

#[test]
fn a_configuration_is_read_strictly_and_every_name_has_its_default() {
    let text = r#"{"kind":"sma-cross","fast":10,"slow":20}"#;
    let config: StrategyConfig = serde_json::from_str(text).unwrap();
    assert_eq!(Some(config), StrategyConfig::by_name("sma-cross"));
    assert_eq!(serde_json::to_string(&config).unwrap(), text);
    for bad in [
        r#"{"kind":"sma-cross","fast":10,"slow":20,"size":1}"#,
        r#"{"kind":"sma-cross","fast":10}"#,
        r#"{"kind":"sma-cross","fast":-1,"slow":20}"#,
        r#"{"kind":"astrology"}"#,
    ] {
        assert!(serde_json::from_str::<StrategyConfig>(bad).is_err(), "{bad}");
    }
    for name in StrategyConfig::NAMES {
        let config = StrategyConfig::by_name(name).unwrap();
        assert_eq!(StrategyKind::new(&config).unwrap().name(), name);
    }
    assert_eq!(StrategyConfig::by_name("astrology"), None);
}

#[test]
fn a_hit_rate_starts_at_one_half_and_counts_only_what_is_settled() {
    let price = |units| Price::from_units(units).unwrap();
    let mut rate = HitRate::default();
    assert_eq!(rate.rate(), Ratio::of(0.5));
    rate.on_call(Long, price(100));
    for bars in 1..HORIZON_BARS {
        rate.on_bar(price(150));
        assert_eq!(rate.settled(), 0, "after {bars} bars");
    }
    rate.on_bar(price(101));
    assert_eq!((rate.settled(), rate.hits()), (1, 1));
    assert_eq!(rate.rate(), Ratio::of(6.0 / 11.0));
    // Calls are settled one by one, whatever is called in between; an unchanged price is a miss.
    rate.on_call(Short, price(101));
    rate.on_bar(price(90));
    rate.on_call(Long, price(90));
    for _ in 1..HORIZON_BARS {
        rate.on_bar(price(101));
    }
    assert_eq!((rate.settled(), rate.hits()), (2, 1));
    rate.on_bar(price(101));
    assert_eq!((rate.settled(), rate.hits()), (3, 2));
    // Always wrong, it falls below the lowest confidence that a gate lets pass.
    for _ in 0..40 {
        rate.on_call(Long, price(100));
        rate.on_bar(price(100));
    }
    assert!(rate.rate().get() < 0.38, "{}", rate.rate());
}

/// The rule as its text says it, over whole windows.
fn crosses_by_definition(closes: &[i64], fast: usize, slow: usize) -> Vec<(u32, Direction)> {
    let sum = |end: usize, period: usize| -> i128 {
        closes[end + 1 - period..=end].iter().map(|&close| i128::from(close)).sum()
    };
    let width = |period: usize| i128::try_from(period).unwrap();
    let mut former = 0;
    let mut crosses = Vec::new();
    for end in slow - 1..closes.len() {
        let sign = (sum(end, fast) * width(slow) - sum(end, slow) * width(fast)).signum();
        if sign != 0 {
            if former != 0 && sign != former {
                let direction = if sign > 0 { Long } else { Short };
                crosses.push((u32::try_from(end).unwrap(), direction));
            }
            former = sign;
        }
    }
    crosses
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sma_crosses_are_those_of_the_definition(
        closes in prop::collection::vec(1_i64..6, 1..200),
        fast in 1_u16..6,
        wider in 1_u16..9,
    ) {
        let slow = fast + wider;
        let config = StrategyConfig::SmaCross { fast, slow };
        let expected = if closes.len() < usize::from(slow) {
            Vec::new()
        } else {
            crosses_by_definition(&closes, usize::from(fast), usize::from(slow))
        };
        prop_assert_eq!(calls(&config, &units(&closes)), expected);
    }
}
