//! `arena chat`: what contestants said, out of `chats.jsonl`.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write};
use std::path::PathBuf;

use clap::Args;
use conclave_domain::arena::words::ContestantName;
use conclave_domain::market::symbol::Symbol;
use serde_json::Value;

use super::place;
use super::prompts::{self, Chats};
use crate::cli::error::{CliError, ExitCode};
use crate::cli::format::Format;
use crate::files;
use crate::run::arena::CHATS_FILE;

/// `arena chat`
#[derive(Args, Clone, Debug)]
pub struct ChatArgs {
    /// The season's directory; the latest when not given.
    pub dir: Option<PathBuf>,
    /// Of this contestant only.
    #[arg(long, value_name = "NAME")]
    pub contestant: Option<ContestantName>,
    /// On this symbol only.
    #[arg(long, value_name = "SYMBOL")]
    pub symbol: Option<Symbol>,
    /// At this tick only, counted from 0.
    #[arg(long, value_name = "N")]
    pub tick: Option<u32>,
    /// The prompts behind it, and what the models answered, as they stand on the contestants' tapes.
    #[arg(long)]
    pub prompts: bool,
    /// Of this role only, such as `portfolio_manager`.
    #[arg(long, value_name = "ROLE", requires = "prompts")]
    pub role: Option<String>,
    /// At most the last so many.
    #[arg(long, value_name = "N", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub last: u32,
}

impl ChatArgs {
    fn wants(&self, chat: &Value) -> bool {
        let is = |key: &str, wanted: Option<&str>| {
            wanted.is_none_or(|wanted| chat.get(key).and_then(Value::as_str) == Some(wanted))
        };
        let tick = chat.get("tick").and_then(Value::as_u64);
        is("contestant", self.contestant.as_ref().map(ContestantName::as_str))
            && is("ticker", self.symbol.as_ref().map(Symbol::as_str))
            && self.tick.is_none_or(|wanted| tick == Some(u64::from(wanted)))
    }
}

/// Prints what was said.
///
/// # Errors
/// [`ExitCode::NotFound`] when there is no season, [`ExitCode::Data`] when a line is none.
pub(super) fn run(args: &ChatArgs, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    let dir = place(args.dir.as_deref())?;
    let path = dir.join(CHATS_FILE);
    let file = files::open(&path).map_err(|error| {
        let text = format!("{} cannot be read", path.display());
        CliError::new(ExitCode::NotFound, text).caused_by(error)
    })?;
    let last = usize::try_from(args.last).unwrap_or(usize::MAX);
    let mut kept: VecDeque<Value> = VecDeque::new();
    let mut chats = Chats::new();
    for (number, line) in (1_u64..).zip(BufReader::new(file).lines()) {
        let wrong = || format!("{}: line {number} is no chat", path.display());
        let chat: Value = serde_json::from_str(&line?)
            .map_err(|error| CliError::new(ExitCode::Data, wrong()).caused_by(error))?;
        if !args.wants(&chat) {
            continue;
        }
        if args.prompts {
            chats.extend(prompts::place(&chat).map(|place| (place, chat)));
        } else {
            kept.push_back(chat);
            let over = kept.len().saturating_sub(last);
            kept.drain(..over);
        }
    }
    if args.prompts {
        return prompts::run(args, &dir, &chats, format, out);
    }
    match format {
        Format::Json => {
            let chats = serde_json::json!({"schema": "arena-chats/1", "chats": kept});
            crate::cli::format::write_json(&chats, format, out)
        }
        Format::Jsonl => {
            kept.iter().try_for_each(|chat| crate::cli::format::write_json(chat, format, out))
        }
        Format::Text => Ok(kept.iter().try_for_each(|chat| writeln!(out, "{}", text(chat)))?),
    }
}

/// A chat for people: the decision, then the stages that took place.
fn text(chat: &Value) -> String {
    let word = |value: &Value, key: &str| {
        let text = value.get(key).and_then(Value::as_str).unwrap_or_default();
        text.replace(char::is_control, " ")
    };
    let last = chat.get("final_decision").unwrap_or(&Value::Null);
    let said = match word(last, "rating") {
        rating if rating.is_empty() => word(last, "outcome"),
        rating => rating,
    };
    let confidence = last.get("confidence").and_then(Value::as_f64);
    let confidence = confidence.map_or_else(String::new, |it| format!(" ({:.0} %)", it * 100.0));
    let (at, who, what) = (word(chat, "timestamp"), word(chat, "contestant"), word(chat, "ticker"));
    let mut lines =
        vec![format!("{at} {who}: {said} {what}{confidence}: {}", word(last, "reasoning"))];
    for stage in
        ["market_analysis", "fundamentals", "news_sentiment", "debate", "trader", "risk_check"]
    {
        let Some(of) = chat.get(stage).filter(|of| word(of, "state") != "not_part") else {
            continue;
        };
        let insights = of.get("key_insights").and_then(Value::as_array);
        let insights = insights.into_iter().flatten().filter_map(Value::as_str);
        // A debate has two sides and a winner instead of insights.
        let named = ["bull", "bear", "winner"].into_iter().filter_map(|key| {
            Some(word(of, key)).filter(|text| !text.is_empty()).map(|text| format!("{key}: {text}"))
        });
        let confidence = of.get("confidence").and_then(Value::as_f64);
        let confidence = confidence.map(|it| format!("confidence {:.0} %", it * 100.0));
        let all: Vec<String> = std::iter::once(word(of, "reasoning"))
            .chain(insights.map(|insight| insight.replace(char::is_control, " ")))
            .chain(named)
            .chain(confidence)
            .collect();
        lines.push(format!("  {}: {}", stage.replace('_', " "), all.join("; ")));
    }
    lines.join("\n")
}
