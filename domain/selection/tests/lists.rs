//! Tests of diversity and of the last look: no pair, no twins, room for sectors and coins, whatever comes
//! between.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{market, renamed, scored, symbol};
use crate::brief::selection::{Candidate, Constraints, Measured, Metric, SelectionStep};
use crate::brief::trading::TrackRecord;
use crate::fixed::{Money, Price};
use crate::market::asset::UNKNOWN_SECTOR;
use crate::market::symbol::{AssetClass, Symbol};
use crate::ratio::Ratio;
use crate::selection::Scored;
use crate::selection::correlation::{Column, Matrix};
use crate::selection::diversify::PassedOver;
use crate::selection::score::default_weights;
use crate::selection::series::Closes;
use crate::selection::validate::Violation;
use crate::signal::Regime;
use crate::time::Time;

/// What a made-up candidate is like: score, sector, issuer, coin.
pub(super) type Sketch = (f64, u8, u8, bool);

fn candidate(at: usize, (part, sector, issuer, is_coin): Sketch) -> Candidate {
    let class = if is_coin { AssetClass::Crypto } else { AssetClass::Equity };
    let part = Some(Ratio::within_unit(part));
    let measured = Measured { value: part, part, diagnostic: String::new() };
    Candidate {
        symbol: symbol(&format!("S{at}")),
        class,
        filter_family: class,
        sector: if is_coin { "coins".to_owned() } else { format!("sector {sector}") },
        issuer: format!("issuer {issuer}"),
        bars: 1_000,
        gap_share: Ratio::ZERO,
        last_bar_at: Time::EPOCH,
        price: Price::from_raw(10 * Price::SCALE),
        dollar_volume: Money::from_raw(50_000_000 * Money::SCALE),
        volatility: Some(Ratio::of(0.2)),
        metrics: Metric::ALL.iter().map(|metric| (*metric, measured.clone())).collect(),
        score: None,
        rank: None,
        excluded: Vec::new(),
    }
}

/// A universe of sketches; `correlations` are walked through row by row, `None` is unmeasured.
pub(super) fn sketched(sketches: &[Sketch], correlations: &[Option<f64>]) -> Scored {
    let mut candidates: Vec<Candidate> =
        sketches.iter().enumerate().map(|(at, sketch)| candidate(at, *sketch)).collect();
    let members: Vec<(Symbol, Column)> =
        candidates.iter().map(|one| (one.symbol.clone(), Column::of(Closes::default()))).collect();
    let mut cells = correlations.iter().copied().cycle();
    let mut cell = || cells.next().flatten().map(Ratio::of);
    let rows = (0..members.len()).map(|at| (0..at).map(|_| cell()).collect()).collect();
    candidates.sort_by(|a, b| a.symbol.cmp(&b.symbol));
    let weights = default_weights();
    crate::selection::score::rank(&mut candidates, &weights).unwrap();
    Scored {
        as_of: Time::EPOCH,
        constraints: Constraints::default(),
        regime: Regime::default(),
        candidates,
        reports: Vec::new(),
        weights,
        matrix: Matrix::from_rows(members, rows),
    }
}

pub(super) fn names(symbols: &[Symbol]) -> Vec<&str> {
    symbols.iter().map(Symbol::as_str).collect()
}

/// Goal: greedy by score; each that is passed over has its reason. Method: six shares, hand-made.
#[test]
fn a_list_is_taken_by_score_and_each_other_has_its_reason() {
    let mut cells = vec![Some(0.1); 15];
    // S1 moves with S0, S4 with nobody that is measured.
    cells[0] = Some(0.61);
    cells[6] = None;
    let all: [Sketch; 6] = [
        (0.9, 0, 0, false),
        (0.8, 1, 1, false),
        (0.7, 2, 0, false),
        (0.6, 0, 3, false),
        (0.5, 3, 4, false),
        (0.4, 4, 5, false),
    ];
    let scored = sketched(&all, &cells);
    let diverse = scored.diverse(3);
    assert_eq!(names(&diverse.list), ["S0", "S5"], "a list of three has room for one of each");
    let why: BTreeMap<&str, String> = diverse
        .passed_over
        .iter()
        .map(|(symbol, why)| (symbol.as_str(), why.to_string()))
        .collect();
    assert_eq!(why["S1"], "S0 and S1 correlate by 0.610, at most 0.6");
    assert_eq!(why["S2"], "S0 and S2 are both of issuer 0");
    assert_eq!(why["S3"], "at most 1 of sector 0", "there is no room at two either");
    assert_eq!(why["S4"], "the correlation of S0 and S4 is not known");
    assert_eq!(why.len() + diverse.list.len(), all.len(), "nobody is dropped without a reason");
    assert_eq!(scored.selected(diverse.list.clone()).unwrap().symbols(), diverse.list);
    let one = scored.diverse(1);
    assert_eq!(names(&one.list), ["S0"]);
    assert!(matches!(one.passed_over[&symbol("S5")], PassedOver::Full { length: 1 }));
    assert!(scored.diverse(0).list.is_empty());
}

/// Goal: where the list had to be shorter than was asked for, whoever stands behind its last place is told
/// what stopped it. Method: five shares of one sector, of whom a list of two can have but one.
#[test]
fn a_list_that_had_to_be_shorter_says_what_stopped_it() {
    let all: Vec<Sketch> = (0..5).map(|at| (0.9 - f64::from(at) / 10.0, 0, at, false)).collect();
    let diverse = sketched(&all, &[Some(0.1)]).diverse(5);
    assert_eq!(names(&diverse.list), ["S0"]);
    assert_eq!(diverse.passed_over.len(), 4);
    for why in diverse.passed_over.values() {
        assert_eq!(why.to_string(), "a list of 2 cannot be filled: at most 1 of sector 0");
    }
}

/// Goal: no sector is not a sector. Method: ten shares without one that is known fill a list of five, and
/// so they do beside two of a sector that is; what correlates is still no pair.
#[test]
fn symbols_without_a_known_sector_do_not_count_against_each_other() {
    let all: Vec<Sketch> = (0..10).map(|at| (0.9 - f64::from(at) / 20.0, 0, at, false)).collect();
    let mut scored = sketched(&all, &[Some(0.1)]);
    for candidate in &mut scored.candidates {
        if !["S0", "S1", "S2"].contains(&candidate.symbol.as_str()) {
            UNKNOWN_SECTOR.clone_into(&mut candidate.sector);
        }
    }
    let diverse = scored.diverse(5);
    assert_eq!(names(&diverse.list), ["S0", "S1", "S3", "S4", "S5"]);
    assert_eq!(scored.selected(diverse.list.clone()).unwrap().symbols(), diverse.list);
    let mut near = sketched(&all, &[Some(0.9)]);
    for candidate in &mut near.candidates {
        UNKNOWN_SECTOR.clone_into(&mut candidate.sector);
    }
    assert_eq!(near.diverse(5).list.len(), 1);
}

#[test]
fn coins_have_a_fifth_of_a_list_and_never_more_than_three_places() {
    let mut all: Vec<Sketch> = (0..6).map(|at| (0.9, 0, 100 + at, true)).collect();
    all.extend((0..24).map(|at| (0.5, at % 8, at, false)));
    let scored = sketched(&all, &[Some(0.0)]);
    for (count, coins) in [(4, 0), (5, 1), (10, 2), (15, 3), (20, 3)] {
        let list = scored.diverse(count).list;
        let is_coin = |one: &&Symbol| scored.candidate(one).unwrap().class == AssetClass::Crypto;
        assert_eq!((list.len(), list.iter().filter(is_coin).count()), (count, coins));
    }
    let only_coins = sketched(&all[..6], &[Some(0.0)]);
    let diverse = only_coins.diverse(5);
    assert!(diverse.list.is_empty() && diverse.passed_over.len() == 6);
}

/// U-1: MSFT-like twins and pairs are caught at the end, even when a later step re-sorts or swaps.
#[test]
fn twins_are_caught_at_the_end_even_when_a_later_step_re_sorts() {
    let mut listed = market(12, 0, 700, 3);
    listed.push(renamed(&listed[0], "MSFX", "Microsoft Corporation Class B"));
    "Microsoft Corp.".clone_into(&mut listed[0].0.name);
    let scored = scored(&listed, &loose());
    let original = listed[0].0.symbol.clone();
    let diverse = scored.diverse(5);
    let both = [original.clone(), symbol("MSFX")];
    assert!(!both.iter().all(|one| diverse.list.contains(one)));
    scored.selected(diverse.list.clone()).unwrap();
    // A later step that sorts all by score and takes the first, as if there had been no diversity.
    let resorted: Vec<Symbol> = scored.ranked().iter().map(|one| one.symbol.clone()).collect();
    let wrong = scored.selected(resorted).unwrap_err();
    let twins = |violation: &Violation| {
        matches!(violation, Violation::Twins { a, b, issuer }
            if both.contains(a) && both.contains(b) && issuer == "microsoft")
    };
    assert_eq!(wrong.0.iter().filter(|violation| twins(violation)).count(), 1);
    assert!(wrong.to_string().contains("are both of microsoft"), "{wrong}");
    // A swap that brings the twin in.
    let mut swapped = vec![original, symbol("MSFX")];
    swapped.extend(diverse.list.iter().filter(|one| !both.contains(one)).cloned());
    assert!(scored.selected(swapped).unwrap_err().0.iter().any(twins));
    // The same bars of another issuer are still a pair.
    listed[12].0.name = "Somebody else".to_owned();
    let scored = super::scored(&listed, &loose());
    let wrong = scored.selected(both.to_vec()).unwrap_err();
    let is_one = |violation: &Violation| matches!(violation, Violation::Pair { correlation: Some(found), .. } if found.get() > 0.999);
    assert!(wrong.0.iter().any(is_one), "{wrong}");
}

/// Constraints that let nearly every share of a synthetic market through.
fn loose() -> Constraints {
    Constraints {
        half_life_max: Ratio::of(1e9),
        equity_volume_min: Money::ZERO,
        volatility_max: Ratio::of(3.0),
        ..Constraints::default()
    }
}

#[test]
fn every_kind_of_violation_is_named() {
    let all: Vec<Sketch> = (0..8).map(|at| (0.5, 0, at, at >= 6)).collect();
    let mut scored = sketched(&all, &[Some(0.0)]);
    assert!(scored.exclude(&symbol("S1"), "age: too old".to_owned()));
    assert!(!scored.exclude(&symbol("NONE"), String::new()));
    let list = ["S0", "S0", "NONE", "S1", "S2", "S6", "S7"].map(symbol).to_vec();
    let wrong = scored.selected(list).unwrap_err().to_string();
    for part in [
        "S0 is on the list twice",
        "NONE is not in the universe",
        "S1 is excluded (age: too old)",
        "3 of sector 0, at most 2: S0, S1, S2",
        "2 coins, at most 1: S6, S7",
    ] {
        assert!(wrong.contains(part), "{part} is not in {wrong}");
    }
    assert!(scored.selected(Vec::new()).unwrap().symbols().is_empty());
}

#[test]
fn a_brief_shows_the_list_its_reserve_and_every_reason() {
    let all: Vec<Sketch> =
        (0..30).map(|at: u8| (1.0 - f64::from(at) / 40.0, at % 10, at, false)).collect();
    let mut scored = sketched(&all, &[Some(0.3)]);
    scored.exclude(&symbol("S7"), "half_life: 300".to_owned());
    let diverse = scored.diverse(5);
    let brief = scored.brief(SelectionStep::Check, &diverse, &diverse.list, TrackRecord::default());
    assert_eq!(brief.candidates.len(), 30);
    assert_eq!(brief.candidate(&symbol("S7")).unwrap().excluded, ["half_life: 300"]);
    assert_eq!(brief.shortlist, brief.diverse);
    // Five on the list and ten beside it, each with each.
    assert_eq!(brief.correlations.len(), 15 * 14 / 2);
    let weights: f64 = brief.weights.values().map(|weight| weight.get()).sum();
    assert!((weights - 1.0).abs() < 1e-12);
    let text = serde_json::to_string(&brief).unwrap();
    assert_eq!(
        serde_json::from_str::<crate::brief::selection::SelectionBrief>(&text).unwrap(),
        brief
    );
}

#[test]
fn other_weights_rank_anew_and_weights_that_are_none_change_nothing() {
    let mut scored = sketched(&[(0.9, 0, 0, false), (0.8, 1, 1, false)], &[Some(0.0)]);
    let before = scored.clone();
    let mut weights = default_weights();
    weights.insert(Metric::Sharpe, Ratio::of(0.5));
    assert_eq!(
        scored.reweigh(weights).unwrap_err().to_string(),
        "the weights sum to 1.400000, not to 1"
    );
    let mut weights = default_weights();
    weights.insert(Metric::Sharpe, Ratio::of(-0.1));
    weights.insert(Metric::HurstShort, Ratio::of(0.4));
    assert!(scored.reweigh(weights).is_err());
    assert!(scored.reweigh(BTreeMap::new()).is_err());
    assert_eq!(scored, before);
    let only = Metric::ALL.map(|metric| (metric, Ratio::of(f64::from(metric == Metric::Sharpe))));
    let part = Some(Ratio::of(0.1));
    scored.candidates[0].metrics.get_mut(&Metric::Sharpe).unwrap().part = part;
    scored.reweigh(BTreeMap::from(only)).unwrap();
    assert_eq!(scored.ranked()[0].symbol, symbol("S1"));
    assert_eq!(scored.candidate(&symbol("S0")).unwrap().score, part);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Goal: pairs above 0.60 never both survive, and nobody is dropped without a reason. Method: any
    /// universe of sketches, any list length.
    #[test]
    fn whatever_the_universe_a_list_satisfies_every_constraint(
        sketches in proptest::collection::vec(
            (0.0..1.0_f64, 0..5_u8, 0..12_u8, proptest::bool::weighted(0.2)), 0..24),
        cells in proptest::collection::vec(
            proptest::option::weighted(0.95, -1.0..1.0_f64), 1..64),
        count in 0..12_usize,
    ) {
        let scored = sketched(&sketches, &cells);
        let diverse = scored.diverse(count);
        prop_assert!(diverse.list.len() <= count);
        prop_assert_eq!(diverse.list.len() + diverse.passed_over.len(), sketches.len());
        for (at, a) in diverse.list.iter().enumerate() {
            for b in &diverse.list[at + 1..] {
                prop_assert!(scored.matrix.get(a, b).unwrap().get() <= 0.60, "{a} and {b}");
            }
        }
        prop_assert!(scored.selected(diverse.list.clone()).is_ok());
        // The ranking cut off, as a step that re-sorts would do it, is refused or breaks nothing.
        let cut: Vec<Symbol> =
            scored.ranked().iter().take(count).map(|one| one.symbol.clone()).collect();
        if let Ok(selected) = scored.selected(cut) {
            for (at, a) in selected.symbols().iter().enumerate() {
                for b in &selected.symbols()[at + 1..] {
                    prop_assert!(scored.matrix.get(a, b).unwrap().get() <= 0.60);
                }
            }
        }
    }
}
