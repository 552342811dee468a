//! A selection that the council looks at: its actors around one list.
//!
//! The pipeline (`domain/selection`) makes a list alone; four agents say what they would have otherwise
//! ([`SelectionRun::deliberate`]), through the same rounds, permits, clamps and records as trading.
//! Whatever goes wrong on the way, the list of the pipeline stands.

mod deliberate;
pub(crate) mod panel;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use conclave_domain::brief::selection::SelectionBrief;
use conclave_domain::budget::BudgetConfig;
use conclave_domain::limits::Limits;
use conclave_domain::role::AgentName;
use conclave_domain::tally::Settle;
use ractor::SpawnErr;

use crate::audit::{Audit, AuditHandle, audit};
use crate::consensus::Patience;
use crate::context::{ContextActor, context};
use crate::council::{AUDIT_ROOM, CONTEXT_ROOM, World, seated};
use crate::runtime::brain::Brain;
use crate::runtime::directory::Directory;
use crate::runtime::faults::FaultPlan;
use crate::runtime::refs::stable;
use crate::runtime::supervision::{ChildSpec, Intensity};
use crate::safety::record::recorded;
use crate::safety::{SafetySetup, safety};
use crate::score::Score;
use crate::selection::TEAM;
use crate::selection::run::panel::Panel;
use crate::tree::Tree;

/// One agent of the selection team as it is set up.
#[derive(Clone, Debug)]
pub struct SelectionAgent {
    /// Its brain.
    pub brain: Arc<dyn Brain<SelectionBrief>>,
    /// Consultations that it may have in flight.
    pub permits: usize,
}

/// What a selection's council is made of.
#[derive(Debug)]
pub struct SelectionSetup {
    /// The limits in force.
    pub limits: Arc<Limits>,
    /// The budgets.
    pub budgets: BudgetConfig,
    /// The enabled agents.
    pub agents: BTreeMap<AgentName, SelectionAgent>,
    /// Faults on request.
    pub faults: Arc<FaultPlan>,
    /// How long a round waits.
    pub patience: Patience,
}

/// What a veto would fence off, and the name of the one permit.
const SCOPE: &str = "selection";

/// The council around a selection.
#[derive(Debug)]
pub struct SelectionRun {
    /// The log.
    pub audit: AuditHandle,
    panel: Panel,
    root: Tree,
}

impl SelectionRun {
    /// Starts its actors: audit, context, safety with the agents.
    ///
    /// # Errors
    /// When an actor does not start; those that did are stopped.
    pub async fn start(setup: SelectionSetup, world: World) -> Result<Self, SpawnErr> {
        let are_free = setup.agents.values().all(|agent| agent.brain.is_free());
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
        let audit_spec = ChildSpec::new("audit", stable().0, move || (Audit, audit_args.clone()));
        let context_spec =
            ChildSpec::new("context", stable().0, move || (ContextActor, context_args.clone()));
        let children = vec![audit_spec, context_spec, safety_spec];
        let fatal = Box::pin(audit.closed_for_good());
        let root = Tree::start(children, world.runtime, world.fence, Some(fatal)).await?;
        let panel = Panel {
            scope: SCOPE,
            audit: audit.clone(),
            safety,
            score: Score::default(),
            agents,
            limits: setup.limits,
            patience: setup.patience,
            // By rules nobody is cut off, so that a record does not depend on who was first.
            settle: if are_free { Settle::All } else { Settle::Early },
            rounds: Arc::default(),
            recall: Arc::default(),
        };
        Ok(Self { audit, panel, root })
    }

    /// Why the council has fallen, if it has.
    pub fn fallen(&self) -> Option<String> {
        self.root.fallen()
    }

    /// Stops every actor in reverse order.
    pub async fn stop(&self) {
        self.root.stop().await;
    }
}
