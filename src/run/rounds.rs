//! The last rounds, or all that was recorded of one decision, from a run's audit.
//!
//! Reads the files alone, so it works for a process that runs and for one that has ended. A last
//! line that is being written at this moment is passed over.

use std::collections::VecDeque;
use std::path::Path;

use conclave_domain::record::{Line, LineError, Step, Stream};
use serde_json::{Value, json};

use crate::adapters::audit_files::{LogError, lines};

/// Rounds that are shown.
pub const SHOWN: usize = 50;

/// Why rounds cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum RoundsError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A line is none of ours.
    #[error("`{segment}` line {line} is unreadable; see `audit verify`")]
    Unreadable {
        /// The file.
        segment: String,
        /// The line's number in it.
        line: u64,
        /// What is wrong with it.
        #[source]
        source: LineError,
    },
}

/// The last [`SHOWN`] rounds of the log in `dir`, newest first, as `rounds/1`.
///
/// # Errors
/// When the log cannot be read.
pub fn last(dir: &Path) -> Result<Value, RoundsError> {
    let mut rounds = VecDeque::with_capacity(SHOWN);
    let closed = format!("\"step\":\"{}\"", Step::RoundClosed);
    walk(dir, &closed, |line| {
        if line.step == Step::RoundClosed {
            if rounds.len() == SHOWN {
                rounds.pop_back();
            }
            rounds.push_front(row(line));
        }
    })?;
    Ok(json!({"schema": "rounds/1", "rounds": rounds}))
}

/// Every record of one decision in the log in `dir`, as `round/1`; `None` where there is none.
///
/// # Errors
/// When the log cannot be read.
pub fn one(dir: &Path, decision: &str) -> Result<Option<Value>, RoundsError> {
    let mut records = Vec::new();
    let named = format!("\"decision\":\"{decision}\"");
    walk(dir, &named, |line| {
        if line.decision.as_ref().is_some_and(|id| id.as_str() == decision) {
            records.push(json!({
                "seq": line.seq, "at": line.at, "step": line.step.name(), "body": body(line),
            }));
        }
    })?;
    let found = json!({"schema": "round/1", "decision": decision, "records": records});
    Ok((!records.is_empty()).then_some(found))
}

/// Shows each line that contains `text` to `each`; a line that does not is not even parsed.
fn walk(dir: &Path, text: &str, mut each: impl FnMut(&Line<'_>)) -> Result<(), RoundsError> {
    for raw in lines(dir, Stream::Decisions)? {
        let raw = raw?;
        if !raw.terminated || !raw.text.contains(text) {
            continue;
        }
        let read = Line::read(&raw.text).map_err(|source| RoundsError::Unreadable {
            segment: raw.place.segment.clone(),
            line: raw.place.line,
            source,
        })?;
        each(&read);
    }
    Ok(())
}

fn body(line: &Line<'_>) -> Value {
    serde_json::from_str(line.body).unwrap_or(Value::Null)
}

/// The row of a record as it stands in the log and in the stream; `None` for what is no closed round.
pub fn row_of(record: &str) -> Option<Value> {
    let line = Line::read(record).ok()?;
    (line.step == Step::RoundClosed).then(|| row(&line))
}

/// One round as a row: what it said, who made it say so, and what each seat brought.
fn row(line: &Line<'_>) -> Value {
    let body = body(line);
    let at = |pointer: &str| body.pointer(pointer).cloned().unwrap_or_default();
    let code = body.pointer("/code").or_else(|| body.pointer("/objection/code"));
    json!({
        "decision": line.decision,
        "at": line.at,
        "round": at("/round"),
        "verdict": at("/verdict"),
        "code": code,
        "by": at("/by"),
        "critical": at("/critical"),
        "votes": votes(&body),
        "text": at("/objection/text"),
        "counts": at("/counts"),
        "seats": at("/seats"),
    })
}

/// `signal_analyst for, position_sizer late, …`
fn votes(body: &Value) -> String {
    let seats = body.pointer("/seats").and_then(Value::as_array);
    let word = |seat: &Value| {
        let text = |name: &str| seat.get(name).and_then(Value::as_str);
        let how = text("vote").or_else(|| text("outcome"));
        Some(format!("{} {}", text("agent")?, how?))
    };
    let words: Vec<String> = seats.into_iter().flatten().filter_map(word).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use conclave_actors::audit::record;
    use conclave_actors::runtime::ports::{AuditSink as _, Batch, Done, Safety};
    use conclave_domain::market::symbol::Symbol;
    use conclave_domain::order::DecisionId;
    use conclave_domain::time::Time;

    use super::*;
    use crate::adapters::audit_files::{AuditFiles, LogOptions};

    fn decision(nth: i64) -> DecisionId {
        DecisionId::new(&Symbol::new("AAPL").unwrap(), Time::from_ms(nth * 60_000), "entry")
    }

    /// A log of sixty decisions, each with a question and a closed round.
    fn log() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let opened = AuditFiles::open(dir.path(), None, LogOptions::default()).unwrap();
        let closed = json!({"round": 1, "verdict": "vetoed", "by": "risk_guardian",
            "objection": {"code": "guardian.crash"}, "critical": false,
            "seats": [{"agent": "signal_analyst", "outcome": "voted", "vote": "for"},
                      {"agent": "position_sizer", "outcome": "late"}]});
        let mut records = Vec::new();
        for nth in 0..60 {
            let (id, at) = (decision(nth), Time::from_ms(nth * 60_000));
            records.push(record(Step::ConsultSent, Some(&id), at, &json!({})).unwrap());
            records.push(record(Step::RoundClosed, Some(&id), at, &closed).unwrap());
        }
        let (answer, waiting) = std::sync::mpsc::channel();
        let done = Done::new(move |result| answer.send(result).unwrap());
        opened.files.submit(Batch { records, safety: Safety::AllSynced, done });
        waiting.recv().unwrap().unwrap();
        dir
    }

    #[test]
    fn the_last_rounds_come_newest_first() {
        let dir = log();
        let shown = last(dir.path()).unwrap();
        let rows = shown["rounds"].as_array().unwrap();
        assert_eq!(rows.len(), SHOWN);
        assert_eq!(rows[0]["decision"], json!(decision(59)));
        assert_eq!(rows[49]["decision"], json!(decision(10)));
        assert_eq!(rows[0]["code"], "guardian.crash");
        assert_eq!(rows[0]["votes"], "signal_analyst for, position_sizer late");
    }

    #[test]
    fn one_decision_is_shown_with_all_its_records_and_a_stranger_is_none() {
        let dir = log();
        let shown = one(dir.path(), decision(7).as_str()).unwrap().unwrap();
        let steps: Vec<&str> = shown["records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|record| record["step"].as_str().unwrap())
            .collect();
        assert_eq!(steps, ["consult.sent", "round.closed"]);
        assert_eq!(one(dir.path(), "AAPL-nothing").unwrap(), None);
        assert_eq!(one(dir.path(), "\"} { ../x").unwrap(), None);
    }

    #[test]
    fn a_torn_tail_is_passed_over_and_a_broken_line_is_named() {
        let dir = log();
        let segment = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.to_string_lossy().contains("audit-"))
            .unwrap();
        let text = std::fs::read_to_string(&segment).unwrap();
        std::fs::write(&segment, &text[..text.len() - 20]).unwrap();
        let shown = last(dir.path()).unwrap();
        assert_eq!(shown["rounds"][0]["decision"], json!(decision(58)));
        std::fs::write(&segment, text.replace("\"hash\":\"", "\"hush\":\"")).unwrap();
        assert!(matches!(last(dir.path()), Err(RoundsError::Unreadable { line: 2, .. })));
    }
}
