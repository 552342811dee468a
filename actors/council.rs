//! The council: the root of the actor tree, and the handles to everything in it.
//!
//! Children start in the order of what they need: audit, context, safety (which starts the agents),
//! market, broker, approvals, orchestrator, universe; they stop in reverse. When one of them ends too often, or
//! the log is closed for good, the council falls: the fence closes, and whoever runs it hears of it.

mod staff;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use conclave_domain::brief::trading::{TradingBrief, TradingState};
use conclave_domain::budget::BudgetConfig;
use conclave_domain::context::{BookKind, Context};
use conclave_domain::custody::CustodyConfig;
use conclave_domain::limits::Limits;
use conclave_domain::market::digest::SessionDigest;
use conclave_domain::market::tape::Instrument;
use conclave_domain::mode::By;
use conclave_domain::reconcile::Statement;
use conclave_domain::record::{Anchor, Record, Step};
use conclave_domain::role::AgentName;
use conclave_domain::tally::Settle;
use conclave_domain::watch::MarketWatch;
use ractor::SpawnErr;
use serde_json::json;
use tokio::runtime::Handle;

use crate::approvals::ApprovalsHandle;
use crate::audit::{AuditHandle, record};
use crate::broker::{Account, BrokerError, BrokerHandle, Outside, Reconciliation};
use crate::checkpoint::Hurry;
use crate::consensus::Patience;
use crate::context::ContextHandle;
use crate::market::MarketHandle;
use crate::news::{NewsSetup, Newsroom};
use crate::orchestrator::OrchestratorHandle;
use crate::runtime::agent::Entry;
use crate::runtime::brain::{Brain, RulesBrain};
use crate::runtime::directory::Directory;
use crate::runtime::faults::ports::{FaultyAudit, FaultyClock, FaultySafety, FaultyStore};
use crate::runtime::faults::{FaultPlan, PlannedFault};
use crate::runtime::fence::Fence;
use crate::runtime::ports::{
    AuditSink, BrokerWitness, Clock, ContextSink, Journal, SafetyStore, SpendLedger,
};
use crate::runtime::recall::{Recall, Recalling};
use crate::runtime::shell::{AgentHandle, AgentSpec, agent};
use crate::runtime::supervision::ChildSpec;
use crate::safety::{Events, LiveSafety, SafetyHandle};
use crate::score::Score;
use crate::tree::Tree;
use crate::universe::{Rolls, StoredRolls, UniverseHandle, UniverseSetup};

/// Batches that the audit may have in flight.
pub(crate) const AUDIT_ROOM: usize = 1_024;
/// Messages that the context may have in its mailbox.
pub(crate) const CONTEXT_ROOM: usize = 4_096;

/// The world as the council needs it.
#[derive(Clone)]
pub struct World {
    /// Where records go.
    pub audit: Arc<dyn AuditSink>,
    /// Where the log ended when it was opened.
    pub head: Anchor,
    /// Where the context goes.
    pub store: Arc<dyn ContextSink>,
    /// The context as it was stored and repaired.
    pub context: Context,
    /// Where what only reports need goes; without one it stays in memory.
    pub journal: Option<Arc<dyn Journal>>,
    /// Where budgets, modes and the trading state go.
    pub safety: Arc<dyn SafetyStore>,
    /// What all runs of this user spend on models together, where any is paid.
    pub ledger: Option<Arc<dyn SpendLedger>>,
    /// Both clocks.
    pub clock: Arc<dyn Clock>,
    /// What stands before every entry.
    pub fence: Arc<Fence>,
    /// Who hears of safety's events, beside the log and the context.
    pub events: Events,
    /// The runtime on which agents live.
    pub runtime: Handle,
    /// Who sees what the broker does at the moment at which it does it, if anybody.
    pub witness: Option<Arc<dyn BrokerWitness>>,
    /// Who keeps the real book, if it is not simulated.
    pub outside: Option<Outside>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("head", &self.head).finish_non_exhaustive()
    }
}

impl World {
    /// The same world with ports that fail on request; as it is where nothing was asked for.
    #[must_use]
    pub fn with_faults(self, faults: &FaultPlan) -> Self {
        if faults.is_off() {
            return self;
        }
        let Self { audit, store, safety, clock, .. } = self;
        Self {
            audit: Arc::new(FaultyAudit::new(audit, faults.clone())),
            store: Arc::new(FaultyStore::new(store, faults.clone())),
            safety: Arc::new(FaultySafety::new(safety, faults.clone())),
            clock: Arc::new(FaultyClock::new(clock, faults.clone())),
            ..self
        }
    }
}

/// One agent of the trading team as it is set up.
#[derive(Clone, Debug)]
pub struct AgentSetup {
    /// Its brain.
    pub brain: Arc<dyn Brain<TradingBrief>>,
    /// Consultations that it may have in flight.
    pub permits: usize,
}

impl Default for AgentSetup {
    fn default() -> Self {
        Self { brain: Arc::new(RulesBrain), permits: crate::runtime::shell::PERMITS }
    }
}

/// What a council is made of.
#[derive(Clone, Debug)]
pub struct CouncilSetup {
    /// What can be traded.
    pub instruments: Arc<[Instrument]>,
    /// The pipelines, warmed up on what was played already.
    pub watch: MarketWatch,
    /// Terms of fresh accounts.
    pub custody: CustodyConfig,
    /// The book that is kept from the first bar on.
    pub book: BookKind,
    /// Accounts that were stored.
    pub stored: BTreeMap<BookKind, Account>,
    /// The limits in force.
    pub limits: Arc<Limits>,
    /// The budgets.
    pub budgets: BudgetConfig,
    /// The enabled agents.
    pub agents: BTreeMap<AgentName, AgentSetup>,
    /// The news, and who reads them.
    pub news: NewsSetup,
    /// Who may be entered, and who is asked about it; every symbol may where there is none.
    pub universe: Option<UniverseSetup>,
    /// Faults on request.
    pub faults: Arc<FaultPlan>,
    /// How long an approval waits.
    pub approval_expiry: Duration,
    /// How long a round waits.
    pub patience: Patience,
    /// When a round may close.
    pub settle: Settle,
    /// Whether short signals only close.
    pub long_only: bool,
    /// What a run that goes on carries over beside its accounts; nothing of a fresh one.
    pub carried: Carried,
}

/// What a run carries over from the moment that it goes on from.
#[derive(Clone, Debug, Default)]
pub struct Carried {
    /// What was counted.
    pub score: Score,
    /// The number of the last round.
    pub rounds: u64,
    /// Wishes for a checkpoint.
    pub hurry: Hurry,
    /// The session in which it goes on.
    pub digest: SessionDigest,
    /// What agents that are not free had answered since then.
    pub recall: Arc<Recall>,
    /// Who might be entered.
    pub universe: Option<StoredRolls>,
    /// Safety at that moment, where everything since then is played again; otherwise what its store
    /// holds is what counts.
    pub safety: Option<LiveSafety>,
}

/// A running council. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Council {
    /// The log.
    pub audit: AuditHandle,
    /// The shared context.
    pub context: ContextHandle,
    /// Permits, standing, the fence.
    pub safety: SafetyHandle,
    /// Features and signals.
    pub market: MarketHandle,
    /// The accounts.
    pub broker: BrokerHandle,
    /// The queue of supervised mode.
    pub approvals: ApprovalsHandle,
    /// Decisions.
    pub orchestrator: OrchestratorHandle,
    /// Who looks at the universe, where the run has one.
    pub universe: Option<UniverseHandle>,
    /// Who may be entered.
    pub rolls: Rolls,
    /// The trading team, in roster order.
    pub agents: Vec<AgentHandle<TradingBrief>>,
    /// What is counted.
    pub score: Score,
    /// The news, which an open market adds to.
    pub news: Newsroom,
    /// The actors beside the agents, with their health.
    pub directory: Directory,
    faults: Arc<FaultPlan>,
    /// Wishes for a checkpoint.
    pub hurry: Hurry,
    rounds: Arc<AtomicU64>,
    root: Tree,
}

impl Council {
    /// Starts everything.
    ///
    /// # Errors
    /// When an actor does not start; those that did are stopped.
    pub async fn start(setup: CouncilSetup, world: World) -> Result<Self, SpawnErr> {
        let faults = Arc::clone(&setup.faults);
        let hurry = setup.carried.hurry.clone();
        let (children, staff) = staff::staff(&setup, &world);
        // nothing may go on that nobody can write down; a restart opens the log again.
        let fatal = Box::pin(staff.audit.closed_for_good());
        let root = Tree::start(children, world.runtime, world.fence, Some(fatal)).await?;
        let directory = root.directory.clone();
        Ok(Self {
            audit: staff.audit,
            context: staff.context,
            safety: staff.safety,
            market: staff.market,
            broker: staff.broker,
            approvals: staff.approvals,
            orchestrator: staff.orchestrator,
            universe: staff.universe,
            rolls: staff.shared.rolls,
            agents: staff.agents,
            score: staff.shared.score,
            news: staff.shared.news,
            directory,
            faults,
            hurry,
            rounds: staff.shared.rounds,
            root,
        })
    }

    /// The number of the last round.
    pub fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::SeqCst)
    }

    /// Why the council has fallen, if it has.
    pub fn fallen(&self) -> Option<String> {
        self.root.fallen()
    }

    /// Resolves when the council has fallen, and says why.
    pub async fn falls(&self) -> String {
        self.root.falls().await
    }

    /// Brings the real book to the statement of the broker outside. Where a position differs, or more of
    /// the cash than fees and dividends, no new risk is taken until a person resumes; exits go on.
    ///
    /// # Errors
    /// When the statement was not taken, or the broker's actor is gone.
    pub async fn reconcile(&self, statement: Statement) -> Result<Reconciliation, BrokerError> {
        let done = self.broker.reconcile(statement).await?;
        let is_active = self.safety.standing().trading_state == TradingState::Active;
        if done.is_material && is_active {
            let why = format!("the broker's account differed in {}", done.adjustments.len());
            let by = By::Rule("reconciliation");
            // In force whatever this returns; safety tells the audit.
            if let Err(code) = self.safety.set_state(TradingState::Reducing, by, &why).await {
                tracing::error!(code = code.as_str(), "new risk stopped but not stored");
            }
        }
        Ok(done)
    }

    /// Writes down which faults were injected on request since this was last called.
    pub async fn tell_faults(&self) {
        let (untold, at) = (self.faults.untold(), self.broker.view().at);
        let told = |item: &PlannedFault| {
            record(Step::FaultInjected, None, at, &json!({"item": item, "text": item.to_string()}))
        };
        let records: Vec<Record> = untold.iter().filter_map(|item| told(item).ok()).collect();
        if !records.is_empty()
            && let Err(error) = self.audit.note_all(records).await
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "faults not written down");
        }
    }

    /// The root, for tests that look at who lives.
    #[cfg(feature = "testkit")]
    pub(crate) fn cell(&self) -> ractor::ActorCell {
        self.root.cell()
    }

    /// Stops every actor in reverse order.
    pub async fn stop(&self) {
        self.root.stop().await;
    }
}

/// What an answer that was paid for is remembered by.
pub(crate) type Memory<'a> = (&'a Arc<Recall>, &'a AuditHandle, &'a Arc<dyn Clock>);

/// A brain that costs something says nothing twice; what costs nothing is asked again.
pub(crate) fn remembering<B: fmt::Debug + Send + Sync + 'static>(
    brain: &Arc<dyn Brain<B>>,
    (recall, audit, clock): Memory<'_>,
) -> Arc<dyn Brain<B>> {
    let brain = Arc::clone(brain);
    if brain.repeats_itself() {
        return brain;
    }
    let (recall, audit) = (Arc::clone(recall), audit.clone());
    Arc::new(Recalling { brain, recall, audit, clock: Arc::clone(clock) })
}

/// The agents of a team that are seated, in the team's order. `seat` says with which brain, and how many
/// consultations each may have in flight.
pub(crate) fn seated<B: fmt::Debug + Send + Sync + 'static>(
    team: &[Entry<B>],
    (limits, faults): (&Arc<Limits>, &Arc<FaultPlan>),
    memory: Memory<'_>,
    seat: impl Fn(AgentName) -> Option<(Arc<dyn Brain<B>>, usize)>,
) -> (Vec<ChildSpec>, Vec<AgentHandle<B>>) {
    let seats = team.iter().filter_map(|entry| Some((entry, seat(entry.role.name)?)));
    seats
        .map(|(entry, (brain, permits))| {
            agent(AgentSpec {
                entry: *entry,
                brain: remembering(&brain, memory),
                limits: Arc::clone(limits),
                faults: Arc::clone(faults),
                permits,
            })
        })
        .unzip()
}

#[cfg(test)]
mod tests;
