//! The start of a run's actors, its header, and the mode that it begins in.

use std::sync::Arc;
use std::time::Duration;

use conclave_actors::audit::record;
use conclave_actors::broker::Outside;
use conclave_actors::consensus::Patience;
use conclave_actors::council::{Carried, Council, CouncilSetup, World};
use conclave_actors::runtime::fence::Fence;
use conclave_actors::runtime::ports::{AuditSink, ContextSink, Done, Journal as _, SpendLedger};
use conclave_actors::safety::ModeRequest;
use conclave_domain::book::Book;
use conclave_domain::context::{BookKind, Update};
use conclave_domain::mode::{AdvisoryRecord, By, Mode, Person};
use conclave_domain::record::Step;
use conclave_domain::role::Team;
use conclave_domain::tally::Settle;
use serde_json::json;
use tokio::sync::oneshot;

use super::clock::ReplayClock;
use super::hold::Holding;
use super::prepare::{Prepared, Warm};
use super::way::Base;
use super::world::{self, Opened};
use crate::adapters::journal_files::JournalFiles;
use crate::adapters::safety_store::SafetyWriter;
use crate::cli::error::{CliError, ExitCode};

/// How long a round of a replay may take before the run fails: rules brains take microseconds. A model
/// has its own deadline before that.
const WATCHDOG: Duration = Duration::from_mins(1);
/// How long a hung agent holds up a round of a replay on request.
const FAULT_PATIENCE: Duration = Duration::from_millis(500);
/// The disks of one try to go on.
#[derive(Clone, Debug)]
pub(super) struct Disks {
    /// Where budgets, modes and the trading state go.
    pub(super) safety: Arc<SafetyWriter>,
    /// Where what only the report needs goes.
    pub(super) journal: Arc<JournalFiles>,
}

impl Disks {
    /// Opens them as `base` has left them.
    ///
    /// # Errors
    /// When one is damaged or cannot be opened.
    pub(super) fn open(opened: &Opened, base: &Base) -> Result<Self, CliError> {
        let safety = Arc::new(opened.safety(base.replayed.clone())?);
        let journal = Arc::new(opened.journal(&base.accounts)?);
        Ok(Self { safety, journal })
    }

    /// Waits until nothing of this try is written any more.
    pub(super) async fn rest(&self) {
        let (answer, answered) = oneshot::channel();
        self.journal.sync(Done::new(move |result| drop(answer.send(result))));
        // What it could not write is cut off by the next try.
        let _ = answered.await;
    }
}

/// Starts the actors on what the run goes on from.
pub(super) async fn start(
    prepared: &Prepared,
    (opened, disks, clock): (&Opened, &Disks, Arc<ReplayClock>),
    base: &Base,
    warm: &Warm,
    outside: Option<Outside>,
) -> Result<Council, CliError> {
    let patience = if outside.is_some() {
        Patience::Deadline(prepared.config.limits.consensus.patience)
    } else if prepared.faults.hangs() {
        Patience::Deadline(FAULT_PATIENCE.min(prepared.config.limits.consensus.patience))
    } else {
        Patience::Watchdog(WATCHDOG + prepared.slowest())
    };
    let setup = CouncilSetup {
        instruments: Arc::clone(&prepared.instruments),
        watch: warm.watch.clone(),
        custody: prepared.custody.clone(),
        book: book_of(&prepared.config.run.mode),
        stored: base.accounts.clone(),
        limits: Arc::new(prepared.config.limits.clone()),
        budgets: prepared.config.budgets.clone(),
        agents: prepared.agents.clone(),
        news: prepared.news.clone(),
        universe: prepared.universe.as_ref().map(|universe| {
            let until = prepared.warmed_until().or(base.until);
            universe.setup(&prepared.config, &prepared.series, until)
        }),
        faults: Arc::new(prepared.faults.clone()),
        approval_expiry: prepared.config.approvals.expiry,
        patience,
        settle: Settle::All,
        long_only: prepared.config.run.direction == "long",
        carried: Carried { digest: warm.digest.clone(), ..base.carried.clone() },
    };
    let hurry = setup.carried.hurry.clone();
    let audit: Arc<dyn AuditSink> = match base.comparing() {
        Some(comparing) => comparing,
        None => Arc::clone(&opened.sink),
    };
    let store: Arc<dyn ContextSink> = match base.comparing() {
        Some(until) => Arc::new(Holding::new(opened.store.clone(), until)),
        None => opened.store.clone(),
    };
    let world = World {
        audit,
        head: base.head,
        store,
        context: base.context.clone(),
        journal: Some(disks.journal.clone()),
        safety: disks.safety.clone(),
        clock,
        fence: Fence::new(world::stop_flag(&opened.dir)),
        // Most of what safety tells would not be brought about by playing the bars again.
        events: Arc::new(move |_| hurry.wish()),
        runtime: tokio::runtime::Handle::current(),
        ledger: prepared.ledger.clone().map(|ledger| ledger as Arc<dyn SpendLedger>),
        witness: opened.witness.clone(),
        outside,
    };
    let world = world.with_faults(&prepared.faults);
    let council = Council::start(setup, world).await.map_err(|error| {
        CliError::new(ExitCode::Failure, "the council did not start").caused_by(error)
    })?;
    council.score.remember(Arc::clone(&prepared.past));
    Ok(council)
}

/// The book that a mode decides on.
fn book_of(mode: &str) -> BookKind {
    if mode == Mode::Advisory.name() { BookKind::Shadow } else { BookKind::Real }
}

/// The run's header. It is no part of the record hash, so that a seed that is not used changes nothing.
///
/// It carries the books as they begin, so that the context can be repaired from here: a kill may have
/// left fills in the log that the stored accounts have not seen, and that are about to happen again.
pub(super) async fn begin(
    prepared: &Prepared,
    council: &Council,
    base: &Base,
) -> Result<(), CliError> {
    let failed = |error: String| CliError::new(ExitCode::Failure, error);
    let cash = prepared.config.run.cash;
    let begun = |book: BookKind| match base.accounts.get(&book) {
        Some(account) => {
            let now = Box::new(account.custody.book().clone());
            Ok(Update::BookReplaced { book, now })
        }
        None if base.context.book(book).is_some() => {
            Book::new(cash).map(|fresh| Update::BookReplaced { book, now: Box::new(fresh) })
        }
        None => Ok(Update::BookOpened { book, cash }),
    };
    let updates = BookKind::ALL.into_iter().map(begun).collect::<Result<Vec<_>, _>>();
    let updates = updates.map_err(|error| failed(error.to_string()))?;
    let mut body = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "seed": prepared.config.run.seed,
        "data_hash": prepared.data_hash,
        "strategy": prepared.source.config(),
        "config_hash": prepared.config_hash,
        "resumed_after": base.until,
        "updates": updates,
    });
    if let Some(money) = prepared.terms.in_header(prepared.money()) {
        body["money"] = money;
    }
    let at = base.until.unwrap_or_else(|| prepared.begins_at());
    let header = record(Step::RunStarted, None, at, &body);
    let header = header.map_err(|error| failed(error.to_string()))?;
    let ack = council.audit.append(vec![header]).await;
    let seq = ack.map_err(|error| failed(error.to_string()))?.seq;
    let applied = council.context.apply(updates, Some(seq)).await;
    applied.map(|_| ()).map_err(|error| failed(error.to_string()))
}

/// Puts a run that begins into the mode that was asked for; one that goes on keeps its own.
pub(super) async fn enter_mode(prepared: &Prepared, council: &Council) -> Result<(), CliError> {
    let wanted = Mode::ALL.into_iter().find(|mode| mode.name() == prepared.config.run.mode);
    let Some(to) = wanted else { return Ok(()) };
    if council.safety.mode(Team::Trading) == to {
        return Ok(());
    }
    let person = Person::authenticated("operator", "configuration");
    let request = ModeRequest {
        job: Team::Trading,
        to,
        by: By::Person(person),
        record: AdvisoryRecord::default(),
        override_reason: prepared.terms.of_mode(prepared.money()),
    };
    let set = council.safety.set_mode(request).await;
    set.map(|_| ())
        .map_err(|code| CliError::new(ExitCode::Denied, format!("{code}: {}", code.cause())))
}
