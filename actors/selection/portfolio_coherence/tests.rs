//! Tests of Portfolio Coherence.

use serde_json::{Value, json};

use super::*;
use crate::runtime::agent::Entry;
use crate::runtime::tests::answer_cases::{
    admits_only_bounded_numbers, read, refuses_what_is_no_answer,
};
use crate::selection::sample;

fn good() -> Value {
    json!({"reasoning": "too close", "vote": "for", "confidence": 0.8,
           "swaps": [{"out": "BOLT", "into": "ETCH"}]})
}

fn symbol(text: &str) -> Symbol {
    Symbol::new(text).unwrap()
}

fn correlate(brief: &mut SelectionBrief, a: &str, b: &str, value: f64) {
    let (a, b) = (symbol(a), symbol(b));
    let pair = brief
        .correlations
        .iter_mut()
        .find(|pair| (pair.a == a && pair.b == b) || (pair.a == b && pair.b == a))
        .unwrap();
    pair.correlation = Ratio::of(value);
}

/// The swaps as text, and the vote.
fn by_rules(brief: &SelectionBrief) -> (Vec<String>, Ballot) {
    let answer = PortfolioCoherence::rules(brief, &Limits::default());
    let swaps = answer.swaps.iter().map(|swap| format!("{} > {}", swap.out, swap.into)).collect();
    (swaps, answer.vote)
}

#[track_caller]
fn check(swaps: &Value, expected: Result<usize, &str>) {
    let mut answer = good();
    answer["swaps"] = swaps.clone();
    let entry = Entry::of::<PortfolioCoherence>();
    let got = read(&entry, &answer.to_string(), &sample::checking(), &Limits::default());
    match (got.map(|advice| advice.levers.len()).map_err(|error| error.to_string()), expected) {
        (Ok(got), Ok(expected)) => assert_eq!(got, expected, "{answer}"),
        (Err(got), Err(expected)) => assert!(got.contains(expected), "{got}"),
        (got, expected) => panic!("{got:?} instead of {expected:?}"),
    }
}

#[test]
fn an_answer_swaps_what_is_on_the_list_for_what_is_not() {
    let swap = |out: &str, into: &str| json!({"out": out, "into": into});
    check(&json!([]), Ok(0));
    check(&json!([swap("BOLT", "ETCH")]), Ok(1));
    check(&json!([swap("ETCH", "GRID")]), Err("`ETCH` is not on the list"));
    check(&json!([swap("BOLT", "ACME")]), Err("`ACME` is on the list already"));
    check(&json!([swap("BOLT", "NONE")]), Err("not in the universe"));
    check(&json!([swap("BOLT", "ETCH"), swap("CORN", "ETCH")]), Err("on the list already"));
    let four =
        [swap("ACME", "ETCH"), swap("BOLT", "GRID"), swap("ETCH", "ACME"), swap("GRID", "BOLT")];
    check(&json!(four), Ok(3));
}

#[test]
fn what_is_no_answer_is_refused() {
    let entry = Entry::of::<PortfolioCoherence>();
    refuses_what_is_no_answer(&entry, &good(), &sample::checking());
}

/// B-1: every number that leaves the agent is finite and within its bounds.
#[test]
fn any_float_is_bounded_or_refused() {
    let brief = sample::checking();
    admits_only_bounded_numbers::<PortfolioCoherence>(&good(), &brief, |answer, raw| {
        answer.confidence = raw;
    });
}

#[test]
fn a_sound_list_needs_no_swap() {
    assert_eq!(by_rules(&sample::checking()), (vec![], Ballot::For));
    assert_eq!(by_rules(&sample::voting()), (vec![], Ballot::For));
}

#[test]
fn of_a_pair_that_moves_together_the_lower_score_leaves() {
    let mut brief = sample::checking();
    correlate(&mut brief, "BOLT", "CORN", 0.61);
    // ETCH is the next best: two of five in technology are 40 %, which is allowed
    assert_eq!(by_rules(&brief), (vec!["CORN > ETCH".to_owned()], Ballot::For));
    correlate(&mut brief, "ETCH", "ACME", 0.7);
    // a coin comes next: one of five is 20 %, which is allowed too
    assert_eq!(by_rules(&brief), (vec!["CORN > BTC/USD".to_owned()], Ballot::For));
    brief.step = SelectionStep::Vote;
    assert_eq!(by_rules(&brief).1, Ballot::Against, "a vote takes the list as it stands");
}

#[test]
fn an_unmeasured_pair_is_no_proof_of_distance() {
    let mut brief = sample::checking();
    let (bolt, corn) = (symbol("BOLT"), symbol("CORN"));
    brief.correlations.retain(|pair| !(pair.a == bolt && pair.b == corn));
    assert_eq!(by_rules(&brief), (vec!["CORN > ETCH".to_owned()], Ballot::For));
}

#[test]
fn a_sector_that_dominates_gives_a_place_up() {
    let mut brief = sample::checking();
    for index in [1, 2] {
        brief.candidates[index].sector = "technology".to_owned();
    }
    // three of five; the lowest of them leaves, and ETCH would be technology again
    assert_eq!(by_rules(&brief), (vec!["CORN > BTC/USD".to_owned()], Ballot::For));
}

#[test]
fn too_many_coins_give_a_place_up() {
    let mut brief = sample::checking();
    for index in [3, 5] {
        brief.candidates[index].class = AssetClass::Crypto;
    }
    // two of five are coins; the lower one leaves for the next best share
    assert_eq!(by_rules(&brief), (vec!["FUEL > ETCH".to_owned()], Ballot::For));
}

#[test]
fn what_three_swaps_cannot_mend_is_voted_against() {
    let mut brief = sample::checking();
    for pair in &mut brief.correlations {
        pair.correlation = Ratio::of(0.9);
    }
    let (swaps, vote) = by_rules(&brief);
    assert!(swaps.len() <= SWAPS_MAX);
    assert_eq!(vote, Ballot::Against);
}

#[test]
fn without_a_list_it_abstains() {
    let mut brief = sample::scoring();
    brief.shortlist.clear();
    assert_eq!(by_rules(&brief), (vec![], Ballot::Abstain));
}
