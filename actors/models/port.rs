//! The port to a provider of language models.
//!
//! A [`Model`] moves bytes: it knows an address, a key and a way to speak. What the bytes say, what
//! they cost and what to do when they do not come is decided in front of it, so that a tape can stand
//! in for the network.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use conclave_domain::llm::Trouble;
use serde::{Deserialize, Serialize};

/// How requests are written and replies are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// Anthropic Messages.
    Anthropic,
    /// Chat completions as `OpenRouter` has them: with prices, providers and routing.
    OpenRouter,
    /// Chat completions of any other server: ollama, vLLM, llama.cpp.
    OpenAi(Capabilities),
}

/// What an OpenAI-compatible server was found to do when it was probed at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// It holds answers to a JSON schema.
    pub json_schema: bool,
    /// It counts tokens.
    pub usage: bool,
}

/// One attempt.
#[derive(Clone, Debug)]
pub struct Call {
    /// The body: canonical JSON.
    pub body: String,
    /// How long the attempt may take in all, the body of the reply included.
    pub timeout: Duration,
}

/// What came back, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers that matter, names in lower case: `retry-after`, `request-id`, `x-should-retry` and
    /// the rate limits. Whoever fills them takes keys out of them and of the body.
    pub headers: Vec<(String, String)>,
    /// The body, at most [`REPLY_MAX`] bytes; invalid UTF-8 replaced.
    pub body: String,
}

impl Reply {
    /// The first header of a name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// The longest reply that is read, bytes.
pub const REPLY_MAX: usize = 1 << 20;

/// Why nothing came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "failure")]
pub enum CallError {
    /// Nobody took the connection: nothing was asked.
    #[error("no connection: {why}")]
    Connect {
        /// Why, without addresses that hold secrets.
        why: String,
    },
    /// The connection broke after the question had left.
    #[error("the connection broke: {why}")]
    Broken {
        /// Why.
        why: String,
    },
    /// The time was up.
    #[error("no reply in time")]
    Timeout,
    /// The reply is longer than [`REPLY_MAX`].
    #[error("the reply is longer than {REPLY_MAX} bytes")]
    TooLong,
}

impl CallError {
    /// What it means for the question that was asked.
    pub const fn trouble(&self) -> Trouble {
        match self {
            Self::Connect { .. } => Trouble::Server { status: 0 },
            Self::Broken { .. } => Trouble::Unknown,
            Self::Timeout => Trouble::Timeout,
            Self::TooLong => Trouble::Malformed,
        }
    }
}

/// An attempt in flight. Dropping it closes the connection.
pub type Sending = Pin<Box<dyn Future<Output = Result<Reply, CallError>> + Send>>;

/// A provider that can be asked.
pub trait Model: fmt::Debug + Send + Sync {
    /// Its name in configuration, records and metrics: `anthropic`, `openrouter`, `local`.
    fn provider(&self) -> &str;

    /// How to speak to it.
    fn dialect(&self) -> Dialect;

    /// The address that is asked, without secrets: part of what a tape finds an exchange by.
    fn endpoint(&self) -> &str;

    /// Whether nothing that is asked here costs money, whatever the model is called: a machine of one's
    /// own.
    fn is_free(&self) -> bool {
        false
    }

    /// Asks once. Never retries.
    fn send(&self, call: Call) -> Sending;
}
