//! The guidance actor: opens a deliberation at validation boundaries and owns it while it lasts.
//!
//! Two ways, chosen once by whether every brain is free. By rules the run waits for its round: that is
//! microseconds, and every run of the same seed takes the same decisions. With a model the run goes on
//! while the council thinks; what it clears is taken at the next boundary, if it is not too old by then.
//!
//! After a restart the actor forgets the deliberation in flight, which has moved nothing: whoever was
//! asked is owed another turn. The memory of the run is shared with the trainer's thread and outlives it.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conclave_domain::brief::training::TrainingBrief;
use conclave_domain::clearance::{Cleared, Gate};
use conclave_domain::code::Code;
use conclave_domain::guidance::{Boundary, Guide, Judged, LeverPlan, Standing, groups, moment};
use conclave_domain::limits::Limits;
use conclave_domain::order::DecisionId;
use conclave_domain::record::Step;
use conclave_domain::role::AgentName;
use conclave_domain::tally::Settle;
use conclave_domain::time::Time;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::clock::RunClock;
use super::drive::Moved;
use super::port::Approver;
use crate::audit::{AuditHandle, record};
use crate::consensus::Patience;
use crate::runtime::refs::{StableRef, stable};
use crate::runtime::shell::AgentHandle;
use crate::runtime::supervision::ChildSpec;
use crate::safety::SafetyHandle;
use crate::score::Score;

/// What the guidance actor takes.
#[derive(Debug)]
pub(super) enum GuidanceMsg {
    /// Ask these about the run as it stands.
    Deliberate {
        /// How it stands.
        standing: Box<Standing>,
        /// Who is due.
        due: Vec<AgentName>,
        /// Who waits; nobody where the run goes on meanwhile.
        reply: Option<oneshot::Sender<()>>,
    },
    /// The run is over: nobody is asked any more.
    Over {
        /// Who waits.
        reply: oneshot::Sender<()>,
    },
}

/// What the trainer's thread and the actor share.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) guide: Guide,
    /// Cleared levers that nobody has taken yet.
    pub(super) ready: Option<Cleared<LeverPlan>>,
}

/// What every deliberation works with.
pub(super) struct Office {
    pub(super) safety: SafetyHandle,
    pub(super) agents: Vec<AgentHandle<TrainingBrief>>,
    /// Each enabled agent with its interval, in roster order.
    pub(super) intervals: Vec<(AgentName, u32)>,
    pub(super) audit: AuditHandle,
    pub(super) score: Score,
    pub(super) limits: Arc<Limits>,
    pub(super) patience: Patience,
    pub(super) settle: Settle,
    pub(super) approver: Option<Arc<dyn Approver>>,
    pub(super) approval_expiry: Duration,
    pub(super) rounds: AtomicU64,
    pub(super) clock: Arc<RunClock>,
    /// What a veto fences off.
    pub(super) scope: String,
    /// Whether the run waits for its round at a boundary.
    pub(super) waits: bool,
    pub(super) memory: Mutex<Memory>,
}

impl fmt::Debug for Office {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Office").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl Office {
    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How the trainer's thread reaches guidance. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GuidanceHandle {
    actor: StableRef<GuidanceMsg>,
    office: Arc<Office>,
}

/// Prepares the guidance actor.
pub(super) fn guidance(office: Office) -> (ChildSpec, GuidanceHandle) {
    let (publisher, actor) = stable();
    let office = Arc::new(office);
    let shared = Arc::clone(&office);
    let child = ChildSpec::new("guidance", publisher, move || (Guidance, Arc::clone(&shared)));
    (child, GuidanceHandle { actor, office })
}

impl GuidanceHandle {
    /// A boundary was reached. Returns the levers that are cleared for it: where the run waits, those
    /// that were asked about just now.
    pub async fn reached(&self, boundary: &Boundary) -> Option<Cleared<LeverPlan>> {
        let (cycle, judged, due) = {
            let mut memory = self.office.memory();
            let judged = memory.guide.heard(&boundary.validation);
            let cycle = memory.guide.cycle();
            (cycle, judged, self.office.waits.then(|| self.due(&mut memory.guide)))
        };
        self.office.clock.set(cycle);
        self.tell_validation(cycle, boundary, &judged).await;
        if let Some(due) = due.filter(|due| !due.is_empty()) {
            self.wait_for(&boundary.standing, due).await;
        }
        self.office.memory().ready.take()
    }

    /// What became of the levers that were taken at this boundary. Where the run does not wait, whoever
    /// is due is asked from here on.
    pub async fn moved(&self, boundary: &Boundary, decision: Option<&DecisionId>, moved: &[Moved]) {
        if !moved.is_empty() {
            self.tell_moved(boundary.validation.at, decision, moved).await;
        }
        // An answer that nothing is left to be done with is not paid for.
        if self.office.waits || boundary.is_done {
            return;
        }
        let due = self.due(&mut self.office.memory().guide);
        if due.is_empty() {
            return;
        }
        let standing = Box::new(boundary.standing.clone());
        let message = GuidanceMsg::Deliberate { standing, due: due.clone(), reply: None };
        if self.actor.cast(message).is_err() {
            self.office.memory().guide.owe(&due);
        }
    }

    /// The run is over: whoever still thinks is cut off, and what was cleared and not taken is dropped,
    /// so that every verdict has its end in the log.
    pub async fn over(&self) {
        let (reply, answer) = oneshot::channel();
        if self.actor.cast(GuidanceMsg::Over { reply }).is_ok() {
            // An actor that is gone thinks no more either.
            let _ = answer.await;
        }
        let Some(cleared) = self.office.memory().ready.take() else { return };
        let plan = cleared.into_item();
        let parts: Vec<Moved> = groups(&plan.proposed)
            .into_iter()
            .map(|group| Moved { refused: Some(Code::TrainingStale), ..Moved::of(group, &plan) })
            .collect();
        let at = self.brief_time();
        self.tell_moved(at, Some(&plan.decision), &parts).await;
    }

    /// What stands before a lever at this moment.
    pub fn gate(&self) -> Gate {
        let fence = self.office.safety.fence();
        let now = moment(self.office.memory().guide.cycle());
        Gate { now, epoch: fence.epoch(&self.office.scope), halted: fence.is_halted() }
    }

    /// The memory of the run as it is now.
    pub fn guide(&self) -> Guide {
        self.office.memory().guide.clone()
    }

    /// What agents would be told now.
    pub fn brief(&self, standing: &Standing) -> TrainingBrief {
        self.office.memory().guide.brief(standing, &[])
    }

    /// What is counted of the agents in this process.
    pub fn score(&self) -> &Score {
        &self.office.score
    }

    /// Whether the run waits for its rounds, so that it takes the same decisions every time.
    pub fn waits(&self) -> bool {
        self.office.waits
    }

    /// The trainer could not reach a boundary; `remedy` is what a rule did about it.
    pub async fn faulted(&self, what: &str, remedy: &str) {
        let at = self.brief_time();
        let body = json!({"fault": what, "remedy": remedy, "by": "rule"});
        self.note(record(Step::FaultSeen, None, at, &body)).await;
    }

    fn brief_time(&self) -> Time {
        self.office.memory().guide.last_at()
    }

    fn due(&self, guide: &mut Guide) -> Vec<AgentName> {
        guide.due(&self.office.intervals)
    }

    async fn wait_for(&self, standing: &Standing, due: Vec<AgentName>) {
        let (reply, answer) = oneshot::channel();
        let message = GuidanceMsg::Deliberate {
            standing: Box::new(standing.clone()),
            due: due.clone(),
            reply: Some(reply),
        };
        let is_lost = self.actor.cast(message).is_err() || answer.await.is_err();
        if is_lost {
            tracing::warn!(
                "the guidance actor went away; the run goes on, its agents are asked next"
            );
            self.office.memory().guide.owe(&due);
        }
    }

    async fn tell_validation(&self, cycle: u32, boundary: &Boundary, judged: &[Judged]) {
        let Boundary { standing, validation, is_done } = boundary;
        let body = json!({
            "cycle": cycle, "validation": validation, "judged": judged, "is_done": is_done,
            "policy_version": standing.policy_version, "steps": standing.steps,
            "update": standing.update, "multipliers": standing.multipliers,
        });
        self.note(record(Step::ValidationEnded, None, validation.at, &body)).await;
    }

    async fn tell_moved(&self, at: Time, decision: Option<&DecisionId>, moved: &[Moved]) {
        {
            let mut memory = self.office.memory();
            for part in moved {
                for proposed in &part.levers {
                    match part.refused {
                        None => memory.guide.applied(proposed, part.asked_in),
                        Some(code) => memory.guide.dropped(proposed, part.asked_in, code),
                    }
                }
            }
        }
        for code in moved.iter().filter_map(|part| part.refused) {
            self.office.score.disregarded(code);
        }
        self.note(record(Step::LeversMoved, decision, at, &json!({"moved": moved}))).await;
    }

    async fn note(
        &self,
        made: Result<conclave_domain::record::Record, conclave_domain::record::RecordError>,
    ) {
        let noted = match made {
            Ok(record) => self.office.audit.note(record).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = noted {
            tracing::error!(error = &error as &dyn std::error::Error, "not recorded");
        }
    }
}

/// The actor.
#[derive(Debug)]
pub(super) struct Guidance;

/// What the actor keeps: the deliberation in flight.
#[derive(Debug)]
pub(super) struct GuidanceState {
    office: Arc<Office>,
    work: JoinSet<()>,
}

impl Actor for Guidance {
    type Msg = GuidanceMsg;
    type State = GuidanceState;
    type Arguments = Arc<Office>;

    async fn pre_start(
        &self,
        _: ActorRef<GuidanceMsg>,
        office: Arc<Office>,
    ) -> Result<GuidanceState, ActorProcessingErr> {
        Ok(GuidanceState { office, work: JoinSet::new() })
    }

    async fn handle(
        &self,
        _: ActorRef<GuidanceMsg>,
        message: GuidanceMsg,
        state: &mut GuidanceState,
    ) -> Result<(), ActorProcessingErr> {
        while state.work.try_join_next().is_some() {}
        let (standing, due, reply) = match message {
            GuidanceMsg::Deliberate { standing, due, reply } => (standing, due, reply),
            GuidanceMsg::Over { reply } => {
                state.work.shutdown().await;
                let _ = reply.send(());
                return Ok(());
            }
        };
        // One at a time: two at once would tune the same run on two different pictures of it.
        if !state.work.is_empty() && reply.is_none() {
            state.office.memory().guide.owe(&due);
            return Ok(());
        }
        // Whoever waits has nothing else to do, so what is still in flight is worth no more.
        state.work.abort_all();
        let office = Arc::clone(&state.office);
        state.work.spawn(async move {
            office.deliberate(&standing, &due).await;
            if let Some(reply) = reply {
                let _ = reply.send(());
            }
        });
        Ok(())
    }
}
