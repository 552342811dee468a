//! A desk: safety, the agents of one team with scripted brains, and a root that supervises them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use conclave_domain::budget::BudgetConfig;
use conclave_domain::limits::Limits;
use conclave_domain::order::DecisionId;
use conclave_domain::tally::Settle;
use ractor::SpawnErr;
use tokio::runtime::Handle;

use super::brains::ScriptedBrain;
use super::clock::ManualClock;
use super::memory_safety::MemorySafety;
use crate::consensus::{Member, Patience, RoundRequest};
use crate::runtime::agent::Entry;
use crate::runtime::brain::Brain;
use crate::runtime::directory::Directory;
use crate::runtime::faults::FaultPlan;
use crate::runtime::fence::Fence;
use crate::runtime::ports::SpendLedger;
use crate::runtime::shell::{self, AgentHandle, AgentSpec};
use crate::runtime::supervision::Intensity;
use crate::safety::{SafetyEvent, SafetyHandle, SafetySetup, safety};
use crate::tree::Tree;

/// What a desk is started with.
#[derive(Debug)]
pub struct DeskSetup<B: 'static> {
    /// The team, in roster order.
    pub team: &'static [Entry<B>],
    /// Faults on request.
    pub faults: FaultPlan,
    /// The budgets.
    pub budgets: BudgetConfig,
    /// Consultations that an agent may have in flight.
    pub permits: usize,
    /// How often an agent may be restarted.
    pub intensity: Intensity,
    /// One brain per agent; whoever has none here gets a free one that follows the rules.
    pub brains: Vec<(&'static str, ScriptedBrain)>,
    /// Brains of other kinds, in the place of those.
    pub others: Vec<(&'static str, Arc<dyn Brain<B>>)>,
    /// The disk that safety writes to: hand over a former desk's for a restart.
    pub store: Arc<MemorySafety>,
    /// What all runs spend together, if anybody counts it.
    pub ledger: Option<Arc<dyn SpendLedger>>,
    /// The clocks.
    pub clock: Arc<ManualClock>,
}

impl<B> DeskSetup<B> {
    /// A team as it is by default.
    pub fn of(team: &'static [Entry<B>]) -> Self {
        Self {
            team,
            faults: FaultPlan::default(),
            budgets: BudgetConfig::default(),
            permits: shell::PERMITS,
            intensity: Intensity::default(),
            brains: Vec::new(),
            others: Vec::new(),
            store: Arc::default(),
            ledger: None,
            clock: Arc::default(),
        }
    }
}

/// A running desk.
pub struct Desk<B> {
    /// Safety.
    pub safety: SafetyHandle,
    /// The agents, in roster order.
    pub agents: Vec<AgentHandle<B>>,
    /// Their brains, in the same order.
    pub brains: Vec<Arc<ScriptedBrain>>,
    /// The disk that safety writes to.
    pub store: Arc<MemorySafety>,
    /// The clocks.
    pub clock: Arc<ManualClock>,
    /// The limits in force.
    pub limits: Arc<Limits>,
    root: Tree,
    events: Arc<Mutex<Vec<SafetyEvent>>>,
}

impl<B> fmt::Debug for Desk<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("safety", &self.safety).finish_non_exhaustive()
    }
}

impl<B: fmt::Debug + Send + Sync + 'static> Desk<B> {
    /// Starts it on the present runtime.
    ///
    /// # Errors
    /// When an actor does not start.
    pub async fn start(mut setup: DeskSetup<B>) -> Result<Self, SpawnErr> {
        let (limits, faults) = (Arc::new(Limits::default()), Arc::new(setup.faults));
        let (mut specs, mut agents, mut brains) = (Vec::new(), Vec::new(), Vec::new());
        for entry in setup.team {
            let scripted = setup.brains.iter().position(|(name, _)| *name == entry.role.name);
            let brain = scripted.map(|index| setup.brains.swap_remove(index).1);
            let brain = Arc::new(brain.unwrap_or_default());
            let other = setup.others.iter().find(|(name, _)| *name == entry.role.name);
            let scripted = Arc::clone(&brain) as Arc<dyn Brain<B>>;
            let (child, handle) = shell::agent(AgentSpec {
                entry: *entry,
                brain: other.map_or(scripted, |(_, other)| Arc::clone(other)),
                limits: Arc::clone(&limits),
                faults: Arc::clone(&faults),
                permits: setup.permits,
            });
            specs.push(child);
            agents.push(handle);
            brains.push(brain);
        }
        let (events, fence) = (Arc::new(Mutex::new(Vec::new())), Fence::without_flag());
        let heard = Arc::clone(&events);
        let (child, safety) = safety(SafetySetup {
            budgets: setup.budgets,
            store: setup.store.clone(),
            ledger: setup.ledger.clone(),
            clock: setup.clock.clone(),
            fence: Arc::clone(&fence),
            directory: Directory::default(),
            agents: specs,
            runtime: Handle::current(),
            intensity: setup.intensity,
            events: Arc::new(move |event| {
                heard.lock().unwrap_or_else(PoisonError::into_inner).push(event);
            }),
            live: Arc::default(),
        });
        let root = Tree::start(vec![child], Handle::current(), fence, None).await?;
        let DeskSetup { store, clock, .. } = setup;
        Ok(Self { safety, agents, brains, store, clock, limits, root, events })
    }

    /// An agent's brain.
    ///
    /// # Panics
    /// When the team has no such agent.
    pub fn brain(&self, agent: &str) -> &ScriptedBrain {
        let index = self.agents.iter().position(|handle| handle.role.name == agent);
        #[expect(clippy::expect_used, reason = "a test that names a stranger is wrong")]
        let index = index.expect("the team has this agent");
        &self.brains[index]
    }

    /// A round of the whole team on one brief, live, with five seconds of patience.
    pub fn request(&self, decision: DecisionId, nth: u64, brief: &Arc<B>) -> RoundRequest<B> {
        let member =
            |agent: &AgentHandle<B>| Member { agent: agent.clone(), brief: Arc::clone(brief) };
        RoundRequest {
            decision,
            nth,
            scope: "AAPL".to_owned(),
            members: self.agents.iter().map(member).collect(),
            critical: false,
            settle: Settle::Early,
            patience: Patience::Deadline(Duration::from_secs(5)),
            rules: Arc::new(self.limits.consensus.clone()),
            recall: Arc::default(),
            interrupted: false,
        }
    }

    /// What safety has told so far.
    pub fn events(&self) -> Vec<SafetyEvent> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Kills the safety actor; its supervisor brings it back.
    pub fn kill_safety(&self) {
        for child in self.root.cell().get_children() {
            child.kill();
        }
    }

    /// Stops everything in order.
    pub async fn stop(self) {
        self.root.stop().await;
    }
}
