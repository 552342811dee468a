//! Records of a run's log that somebody asks for: by agent, code, symbol, decision and step.
//!
//! Reads the files alone. A last line that is being written at this moment is passed over, and so is a
//! line that is none of ours: `audit verify` names it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use conclave_domain::market::symbol::Symbol;
use conclave_domain::order::DecisionId;
use conclave_domain::record::{Line, Stream};
use conclave_domain::time::Time;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::adapters::audit_files::{LogError, lines};
use crate::http::desk::{Filter, Lines};
use crate::run::rounds::RoundsError;

/// Records that are shown.
const SHOWN: usize = 200;

/// The newest records of the log in `dir` that a filter lets through, newest first, as `audit/1`.
///
/// # Errors
/// When the log cannot be read.
pub fn newest(dir: &Path, filter: &Filter) -> Result<Value, RoundsError> {
    let mut found = VecDeque::with_capacity(SHOWN);
    let mut matching = 0_u64;
    each(
        dir,
        filter,
        || true,
        |_, line| {
            matching += 1;
            if found.len() == SHOWN {
                found.pop_back();
            }
            found.push_front(json!({
                "seq": line.seq, "at": line.at, "step": line.step.name(), "decision": line.decision,
                "body": body(line),
            }));
        },
    )?;
    Ok(json!({"schema": "audit/1", "matching": matching, "records": found}))
}

/// Shows each record that a filter lets through, as its text and what it says, for as long as somebody
/// wants more, which is asked before every line, however few are let through.
///
/// # Errors
/// When the log cannot be read.
pub fn each(
    dir: &Path,
    filter: &Filter,
    is_wanted: impl Fn() -> bool,
    mut take: impl FnMut(&str, &Line<'_>),
) -> Result<(), LogError> {
    let filter = Wanted::of(filter);
    for raw in lines(dir, Stream::Decisions)? {
        let raw = raw?;
        if !is_wanted() {
            break;
        }
        if !raw.terminated || !filter.words.iter().all(|word| raw.text.contains(*word)) {
            continue;
        }
        let Ok(line) = Line::read(&raw.text) else { continue };
        if filter.admits(&line) {
            take(&raw.text, &line);
        }
    }
    Ok(())
}

/// Pieces that wait for whoever takes them away.
const WAITING: usize = 4;
/// The size from which a piece is handed over, bytes.
const PIECE: usize = 64 << 10;

/// The lines that a filter lets through, as they stand in the log, read on a thread that may block and no
/// faster than they are taken away.
pub fn export(dir: PathBuf, filter: Filter) -> Lines {
    let (pieces, taken) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        let mut piece = String::new();
        // Where nobody takes it, nobody wants more either.
        let hand = |piece| drop(pieces.blocking_send(piece));
        let read = each(
            &dir,
            &filter,
            || !pieces.is_closed(),
            |text, _| {
                piece.push_str(text);
                piece.push('\n');
                if PIECE <= piece.len() {
                    hand(Ok(std::mem::take(&mut piece)));
                }
            },
        );
        // Whoever went away is told nothing.
        match read {
            Ok(()) => hand(Ok(piece)),
            Err(error) => hand(Err(std::io::Error::other(error))),
        }
    });
    taken
}

fn body(line: &Line<'_>) -> Value {
    serde_json::from_str(line.body).unwrap_or(Value::Null)
}

/// A filter that is ready to look.
struct Wanted<'a> {
    step: &'a str,
    decision: &'a str,
    symbol: &'a str,
    /// How the decisions of the symbol begin.
    prefix: Option<String>,
    /// What some value of the body has to be.
    named: Vec<&'a str>,
    /// What stands in every line that can be meant: most lines are passed over without being read.
    words: Vec<&'a str>,
}

impl<'a> Wanted<'a> {
    fn of(filter: &'a Filter) -> Self {
        let given = |text: &'a String| Some(text.trim()).filter(|text| !text.is_empty());
        let named: Vec<&str> =
            [&filter.agent, &filter.code].into_iter().filter_map(given).collect();
        let (step, decision) = (filter.step.trim(), filter.decision.trim());
        let words = named.iter().copied().chain([step, decision]);
        let words = words.filter(|word| !word.is_empty()).collect();
        let symbol = filter.symbol.trim();
        Self { step, decision, symbol, prefix: prefix(symbol), named, words }
    }

    fn admits(&self, line: &Line<'_>) -> bool {
        let about = line.decision.as_ref().map(DecisionId::as_str).unwrap_or_default();
        if !self.step.is_empty() && line.step.name() != self.step {
            return false;
        }
        if !self.decision.is_empty() && about != self.decision {
            return false;
        }
        let is_of_symbol = self.symbol.is_empty()
            || self.prefix.as_ref().is_some_and(|prefix| about.starts_with(prefix.as_str()));
        if is_of_symbol && self.named.is_empty() {
            return true;
        }
        let body = body(line);
        (is_of_symbol || holds(&body, self.symbol)) && self.named.iter().all(|it| holds(&body, it))
    }
}

/// `IBM-` for IBM: how the name of each of its decisions begins.
fn prefix(symbol: &str) -> Option<String> {
    let id = DecisionId::new(&Symbol::new(symbol).ok()?, Time::EPOCH, "");
    let (name, _) = id.as_str().split_once('-')?;
    Some(format!("{name}-"))
}

/// Whether some text in a value is this one.
fn holds(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted,
        Value::Array(rows) => rows.iter().any(|row| holds(row, wanted)),
        Value::Object(fields) => {
            fields.iter().any(|(name, it)| name == wanted || holds(it, wanted))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use conclave_actors::audit::record;
    use conclave_actors::runtime::ports::{AuditSink as _, Batch, Done, Safety};
    use conclave_domain::record::Step;

    use super::*;
    use crate::adapters::audit_files::{AuditFiles, LogOptions};

    /// Two decisions on IBM and one on MSFT, each asked and closed.
    fn log() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let opened = AuditFiles::open(dir.path(), None, LogOptions::default()).unwrap();
        let mut records = Vec::new();
        for (nth, (symbol, code)) in (1..).zip([
            ("IBM", "guardian.crash"),
            ("MSFT", "round.refused"),
            ("IBM", "round.refused"),
        ]) {
            let at = Time::from_ms(nth * 60_000);
            let id = DecisionId::new(&Symbol::new(symbol).unwrap(), at, "entry");
            let asked = json!({"asked": ["risk_guardian"], "brief": {"symbol": symbol}});
            let closed = json!({"objection": {"code": code}});
            records.push(record(Step::ConsultSent, Some(&id), at, &asked).unwrap());
            records.push(record(Step::RoundClosed, Some(&id), at, &closed).unwrap());
        }
        let bar = json!({"symbol": "IBM", "close": "1"});
        records.push(record(Step::BarReceived, None, Time::EPOCH, &bar).unwrap());
        let (answer, waiting) = std::sync::mpsc::channel();
        let done = Done::new(move |result| answer.send(result).unwrap());
        opened.files.submit(Batch { records, safety: Safety::AllSynced, done });
        waiting.recv().unwrap().unwrap();
        dir
    }

    fn numbers(dir: &Path, set: impl FnOnce(&mut Filter)) -> Vec<u64> {
        let mut filter = Filter::default();
        set(&mut filter);
        let found = newest(dir, &filter).unwrap();
        assert_eq!(found["matching"], found["records"].as_array().unwrap().len());
        let rows = found["records"].as_array().unwrap();
        rows.iter().map(|row| row["seq"].as_u64().unwrap()).collect()
    }

    #[test]
    fn records_are_found_by_agent_code_symbol_decision_and_step() {
        let dir = log();
        let found = |set: fn(&mut Filter)| numbers(dir.path(), set);
        assert_eq!(found(|_| ()), [7, 6, 5, 4, 3, 2, 1], "newest first");
        assert_eq!(found(|it| it.agent = "risk_guardian".to_owned()), [5, 3, 1]);
        assert_eq!(found(|it| it.code = "round.refused".to_owned()), [6, 4]);
        assert_eq!(
            found(|it| it.symbol = "IBM".to_owned()),
            [7, 6, 5, 2, 1],
            "a bar is of its symbol"
        );
        assert_eq!(found(|it| it.symbol = "IB".to_owned()), [0; 0], "a name and not its beginning");
        assert_eq!(found(|it| it.step = " round.closed ".to_owned()), [6, 4, 2]);
        let both = |it: &mut Filter| {
            (it.symbol, it.code) = ("IBM".to_owned(), "round.refused".to_owned());
        };
        assert_eq!(found(both), [6], "all that is given holds");
        let first =
            newest(dir.path(), &Filter::default()).unwrap()["records"][6]["decision"].clone();
        let of_one = |it: &mut Filter| it.decision = first.as_str().unwrap().to_owned();
        assert_eq!(numbers(dir.path(), of_one), [2, 1]);
    }

    #[test]
    fn what_is_taken_away_is_the_lines_of_the_log() {
        let dir = log();
        let whole = std::fs::read_to_string(dir.path().join("audit-000001.jsonl")).unwrap();
        let (mut taken, left) = (Vec::new(), Cell::new(3));
        let is_wanted = || left.get() > 0;
        each(dir.path(), &Filter::default(), is_wanted, |text, _| {
            taken.push(text.to_owned());
            left.set(left.get() - 1);
        })
        .unwrap();
        assert_eq!(taken, whole.lines().take(3).collect::<Vec<_>>(), "and no more than is wanted");
    }

    #[test]
    fn whoever_went_away_is_not_read_for_though_no_record_is_let_through() {
        let (dir, asked) = (log(), Cell::new(0));
        let is_wanted = || {
            asked.set(asked.get() + 1);
            asked.get() < 3
        };
        let filter = Filter { agent: "nobody".to_owned(), ..Filter::default() };
        each(dir.path(), &filter, is_wanted, |_, _| panic!("nobody is named so")).unwrap();
        assert_eq!(asked.get(), 3, "of seven lines");
    }
}
