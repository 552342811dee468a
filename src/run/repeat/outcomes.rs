//! What became of each decision of a log, in a word and a sentence.

use std::fmt;
use std::path::Path;

use conclave_domain::order::DecisionId;
use conclave_domain::record::{Line, Step, Stream};
use conclave_domain::time::Time;
use serde::Serialize;
use serde_json::Value;

use crate::adapters::audit_files::lines;
use crate::cli::error::CliError;

/// What became of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Outcome {
    /// `denied`, `vetoed`, `hold`, `act` or `ordered`.
    pub(crate) what: &'static str,
    /// The code of what stood in the way, or the order in a few words.
    pub(crate) how: String,
    /// Why, one sentence, where somebody has said it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) why: String,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        for part in [&self.how, &self.why] {
            if !part.is_empty() {
                write!(f, ", {part}")?;
            }
        }
        Ok(())
    }
}

/// A decision and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Decided {
    /// Its name.
    pub(crate) decision: DecisionId,
    /// Market time.
    pub(crate) at: Time,
    /// What became of it.
    pub(crate) outcome: Outcome,
}

/// The decisions of the log in `dir`, in order. The last record that tells what became of a decision
/// is what became of it.
///
/// # Errors
/// When the log cannot be read.
pub(crate) fn read(dir: &Path) -> Result<Vec<Decided>, CliError> {
    let mut all: Vec<Decided> = Vec::new();
    for raw in lines(dir, Stream::Decisions)? {
        let raw = raw?;
        let Some(line) = Some(raw.text.as_str()).and_then(|text| Line::read(text).ok()) else {
            continue;
        };
        let Some(decision) = &line.decision else { continue };
        let body: Value = match line.step {
            Step::CandidateDenied | Step::RoundClosed | Step::OrderCleared => {
                serde_json::from_str(line.body).unwrap_or_default()
            }
            _ => continue,
        };
        let Some(outcome) = outcome(line.step, &body) else { continue };
        match all.last_mut().filter(|last| last.decision == *decision) {
            Some(last) => last.outcome = outcome,
            None => all.push(Decided { decision: decision.clone(), at: line.at, outcome }),
        }
    }
    Ok(all)
}

fn outcome(step: Step, body: &Value) -> Option<Outcome> {
    let text = |pointer: &str| {
        body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let (what, how, why) = match step {
        Step::CandidateDenied => ("denied", text("/code"), String::new()),
        Step::RoundClosed => match text("/verdict").as_str() {
            "vetoed" => ("vetoed", text("/objection/code"), text("/objection/text")),
            "hold" => ("hold", text("/code"), String::new()),
            _ => ("act", String::new(), String::new()),
        },
        Step::OrderCleared if body.get("denied").is_some() => {
            ("denied", text("/denied"), String::new())
        }
        Step::OrderCleared if body.get("intent").is_some() => {
            let order = format!("{} {}", text("/intent/side"), text("/intent/qty"));
            ("ordered", order, String::new())
        }
        _ => return None,
    };
    Some(Outcome { what, how, why })
}
