//! Where two JSON values differ.

use serde::Serialize;
use serde_json::Value;

/// A longer list helps nobody.
const SHOWN: usize = 12;
/// A longer value is cut.
const TEXT_MAX: usize = 120;

/// One place that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Path {
    /// The place, as a JSON pointer.
    pub(super) pointer: String,
    /// What stands there in the log.
    pub(super) expected: String,
    /// What the repetition has there.
    pub(super) actual: String,
}

/// The first places in which two values differ, in the order of the first one.
pub(super) fn differing(expected: &Value, actual: &Value) -> Vec<Path> {
    let mut found = Vec::new();
    walk("", Some(expected), Some(actual), &mut found);
    found
}

fn walk(pointer: &str, expected: Option<&Value>, actual: Option<&Value>, found: &mut Vec<Path>) {
    if expected == actual || found.len() >= SHOWN {
        return;
    }
    match (expected, actual) {
        (Some(Value::Object(one)), Some(Value::Object(two))) => {
            let added = two.keys().filter(|key| !one.contains_key(*key));
            for key in one.keys().chain(added) {
                let spelt = key.replace('~', "~0").replace('/', "~1");
                walk(&format!("{pointer}/{spelt}"), one.get(key), two.get(key), found);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(two))) => {
            for index in 0..one.len().max(two.len()) {
                walk(&format!("{pointer}/{index}"), one.get(index), two.get(index), found);
            }
        }
        _ => found.push(Path {
            pointer: pointer.to_owned(),
            expected: shown(expected),
            actual: shown(actual),
        }),
    }
}

fn shown(value: Option<&Value>) -> String {
    let text = value.map_or_else(|| "(nothing)".to_owned(), Value::to_string);
    if text.chars().count() <= TEXT_MAX {
        return text;
    }
    let cut: String = text.chars().take(TEXT_MAX).collect();
    format!("{cut}…")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(expected: &Value, actual: &Value, paths: &[(&str, &str, &str)]) {
        let found = differing(expected, actual);
        let found: Vec<_> = found
            .iter()
            .map(|it| (it.pointer.as_str(), it.expected.as_str(), it.actual.as_str()))
            .collect();
        assert_eq!(found, paths);
    }

    #[test]
    fn each_differing_place_is_named() {
        check(&json!({"a": 1}), &json!({"a": 1}), &[]);
        check(&json!({"a": {"b": [1, 2]}}), &json!({"a": {"b": [1, 3]}}), &[("/a/b/1", "2", "3")]);
        check(
            &json!({"a/b": 1, "c": 2}),
            &json!({"c": "2", "d": null}),
            &[("/a~1b", "1", "(nothing)"), ("/c", "2", "\"2\""), ("/d", "(nothing)", "null")],
        );
        check(&json!([1]), &json!({"0": 1}), &[("", "[1]", "{\"0\":1}")]);
    }

    #[test]
    fn a_long_value_and_a_long_list_are_cut() {
        let long = json!("x".repeat(1_000));
        assert!(differing(&long, &json!(1))[0].expected.chars().count() <= TEXT_MAX + 1);
        let many = |offset: i64| json!((0..100).map(|n| n + offset).collect::<Vec<_>>());
        assert_eq!(differing(&many(0), &many(1)).len(), SHOWN);
    }
}
