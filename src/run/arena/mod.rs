//! A season of the arena as a process: its bars, its directory, its ticks, and what it leaves.

mod archive;
mod library;
mod log;
mod mind;
mod mirror;
mod outside;
mod play;
mod prepare;
mod purses;
mod shares;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use conclave_actors::arena::{Arena, ArenaLog};
use conclave_actors::runtime::fence::Fence;
use conclave_actors::runtime::ports::{Clock, SpendLedger};
use conclave_domain::arena::season::Season;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::runtime::{Handle, Runtime};

use self::archive::Lines;
pub(crate) use self::library::{Texts, raw_statement};
use self::log::Played;
use self::mind::seat;
use self::outside::Outside;
pub(crate) use self::outside::Record;
pub(crate) use self::prepare::{Prepared, Span, prepare, read};
pub(crate) use self::purses::CONTESTANTS_DIR;
use self::purses::{Purses, Terms};
use super::clock::ReplayClock;
use super::world::{self, Opened};
use super::{runtime, spend};
pub(crate) use crate::adapters::arena_store::CHATS_FILE;
use crate::adapters::audit_files::has_log;
use crate::adapters::spend_ledger::SpendFile;
use crate::brains::contestants::{self, Connected};
use crate::cli::arena::Notify;
use crate::cli::error::{CliError, ExitCode};
use crate::config::Config;
use crate::report::arena::ArenaReport;
use crate::run::post::Outlet;

/// The file that names the directory of the latest season.
const LATEST: &str = "latest-arena";

/// Where the latest season lies.
///
/// # Errors
/// When there is none.
pub(crate) fn latest() -> Result<PathBuf, CliError> {
    let runs = Path::new("runs");
    let none = || CliError::new(ExitCode::NotFound, "no season has been played here yet");
    let name = std::fs::read_to_string(runs.join(LATEST)).map_err(|_| none())?;
    // A name of ours has no separator: nothing but a directory below `runs` is meant.
    let name = name.trim();
    if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
        return Err(none());
    }
    Ok(runs.join(name))
}

/// A directory of its own for a season: the first `runs/arena-NAME-N` that is free.
///
/// # Errors
/// When none can be made.
pub(crate) fn fresh(season: &str) -> Result<PathBuf, CliError> {
    let runs = Path::new("runs");
    std::fs::create_dir_all(runs)?;
    for number in 1..=100_000_u32 {
        let name = format!("arena-{season}-{number}");
        match std::fs::create_dir(runs.join(&name)) {
            Ok(()) => {
                std::fs::write(runs.join(LATEST), &name)?;
                return Ok(runs.join(name));
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CliError::new(ExitCode::Failure, "there are too many seasons below runs"))
}

/// Where a season lies, and where else its record is kept.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Its directory.
    pub(crate) dir: PathBuf,
    /// Whether it goes on with the one that is there.
    pub(crate) resume: bool,
    /// Where else.
    pub(crate) record: Record,
    /// What people are told.
    pub(crate) notify: Notify,
    /// What the process counts.
    pub(crate) metrics: PrometheusHandle,
}

/// A season that can be played.
#[derive(Debug)]
pub(crate) struct Ready {
    /// On which it was connected to its providers, and is played.
    runtime: Runtime,
    prepared: Prepared,
    /// What its log says already.
    played: Played,
    connected: Connected,
    outlet: Option<Outlet>,
}

/// Looks what the log of a season in `resume` says, and whether everybody's models can be asked and people
/// can be told, before anything is written. A season that is over asks and tells nobody.
///
/// # Errors
/// When the directory holds another season or is damaged (8), a key, a price or a way out is missing (3), or
/// no model's provider answers (9).
pub(crate) fn ready(
    prepared: &Prepared,
    config: &Config,
    notify: Notify,
    resume: Option<&Path>,
) -> Result<Ready, CliError> {
    let runtime = runtime()?;
    let mut played = Played::default();
    if let Some(dir) = resume.filter(|dir| has_log(dir)) {
        played = Played::read(dir, prepared)?;
    }
    if played.is_over {
        let connected = runtime.block_on(contestants::connected(config, &[]))?;
        return Ok(Ready { runtime, prepared: prepared.clone(), played, connected, outlet: None });
    }
    let prepared = prepared.under(config)?;
    played.goes_on_as(resume.unwrap_or_else(|| Path::new("")), &prepared)?;
    let models = prepared.models();
    contestants::check(config, &models)?;
    let outlet = runtime.block_on(outside::outlet(notify, &config.notify))?;
    let connected = runtime.block_on(contestants::connected(config, &models))?;
    Ok(Ready { runtime, prepared, played, connected, outlet })
}

/// Plays a season, or goes on with the one in its directory, and writes what it leaves there. A record
/// elsewhere that is not complete is told as a warning: the season is.
///
/// # Errors
/// When the directory refuses, or the log cannot be written.
pub(crate) fn play(config: &Config, place: &Place, ready: Ready) -> Result<ArenaReport, CliError> {
    let Ready { runtime, prepared, played, connected, outlet } = ready;
    let Place { dir, resume, record, notify, metrics } = place;
    let prepared = &prepared;
    let mut config = config.clone();
    // Nothing is kept in the store but the end of the log.
    "redb".clone_into(&mut config.store.engine);
    let season = Season::new(prepared.spec.clone()).map_err(|error| failed(&error))?;
    let season = season.with_library(Arc::clone(&prepared.library));
    let clock = Arc::new(ReplayClock::default());
    let opened = world::open(dir, &config, *resume, Arc::clone(&clock) as Arc<dyn Clock>)?;
    played.is_whole(dir, opened.head)?;
    archive::describe(prepared, &[], dir)?;
    let metrics = (!played.is_over).then(|| metrics.clone());
    let lines = Lines::create(dir, metrics)?;
    let ledger = if played.is_over { None } else { ledger_of(prepared, &config, dir)? };
    let terms = Terms {
        spec: &prepared.spec,
        config: &config,
        connected,
        dir,
        log: Arc::clone(&opened.sink),
        clock,
        ledger: ledger.clone().map(|ledger| ledger as Arc<dyn SpendLedger>),
    };
    // A task of it is begun on the runtime, which moves it whenever the season waits.
    let outside = async { Outside::of(record, dir, (outlet, *notify)) };
    let outside = runtime.block_on(outside);
    let told = season_of(prepared, season, played, (&opened, lines, &outside, terms));
    let report = runtime.block_on(told);
    if let Some(Err(error)) = ledger.as_ref().map(|ledger| ledger.finish()) {
        let error = &error as &dyn std::error::Error;
        tracing::error!(error, "what was not settled in the ledger counts in full for a day");
    }
    let report = report?;
    archive::write(&report, prepared, dir)?;
    runtime.block_on(outside.close(dir));
    Ok(report)
}

/// The ledger of all runs, where somebody's models are asked.
fn ledger_of(
    prepared: &Prepared,
    config: &Config,
    dir: &Path,
) -> Result<Option<Arc<SpendFile>>, CliError> {
    if prepared.models().is_empty() {
        return Ok(None);
    }
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let run = dir.file_name().unwrap_or_default().to_string_lossy();
    spend::open(config, &run)
}

async fn season_of(
    prepared: &Prepared,
    season: Season,
    played: Played,
    (opened, lines, outside, terms): (&Opened, Lines, &Outside, Terms<'_>),
) -> Result<ArenaReport, CliError> {
    let spec = &prepared.spec;
    let (mut purses, mut seats) = (Purses::default(), Vec::new());
    // Who is asked nothing any more needs neither a seat nor a purse.
    if !played.is_over {
        purses = Purses::open(&terms, &played)?;
        for contestant in &spec.contestants {
            if !purses.absent().contains_key(&contestant.name) {
                seats.push(seat(contestant, spec, &mut purses)?);
            }
        }
    }
    let fence = Fence::new(world::stop_flag(&opened.dir));
    let log = ArenaLog { sink: Arc::clone(&opened.sink), head: opened.head, fence };
    let arena = Arena::start(seats, log, prepared.deadline, Handle::current()).await;
    let arena = arena.map_err(|error| failed(&error))?;
    purses.begin(&spec.season);
    let told = play::play(prepared, season, played, (&arena, lines, outside, &mut purses)).await;
    for note in purses.notes() {
        tracing::warn!("{note}");
    }
    arena.stop().await;
    told
}

fn failed(error: &dyn std::error::Error) -> CliError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    CliError::new(ExitCode::Failure, text)
}

#[cfg(test)]
mod tests;
