//! Tests of correlations: against their definition, over common days, and grown a bar at a time.

use proptest::prelude::*;

use super::symbol;
use crate::market::synth::labelled::{Nature, log_returns};
use crate::selection::correlation::{COMMON_MIN, Column, Matrix, correlation};
use crate::selection::series::Closes;

/// A walk whose returns are `share` of a common walk's and the rest its own; every `gap`-th day is missing.
fn closes(index: usize, share: f64, gap: usize) -> Closes {
    let days = 300;
    let common = log_returns(Nature::Walk, days, 0.01, 5, 0);
    let own = log_returns(Nature::Walk, days, 0.01, 5, index + 1);
    let mut level = 4.0;
    let close = |(day, (a, b)): (usize, (&f64, &f64))| {
        level += share * a + (1.0 - share) * b;
        let is_there = gap == 0 || !(day + index).is_multiple_of(gap);
        is_there.then_some((i64::try_from(day).unwrap(), level))
    };
    Closes::of(common.iter().zip(&own).enumerate().filter_map(close))
}

/// The definition, over closes on days that both have.
fn by_definition(a: &Closes, b: &Closes) -> f64 {
    let at = |closes: &Closes, key: &i64| {
        closes.keys().binary_search(key).ok().map(|at| closes.logs()[at])
    };
    let both: Vec<(f64, f64)> =
        a.keys().iter().filter_map(|key| Some((at(a, key)?, at(b, key)?))).collect();
    let steps: Vec<(f64, f64)> =
        both.windows(2).map(|pair| (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1)).collect();
    let count = f64::from(u32::try_from(steps.len()).unwrap());
    let mean = |pick: fn(&(f64, f64)) -> f64| steps.iter().map(pick).sum::<f64>() / count;
    let (x, y) = (mean(|step| step.0), mean(|step| step.1));
    let sum = |pick: &dyn Fn(&(f64, f64)) -> f64| steps.iter().map(pick).sum::<f64>();
    let joint = sum(&|step| (step.0 - x) * (step.1 - y));
    joint / (sum(&|step| (step.0 - x).powi(2)) * sum(&|step| (step.1 - y).powi(2))).sqrt()
}

#[test]
fn a_correlation_is_that_of_returns_between_common_days() {
    for (share, gaps) in [(0.0, (0, 0)), (0.5, (0, 0)), (0.9, (7, 0)), (0.5, (3, 5)), (0.2, (2, 0))]
    {
        let (a, b) = (closes(0, share, gaps.0), closes(1, share, gaps.1));
        let expected = by_definition(&a, &b);
        let (a, b) = (Column::of(a), Column::of(b));
        let found = correlation(&a, &b).unwrap().get();
        assert!((found - expected).abs() < 1e-9, "{share} {gaps:?}: {found} not {expected}");
        assert_eq!(correlation(&a, &b), correlation(&b, &a));
        assert!((correlation(&a, &a).unwrap().get() - 1.0).abs() < 1e-9);
    }
}

/// A price that goes up and down.
fn wave(day: i64) -> f64 {
    4.0 + f64::from(i32::try_from(day % 7).unwrap())
}

#[test]
fn what_cannot_be_compared_has_no_correlation() {
    let walk = Column::of(closes(0, 0.0, 0));
    let still = Column::of(Closes::of((0..300).map(|day| (day, 4.0))));
    let later = Column::of(Closes::of((1_000..1_300).map(|day| (day, wave(day)))));
    let few = i64::try_from(COMMON_MIN).unwrap();
    let short = Closes::of((0..few).map(|day| (day, wave(day))));
    for other in [&still, &later, &Column::of(short), &Column::of(Closes::default())] {
        assert_eq!(correlation(&walk, other), None);
    }
    let enough = Closes::of((0..=few).map(|day| (day, wave(day))));
    assert!(correlation(&walk, &Column::of(enough)).is_some());
}

#[test]
fn a_close_that_is_no_next_one_is_not_taken() {
    let mut closes = Closes::of([(1, 1.0), (3, 2.0)]);
    for (key, log) in [(3, 5.0), (2, 5.0), (4, f64::NAN), (4, f64::INFINITY)] {
        assert!(!closes.push(key, log), "{key} {log}");
    }
    assert_eq!(closes, Closes::of([(1, 1.0), (3, 2.0)]));
    let mut matrix = Matrix::of([(symbol("A"), closes)]);
    assert!(!matrix.push(&symbol("B"), 9, 1.0) && !matrix.push(&symbol("A"), 3, 1.0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_matrix_that_grew_is_the_one_made_at_once(
        shares in proptest::collection::vec((0.0..1.0_f64, 0..9_usize), 2..6),
        known in 1..300_usize,
        order in 0..6_usize,
    ) {
        let name = |at: usize| symbol(&format!("S{at}"));
        let whole: Vec<Closes> =
            shares.iter().enumerate().map(|(at, (share, gap))| closes(at, *share, *gap)).collect();
        let at_once = Matrix::of(whole.iter().enumerate().map(|(at, all)| (name(at), all.clone())));
        let part = |all: &Closes| {
            let pairs = all.keys().iter().copied().zip(all.logs().iter().copied());
            pairs.collect::<Vec<(i64, f64)>>()
        };
        let split = |all: &Closes| known.min(all.keys().len());
        let begin = whole.iter().enumerate();
        let mut grown = Matrix::of(
            begin.map(|(at, all)| (name(at), Closes::of(part(all)[..split(all)].to_vec()))),
        );
        // Whichever symbol's bars come first.
        for nth in 0..whole.len() {
            let at = (nth + order) % whole.len();
            for (key, log) in &part(&whole[at])[split(&whole[at])..] {
                prop_assert!(grown.push(&name(at), *key, *log));
            }
        }
        prop_assert_eq!(grown, at_once);
    }
}
