//! A record as one line of JSON, and back.
//!
//! ```text
//! {"seq":7,"step":"round.closed","decision":"AAPL-…","at":"2005-01-03T21:00:00Z","body":{…},"hash":"…"}
//! ```
//!
//! A line of observations that belongs to a line of decisions says so with `"of":SEQ` behind its own
//! number. Keys stand in this order and nothing stands between them, so that a reader needs no
//! JSON parser to check the chain. The hash is always the last 64 hexadecimal digits.

use std::fmt::Write as _;

use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error, StrDeserializer};

use super::chain::Digest;
use super::{Record, Step, json};
use crate::order::DecisionId;
use crate::time::Time;

/// What stands between a line's payload and its hash.
const HASH_KEY: &str = ",\"hash\":\"";
/// Bytes from there to the end of the line.
const TAIL_LEN: usize = HASH_KEY.len() + 64 + 2;

/// A line as it was read: parts of the text, checked for form but not against the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The line's number in its stream, from 1.
    pub seq: u64,
    /// The line of decisions that an observation belongs to.
    pub of: Option<u64>,
    /// What it is about.
    pub step: Step,
    /// The decision that it belongs to.
    pub decision: Option<DecisionId>,
    /// Market time.
    pub at: Time,
    /// The body as JSON text.
    pub body: &'a str,
    /// The hash that the line claims.
    pub hash: Digest,
    /// The bytes that are hashed after the former line's hash.
    pub payload: &'a str,
    /// The part of them that is hashed into the record hash: everything behind the numbers.
    pub content: &'a str,
}

/// Why a text is no line of the audit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The line ends too early or too late.
    #[error("the line is torn or is not one object")]
    Torn,
    /// A part is missing or unreadable.
    #[error("the line has no readable `{key}`")]
    Part {
        /// The part's key.
        key: &'static str,
    },
}

/// Writes everything but the hash into `out`, which must be empty; returns where the content begins.
pub(super) fn write_payload(out: &mut String, seq: u64, of: Option<u64>, record: &Record) -> usize {
    // Writing to a string cannot fail.
    let _ = write!(out, "{{\"seq\":{seq}");
    if let Some(of) = of {
        let _ = write!(out, ",\"of\":{of}");
    }
    out.push(',');
    let content = out.len();
    let _ = write!(out, "\"step\":\"{}\"", record.step());
    if let Some(decision) = record.decision() {
        let _ = write!(out, ",\"decision\":\"{decision}\"");
    }
    let _ = write!(out, ",\"at\":\"{}\",\"body\":{}", record.at(), record.body());
    content
}

/// Adds the hash and ends the line, without a line feed.
pub(super) fn write_hash(out: &mut String, hash: Digest) {
    let _ = write!(out, "{HASH_KEY}{hash}\"}}");
}

impl<'a> Line<'a> {
    /// Reads a line, without its line feed.
    ///
    /// # Errors
    /// When it does not have the form of a line.
    pub fn read(text: &'a str) -> Result<Self, LineError> {
        let cut = text.len().checked_sub(TAIL_LEN).ok_or(LineError::Torn)?;
        let (payload, tail) = text.split_at_checked(cut).ok_or(LineError::Torn)?;
        let hash = tail.strip_prefix(HASH_KEY).and_then(|rest| rest.strip_suffix("\"}"));
        let hash = hash.ok_or(LineError::Torn)?;
        let hash = hash.parse().map_err(|_| LineError::Part { key: "hash" })?;

        let mut rest = Cursor { text: payload, at: 0 };
        rest.take("{\"seq\":").ok_or(LineError::Part { key: "seq" })?;
        let seq = rest.number().ok_or(LineError::Part { key: "seq" })?;
        let of = match rest.take(",\"of\":") {
            Some(()) => Some(rest.number().ok_or(LineError::Part { key: "of" })?),
            None => None,
        };
        rest.take(",").ok_or(LineError::Part { key: "step" })?;
        let content = &payload[rest.at..];
        let step = rest.text("\"step\":").and_then(|name| name.parse().ok());
        let step = step.ok_or(LineError::Part { key: "step" })?;
        let decision = rest.text(",\"decision\":").map(decision).transpose()?;
        let at = rest.text(",\"at\":").and_then(|time| time.parse().ok());
        let at = at.ok_or(LineError::Part { key: "at" })?;
        rest.take(",\"body\":").ok_or(LineError::Part { key: "body" })?;
        let body = &payload[rest.at..];
        if !json::is_compact(body) {
            return Err(LineError::Part { key: "body" });
        }
        Ok(Self { seq, of, step, decision, at, body, hash, payload, content })
    }
}

fn decision(name: &str) -> Result<DecisionId, LineError> {
    let name: StrDeserializer<'_, Error> = name.into_deserializer();
    DecisionId::deserialize(name).map_err(|_| LineError::Part { key: "decision" })
}

/// A place in a payload.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Steps over `expected` if it stands here.
    fn take(&mut self, expected: &str) -> Option<()> {
        self.text[self.at..].starts_with(expected).then(|| self.at += expected.len())
    }

    /// Reads a number without leading zeros.
    fn number(&mut self) -> Option<u64> {
        let rest = &self.text[self.at..];
        let length = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = rest[..length].parse().ok()?;
        (length == 1 || !rest.starts_with('0')).then(|| {
            self.at += length;
            number
        })
    }

    /// Reads the string behind `key`, if the key stands here.
    fn text(&mut self, key: &str) -> Option<&'a str> {
        let start = self.text[self.at..].starts_with(key).then_some(self.at + key.len())?;
        let end = json::string_end(self.text.as_bytes(), start)?;
        self.at = end;
        Some(&self.text[start + 1..end - 1])
    }
}
