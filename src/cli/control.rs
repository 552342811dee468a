//! Verbs that speak to a running process: status, rounds, approvals, positions, orders, mode, halt,
//! reduce, resume and flatten.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::audit::log_dir;
use super::error::{CliError, ExitCode};
use super::format::{Align, Format, Table};
use crate::adapters::audit_files::has_log;
use crate::adapters::control_http::{Control, HALT_FILE, store_dir};
use crate::adapters::lock::is_held;
use crate::run::rounds;

/// How long a process may take to answer a command.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take to answer a halt, which is in force already.
const HALT_PATIENCE: Duration = Duration::from_secs(3);

/// Which process.
#[derive(Args, Clone, Debug, Default)]
pub struct Where {
    /// The run's directory; the latest run below `runs` when not given.
    #[arg(long, global = true, value_name = "DIR", env = "CONCLAVE_STORE")]
    pub store: Option<PathBuf>,
}

/// Arguments of a command that a person gives a reason for.
#[derive(Args, Clone, Debug)]
pub struct WhyArgs {
    /// Which process.
    #[command(flatten)]
    pub place: Where,
    /// The reason; it goes into the audit.
    #[arg(long, default_value = "")]
    pub reason: String,
    /// Do not ask for confirmation.
    #[arg(long)]
    pub yes: bool,
}

/// Arguments of `rounds`.
#[derive(Args, Clone, Debug)]
pub struct RoundsArgs {
    /// Which process.
    #[command(flatten)]
    pub place: Where,
    /// One round, whole.
    pub id: Option<String>,
}

/// Arguments of `approvals`.
#[derive(Args, Clone, Debug)]
pub struct ApprovalsArgs {
    /// Which process.
    #[command(flatten)]
    pub place: Where,
    /// What to do.
    #[command(subcommand)]
    pub action: ApprovalAction,
}

/// What to do with the queue.
#[derive(Subcommand, Clone, Debug)]
pub enum ApprovalAction {
    /// Lists what waits.
    List,
    /// Says yes to one item.
    Approve {
        /// The decision that waits.
        id: String,
        /// A note; it goes into the audit.
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Says no to one item.
    Deny {
        /// The decision that waits.
        id: String,
        /// A note; it goes into the audit.
        #[arg(long, default_value = "")]
        note: String,
    },
}

/// The modes.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ModeName {
    /// Agents recommend, people decide; no order is sent.
    Advisory,
    /// Each action waits for a person.
    Supervised,
    /// Cleared actions are executed.
    Autonomous,
}

/// Arguments of `mode`.
#[derive(Args, Clone, Debug)]
pub struct ModeArgs {
    /// Which process.
    #[command(flatten)]
    pub place: Where,
    /// The mode to change to; shows the present one when not given.
    pub mode: Option<ModeName>,
    /// Waives the fourteen days of advisory record, with this reason.
    #[arg(long = "override", value_name = "REASON")]
    pub override_reason: Option<String>,
}

/// One of the plain views.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// `status`.
    Status,
    /// `agents`.
    Agents,
    /// `positions`.
    Positions,
    /// `orders`.
    Orders,
    /// `universe`.
    Universe,
}

/// One of the verbs that change the trading state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateVerb {
    /// `halt`.
    Halt,
    /// `reduce`.
    Reduce,
    /// `resume`.
    Resume,
    /// `flatten`.
    Flatten,
}

/// Prints a view.
///
/// # Errors
/// When nobody answers, or writing fails.
pub async fn plain(
    view: Plain,
    place: &Where,
    format: Format,
    out: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    let name = match view {
        Plain::Status => "status",
        Plain::Agents => "agents",
        Plain::Positions => "positions",
        Plain::Orders => "orders",
        Plain::Universe => "universe",
    };
    let value = connect(place)?.get(name).await?;
    show(&value, format, out)
}

/// Prints the last rounds, or one of them.
///
/// # Errors
/// When there is neither a process nor a log, or no such round.
pub async fn rounds(
    args: &RoundsArgs,
    format: Format,
    out: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    let id = args.id.as_deref().map(safe_id).transpose()?;
    let path = id.map_or_else(|| "rounds".to_owned(), |id| format!("rounds/{id}"));
    let dir = store_dir(args.place.store.as_deref())?;
    let asked = match Control::find(&dir) {
        Ok(control) => control.get(&path).await,
        Err(error) => Err(error),
    };
    let value = match asked {
        Err(error) if error.code == ExitCode::NotRunning && has_log(&log_dir(&dir)) => {
            rounds_on_disk(&dir, id)?
        }
        other => other?,
    };
    show(&value, format, out)
}

/// What a process that has ended left in its log.
fn rounds_on_disk(dir: &Path, id: Option<&str>) -> Result<Value, CliError> {
    let dir = log_dir(dir);
    let found = match id {
        Some(id) => rounds::one(&dir, id),
        None => rounds::last(&dir).map(Some),
    };
    let found = found.map_err(|error| {
        CliError::new(ExitCode::Data, "the audit cannot be read").caused_by(error)
    })?;
    found.ok_or_else(|| {
        let text = format!("there is no decision `{}`", id.unwrap_or_default());
        CliError::new(ExitCode::NotFound, text)
    })
}

/// Lists or answers approvals.
///
/// # Errors
/// When nobody answers, or no such item waits.
pub async fn approvals(
    args: &ApprovalsArgs,
    format: Format,
    out: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    let control = connect(&args.place)?;
    let (id, word, note) = match &args.action {
        ApprovalAction::List => return show(&control.get("approvals").await?, format, out),
        ApprovalAction::Approve { id, note } => (id, "approve", note),
        ApprovalAction::Deny { id, note } => (id, "deny", note),
    };
    let path = format!("approvals/{}/{word}", safe_id(id)?);
    let value = control.post(&path, &json!({ "reason": note })).await?;
    show(&value, format, out)
}

/// Shows or changes the mode.
///
/// # Errors
/// When nobody answers, or the change is refused.
pub async fn mode(
    args: &ModeArgs,
    format: Format,
    out: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    let control = connect(&args.place)?;
    let Some(mode) = args.mode else {
        let status = control.get("status").await?;
        let mode = status.pointer("/mode").cloned().unwrap_or_default();
        return show(&json!({"schema": "mode/1", "mode": mode}), format, out);
    };
    let name = mode.to_possible_value().map(|value| value.get_name().to_owned());
    let body = json!({"mode": name, "override_reason": args.override_reason});
    show(&control.post("mode", &body).await?, format, out)
}

/// Halts, reduces, resumes or flattens. A halt works without an answer: its flag file stops entries.
///
/// # Errors
/// When the command is refused, or nobody answers a command that needs one.
pub async fn state(
    verb: StateVerb,
    args: &WhyArgs,
    format: Format,
    out: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    let name = match verb {
        StateVerb::Halt => "halt",
        StateVerb::Reduce => "reduce",
        StateVerb::Resume => "resume",
        StateVerb::Flatten => "flatten",
    };
    if matches!(verb, StateVerb::Flatten | StateVerb::Resume) {
        confirm(name, args.yes)?;
    }
    let dir = store_dir(args.place.store.as_deref())?;
    if verb == StateVerb::Halt {
        raise_flag(&dir, &args.reason)?;
    }
    // A halt has its flag file: it need not wait for a process that may be wedged.
    let patience = if verb == StateVerb::Halt { HALT_PATIENCE } else { PATIENCE };
    let answer = match Control::find_within(&dir, patience) {
        Ok(control) => control.post(name, &json!({ "reason": args.reason })).await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(mut value) => {
            if let Some(fields) = value.as_object_mut().filter(|_| verb == StateVerb::Halt) {
                fields.insert(
                    "way".to_owned(),
                    "the process answered; the flag file stands too".into(),
                );
            }
            show(&value, format, out)
        }
        Err(error) if verb == StateVerb::Halt => halted_by_flag(&error, &dir, format, out),
        Err(error) if verb == StateVerb::Resume && error.code == ExitCode::NotRunning => {
            lower_flag(&dir)?;
            Err(error)
        }
        Err(error) => Err(error),
    }
}

/// A halt that the process did not answer. Its flag stands, whatever the reason: nobody may take the halt for
/// lost, nor believe that a run is halted whose flag was not raised.
fn halted_by_flag(
    error: &CliError,
    dir: &Path,
    format: Format,
    out: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    if is_over(error, dir) {
        let text = format!(
            "nothing is halted: no process is at work in {dir}. Its flag file is raised and holds for its \
             next start; a council at work in another directory goes on: name that with --store",
            dir = dir.display()
        );
        return Err(CliError::new(ExitCode::NotRunning, text));
    }
    if is_silence(error) {
        let text = "the flag file is raised: no entry leaves, now or after a restart; \
                    protective exits and cancels go on. No process answered.";
        let way = format!("flag file: {}", error.message);
        let value = json!({"schema": "state/1", "state": "halted", "text": text, "way": way});
        return show(&value, format, out);
    }
    let text = "the flag file is raised all the same: no entry leaves, now or after a restart";
    Err(CliError::new(error.code, format!("{}\n{text}", error.message)))
}

fn is_silence(error: &CliError) -> bool {
    matches!(error.code, ExitCode::NotRunning | ExitCode::Timeout)
}

/// Whether nobody answers because nobody is there.
fn is_over(error: &CliError, dir: &Path) -> bool {
    error.code == ExitCode::NotRunning && is_held(dir) == Some(false)
}

/// Raises the flag file on the order path: from now on no entry leaves, whoever lives.
///
/// # Errors
/// When it cannot be written.
pub(super) fn raise_flag(dir: &Path, reason: &str) -> Result<(), CliError> {
    let path = dir.join(HALT_FILE);
    std::fs::write(&path, format!("{reason}\n")).map_err(|error| {
        let text = format!("the flag file {} could not be written: {error}", path.display());
        CliError::new(ExitCode::NotFound, text)
    })
}

fn lower_flag(dir: &Path) -> Result<(), CliError> {
    match std::fs::remove_file(dir.join(HALT_FILE)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(CliError::new(ExitCode::Failure, format!("the flag file stands: {error}")))
        }
        _ => Ok(()),
    }
}

/// Asks a person at a terminal; without one, `--yes` is needed.
fn confirm(verb: &str, yes: bool) -> Result<(), CliError> {
    use std::io::{BufRead as _, IsTerminal as _};
    if yes {
        return Ok(());
    }
    let refuse = || {
        let text = format!("`{verb}` needs --yes, or a person who types `{verb}` at a terminal");
        CliError::new(ExitCode::Usage, text)
    };
    if !std::io::stdin().is_terminal() {
        return Err(refuse());
    }
    let mut answer = String::new();
    let _ = writeln!(std::io::stderr(), "type `{verb}` to go on:");
    let _ = std::io::stdin().lock().read_line(&mut answer);
    if answer.trim() == verb { Ok(()) } else { Err(refuse()) }
}

fn connect(place: &Where) -> Result<Control, CliError> {
    Control::find(&store_dir(place.store.as_deref())?)
}

/// Ids are made of letters, digits and `-`, `_`, `.`; anything else cannot be one of ours.
fn safe_id(id: &str) -> Result<&str, CliError> {
    let is_known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if id.chars().all(is_known) && !id.is_empty() && id.len() <= 80 {
        Ok(id)
    } else {
        Err(CliError::new(ExitCode::NotFound, format!("`{id}` is not the id of anything")))
    }
}

/// JSON as it is, or as tables for people: objects as pairs, lists of objects as rows.
pub(super) fn show(
    value: &Value,
    format: Format,
    out: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    let text = match format {
        Format::Json => format!("{value:#}\n"),
        Format::Jsonl => format!("{value}\n"),
        Format::Text => render(value),
    };
    out.write_all(text.as_bytes())
        .map_err(|error| CliError::new(ExitCode::Failure, format!("cannot write: {error}")))
}

fn render(value: &Value) -> String {
    let Value::Object(fields) = value else { return format!("{}\n", cell(value)) };
    let mut pairs = Table::pairs();
    let mut blocks = Vec::new();
    for (name, field) in fields.iter().filter(|(name, _)| *name != "schema") {
        match field {
            Value::Array(rows) if rows.iter().any(Value::is_object) => {
                blocks.push((name, rows_table(rows)));
            }
            Value::Object(inner) if !inner.is_empty() => {
                let mut table = Table::pairs();
                for (key, value) in inner {
                    table.row([key.clone(), cell(value)]);
                }
                blocks.push((name, table.to_string()));
            }
            other => {
                pairs.row([name.clone(), cell(other)]);
            }
        }
    }
    let blocks = blocks.into_iter().map(|(name, text)| format!("\n{name}\n{text}"));
    format!("{pairs}{}", blocks.collect::<String>())
}

/// Columns that say what a row is about; the others follow by name.
const LEADING: &[&str] = &["name", "team", "budget", "at", "decision", "symbol", "state"];

fn rows_table(rows: &[Value]) -> String {
    let Some(Value::Object(first)) = rows.first() else { return String::new() };
    let mut names: Vec<&str> = first.keys().map(String::as_str).collect();
    // A table holds words and figures; what is nested is in the document, and in the view of the one.
    let is_nested = |name: &str| rows.iter().filter_map(|row| row.get(name)).any(nests);
    names.retain(|name| !is_nested(name));
    let place = |name: &&str| LEADING.iter().position(|it| it == name).unwrap_or(LEADING.len());
    names.sort_by_key(place);
    let is_number = |name: &str| rows.iter().any(|row| row.get(name).is_some_and(Value::is_number));
    let align = |name: &str| if is_number(name) { Align::Right } else { Align::Left };
    let columns: Vec<(&str, Align)> = names.iter().map(|name| (*name, align(name))).collect();
    let mut table = Table::new(columns);
    for row in rows {
        table.row(names.iter().map(|name| row.get(*name).map_or_else(String::new, cell)));
    }
    table.to_string()
}

fn nests(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| item.is_object() || item.is_array()),
        other => other.is_object(),
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_never_a_path() {
        assert!(safe_id("AAPL-20130301T210000-entry").is_ok());
        for bad in ["", "../x", "a/b", "a b", "a?b"] {
            assert!(safe_id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nested_values_become_tables() {
        let value =
            json!({"schema": "x/1", "mode": "advisory", "budgets": [{"budget": "a", "limit": 3}]});
        let text = render(&value);
        assert!(
            text.contains("advisory") && text.contains("budget") && !text.contains("x/1"),
            "{text}"
        );
        let text = render(&json!({"agents": [{"failed": 0, "name": "signal_analyst"}]}));
        assert!(text.find("name") < text.find("failed"), "{text}");
        let rows =
            json!([{"name": "a", "votes": ["x", "y"], "seats": [{"deep": 1}]}, {"name": "b"}]);
        let text = render(&json!({ "rounds": rows }));
        assert!(text.contains("x, y") && !text.contains("seats"), "{text}");
    }
}
