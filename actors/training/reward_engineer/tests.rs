//! Tests of the Reward Engineer.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::runtime::agent::Entry;
use crate::runtime::tests::answer_cases::{
    admits_only_bounded_numbers, read, refuses_what_is_no_answer,
};
use crate::training::sample;

fn good() -> Value {
    json!({"reasoning": "it holds too much", "changes": [{"part": "pnl", "delta": 0.03}],
           "action": "CONTINUE", "vote": "for", "confidence": 0.7})
}

/// The example run with two declines, so that weights may move.
fn declining() -> TrainingBrief {
    sample::with_fitness(&sample::proposing(), &[0.3, 0.25, 0.2])
}

fn admitted(changes: &Value, brief: &TrainingBrief) -> Advice {
    let mut answer = good();
    answer["changes"] = changes.clone();
    let entry = Entry::of::<RewardEngineer>();
    read(&entry, &answer.to_string(), brief, &Limits::default()).unwrap()
}

fn change_of(advice: &Advice, name: &str) -> f64 {
    let found = advice.levers.iter().find_map(|lever| match lever {
        Lever::RewardWeight { part, delta } if part == name => Some(delta.get()),
        _ => None,
    });
    found.unwrap_or_default()
}

#[track_caller]
fn check(delta: f64, clamps: usize, at_most: f64) {
    let advice = admitted(&json!([{"part": "pnl", "delta": delta}]), &declining());
    assert_eq!(advice.clamps.len(), clamps, "{delta}");
    let change = change_of(&advice, "pnl");
    assert!(change.abs() <= at_most + 1e-12 && change * delta >= 0.0, "{delta}: {change}");
    let sum: f64 = weights_after(&declining(), &advice).values().map(|weight| weight.get()).sum();
    assert!((sum - 1.0).abs() < 1e-9, "{delta}: the weights sum to {sum}");
}

#[test]
fn an_answer_is_read_clamped_and_balanced() {
    check(0.03, 0, 0.03);
    check(0.5, 1, 0.05);
    check(-0.5, 1, 0.05);
    check(0.0, 0, 0.0);
}

#[test]
fn others_give_way_in_proportion_to_their_weights() {
    // pnl 0.25 + 0.04; λ·1 must give back 0.04, so pnl keeps 0.04 − 0.04·0.25 = 0.03
    let advice = admitted(&json!([{"part": "pnl", "delta": 0.04}]), &declining());
    assert!((change_of(&advice, "pnl") - 0.03).abs() < 1e-9);
    assert!((change_of(&advice, "direction") + 0.04 * 0.20).abs() < 1e-9);
    assert!((change_of(&advice, "exploration") + 0.04 * 0.05).abs() < 1e-9);
}

#[test]
fn what_is_no_answer_is_refused() {
    let entry = Entry::of::<RewardEngineer>();
    refuses_what_is_no_answer(&entry, &good(), &declining());
    for bad in [
        json!([{"part": "luck", "delta": 0.01}]),
        json!([{"part": "pnl", "delta": 0.01}, {"part": "pnl", "delta": 0.01}]),
        json!([{"part": "pnl"}]),
    ] {
        let mut answer = good();
        answer["changes"] = bad;
        let got = read(&entry, &answer.to_string(), &declining(), &Limits::default());
        assert!(matches!(got, Err(ConsultError::Unreadable { .. })), "{answer}: {got:?}");
    }
}

/// B-1: every number that leaves the agent is finite and within its bounds.
#[test]
fn any_float_is_bounded_or_refused() {
    admits_only_bounded_numbers::<RewardEngineer>(&good(), &declining(), |answer, raw| {
        answer.changes[0].delta = raw;
    });
}

#[test]
fn weights_stay_while_the_run_goes_well() {
    let advice = admitted(&json!([{"part": "pnl", "delta": 0.03}]), &sample::proposing());
    assert!(advice.levers.is_empty());
    assert!(advice.reasoning.contains("weights stay"), "{}", advice.reasoning);
}

#[test]
fn the_rules_are_the_table() {
    let rules = |brief: &TrainingBrief| {
        let answer = RewardEngineer::rules(brief, &Limits::default());
        let changes: Vec<(String, i64)> = answer
            .changes
            .iter()
            .map(|change| {
                #[expect(clippy::cast_possible_truncation, reason = "a few hundredths")]
                let hundredths = (change.delta * 100.0).round() as i64;
                (change.part.clone(), hundredths)
            })
            .collect();
        (changes, answer.action, answer.vote)
    };
    let named = |rows: &[(&str, i64)]| -> Vec<(String, i64)> {
        rows.iter().map(|(name, delta)| ((*name).to_owned(), *delta)).collect()
    };
    let base = declining();
    let with_hold = |share: f64| {
        let mut brief = base.clone();
        let last = brief.validations.last_mut().unwrap();
        last.action_shares.insert(HOLD.to_owned(), Ratio::of(share));
        brief
    };
    assert_eq!(rules(&base), (named(&[]), Action::Continue, Ballot::Abstain));
    let held = named(&[("pnl", 3), ("slippage", -2)]);
    assert_eq!(rules(&with_hold(0.71)), (held, Action::Continue, Ballot::For));
    assert_eq!(rules(&with_hold(0.14)).0, named(&[("slippage", 3)]));
    let mut brief = base.clone();
    brief.reward_parts.iter_mut().find(|part| part.name == PART_SHARPE).unwrap().effective_share =
        Ratio::of(0.5);
    brief.validations.last_mut().unwrap().direction_accuracy = Some(Ratio::of(0.39));
    assert_eq!(rules(&brief).0, named(&[("differential_sharpe", -3), ("direction", 3)]));
    let mut collapsed = base;
    collapsed.update.reward_std = Some(Ratio::of(1e-7));
    assert_eq!(rules(&collapsed), (named(&[]), Action::Halt, Ballot::For));
    collapsed.update.reward_std = None;
    assert_eq!(rules(&collapsed).1, Action::Continue, "an undefined figure moves nothing");
}

#[test]
fn a_collapse_saves_first_and_halts_only_when_the_brakes_allow_it() {
    let mut brief = declining();
    brief.update.reward_std = Some(Ratio::ZERO);
    let entry = Entry::of::<RewardEngineer>();
    let levers = |brief: &TrainingBrief| {
        let raw = (entry.rules)(brief, &Limits::default());
        (entry.read)(&raw, brief, &Limits::default()).unwrap().levers
    };
    assert_eq!(levers(&brief), [Lever::Checkpoint]);
    let mut falling = sample::with_fitness(&brief, &[0.4, 0.3, 0.2, 0.1]);
    assert_eq!(levers(&falling), [Lever::Checkpoint, Lever::HaltTraining]);
    falling.progress = Ratio::of(0.1);
    assert_eq!(levers(&falling), [Lever::Checkpoint]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// B-2: cumulative lever changes stay within their bounds, weights above their floor and their
    /// sum at one, however many calls there are and whatever they ask for.
    #[test]
    fn many_calls_never_leave_the_bounds(
        calls in proptest::collection::vec((0usize..8, -0.2f64..0.2, 0usize..8, -0.2f64..0.2), 1..20),
    ) {
        let limits = Limits::default();
        let mut brief = declining();
        for (a, da, b, db) in calls {
            let name = |index: usize| brief.reward_parts[index].name.clone();
            let mut changes = vec![Change { part: name(a), delta: da }];
            if a != b {
                changes.push(Change { part: name(b), delta: db });
            }
            let answer = Answer {
                reasoning: "x".to_owned(), changes, action: Action::Continue,
                vote: Ballot::For, confidence: 0.5,
            };
            let advice = RewardEngineer::admit(answer, &brief, &limits).unwrap();
            let after = weights_after(&brief, &advice);
            let sum: f64 = after.values().map(|weight| weight.get()).sum();
            prop_assert!((sum - 1.0).abs() < 1e-6, "{sum}");
            for part in &mut brief.reward_parts {
                let change = after[&part.name].get() - part.weight.get();
                prop_assert!(change.abs() <= 0.05 + 1e-9);
                part.cumulative_change = Ratio::of(part.cumulative_change.get() + change);
                part.weight = after[&part.name];
                prop_assert!(part.cumulative_change.get().abs() <= 0.15 + 1e-6);
                prop_assert!(part.weight.get() >= WEIGHT_FLOOR - 1e-9);
            }
        }
    }
}
