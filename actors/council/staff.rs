//! Who works in a council: every child of the root, prepared in the order in which they start.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use conclave_domain::brief::selection::SelectionBrief;
use conclave_domain::brief::trading::{TradingBrief, TradingState};
use conclave_domain::limits::Limits;

use super::{AUDIT_ROOM, CONTEXT_ROOM, Carried, CouncilSetup, World, remembering, seated};
use crate::approvals::{ApprovalsHandle, ApprovalsSetup, Expiry, approvals};
use crate::audit::{Audit, AuditHandle, audit};
use crate::broker::{BrokerHandle, BrokerSetup, broker};
use crate::context::{ContextActor, ContextHandle, context};
use crate::market::{MarketHandle, market};
use crate::news::{Leave, NewsSetup, Newsroom};
use crate::orchestrator::{Office, OrchestratorHandle, orchestrator};
use crate::runtime::directory::Directory;
use crate::runtime::ports::Clock;
use crate::runtime::refs::stable;
use crate::runtime::shell::AgentHandle;
use crate::runtime::supervision::{ChildSpec, Intensity};
use crate::safety::record::recorded;
use crate::safety::{Events, SafetyHandle, SafetySetup, safety};
use crate::score::Score;
use crate::selection::run::panel::Panel;
use crate::universe::{Reviewer, Rolls, UniverseHandle, universe};
use crate::{selection, trading};

/// Handles to every child of the root.
pub(super) struct Staff {
    pub(super) audit: AuditHandle,
    pub(super) context: ContextHandle,
    pub(super) safety: SafetyHandle,
    pub(super) market: MarketHandle,
    pub(super) broker: BrokerHandle,
    pub(super) approvals: ApprovalsHandle,
    pub(super) orchestrator: OrchestratorHandle,
    pub(super) universe: Option<UniverseHandle>,
    pub(super) agents: Vec<AgentHandle<TradingBrief>>,
    pub(super) shared: Shared,
}

/// What a council shares with whoever runs it.
pub(super) struct Shared {
    pub(super) score: Score,
    pub(super) news: Newsroom,
    pub(super) rolls: Rolls,
    /// The number of the last round.
    pub(super) rounds: Arc<AtomicU64>,
}

/// Prepares every child, in the order in which they start. Audit and context publish their own handles;
/// the supervisor only starts them again.
pub(super) fn staff(setup: &CouncilSetup, world: &World) -> (Vec<ChildSpec>, Staff) {
    let (audit, audit_args) = audit(Arc::clone(&world.audit), world.head, AUDIT_ROOM);
    let (kept, sink) = (world.context.clone(), Arc::clone(&world.store));
    let (context, context_args) = context(kept, sink, Some(audit.clone()), CONTEXT_ROOM);
    let (mut agent_specs, agents) = trading_team(setup, &audit, &world.clock);
    let (selection_specs, selectors) = selection_team(setup, &audit, &world.clock);
    agent_specs.extend(selection_specs);
    let told = recorded(audit.clone(), context.clone(), world.clock.clone(), world.events.clone());
    let (safety_spec, safety) = guarded(setup, world, agent_specs, told);
    let shared = shared(setup, &safety, (&audit, &world.clock));
    let (market_spec, market) =
        market(setup.watch.clone(), setup.carried.digest.clone(), Some(audit.clone()));
    let (broker_spec, broker) = broker(BrokerSetup {
        config: setup.custody.clone(),
        instruments: Arc::clone(&setup.instruments),
        limits: Arc::clone(&setup.limits),
        book: setup.book,
        stored: setup.stored.clone(),
        journal: world.journal.clone(),
        fence: Arc::clone(&world.fence),
        audit: audit.clone(),
        context: context.clone(),
        score: shared.score.clone(),
        universe: shared.rolls.clone(),
        witness: world.witness.clone(),
        outside: world.outside.clone(),
    });
    let by = (&audit, &context, &safety, &broker);
    let (approvals_spec, approvals) = queue(setup.approval_expiry, &shared, world, by);
    let office =
        office(setup, &shared, (&safety, &broker, &audit, &approvals), (&agents, &world.clock));
    let reviewed = setup.universe.is_some().then(|| reviewed(&office, selectors));
    let (orchestrator_spec, orchestrator) = orchestrator(office);
    let (universe_spec, universe) = reviewed.unzip();
    let audit_spec = ChildSpec::new("audit", stable().0, move || (Audit, audit_args.clone()));
    let context_spec =
        ChildSpec::new("context", stable().0, move || (ContextActor, context_args.clone()));
    let first = [audit_spec, context_spec, safety_spec, market_spec, broker_spec, approvals_spec];
    let children = first.into_iter().chain([orchestrator_spec]).chain(universe_spec).collect();
    let staff = Staff {
        audit,
        context,
        safety,
        market,
        broker,
        approvals,
        orchestrator,
        universe,
        agents,
        shared,
    };
    (children, staff)
}

/// The queue of supervised mode.
fn queue(
    expiry: Duration,
    shared: &Shared,
    world: &World,
    (audit, context, safety, broker): (&AuditHandle, &ContextHandle, &SafetyHandle, &BrokerHandle),
) -> (ChildSpec, ApprovalsHandle) {
    approvals(ApprovalsSetup {
        expiry: Expiry::new(expiry),
        clock: Arc::clone(&world.clock),
        fence: Arc::clone(&world.fence),
        broker: broker.clone(),
        audit: audit.clone(),
        context: context.clone(),
        score: shared.score.clone(),
        universe: shared.rolls.clone(),
        safety: safety.clone(),
    })
}

fn shared(
    setup: &CouncilSetup,
    safety: &SafetyHandle,
    (audit, clock): (&AuditHandle, &Arc<dyn Clock>),
) -> Shared {
    let Carried { score, rounds, universe, .. } = &setup.carried;
    let terms = setup.universe.as_ref().map(|universe| universe.terms.clone());
    let by = (&setup.carried, audit, clock);
    Shared {
        score: score.clone(),
        news: newsroom(setup.news.clone(), &setup.limits, safety, by),
        rolls: terms.map(|terms| Rolls::new(terms, universe.clone())).unwrap_or_default(),
        rounds: Arc::new(AtomicU64::new(*rounds)),
    }
}

fn office(
    setup: &CouncilSetup,
    shared: &Shared,
    (safety, broker, audit, approvals): (
        &SafetyHandle,
        &BrokerHandle,
        &AuditHandle,
        &ApprovalsHandle,
    ),
    (agents, clock): (&[AgentHandle<TradingBrief>], &Arc<dyn Clock>),
) -> Office {
    Office {
        safety: safety.clone(),
        agents: agents.to_vec(),
        broker: broker.clone(),
        audit: audit.clone(),
        approvals: approvals.clone(),
        score: shared.score.clone(),
        news: shared.news.clone(),
        universe: shared.rolls.clone(),
        limits: Arc::clone(&setup.limits),
        patience: setup.patience,
        settle: setup.settle,
        long_only: setup.long_only,
        rounds: Arc::clone(&shared.rounds),
        recall: Arc::clone(&setup.carried.recall),
        clock: Arc::clone(clock),
    }
}

/// The universe's actor, with what decisions work with.
fn reviewed(
    office: &Office,
    agents: Vec<AgentHandle<SelectionBrief>>,
) -> (ChildSpec, UniverseHandle) {
    universe(Reviewer {
        rolls: office.universe.clone(),
        approvals: office.approvals.clone(),
        panel: Panel {
            scope: crate::universe::SCOPE,
            audit: office.audit.clone(),
            safety: office.safety.clone(),
            score: office.score.clone(),
            agents,
            limits: Arc::clone(&office.limits),
            patience: office.patience,
            settle: office.settle,
            rounds: Arc::clone(&office.rounds),
            recall: Arc::clone(&office.recall),
        },
    })
}

fn guarded(
    setup: &CouncilSetup,
    world: &World,
    agents: Vec<ChildSpec>,
    events: Events,
) -> (ChildSpec, SafetyHandle) {
    // O-3: the log may know of a halt that had not reached safety's store when the process ended. The
    // fence has it before safety starts, and only a person lifts it.
    if setup.carried.safety.is_none() && world.context.control.state == TradingState::Halted {
        world.fence.halt();
    }
    safety(SafetySetup {
        budgets: setup.budgets.clone(),
        store: Arc::clone(&world.safety),
        ledger: world.ledger.clone(),
        clock: Arc::clone(&world.clock),
        fence: Arc::clone(&world.fence),
        directory: Directory::default(),
        agents,
        runtime: world.runtime.clone(),
        intensity: Intensity::default(),
        events,
        live: Arc::new(Mutex::new(setup.carried.safety.clone())),
    })
}

fn newsroom(
    setup: NewsSetup,
    limits: &Arc<Limits>,
    safety: &SafetyHandle,
    (carried, audit, clock): (&Carried, &AuditHandle, &Arc<dyn Clock>),
) -> Newsroom {
    let reader = remembering(&setup.reader, (&carried.recall, audit, clock));
    let (recall, score) = (Arc::clone(&carried.recall), carried.score.clone());
    let leave = Leave { safety: safety.clone(), recall, score };
    Newsroom::new(NewsSetup { reader, ..setup }, Arc::clone(limits), Some(leave))
}

fn trading_team(
    setup: &CouncilSetup,
    audit: &AuditHandle,
    clock: &Arc<dyn Clock>,
) -> (Vec<ChildSpec>, Vec<AgentHandle<TradingBrief>>) {
    let memory = (&setup.carried.recall, audit, clock);
    seated(trading::TEAM, (&setup.limits, &setup.faults), memory, |name| {
        setup.agents.get(name).map(|agent| (Arc::clone(&agent.brain), agent.permits))
    })
}

/// The selection team, where the run has a universe to ask it about.
fn selection_team(
    setup: &CouncilSetup,
    audit: &AuditHandle,
    clock: &Arc<dyn Clock>,
) -> (Vec<ChildSpec>, Vec<AgentHandle<SelectionBrief>>) {
    let memory = (&setup.carried.recall, audit, clock);
    let agents = setup.universe.as_ref().map(|universe| &universe.agents);
    seated(selection::TEAM, (&setup.limits, &setup.faults), memory, |name| {
        let agent = agents?.get(name)?;
        Some((Arc::clone(&agent.brain), agent.permits))
    })
}
