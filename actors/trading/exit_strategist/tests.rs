//! Tests of the Exit Strategist.

use conclave_domain::advice::{Stance, Vote};
use conclave_domain::ratio::Ratio;
use serde_json::{Value, json};

use super::*;
use crate::runtime::agent::Entry;
use crate::runtime::tests::answer_cases::{
    admits_only_bounded_numbers, read, refuses_what_is_no_answer,
};
use crate::trading::sample;

/// A change of a brief and of its open position.
type Change = fn(&mut TradingBrief, &mut OpenPosition);

fn good() -> Value {
    json!({"reasoning": "a clear trend", "stop_distance": 0.04, "target_distance": 0.08,
           "action": "HOLD", "vote": "for", "confidence": 0.8})
}

fn entry() -> Entry<TradingBrief> {
    Entry::of::<ExitStrategist>()
}

/// The levers of an advice in short.
fn levers(advice: &Advice) -> Vec<String> {
    let short = |lever: &Lever| match lever {
        Lever::StopDistance { value } => format!("stop {}", value.get()),
        Lever::TargetDistance { value } => format!("target {}", value.get()),
        Lever::ExitNow => "exit".to_owned(),
        other => panic!("{other:?}"),
    };
    advice.levers.iter().map(short).collect()
}

#[track_caller]
fn check(brief: &TradingBrief, changes: &Value, levers_expected: &[&str], vote: Vote) {
    let mut answer = good();
    for (name, value) in changes.as_object().unwrap() {
        answer[name] = value.clone();
    }
    let advice = read(&entry(), &answer.to_string(), brief, &Limits::default()).unwrap();
    assert_eq!(levers(&advice), levers_expected, "{answer}");
    assert_eq!(advice.stance, Stance::Vote(vote), "{answer}");
}

#[test]
fn an_answer_to_an_entry_is_read_and_clamped() {
    let brief = sample::entry();
    check(&brief, &json!({}), &["stop 0.04", "target 0.08"], Vote::For);
    check(&brief, &json!({"stop_distance": 4.0}), &["stop 0.15", "target 0.08"], Vote::For);
    check(&brief, &json!({"stop_distance": -4.0}), &["stop 0.005", "target 0.08"], Vote::For);
    check(&brief, &json!({"target_distance": 1e300}), &["stop 0.04", "target 0.5"], Vote::For);
    check(&brief, &json!({"action": "EXIT_NOW"}), &["stop 0.04", "target 0.08"], Vote::Against);
    check(&brief, &json!({"vote": "abstain"}), &[], Vote::Abstain);
}

#[test]
fn an_answer_about_a_position_leaves_or_stays() {
    let brief = sample::position();
    check(&brief, &json!({"action": "EXIT_NOW"}), &["exit"], Vote::For);
    check(&brief, &json!({"action": "EXIT_NOW", "vote": "against"}), &["exit"], Vote::For);
    check(&brief, &json!({"vote": "against"}), &["stop 0.04", "target 0.08"], Vote::Against);
    check(&brief, &json!({"vote": "for"}), &["stop 0.04", "target 0.08"], Vote::Against);
    let mut nothing = brief;
    nothing.open_position = None;
    check(&nothing, &json!({"action": "EXIT_NOW", "vote": "abstain"}), &[], Vote::Abstain);
}

#[test]
fn what_is_no_answer_is_refused() {
    refuses_what_is_no_answer(&entry(), &good(), &sample::entry());
}

/// B-1: every number that leaves the agent is finite and within its bounds.
#[test]
fn any_float_is_bounded_or_refused() {
    let brief = sample::entry();
    admits_only_bounded_numbers::<ExitStrategist>(&good(), &brief, |answer, raw| {
        answer.stop_distance = raw;
    });
    admits_only_bounded_numbers::<ExitStrategist>(&good(), &brief, |answer, raw| {
        answer.target_distance = raw;
    });
}

#[test]
fn the_rules_for_an_entry_are_the_formula() {
    let limits = Limits::default();
    let mut brief = sample::entry();
    for (atr, adx, stop, target, vote) in [
        // 2.5 × 0.02, times 1.5 + 25/50
        (Some(0.02), Some(25.0), 0.05, 0.10, Ballot::For),
        (Some(0.02), None, 0.05, 0.075, Ballot::For),
        // 2.5 × 0.05 = 12.5 %: wider than ten
        (Some(0.05), Some(25.0), 0.125, 0.25, Ballot::Against),
        // raw 0.1 % and 0.15 %, both used as 0.5 %: reward for risk is 1
        (Some(0.0004), Some(0.0), 0.001, 0.0015, Ballot::Against),
        (None, Some(25.0), 0.005, 0.01, Ballot::Against),
    ] {
        brief.features.atr14_pct = atr.map(Ratio::of);
        brief.features.adx14 = adx.map(Ratio::of);
        let answer = ExitStrategist::rules(&brief, &limits);
        assert!((answer.stop_distance - stop).abs() < 1e-12, "{answer:?}");
        assert!((answer.target_distance - target).abs() < 1e-12, "{answer:?}");
        assert_eq!(answer.vote, vote, "{answer:?}");
    }
}

#[test]
fn each_reason_alone_leaves_a_position() {
    let changes: [(&str, Change, bool); 9] = [
        ("nothing", |_, _| {}, false),
        ("regime", |brief, _| brief.regime.bear = Ratio::of(0.58), true), // with crash 0.03: 0.61
        ("regime", |brief, _| brief.regime.bear = Ratio::of(0.57), false),
        (
            "short",
            |brief, position| {
                position.direction = Direction::Short;
                brief.regime.bull = Ratio::of(0.61);
            },
            true,
        ),
        (
            "gain and momentum",
            |brief, position| {
                position.r_multiple = Ratio::of(3.0);
                brief.features.ret_5 = Some(Ratio::of(-0.001));
            },
            true,
        ),
        ("gain alone", |_, position| position.r_multiple = Ratio::of(4.0), false),
        (
            "gain, momentum unknown",
            |brief, position| {
                position.r_multiple = Ratio::of(3.0);
                brief.features.ret_5 = None;
            },
            true,
        ),
        (
            "patience",
            |_, position| {
                position.bars_held = 20;
                position.r_multiple = Ratio::of(0.49);
            },
            true,
        ),
        (
            "still patient",
            |_, position| {
                position.bars_held = 19;
                position.r_multiple = Ratio::of(0.49);
            },
            false,
        ),
    ];
    for (name, change, leaves) in changes {
        let mut brief = sample::position();
        let mut position = brief.open_position.unwrap();
        change(&mut brief, &mut position);
        brief.open_position = Some(position);
        let raw = (entry().rules)(&brief, &Limits::default());
        let advice = (entry().read)(&raw, &brief, &Limits::default()).unwrap();
        assert_eq!(advice.levers == [Lever::ExitNow], leaves, "{name}: {advice:?}");
    }
}

#[test]
fn without_a_position_or_a_stop_it_abstains() {
    let mut brief = sample::position();
    brief.features.atr14_pct = None;
    assert_eq!(ExitStrategist::rules(&brief, &Limits::default()).vote, Ballot::Abstain);
    brief.regime.bear = Ratio::of(0.9);
    assert_eq!(ExitStrategist::rules(&brief, &Limits::default()).vote, Ballot::For);
    brief.open_position = None;
    assert_eq!(ExitStrategist::rules(&brief, &Limits::default()).vote, Ballot::Abstain);
}
