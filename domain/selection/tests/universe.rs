//! Tests of the whole way: what is put into a universe is found, and what is picked is what should be.

use super::{Listed, end_of, filtered, market, natures, scored};
use crate::brief::selection::{Constraints, Metric};
use crate::market::synth::labelled::Nature;
use crate::ratio::Ratio;
use crate::selection::correlation::correlation;
use crate::selection::series::History;
use crate::selection::{Filtered, Scored};

/// Five natures in turn, as many of each as there are sectors.
fn labelled(seed: u64) -> (Vec<Nature>, Listed) {
    let kinds = [
        Nature::Reverting { half_life: 10.0 },
        Nature::Fractional { hurst: 0.75 },
        Nature::Walk,
        Nature::Clustered { alpha: 0.08, beta: 0.90 },
        Nature::Regimes { calm: 0.98, wild: 0.95 },
    ];
    let all: Vec<Nature> = kinds.into_iter().cycle().take(30).collect();
    let listed = natures(&all, 1_100, seed);
    (all, listed)
}

fn value(scored: &Scored, listed: &Listed, at: usize, metric: Metric) -> Option<f64> {
    let candidate = scored.candidate(&listed[at].0.symbol).unwrap();
    candidate.metrics.get(&metric)?.value.map(Ratio::get)
}

/// Goal: through prices in cents and all filters each nature shows in its own metric, and the list is made
/// of what can be foreseen, not of random walks.
#[test]
fn the_selection_picks_what_it_should_on_labelled_series() {
    let rules = Constraints::default();
    let (mut of_walks, mut picked) = (0, 0);
    for seed in 1..=6 {
        let (all, listed) = labelled(seed);
        let scored = scored(&listed, &rules);
        let mean = |name: &str, metric: Metric| {
            let of = |at: &usize| all[*at].name() == name;
            let found: Vec<f64> = (0..all.len())
                .filter(of)
                .filter_map(|at| value(&scored, &listed, at, metric))
                .collect();
            found.iter().sum::<f64>() / f64::from(u32::try_from(found.len()).unwrap())
        };
        assert!((mean("trending", Metric::HurstLong) - 0.75).abs() < 0.12);
        assert!((mean("random", Metric::HurstLong) - 0.5).abs() < 0.10);
        assert!((mean("reverting", Metric::HalfLife) - 10.0).abs() < 3.0);
        assert!((mean("clustered", Metric::GarchPersistence) - 0.98).abs() < 0.06);
        assert!((mean("regimes", Metric::RegimePersistence) - 0.971).abs() < 0.03);
        let list = scored.diverse(6).list;
        for (nature, (asset, _)) in all.iter().zip(&listed) {
            let is_on = list.contains(&asset.symbol);
            of_walks += u32::from(is_on && *nature == Nature::Walk);
            picked += u32::from(is_on && matches!(nature.name(), "reverting" | "trending"));
        }
        scored.selected(list).unwrap();
    }
    println!("{picked} of 36 revert or trend, {of_walks} walk at random");
    assert!(picked >= 28 && of_walks <= 2, "{picked} revert or trend, {of_walks} walk at random");
}

/// Goal: on the synthetic market, whose shares of a sector move together, no pair above 0.60 survives.
#[test]
fn no_close_pair_survives_on_the_synthetic_market() {
    for seed in 1..=3 {
        let listed = market(24, 4, 1_100, seed);
        let scored = scored(&listed, &Constraints::default());
        let diverse = scored.diverse(10);
        let selected = scored.selected(diverse.list).unwrap();
        assert!(!selected.symbols().is_empty());
        let all: Vec<_> = selected.symbols().iter().collect();
        let pairs = scored.pairs(&all);
        assert_eq!(pairs.len(), all.len() * (all.len() - 1) / 2);
        assert!(pairs.iter().all(|pair| pair.correlation.get() <= 0.60));
        // The market does have pairs that are too close.
        let everyone: Vec<_> = scored.ranked().iter().map(|known| &known.symbol).collect();
        assert!(scored.pairs(&everyone).iter().any(|pair| pair.correlation.get() > 0.60));
    }
}

#[test]
fn an_empty_universe_and_a_universe_of_nothing_make_an_empty_list() {
    let rules = Constraints::default();
    let nobody =
        Filtered::of(Vec::new(), crate::time::Time::EPOCH, rules.clone(), Ratio::of(252.0));
    assert!(nobody.columns().is_empty() && nobody.reports.is_empty());
    let short = market(3, 0, 40, 1);
    assert!(end_of(&short) > crate::time::Time::EPOCH);
    let scored = scored(&short, &rules);
    assert!(scored.ranked().is_empty() && scored.diverse(5).list.is_empty());
    assert!(scored.candidates().iter().all(|known| !known.excluded.is_empty()));
}

/// Goal: a coin's weekends do not keep it from being compared with a share. Method: both of the synthetic
/// market; every day of the share is one of the coin.
#[test]
fn a_coin_and_a_share_are_compared_by_date() {
    let listed = market(1, 1, 700, 2);
    let [share, coin] = [0, 1].map(|at| {
        let series = &listed[at].1;
        History::of(series, series.bars[699].close_time).unwrap().closes
    });
    let last = coin.keys()[699];
    let common = share.keys().iter().filter(|key| **key <= last);
    assert!(common.clone().count() > 450);
    assert!(common.clone().all(|key| coin.keys().binary_search(key).is_ok()));
    let columns: Vec<_> =
        filtered(&listed, &Constraints { stale_days_max: 999, ..Constraints::default() }).columns();
    for (at, (_, one)) in columns.iter().enumerate() {
        for (_, other) in &columns[at + 1..] {
            // They have nothing to do with each other.
            assert!(correlation(one, other).unwrap().get().abs() < 0.25);
        }
    }
}

#[test]
fn of_a_symbol_that_is_there_twice_the_first_counts() {
    let mut listed = natures(&[Nature::Walk; 3], 700, 1);
    let first = listed[0].clone();
    listed[2].0.symbol = first.0.symbol.clone();
    listed[2].1.symbol = first.0.symbol.clone();
    let scored = scored(&listed, &Constraints::default());
    assert_eq!(scored.candidates().len(), 2);
    let price = scored.candidate(&first.0.symbol).unwrap().price;
    assert_eq!(price, first.1.bars[699].close);
}
