//! Tests of what agents change of a selection.

use super::lists::{Sketch, names, sketched};
use super::symbol;
use crate::advice::{Advice, Lever, Stance, Vote};
use crate::brief::selection::SelectionStep;
use crate::brief::trading::TrackRecord;
use crate::limits::Limits;
use crate::selection::advised::{Heeded, Made, Wish};
use crate::selection::{SHOWN, Scored};

/// Ten shares of five sectors, S0 the best; S9 moves with S0.
fn ten() -> Scored {
    let all: Vec<Sketch> =
        (0..10).map(|at: u8| (0.9 - f64::from(at) / 20.0, at % 5, at, false)).collect();
    let mut cells = vec![Some(0.1); 45];
    cells[36] = Some(0.9);
    sketched(&all, &cells)
}

fn advice(stance: Vote, levers: Vec<Lever>) -> Vec<Advice> {
    let bounds = Limits::default().bounds;
    vec![Advice {
        agent: "tester",
        stance: Stance::Vote(stance),
        confidence: bounds.confidence.admit(0.5, &mut Vec::new()).unwrap(),
        reasoning: String::new(),
        levers,
        clamps: Vec::new(),
    }]
}

fn exclude(name: &str) -> Lever {
    Lever::Exclude { symbol: symbol(name), reason: "a takeover".to_owned() }
}

fn weight(metric: &str, delta: f64) -> Lever {
    let bounds = Limits::default().bounds.score_weight_delta;
    Lever::ScoreWeight {
        metric: metric.to_owned(),
        delta: bounds.admit(delta, &mut Vec::new()).unwrap(),
    }
}

fn swap(out: &str, into: &str) -> Lever {
    Lever::Swap { out: symbol(out), into: symbol(into) }
}

fn refusals(heeded: &[Heeded]) -> Vec<Option<&str>> {
    heeded.iter().map(|it| it.refused.as_deref()).collect()
}

#[test]
fn exclusions_take_effect_once_and_only_of_whoever_votes_for_them() {
    let mut scored = ten();
    let asks = vec![exclude("S0"), exclude("S0"), exclude("X")];
    let heeded = scored.heed(&advice(Vote::For, asks.clone()));
    let expected = [None, Some("it is excluded already"), Some("it is not in the universe")];
    assert_eq!(refusals(&heeded), expected);
    assert_eq!(scored.candidate(&symbol("S0")).unwrap().excluded, ["tester: a takeover"]);
    assert_eq!(scored.ranked()[0].symbol, symbol("S1"));
    for stance in [Vote::Against, Vote::Abstain] {
        let mut scored = ten();
        let finding = Lever::ScoringError { finding: "twins".to_owned() };
        let mut asks = asks.clone();
        asks.push(finding);
        let heeded = scored.heed(&advice(stance, asks));
        let wishes: Vec<&Wish> = heeded.iter().map(|it| &it.wish).collect();
        assert_eq!(wishes, [&Wish::Finding { finding: "twins".to_owned() }]);
        assert_eq!(scored, ten());
    }
}

/// U-2: what an agent asks for is done whole or not at all.
#[test]
fn weights_are_moved_together_or_not_at_all() {
    let mut scored = ten();
    let both = vec![weight("sharpe", 0.05), weight("drawdown", -0.05), weight("luck", 0.1)];
    let heeded = scored.heed(&advice(Vote::For, both));
    assert_eq!(refusals(&heeded), [None, None]);
    let moved = scored.weights()[&crate::brief::selection::Metric::Sharpe].get();
    assert!((moved - 0.15).abs() < 1e-12, "{moved}");
    let mut scored = ten();
    let one = vec![weight("sharpe", 0.05), weight("drawdown", -0.04), weight("hurst_long", 0.0)];
    let heeded = scored.heed(&advice(Vote::For, one));
    let why = Some("the weights sum to 1.010000, not to 1");
    assert_eq!(refusals(&heeded), [why, why], "what is not moved is not told");
    assert_eq!(scored, ten());
}

/// U-2: of several swaps one that breaks a constraint takes the others with it. U-1: it never gets through.
#[test]
fn swaps_go_together_and_come_back_in_the_order_of_the_ranking() {
    let scored = ten();
    let diverse = scored.diverse(5);
    assert_eq!(names(&diverse.list), ["S0", "S1", "S2", "S3", "S4"]);
    let (list, heeded) = scored.swap(&diverse, &advice(Vote::For, vec![swap("S1", "S6")]));
    assert_eq!(refusals(&heeded), [None]);
    assert_eq!(names(&list.list), ["S0", "S2", "S3", "S4", "S6"]);
    assert_eq!(list.passed_over[&symbol("S1")].to_string(), "exchanged for S6");
    assert!(!list.passed_over.contains_key(&symbol("S6")));
    for (asks, why) in [
        (vec![swap("S1", "S6"), swap("S4", "S9")], "S0 and S9 correlate by 0.900"),
        (vec![swap("S1", "S6"), swap("S7", "S8")], "S7 is not on the list"),
        (vec![swap("S1", "S2")], "S2 is on the list twice"),
        (vec![swap("S1", "X")], "X is not in the universe"),
    ] {
        let (list, heeded) = scored.swap(&diverse, &advice(Vote::For, asks));
        assert_eq!(list, diverse);
        for refused in refusals(&heeded) {
            assert!(refused.unwrap().contains(why), "{refused:?}");
        }
    }
    // There and back is where it was.
    let back = vec![swap("S1", "S6"), swap("S6", "S1")];
    let (list, _) = scored.swap(&diverse, &advice(Vote::For, back));
    assert_eq!(list.list, diverse.list);
    assert!(!list.passed_over.contains_key(&symbol("S1")));
}

#[test]
fn what_was_changed_is_told_symbol_by_symbol_and_nothing_else() {
    let alone = Made::alone(ten(), 5).unwrap();
    assert!(alone.shifts(&alone).is_empty());
    let mut scored = ten();
    scored.heed(&advice(Vote::For, vec![exclude("S1"), exclude("S7")]));
    let with = Made::alone(scored, 5).unwrap();
    let told: Vec<_> = with
        .shifts(&alone)
        .into_iter()
        .map(|shift| (shift.symbol.to_string(), shift.was.on_list, shift.now.on_list))
        .collect();
    let told: Vec<_> = told.iter().map(|(name, was, now)| (name.as_str(), *was, *now)).collect();
    let expected = [
        ("S1", Some(2), None),
        ("S2", Some(3), Some(2)),
        ("S3", Some(4), Some(3)),
        ("S4", Some(5), Some(4)),
        ("S5", None, Some(5)),
        ("S7", None, None),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_brief_of_a_large_universe_has_the_best_of_it_and_the_whole_list() {
    let all: Vec<Sketch> =
        (0..250_u8).map(|at| (0.95 - f64::from(at) / 400.0, at, at, false)).collect();
    let scored = sketched(&all, &[Some(0.1)]);
    let diverse = scored.diverse(8);
    let brief = scored.brief(SelectionStep::Vote, &diverse, &diverse.list, TrackRecord::default());
    assert_eq!(brief.candidates.len(), 8 + SHOWN);
    for name in ["S0", "S7", "S107"] {
        assert!(brief.candidate(&symbol(name)).is_some(), "{name}");
    }
    assert!(brief.candidate(&symbol("S108")).is_none());
    assert!(brief.candidates.is_sorted_by_key(|known| known.symbol.clone()));
}
