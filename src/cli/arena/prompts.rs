//! `arena chat --prompts`: what was asked of each role's model and what came back, out of the tapes, so that
//! a person can check a decision: prompt, answer, and the hash of the snapshot that both stand on.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Write};
use std::path::Path;

use conclave_actors::models::tape::{Consulted, End, Exchange, Outcome, TapeLine};
use conclave_domain::fixed::Money;
use conclave_domain::order::DecisionId;
use serde_json::{Value, json};

use super::chat::ChatArgs;
use crate::brains::TAPE_FILE;
use crate::cli::error::{CliError, ExitCode};
use crate::cli::format::{Format, write_json};
use crate::files;
use crate::run::arena::CONTESTANTS_DIR;

/// The chats that are looked at, by contestant and decision.
pub(super) type Chats = BTreeMap<(String, String), Value>;

/// Attempts, by key and ordinal.
type Exchanges = BTreeMap<(String, u32), Exchange>;

/// The name under which a tape has a chat's questions.
pub(super) fn place(chat: &Value) -> Option<(String, String)> {
    let word = |key: &str| chat.get(key).and_then(Value::as_str);
    let (season, contestant, ticker) = (word("season")?, word("contestant")?, word("ticker")?);
    let tick = u32::try_from(chat.get("tick").and_then(Value::as_u64)?).ok()?;
    let decision = DecisionId::of_run(&format!("{season}-{contestant}"), tick, ticker);
    Some((contestant.to_owned(), decision.as_str().to_owned()))
}

/// Prints the questions behind these chats.
///
/// # Errors
/// [`ExitCode::NotFound`] when no model was asked, [`ExitCode::Data`] when a tape is none.
pub(super) fn run(
    args: &ChatArgs,
    dir: &Path,
    chats: &Chats,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let mut kept = VecDeque::new();
    let last = usize::try_from(args.last).unwrap_or(usize::MAX);
    let mut names: Vec<&String> = chats.keys().map(|(name, _)| name).collect();
    names.dedup();
    let mut tapes = 0_usize;
    for name in names {
        let tape = dir.join(CONTESTANTS_DIR).join(name).join(TAPE_FILE);
        if !tape.exists() {
            continue;
        }
        tapes += 1;
        told(&tape, &mut |consulted, exchanges| {
            let key = (name.clone(), consulted.decision.as_str().to_owned());
            let is_wanted = args.role.as_ref().is_none_or(|role| *role == consulted.agent);
            if let Some(chat) = chats.get(&key).filter(|_| is_wanted) {
                kept.push_back(question(chat, &consulted, exchanges));
                let over = kept.len().saturating_sub(last);
                kept.drain(..over);
            }
        })?;
    }
    if tapes == 0 {
        let text = format!("{}: no model was asked in what is looked at", dir.display());
        return Err(CliError::new(ExitCode::NotFound, text));
    }
    match format {
        Format::Json => {
            write_json(&json!({"schema": "arena-prompts/1", "questions": kept}), format, out)
        }
        Format::Jsonl => kept.iter().try_for_each(|one| write_json(one, format, out)),
        Format::Text => Ok(kept.iter().try_for_each(|one| writeln!(out, "{}", text(one)))?),
    }
}

/// Reads a tape, and tells each question with its exchanges.
fn told(tape: &Path, hear: &mut dyn FnMut(Consulted, &Exchanges)) -> Result<(), CliError> {
    let wrong = |number: u64| {
        CliError::new(ExitCode::Data, format!("{}: line {number} is no tape's", tape.display()))
    };
    let mut exchanges = Exchanges::new();
    let mut lines = (1_u64..).zip(BufReader::new(files::open(tape)?).lines()).peekable();
    while let Some((number, line)) = lines.next() {
        let line = line?;
        let read: TapeLine = match serde_json::from_str(&line) {
            Ok(read) => read,
            // Half a line is what a process that was killed leaves at the end.
            Err(_) if lines.peek().is_none() => break,
            Err(error) => return Err(wrong(number).caused_by(error)),
        };
        match read {
            TapeLine::Exchange(exchange) => {
                exchanges.insert((exchange.key.clone(), exchange.ordinal), *exchange);
            }
            TapeLine::Consult(consulted) => {
                let names: Vec<(String, u32)> =
                    consulted.steps.iter().map(|step| (step.key.clone(), step.ordinal)).collect();
                hear(consulted, &exchanges);
                for name in names {
                    exchanges.remove(&name);
                }
            }
            TapeLine::Tape(_) | TapeLine::Unheard(_) => {}
        }
    }
    Ok(())
}

/// One question, with the attempt that brought its answer, else its last one.
fn question(chat: &Value, consulted: &Consulted, exchanges: &Exchanges) -> Value {
    let (step, ended, cost) = match &consulted.end {
        End::Answered { step, cost, .. } => (Some(*step), "answered".to_owned(), *cost),
        End::Failed { text, cost } => (None, text.clone(), *cost),
        End::Denied { code } => (None, code.to_string(), Money::ZERO),
        End::Rules { .. } => (None, "answered by rules".to_owned(), Money::ZERO),
        End::Cancelled { cost } => (None, "cut off".to_owned(), *cost),
    };
    let step = step.or_else(|| consulted.steps.len().checked_sub(1));
    let exchange = step
        .and_then(|step| consulted.steps.get(step))
        .and_then(|step| exchanges.get(&(step.key.clone(), step.ordinal)));
    let body = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let sent = exchange.map(|exchange| body(&exchange.body)).unwrap_or_default();
    let answered = exchange.and_then(|exchange| match &exchange.outcome {
        Outcome::Reply(reply) => Some(said(&body(&reply.body)).unwrap_or(reply.body.clone())),
        Outcome::Failure(_) | Outcome::Dropped => None,
    });
    let (system, asked) = prompt(&sent);
    json!({
        "contestant": chat.get("contestant"),
        "ticker": chat.get("ticker"),
        "tick": chat.get("tick"),
        "snapshot": chat.get("snapshot"),
        "decision": consulted.decision,
        "role": consulted.agent,
        "turn": consulted.round,
        "provider": exchange.map(|exchange| exchange.provider.as_str()),
        "model": exchange.map(|exchange| exchange.model.as_str()),
        "served_model": exchange.and_then(|exchange| exchange.served_model.as_deref()),
        "system": system,
        "asked": asked,
        "answered": answered,
        "end": ended,
        "cost": cost,
    })
}

/// The text of a message's content, in either dialect.
fn content(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str));
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

/// What a body asks: the system's text, and the user's.
fn prompt(body: &Value) -> (String, String) {
    let mut system = body.get("system").map(content).unwrap_or_default();
    let mut asked = Vec::new();
    for message in body.get("messages").and_then(Value::as_array).into_iter().flatten() {
        let text = message.get("content").map(content).unwrap_or_default();
        if message.get("role").and_then(Value::as_str) == Some("system") {
            system = text;
        } else {
            asked.push(text);
        }
    }
    (system, asked.join("\n"))
}

/// What a reply says, in either dialect.
fn said(body: &Value) -> Option<String> {
    let choice = body.pointer("/choices/0/message/content").map(content);
    choice.or_else(|| body.get("content").map(content)).filter(|text| !text.is_empty())
}

/// A question for people.
fn text(question: &Value) -> String {
    let word = |key: &str| match question.get(key) {
        Some(Value::String(text)) => text.replace(|c: char| c.is_control() && c != '\n', " "),
        Some(Value::Null) | None => "–".to_owned(),
        Some(other) => other.to_string(),
    };
    format!(
        "== {} on {} at tick {}: {}, turn {}, by {} for ${}\nsnapshot {}\n-- system\n{}\n-- asked\n{}\n\
         -- {}\n{}\n",
        word("contestant"),
        word("ticker"),
        word("tick"),
        word("role"),
        word("turn"),
        word("model"),
        word("cost"),
        word("snapshot"),
        word("system"),
        word("asked"),
        word("end"),
        word("answered"),
    )
}
