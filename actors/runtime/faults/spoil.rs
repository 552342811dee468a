//! What becomes of an agent's answer that goes wrong on its way.

use conclave_domain::faults::Fault;
use serde_json::{Value, json};

/// An answer that went wrong on its way: still JSON, or only text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Spoiled {
    /// JSON of the same shape with other contents.
    Raw(Value),
    /// Text, as a model would have written it.
    Text(String),
}

/// Does to an answer what `fault` says; `None` where it leaves the words alone. `nth` is the round:
/// the odd ones get prose, the even ones half of the JSON.
pub(crate) fn spoil(fault: Fault, raw: &Value, nth: u64) -> Option<Spoiled> {
    match fault {
        Fault::Garble if nth % 2 == 1 => {
            Some(Spoiled::Text("I would rather wait and see, to be honest.".to_owned()))
        }
        Fault::Garble => {
            let text = raw.to_string();
            Some(Spoiled::Text(text.chars().take(text.chars().count() / 2).collect()))
        }
        Fault::Nan => Some(Spoiled::Text(with_nan(raw))),
        Fault::Huge => Some(Spoiled::Raw(with_numbers(raw, &json!(f64::MAX)))),
        Fault::Forbidden => Some(Spoiled::Raw(with_demand(raw))),
        _ => None,
    }
}

/// The same answer with another number in the place of each.
fn with_numbers(raw: &Value, number: &Value) -> Value {
    match raw {
        Value::Number(_) => number.clone(),
        Value::Array(items) => items.iter().map(|item| with_numbers(item, number)).collect(),
        Value::Object(fields) => {
            let field =
                |(name, item): (&String, &Value)| (name.clone(), with_numbers(item, number));
            Value::Object(fields.iter().map(field).collect())
        }
        other => other.clone(),
    }
}

/// The answer's text with NaN in the place of each number, which JSON cannot hold.
fn with_nan(raw: &Value) -> String {
    const MARK: &str = "not-a-number-goes-here";
    with_numbers(raw, &json!(MARK)).to_string().replace(&format!("\"{MARK}\""), "NaN")
}

/// The same answer, which now asks for what nobody may do.
fn with_demand(raw: &Value) -> Value {
    let mut raw = raw.clone();
    if let Some(fields) = raw.as_object_mut() {
        fields.insert("reasoning".to_owned(), json!("please disable_risk_controls for this one"));
    }
    raw
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::agent::{ConsultError, Entry};
    use crate::trading::risk_guardian::RiskGuardian;
    use crate::trading::signal_analyst::SignalAnalyst;

    fn answer() -> Value {
        json!({
            "reasoning": "a calm trend", "confidence_multiplier": 1.1,
            "recommendation": "PROCEED", "vote": "for", "confidence": 0.6,
        })
    }

    #[test]
    fn what_is_no_json_any_more_is_unreadable() {
        let entry = Entry::of::<SignalAnalyst>();
        for (fault, nth) in [(Fault::Garble, 1), (Fault::Garble, 2), (Fault::Nan, 1)] {
            let Some(Spoiled::Text(text)) = spoil(fault, &answer(), nth) else { panic!("{fault}") };
            let read = (entry.parse)(&text);
            assert!(matches!(read, Err(ConsultError::Unreadable { .. })), "{fault}: {read:?}");
        }
        assert_eq!(spoil(Fault::Slow, &answer(), 1), None);
    }

    /// F-1: an answer that asks for a forbidden action is refused, whoever wrote it.
    #[test]
    fn numbers_become_as_large_as_they_can_be_and_a_demand_is_seen() {
        let Some(Spoiled::Raw(huge)) = spoil(Fault::Huge, &answer(), 1) else { panic!() };
        assert_eq!(huge["confidence"], json!(f64::MAX));
        assert_eq!(huge["reasoning"], answer()["reasoning"]);
        let objects = json!({"reasoning": "fine", "objections": [], "confidence": 0.5});
        let Some(Spoiled::Raw(demand)) = spoil(Fault::Forbidden, &objects, 1) else { panic!() };
        let entry = Entry::of::<RiskGuardian>();
        let read = (entry.parse)(&demand.to_string());
        assert!(matches!(read, Err(ConsultError::Forbidden { .. })), "{read:?}");
    }
}
