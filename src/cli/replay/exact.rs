//! `replay RUN`: every record again, and the first one that is not the same.

use std::fmt::Write as _;
use std::io::Write;

use conclave_actors::runtime::compare::Expected;
use conclave_domain::order::DecisionId;
use conclave_domain::record::{Record, Step};
use conclave_domain::time::Time;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use serde_json::{Value, json};

use super::paths::{Path, differing};
use crate::cli::error::{CliError, ExitCode};
use crate::cli::format::{Format, write_json};
use crate::run::repeat::{Barrier, Difference, Repeated, Source};

/// Repeats the run and tells whether it is the same.
///
/// # Errors
/// With exit code 1 when a record is not the same, or a part of the log cannot be repeated.
pub(super) fn run(
    source: &Source,
    until: Option<Time>,
    metrics: &PrometheusHandle,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    // With nothing to cut off it is the whole run, and so is its end.
    let until = until.filter(|until| source.has_bars_behind(*until));
    let (repeated, _) = source.repeat(until, metrics)?;
    if format == Format::Text {
        write!(out, "{}", text(&repeated, until))?;
    } else {
        write_json(&document(&repeated, until), format, out)?;
    }
    verdict(&repeated)
}

/// What the process ends with.
pub(super) fn verdict(repeated: &Repeated) -> Result<(), CliError> {
    let failed = |text: String| Err(CliError::new(ExitCode::Failure, text));
    match (&repeated.difference, &repeated.barrier) {
        (Some(difference), _) => {
            let seq = difference.seq;
            failed(format!("the repetition is not the run: record {seq} is the first that differs"))
        }
        (None, Some(barrier)) => {
            let seq = barrier.seq;
            failed(format!("the run cannot be repeated from record {seq} on: {}", barrier.why))
        }
        (None, None) => Ok(()),
    }
}

fn text(repeated: &Repeated, until: Option<Time>) -> String {
    let Repeated { same, end, difference, barrier, is_open, .. } = repeated;
    let (records, hash) = (end.decisions.count, end.record_hash);
    if let Some(difference) = difference {
        return told(difference, *same);
    }
    if let Some(Barrier { seq, why }) = barrier {
        return format!(
            "identical up to record {same} of {records}; record {seq} cannot be repeated: {why}\n"
        );
    }
    let open = "the log ends without `run.ended`: the run goes on, or its process was killed\n";
    let open = if *is_open { open } else { "" };
    match until.map(day) {
        None => format!("identical: {same} records, record hash {hash}\n{open}"),
        Some(day) => format!(
            "identical up to {day}: {same} records of {records}; nothing in them depends on a later \
             bar\n"
        ),
    }
}

fn day(until: Time) -> String {
    until.to_string().chars().take(10).collect()
}

fn told(difference: &Difference, same: u64) -> String {
    let Difference { seq, expected, actual } = difference;
    let mut text = format!("differs at record {seq}; {same} before it are identical\n");
    let (log, now) = (expected.as_ref().map(Side::of_log), actual.as_ref().map(Side::of_now));
    let title = |side: Option<&Side>| side.map_or("nothing more".to_owned(), Side::title);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  the log has    {}", title(log.as_ref()));
    let _ = writeln!(text, "  the repetition {}", title(now.as_ref()));
    for Path { pointer, expected, actual } in paths(log.as_ref(), now.as_ref()) {
        let pointer = if pointer.is_empty() { "(the whole body)" } else { &pointer };
        let _ = writeln!(text, "    {pointer}: {expected} → {actual}");
    }
    text
}

/// One side of a difference, as it is shown.
#[derive(Serialize)]
struct Side {
    step: Step,
    decision: Option<DecisionId>,
    at: Time,
    body: Value,
}

impl Side {
    fn of_log(line: &Expected) -> Self {
        let Expected { step, decision, at, body, .. } = line;
        Self { step: *step, decision: decision.clone(), at: *at, body: value(body) }
    }

    fn of_now(record: &Record) -> Self {
        let (decision, body) = (record.decision().cloned(), value(record.body()));
        Self { step: record.step(), decision, at: record.at(), body }
    }

    /// `round.closed of AAPL-… at 2001-…`
    fn title(&self) -> String {
        let of = self.decision.as_ref().map_or_else(String::new, |name| format!(" of {name}"));
        format!("{}{of} at {}", self.step, self.at)
    }
}

/// A record's body is JSON; null stands for one that is none, which no log holds.
fn value(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_default()
}

/// Where two bodies differ; two records of different steps have no place in common.
fn paths(log: Option<&Side>, now: Option<&Side>) -> Vec<Path> {
    match (log, now) {
        (Some(log), Some(now)) if log.step == now.step => differing(&log.body, &now.body),
        _ => Vec::new(),
    }
}

fn document(repeated: &Repeated, until: Option<Time>) -> Value {
    let difference = repeated.difference.as_ref().map(|Difference { seq, expected, actual }| {
        let (log, now) = (expected.as_ref().map(Side::of_log), actual.as_ref().map(Side::of_now));
        let paths = paths(log.as_ref(), now.as_ref());
        json!({"seq": seq, "expected": log, "actual": now, "paths": paths})
    });
    let barrier = repeated.barrier.as_ref();
    json!({
        "schema": "replay/1",
        "identical": verdict(repeated).is_ok(),
        "until": until.map(day),
        "same": repeated.same,
        "records": repeated.end.decisions.count,
        "record_hash": repeated.end.record_hash,
        "ended": !repeated.is_open,
        "difference": difference,
        "exact_before": barrier.map(|barrier| barrier.seq),
        "because": barrier.map(|barrier| barrier.why),
    })
}
