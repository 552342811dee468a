//! The schemas of all fourteen on the wire, and the way back.

use conclave_domain::bounds::BoundsTable;

use super::*;
use crate::runtime::roster::{self, Seat};

fn wire(seat: &Seat, bounds: &BoundsTable) -> Wire {
    Wire::new(&roster::schema_json(seat), bounds).unwrap()
}

/// Every part of a schema that is a schema itself.
fn parts<'a>(schema: &'a Value, found: &mut Vec<&'a Value>) {
    found.push(schema);
    if let Some(fields) = schema["properties"].as_object() {
        fields.values().for_each(|field| parts(field, found));
    }
    if schema["items"].is_object() {
        parts(&schema["items"], found);
    }
}

/// B-1: no number of any agent goes over the wire without bounds, and nothing else is open either.
#[test]
fn every_number_of_all_fourteen_is_a_bounded_whole_number() {
    let mut numbers = 0;
    for seat in roster::roster() {
        let name = seat.role.name;
        let wire = wire(&seat, &BoundsTable::default());
        let mut found = Vec::new();
        parts(wire.schema(), &mut found);
        for part in found {
            match part["type"].as_str() {
                Some("integer") => {
                    let (least, most) = (part["minimum"].as_i64(), part["maximum"].as_i64());
                    assert!(least.unwrap() < most.unwrap(), "{name}: {part}");
                    assert!(part["description"].as_str().unwrap().contains("whole number"));
                    numbers += 1;
                }
                Some("object") => assert_eq!(part["additionalProperties"], false, "{name}"),
                Some("array" | "string") => {}
                other => panic!("{name} has a {other:?}"),
            }
        }
        let text = wire.schema().to_string();
        for word in ["$ref", "$defs", "oneOf", "x-bound", "format", "$schema", "default"] {
            assert!(!text.contains(&format!("\"{word}\"")), "{name}: {word} in {text}");
        }
    }
    assert_eq!(numbers, 24, "every number of the fourteen answers is looked at");
}

#[test]
fn the_wire_has_the_bounds_that_are_in_force() {
    let seat = roster::seat("position_sizer").unwrap();
    let mut bounds = BoundsTable::default();
    let before = wire(&seat, &bounds);
    bounds.size_multiplier = bounds.size_multiplier.narrowed(0.5, 1.23456).unwrap();
    let after = wire(&seat, &bounds);
    let number = |wire: &Wire| wire.schema()["properties"]["size_multiplier"].clone();
    assert_eq!(
        (&number(&before)["minimum"], &number(&before)["maximum"]),
        (&json!(300), &json!(2_000))
    );
    assert_eq!(
        (&number(&after)["minimum"], &number(&after)["maximum"]),
        (&json!(500), &json!(1_234))
    );
}

#[test]
fn the_ends_of_every_bound_are_on_the_wire_and_come_back_as_they_are() {
    for bounds in BoundsTable::HARD.all() {
        let Some(scale) = scale(bounds.parameter()) else { continue };
        let (least, most) = range(bounds, scale);
        for (units, end) in [(least, bounds.min()), (most, bounds.max())] {
            let whole = Whole {
                path: Vec::new(),
                parameter: bounds.parameter(),
                scale,
                sane: sane(bounds, scale),
            };
            let mut leaf = json!(units);
            whole.decode(&mut leaf).unwrap();
            assert_eq!(leaf, json!(end), "{}", bounds.parameter());
        }
    }
    assert_eq!(scale("reward_weight_total"), None, "it bounds a sum, not an answer");
}

#[test]
fn an_interval_without_a_whole_number_has_its_nearest() {
    let bounds = BoundsTable::HARD.size_multiplier.narrowed(0.66666, 0.66667).unwrap();
    assert_eq!(range(&bounds, 1_000), (667, 667));
}

#[test]
fn choices_become_one_list_of_words_with_their_meanings() {
    let seat = roster::seat("signal_analyst").unwrap();
    let wire = wire(&seat, &BoundsTable::default());
    let vote = &wire.schema()["properties"]["vote"];
    assert_eq!(vote["enum"], json!(["for", "against", "abstain"]));
    let told = vote["description"].as_str().unwrap();
    assert!(told.starts_with("For or against the entry."), "{told}");
    assert!(told.contains("abstain: The figures do not suffice"), "{told}");
}

#[test]
fn minus_zero_is_zero_and_every_item_of_a_list_is_read() {
    let seat = roster::seat("weight_optimizer").unwrap();
    let wire = wire(&seat, &BoundsTable::default());
    let decode = |answer: &str| wire.decode(serde_json::from_str(answer).unwrap());
    let text = decode(r#"{"changes":[{"delta":-0},{"delta":-250},{"delta":900}]}"#).unwrap();
    assert_eq!(text, r#"{"changes":[{"delta":0.0},{"delta":-0.025},{"delta":0.09}]}"#);
    assert!(decode(r#"{"changes":[{"delta":1},{"delta":0.5}]}"#).is_err());
    assert!(decode(r#"{"changes":{"delta":1}}"#).is_ok(), "the agent's own reader refuses it");
}

#[test]
fn a_schema_that_cannot_go_on_the_wire_is_an_error_that_says_where() {
    let object = |field: Value| json!({"type": "object", "properties": {"it": field}});
    let new = |field: Value| Wire::new(&object(field), &BoundsTable::HARD).unwrap_err().to_string();
    assert_eq!(new(json!({"type": "number"})), "the number at `/it` names no bound");
    assert_eq!(new(json!({"type": "integer"})), "the number at `/it` names no bound");
    let unknown = new(json!({"type": "number", "x-bound": "leverage"}));
    assert_eq!(unknown, "the number at `/it` names the bound `leverage`, which does not exist");
    assert_eq!(new(json!({"type": ["string", "null"]})), "the form of `/it` is unknown");
    assert_eq!(new(json!({"$ref": "#/$defs/Gone"})), "the form of `/it` is unknown");
    let list = json!({"type": "array", "items": {"type": "number"}});
    assert_eq!(new(list), "the number at `/it/*` names no bound");
    let deep = json!({"type": "object", "properties": {"it": {"$ref": "#"}}});
    let error = Wire::new(&deep, &BoundsTable::HARD).unwrap_err();
    assert!(matches!(error, SchemaError::TooDeep { .. }), "{error}");
}

#[test]
fn what_is_encoded_is_decoded_to_the_nearest_unit() {
    let seat = roster::seat("exit_strategist").unwrap();
    let wire = wire(&seat, &BoundsTable::default());
    let answer = json!({"stop_distance": 0.03456, "target_distance": 9.0, "confidence": 0.5004});
    let encoded = wire.encode(answer);
    assert_eq!(
        encoded,
        json!({"stop_distance": 346, "target_distance": 90_000, "confidence": 500})
    );
    let error = wire.decode(encoded).unwrap_err();
    assert!(error.to_string().contains("beyond every bound"), "{error}");
}
