//! The arena's actors: a tree for each contestant, and the barrier that a tick is.
//!
//! Everybody is asked the same at the same moment; the tick closes when all have answered, or at its
//! deadline. What comes later has nobody to hear it. A contestant that panics, or whose actor ends,
//! has failed at this tick and is started anew; one that ends too often is given up alone, and the others
//! go on.
//!
//! - T-3: silence is never consent: who does not answer brings `late` or `failed`, never a rating.

mod contestant;
pub mod desk;
pub mod meter;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use conclave_domain::arena::book::BookView;
use conclave_domain::arena::gate::Library;
use conclave_domain::arena::memory::Lesson;
use conclave_domain::arena::snapshot::{MarketView, Snapshot};
use conclave_domain::arena::words::{Answered, Brought, ContestantName};
use conclave_domain::market::symbol::Symbol;
use ractor::SpawnErr;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::audit::{Audit, AuditHandle, audit};
use crate::council::AUDIT_ROOM;
use crate::runtime::fence::Fence;
use crate::runtime::ports::AuditSink;
use crate::runtime::refs::{StableRef, stable};
use crate::runtime::supervision::{ChildSpec, Intensity};
use crate::tree::Tree;
use conclave_domain::record::Anchor;
use contestant::{Contestant, ContestantMsg};

/// Restarts of a contestant within a minute; one more and it is given up.
const RESTARTS_MAX: usize = 3;

/// What a contestant is asked at a tick.
#[derive(Clone, Debug)]
pub struct Question {
    /// What everybody is shown.
    pub snapshot: Arc<Snapshot>,
    /// The bars up to then.
    pub view: MarketView,
    /// Texts and statements of all dates: a mind that shows them puts a gate in front.
    pub library: Arc<Library>,
    /// Its own book.
    pub book: BookView,
    /// What became of its own earlier decisions, by symbol, oldest first.
    pub lessons: BTreeMap<Symbol, Vec<Lesson>>,
}

/// The way back to the tick. Dropped without an answer, it says that the contestant has failed.
#[derive(Debug)]
pub struct Reply(oneshot::Sender<Answered>);

impl Reply {
    /// Answers; a tick that is over does not listen any more.
    pub fn answer(self, answered: Answered) {
        drop(self.0.send(answered));
    }

    /// Resolves when the tick is over and nobody listens any more.
    pub async fn closed(&mut self) {
        self.0.closed().await;
    }
}

/// What a contestant thinks with. It is made anew for every life of its actor, and answers at once or hands
/// the reply to a task of its own: nothing may be awaited here.
pub trait Mind: Send + 'static {
    /// Answers a question.
    fn think(&mut self, question: Question, reply: Reply);
}

/// How a contestant's mind is made.
pub type Making = Arc<dyn Fn() -> Box<dyn Mind> + Send + Sync>;

/// A contestant as it is set up.
#[derive(Clone)]
pub struct Seat {
    /// Who.
    pub name: ContestantName,
    /// Makes its mind, once for every life.
    pub make: Making,
    /// Actors that work for it, in its tree: they start before it and are started again alone.
    pub staff: Vec<ChildSpec>,
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seat").field(&self.name).finish()
    }
}

/// Where the arena's log is written.
#[derive(Debug)]
pub struct ArenaLog {
    /// The sink.
    pub sink: Arc<dyn AuditSink>,
    /// The log's end as it was opened.
    pub head: Anchor,
    /// Closed when the log can never be written again.
    pub fence: Arc<Fence>,
}

/// A contestant at work.
#[derive(Debug)]
struct Seated {
    actor: StableRef<ContestantMsg>,
    tree: Tree,
}

/// The arena's actors.
#[derive(Debug)]
pub struct Arena {
    /// The log of the season.
    pub audit: AuditHandle,
    root: Tree,
    seats: BTreeMap<ContestantName, Seated>,
    deadline: Duration,
}

impl Arena {
    /// Starts the log and every contestant in a tree of its own. A tick closes `deadline` after it began
    /// at the latest.
    ///
    /// # Errors
    /// When an actor does not start; those that did are stopped.
    pub async fn start(
        seats: Vec<Seat>,
        log: ArenaLog,
        deadline: Duration,
        runtime: Handle,
    ) -> Result<Self, SpawnErr> {
        let (audit, arguments) = audit(log.sink, log.head, AUDIT_ROOM);
        let spec = ChildSpec::new("audit", stable().0, move || (Audit, arguments.clone()));
        let fatal = Box::pin(audit.closed_for_good());
        let root = Tree::start(vec![spec], runtime.clone(), log.fence, Some(fatal)).await?;
        let mut arena = Self { audit, root, seats: BTreeMap::new(), deadline };
        for seat in seats {
            match seated(&seat, runtime.clone()).await {
                Ok(seated) => drop(arena.seats.insert(seat.name, seated)),
                Err(error) => {
                    arena.stop().await;
                    return Err(error);
                }
            }
        }
        Ok(arena)
    }

    /// Asks everybody named at once and waits until all have answered, at most until the deadline.
    pub async fn ask(
        &self,
        questions: BTreeMap<ContestantName, Question>,
    ) -> BTreeMap<ContestantName, Answered> {
        let until = Instant::now() + self.deadline;
        let mut asking = JoinSet::new();
        for (name, question) in questions {
            let actor = self.seats.get(&name).map(|seat| seat.actor.clone());
            asking.spawn(async move {
                let symbols: Vec<_> = question.snapshot.asked().cloned().collect();
                let heard = match actor {
                    Some(actor) => tokio::time::timeout_at(until, put(actor, question)).await,
                    None => Ok(Err(UNSEATED)),
                };
                let answered = match heard {
                    Ok(Ok(answered)) => answered,
                    Ok(Err(why)) => {
                        Answered::all(&symbols, &Brought::Failed { why: why.to_owned() })
                    }
                    Err(_) => Answered::all(&symbols, &Brought::Late),
                };
                (name, answered)
            });
        }
        let mut all = BTreeMap::new();
        while let Some(heard) = asking.join_next().await {
            // A task of ours that panicked brought nothing: the season calls that failed.
            if let Ok((name, answered)) = heard {
                all.insert(name, answered);
            }
        }
        all
    }

    /// Who was given up, and why.
    pub fn given_up(&self) -> BTreeMap<ContestantName, String> {
        let fallen =
            |(name, seat): (&ContestantName, &Seated)| Some((name.clone(), seat.tree.fallen()?));
        self.seats.iter().filter_map(fallen).collect()
    }

    /// Why the log cannot be written any more, if so.
    pub fn fallen(&self) -> Option<String> {
        self.root.fallen()
    }

    /// Stops every contestant, then the log.
    pub async fn stop(&self) {
        for seat in self.seats.values() {
            seat.tree.stop().await;
        }
        self.root.stop().await;
    }
}

/// Nobody of this name was seated.
const UNSEATED: &str = "was never started";
/// What a tick hears of a contestant that is not started again.
const GONE: &str = "was given up";
/// What a tick hears of a contestant whose answer was dropped.
const DROPPED: &str = "ended without an answer";

async fn seated(seat: &Seat, runtime: Handle) -> Result<Seated, SpawnErr> {
    let (publisher, actor) = stable();
    let make = Arc::clone(&seat.make);
    // A tree of its own: its name need not be another's, and nobody falls with it.
    let spec = ChildSpec::new("contestant", publisher, move || (Contestant, Arc::clone(&make)));
    let intensity = Intensity { restarts_max: RESTARTS_MAX, ..Intensity::default() };
    let children = seat.staff.iter().cloned().chain([spec]).collect();
    let tree = Tree::beside(children, runtime, intensity).await?;
    Ok(Seated { actor, tree })
}

/// Puts the question to the contestant as it is now, or as it is once it is there again.
async fn put(
    actor: StableRef<ContestantMsg>,
    question: Question,
) -> Result<Answered, &'static str> {
    let alive = actor.another_life(None).await.map_err(|_| GONE)?;
    let (answer, heard) = oneshot::channel();
    alive.cast(ContestantMsg::Decide(question, Reply(answer))).map_err(|_| DROPPED)?;
    heard.await.map_err(|_| DROPPED)
}
