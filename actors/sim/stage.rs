//! The stations of a simulated council: the real pump, and everything that happens between slices.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use conclave_domain::context::BookKind;
use conclave_domain::faults::{Fault, Port};
use conclave_domain::market::tape::Chunk;
use conclave_domain::policy::caller::Look;
use conclave_domain::time::Time;
use conclave_domain::watch::{Raised, Seen as Watched};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::dice::Dice;
use super::life::{STUCK, keep};
use super::person;
use super::seen::Seen;
use super::world::{SimClock, World};
use crate::council::Council;
use crate::driver::{Advanced, Played, Stations};
use crate::inline::Attend;
use crate::pump::{Pump, PumpError, Rhythm};
use crate::runtime::ports::AuditError;

/// Why a life does not go on.
#[derive(Debug)]
pub(super) enum Broke {
    /// Somebody stops it in order.
    Stop,
    /// A disk fails for good, and whoever runs it starts it anew.
    Disk(String),
    /// What may never happen.
    Never(String),
}

/// Market time follows the bars.
#[derive(Debug)]
struct Following(Arc<SimClock>);

impl Rhythm for Following {
    async fn before(&mut self, _: &Chunk) {
        // The stage has waited already.
    }

    fn at(&mut self, time: Time) {
        self.0.set_trading(time);
    }
}

/// A council on stage.
pub(super) struct Stage<'a> {
    world: &'a World,
    council: Council,
    pump: Pump<Following>,
    acts: JoinSet<()>,
    since_kept: u64,
}

impl<'a> Stage<'a> {
    pub(super) fn new(world: &'a World, council: Council, stop: watch::Receiver<bool>) -> Self {
        let rhythm = Following(world.clock.clone());
        let pump = Pump { council: council.clone(), stop, rhythm };
        Self { world, council, pump, acts: JoinSet::new(), since_kept: 0 }
    }

    /// Between two slices, when every effect of the former is booked.
    async fn between(&mut self, chunk: &Chunk) -> Result<(), Broke> {
        self.settle().await?;
        let world = self.world;
        let slice = world.next_slice();
        if world.faults.planned(Port::Process, slice, &[Fault::Stop]).is_some() {
            return match keep(world, &self.council).await {
                Ok(()) => {
                    note_rounds(world, &self.council);
                    Err(Broke::Stop)
                }
                Err(why) => Err(Broke::Disk(why)),
            };
        }
        self.since_kept += 1;
        if self.since_kept >= world.plan.keep_every {
            self.since_kept = 0;
            // A disk that fails keeps nobody from trading; a log that is broken ends the process.
            if keep(world, &self.council).await.is_err() && self.council.audit.sync().await.is_err()
            {
                return Err(Broke::Disk("the log takes nothing any more".to_owned()));
            }
        }
        self.note_slice(chunk);
        let lot = Dice::lot(world.plan.seed, "pace", slice);
        tokio::time::sleep(Duration::from_secs(lot % (world.plan.pace_s + 1))).await;
        let acts = Port::Person.faults();
        if let Some(act) = world.faults.planned(Port::Person, slice, acts) {
            let after_ms = Dice::lot(world.plan.seed, "act", slice) % 60;
            let (council, journal) = (self.council.clone(), Arc::clone(&world.journal));
            self.acts.spawn(person::act(act, after_ms, council, journal));
        }
        Ok(())
    }

    /// Waits for whoever acts, answers what waits, and looks at everything.
    async fn settle(&mut self) -> Result<(), Broke> {
        while let Some(ended) = in_time("a person's act", self.acts.join_next()).await? {
            if let Err(error) = ended {
                return Err(Broke::Never(format!("an act ended badly: {error}")));
            }
        }
        in_time(
            "an approval",
            person::answer(&self.council, self.world.plan.seed, self.world.slice()),
        )
        .await?;
        self.look().await
    }

    /// What the outside sees at this moment, all of it checked.
    async fn look(&mut self) -> Result<(), Broke> {
        let world = self.world;
        if let Some(why) = self.council.fallen() {
            return Err(self.fell(format!("the council has fallen: {why}")));
        }
        world.report_budgets(&self.council, false).await;
        let context = in_time("the context", self.council.context.fresh()).await?;
        if let Ok(context) = context {
            let book = |kind: BookKind| {
                let state = context.book(kind)?;
                Some((kind.name().to_owned(), super::shown(&state.book)))
            };
            let books: serde_json::Map<String, Value> =
                BookKind::ALL.into_iter().filter_map(book).collect();
            world.journal.note(Seen::Books { books: json!(books) });
        }
        if world.look() { Ok(()) } else { Err(Broke::Never(String::new())) }
    }

    /// The end of the data: one look more.
    pub(super) async fn last_look(&mut self) -> Result<(), Broke> {
        self.settle().await
    }

    /// A council falls when its log is closed for good, and never otherwise.
    fn fell(&self, why: String) -> Broke {
        if is_closed(&self.council) { Broke::Disk(why) } else { Broke::Never(why) }
    }

    fn broke(&self, error: &PumpError) -> Broke {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        self.fell(format!("the run could not go on: {text}"))
    }

    fn note_slice(&self, chunk: &Chunk) {
        let Some(first) = chunk.ticks().first() else { return };
        let at = first.bar.close_time;
        let instruments = self.world.tape.instruments();
        let close = |tick: &conclave_domain::market::tape::Tick| {
            let of = instruments.get(usize::from(tick.instrument))?;
            Some((of.symbol.to_string(), tick.bar.close.to_string()))
        };
        let closes: BTreeMap<String, String> = chunk.ticks().iter().filter_map(close).collect();
        self.world.journal.note(Seen::Slice { at: at.to_string(), trading_ms: at.ms(), closes });
    }
}

/// Whether the council's log is closed until a restart.
pub(super) fn is_closed(council: &Council) -> bool {
    matches!(council.audit.trouble(), Some(AuditError::Broken { .. }))
}

/// Waits, but not for ever: what takes longer than anything may is stuck.
async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> Result<T, Broke> {
    let waited = tokio::time::timeout(STUCK, work).await;
    waited.map_err(|_| Broke::Never(format!("stuck: {what} did not come to its end")))
}

/// Notes how many rounds the council says it has held, once everything that it wrote is in the log.
pub(super) fn note_rounds(world: &World, council: &Council) {
    let rounds = council.score.stats().rounds_total();
    world.journal.note(Seen::Held { rounds });
}

impl Stations for Stage<'_> {
    type Event = (BookKind, Attend);
    type Error = Broke;

    async fn watch(&mut self, chunk: &Arc<Chunk>) -> Result<Watched, Broke> {
        self.between(chunk).await?;
        in_time("the market", self.pump.watch(chunk)).await?.map_err(|error| self.broke(&error))
    }

    async fn advance(
        &mut self,
        played: &Played,
        slices: Range<usize>,
    ) -> Result<Advanced<Self::Event>, Broke> {
        let advanced = in_time("the broker", self.pump.advance(played, slices)).await?;
        advanced.map_err(|error| self.broke(&error))
    }

    async fn attend(&mut self, event: Self::Event) -> Result<(), Broke> {
        in_time("an event", self.pump.attend(event)).await?.map_err(|error| self.broke(&error))
    }

    async fn decide(&mut self, raised: Raised) -> Result<(), Broke> {
        in_time("a decision", self.pump.decide(raised)).await?.map_err(|error| self.broke(&error))
    }

    async fn consider(&mut self, look: Look) -> Result<(), Broke> {
        in_time("a policy", self.pump.consider(look)).await?.map_err(|error| self.broke(&error))
    }

    fn reviews(&mut self, chunk: &Arc<Chunk>) -> Vec<usize> {
        self.pump.reviews(chunk)
    }

    async fn review(&mut self, at: Time) -> Result<(), Broke> {
        in_time("a review", self.pump.review(at)).await?.map_err(|error| self.broke(&error))
    }

    fn rest(&mut self) {
        self.pump.rest();
    }

    fn is_stopped(&self) -> bool {
        false
    }
}
