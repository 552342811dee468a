//! One life of a simulated process: from the disks to its crash, its stop or the end of the data.
//!
//! It starts the way a resumed run does: the context is repaired from the log, the books begin from
//! the stored accounts, and the bars since are played again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use conclave_domain::book::Book;
use conclave_domain::context::{BookKind, Context, Lasting, Update};
use conclave_domain::custody::CustodyConfig;
use conclave_domain::exits::ExitRules;
use conclave_domain::fixed::Money;
use conclave_domain::market::bar::Timeframe;
use conclave_domain::market::tape::Tape;
use conclave_domain::mode::Mode;
use conclave_domain::order::ExitReason;
use conclave_domain::record::Step;
use conclave_domain::sim_broker::SimConfig;
use conclave_domain::time::Time;
use conclave_domain::watch::MarketWatch;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::disk::{Opened, Ports, SafetyDevice};
use super::person;
use super::seen::Seen;
use super::stage::{Broke, Stage, is_closed, note_rounds};
use super::world::World;
use crate::audit::record;
use crate::broker::Account;
use crate::consensus::Patience;
use crate::council::{AgentSetup, Carried, Council, CouncilSetup, World as Outside};
use crate::driver;
use crate::news::NewsSetup;
use crate::runtime::brain::Brain;
use crate::runtime::faults::feed::FaultyFeed;
use crate::runtime::faults::ports::{FaultyAudit, FaultySafety, FaultyStore};
use crate::runtime::fence::Fence;
use crate::runtime::shell::PERMITS;

/// How a life ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The data ended.
    Data,
    /// It was stopped in order.
    Stopped,
    /// It crashed.
    Crashed,
    /// It gave up, as it may when its disks fail: it says why.
    GaveUp(String),
    /// It broke, as it never may.
    Broke(String),
}

/// The document that holds the accounts; numbered, so that the checker knows which it was.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) serial: u64,
    pub(super) accounts: BTreeMap<BookKind, Account>,
}

/// Its name in the context.
pub(super) const ACCOUNTS: &str = "accounts";
/// What each book begins with.
pub(super) const CASH: Money = Money::from_raw(100_000 * Money::SCALE);
/// How long anything may take that is not waiting for somebody, in simulated time.
pub(super) const STUCK: Duration = Duration::from_mins(20);

/// Lives from the disks on.
pub(super) async fn live(world: &World, opened: Opened, crashed: bool) -> End {
    tokio::select! {
        biased;
        () = world.disks.crash.notified() => End::Crashed,
        end = run(world, opened, crashed) => end,
    }
}

async fn run(world: &World, opened: Opened, crashed: bool) -> End {
    let kept =
        opened.context.documents.get(ACCOUNTS).map(|json| serde_json::from_str::<Kept>(json));
    let kept = match kept.transpose() {
        Ok(kept) => kept,
        Err(error) => return End::Broke(format!("the stored accounts are unreadable: {error}")),
    };
    let found = super::found(&opened, kept.as_ref().map(|kept| kept.serial), crashed);
    world.check(|checker| checker.reborn(&found));
    let stored = kept.map(|kept| kept.accounts).unwrap_or_default();
    let is_fresh = opened.lines == 0;
    let until = stored.values().map(|account| account.custody.now()).max();
    let mut tape = world.tape.clone();
    let watch = warmed(world, &mut tape, until);
    world.clock.set_trading(until.or(world.begins).unwrap_or(Time::EPOCH));
    let council = match start(world, &opened, stored.clone(), watch).await {
        Ok(council) => council,
        Err(why) => return End::GaveUp(why),
    };
    let end = lead(world, &council, &stored, (&opened.context, until), is_fresh, tape).await;
    let restarts =
        council.safety.directory().all().into_iter().map(|(_, it)| u64::from(it.restarts));
    world.restarts.fetch_add(restarts.sum(), Ordering::SeqCst);
    let stopping = tokio::time::timeout(STUCK, council.stop()).await;
    match (end, stopping) {
        (End::Data | End::Stopped, Err(_)) => End::Broke("the council does not stop".to_owned()),
        (end, _) => end,
    }
}

/// The watch over the bars that were played already.
fn warmed(world: &World, tape: &mut Tape, until: Option<Time>) -> MarketWatch {
    let mut watch = world.watch.clone();
    let Some(until) = until else { return watch };
    let mut played = tape.clone();
    while let Some(chunk) = played.next_chunk(1) {
        if chunk.ticks().first().is_none_or(|tick| tick.bar.close_time > until) {
            break;
        }
        watch.on_chunk(&chunk);
    }
    tape.skip_through(until);
    watch
}

async fn start(
    world: &World,
    opened: &Opened,
    stored: BTreeMap<BookKind, Account>,
    watch: MarketWatch,
) -> Result<Council, String> {
    let plan = &world.plan;
    let agent = |(name, brain): (&&'static str, &Arc<super::brains::SimBrain>)| {
        let brain: Arc<dyn Brain<_>> = Arc::clone(brain) as _;
        (*name, AgentSetup { brain, permits: PERMITS })
    };
    let sim =
        SimConfig { faults: world.faults.source().of_port(super::BROKER), ..plan.sim.clone() };
    let setup = CouncilSetup {
        instruments: Arc::clone(world.tape.instruments()),
        watch,
        custody: CustodyConfig { sim, exits: ExitRules::default(), guarded: true, cash: CASH },
        book: if plan.mode == Mode::Advisory { BookKind::Shadow } else { BookKind::Real },
        stored,
        limits: Arc::new(plan.limits.clone()),
        budgets: plan.budgets.clone(),
        agents: world.brains.iter().map(agent).collect(),
        faults: Arc::new(world.faults.clone()),
        approval_expiry: Duration::from_mins(5),
        patience: Patience::Deadline(plan.patience),
        settle: plan.settle,
        long_only: plan.long_only,
        news: NewsSetup::default(),
        universe: None,
        carried: Carried::default(),
    };
    let Ports { log, store } = world.disks.ports();
    let safety = SafetyDevice { device: store.clone(), clock: world.clock.clone() };
    let outside = Outside {
        audit: Arc::new(FaultyAudit::new(Arc::new(log), world.faults.clone())),
        head: opened.head,
        store: Arc::new(FaultyStore::new(Arc::new(store), world.faults.clone())),
        context: opened.context.clone(),
        journal: None,
        safety: Arc::new(FaultySafety::new(Arc::new(safety), world.faults.clone())),
        clock: world.wall.clone(),
        fence: Fence::without_flag(),
        events: Arc::new(|_| ()),
        runtime: Handle::current(),
        ledger: None,
        witness: Some(world.journal.clone()),
        outside: None,
    };
    let starting = tokio::time::timeout(STUCK, Council::start(setup, outside)).await;
    let started = starting.map_err(|_| "the council does not start".to_owned())?;
    started.map_err(|error| format!("the council did not start: {error}"))
}

/// From the header of the run to its end.
async fn lead(
    world: &World,
    council: &Council,
    stored: &BTreeMap<BookKind, Account>,
    (context, until): (&Context, Option<Time>),
    is_fresh: bool,
    tape: Tape,
) -> End {
    world.report_budgets(council, true).await;
    if let Err(why) = begin(council, stored, context, until.or(world.begins)).await {
        return End::GaveUp(why);
    }
    if is_fresh && let Err(code) = person::set_mode(&council.safety, world.plan.mode).await {
        return End::GaveUp(format!("the mode could not be entered: {code}"));
    }
    let (_going_on, stop) = watch::channel(false);
    let instruments = Arc::clone(tape.instruments());
    let faults = world.faults.clone();
    let mut feed = FaultyFeed::new(tape, &instruments, Timeframe::Day, faults);
    let mut stage = Stage::new(world, council.clone(), stop);
    let played = driver::play(&mut feed, 1, &mut stage).await;
    let ended = match played {
        Ok(_) => stage.last_look().await,
        Err(broke) => Err(broke),
    };
    match ended {
        Ok(()) => finish(world, council).await,
        Err(Broke::Stop) => End::Stopped,
        Err(Broke::Disk(why)) => End::GaveUp(why),
        Err(Broke::Never(why)) => End::Broke(why),
    }
}

/// The run's header, with the books as they begin.
async fn begin(
    council: &Council,
    stored: &BTreeMap<BookKind, Account>,
    context: &Context,
    at: Option<Time>,
) -> Result<(), String> {
    let begun = |book: BookKind| match stored.get(&book) {
        Some(account) => {
            Ok(Update::BookReplaced { book, now: Box::new(account.custody.book().clone()) })
        }
        None if context.book(book).is_some() => {
            Book::new(CASH).map(|fresh| Update::BookReplaced { book, now: Box::new(fresh) })
        }
        None => Ok(Update::BookOpened { book, cash: CASH }),
    };
    let updates = BookKind::ALL.into_iter().map(begun).collect::<Result<Vec<_>, _>>();
    let updates = updates.map_err(|error| error.to_string())?;
    let at = at.unwrap_or(Time::EPOCH);
    let header = record(Step::RunStarted, None, at, &json!({"updates": updates}));
    let header = header.map_err(|error| error.to_string())?;
    let ack = council.audit.append(vec![header]).await.map_err(|error| error.to_string())?;
    let applied = council.context.apply(updates, Some(ack.seq)).await;
    applied.map(drop).map_err(|error| error.to_string())
}

/// What is open is closed at the last close; the log ends in order.
async fn finish(world: &World, council: &Council) -> End {
    let gave_up = |why: String| End::GaveUp(format!("the run did not end in order: {why}"));
    council.market.finish().await;
    if let Err(error) = council.broker.flatten(None, None, ExitReason::EndOfData).await {
        if is_closed(council) {
            return gave_up("the log is closed".to_owned());
        }
        return End::Broke(format!("the last positions were not closed: {error:?}"));
    }
    if let Err(broke) = keep(world, council).await {
        return gave_up(broke);
    }
    let ended = record(Step::RunEnded, None, world.clock.trading_now(), &json!({}));
    let Ok(ended) = ended else { return End::Broke("no record of the end".to_owned()) };
    if let Err(error) = council.audit.append(vec![ended]).await {
        return gave_up(error.to_string());
    }
    if let Err(error) = council.audit.finish().await {
        return gave_up(error.to_string());
    }
    note_rounds(world, council);
    match council.context.flush().await {
        Ok(()) => End::Data,
        Err(error) => gave_up(error.to_string()),
    }
}

/// Stores the accounts. The log goes to the disk first: an account must not know of fills that the
/// log may yet lose.
pub(super) async fn keep(world: &World, council: &Council) -> Result<(), String> {
    let accounts = council.broker.export().await.map_err(|error| error.to_string())?;
    let serial = world.next_serial();
    let book = |(kind, account): (&BookKind, &Account)| {
        (kind.name().to_owned(), super::shown(account.custody.book()))
    };
    let books: serde_json::Map<String, Value> = accounts.iter().map(book).collect();
    world.journal.note(Seen::Accounts { books: Value::Object(books) });
    world.journal.note(Seen::Keeping { serial });
    council.audit.sync().await.map_err(|error| error.to_string())?;
    let kept = council.context.keep(ACCOUNTS, &Kept { serial, accounts }, Lasting::AtOnce).await;
    kept.map_err(|error| error.to_string())?;
    world.journal.note(Seen::Kept { serial });
    Ok(())
}
