//! Canonical JSON, put together out of parts that are JSON already: keys sorted, no spaces.
//!
//! Most of a body is the same for every question of an agent. What stays the same is written once and
//! copied from then on.

use std::sync::Arc;

/// A text as JSON writes it, quoted and escaped once. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted(Arc<str>);

impl Quoted {
    /// Its JSON.
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Quoted {
    fn from(text: &str) -> Self {
        Self(quoted(text).into())
    }
}

/// A text as JSON.
pub(super) fn quoted(text: &str) -> String {
    // A text always has a JSON form.
    serde_json::to_string(text).unwrap_or_default()
}

/// How long a text is as JSON, without writing it.
pub(in crate::models) fn length(text: &str) -> usize {
    let escaped = |byte: &u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0C => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.as_bytes().iter().map(escaped).sum::<usize>() + "\"\"".len()
}

/// An object of named parts, each of which is JSON. The names are plain and in their order.
pub(super) fn object(fields: &[(&str, &str)]) -> String {
    debug_assert!(fields.is_sorted_by(|one, two| one.0 < two.0), "{fields:?}");
    let size = fields.iter().map(|(name, json)| name.len() + json.len() + 4).sum::<usize>();
    let mut object = String::with_capacity(size + 2);
    let mut before = "{\"";
    for &(name, json) in fields {
        object.extend([before, name, "\":", json]);
        before = ",\"";
    }
    if fields.is_empty() {
        object.push('{');
    }
    object.push('}');
    object
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn an_object_is_what_the_library_would_write() {
        let parts = [("a", "1"), ("b", "[null,\"x\"]"), ("c", "{\"d\":2}")];
        for count in 0..=parts.len() {
            let object = object(&parts[..count]);
            let read: Value = serde_json::from_str(&object).unwrap();
            assert_eq!(read.to_string(), object);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_text_is_as_long_as_its_json(text in any::<String>(), control in 0_u8..0x80) {
            let text = format!("{text}{}\u{7f}\u{2028}", char::from(control));
            let expected = json!(text).to_string();
            prop_assert_eq!(length(&text), expected.len());
            let quoted = Quoted::from(text.as_str());
            prop_assert_eq!(quoted.as_json(), expected);
        }
    }
}
