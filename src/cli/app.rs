//! The whole command line: every verb in one enum, and one `match` that runs it.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use serde_json::json;

use super::control::{self, ApprovalsArgs, ModeArgs, Plain, RoundsArgs, StateVerb, Where, WhyArgs};
use super::error::{CliError, ExitCode};
use super::format::{Format, Told, write_json};
use super::{
    agents, alpaca, arena, audit, backtest, budgets, chaos, config, data, doctor, exchange,
    logging, man, metrics, replay, report, scorecard, select, status, train, watch,
};
use crate::http::openapi;
use crate::run::{self, RunArgs};

/// A supervised council of AI agents around a trading system.
///
/// Without a verb it runs the embedded data through the council: `conclave run`.
#[derive(Parser, Debug)]
#[command(name = "conclave", version, propagate_version = true)]
pub struct App {
    /// Configuration file; see `conclave config init`.
    #[arg(long, global = true, value_name = "FILE", env = "CONCLAVE_CONFIG")]
    pub config: Option<PathBuf>,
    /// How to print.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub format: Format,
    /// What to log to stderr: error, warn, info, debug, trace, or a filter such as `conclave=debug`;
    /// `log.level` of the configuration when not given.
    #[arg(long, global = true, value_name = "FILTER", env = "CONCLAVE_LOG")]
    pub log: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// The verbs.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Runs the council on a replay of bars, and reports; the default verb.
    Run(Box<RunArgs>),
    /// The agents: list, ask one, or print its prompt.
    Agents(agents::AgentsArgs),
    /// One complete snapshot of the running process, or one after the other.
    Status(status::StatusArgs),
    /// The last rounds, or one of them with its whole record.
    Rounds(RoundsArgs),
    /// What waits for a person.
    Approvals(ApprovalsArgs),
    /// Shows or changes the mode.
    Mode(ModeArgs),
    /// No new risk and no consultations; protective exits, cancels and your orders go on.
    Halt(WhyArgs),
    /// No new risk; agents may still advise exits.
    Reduce(WhyArgs),
    /// Lifts a halt or a reduction.
    Resume(WhyArgs),
    /// Closes every position.
    Flatten(WhyArgs),
    /// Budgets: limit, reserved, spent, remaining; out of the store where no process runs.
    Budgets(Where),
    /// The account and its open positions.
    Positions(Where),
    /// Orders and what became of them.
    Orders(Where),
    /// Which symbols a run may enter at present, and how their trades went.
    Universe(Where),
    /// The account at Alpaca behind the keys, without a running process: look at it, or stop it.
    Alpaca(alpaca::AlpacaArgs),
    /// Bars: what ships with the binary, checks of files, imports, synthetic markets.
    Data(data::DataArgs),
    /// What a run came to, from the files that it left.
    Report(Where),
    /// Performance metrics of any price or equity series.
    Metrics(metrics::MetricsArgs),
    /// A strategy or a trained policy alone through engine and ledger, or a grid of parameters.
    Backtest(Box<backtest::BacktestArgs>),
    /// Trains a policy, guided by the training team; `train ab` compares it with nobody's guidance.
    Train(Box<train::TrainArgs>),
    /// Which symbols are worth trading: filters, eight metrics, a list that is spread, and every reason.
    Select(Box<select::SelectArgs>),
    /// The arena: seasons of contestants in public, its rules, and books from elsewhere checked.
    Arena(Box<arena::ArenaArgs>),
    /// Makes everything fail, in simulated worlds or by killing runs, and proves that the council
    /// keeps its word.
    Chaos(chaos::ChaosArgs),
    /// An exchange on this machine that speaks Alpaca's language, for any of its clients.
    Exchange(Box<exchange::ExchangeArgs>),
    /// A run once more, byte for byte, or as it would have been: what if?
    Replay(Box<replay::ReplayArgs>),
    /// What each agent was worth: runs as they were beside the same without it.
    Scorecard(scorecard::ScorecardArgs),
    /// Looks at what a run wrote down, and proves that nothing was changed.
    Audit(audit::AuditArgs),
    /// Whether this machine and the latest run are as they should be, and what to do where not.
    Doctor(doctor::DoctorArgs),
    /// Tells when the heart of a run has stopped, and can stop its trading without its help.
    Watch(watch::WatchArgs),
    /// The configuration and where each value comes from.
    Config(config::ConfigArgs),
    /// Shell completions on stdout.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// The manual: its first page on stdout, or every page into a directory.
    Man(man::ManArgs),
    /// The description of the HTTP API (`OpenAPI` 3.1) on stdout.
    Openapi,
    /// The version and what it was built with.
    Version,
}

/// Runs a verb. Whoever asked for a document has one of its failure too, unless the verb has told it in one
/// of its own.
///
/// # Errors
/// What the verb ends with.
pub fn answer(app: App, out: &mut (dyn Write + Send)) -> Result<(), CliError> {
    let format = app.format;
    let mut out = Told::new(out);
    let done = start(app, &mut out);
    if let Err(error) = &done
        && format != Format::Text
        && !out.is_told()
    {
        let (exit, message) = (error.code.number(), error.chain());
        let document = json!({"schema": "failure/1", "exit": exit, "message": message});
        // Where nobody reads it, the exit code still tells.
        let _ = write_json(&document, format, &mut out);
    }
    done
}

/// Runs one command line.
///
/// # Errors
/// With the exit code and the text that `main` ends with.
fn start(app: App, out: &mut (dyn Write + Send)) -> Result<(), CliError> {
    let App { config: file, format, log, verb } = app;
    logging::start(log.as_deref())?;
    let verb = verb.unwrap_or_else(|| Verb::Run(Box::default()));
    match verb {
        Verb::Run(args) => run::run(&args, file.as_deref(), format, out),
        Verb::Agents(args) => {
            let loaded = config::load(file.as_deref(), &[])?;
            agents::run(&args, &loaded.config, format, out)
        }
        Verb::Status(args) => block_on(status::run(&args, format, out)),
        Verb::Budgets(place) => block_on(budgets::run(&place, format, out)),
        Verb::Positions(place) => block_on(control::plain(Plain::Positions, &place, format, out)),
        Verb::Orders(place) => block_on(control::plain(Plain::Orders, &place, format, out)),
        Verb::Universe(place) => block_on(control::plain(Plain::Universe, &place, format, out)),
        Verb::Rounds(args) => block_on(control::rounds(&args, format, out)),
        Verb::Approvals(args) => block_on(control::approvals(&args, format, out)),
        Verb::Mode(args) => block_on(control::mode(&args, format, out)),
        Verb::Halt(args) => block_on(control::state(StateVerb::Halt, &args, format, out)),
        Verb::Reduce(args) => block_on(control::state(StateVerb::Reduce, &args, format, out)),
        Verb::Resume(args) => block_on(control::state(StateVerb::Resume, &args, format, out)),
        Verb::Flatten(args) => block_on(control::state(StateVerb::Flatten, &args, format, out)),
        Verb::Alpaca(args) => block_on(alpaca::run(&args, file.as_deref(), format, out)),
        Verb::Data(args) => {
            accepted(file.as_deref())?;
            data::run(&args, file.as_deref(), format, out)
        }
        Verb::Report(place) => report::run(&place, format, out),
        Verb::Metrics(args) => {
            accepted(file.as_deref())?;
            metrics::run(&args, format, out)
        }
        Verb::Backtest(args) => backtest::run(&args, file.as_deref(), format, out),
        Verb::Train(args) => train::run(&args, file.as_deref(), format, out),
        Verb::Select(args) => select::run(&args, file.as_deref(), format, out),
        Verb::Arena(args) => {
            accepted(file.as_deref())?;
            arena::run(&args, file.as_deref(), format, out)
        }
        Verb::Chaos(args) => chaos::run(&args, format, out),
        Verb::Exchange(args) => {
            accepted(file.as_deref())?;
            block_on(exchange::run(&args, format, out))
        }
        Verb::Replay(args) => replay::run(&args, format, out),
        Verb::Scorecard(args) => scorecard::run(&args, format, out),
        Verb::Audit(args) => audit::run(&args, format, out),
        Verb::Doctor(args) => doctor::run(&args, file.as_deref(), format, out),
        Verb::Watch(args) => block_on(watch::run(&args, format, out)),
        Verb::Config(args) => config::run(&args, file.as_deref(), format, out),
        Verb::Completions { shell } => completions(shell, out),
        Verb::Man(args) => man::run(&args, out),
        Verb::Openapi => write_json(&openapi::document(), format, out),
        Verb::Version => version(format, out),
    }
}

/// Refuses a file that is named and invalid, for verbs that use nothing of it: a person who names one
/// means it. Verbs that speak to a running process ask nothing of it, least of all a halt.
fn accepted(file: Option<&Path>) -> Result<(), CliError> {
    file.map_or(Ok(()), |file| config::load(Some(file), &[]).map(drop))
}

/// Runs a client verb on a small runtime of its own.
pub(super) fn block_on(work: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .map_err(|error| CliError::new(ExitCode::Failure, format!("no runtime: {error}")))?;
    runtime.block_on(work)
}

fn completions(shell: Shell, out: &mut (dyn Write + Send)) -> Result<(), CliError> {
    // Into memory first: the generator panics where a pipe is closed.
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut App::command(), "conclave", &mut text);
    Ok(out.write_all(&text)?)
}

fn version(format: Format, out: &mut (dyn Write + Send)) -> Result<(), CliError> {
    let version = env!("CARGO_PKG_VERSION");
    if format == Format::Text {
        return writeln!(out, "conclave {version}")
            .map_err(|error| CliError::new(ExitCode::Failure, format!("cannot write: {error}")));
    }
    let value = serde_json::json!({"schema": "version/1", "version": version});
    write_json(&value, format, out)
}

#[cfg(test)]
mod flags;
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        App::command().debug_assert();
    }
}
