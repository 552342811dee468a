//! The way from bar to signal as a whole: parity of raw and full, causality, restoring.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::fixed::Volume;

fn bar(index: u32, close: f64) -> Bar {
    let open_time = Time::EPOCH + Duration::from_hours(24) * index;
    let price = |value: f64| Price::from_f64(value).unwrap();
    Bar {
        open_time,
        close_time: open_time + Duration::from_hours(7),
        open: price(close),
        high: price(close * 1.01),
        low: price(close * 0.99),
        close: price(close),
        volume: Volume::from_units(1_000).unwrap(),
    }
}

/// A market that swings, so that each strategy has something to say.
fn swings(count: u32) -> Vec<Bar> {
    let close = |i: f64| 100.0 + 20.0 * (i / 9.0).sin() + 3.0 * (i / 2.3).cos();
    (0..count).map(|index| bar(index, close(f64::from(index)))).collect()
}

fn pipeline(name: &str, full: bool) -> SymbolPipeline {
    let config = StrategyConfig::by_name(name).unwrap();
    let symbol = Symbol::new("AAPL").unwrap();
    SymbolPipeline::new(symbol, AssetClass::Equity, Timeframe::Day, &config, full).unwrap()
}

fn signals(pipeline: &mut SymbolPipeline, bars: &[Bar]) -> Vec<Signal> {
    bars.iter().filter_map(|bar| pipeline.on_bar(bar)).collect()
}

#[test]
fn a_raw_pipeline_raises_the_same_calls_as_a_full_one() {
    let bars = swings(400);
    for name in StrategyConfig::NAMES {
        let raw = signals(&mut pipeline(name, false), &bars);
        let full = signals(&mut pipeline(name, true), &bars);
        assert!(raw.len() > 5, "{name}: {}", raw.len());
        assert_eq!(raw.len(), full.len());
        for (raw, full) in raw.into_iter().zip(full) {
            assert_ne!(raw.regime, full.regime);
            assert_eq!(raw.features, Features::default());
            assert!(full.features.atr14_pct.is_some() || full.at < bars[13].close_time);
            assert!(full.magnitude.get() > 0.0 && full.magnitude.get() < 0.5, "{full:?}");
            assert_eq!(raw, Signal { regime: raw.regime, features: raw.features, ..full });
        }
    }
}

#[test]
fn a_full_pipeline_knows_what_a_brief_asks() {
    let bars = swings(300);
    let mut full = pipeline("sma-cross", true);
    signals(&mut full, &bars);
    let text = serde_json::to_string(&(full.features(), full.extended())).unwrap();
    assert!(!text.contains("null"), "{text}");
    assert_eq!(full.daily_returns().unwrap().len(), 250);
    assert_ne!(full.regime(), Regime::default());
    assert_eq!(full.last_close(), Some(bars[299].close));
    assert_eq!((full.bars(), full.last_open()), (300, Some(bars[299].open_time)));
    assert!(full.hit_rate().get() > 0.0);
}

#[test]
fn a_repeated_late_or_broken_bar_changes_nothing() {
    let bars = swings(50);
    let mut full = pipeline("momentum", true);
    signals(&mut full, &bars);
    let before = full.clone();
    let broken = Bar { low: Price::ZERO, ..bar(50, 100.0) };
    for bad in [bars[49], bars[3], broken] {
        assert_eq!(full.on_bar(&bad), None);
        assert_eq!(full, before);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// L-1: only what is known by then enters a signal.
    ///
    /// Goal: no signal depends on what comes after it, and a restart changes none. Method: a
    /// pipeline is cut off, goes through a snapshot and continues; the signals of both parts must be
    /// those of an uncut one, bit for bit.
    #[test]
    fn signals_do_not_depend_on_later_bars_nor_on_a_restart(
        steps in prop::collection::vec(-0.06_f64..0.06, 30..300),
        cut in any::<prop::sample::Index>(),
        which in 0_usize..3,
    ) {
        let mut close = 100.0_f64;
        let bars: Vec<Bar> = (0..).zip(steps).map(|(index, step)| {
            close = (close * (1.0 + step)).max(0.01);
            bar(index, close)
        }).collect();
        let name = StrategyConfig::NAMES[which];
        let whole = signals(&mut pipeline(name, true), &bars);
        let kept = cut.index(bars.len());
        let mut first = pipeline(name, true);
        let mut parts = signals(&mut first, &bars[..kept]);
        let text = serde_json::to_string(&first).unwrap();
        let mut restored: SymbolPipeline = serde_json::from_str(&text).unwrap();
        parts.extend(signals(&mut restored, &bars[kept..]));
        prop_assert_eq!(serde_json::to_string(&whole).unwrap(), serde_json::to_string(&parts).unwrap());
    }
}
