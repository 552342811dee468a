//! What an agent is: a role, a brief, an answer, rules, and the way its answer becomes advice.
//!
//! An agent's file holds no actor, no logging and no clamping by hand. [`Entry`] erases the agent's
//! own answer type, so that a team is a plain list and nobody else knows its members.

use std::fmt::{self, Debug};

use conclave_domain::advice::Advice;
use conclave_domain::bounds::BoundsError;
use conclave_domain::code::Code;
use conclave_domain::forbidden;
use conclave_domain::limits::Limits;
use conclave_domain::role::Role;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde::de::{Deserialize as _, DeserializeOwned};
use serde_json::Value;

/// One of the fourteen, written down as functions of its brief.
pub trait Agent {
    /// What it is told: one type per team.
    type Brief: Serialize;
    /// What it says, raw: its numbers are not yet clamped.
    type Answer: Serialize + DeserializeOwned + JsonSchema + Debug;
    /// Its place in the org chart.
    const ROLE: Role;
    /// When it is consulted unless configured otherwise.
    const CADENCE: Cadence;
    /// Whether it is consulted unless configured otherwise.
    const ON_BY_DEFAULT: bool = true;

    /// What a model is told to do, generated from the live limits: no number stands in it as text.
    fn instructions(limits: &Limits) -> String;

    /// The rules brain: the raw answer that quantitative logic gives.
    fn rules(brief: &Self::Brief, limits: &Limits) -> Self::Answer;

    /// Checks and clamps a raw answer. `brief` serves hard rules that hold whatever the brain is.
    ///
    /// # Errors
    /// When a number is not finite; nothing is guessed in its place.
    fn admit(
        answer: Self::Answer,
        brief: &Self::Brief,
        limits: &Limits,
    ) -> Result<Advice, ConsultError>;
}

/// When an agent is consulted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cadence {
    /// Training: every so many validation cycles.
    EveryCycles(u32),
    /// Trading: each candidate for an entry.
    EachEntry,
    /// Trading: each candidate for an entry, and open positions in which something happened.
    EntriesAndPositions,
    /// Selection: each selection.
    EachSelection,
    /// All: each round.
    EachRound,
}

impl fmt::Display for Cadence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EveryCycles(1) => f.pad("every validation cycle"),
            Self::EveryCycles(cycles) => f.pad(&format!("every {cycles} validation cycles")),
            Self::EachEntry => f.pad("each entry candidate"),
            Self::EntriesAndPositions => f.pad("entry candidates and events of open positions"),
            Self::EachSelection => f.pad("each selection"),
            Self::EachRound => f.pad("each round"),
        }
    }
}

/// Why a consultation brought no advice. Never fatal to the actor: it is an answer, not a crash.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConsultError {
    /// The answer does not have the shape that was asked for.
    #[error("the answer is unreadable: {why}")]
    Unreadable {
        /// What the reader stumbled over.
        why: String,
    },
    /// A number in the answer is NaN or infinite.
    #[error("the answer is out of this world")]
    OutOfBounds(#[from] BoundsError),
    /// The answer asks for something that no agent may bring about.
    #[error("the answer asks for the forbidden action `{action}`")]
    Forbidden {
        /// The forbidden action's name.
        action: &'static str,
    },
    /// The brain failed.
    #[error("the brain failed: {why}")]
    Brain {
        /// What it said.
        why: String,
    },
    /// The agent has as much in flight as it may.
    #[error("the agent has as many consultations in flight as it may")]
    Shed,
    /// The budgets refused the call, in the run that is being given again.
    #[error("the consultation was refused: {code}")]
    Denied {
        /// The budget's code.
        code: Code,
    },
    /// The call was cut off because its round was over, in the run that is being given again: the round
    /// waits for nobody who says this.
    #[error("the answer came too late")]
    Late,
    /// What an earlier run failed with, word for word.
    #[error("{text}")]
    Recorded {
        /// Its text.
        text: String,
    },
}

/// The longest text of an answer that is read, bytes; a schema's longest has a few thousand.
pub const ANSWER_MAX: usize = 64 << 10;

/// An agent without its own types: what a roster lists.
#[derive(Debug)]
pub struct Entry<B> {
    /// Its place in the org chart.
    pub role: Role,
    /// When it is consulted unless configured otherwise.
    pub cadence: Cadence,
    /// Whether it is consulted unless configured otherwise.
    pub on_by_default: bool,
    /// The instructions for a model.
    pub instructions: fn(&Limits) -> String,
    /// The JSON schema of its raw answer.
    pub schema: fn() -> Schema,
    /// The raw answer of its rules brain.
    pub rules: fn(&B, &Limits) -> Value,
    /// Reads the text of an answer strictly: one JSON object of the schema and nothing else. Prose,
    /// unknown, missing or repeated fields and numbers beyond a float are refused, never guessed.
    pub parse: fn(&str) -> Result<Value, ConsultError>,
    /// Reads a raw answer strictly, then checks and clamps it.
    pub read: fn(&Value, &B, &Limits) -> Result<Advice, ConsultError>,
}

// By hand: a derive would ask the brief to be `Copy`, of which an entry holds none.
impl<B> Clone for Entry<B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B> Copy for Entry<B> {}

impl<B: Serialize> Entry<B> {
    /// The entry of one agent.
    pub const fn of<A: Agent<Brief = B>>() -> Self {
        Self {
            role: A::ROLE,
            cadence: A::CADENCE,
            on_by_default: A::ON_BY_DEFAULT,
            instructions: A::instructions,
            schema: || schemars::schema_for!(A::Answer),
            rules: |brief, limits| {
                serde_json::to_value(A::rules(brief, limits)).unwrap_or(Value::Null)
            },
            parse: |text| {
                let unreadable =
                    |error: serde_json::Error| ConsultError::Unreadable { why: error.to_string() };
                if text.len() > ANSWER_MAX {
                    let why = format!("it is longer than {ANSWER_MAX} bytes");
                    return Err(ConsultError::Unreadable { why });
                }
                refuse_forbidden([text])?;
                let answer: A::Answer = serde_json::from_str(text).map_err(unreadable)?;
                serde_json::to_value(answer).map_err(unreadable)
            },
            read: |raw, brief, limits| {
                let mut texts = Vec::new();
                collect_texts(raw, &mut texts);
                refuse_forbidden(texts)?;
                let answer = A::Answer::deserialize(raw)
                    .map_err(|error| ConsultError::Unreadable { why: error.to_string() })?;
                A::admit(answer, brief, limits)
            },
        }
    }
}

/// F-1: an answer that asks for a forbidden action is refused whole, whatever else it says.
fn refuse_forbidden<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<(), ConsultError> {
    forbidden::find(texts).map_or(Ok(()), |action| Err(ConsultError::Forbidden { action }))
}

/// The keys and the texts of a raw answer, at any depth.
fn collect_texts<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Value::Object(fields) => {
            for (name, item) in fields {
                texts.push(name);
                collect_texts(item, texts);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use conclave_domain::tally::Miss;

    use super::*;
    use crate::runtime::recorded::again;
    use crate::runtime::shell::{PANICKED, WENT_AWAY};

    /// Goal: a report tells failures apart by their words, also where a run is given again: the words of
    /// each are those that `Miss` knows.
    #[test]
    fn the_words_of_a_failure_tell_what_kind_it_is_then_and_now() {
        let why = || "prose".to_owned();
        let not_finite = limits_error();
        for (error, miss) in [
            (ConsultError::Unreadable { why: why() }, Miss::Unreadable),
            (not_finite, Miss::Inadmissible),
            (ConsultError::Forbidden { action: "raise_own_limit" }, Miss::Inadmissible),
            (ConsultError::Brain { why: why() }, Miss::Failed),
            (ConsultError::Brain { why: Miss::UNREADABLE.to_owned() }, Miss::Failed),
        ] {
            assert_eq!(Miss::of(&error.to_string()), miss, "{error}");
            assert_eq!(Miss::of(&again(error.to_string()).to_string()), miss, "{error}, again");
        }
        assert_eq!((Miss::of(PANICKED), Miss::of(WENT_AWAY)), (Miss::Failed, Miss::Failed));
    }

    /// What an agent says with a number that is none.
    fn limits_error() -> ConsultError {
        let bounds = Limits::default().bounds.size_multiplier;
        bounds.admit(f64::NAN, &mut Vec::new()).unwrap_err().into()
    }
}
