//! `run`: the council decides on a replay of bars, serves while it does, and reports at the end.

mod args;
mod clock;
pub mod desk;
mod finish;
mod inside;
mod keep;
mod keeper;
mod prepare;
mod pulse;
pub mod recipe;
mod reload;
mod resume;
pub mod rounds;
mod serve;
mod starts;
mod stopping;
mod world;

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use conclave_actors::audit::record;
use conclave_actors::consensus::Patience;
use conclave_actors::council::{Council, CouncilSetup, World};
use conclave_actors::driver;
use conclave_actors::pump::{Pump, PumpError};
use conclave_actors::runtime::faults::feed::FaultyFeed;
use conclave_actors::runtime::fence::Fence;
use conclave_actors::safety::ModeRequest;
use conclave_domain::book::Book;
use conclave_domain::context::{BookKind, Update};
use conclave_domain::market::tape::Tape;
use conclave_domain::mode::{AdvisoryRecord, By, Mode, Person};
use conclave_domain::record::Step;
use conclave_domain::role::Team;
use conclave_domain::tally::Settle;
use conclave_domain::time::Time;
use serde_json::json;
use tokio::sync::watch;

pub use args::RunArgs;
use clock::{Replay, ReplayClock};
use finish::End;
pub(crate) use inside::{Inside, play_inside};
use keep::Keeping;
pub(crate) use prepare::Prepared;
use starts::Start;
use world::Opened;

use crate::adapters::audit_files::AuditFiles;
use crate::adapters::clock::now;
use crate::catalogue;
use crate::cli::error::{CliError, ExitCode};
use crate::cli::format::{Format, write_json};
use crate::cli::logging;
use crate::cli::progress::Progress;
use crate::report::{RunReport, summary_table};

/// How long a round of a replay may take before the run fails: rules brains take microseconds.
const WATCHDOG: Duration = Duration::from_mins(1);
/// How long a hung agent holds up a round of a replay on request.
const FAULT_PATIENCE: Duration = Duration::from_millis(500);

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
    let mut prepared = prepare::prepare(args, config)?;
    // Where the command line has named a filter, that one counts.
    let _ = logging::configure(&prepared.config.log.level);
    let metrics = catalogue::install()
        .map_err(|error| CliError::new(ExitCode::Failure, error.to_string()))?;
    let (dir, resume) = match args.place() {
        Some(place) => place,
        None => (world::fresh_dir(&fresh_id())?, false),
    };
    let clock = Arc::new(ReplayClock::default());
    if resume {
        resume::check(&dir, &prepared)?;
        prepared.go_on_as(&dir);
    }
    let opened = world::open(&dir, &prepared.config, resume, clock.clone())?;
    opened.agree_on(&prepared.data_hash)?;
    if let Some(recipe) = prepared.recipe.as_ref().filter(|_| !resume) {
        recipe.write(&dir)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .map_err(|error| CliError::new(ExitCode::Failure, format!("no runtime: {error}")))?;
    let start = Start::begin(&dir, &prepared.config.supervision, now())?;
    let (stop, stopped) = watch::channel(false);
    let interrupted = Arc::new(AtomicBool::new(false));
    let played = runtime.block_on(async {
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
        session.play(&mut prepared, &opened, clock, (out, format)).await
    });
    drop(runtime);
    let (report, is_told) = played.inspect_err(|error| starts::leave_halted(&dir, error))?;
    drop(opened);
    start.ended();
    if is_told {
        return Ok(());
    }
    tell(&report, &dir, format, out)?;
    stopping::farewell(interrupted.load(Ordering::SeqCst), *stopped.borrow(), &dir)
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

impl Session<'_> {
    async fn play(
        self,
        prepared: &mut Prepared,
        opened: &Opened,
        clock: Arc<ReplayClock>,
        (out, format): (&mut (dyn Write + Send), Format),
    ) -> Result<(RunReport, bool), CliError> {
        let played_until = opened.stored.values().map(|account| account.custody.now()).max();
        // What was spent before the stop stays spent: the budgets' windows go on from there.
        clock.set(played_until.unwrap_or_else(|| prepared.begins_at()));
        let council = start(prepared, opened, Arc::clone(&clock), played_until).await?;
        begin(prepared, &council, opened, played_until).await?;
        enter_mode(prepared, &council, opened).await?;
        if let Some(why) = &self.loops {
            starts::halt(&council, why).await?;
        }
        let server = serve::start(&self, prepared, &council, clock.clone()).await?;
        let progress = Progress::bars(prepared.tape.bars() as u64);
        let pump = Pump {
            council: council.clone(),
            stop: self.stopped.clone(),
            rhythm: Replay { clock, progress, pace: self.args.pace.unwrap_or_default() },
        };
        let (chunk, lift) = (prepared.chunk(), self.args.lift_halt_after);
        let (tape, faults) = (prepared.tape.clone(), prepared.faults.clone());
        let feed = FaultyFeed::new(tape, &prepared.instruments, prepared.timeframe, faults);
        let played = play(feed, chunk, pump, lift).await;
        let played = played.map_err(|error| {
            // Whatever a fallen council's part said first, the fall is what matters.
            let error = council.fallen().map_or(error, PumpError::Fallen);
            CliError::new(ExitCode::Failure, "the run could not go on").caused_by(error)
        })?;
        server.phase("closing the accounts and flushing the log");
        let end = if *self.stopped.borrow() { End::Stopped } else { End::Data };
        let (accounts, anchor) = finish::settle(&council, end, played).await?;
        server.phase("writing the report");
        let mut report = finish::report(prepared, &council, (self.dir, &accounts), anchor)?;
        finish::write(&report, self.dir)?;
        finish::verify(self.dir, &anchor)?;
        let stays = self.args.stay && end == End::Data;
        if stays {
            tell(&report, self.dir, format, out)?;
            serve::wait(self.stopped.clone()).await;
            // What people ordered meanwhile is in the audit too: its end has moved.
            report = finish::again(prepared, &council, (self.dir, &accounts)).await?;
            finish::write(&report, self.dir)?;
        }
        serve::end(server).await;
        council.stop().await;
        Ok((report, stays))
    }
}

/// Puts a fresh run into the mode that was asked for; a resumed one keeps its own.
async fn enter_mode(
    prepared: &Prepared,
    council: &Council,
    opened: &Opened,
) -> Result<(), CliError> {
    let wanted = Mode::ALL.into_iter().find(|mode| mode.name() == prepared.config.run.mode);
    let Some(to) = wanted.filter(|_| !opened.is_resumed) else { return Ok(()) };
    if council.safety.standing().mode(Team::Trading) == to {
        return Ok(());
    }
    let person = Person::authenticated("operator", "configuration");
    let request = ModeRequest {
        job: Team::Trading,
        to,
        by: By::Person(person),
        record: AdvisoryRecord::default(),
        override_reason: Some("started on simulated money".to_owned()),
    };
    let set = council.safety.set_mode(request).await;
    set.map(|_| ())
        .map_err(|code| CliError::new(ExitCode::Denied, format!("{code}: {}", code.cause())))
}

/// Plays the tape; a drawdown halt is lifted after some market time if that was asked for.
async fn play(
    mut feed: FaultyFeed<Tape>,
    chunk: usize,
    pump: Pump<Replay>,
    lift: Option<Duration>,
) -> Result<usize, PumpError> {
    let council = pump.council.clone();
    let Some(lift) = lift else {
        return driver::play(&mut feed, chunk, &mut Keeping::new(pump, council)).await;
    };
    let lifting = serve::Lifting::new(pump, lift);
    driver::play(&mut feed, chunk, &mut Keeping::new(lifting, council)).await
}

async fn start(
    prepared: &mut Prepared,
    opened: &Opened,
    clock: Arc<ReplayClock>,
    played_until: Option<Time>,
) -> Result<Council, CliError> {
    let watch = prepared.warmed_up(played_until)?;
    let patience = if prepared.faults.hangs() {
        Patience::Deadline(FAULT_PATIENCE.min(prepared.config.limits.consensus.patience))
    } else {
        Patience::Watchdog(WATCHDOG)
    };
    let setup = CouncilSetup {
        instruments: Arc::clone(&prepared.instruments),
        watch,
        custody: prepared.custody.clone(),
        book: book_of(&prepared.config.run.mode),
        stored: opened.stored.clone(),
        limits: Arc::new(prepared.config.limits.clone()),
        budgets: prepared.config.budgets.clone(),
        agents: prepared.agents.clone(),
        faults: Arc::new(prepared.faults.clone()),
        approval_expiry: prepared.config.approvals.expiry,
        patience,
        settle: Settle::All,
        long_only: prepared.config.run.direction == "long",
    };
    let world = World {
        audit: opened.audit.clone(),
        head: opened.head,
        store: opened.store.clone(),
        context: opened.context.clone(),
        journal: Some(opened.journal.clone()),
        safety: opened.safety.clone(),
        clock,
        fence: Fence::new(world::stop_flag(&opened.dir)),
        events: Arc::new(|_| ()),
        runtime: tokio::runtime::Handle::current(),
        witness: None,
    };
    let world = world.with_faults(&prepared.faults);
    let council = Council::start(setup, world).await;
    council.map_err(|error| {
        CliError::new(ExitCode::Failure, "the council did not start").caused_by(error)
    })
}

/// The book that a mode decides on.
fn book_of(mode: &str) -> BookKind {
    if mode == Mode::Advisory.name() { BookKind::Shadow } else { BookKind::Real }
}

/// The run's header. It is no part of the record hash, so that a seed that is not used changes nothing.
///
/// It carries the books as they begin, so that the context can be repaired from here: a kill may have
/// left fills in the log that the stored accounts have not seen, and that are about to happen again.
async fn begin(
    prepared: &Prepared,
    council: &Council,
    opened: &Opened,
    played_until: Option<Time>,
) -> Result<(), CliError> {
    let failed = |error: String| CliError::new(ExitCode::Failure, error);
    let cash = prepared.config.run.cash;
    let begun = |book: BookKind| match opened.stored.get(&book) {
        Some(account) => {
            let now = Box::new(account.custody.book().clone());
            Ok(Update::BookReplaced { book, now })
        }
        None if opened.context.book(book).is_some() => {
            Book::new(cash).map(|fresh| Update::BookReplaced { book, now: Box::new(fresh) })
        }
        None => Ok(Update::BookOpened { book, cash }),
    };
    let updates = BookKind::ALL.into_iter().map(begun).collect::<Result<Vec<_>, _>>();
    let updates = updates.map_err(|error| failed(error.to_string()))?;
    let body = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "seed": prepared.config.run.seed,
        "data_hash": prepared.data_hash,
        "strategy": prepared.strategy,
        "config_hash": prepared.config_hash,
        "resumed_after": played_until,
        "updates": updates,
    });
    let at = played_until.unwrap_or_else(|| prepared.begins_at());
    let header = record(Step::RunStarted, None, at, &body);
    let header = header.map_err(|error| failed(error.to_string()))?;
    let ack = council.audit.append(vec![header]).await;
    let seq = ack.map_err(|error| failed(error.to_string()))?.seq;
    let applied = council.context.apply(updates, Some(seq)).await;
    applied.map(|_| ()).map_err(|error| failed(error.to_string()))
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
