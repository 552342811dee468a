//! The forms of the API's answers and bodies, as `/api/v1/openapi.json` tells them.
//!
//! Answers are put together where their figures are; these types say what they look like, and tests hold
//! every answer of a running council against them. Amounts are decimal texts in US dollars, quantities and
//! prices decimal texts, times RFC 3339 in UTC, ratios fractions. Within `v1` members are added, none
//! is renamed or taken away; an answer names its own form in `schema`.

pub mod account;
pub mod commands;
pub mod rounds;
pub mod status;

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

/// A request that was refused.
#[derive(Debug, ToSchema)]
pub struct Error {
    /// `error/1`.
    pub schema: String,
    /// The stable code; `docs/REFUSALS.md` has each with its cause and its remedy.
    pub code: String,
    /// What happened and what to do.
    pub message: String,
}

/// The board of the latest season of the arena that was played where the process was started.
#[derive(Debug, ToSchema)]
pub struct Arena {
    /// `arena/1`.
    pub schema: String,
    /// The board as its file has it; null where no season was played.
    #[schema(value_type = Option<Object>)]
    pub board: Option<Value>,
    /// The season's directory.
    pub dir: Option<String>,
    /// How each contestant's money went; null where no season was played.
    pub lines: Option<ArenaLines>,
}

/// How the money of contestants went, thinned.
#[derive(Debug, ToSchema)]
pub struct ArenaLines {
    /// Whose: the benchmark, and each contestant.
    pub names: Vec<String>,
    /// Oldest first.
    pub points: Vec<ArenaPoint>,
}

/// The money of all at one time.
#[derive(Debug, ToSchema)]
pub struct ArenaPoint {
    /// When.
    pub at: String,
    /// Amounts in the order of the names.
    pub values: Vec<String>,
}

/// The last lines of the process's log.
#[derive(Debug, ToSchema)]
pub struct Logs {
    /// `logs/1`.
    pub schema: String,
    /// The least serious level that was asked for.
    pub level: String,
    /// Lines of any level that were written since the process began; the last five hundred are kept.
    pub written: u64,
    /// Newest first.
    pub lines: Vec<LogLine>,
}

/// One line of the log.
#[derive(Debug, ToSchema)]
pub struct LogLine {
    /// Its number since the process began.
    pub nth: u64,
    /// Wall time.
    pub at: String,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// The module that wrote it.
    pub target: String,
    /// The message and its fields; at most a thousand bytes, without secrets.
    pub text: String,
}

/// The configuration in force.
#[derive(Debug, ToSchema)]
pub struct Configuration {
    /// `config/1`.
    pub schema: String,
    /// Every key, with its value and where that came from.
    pub keys: BTreeMap<String, Key>,
}

/// One key of the configuration.
#[derive(Debug, ToSchema)]
pub struct Key {
    /// Its value.
    pub value: Value,
    /// `default`, a file, a variable of the environment, or a flag.
    pub source: String,
}

/// The last decisions of the latest season, newest first.
#[derive(Debug, ToSchema)]
pub struct Chats {
    /// `chats/1`.
    pub schema: String,
    /// One object per decision, as the season's file has it.
    #[schema(value_type = Vec<Object>)]
    pub chats: Vec<Value>,
}
