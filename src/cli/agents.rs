//! `agents`: the roster; `agents ask` has a rules brain answer a brief; `agents prompt` shows what a
//! model would be told.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use conclave_actors::news::reader::NewsReader;
use conclave_actors::runtime::agent::{Agent as _, Entry};
use conclave_actors::runtime::brain::Thought;
use conclave_actors::runtime::roster::{self, Seat};
use conclave_actors::{selection, trading, training};
use conclave_domain::advice::{Advice, Stance};
use conclave_domain::limits::Limits;
use conclave_domain::role::{RISK_GUARDIAN, Team};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::error::{CliError, ExitCode};
use super::format::{Align, Format, Table, write_json};
use crate::brains::{MODEL, RULES};
use crate::config::Config;

pub mod document;
mod model;

/// The largest brief that is read, bytes.
const BRIEF_MAX: u64 = 16 << 20;

/// `agents`.
#[derive(Args, Clone, Debug)]
pub struct AgentsArgs {
    /// What to do; without it, the roster is listed.
    #[command(subcommand)]
    pub action: Option<AgentsAction>,
}

/// What to do with agents.
#[derive(Subcommand, Clone, Debug)]
pub enum AgentsAction {
    /// Lists the agents with their switches, tiers and cadences.
    List,
    /// Has an agent answer a brief, by its rules or by its model; nothing is traded or recorded.
    Ask {
        /// The agent's name, such as `risk_guardian`.
        name: String,
        /// A JSON file with the team's brief, or `-` for standard input.
        #[arg(long, value_name = "FILE")]
        brief: PathBuf,
        /// Who thinks: rules, or the model of the agent's tier as configured.
        #[arg(long, value_name = "WHO", default_value = RULES, value_parser = [RULES, MODEL])]
        brain: String,
    },
    /// Prints what a model would be told, generated from the live limits.
    Prompt {
        /// The agent's name, `orchestrator` or `news_reader`.
        name: String,
        /// A JSON file with a brief to show it with, or `-` for standard input.
        #[arg(long, value_name = "FILE")]
        brief: Option<PathBuf>,
    },
}

/// Runs `agents` with a validated configuration.
///
/// # Errors
/// When there is no agent of the name (exit code 5), the brief is unreadable (8), or the agent
/// refuses its own answer (1).
pub fn run(
    args: &AgentsArgs,
    config: &Config,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    match &args.action {
        None | Some(AgentsAction::List) => list(config, format, out),
        Some(AgentsAction::Ask { name, brief, brain }) => {
            let text = read_brief(brief)?;
            let (thought, advice) = ask(name, &text, brain == MODEL, config)?;
            write_advice(&thought, &advice, format, out)
        }
        Some(AgentsAction::Prompt { name, brief }) => {
            let text = brief.as_deref().map(read_brief).transpose()?;
            prompt(name, text.as_deref(), &config.limits, format, out)
        }
    }
}

/// Has an agent answer a brief, by its rules or by its model: the raw answer and the advice after the
/// clamp.
///
/// # Errors
/// As [`run`].
pub fn ask(
    name: &str,
    brief: &str,
    by_model: bool,
    config: &Config,
) -> Result<(Thought, Advice), CliError> {
    match found(name)?.role.team {
        Team::Training => ask_one(training::TEAM, name, (brief, by_model), config),
        Team::Trading => ask_one(trading::TEAM, name, (brief, by_model), config),
        Team::Selection => ask_one(selection::TEAM, name, (brief, by_model), config),
    }
}

fn ask_one<B>(
    team: &[Entry<B>],
    name: &str,
    (text, by_model): (&str, bool),
    config: &Config,
) -> Result<(Thought, Advice), CliError>
where
    B: Serialize + DeserializeOwned + std::fmt::Debug + Send + Sync + 'static,
{
    let (entry, brief) = entry_and_brief(team, name, text)?;
    let (brief, limits) = (Arc::new(brief), &config.limits);
    let thought = if by_model {
        model::ask(*entry, Arc::clone(&brief), config)?
    } else {
        Thought::free((entry.rules)(&brief, limits))
    };
    let advice = (entry.read)(&thought.raw, &brief, limits);
    let advice = advice.map_err(|error| unusable(&error.to_string()))?;
    Ok((thought, advice))
}

/// An answer that is none.
fn unusable(why: &str) -> CliError {
    CliError::new(ExitCode::Failure, why)
}

fn entry_and_brief<'a, B: DeserializeOwned>(
    team: &'a [Entry<B>],
    name: &str,
    brief: &str,
) -> Result<(&'a Entry<B>, B), CliError> {
    let entry = team.iter().find(|entry| entry.role.name == name).ok_or_else(|| unknown(name))?;
    let parsed = serde_json::from_str(brief).map_err(|error| {
        let team = entry.role.team;
        let text = format!("the brief is no brief of the {team} team: {error}");
        CliError::new(ExitCode::Data, text)
    })?;
    Ok((entry, parsed))
}

fn found(name: &str) -> Result<Seat, CliError> {
    roster::seat(name).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> CliError {
    let name: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
    let names = roster::names().join(", ");
    CliError::new(ExitCode::NotFound, format!("there is no agent `{name}`; there are {names}"))
}

fn read_brief(path: &Path) -> Result<String, CliError> {
    let shown = path.display();
    let failed = |code: ExitCode, error: std::io::Error| {
        CliError::new(code, format!("the brief {shown} cannot be read")).caused_by(error)
    };
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().take(BRIEF_MAX + 1).read_to_end(&mut bytes)
    } else {
        let file = crate::files::open(path).map_err(|error| failed(ExitCode::NotFound, error))?;
        file.take(BRIEF_MAX + 1).read_to_end(&mut bytes)
    }
    .map_err(|error| failed(ExitCode::Failure, error))?;
    if bytes.len() as u64 > BRIEF_MAX {
        let text = format!("the brief {shown} is longer than {BRIEF_MAX} bytes");
        return Err(CliError::new(ExitCode::Data, text));
    }
    String::from_utf8(bytes)
        .map_err(|_| CliError::new(ExitCode::Data, format!("the brief {shown} is no utf-8 text")))
}

fn list(config: &Config, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    let rows: Vec<Value> = roster::roster().iter().map(|seat| row_of(seat, config)).collect();
    if format != Format::Text {
        let document = json!({"schema": "agents/1", "agents": rows});
        return write_json(&document, format, out);
    }
    let columns = ["team", "agent", "on", "tier", "brain", "consulted", "authority"];
    let mut table = Table::new(columns.map(|column| (column, Align::Left)));
    for row in &rows {
        let cell = |name: &str| match &row[name] {
            Value::String(text) => text.clone(),
            Value::Bool(true) => "yes".to_owned(),
            Value::Bool(false) => "no".to_owned(),
            other => other.to_string(),
        };
        table.row(["team", "name", "enabled", "tier", "brain", "consulted", "authority"].map(cell));
    }
    write!(out, "{table}")?;
    Ok(())
}

/// One agent as `agents list` prints it.
fn row_of(seat: &Seat, config: &Config) -> Value {
    let role = &seat.role;
    let settings = config.agents.get(role.name);
    let interval = settings.and_then(|settings| settings.interval);
    let consulted = interval.map_or_else(
        || seat.cadence.to_string(),
        |cycles| format!("every {cycles} validation cycles"),
    );
    json!({
        "team": role.team,
        "name": role.name,
        "title": role.title,
        "purpose": role.purpose,
        "authority": role.authority,
        "tier": settings.map_or(role.tier, |settings| settings.tier),
        "brain": settings.map_or("rules", |settings| &settings.brain),
        "enabled": settings.map_or(seat.on_by_default, |settings| settings.enabled),
        "can_be_switched_off": role.name != RISK_GUARDIAN,
        "consulted": consulted,
    })
}

fn write_advice(
    thought: &Thought,
    advice: &Advice,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    if format != Format::Text {
        let document = json!({"schema": "advice/1", "raw": thought.raw, "advice": advice,
            "cost": thought.cost});
        return write_json(&document, format, out);
    }
    let mut table = Table::listing();
    table.row(["agent", advice.agent]);
    match &advice.stance {
        Stance::Vote(vote) => table.row(["vote".to_owned(), word(vote)]),
        Stance::NoObjection => table.row(["stance", "no objection"]),
        Stance::Veto(objection) => {
            let kind = word(&objection.kind);
            table.row(["veto".to_owned(), format!("{kind}, {}", objection.code)]);
            table.row(["reason", &objection.text])
        }
    };
    table.row(["confidence".to_owned(), format!("{:.3}", advice.confidence.get())]);
    table.row(["reasoning", &advice.reasoning]);
    for lever in &advice.levers {
        table.row(["asks for".to_owned(), word(lever)]);
    }
    for clamp in &advice.clamps {
        let (parameter, raw, used) = (&clamp.parameter, clamp.raw, clamp.clamped);
        table.row(["clamped".to_owned(), format!("{parameter} {raw} to {used}")]);
    }
    if !thought.cost.is_zero() {
        table.row(["cost".to_owned(), format!("${}", thought.cost)]);
    }
    write!(out, "{table}")?;
    Ok(())
}

/// A value for people: a word as it is, an object as `name key value …`.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(text)) => text,
        Ok(Value::Object(mut fields)) => {
            let head = fields.remove("lever").map(|lever| text_of(&lever));
            let rest = fields.iter().map(|(name, value)| format!("{name} {}", text_of(value)));
            head.into_iter().chain(rest).collect::<Vec<_>>().join(" ")
        }
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn prompt(
    name: &str,
    brief: Option<&str>,
    limits: &Limits,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let (system, user) = if name == roster::ORCHESTRATOR.name {
        (roster::orchestrator_instructions(limits), None)
    } else if name == NewsReader::ROLE.name {
        if brief.is_some() {
            let text = "the news reader is told items of news, and has no brief to be shown with";
            return Err(CliError::new(ExitCode::Usage, text));
        }
        (Entry::of::<NewsReader>().system(limits), None)
    } else {
        let seat = found(name)?;
        let user = match (brief, seat.role.team) {
            (None, _) => None,
            (Some(text), Team::Training) => Some(shown(training::TEAM, name, text, limits)?),
            (Some(text), Team::Trading) => Some(shown(trading::TEAM, name, text, limits)?),
            (Some(text), Team::Selection) => Some(shown(selection::TEAM, name, text, limits)?),
        };
        (seat.system(limits), user)
    };
    if format != Format::Text {
        let document = json!({"schema": "prompt/1", "agent": name, "system": system, "user": user});
        return write_json(&document, format, out);
    }
    writeln!(out, "{}", system.trim_end())?;
    if let Some(user) = user {
        writeln!(out, "\n{}", user.trim_end())?;
    }
    Ok(())
}

/// The second part of a prompt, with the brief.
fn shown<B: Serialize + DeserializeOwned>(
    team: &[Entry<B>],
    name: &str,
    brief: &str,
    limits: &Limits,
) -> Result<String, CliError> {
    let (entry, brief) = entry_and_brief(team, name, brief)?;
    Ok(entry.prompt(&brief, limits).user)
}

#[cfg(test)]
mod tests;
