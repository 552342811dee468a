//! One schema, several dialects.
//!
//! The neutral schema holds bounds as keywords. A server with a grammar is given all of them; where a
//! keyword is refused, the bound is told in the description and held by the reader.

use serde_json::{Value, json};

use crate::models::envelope;
use crate::models::schema::{Form, Wire};

/// The longest text that a grammar lets a model write, characters.
const TEXT_MAX: u32 = 300;
/// The longest list that a grammar lets a model write.
const ITEMS_MAX: u32 = 16;

/// The schema of a whole answer as JSON, for whoever is not told its echo: written once.
pub(super) fn written(wire: &Wire, form: Form) -> &str {
    wire.written(form, || {
        let schema = envelope::schema(wire, None);
        match form {
            Form::Neutral => schema,
            Form::Claude => to_claude(schema),
        }
    })
}

/// For Claude, which refuses bounds of numbers: they move into the description.
pub(super) fn to_claude(mut schema: Value) -> Value {
    each(&mut schema, &mut |part| {
        let Some(fields) = part.as_object_mut() else { return };
        if let (Some(least), Some(most)) = (fields.remove("minimum"), fields.remove("maximum")) {
            let told = part["description"].as_str().unwrap_or_default();
            let told = format!("{told} From {least} to {most}.");
            part["description"] = json!(told.trim());
        }
    });
    schema
}

/// For a server that holds a model to a grammar: texts and lists end too, so that a model that never
/// finishes a sentence is finished by the grammar.
pub(super) fn to_grammar(mut schema: Value) -> Value {
    each(&mut schema, &mut |part| {
        let is_open = part["enum"].is_null() && part["const"].is_null();
        match part["type"].as_str() {
            Some("string") if is_open => part["maxLength"] = json!(TEXT_MAX),
            Some("array") => part["maxItems"] = json!(ITEMS_MAX),
            _ => {}
        }
    });
    schema
}

/// Changes every part of a schema that is a schema itself.
fn each(schema: &mut Value, change: &mut dyn FnMut(&mut Value)) {
    if let Some(fields) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        fields.values_mut().for_each(|field| each(field, change));
    }
    if let Some(items) = schema.get_mut("items") {
        each(items, change);
    }
    change(schema);
}
