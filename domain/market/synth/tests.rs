//! The synthetic market's promises: same seed same bytes, true bars, honest labels.

use super::*;
use crate::market::bar::Bar;
use crate::market::door::{Door, Warning};
use crate::market::series::series_hash;
use crate::market::splits::adjust;

fn small(preset: Preset) -> SynthConfig {
    SynthConfig { symbols: 8, bars: 600, ..SynthConfig::of(preset) }
}

fn with(faults: &[SynthFault]) -> SynthConfig {
    SynthConfig { faults: faults.iter().copied().collect(), ..small(Preset::Default) }
}

/// Sends a series through the door; what was refused and what was strange.
fn door(series: &Series) -> (usize, Vec<Warning>) {
    let mut door = Door::new(series.class, series.timeframe);
    let (mut refused, mut strange) = (0, Vec::new());
    for bar in &series.bars {
        match door.admit(bar) {
            Ok(warnings) => strange.extend(warnings),
            Err(_) => refused += 1,
        }
    }
    (refused, strange)
}

fn annual_volatility(bars: &[Bar]) -> f64 {
    let returns: Vec<f64> = bars
        .windows(2)
        .map(|pair| (pair[1].close.to_f64() / pair[0].close.to_f64()).ln())
        .collect();
    let count = f64::from(u32::try_from(returns.len()).unwrap());
    let mean = returns.iter().sum::<f64>() / count;
    let squares: f64 = returns.iter().map(|one| (one - mean).powi(2)).sum();
    (squares / (count - 1.0) * 252.0).sqrt()
}

/// D-1: same seed, same bytes; another seed, other bytes.
#[test]
fn a_seed_gives_the_same_market_every_time() {
    let config = SynthConfig { coins: 2, ..with(&[SynthFault::Splits, SynthFault::Halts]) };
    let (first, second) = (generate(&config, 7).unwrap(), generate(&config, 7).unwrap());
    assert_eq!(first, second);
    let other = generate(&config, 8).unwrap();
    assert_ne!(series_hash(&first.series), series_hash(&other.series));
}

#[test]
fn one_more_symbol_leaves_the_others_as_they_were() {
    let eight = generate(&small(Preset::Default), 7).unwrap();
    let nine = generate(&SynthConfig { symbols: 9, ..small(Preset::Default) }, 7).unwrap();
    assert_eq!(eight.series, nine.series[..8]);
}

#[test]
fn every_bar_is_true_and_every_session_is_there() {
    for preset in [Preset::Calm, Preset::Default] {
        for seed in 0..5 {
            let market = generate(&SynthConfig { coins: 2, ..small(preset) }, seed).unwrap();
            assert_eq!(market.series.len(), 10);
            for series in &market.series {
                assert_eq!(
                    (door(series), series.bars.len()),
                    ((0, vec![]), 600),
                    "{}",
                    series.symbol
                );
            }
        }
    }
}

#[test]
fn minute_bars_fill_sessions_and_are_true() {
    let config = SynthConfig { bars: 2_000, ..SynthConfig::of(Preset::Minutes) };
    let series = &generate(&config, 1).unwrap().series[0];
    assert_eq!((door(series), series.bars.len()), ((0, vec![]), 2_000));
    assert_eq!(series.bars[390].open_time.to_string(), "2010-01-05T14:30:00Z");
}

#[test]
fn a_calm_market_is_calm_and_a_default_one_is_not() {
    let volatility = |preset| {
        let market = generate(&SynthConfig { bars: 1_500, ..small(preset) }, 7).unwrap();
        let all: Vec<f64> =
            market.series.iter().map(|series| annual_volatility(&series.bars)).collect();
        (all.iter().copied().fold(f64::MAX, f64::min), all.iter().copied().fold(0.0, f64::max))
    };
    let (calm, wild) = (volatility(Preset::Calm), volatility(Preset::Default));
    assert!(0.03 < calm.0 && calm.1 < 0.15, "{calm:?}");
    assert!(0.15 < wild.0 && wild.1 < 0.80, "{wild:?}");
    let market = generate(&small(Preset::Calm), 7).unwrap();
    let quiet = |day: &RegimeDay| matches!(day.regime, TrueRegime::Bull | TrueRegime::Sideways);
    assert!(market.regimes.iter().all(quiet));
}

#[test]
fn volatility_clusters() {
    let market = generate(&SynthConfig { bars: 4_000, ..small(Preset::Default) }, 7).unwrap();
    let sizes: Vec<f64> = market.series[0]
        .bars
        .windows(2)
        .map(|pair| (pair[1].close.to_f64() / pair[0].close.to_f64()).ln().abs())
        .collect();
    let count = f64::from(u32::try_from(sizes.len()).unwrap());
    let mean = sizes.iter().sum::<f64>() / count;
    let covariance: f64 = sizes.windows(2).map(|two| (two[0] - mean) * (two[1] - mean)).sum();
    let variance: f64 = sizes.iter().map(|one| (one - mean).powi(2)).sum();
    // Independent sizes of 4,000 days would correlate by less than 0.05.
    assert!(covariance / variance > 0.08, "{}", covariance / variance);
}

#[test]
fn the_labels_tell_what_the_market_did() {
    let mut sums = std::collections::BTreeMap::new();
    for seed in 0..8 {
        let config = SynthConfig { bars: 3_000, symbols: 2, ..small(Preset::Default) };
        let market = generate(&config, seed).unwrap();
        for (index, day) in market.regimes.iter().enumerate().skip(1) {
            for series in &market.series {
                let (former, bar) = (series.bars[index - 1], series.bars[index]);
                assert_eq!(bar.open_time, day.open_time);
                let change = (bar.close.to_f64() / former.close.to_f64()).ln();
                let entry: &mut (f64, f64) = sums.entry(day.regime).or_default();
                *entry = (entry.0 + change, entry.1 + 1.0);
            }
        }
    }
    let mean = |regime| sums.get(&regime).map(|(sum, days)| sum / days).unwrap();
    assert_eq!(sums.len(), 4, "all four occur");
    assert!(mean(TrueRegime::Bull) > 2e-4 && mean(TrueRegime::Bear) < -2e-4, "{sums:?}");
    assert!(mean(TrueRegime::Sideways).abs() < mean(TrueRegime::Bull), "{sums:?}");
    assert!(mean(TrueRegime::Crash) < 4.0 * mean(TrueRegime::Bear), "{sums:?}");
}

#[test]
fn symbols_of_one_sector_move_together() {
    let market =
        generate(&SynthConfig { bars: 3_000, symbols: 12, ..small(Preset::Default) }, 7).unwrap();
    let returns = |index: usize| -> Vec<f64> {
        let bars = &market.series[index].bars;
        bars.windows(2).map(|two| two[1].close.to_f64() / two[0].close.to_f64() - 1.0).collect()
    };
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let correlation = |a: usize, b: usize| {
        let (a, b) = (returns(a), returns(b));
        product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt()
    };
    let within: f64 = (0..6).map(|sector| correlation(sector, sector + 6)).sum::<f64>() / 6.0;
    let across: f64 = (0..6).map(|sector| correlation(sector, (sector + 1) % 6)).sum::<f64>() / 6.0;
    assert_eq!(market.assets[0].sector, market.assets[6].sector);
    assert!(within > across + 0.05 && across > 0.1, "{within} {across}");
}

#[test]
fn splits_are_in_the_table_and_adjusting_undoes_them() {
    let plain = generate(&small(Preset::Default), 7).unwrap();
    let market = generate(&with(&[SynthFault::Splits]), 7).unwrap();
    assert_eq!(market.splits.len(), 8);
    for (series, plain) in market.series.iter().zip(&plain.series) {
        let jumps = door(series).1;
        assert!(matches!(jumps[..], [Warning::Jump { .. }]), "{jumps:?}");
        let adjusted = adjust(series, &market.splits).unwrap();
        assert_eq!(door(&adjusted), (0, vec![]));
        let (a, b) = (annual_volatility(&adjusted.bars), annual_volatility(&plain.bars));
        assert!((a - b).abs() < 1e-3, "{a} {b}");
    }
}

#[test]
fn halts_and_missing_bars_are_gaps_and_nothing_else() {
    for fault in [SynthFault::Halts, SynthFault::Missing] {
        let market = generate(&with(&[fault]), 7).unwrap();
        let mut longest = 0;
        for series in &market.series {
            let (refused, strange) = door(series);
            assert_eq!(refused, 0);
            for warning in strange {
                if let Warning::Gap { missing, .. } = warning {
                    longest = longest.max(missing);
                }
            }
        }
        let expected = if fault == SynthFault::Halts { 3..=20 } else { 1..=3 };
        assert!(expected.contains(&longest), "{fault:?} {longest}");
    }
}

#[test]
fn the_door_refuses_every_bad_tick_and_little_else() {
    let plain = generate(&small(Preset::Default), 7).unwrap();
    let market = generate(&with(&[SynthFault::BadTicks]), 7).unwrap();
    for (series, plain) in market.series.iter().zip(&plain.series) {
        let changed = series.bars.iter().zip(&plain.bars).filter(|(a, b)| a != b).count();
        assert!(changed > 0);
        assert_eq!(door(series).0, changed);
    }
}

/// L-1: an item that says when it was known is never known before what it tells of.
#[test]
fn news_is_known_after_the_fact_and_faults_are_on_request_only() {
    let plain = generate(&small(Preset::Default), 7).unwrap().news;
    assert!(plain.len() > 50);
    assert!(plain.iter().all(|item| item.known_at.is_some_and(|known| known > item.event_at)));
    assert!(plain.iter().all(|item| !item.hostile));
    assert!(plain.is_sorted_by_key(|item| item.known_at));
    let all = [SynthFault::LateNews, SynthFault::UndatedNews, SynthFault::HostileNews];
    let spoilt = generate(&with(&all), 7).unwrap().news;
    assert_eq!(spoilt.len(), plain.len());
    assert!(spoilt.iter().any(|item| item.hostile));
    assert!(spoilt.iter().any(|item| item.known_at.is_none()));
    let day = std::time::Duration::from_hours(24);
    let late = |item: &NewsItem| item.known_at.is_some_and(|known| known > item.event_at + day);
    assert!(spoilt.iter().any(late) && !plain.iter().any(late));
    let coins =
        generate(&SynthConfig { coins: 2, symbols: 0, ..small(Preset::Default) }, 7).unwrap();
    assert!(!coins.news.is_empty(), "coins have news");
    assert!(coins.news.iter().all(|item| item.kind != NewsKind::Filing), "and file nothing");
    for kind in [NewsKind::News, NewsKind::Filing, NewsKind::Post] {
        assert!(plain.iter().any(|item| item.kind == kind), "{kind:?}");
    }
}

#[test]
fn what_cannot_be_made_is_refused() {
    let config = SynthConfig::of(Preset::Default);
    for (config, expected) in [
        (
            SynthConfig { symbols: 0, ..config.clone() },
            "a market needs at least one symbol and one bar",
        ),
        (
            SynthConfig { bars: BARS_MAX, ..config.clone() },
            "24 symbols of 20000000 bars are more than 20000000 bars together",
        ),
        (
            SynthConfig { timeframe: Timeframe::Week, ..config.clone() },
            "a synthetic market has bars of a day or less, not 1w",
        ),
        (
            SynthConfig { bars: 100_000, ..config.clone() },
            "there are only 47954 bars between 2010-01-04 and the year 2200",
        ),
    ] {
        let error = generate(&config, 1).unwrap_err().to_string();
        assert_eq!(error, expected);
    }
}
