//! A strict reader of the API's description: what it does not name is as wrong as what has another form.

use serde_json::Value;

/// What is wrong with `value` as `schema` of `document` has it; each with its place.
pub(super) fn faults(document: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let found = document.pointer(name.trim_start_matches('#'));
        let found = found.unwrap_or_else(|| panic!("{name} is not in the description"));
        return faults(document, found, value, place);
    }
    if let Some(several) = schema["oneOf"].as_array() {
        let tried = several.iter().map(|schema| faults(document, schema, value, place));
        let tried: Vec<Vec<String>> = tried.collect();
        let fitting = tried.iter().filter(|faults| faults.is_empty()).count();
        return if fitting == 1 {
            Vec::new()
        } else {
            vec![format!("{place}: {fitting} of the forms fit: {tried:?}")]
        };
    }
    if !has_type(&schema["type"], value) {
        return vec![format!("{place}: {value} is no {}", schema["type"])];
    }
    let mut found = Vec::new();
    if let (Value::Array(rows), items) = (value, &schema["items"]) {
        for (nth, row) in rows.iter().enumerate().filter(|_| items.is_object()) {
            found.extend(faults(document, items, row, &format!("{place}/{nth}")));
        }
    }
    if let Value::Object(members) = value {
        let required = schema["required"].as_array().into_iter().flatten();
        let missing =
            required.filter_map(Value::as_str).filter(|name| !members.contains_key(*name));
        found.extend(missing.map(|name| format!("{place}: `{name}` is missing")));
        for (name, member) in members {
            let place = format!("{place}/{name}");
            match (&schema["properties"][name], &schema["additionalProperties"]) {
                (named, _) if !named.is_null() => {
                    found.extend(faults(document, named, member, &place));
                }
                (_, rest) if rest.is_object() => {
                    found.extend(faults(document, rest, member, &place));
                }
                // An object of any form says so by naming no member at all.
                _ if schema["properties"].is_null() => {}
                _ => found.push(format!("{place} is not in the description")),
            }
        }
    }
    found
}

/// Whether a value is of one of the types; none named is any.
fn has_type(types: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str() {
        Some("null") => value.is_null(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("number") => value.is_number(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => panic!("a type {name}"),
    };
    match types {
        Value::Null => true,
        Value::Array(several) => several.iter().any(is),
        one => is(one),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_wrong_or_unnamed_is_found() {
        let document = json!({"s": {"N": {"type": ["integer", "null"]}}});
        let schema = json!({"type": "object", "required": ["a"], "properties": {
            "a": {"$ref": "#/s/N"}, "b": {"type": "array", "items": {"type": "string"}},
            "c": {"oneOf": [{"type": "null"}, {"type": "object"}]}}});
        let count = |value: Value| faults(&document, &schema, &value, "").len();
        for good in [json!({"a": 1}), json!({"a": null, "b": ["x"], "c": {"any": 1}})] {
            assert_eq!(count(good), 0);
        }
        for bad in [
            json!({}),
            json!({"a": "1"}),
            json!({"a": 1.5}),
            json!({"a": 1, "b": [1]}),
            json!({"a": 1, "c": 2}),
            json!({"a": 1, "d": 1}),
            json!([]),
        ] {
            assert_eq!(count(bad.clone()), 1, "{bad}");
        }
    }
}
