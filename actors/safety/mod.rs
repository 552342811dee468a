//! Safety: supervises the agents and gives permits; knows mode and trading state.
//!
//! # Invariants
//!
//! - G-1, G-2, G-3: permits come out of durable budgets ([`conclave_domain::budget`]); none is given
//!   before its block is on the disk.
//! - O-3: after HALTED no entry leaves: the fence falls before anything else is done about a halt,
//!   even if the actor is dead or busy.
//! - O-4: exits are never blocked: nothing here is asked before one, and what reduces risk is only
//!   counted.
//!
//! What a restart forgets: nothing that matters. Budgets, trading state and modes come back from the
//! store; a halt that had not reached it is still in the fence. While no safety actor lives the
//! fence is closed to new risk and no permit is given.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use conclave_domain::brief::trading::TradingState;
use conclave_domain::budget::{
    BudgetConfig, BudgetError, BudgetSnapshot, Budgets, LiveBudgets, Now, Permit, Remaining,
    Request, RunCosts,
};
use conclave_domain::code::Code;
use conclave_domain::fixed::Money;
use conclave_domain::mode::{AdvisoryRecord, By, Mode, ModeChange};
use conclave_domain::role::{AgentName, Team};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

use crate::runtime::directory::Directory;
use crate::runtime::fence::Fence;
use crate::runtime::ports::{Clock, SafetyStore, SpendLedger};
use crate::runtime::refs::{StableRef, stable};
use crate::runtime::supervision::{ChildSpec, Intensity, Started};

mod actor;
mod begin;
mod booking;
pub(crate) mod record;
pub mod saves;

pub use actor::Safety;

/// What safety takes. Sent through [`SafetyHandle`].
#[derive(Debug)]
pub enum SafetyMsg {
    /// Give permits, in this order; each is answered for itself.
    Permit {
        /// What for.
        requests: Vec<Request>,
        /// Who waits.
        reply: oneshot::Sender<Vec<Result<Permit, Code>>>,
    },
    /// A permitted call is over.
    Settle {
        /// Its permit.
        permit: Permit,
        /// What it has cost.
        cost: Money,
    },
    /// Change the trading state.
    SetState {
        /// To what.
        wanted: TradingState,
        /// Who wants it.
        by: By,
        /// Why, for the record.
        why: String,
        /// Who waits.
        reply: oneshot::Sender<Result<TradingState, Code>>,
    },
    /// Change a job's mode.
    SetMode {
        /// Which.
        request: ModeRequest,
        /// Who waits.
        reply: oneshot::Sender<Result<ModeChange, Code>>,
    },
    /// A run begins; the same run again gets nothing back.
    BeginRun {
        /// Its id.
        id: String,
    },
    /// How the budgets stand.
    Report {
        /// Who waits.
        reply: oneshot::Sender<BudgetReport>,
    },
    /// Everything as it is at this moment; nothing while a save is in flight.
    Moment {
        /// Who waits.
        reply: oneshot::Sender<Option<LiveSafety>>,
    },
    /// The store has answered the save in flight.
    Saved(Result<(), crate::runtime::ports::StoreError>),
    /// It is time to restart a child.
    Restart(usize),
    /// A restart has come to its end.
    Started(Started),
}

/// A wish to change a job's mode.
#[derive(Clone, Debug)]
pub struct ModeRequest {
    /// The job.
    pub job: Team,
    /// The mode wanted.
    pub to: Mode,
    /// Who wants it.
    pub by: By,
    /// What the job has shown in advisory mode.
    pub record: AdvisoryRecord,
    /// Why that record shall not be asked for.
    pub override_reason: Option<String>,
}

/// How the budgets stand.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BudgetReport {
    /// What is left of each.
    pub remaining: Vec<Remaining>,
    /// Consultations of brains that cost nothing since the start, by team; not limited.
    pub free: BTreeMap<Team, u64>,
    /// What the run has cost so far.
    pub costs: RunCosts,
}

/// Mode and trading state as they are now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// What may be done at all.
    pub trading_state: TradingState,
    /// Each job's mode.
    pub modes: BTreeMap<Team, Mode>,
}

impl Standing {
    /// Active, every job in the mode it starts in.
    pub fn initial() -> Self {
        let modes = Team::ALL.into_iter().map(|job| (job, Mode::default_for(job))).collect();
        Self { trading_state: TradingState::Active, modes }
    }

    /// A job's mode.
    pub fn mode(&self, job: Team) -> Mode {
        self.modes.get(&job).copied().unwrap_or(Mode::Advisory)
    }
}

/// What of safety survives the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SafetyRecord {
    /// The budgets, blocks included.
    pub budgets: BudgetSnapshot,
    /// The trading state.
    pub trading_state: TradingState,
    /// Each job's mode.
    pub modes: BTreeMap<Team, Mode>,
}

/// Safety at one moment, to the last permit: what a run goes on from that plays everything since
/// then again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveSafety {
    /// Mode and trading state.
    pub standing: Standing,
    /// The budgets.
    pub budgets: LiveBudgets,
}

impl LiveSafety {
    /// As it is before anything has happened.
    ///
    /// # Errors
    /// Everything in the configuration that passes a hard limit.
    pub fn initial(config: &BudgetConfig, now: Now) -> Result<Self, Vec<BudgetError>> {
        let budgets = Budgets::durable(config.clone(), None, now)?.live();
        let budgets = budgets.ok_or_else(Vec::new)?;
        Ok(Self { standing: Standing::initial(), budgets })
    }

    /// The same as a store keeps it.
    pub fn record(&self) -> SafetyRecord {
        let Standing { trading_state, modes } = self.standing.clone();
        SafetyRecord { budgets: self.budgets.snapshot().clone(), trading_state, modes }
    }
}

/// Something that people and the audit should hear of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum SafetyEvent {
    /// An agent ended and is being restarted.
    AgentEnded {
        /// Who.
        agent: AgentName,
    },
    /// An agent ended too often and stays away; new risk was stopped.
    AgentGivenUp {
        /// Who.
        agent: AgentName,
        /// How it ended last.
        why: String,
    },
    /// The trading state was changed, or a person has ordered what it was already.
    StateChanged {
        /// Before.
        from: TradingState,
        /// After.
        to: TradingState,
        /// By whom.
        by: String,
        /// Why, and what goes on all the same.
        why: String,
    },
    /// A mode was changed.
    ModeChanged(ModeChange),
}

/// Who hears of safety's events. Called from the actor: must be quick and must not block.
pub type Events = Arc<dyn Fn(SafetyEvent) + Send + Sync>;

/// What safety is started with, and started again after a failure.
#[derive(Clone)]
pub struct SafetySetup {
    /// The budgets.
    pub budgets: BudgetConfig,
    /// Where they are written down.
    pub store: Arc<dyn SafetyStore>,
    /// What all runs of this user spend together, where somebody is paid.
    pub ledger: Option<Arc<dyn SpendLedger>>,
    /// The clocks that they count on.
    pub clock: Arc<dyn Clock>,
    /// The fence that it guards.
    pub fence: Arc<Fence>,
    /// Where the health of the agents is noted.
    pub directory: Directory,
    /// The agents, in roster order.
    pub agents: Vec<ChildSpec>,
    /// The runtime on which the agents live.
    pub runtime: Handle,
    /// How often an agent may be restarted.
    pub intensity: Intensity,
    /// Who hears of what happens.
    pub events: Events,
    /// What the first start goes on from instead of the store; taken by it. A later start, after a
    /// failure, reads the store.
    pub live: Arc<Mutex<Option<LiveSafety>>>,
}

impl fmt::Debug for SafetySetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SafetySetup")
            .field("budgets", &self.budgets)
            .field("agents", &self.agents)
            .finish_non_exhaustive()
    }
}

/// Arguments of the actor.
#[derive(Clone, Debug)]
pub struct SafetyArgs {
    pub(crate) setup: SafetySetup,
    pub(crate) standing: Arc<watch::Sender<Standing>>,
}

/// How to reach safety. Cheap to clone; survives its restarts.
#[derive(Clone, Debug)]
pub struct SafetyHandle {
    actor: StableRef<SafetyMsg>,
    standing: watch::Receiver<Standing>,
    fence: Arc<Fence>,
    directory: Directory,
    ledger: Option<Arc<dyn SpendLedger>>,
}

/// How long a caller waits for safety before it counts as absent.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Prepares safety: a handle for everybody, and what its supervisor starts it by.
pub fn safety(setup: SafetySetup) -> (ChildSpec, SafetyHandle) {
    let (publisher, actor) = stable();
    let (sender, standing) = watch::channel(Standing::initial());
    let fence = Arc::clone(&setup.fence);
    let (directory, ledger) = (setup.directory.clone(), setup.ledger.clone());
    let args = SafetyArgs { setup, standing: Arc::new(sender) };
    let child = ChildSpec::new("safety", publisher, move || (Safety, args.clone()));
    (child, SafetyHandle { actor, standing, fence, directory, ledger })
}

impl SafetyHandle {
    /// The fence.
    pub const fn fence(&self) -> &Arc<Fence> {
        &self.fence
    }

    /// The health of the agents.
    pub const fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The mode of a team as it is now.
    pub fn mode(&self, team: Team) -> Mode {
        self.standing.borrow().mode(team)
    }

    /// Mode and trading state as they are now.
    pub fn standing(&self) -> Standing {
        let mut standing = self.standing.borrow().clone();
        if self.fence.is_halted() {
            standing.trading_state = TradingState::Halted;
        }
        standing
    }

    /// Wakes when mode or trading state change.
    pub fn watch(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// Permits for all of these, each given or refused for itself: by safety for this run, and where
    /// one is paid by the ledger of all runs.
    pub async fn permits(&self, mut requests: Vec<Request>) -> Vec<Result<Permit, Code>> {
        let Some(ledger) = &self.ledger else { return self.permits_of_run(requests).await };
        let words = booking::book(ledger, &mut requests).await;
        let asked = requests.into_iter().zip(&words).filter(|(_, word)| word.is_ok());
        let asked = asked.map(|(request, _)| request).collect();
        let mut permits = self.permits_of_run(asked).await.into_iter();
        let permit = |word: Result<Option<booking::Booking>, Code>| {
            let booking = word?;
            let permit = permits.next().unwrap_or(Err(Code::SafetyAbsent))?;
            Ok(match booking {
                Some(booking) => booking.of(permit),
                None => permit,
            })
        };
        words.into_iter().map(permit).collect()
    }

    async fn permits_of_run(&self, requests: Vec<Request>) -> Vec<Result<Permit, Code>> {
        let count = requests.len();
        let answered = self.ask(|reply| SafetyMsg::Permit { requests, reply }).await;
        answered.unwrap_or_else(|| (0..count).map(|_| Err(Code::SafetyAbsent)).collect())
    }

    /// One permit.
    ///
    /// # Errors
    /// The code of what stands in the way; [`Code::SafetyAbsent`] when safety does not answer.
    pub async fn permit(&self, request: Request) -> Result<Permit, Code> {
        self.permits(vec![request]).await.pop().unwrap_or(Err(Code::SafetyAbsent))
    }

    /// Counts something that only reduces risk. Asks nobody and never waits.
    pub fn count_reducing(&self) {
        let (reply, _) = oneshot::channel();
        let requests = vec![Request::reducing()];
        // Without safety nobody counts; the exit leaves all the same.
        let _ = self.actor.cast(SafetyMsg::Permit { requests, reply });
    }

    /// Ends a permitted call.
    pub fn settle(&self, permit: Permit, cost: Money) {
        if let (Some(ledger), Some(call)) = (&self.ledger, permit.booked()) {
            ledger.settle(call, cost);
        }
        // Without safety the reservation stays spent: that is the careful side.
        let _ = self.actor.cast(SafetyMsg::Settle { permit, cost });
    }

    /// Changes the trading state; returns once the change is on the disk. A halt is in force before
    /// anything else happens, and stays so whatever this returns.
    ///
    /// # Errors
    /// The code of what stands in the way; [`Code::SafetyStore`] when it could not be written down
    /// (a halt or a reduction is in force all the same).
    pub async fn set_state(
        &self,
        wanted: TradingState,
        by: By,
        why: &str,
    ) -> Result<TradingState, Code> {
        if wanted == TradingState::Halted {
            self.fence.halt();
        }
        let why = why.to_owned();
        let answered = self.ask(|reply| SafetyMsg::SetState { wanted, by, why, reply }).await;
        answered.unwrap_or(Err(Code::SafetyAbsent))
    }

    /// Changes a job's mode; returns once the change is on the disk.
    ///
    /// # Errors
    /// The code of what stands in the way.
    pub async fn set_mode(&self, request: ModeRequest) -> Result<ModeChange, Code> {
        let answered = self.ask(|reply| SafetyMsg::SetMode { request, reply }).await;
        answered.unwrap_or(Err(Code::SafetyAbsent))
    }

    /// Tells safety that a run begins.
    pub fn begin_run(&self, id: &str) {
        let _ = self.actor.cast(SafetyMsg::BeginRun { id: id.to_owned() });
    }

    /// How the budgets stand; `None` while safety is not there.
    pub async fn report(&self) -> Option<BudgetReport> {
        self.ask(|reply| SafetyMsg::Report { reply }).await
    }

    /// Everything as it is at this moment; `None` while a save is in flight or safety is not there.
    pub async fn moment(&self) -> Option<LiveSafety> {
        self.ask(|reply| SafetyMsg::Moment { reply }).await.flatten()
    }

    async fn ask<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> SafetyMsg) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.actor.cast(message(reply)).ok()?;
        tokio::time::timeout(PATIENCE, answer).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests;
