//! The cases that every agent's reader must pass, derived from one good answer of its own.

use conclave_domain::advice::{Advice, Lever};
use conclave_domain::bounds::{Bounded, Bounds, BoundsTable};
use conclave_domain::limits::Limits;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::runtime::agent::{ConsultError, Entry};

/// Reads a text as the shell does: strictly, then checked and clamped.
pub(crate) fn read<B>(
    entry: &Entry<B>,
    text: &str,
    brief: &B,
    limits: &Limits,
) -> Result<Advice, ConsultError> {
    let raw = (entry.parse)(text)?;
    (entry.read)(&raw, brief, limits)
}

/// Every number of an advice with the bounds it must lie in.
pub(crate) fn numbers(advice: &Advice, bounds: &BoundsTable) -> Vec<(Bounded, Bounds)> {
    let lever = |lever: &Lever| match lever {
        Lever::ConfidenceMultiplier { value } => Some((*value, bounds.confidence_multiplier)),
        Lever::SizeMultiplier { value } => Some((*value, bounds.size_multiplier)),
        Lever::LimitOrder { offset_bp, .. } => Some((*offset_bp, bounds.limit_offset_bp)),
        Lever::StopDistance { value } => Some((*value, bounds.stop_distance)),
        Lever::TargetDistance { value } => Some((*value, bounds.target_distance)),
        Lever::LearningRate { value } => Some((*value, bounds.lr_multiplier)),
        Lever::Entropy { value } => Some((*value, bounds.entropy_multiplier)),
        Lever::BatchSize { value } => Some((*value, bounds.batch_multiplier)),
        Lever::RewardWeight { delta, .. } => Some((*delta, bounds.reward_weight_delta)),
        Lever::ScoreWeight { delta, .. } => Some((*delta, bounds.score_weight_delta)),
        _ => None,
    };
    let mut all: Vec<_> = advice.levers.iter().filter_map(lever).collect();
    all.push((advice.confidence, bounds.confidence));
    all
}

/// Paths to the numbers in an answer.
fn number_paths(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Number(_) => found.push(path.to_owned()),
        Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| {
            number_paths(item, &format!("{path}/{index}"), found);
        }),
        Value::Object(fields) => fields.iter().for_each(|(name, item)| {
            number_paths(item, &format!("{path}/{name}"), found);
        }),
        _ => {}
    }
}

/// Asserts that `good` is read and that everything which is no answer is refused as unreadable.
#[track_caller]
pub(crate) fn refuses_what_is_no_answer<B>(entry: &Entry<B>, good: &Value, brief: &B) {
    let limits = Limits::default();
    let text = good.to_string();
    read(entry, &text, brief, &limits).unwrap();
    let refused = |text: &str| {
        let got = read(entry, text, brief, &limits);
        assert!(matches!(got, Err(ConsultError::Unreadable { .. })), "{text} was read as {got:?}");
    };
    for prose in
        ["", "Do not buy here", "卖出", "Final verdict: SELL!", "null", "[]", "{}", "1e999"]
    {
        refused(prose);
        refused(&json!(prose).to_string());
    }
    refused(&format!("Sure! {text}"));
    refused(&format!("```json\n{text}\n```"));
    refused(&format!("{text}{text}"));
    refused(&text[..text.len() - 1]);
    let fields = good.as_object().unwrap();
    for name in fields.keys() {
        let mut missing = good.clone();
        missing.as_object_mut().unwrap().remove(name);
        refused(&missing.to_string());
        refused(&text.replacen('{', &format!("{{\"{name}\":{},", fields[name]), 1));
    }
    let mut unknown = good.clone();
    unknown["mode"] = json!("autonomous");
    refused(&unknown.to_string());
    asks_for_nothing_forbidden(entry, good, brief);
    let mut silent = good.clone();
    silent["reasoning"] = json!(" \n ");
    refused(&silent.to_string());
    let mut paths = Vec::new();
    number_paths(good, "", &mut paths);
    assert!(paths.contains(&"/confidence".to_owned()), "{paths:?}");
    for path in paths {
        for bad in [Value::Null, json!("NaN"), json!("0.5"), json!([1.0]), json!(true)] {
            let mut broken = good.clone();
            *broken.pointer_mut(&path).unwrap() = bad;
            refused(&broken.to_string());
        }
        let mut huge = good.clone();
        *huge.pointer_mut(&path).unwrap() = json!("@");
        for literal in ["1e999", "-1e999", "NaN", "Infinity", "-inf"] {
            refused(&huge.to_string().replace("\"@\"", literal));
        }
    }
}

/// F-1: forbidden actions do not happen: an answer that asks for one is refused as such, on the way
/// of a model (text) and on the way of a rules brain or a record (value).
#[track_caller]
fn asks_for_nothing_forbidden<B>(entry: &Entry<B>, good: &Value, brief: &B) {
    let limits = Limits::default();
    let mut by_key = good.clone();
    by_key["bypass_all_gates"] = json!(true);
    let mut by_text = good.clone();
    by_text["reasoning"] = json!("calm, so unlimited_position is fine");
    for (answer, action) in [(by_key, "bypass_all_gates"), (by_text, "unlimited_position")] {
        let forbidden = Err(ConsultError::Forbidden { action });
        assert_eq!(read(entry, &answer.to_string(), brief, &limits), forbidden, "{answer}");
        assert_eq!((entry.read)(&answer, brief, &limits), forbidden, "{answer}");
    }
}

/// B-1: every number that leaves an agent is finite and within its bounds, for any floats.
pub(crate) fn admits_only_bounded_numbers<A: crate::runtime::agent::Agent>(
    good: &Value,
    brief: &A::Brief,
    mut put: impl FnMut(&mut A::Answer, f64),
) {
    let limits = Limits::default();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(128));
    let put = std::cell::RefCell::new(&mut put);
    runner
        .run(&any::<u64>(), |bits| {
            let raw = f64::from_bits(bits);
            let mut answer: A::Answer = serde_json::from_value(good.clone()).unwrap();
            (put.borrow_mut())(&mut answer, raw);
            match A::admit(answer, brief, &limits) {
                Ok(advice) => {
                    for (number, bounds) in numbers(&advice, &limits.bounds) {
                        let number = number.get();
                        prop_assert!(bounds.min() <= number && number <= bounds.max(), "{raw}");
                    }
                }
                Err(error) => {
                    prop_assert!(!raw.is_finite(), "{raw}: {error}");
                }
            }
            Ok(())
        })
        .unwrap();
    for raw in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut answer: A::Answer = serde_json::from_value(good.clone()).unwrap();
        (put.borrow_mut())(&mut answer, raw);
        let got = A::admit(answer, brief, &limits);
        assert!(matches!(got, Err(ConsultError::OutOfBounds(_))), "{raw}: {got:?}");
    }
}
