//! The wire: a question as a provider's JSON, and a reply as an answer or as what went wrong.
//!
//! Pure: what is asked is a function of the question alone, so that the same question has the same body
//! in every run (D-1), and what a reply means is a function of its bytes. Decided by status, type and
//! code, never by the text of a message.
//!
//! - D-1: same seed, same data, same recorded answers: a body holds no clock, no run and no process.
//! - G-3: money is reserved before a call: a body carries the limit of tokens and the highest price
//!   that the reservation was made for.

use std::sync::Arc;

use conclave_domain::fixed::Money;
use conclave_domain::llm::{Trouble, Usage};
use conclave_domain::role::AgentName;
use serde::{Deserialize, Serialize};

use super::envelope::Echo;
use super::port::{Dialect, Reply};
use super::schema::Wire;
use crate::runtime::answer::plain;

mod anthropic;
mod canonical;
mod convert;
mod openai;
pub mod probe;
mod status;

pub use canonical::Quoted;
pub(super) use canonical::length;

/// Tokens that a hosted model is given at least: with fewer its thinking may leave none for the answer.
pub const MAX_TOKENS_MIN: u32 = 4_096;
/// The longest name of a model or a provider that is taken from a reply, characters.
const NAME_MAX: usize = 100;
/// The longest part of a validator's error that a model is told, characters.
const WHY_MAX: usize = 400;

/// How hard a model thinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effort {
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// More.
    Xhigh,
    /// As much as it can.
    Max,
}

impl Effort {
    /// The word on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Xhigh => "xhigh",
            Self::Max => "max",
        }
    }
}

/// How long a provider keeps the stable part of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CacheTtl {
    /// Five minutes: cheap to write.
    #[serde(rename = "5m")]
    FiveMinutes,
    /// An hour: for agents that are asked less often than every five minutes.
    #[serde(rename = "1h")]
    Hour,
}

/// How a model of Anthropic's may think.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thinking {
    /// As much as it finds right.
    #[default]
    Adaptive,
    /// Between tools only: without tools, not at all. Not for the largest models, and known up to a high
    /// effort; more is asked for as high.
    BetweenTools,
    /// Nothing is said about it: for models that do not know the parameter.
    Unset,
}

/// What a router is told about whom to ask. Others never see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routing {
    /// The only hosts that may answer; empty for any.
    pub only: Vec<String>,
    /// What a host may cost at most, so that none is dearer than what was reserved.
    pub max_price: Option<MaxPrice>,
}

/// Highest prices, dollars per million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaxPrice {
    /// Of the prompt.
    pub prompt: Money,
    /// Of the answer.
    pub completion: Money,
}

/// One question, before it is written in a dialect.
#[derive(Clone, Debug)]
pub struct Question {
    /// The model, as its provider names it.
    pub model: String,
    /// Who asks.
    pub agent: AgentName,
    /// Role, rules and schema: the same for every brief.
    pub system: Quoted,
    /// The brief.
    pub user: String,
    /// What the answer looks like.
    pub wire: Arc<Wire>,
    /// What the answer repeats.
    pub echo: Echo,
    /// Tokens that the answer may have, those of thinking included.
    pub max_tokens: u32,
    /// How hard to think; `None` leaves it to the provider.
    pub effort: Option<Effort>,
    /// How to think.
    pub thinking: Thinking,
    /// How long the system text is kept; `None` for not at all.
    pub cache: Option<CacheTtl>,
    /// Whom a router may ask.
    pub routing: Routing,
    /// Why the last answer to this question was refused.
    pub correction: Option<String>,
}

impl Question {
    /// The same question once more, with what was wrong with the answer.
    #[must_use]
    pub fn again(&self, why: &str) -> Self {
        let why: String = plain(why).unwrap_or_default().chars().take(WHY_MAX).collect();
        Self { correction: Some(why), ..self.clone() }
    }

    /// Tokens that the answer may have in a dialect: what its worst case costs.
    pub fn max_tokens(&self, dialect: Dialect) -> u32 {
        match dialect {
            Dialect::Anthropic | Dialect::OpenRouter => self.max_tokens.max(MAX_TOKENS_MIN),
            Dialect::OpenAi(_) => self.max_tokens,
        }
    }

    /// The changing part: the brief, what to repeat, and what was wrong the last time.
    fn told(&self) -> String {
        let mut told = format!("{}\n\n{}", self.user.trim_end(), self.echo.told());
        if let Some(why) = &self.correction {
            told.push_str("\n# Once more\n\nYour last answer was refused: ");
            told.push_str(why);
            told.push_str("\nAnswer again, with one JSON object that matches the schema.\n");
        }
        told
    }
}

/// What a model said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The text of its answer, not yet read.
    pub text: String,
    /// The model that was served; `None` where the server does not say.
    pub model: Option<String>,
    /// Who served it, where a router says so.
    pub provider: Option<String>,
    /// The tokens that are billed; `None` where nobody counted them.
    pub usage: Option<Usage>,
    /// What it cost by the provider's own word, exact, rounded up.
    pub cost: Option<Money>,
    /// The provider's name for the exchange.
    pub request_id: Option<String>,
}

/// Why a reply is no answer, and what it has cost all the same, where it says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// What went wrong.
    pub trouble: Trouble,
    /// The tokens that are billed, where they are told.
    pub usage: Option<Usage>,
    /// What it cost by the provider's own word.
    pub cost: Option<Money>,
    /// The model that was served, where it is told.
    pub model: Option<String>,
    /// The provider's name for the exchange.
    pub request_id: Option<String>,
}

impl Failed {
    /// A failure of which nothing but the trouble is known.
    const fn only(trouble: Trouble, request_id: Option<String>) -> Self {
        Self { trouble, usage: None, cost: None, model: None, request_id }
    }
}

/// What a reply comes to. The failure is boxed, since it is as large as an answer.
pub type Read = Result<Said, Box<Failed>>;

/// The body of a question: canonical JSON, keys sorted, without spaces.
pub fn body(dialect: Dialect, question: &Question) -> String {
    match dialect {
        Dialect::Anthropic => anthropic::body(question),
        Dialect::OpenRouter => openai::router_body(question),
        Dialect::OpenAi(capabilities) => openai::local_body(question, capabilities),
    }
}

/// What a reply says.
///
/// # Errors
/// When it is no finished answer.
pub fn read(dialect: Dialect, reply: &Reply) -> Read {
    match dialect {
        Dialect::Anthropic => anthropic::read(reply),
        Dialect::OpenRouter => openai::read(reply, openai::Server::Router),
        Dialect::OpenAi(_) => openai::read(reply, openai::Server::Local),
    }
}

/// A name from a reply as one short plain line.
fn name(value: &serde_json::Value) -> Option<String> {
    let line = plain(value.as_str()?)?;
    Some(line.chars().take(NAME_MAX).collect())
}

#[cfg(test)]
mod tests;
