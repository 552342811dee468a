//! What of an answer is read, and what is refused.

use conclave_domain::advice::{Advice, Stance};
use conclave_domain::brief::trading::TradingBrief;
use conclave_domain::limits::Limits;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::time::Time;
use proptest::prelude::*;

use super::*;
use crate::runtime::tests::answer_cases::numbers;
use crate::trading::{position_sizer::PositionSizer, sample, signal_analyst::SignalAnalyst};

struct Case {
    entry: Entry<TradingBrief>,
    brief: TradingBrief,
    limits: Limits,
    wire: Wire,
    echo: Echo,
}

fn case() -> Case {
    let (entry, brief) = (Entry::of::<PositionSizer>(), sample::entry());
    let limits = Limits::default();
    let wire = Wire::of(&entry, &limits).unwrap();
    let decision = DecisionId::new(&Symbol::new("AAPL").unwrap(), Time::EPOCH, "entry");
    let echo = Echo::of(&decision, &brief);
    Case { entry, brief, limits, wire, echo }
}

impl Case {
    fn read(&self, text: &str) -> Result<Value, ConsultError> {
        read(text, &self.echo, &self.wire, &self.entry)
    }

    fn advice(&self, text: &str) -> Result<Advice, ConsultError> {
        (self.entry.read)(&self.read(text)?, &self.brief, &self.limits)
    }

    /// A good answer with one field of its answer proper replaced.
    fn with(&self, name: &str, value: Value) -> String {
        let mut good = self.good();
        good[ANSWER][name] = value;
        good.to_string()
    }

    fn good(&self) -> Value {
        let answer = json!({"reasoning": "a calm market", "size_multiplier": 1_250, "vote": "for",
            "confidence": 800});
        let Echo { round, symbol, as_of } = &self.echo;
        json!({"round": round, "symbol": symbol, "as_of": as_of, "answer": answer})
    }
}

#[track_caller]
fn refused(got: Result<Value, ConsultError>, why: &str) {
    let Err(ConsultError::Unreadable { why: said }) = got else { panic!("read as {got:?}") };
    assert!(said.contains(why), "{said}");
}

#[test]
fn an_answer_is_read_in_plain_units() {
    let case = case();
    let raw = case.read(&case.good().to_string()).unwrap();
    assert_eq!(
        raw,
        json!({"reasoning": "a calm market", "size_multiplier": 1.25, "vote": "for",
        "confidence": 0.8})
    );
}

#[test]
fn one_fence_and_white_space_are_taken_off_and_nothing_else() {
    let case = case();
    let good = case.good().to_string();
    for text in
        [format!("\n  {good}\n"), format!("```json\n{good}\n```"), format!(" ```\n{good}```\n")]
    {
        assert!(case.read(&text).is_ok(), "{text}");
    }
    for text in [
        format!("Sure! {good}"),
        format!("```json\n{good}\n``` as asked"),
        format!("```json\n```json\n{good}\n```\n```"),
        format!("{good}{good}"),
        format!("[{good}]"),
        good[..good.len() - 1].to_owned(),
        format!("\"{}\"", good.replace('"', "\\\"")),
        String::new(),
        "null".to_owned(),
    ] {
        assert!(matches!(case.read(&text), Err(ConsultError::Unreadable { .. })), "{text}");
    }
}

#[test]
fn an_answer_to_another_question_is_refused() {
    let case = case();
    for (name, other) in [
        ("round", json!("MSFT-20100104T000000-entry")),
        ("symbol", json!("aapl")),
        ("as_of", json!(0)),
        ("round", Value::Null),
    ] {
        let mut answer = case.good();
        answer[name] = other;
        refused(case.read(&answer.to_string()), name);
        answer.as_object_mut().unwrap().remove(name);
        refused(case.read(&answer.to_string()), "missing field");
    }
}

#[test]
fn no_field_may_stand_twice_be_missing_or_be_unknown() {
    let case = case();
    let good = case.good().to_string();
    let twice = good.replace("\"vote\":\"for\"", "\"vote\":\"for\",\"vote\":\"against\"");
    refused(case.read(&twice), "duplicate field `vote`");
    let twice = good.replacen('{', "{\"symbol\":\"AAPL\",", 1);
    refused(case.read(&twice), "duplicate field `symbol`");
    let mut beside = case.good();
    beside["mode"] = json!("autonomous");
    refused(case.read(&beside.to_string()), "unknown field `mode`");
    refused(case.read(&case.with("leverage", json!(3))), "unknown field");
    for name in ["reasoning", "size_multiplier", "vote", "confidence"] {
        let mut lacking = case.good();
        lacking[ANSWER].as_object_mut().unwrap().remove(name);
        refused(case.read(&lacking.to_string()), "missing field");
    }
    let long = format!("{}{good}", " ".repeat(ANSWER_MAX));
    refused(case.read(&long), "longer than");
}

/// B-1: every number that leaves an agent is finite and within its bounds.
#[test]
fn a_number_is_whole_and_sane_or_the_answer_is_refused() {
    let case = case();
    for (value, why) in [
        (json!(1.25), "not a whole number"),
        (json!(1e3), "not a whole number"),
        (json!(20_001), "beyond every bound"),
        (json!(-1), "beyond every bound"),
        (json!(i64::MAX), "beyond every bound"),
        (json!(u64::MAX), "not a whole number"),
        (json!("1250"), "invalid type"),
        (Value::Null, "invalid type"),
        (json!([1_250]), "invalid type"),
    ] {
        refused(case.read(&case.with("size_multiplier", value)), why);
    }
    for literal in ["1e999", "-1e999", "NaN", "Infinity"] {
        let text = case.good().to_string().replace("1250", literal);
        assert!(matches!(case.read(&text), Err(ConsultError::Unreadable { .. })), "{literal}");
    }
}

/// B-1: what is sane but out of bounds is clamped, and the clamp is counted.
#[test]
fn a_sane_number_out_of_bounds_is_passed_on_to_the_clamp() {
    let case = case();
    for (units, used) in [(20_000, 2.0), (0, 0.3), (299, 0.3), (2_001, 2.0)] {
        let text = case.with("size_multiplier", json!(units));
        let raw = case.read(&text).unwrap();
        assert_eq!(raw["size_multiplier"], json!(f64::from(units) / 1_000.0));
        let advice = case.advice(&text).unwrap();
        assert_eq!(advice.clamps.len(), 1, "{units}");
        assert!((advice.clamps[0].clamped.get() - used).abs() < 1e-12, "{units}");
    }
}

/// F-1: forbidden actions do not happen: wherever in an answer one is asked for.
#[test]
fn an_answer_that_asks_for_what_is_forbidden_is_refused_as_such() {
    let case = case();
    let forbidden = |action| Err(ConsultError::Forbidden { action });
    let mut beside = case.good();
    beside["bypass_all_gates"] = json!(true);
    assert_eq!(case.read(&beside.to_string()), forbidden("bypass_all_gates"));
    let hidden = case.good().to_string().replace("a calm market", "so unlimited\\u005fposition");
    assert_eq!(case.read(&hidden), forbidden("unlimited_position"));
}

#[test]
fn what_is_asked_for_names_the_question_and_can_be_nothing_else_under_a_grammar() {
    let case = case();
    let told = case.echo.told();
    for (_, value) in case.echo.fields() {
        assert!(told.contains(value.as_str()), "{told}");
    }
    let (open, fixed) = (schema(&case.wire, None), schema(&case.wire, Some(&case.echo)));
    assert_eq!(open["required"], fixed["required"]);
    assert_eq!(fixed["properties"]["symbol"]["const"], json!(case.echo.symbol));
    assert!(open["properties"]["symbol"].get("const").is_none());
    assert_eq!(open["properties"][ANSWER], *case.wire.schema());
}

#[test]
fn a_brief_without_a_symbol_is_repeated_by_its_time() {
    let decision = DecisionId::new(&Symbol::new("AAPL").unwrap(), Time::EPOCH, "entry");
    let brief = json!({"as_of": "2010-01-04T00:00:00Z", "run": "ppo"});
    let echo = Echo::of(&decision, &brief);
    assert_eq!((echo.symbol.as_str(), echo.as_of.as_str()), ("none", "2010-01-04T00:00:00Z"));
}

proptest! {
    /// B-1: every number that leaves an agent is finite and within its bounds, whatever a model says.
    #[test]
    fn any_numbers_are_bounded_or_refused(multiplier in any::<i64>(), confidence in -20_000_i64..20_000) {
        let entry = Entry::of::<SignalAnalyst>();
        let case = case();
        let wire = Wire::of(&entry, &case.limits).unwrap();
        for multiplier in [multiplier, multiplier % 20_000] {
            let answer = json!({"reasoning": "noise", "confidence_multiplier": multiplier,
                "recommendation": "PROCEED", "vote": "for", "confidence": confidence});
            let Echo { round, symbol, as_of } = &case.echo;
            let text = json!({"round": round, "symbol": symbol, "as_of": as_of, "answer": answer});
            let Ok(raw) = read(&text.to_string(), &case.echo, &wire, &entry) else { continue };
            let advice = (entry.read)(&raw, &case.brief, &case.limits).unwrap();
            for (number, bounds) in numbers(&advice, &case.limits.bounds) {
                prop_assert!((bounds.min()..=bounds.max()).contains(&number.get()));
            }
        }
    }

    /// Any text at all is read or refused, and never panics.
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}") {
        let case = case();
        prop_assert!(case.read(&text).is_err());
    }
}

#[test]
fn what_the_rules_say_survives_the_wire() {
    let case = case();
    let rules = (case.entry.rules)(&case.brief, &case.limits);
    let text = sealed(rules.clone(), &case.echo, &case.wire);
    let (by_rules, by_wire) = (
        (case.entry.read)(&rules, &case.brief, &case.limits).unwrap(),
        case.advice(&text).unwrap(),
    );
    assert_eq!(by_rules.stance, by_wire.stance);
    assert_ne!(by_wire.stance, Stance::NoObjection);
    let distance = by_rules.confidence.get() - by_wire.confidence.get();
    assert!(distance.abs() <= 0.0005, "{distance}");
}
