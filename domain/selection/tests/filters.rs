//! Tests of the hard filters and of the first look.

use super::{as_coin, filtered, market, natures, symbol};
use crate::brief::selection::{Constraints, FilterReport, Metric};
use crate::fixed::{Money, Price, Volume};
use crate::market::asset::Asset;
use crate::market::series::Series;
use crate::market::symbol::AssetClass;
use crate::market::synth::labelled::Nature;
use crate::ratio::Ratio;
use crate::selection::Filtered;
use crate::selection::measure::measure;
use crate::selection::prefilter::{Glance, prefilter};
use crate::selection::series::{History, NoHistory};
use crate::time::Time;

/// A change of one share of a universe.
type Change = fn(&mut (Asset, Series));

const REVERTING: Nature = Nature::Reverting { half_life: 10.0 };

fn report<'a>(reports: &'a [FilterReport], filter: &str, class: AssetClass) -> &'a FilterReport {
    reports.iter().find(|one| one.filter == filter && one.class == class).unwrap()
}

#[test]
fn each_filter_refuses_what_it_is_for_and_says_why() {
    let changes: [(Change, &str); 8] = [
        (|(_, series)| drop(series.bars.drain(..501)), "bars: 499 bars, 500 needed"),
        (
            |(_, series)| drop(series.bars.drain(980..991)),
            "gaps: 1.1 % of its bars are missing, 1.0 % allowed",
        ),
        (|(_, series)| series.bars.truncate(990), "age: the last bar is 14 days old, 5 allowed"),
        (|(_, series)| scale(series, 1, 40), "price: a price of "),
        (
            |(_, series)| series.bars.iter_mut().for_each(|bar| bar.volume = thin()),
            "dollar_volume: ",
        ),
        (|(asset, _)| asset.class = AssetClass::Crypto, "series: its bars are of another class"),
        (|(_, series)| series.bars.clear(), "series: there is no bar until "),
        (|(_, series)| series.bars[999].high = Price::ZERO, "series: a bar cannot be true: "),
    ];
    for (change, expected) in changes {
        let mut listed = natures(&[REVERTING; 3], 1_000, 1);
        let second = listed[1].0.symbol.clone();
        change(&mut listed[1]);
        let filtered = filtered(&listed, &Constraints::default());
        for member in &filtered.members {
            let candidate = &member.candidate;
            if candidate.symbol == second {
                let why = candidate.excluded.first().unwrap();
                assert!(why.starts_with(expected), "{why} instead of {expected}");
                assert!(candidate.metrics.is_empty(), "what is refused is not measured");
            } else {
                assert_eq!(candidate.excluded, Vec::<String>::new());
            }
        }
    }
}

fn thin() -> Volume {
    Volume::from_raw(Volume::SCALE)
}

/// Prices times a fraction.
fn scale(series: &mut Series, up: i64, down: i64) {
    let scaled = |price: &mut Price| *price = Price::from_raw(price.raw() * up / down);
    for bar in &mut series.bars {
        [&mut bar.open, &mut bar.high, &mut bar.low, &mut bar.close].into_iter().for_each(scaled);
    }
}

/// Goal: all reasons are kept, while the report counts a symbol up to the first.
#[test]
fn all_reasons_are_kept_and_the_report_is_a_funnel() {
    let mut listed = natures(&[REVERTING; 4], 1_000, 1);
    let (_, series) = &mut listed[1];
    series.bars.drain(..600);
    series.bars.truncate(380);
    scale(series, 1, 40);
    let filtered = filtered(&listed, &Constraints::default());
    let reasons = &filtered.members[1].candidate.excluded;
    let filters: Vec<&str> = reasons.iter().filter_map(|why| why.split(':').next()).collect();
    assert_eq!(filters, ["bars", "age", "price", "dollar_volume"]);
    for (filter, seen, passed) in
        [("series", 4, 4), ("bars", 4, 3), ("age", 3, 3), ("price", 3, 3), ("garch", 3, 3)]
    {
        let found = report(&filtered.reports, filter, AssetClass::Equity);
        assert_eq!((found.seen, found.passed), (seen, passed), "{filter}");
    }
}

/// A34: a coin is a coin by the table, whatever its name; the filters of shares do not touch it.
#[test]
fn filters_go_by_the_class_of_the_table_and_never_by_the_name() {
    let mut listed = natures(&[REVERTING; 3], 1_000, 1);
    for (at, name) in ["WST", "CNM", "SHIB"].into_iter().enumerate() {
        listed[at].0.symbol = symbol(name);
        listed[at].1.symbol = symbol(name);
        scale(&mut listed[at].1, 1, 1_000);
    }
    listed[2] = as_coin(&listed[2]);
    let filtered = filtered(&listed, &Constraints::default());
    let price = |at: usize| {
        let reasons = &filtered.members[at].candidate.excluded;
        reasons.iter().any(|why| why.starts_with("price"))
    };
    assert!(price(0) && price(1) && !price(2));
    assert_eq!(report(&filtered.reports, "price", AssetClass::Equity).passed, 0);
    assert_eq!(filtered.members[2].candidate.filter_family, AssetClass::Crypto);
}

#[test]
fn metrics_out_of_range_exclude_with_their_figure() {
    let listed = natures(&[REVERTING, Nature::Walk], 1_000, 2);
    let tight = Constraints {
        half_life_max: Ratio::of(1.0),
        garch_persistence_max: Ratio::ZERO,
        volatility_max: Ratio::of(0.051),
        ..Constraints::default()
    };
    let filtered = filtered(&listed, &tight);
    let reasons = filtered.members[0].candidate.excluded.join("; ");
    for part in ["half_life: half_life ", "is not between 0 and 1 bars", "garch: ", "volatility: "]
    {
        assert!(reasons.contains(part), "{part} is not in {reasons}");
    }
    assert!(filtered.columns().is_empty());
}

#[test]
fn a_price_that_stands_still_has_no_metrics_and_says_so() {
    let mut listed = natures(&[REVERTING, REVERTING], 1_000, 2);
    let first = listed[1].1.bars[0];
    for bar in &mut listed[1].1.bars {
        (bar.open, bar.high, bar.low, bar.close) = (first.open, first.open, first.open, first.open);
    }
    let filtered = filtered(&listed, &Constraints::default());
    let candidate = &filtered.members[1].candidate;
    let metric = &candidate.metrics[&Metric::GarchPersistence];
    assert_eq!((metric.value, metric.part), (None, None));
    assert_eq!(metric.diagnostic, "undefined: the values do not vary");
    assert!(candidate.excluded.iter().any(|why| why.starts_with("metrics: sharpe undefined")));
}

/// L-1: bars after the as-of time change nothing.
#[test]
fn nothing_after_the_as_of_time_is_seen() {
    let listed = market(6, 2, 900, 4);
    let as_of = listed[0].1.bars[699].close_time;
    let rules = Constraints::default();
    let members = |cut: bool| {
        let one = |(asset, series): &(Asset, Series)| {
            let mut series = series.clone();
            if cut {
                series.bars.retain(|bar| bar.close_time <= as_of);
            }
            measure(asset, &series, as_of, &rules)
        };
        listed.iter().map(one).collect::<Vec<_>>()
    };
    let filtered = |cut| Filtered::of(members(cut), as_of, rules.clone(), Ratio::of(252.0));
    assert_eq!(filtered(true), filtered(false));
    assert_eq!(
        History::of(&listed[0].1, Time::EPOCH),
        Err(NoHistory::Empty { as_of: Time::EPOCH })
    );
}

#[test]
fn the_traded_value_is_the_exact_mean_over_sessions() {
    let mut listed = natures(&[REVERTING], 100, 1);
    let (_, series) = &mut listed[0];
    for (at, bar) in series.bars.iter_mut().enumerate() {
        (bar.open, bar.high, bar.low, bar.close) =
            [(); 4].map(|()| Price::from_raw(Price::SCALE)).into();
        // The first forty are not among the last sixty.
        let volume = if at < 40 { 1_000_000_000 } else { 100 + i64::from(at == 99) };
        bar.volume = Volume::from_raw(volume * Volume::SCALE);
    }
    let history = History::of(series, series.bars[99].close_time).unwrap();
    // 6,001 over 60, half to even at 1e-8.
    assert_eq!(history.dollar_volume, "100.01666667".parse::<Money>().unwrap());
    series.bars[99].volume = Volume::from_raw(900_000_000_000 * Volume::SCALE);
    series.bars[99].close = Price::from_units(9_000).unwrap();
    series.bars[99].high = series.bars[99].close;
    let refused = History::of(series, series.bars[99].close_time);
    assert!(matches!(refused, Err(NoHistory::Value(_))), "{refused:?}");
}

/// Goal: of 12,000 the most traded are kept, each other with its reasons, in one pass.
#[test]
fn a_first_look_keeps_the_most_traded_and_names_why_others_go() {
    let glance = |at: i64| Glance {
        asset: Asset {
            symbol: symbol(&format!("S{at}")),
            class: if at % 50 == 0 { AssetClass::Crypto } else { AssetClass::Equity },
            sector: String::new(),
            name: String::new(),
        },
        tradable: at % 7 != 0,
        price: (at % 11 != 0).then(|| Price::from_units(at % 100).unwrap()),
        day_value: (at % 13 != 0).then(|| Money::from_units(at * 1_000).unwrap()),
    };
    let glances: Vec<Glance> = (0..12_000).map(glance).collect();
    let (kept, reports) = prefilter(&glances, &Constraints::default(), 500);
    assert_eq!(kept.assets.len(), 500);
    assert_eq!(kept.assets.len() + kept.refused.len(), 12_000);
    // 11,999 is a multiple of 13: the venue shows nothing of what was traded of it.
    assert_eq!(kept.assets[0].symbol, symbol("S11997"));
    assert_eq!(
        kept.refused[&symbol("S1001")],
        [
            "tradable: the venue does not trade it",
            "snapshot_price: the venue shows no price",
            "snapshot_volume: the venue shows no traded day",
        ]
    );
    assert_eq!(
        kept.refused[&symbol("S3")],
        [
            "snapshot_price: a price of 3, at least 5",
            "snapshot_volume: 3000 traded that day, at least 5000000"
        ]
    );
    let least = kept.refused.values().filter(|why| why[0].starts_with("most_traded: place "));
    let cut = report(&reports, "most_traded", AssetClass::Equity);
    let coins = report(&reports, "most_traded", AssetClass::Crypto);
    assert_eq!(
        u32::try_from(least.count()).unwrap(),
        cut.seen - cut.passed + coins.seen - coins.passed
    );
    assert_eq!(cut.passed + coins.passed, 500);
    let twice = [glances[8].clone(), glances[8].clone()];
    assert_eq!(
        prefilter(
            &twice,
            &Constraints { equity_volume_min: Money::ZERO, ..Constraints::default() },
            9
        )
        .0
        .assets
        .len(),
        1
    );
}
