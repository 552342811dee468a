//! A desk: safety, the agents of one team with scripted brains, and a root that supervises them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use conclave_domain::budget::BudgetConfig;
use conclave_domain::limits::Limits;
use conclave_domain::order::DecisionId;
use conclave_domain::tally::Settle;
use ractor::{Actor, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};
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
use crate::runtime::shell::{self, AgentHandle, AgentSpec};
use crate::runtime::supervision::{ChildSpec, Intensity, Remedy, Started, Supervisor};
use crate::safety::{SafetyEvent, SafetyHandle, SafetySetup, safety};

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
    /// The disk that safety writes to: hand over a former desk's for a restart.
    pub store: Arc<MemorySafety>,
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
            store: Arc::default(),
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
    root: ActorRef<RootMsg>,
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
    #[expect(clippy::disallowed_methods, reason = "the root of a test's tree has no supervisor")]
    pub async fn start(mut setup: DeskSetup<B>) -> Result<Self, SpawnErr> {
        let (limits, faults) = (Arc::new(Limits::default()), Arc::new(setup.faults));
        let (mut specs, mut agents, mut brains) = (Vec::new(), Vec::new(), Vec::new());
        for entry in setup.team {
            let scripted = setup.brains.iter().position(|(name, _)| *name == entry.role.name);
            let brain = scripted.map(|index| setup.brains.swap_remove(index).1);
            let brain = Arc::new(brain.unwrap_or_default());
            let (child, handle) = shell::agent(AgentSpec {
                entry: *entry,
                brain: Arc::clone(&brain) as Arc<dyn Brain<B>>,
                limits: Arc::clone(&limits),
                faults: Arc::clone(&faults),
                permits: setup.permits,
            });
            specs.push(child);
            agents.push(handle);
            brains.push(brain);
        }
        let events = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&events);
        let (child, safety) = safety(SafetySetup {
            budgets: setup.budgets,
            store: setup.store.clone(),
            clock: setup.clock.clone(),
            fence: Fence::without_flag(),
            directory: Directory::default(),
            agents: specs,
            runtime: Handle::current(),
            intensity: setup.intensity,
            events: Arc::new(move |event| {
                heard.lock().unwrap_or_else(PoisonError::into_inner).push(event);
            }),
            live: Arc::default(),
        });
        let (root, _) = Actor::spawn(None, Root, child).await?;
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
        }
    }

    /// What safety has told so far.
    pub fn events(&self) -> Vec<SafetyEvent> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Kills the safety actor; its supervisor brings it back.
    pub fn kill_safety(&self) {
        for child in self.root.get_cell().get_children() {
            child.kill();
        }
    }

    /// Stops everything in order.
    pub async fn stop(self) {
        self.root.stop(None);
        // It has stopped already if this fails.
        let _ = self.root.wait(None).await;
    }
}

/// The root of a desk.
#[derive(Debug)]
struct Root;

#[derive(Debug)]
enum RootMsg {
    Restart(usize),
    Started(Started),
}

impl Actor for Root {
    type Msg = RootMsg;
    type State = Supervisor;
    type Arguments = ChildSpec;

    async fn pre_start(
        &self,
        me: ActorRef<RootMsg>,
        child: ChildSpec,
    ) -> Result<Supervisor, ActorProcessingErr> {
        let (here, intensity) = (Handle::current(), Intensity::default());
        let me = me.get_cell();
        Ok(Supervisor::start(me, here, intensity, Directory::default(), vec![child]).await?)
    }

    async fn handle(
        &self,
        me: ActorRef<RootMsg>,
        message: RootMsg,
        children: &mut Supervisor,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            RootMsg::Restart(index) => children.restart(index, move |started| {
                let _ = me.cast(RootMsg::Started(started));
            }),
            RootMsg::Started(started) => follow(&me, &children.started(started)),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<RootMsg>,
        event: SupervisionEvent,
        children: &mut Supervisor,
    ) -> Result<(), ActorProcessingErr> {
        follow(&me, &children.on_event(event));
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<RootMsg>,
        children: &mut Supervisor,
    ) -> Result<(), ActorProcessingErr> {
        children.stop(Duration::from_secs(10)).await;
        Ok(())
    }
}

fn follow(me: &ActorRef<RootMsg>, remedy: &Remedy) {
    if let Remedy::RestartAfter(pause, index) = *remedy {
        me.send_after(pause, move || RootMsg::Restart(index));
    }
}
