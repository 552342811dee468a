//! `run`: the council decides on a replay of bars, serves while it does, and reports at the end.

pub(crate) mod arena;
mod args;
mod bars;
mod checkpoint;
mod clock;
pub(crate) mod consulted;
pub mod desk;
mod expected;
mod finish;
mod hold;
mod inside;
mod keep;
mod keeper;
mod lifting;
mod live;
mod minds;
pub(crate) mod money;
mod news;
mod post;
mod prepare;
mod pulse;
pub mod recipe;
pub mod records;
mod rehearsal;
mod reload;
pub(crate) mod repeat;
mod resume;
pub mod rounds;
pub(crate) mod scorecard;
pub mod select;
mod serve;
mod session;
pub(crate) mod spend;
mod start;
mod starts;
mod stopping;
mod stream;
mod team;
#[cfg(feature = "otlp")]
mod traces;
pub(crate) mod track;
pub mod train;
mod universe;
mod way;
mod world;

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use conclave_actors::runtime::ports::BrokerWitness;
use tokio::runtime::Runtime;
use tokio::sync::watch;

pub use args::{PolicyTerms, RunArgs};
use clock::ReplayClock;
pub(crate) use inside::{Inside, Room, play_inside};
pub(crate) use post::{Looked, look as look_at_post};
pub(crate) use prepare::Prepared;
use starts::Start;
use world::Opened;
pub(crate) use world::stored_anchor;

use crate::adapters::audit_files::AuditFiles;
use crate::adapters::broker_journal::BrokerJournal;
use crate::adapters::clock::now;
use crate::catalogue;
use crate::cli::error::{CliError, ExitCode};
use crate::cli::format::{Format, write_json};
use crate::cli::logging;
use crate::report::{RunReport, summary_table};

/// Runs `run`.
///
/// # Errors
/// When the configuration, the data or the store refuse, or the run cannot go on.
pub fn run(
    args: &RunArgs,
    config: Option<&Path>,
    format: Format,
    out: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    let mut prepared = match args.checked()?.place() {
        Some((dir, true)) => prepare::again(args, config, &dir)?,
        _ => prepare::prepare(args, config)?,
    };
    log(&prepared);
    #[cfg(feature = "otlp")]
    let _traces = traces::begin(&prepared.config)?;
    let metrics = catalogue::install()
        .map_err(|error| CliError::new(ExitCode::Failure, error.to_string()))?;
    let runtime = runtime()?;
    // Before anything is written: a run that cannot serve leaves nothing behind.
    runtime.block_on(serve::probe(&prepared.config, args.port.is_some()))?;
    let mut minds = runtime.block_on(minds::of(&mut prepared))?;
    let (id, place) = (fresh_id(), args.place());
    spend::of(&mut prepared, place.as_ref().map_or(Path::new(&id), |(dir, _)| dir))?;
    let fresh = || world::fresh_dir(&id, prepared.money()).map(|dir| (dir, false));
    let (dir, resume) = place.map_or_else(fresh, Ok)?;
    let clock = Arc::new(ReplayClock::default());
    let opened = open(args, &prepared, (&dir, resume), &clock)?;
    minds::record(&mut minds, args, &mut prepared, &dir)?;
    let start = Start::begin(&dir, &prepared.config.supervision, now())?;
    let (stop, stopped) = watch::channel(false);
    let interrupted = Arc::new(AtomicBool::new(false));
    let played = runtime.block_on(async {
        let differs = minds::stop_at_difference(prepared.shelf.clone(), stop.clone());
        let session = Session {
            args,
            config,
            metrics,
            dir: &dir,
            log: Arc::downgrade(&opened.audit),
            stop,
            stopped: stopped.clone(),
            interrupted: Arc::clone(&interrupted),
            loops: start.loops(),
        };
        tokio::select! {
            played = Box::pin(session.play(&prepared, &opened, clock, (out, format))) => played,
            never = differs => match never {},
        }
    });
    drop(runtime);
    spend::end(&prepared);
    let (report, is_told) = played.inspect_err(|error| starts::leave_halted(&dir, error))?;
    drop(opened);
    start.ended();
    minds::agree(&prepared)?;
    if !is_told {
        tell(&report, &dir, format, out)?;
        stopping::farewell(interrupted.load(Ordering::SeqCst), *stopped.borrow(), &dir)?;
    }
    rehearsal::end(args, &prepared, (&report, &dir, *stopped.borrow()), format, out)?;
    minds::answered(&prepared)
}

/// Logs as it is configured from now on, first of all what is to be known of a policy.
fn log(prepared: &Prepared) {
    // Where the command line has named a filter, that one counts.
    let _ = logging::configure(&prepared.config.log.level);
    prepared.of_its_policy.iter().for_each(|note| tracing::warn!("{note}"));
}

/// The one thread that a run lives on.
///
/// # Errors
/// When the system gives none.
pub(crate) fn runtime() -> Result<Runtime, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| CliError::new(ExitCode::Failure, format!("no runtime: {error}")))
}

/// Opens the run's directory, if it may be gone on with as it was begun.
fn open(
    args: &RunArgs,
    prepared: &Prepared,
    (dir, resume): (&Path, bool),
    clock: &Arc<ReplayClock>,
) -> Result<Opened, CliError> {
    if resume {
        resume::check(dir, prepared)?;
    }
    let mut opened = world::open(dir, &prepared.config, resume, clock.clone())?;
    opened.agree_on(&prepared.data_hash)?;
    if let Some(recipe) = prepared.recipe.as_ref().filter(|_| !resume) {
        recipe.write(dir)?;
    }
    opened.witness = witness(args)?;
    Ok(opened)
}

/// Who writes down what the broker sees, if that was asked for.
fn witness(args: &RunArgs) -> Result<Option<Arc<dyn BrokerWitness>>, CliError> {
    let Some(path) = &args.broker_journal else { return Ok(None) };
    let journal = BrokerJournal::open(path).map_err(|error| {
        let text = format!("--broker-journal {} cannot be written: {error}", path.display());
        CliError::new(ExitCode::Failure, text)
    })?;
    Ok(Some(Arc::new(journal)))
}

/// An id for a run's directory: the wall time, because nothing of it is in the records.
fn fresh_id() -> String {
    let now = now();
    format!("{}-{}", now.timestamp().strftime("%Y%m%dT%H%M%S"), std::process::id())
}

/// One process's part of a run.
struct Session<'a> {
    args: &'a RunArgs,
    /// The configuration's file, to be read again on SIGHUP.
    config: Option<&'a Path>,
    metrics: metrics_exporter_prometheus::PrometheusHandle,
    dir: &'a Path,
    /// The log, for the last words of a stop that hangs.
    log: Weak<AuditFiles>,
    stop: watch::Sender<bool>,
    stopped: watch::Receiver<bool>,
    /// Whether it was Ctrl-C that stopped it.
    interrupted: Arc<AtomicBool>,
    /// Why it must come up halted, if its former processes crashed one after the other.
    loops: Option<String>,
}

fn tell(
    report: &RunReport,
    dir: &Path,
    format: Format,
    out: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    if format != Format::Text {
        let text = std::fs::read(dir.join("summary.json"))?;
        let summary: serde_json::Value = serde_json::from_slice(&text)
            .map_err(|error| CliError::new(ExitCode::Data, error.to_string()))?;
        return write_json(&summary, format, out);
    }
    let shown = dir.display();
    write!(out, "{}", summary_table(report))?;
    writeln!(out, "\naudit chain verified; report: {shown}/report.html")?;
    Ok(())
}
