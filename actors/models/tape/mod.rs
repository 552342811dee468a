//! The tape: every exchange with a provider as it happened, and what each consultation came to.
//!
//! JSON lines. The first says what it is; one more of the same kind stands where a process went on
//! with it. An `exchange` is one attempt: what was asked of whom, byte for byte, and what came back or
//! did not. A `consult` is one question to one agent: its exchanges in order, and how it ended. An
//! exchange is found by the hash of what was asked and by how many with the same hash stand before it.
//!
//! - D-1: same seed, same data, same recorded answers: byte-identical records. [`recorded`] gives a
//!   tape's answers again, through the same readers.
//! - G-3: an exchange says what it has cost, and one that was cut off what it may have.
//!
//! Nothing secret is on a tape: keys travel in headers, and of those only a reply's listed ones are
//! written.

use conclave_domain::code::Code;
use conclave_domain::fixed::Money;
use conclave_domain::llm::key::exchange_key;
use conclave_domain::order::DecisionId;
use serde::{Deserialize, Serialize};

use super::port::{CallError, Dialect, Reply};
use crate::runtime::ports::{Done, StoreError};

pub mod read;
mod record;
pub mod recorded;
pub mod shelf;

pub(crate) use record::{ConsultLog, Sent, Served};
pub use record::{Ordinals, Recorder};

/// What the first line says.
pub const SCHEMA: &str = "tape/1";

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum TapeLine {
    /// What this is; the first line, and one more for each process that went on.
    Tape(Header),
    /// One attempt.
    Exchange(Box<Exchange>),
    /// One question to one agent.
    Consult(Consulted),
    /// The last question at this place was cut off after all, while its line was being written.
    Unheard(Unheard),
}

/// The place of a question whose answer nobody heard any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unheard {
    /// The decision.
    pub decision: DecisionId,
    /// The number of the round in the run; 0 for a question about a position.
    pub round: u64,
    /// The agent.
    pub agent: String,
    /// What it has cost all the same.
    pub cost: Money,
}

/// What a tape is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The schema: [`SCHEMA`].
    pub schema: String,
    /// The version of the program that writes.
    pub version: String,
}

impl Header {
    /// The header of this version.
    pub fn now() -> Self {
        Self { schema: SCHEMA.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

/// One attempt at one provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// The hash of provider, endpoint, dialect and body.
    pub key: String,
    /// How many exchanges with the same hash stand before it.
    pub ordinal: u32,
    /// The agent that asked.
    pub agent: String,
    /// The provider that was asked.
    pub provider: String,
    /// Its address.
    pub endpoint: String,
    /// How it was spoken to.
    pub dialect: Dialect,
    /// The model that was asked for.
    pub model: String,
    /// The body, as it was sent.
    pub body: String,
    /// What came back.
    pub outcome: Outcome,
    /// The model that answered, by the provider's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served_model: Option<String>,
    /// Who answered behind a router.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served_provider: Option<String>,
    /// What it has cost, or may have where nobody knows.
    pub cost: Money,
    /// How long it took, milliseconds.
    pub took_ms: u64,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Something came back.
    Reply(Reply),
    /// Nothing came back.
    Failure(CallError),
    /// It was cut off: nobody needed it any more.
    Dropped,
}

/// Headers of a reply that a tape keeps, by name or by the beginning of it.
const HEADERS: [&str; 6] = [
    "retry-after",
    "request-id",
    "x-request-id",
    "x-should-retry",
    "anthropic-ratelimit-",
    "x-ratelimit-",
];

/// The reply as a tape keeps it: without headers that are not listed.
pub(crate) fn kept(reply: &Reply) -> Reply {
    let is_kept = |name: &String| {
        let name = name.to_ascii_lowercase();
        HEADERS.iter().any(|kept| name == *kept || (kept.ends_with('-') && name.starts_with(kept)))
    };
    let headers = reply.headers.iter().filter(|(name, _)| is_kept(name)).cloned().collect();
    Reply { status: reply.status, headers, body: reply.body.clone() }
}

/// One question to one agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Consulted {
    /// The decision.
    pub decision: DecisionId,
    /// The number of the round in the run; 0 for a question about a position.
    pub round: u64,
    /// The agent.
    pub agent: String,
    /// Its exchanges, in the order of their ends.
    pub steps: Vec<Step>,
    /// How it ended.
    pub end: End,
}

/// An exchange within a consultation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The exchange's key.
    pub key: String,
    /// Its ordinal.
    pub ordinal: u32,
    /// The rung of the ladder that it belongs to.
    pub rung: String,
    /// What it was.
    pub what: What,
}

/// What an exchange was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The question.
    Ask,
    /// The question once more, with what was wrong with an answer.
    AskAgain {
        /// The step whose answer could not be read.
        after: usize,
    },
}

/// How a consultation ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "how")]
pub enum End {
    /// With an answer.
    Answered {
        /// The step that brought it.
        step: usize,
        /// Who answered, where it is not whom the brain is named after.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// What the consultation has cost in all.
        cost: Money,
    },
    /// Without one.
    Failed {
        /// Why, word for word.
        text: String,
        /// What it has cost all the same, or may have.
        cost: Money,
    },
    /// The budgets refused it, and nobody was asked.
    Denied {
        /// Their code.
        code: Code,
    },
    /// The agent's rules answered, because no model was granted.
    Rules {
        /// Why not, where a budget refused it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refused: Option<Code>,
    },
    /// It was cut off: its round was over.
    Cancelled {
        /// What it may have cost.
        cost: Money,
    },
}

impl End {
    pub(crate) const fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled { .. })
    }

    /// What the consultation has cost.
    pub(crate) const fn cost(&self) -> Money {
        match self {
            Self::Answered { cost, .. } | Self::Failed { cost, .. } | Self::Cancelled { cost } => {
                *cost
            }
            Self::Denied { .. } | Self::Rules { .. } => Money::ZERO,
        }
    }
}

/// Where a tape's lines go.
pub trait TapeSink: std::fmt::Debug + Send + Sync {
    /// Takes a line; lines are written in the order in which they were taken. Never blocks: a sink that
    /// has too much to do answers [`StoreError::Busy`]. Answered once the line survives the end of the
    /// process.
    fn write(&self, line: TapeLine, done: Done<(), StoreError>);
}

/// The key of an exchange.
pub(crate) fn key(provider: &str, endpoint: &str, dialect: Dialect, body: &str) -> String {
    // A dialect is a plain enum and always has a JSON form.
    let dialect = serde_json::to_string(&dialect).unwrap_or_default();
    exchange_key(&[provider, endpoint, &dialect, body])
}
