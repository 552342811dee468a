//! A training run that the council guides: its actors, its memory, and the loop of the trainer's thread.
//!
//! The trainer stands outside of the tree and knows nothing of agents ([`port`]). At a validation
//! boundary the loop ([`drive()`]) hands over how the run stands; the guidance actor asks those who are
//! due and then everybody, through the same rounds, permits, clamps and records as trading.

mod brakes;
mod clock;
mod deliberate;
mod drive;
mod guidance;
pub mod port;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use conclave_domain::brief::training::TrainingBrief;
use conclave_domain::budget::BudgetConfig;
use conclave_domain::guidance::{Boundary, Guide};
use conclave_domain::limits::Limits;
use conclave_domain::role::AgentName;
use conclave_domain::tally::Settle;
use ractor::SpawnErr;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

pub use drive::{Driven, Ending, Moved, drive};
pub use guidance::GuidanceHandle;

use crate::audit::{Audit, AuditHandle, audit};
use crate::consensus::Patience;
use crate::context::{ContextActor, context};
use crate::council::{AUDIT_ROOM, CONTEXT_ROOM, World, seated};
use crate::runtime::brain::Brain;
use crate::runtime::directory::Directory;
use crate::runtime::faults::FaultPlan;
use crate::runtime::refs::stable;
use crate::runtime::shell::AgentHandle;
use crate::runtime::supervision::{ChildSpec, Intensity};
use crate::safety::record::recorded;
use crate::safety::{SafetyHandle, SafetySetup, safety};
use crate::score::Score;
use crate::training::TEAM;
use crate::tree::Tree;
use clock::RunClock;
use guidance::{Memory, Office, guidance};
use port::{Approver, TrainerFault, TrainerPort};

/// One agent of the training team as it is set up.
#[derive(Clone, Debug)]
pub struct TrainingAgent {
    /// Its brain.
    pub brain: Arc<dyn Brain<TrainingBrief>>,
    /// Consultations that it may have in flight.
    pub permits: usize,
    /// Validation cycles from one consultation to the next.
    pub every: u32,
}

/// What a guided run is made of.
#[derive(Debug)]
pub struct TrainingSetup {
    /// What the run remembers; that of a new run is empty but for its name.
    pub guide: Guide,
    /// The limits in force.
    pub limits: Arc<Limits>,
    /// The budgets.
    pub budgets: BudgetConfig,
    /// The enabled agents.
    pub agents: BTreeMap<AgentName, TrainingAgent>,
    /// Faults on request.
    pub faults: Arc<FaultPlan>,
    /// How long a round waits.
    pub patience: Patience,
    /// The person of supervised mode, if anybody is there.
    pub approver: Option<Arc<dyn Approver>>,
    /// How long that person has.
    pub approval_expiry: Duration,
}

/// The council around a training run.
#[derive(Debug)]
pub struct TrainingRun {
    /// The log.
    pub audit: AuditHandle,
    /// Permits, standing, the fence.
    pub safety: SafetyHandle,
    /// What the trainer's thread speaks to.
    pub guidance: GuidanceHandle,
    root: Tree,
}

impl TrainingRun {
    /// Starts its actors: audit, context, safety with the agents, guidance.
    ///
    /// # Errors
    /// When an actor does not start; those that did are stopped.
    pub async fn start(setup: TrainingSetup, world: World) -> Result<Self, SpawnErr> {
        let is_free = |agent: &TrainingAgent| agent.brain.is_free();
        let waits = setup.agents.values().all(is_free);
        let run_clock = RunClock::new(Arc::clone(&world.clock), setup.budgets.spacing, !waits);
        let clock = Arc::new(run_clock);
        clock.set(setup.guide.cycle());
        let world = World { clock: clock.clone(), ..world };
        let (audit, audit_args) = audit(Arc::clone(&world.audit), world.head, AUDIT_ROOM);
        let (kept, sink) = (world.context.clone(), Arc::clone(&world.store));
        let (context, context_args) = context(kept, sink, Some(audit.clone()), CONTEXT_ROOM);
        let nothing = Arc::default();
        let memory = (&nothing, &audit, &world.clock);
        let (specs, agents) = seated(TEAM, (&setup.limits, &setup.faults), memory, |name| {
            setup.agents.get(name).map(|agent| (Arc::clone(&agent.brain), agent.permits))
        });
        let told = recorded(audit.clone(), context, world.clock.clone(), world.events.clone());
        let (safety_spec, safety) = safety(SafetySetup {
            budgets: setup.budgets,
            store: Arc::clone(&world.safety),
            ledger: world.ledger.clone(),
            clock: Arc::clone(&world.clock),
            fence: Arc::clone(&world.fence),
            directory: Directory::default(),
            agents: specs,
            runtime: world.runtime.clone(),
            intensity: Intensity::default(),
            events: told,
            live: Arc::default(),
        });
        let interval = |agent: &AgentHandle<TrainingBrief>| {
            let name = agent.role.name;
            (name, setup.agents.get(name).map_or(1, |agent| agent.every))
        };
        let (guidance_spec, guidance) = guidance(Office {
            safety: safety.clone(),
            intervals: agents.iter().map(interval).collect(),
            agents,
            audit: audit.clone(),
            score: Score::default(),
            limits: setup.limits,
            patience: setup.patience,
            settle: if waits { Settle::All } else { Settle::Early },
            approver: setup.approver,
            approval_expiry: setup.approval_expiry,
            rounds: AtomicU64::new(0),
            clock,
            scope: format!("training {}", setup.guide.run()),
            waits,
            memory: Mutex::new(Memory { guide: setup.guide, ready: None }),
        });
        let audit_spec = ChildSpec::new("audit", stable().0, move || (Audit, audit_args.clone()));
        let context_spec =
            ChildSpec::new("context", stable().0, move || (ContextActor, context_args.clone()));
        let children = vec![audit_spec, context_spec, safety_spec, guidance_spec];
        let fatal = Box::pin(audit.closed_for_good());
        let root = Tree::start(children, world.runtime, world.fence, Some(fatal)).await?;
        Ok(Self { audit, safety, guidance, root })
    }

    /// The actors beside the agents, with their health.
    pub fn directory(&self) -> &Directory {
        &self.root.directory
    }

    /// Why the council has fallen, if it has: then no lever moves any more, and training goes on.
    pub fn fallen(&self) -> Option<String> {
        self.root.fallen()
    }

    /// The root, for tests that end an actor.
    #[cfg(test)]
    pub(crate) fn cell(&self) -> ractor::ActorCell {
        self.root.cell()
    }

    /// Stops every actor in reverse order.
    pub async fn stop(&self) {
        self.root.stop().await;
    }
}

/// Drives a run on a thread of its own, so that no runtime's thread waits for training. Returns the
/// trainer with how the run ended; a trainer that panicked does not come back.
///
/// # Errors
/// When there is no thread to be had, the trainer panicked, or the run failed.
pub async fn drive_on_thread<P: TrainerPort + 'static>(
    mut trainer: P,
    guidance: Option<GuidanceHandle>,
    mut seen: impl FnMut(&Boundary, &[Moved]) + Send + 'static,
) -> Result<(P, Driven), TrainerFault> {
    let (reply, answer) = oneshot::channel();
    let runtime = Handle::current();
    let work = move || {
        let driven = runtime.block_on(drive(&mut trainer, guidance.as_ref(), &mut seen));
        let _ = reply.send(driven.map(|driven| (trainer, driven)));
    };
    let failed = |what: String| TrainerFault::Failed { what };
    std::thread::Builder::new()
        .name("trainer".to_owned())
        .spawn(work)
        .map_err(|error| failed(error.to_string()))?;
    answer.await.unwrap_or_else(|_| Err(failed("its thread panicked".to_owned())))
}
