//! Columns on real bars: named, finite, never constant, the same bits however they are fed.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::fixed::{Price, Volume};
use crate::market::bar::{Bar, Timeframe};
use crate::market::csv::{CsvOptions, read_csv};
use crate::market::symbol::AssetClass;
use crate::pipeline::SymbolPipeline;
use crate::strategy::StrategyConfig;

/// The embedded bars of one share.
fn bars(name: &str, text: &str) -> Vec<Bar> {
    let options = CsvOptions::new(Symbol::new(name).unwrap());
    read_csv(text.as_bytes(), &options).unwrap().series.bars
}

fn goog() -> Vec<Bar> {
    bars("GOOG", include_str!("../../../data/GOOG.csv"))
}

fn engine() -> FeatureEngine {
    FeatureEngine::new(&needs(), Timeframe::Day.bars_per_year(AssetClass::Equity))
}

fn rows(bars: &[Bar]) -> Vec<Option<[f32; MARKET]>> {
    let mut engine = engine();
    let row = |bar: &Bar| engine.update(bar).then(|| market(&engine)).flatten();
    bars.iter().map(row).collect()
}

fn bits(row: Option<[f32; MARKET]>) -> Option<[u32; MARKET]> {
    row.map(|row| row.map(f32::to_bits))
}

#[test]
fn every_column_has_a_name_of_its_own() {
    let names: BTreeSet<_> = columns().collect();
    assert_eq!((names.len(), columns().count()), (COLUMNS, COLUMNS));
    assert_eq!(MARKET_COLUMNS[VOL_20], "vol_20");
}

#[test]
fn the_first_observation_comes_when_every_window_is_full_and_then_at_every_bar() {
    for (name, text) in [
        ("GOOG", include_str!("../../../data/GOOG.csv")),
        ("IBM", include_str!("../../../data/IBM.csv")),
        ("FB", include_str!("../../../data/FB.csv")),
    ] {
        let rows = rows(&bars(name, text));
        let first = rows.iter().position(Option::is_some).unwrap();
        assert_eq!(first + 1, WARM_UP, "{name}");
        assert!(rows[first..].iter().all(Option::is_some), "{name}");
    }
}

#[test]
fn no_column_is_constant_or_repeats_another_on_real_bars() {
    let rows: Vec<[f32; MARKET]> = rows(&goog()).into_iter().flatten().collect();
    for at in 0..MARKET {
        let values: BTreeSet<u32> = rows.iter().map(|row| row[at].to_bits()).collect();
        assert!(values.len() > 100, "{} has {} values", MARKET_COLUMNS[at], values.len());
        for other in 0..at {
            let differs = rows.iter().any(|row| (row[at] - row[other]).abs() > 1e-3);
            assert!(differs, "{} is {}", MARKET_COLUMNS[at], MARKET_COLUMNS[other]);
        }
        let largest = rows.iter().map(|row| row[at].abs()).fold(0.0, f32::max);
        assert!(largest < 60.0, "{} goes to {largest}", MARKET_COLUMNS[at]);
    }
}

#[test]
fn the_columns_have_no_unit() {
    let dear: Vec<Bar> = goog()
        .into_iter()
        .map(|bar| {
            let times = |price: Price| Price::from_raw(price.raw() * 2);
            let volume = Volume::from_raw(bar.volume.raw() / 4);
            let (open, high, low) = (times(bar.open), times(bar.high), times(bar.low));
            Bar { open, high, low, close: times(bar.close), volume, ..bar }
        })
        .collect();
    for (one, other) in rows(&goog()).into_iter().flatten().zip(rows(&dear).into_iter().flatten()) {
        for at in 0..MARKET {
            assert!((one[at] - other[at]).abs() < 1e-3, "{}", MARKET_COLUMNS[at]);
        }
    }
}

#[test]
fn what_nothing_can_be_measured_by_makes_no_observation() {
    let mut flat = goog();
    flat.truncate(120);
    for bar in &mut flat[80..] {
        let close = flat_price();
        (bar.open, bar.high, bar.low, bar.close) = (close, close, close, close);
    }
    let seen = rows(&flat);
    assert!(seen[79].is_some(), "they moved until then");
    assert_eq!(seen[119], None, "prices that stand still have no volatility");
    let mut silent = goog();
    silent.truncate(120);
    for bar in &mut silent {
        bar.volume = Volume::ZERO;
    }
    assert!(rows(&silent).iter().all(Option::is_none), "no volume, no mean of it");
    let bare =
        FeatureEngine::new(&Needs::default(), Timeframe::Day.bars_per_year(AssetClass::Equity));
    assert_eq!(market(&bare), None);
}

fn flat_price() -> Price {
    Price::from_units(100).unwrap()
}

#[test]
fn the_account_columns_stay_within_one() {
    let money = |units: i64| Money::from_units(units).unwrap();
    let view = |equity, peak, value, cost, bars_held| {
        AccountView {
            equity: money(equity),
            peak: money(peak),
            value: money(value),
            cost: money(cost),
            bars_held,
        }
        .columns()
    };
    let near = |found: [f32; ACCOUNT], wanted: [f32; ACCOUNT]| {
        assert!(
            found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-6),
            "{found:?} {wanted:?}"
        );
    };
    near(view(100, 100, 0, 0, 0), [0.0; 4]);
    near(view(100, 125, 60, 50, 20), [0.6, 0.2, 0.5, 0.2]);
    near(view(100, 100, -60, -50, 60), [-0.6, -0.2, 0.75, 0.0]);
    near(view(100, 100, -50, -60, 0), [-0.5, 1.0 / 6.0, 0.0, 0.0]);
    near(view(-5, 100, -60, -10, u32::MAX), [-1.0, -1.0, 1.0, 1.0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// F-2: fed bar by bar, restored from a snapshot anywhere, or by a full pipeline: the same bits.
    #[test]
    fn an_observation_is_the_same_bits_however_it_is_fed(cut in 1_usize..180) {
        let mut bars = goog();
        bars.truncate(200);
        let whole = rows(&bars);
        let strategy = StrategyConfig::by_name("momentum").unwrap();
        let symbol = Symbol::new("GOOG").unwrap();
        let mut pipeline =
            SymbolPipeline::new(symbol, AssetClass::Equity, Timeframe::Day, &strategy, true).unwrap();
        let mut fed = engine();
        for (at, bar) in bars.iter().enumerate() {
            if at == cut {
                let text = serde_json::to_string(&fed).unwrap();
                fed = serde_json::from_str(&text).unwrap();
            }
            fed.update(bar);
            pipeline.on_bar(bar);
            prop_assert_eq!(bits(market(&fed)), bits(whole[at]));
            prop_assert_eq!(bits(pipeline.observation()), bits(whole[at]));
        }
    }

    /// F-2: nothing after a bar is in what is seen at it.
    #[test]
    fn an_observation_knows_nothing_of_later_bars(cut in 70_usize..180) {
        let mut bars = goog();
        bars.truncate(200);
        let whole = rows(&bars);
        bars.truncate(cut);
        let early = rows(&bars);
        prop_assert_eq!(bits(early[cut - 1]), bits(whole[cut - 1]));
    }
}
