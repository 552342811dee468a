//! The envelope of an answer: what it answers, repeated, so that no answer can be another question's.
//!
//! An answer is one JSON object of four fields and nothing else. One code fence and white space around
//! it are taken off; nothing else is repaired, completed or guessed.
//!
//! - B-1: every number that leaves an agent is finite and within its bounds: what is no such object is
//!   refused before any number of it is looked at.
//! - F-1: forbidden actions do not happen: an answer that asks for one outside of its answer proper is
//!   refused as such too.

use conclave_domain::forbidden;
use conclave_domain::order::DecisionId;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::schema::Wire;
use super::strict::Strict;
use crate::runtime::agent::{ANSWER_MAX, ConsultError, Entry};

/// The field that holds the agent's answer.
const ANSWER: &str = "answer";
/// What is repeated where a brief has no symbol.
const NO_SYMBOL: &str = "none";

/// What an answer must repeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Echo {
    /// The decision that the question is about.
    pub round: String,
    /// The brief's symbol; `none` where it has none.
    pub symbol: String,
    /// The brief's as-of time.
    pub as_of: String,
}

impl Echo {
    /// What the answer to this brief must repeat.
    pub fn of<B: Serialize>(decision: &DecisionId, brief: &B) -> Self {
        // A brief holds plain data with text keys, so it always has a JSON form.
        Self::in_brief(decision, &serde_json::to_value(brief).unwrap_or(Value::Null))
    }

    /// The same of a brief that is JSON already.
    pub(super) fn in_brief(decision: &DecisionId, brief: &Value) -> Self {
        let text = |name: &str| brief[name].as_str().unwrap_or(NO_SYMBOL).to_owned();
        Self { round: decision.as_str().to_owned(), symbol: text("symbol"), as_of: text("as_of") }
    }

    /// The paragraph that tells a model what to repeat.
    pub fn told(&self) -> String {
        let told = json!(self);
        format!("# Repeat\n\nYour answer repeats these three fields, word for word:\n{told}\n")
    }

    const fn fields(&self) -> [(&'static str, &String); 3] {
        [("round", &self.round), ("symbol", &self.symbol), ("as_of", &self.as_of)]
    }
}

/// The schema of a whole answer. With an echo its three fields can be nothing else: for servers that
/// hold a model to a grammar and compile it anew for every question anyway.
pub fn schema(wire: &Wire, echo: Option<&Echo>) -> Value {
    let repeated = |name: &str, what: &str| match echo {
        Some(echo) => {
            let value = echo.fields().into_iter().find(|(field, _)| *field == name);
            json!({"type": "string", "const": value.map(|(_, value)| value)})
        }
        None => {
            json!({"type": "string", "description": format!("The question's {what}, repeated.")})
        }
    };
    json!({
        "type": "object",
        "properties": {
            "round": repeated("round", "round"),
            "symbol": repeated("symbol", "symbol"),
            "as_of": repeated("as_of", "as-of time"),
            ANSWER: wire.schema(),
        },
        "required": ["round", "symbol", "as_of", ANSWER],
        "additionalProperties": false,
    })
}

/// Reads the text of an answer: size, fence, envelope, echo, whole numbers, and then the agent's own
/// strict reader. The result is raw: its numbers are finite and not yet clamped.
///
/// # Errors
/// When anything is not as it was asked for.
pub fn read<B>(
    text: &str,
    echo: &Echo,
    wire: &Wire,
    entry: &Entry<B>,
) -> Result<Value, ConsultError> {
    if text.len() > ANSWER_MAX {
        return Err(unreadable(format!("it is longer than {ANSWER_MAX} bytes")));
    }
    if let Some(action) = forbidden::find([text]) {
        return Err(ConsultError::Forbidden { action });
    }
    let read: Result<Strict, _> = serde_json::from_str(bare(text));
    let Strict(whole) = read.map_err(|error| unreadable(error.to_string()))?;
    let Value::Object(fields) = whole else {
        return Err(unreadable("it is no JSON object".to_owned()));
    };
    let answer = opened(fields, echo)?;
    (entry.parse)(&wire.decode(answer)?)
}

/// The answer proper, once its envelope is what it must be.
fn opened(mut fields: Map<String, Value>, echo: &Echo) -> Result<Value, ConsultError> {
    for (name, expected) in echo.fields() {
        match fields.remove(name) {
            Some(Value::String(found)) if found == *expected => {}
            Some(_) => return Err(unreadable(format!("`{name}` is not what the question said"))),
            None => return Err(unreadable(format!("missing field `{name}`"))),
        }
    }
    let answer = fields.remove(ANSWER);
    let answer = answer.ok_or_else(|| unreadable(format!("missing field `{ANSWER}`")))?;
    match fields.keys().next() {
        None => Ok(answer),
        Some(name) => {
            let name: String = name.chars().take(40).collect();
            Err(unreadable(format!("unknown field `{name}` beside `{ANSWER}`")))
        }
    }
}

fn unreadable(why: String) -> ConsultError {
    ConsultError::Unreadable { why }
}

/// The text without the white space and the one code fence around it.
fn bare(text: &str) -> &str {
    let text = text.trim();
    let fenced = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    let Some(inside) = fenced else { return text };
    inside.strip_prefix("json").unwrap_or(inside).trim()
}

/// An answer of the agent's own type as a model would send it: for fakes in tests.
#[cfg(any(test, feature = "testkit"))]
#[must_use]
pub fn sealed(answer: Value, echo: &Echo, wire: &Wire) -> String {
    let Echo { round, symbol, as_of } = echo;
    json!({"round": round, "symbol": symbol, "as_of": as_of, ANSWER: wire.encode(answer)})
        .to_string()
}

#[cfg(test)]
mod tests;
