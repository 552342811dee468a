//! The approvals actor: the queue of supervised mode, persisted, answered once, expired by silence.
//!
//! - T-3: silence is never consent: what nobody answered in time is denied, on the wall clock and on
//!   the trading clock alike.
//! - O-1: a person's yes is the clearance; it is made here and nowhere else in a running council. It
//!   counts for what is so at that moment: every gate and every hard limit is looked at again, with the
//!   account as it is and the age of the last bar, and what stands in the way is in the log.
//!
//! What the market has moved past can no longer be approved, so it is not listed. It is written down as
//! expired before the next proposal, or once the market stands still: at no moment that depends on when
//! a clock of this machine ticks, or on who looks (D-1).
//!
//! After a restart it forgets nothing: the queue is a document of the context, stored before a
//! proposal is acknowledged. After a restart of the process the market that a proposal was weighed
//! against is gone, so that nothing older can be approved; it can be denied, and it expires.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use conclave_domain::approvals::{Outcome, Pending, Proposal, Queue};
use conclave_domain::clearance::{Cleared, Validity};
use conclave_domain::code::Code;
use conclave_domain::context::{BookKind, Lasting};
use conclave_domain::mode::{Mode, Person};
use conclave_domain::order::DecisionId;
use conclave_domain::record::{Record, Step};
use conclave_domain::role::Team;
use conclave_domain::time::Time;
use conclave_domain::watch::Raised;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use serde::Serialize;
use serde_json::json;
use tokio::sync::oneshot;

use crate::audit::{AuditHandle, record};
use crate::broker::BrokerHandle;
use crate::context::ContextHandle;
use crate::runtime::fence::Fence;
use crate::runtime::ports::Clock;
use crate::runtime::refs::{StableRef, stable};
use crate::runtime::supervision::ChildSpec;
use crate::safety::SafetyHandle;
use crate::score::Score;
use crate::universe::{self, Rolls};

/// The name of the queue's document in the context.
const DOCUMENT: &str = "approvals";

/// What the approvals actor takes.
#[derive(Debug)]
pub enum ApprovalsMsg {
    /// Put an entry, or a change of the universe, into the queue.
    Propose {
        /// What a person is asked.
        proposal: Box<Proposal>,
        /// Why the council wants it.
        reasoning: String,
        /// The signal and the market that an entry was weighed against.
        raised: Option<Box<Raised>>,
        /// Who waits; `true` when it is in the queue and on the disk.
        reply: oneshot::Sender<bool>,
    },
    /// A person's answer.
    Answer {
        /// The decision.
        decision: String,
        /// Yes or no.
        approve: bool,
        /// Who.
        person: Person,
        /// The person's note.
        note: String,
        /// Who waits.
        reply: oneshot::Sender<Result<String, AnswerError>>,
    },
    /// What waits.
    List {
        /// Who waits.
        reply: oneshot::Sender<Vec<Pending>>,
    },
    /// Look for what has expired.
    Expire,
}

/// Why an answer was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Nothing of that name waits.
    #[error("{0}")]
    NotFound(String),
    /// It came too late, or something stopped the order.
    #[error("{0}: {text}", text = .0.cause())]
    Denied(Code),
    /// The actor is gone.
    #[error("the approvals actor is gone")]
    Gone,
}

/// How long an item waits: shared, so that it can be changed while the process runs.
#[derive(Clone, Debug)]
pub struct Expiry(Arc<AtomicU64>);

impl Expiry {
    /// This long, to the millisecond.
    pub fn new(expiry: Duration) -> Self {
        let shared = Self(Arc::default());
        shared.set(expiry);
        shared
    }

    /// As it is now.
    pub fn get(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }

    /// From now on; what waits already keeps what it was given.
    pub fn set(&self, expiry: Duration) {
        let ms = u64::try_from(expiry.as_millis()).unwrap_or(u64::MAX);
        self.0.store(ms, Ordering::SeqCst);
    }
}

/// What the actor is started with.
#[derive(Clone, Debug)]
pub struct ApprovalsSetup {
    /// How long an item waits.
    pub expiry: Expiry,
    /// Both clocks.
    pub clock: Arc<dyn Clock>,
    /// What a clearance is stamped with.
    pub fence: Arc<Fence>,
    /// Where approved orders go.
    pub broker: BrokerHandle,
    /// Where questions and answers are written.
    pub audit: AuditHandle,
    /// Where the queue survives.
    pub context: ContextHandle,
    /// What is counted.
    pub score: Score,
    /// Who may be entered: a yes to a symbol that has left meanwhile sends nothing.
    pub universe: Rolls,
    /// Knows the present mode: an approval given after a step down to advisory sends nothing.
    pub safety: SafetyHandle,
}

/// How to reach the approvals actor.
#[derive(Clone, Debug)]
pub struct ApprovalsHandle(StableRef<ApprovalsMsg>, Expiry);

impl ApprovalsHandle {
    async fn ask<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> ApprovalsMsg) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.0.cast(message(reply)).ok()?;
        answer.await.ok()
    }

    /// Puts something into the queue, an entry with what it was weighed against; `false` when it could
    /// not be.
    pub async fn propose(
        &self,
        proposal: Proposal,
        reasoning: String,
        raised: Option<Raised>,
    ) -> bool {
        let (proposal, raised) = (Box::new(proposal), raised.map(Box::new));
        let asked = self.ask(|reply| ApprovalsMsg::Propose { proposal, reasoning, raised, reply });
        asked.await.unwrap_or(false)
    }

    /// A person's answer; the text says what became of it.
    ///
    /// # Errors
    /// When nothing of that name waits, it is too late, or the order could not leave.
    pub async fn answer(
        &self,
        decision: String,
        approve: bool,
        person: Person,
        note: String,
    ) -> Result<String, AnswerError> {
        let asked =
            self.ask(|reply| ApprovalsMsg::Answer { decision, approve, person, note, reply }).await;
        asked.unwrap_or(Err(AnswerError::Gone))
    }

    /// How long an item waits; to be looked at and to be changed.
    pub const fn expiry(&self) -> &Expiry {
        &self.1
    }

    /// Looks for what has expired, and returns when that is written down: for a repetition, whose
    /// clock does not go by itself.
    pub async fn expire(&self) {
        if self.0.cast(ApprovalsMsg::Expire).is_ok() {
            // Answered behind it, from the same mailbox.
            let _ = self.list().await;
        }
    }

    /// What waits.
    pub async fn list(&self) -> Vec<Pending> {
        self.ask(|reply| ApprovalsMsg::List { reply }).await.unwrap_or_default()
    }
}

/// Prepares the approvals actor.
pub fn approvals(setup: ApprovalsSetup) -> (ChildSpec, ApprovalsHandle) {
    let (publisher, actor) = stable();
    let expiry = setup.expiry.clone();
    let weighed = Weighed::default();
    let child = ChildSpec::new("approvals", publisher, move || {
        (Approvals, (setup.clone(), Arc::clone(&weighed)))
    });
    (child, ApprovalsHandle(actor, expiry))
}

/// What the proposals that wait were weighed against; it outlives the actor, and not the process.
type Weighed = Arc<Mutex<BTreeMap<DecisionId, Raised>>>;

/// The actor.
#[derive(Debug)]
pub struct Approvals;

/// What the actor keeps.
#[derive(Debug)]
pub struct ApprovalsState {
    setup: ApprovalsSetup,
    queue: Queue,
    weighed: Weighed,
    /// The trading clock at the last look for what has expired.
    looked_at: Option<Time>,
}

impl Actor for Approvals {
    type Msg = ApprovalsMsg;
    type State = ApprovalsState;
    type Arguments = (ApprovalsSetup, Weighed);

    async fn pre_start(
        &self,
        me: ActorRef<ApprovalsMsg>,
        (setup, weighed): Self::Arguments,
    ) -> Result<ApprovalsState, ActorProcessingErr> {
        let queue = setup.context.document(DOCUMENT)?.unwrap_or_default();
        me.send_interval(Duration::from_secs(1), || ApprovalsMsg::Expire);
        Ok(ApprovalsState { setup, queue, weighed, looked_at: None })
    }

    async fn handle(
        &self,
        _: ActorRef<ApprovalsMsg>,
        message: ApprovalsMsg,
        state: &mut ApprovalsState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ApprovalsMsg::Propose { proposal, reasoning, raised, reply } => {
                let decision = proposal.decision().clone();
                let waits = state.propose(*proposal, reasoning).await;
                if let Some(raised) = raised.filter(|_| waits) {
                    state.weighed().insert(decision, *raised);
                }
                let _ = reply.send(waits);
            }
            ApprovalsMsg::Answer { decision, approve, person, note, reply } => {
                let answered = state.answer(&decision, approve, person, note).await;
                let _ = reply.send(answered);
            }
            ApprovalsMsg::List { reply } => {
                let open = state.queue.pending().filter(|item| !state.is_stale(item));
                let _ = reply.send(open.cloned().collect());
            }
            ApprovalsMsg::Expire => state.expire().await,
        }
        Ok(())
    }
}

/// The body of the record that something waits.
#[derive(Serialize)]
struct Asked<'a> {
    #[serde(flatten)]
    proposal: &'a Proposal,
    expires_in_s: u64,
}

impl ApprovalsState {
    fn weighed(&self) -> std::sync::MutexGuard<'_, BTreeMap<DecisionId, Raised>> {
        self.weighed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn keep(&self) -> bool {
        match self.setup.context.keep(DOCUMENT, &self.queue, Lasting::AtOnce).await {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "queue not stored");
                false
            }
        }
    }

    async fn write(&self, records: Vec<Record>) -> bool {
        match self.setup.audit.append(records).await {
            Ok(_) => true,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "answer not recorded");
                false
            }
        }
    }

    async fn propose(&mut self, proposal: Proposal, reasoning: String) -> bool {
        let mut records = self.take_over(Self::is_stale);
        let expiry = self.setup.expiry.get();
        let (decision, at) = (proposal.decision().clone(), proposal.at());
        let body = Asked { proposal: &proposal, expires_in_s: expiry.as_secs() };
        let asked = record(Step::ApprovalAsked, Some(&decision), at, &body);
        let now = self.setup.clock.wall();
        if self.queue.propose(decision.clone(), proposal, reasoning, now, expiry).is_err() {
            self.write(records).await;
            self.keep().await;
            return false;
        }
        records.extend(asked);
        if self.write(records).await && self.keep().await {
            return true;
        }
        // The asker hears that nothing waits, so nothing may: not even for a person's yes.
        self.queue.withdraw(&decision);
        self.keep().await;
        false
    }

    /// Whether the market has moved on too far for an item: the trading clock's half of expiry.
    fn is_stale(&self, item: &Pending) -> bool {
        let (at, now) = (item.proposal.at(), self.setup.clock.trading());
        // A proposal of a bar that is yet to come: the process has gone back and plays it again, and
        // the council decides on it anew.
        now < at || now.since(at) > self.setup.expiry.get()
    }

    async fn answer(
        &mut self,
        decision: &str,
        approve: bool,
        person: Person,
        note: String,
    ) -> Result<String, AnswerError> {
        let now = self.setup.clock.wall();
        let (item, mut outcome) = self
            .queue
            .decide(decision, approve, note, now)
            .map_err(|error| AnswerError::NotFound(error.to_string()))?;
        let at = item.proposal.at();
        if self.is_stale(&item) {
            outcome = Outcome::Expired;
        }
        let raised = self.weighed().remove(&item.decision);
        let against = match outcome {
            Outcome::Approved { .. } => self.recheck(&item.proposal, raised).await.err(),
            Outcome::Denied { .. } | Outcome::Expired => None,
        };
        let body = json!({"by": person, "answer": outcome});
        let answered = record(Step::ApprovalAnswered, Some(&item.decision), at, &body);
        let refused = against.map(|code| json!({"denied": code, "by": person}));
        let refused =
            refused.map(|body| record(Step::OrderCleared, Some(&item.decision), at, &body));
        let records = answered.into_iter().chain(refused.into_iter().flatten()).collect();
        let written = self.write(records).await && self.keep().await;
        match (outcome, against) {
            (Outcome::Approved { .. }, None) if written => {
                self.carry_out(person, item.proposal).await
            }
            (Outcome::Approved { .. }, against) => {
                let code = against.unwrap_or(Code::SafetyStore);
                self.deny(&item.decision, code);
                Err(AnswerError::Denied(code))
            }
            (Outcome::Denied { .. }, _) => {
                self.deny(&item.decision, item.proposal.denied_as(Code::ApprovalDenied));
                Ok("denied; nothing was sent".to_owned())
            }
            (Outcome::Expired, _) => {
                self.deny(&item.decision, item.proposal.denied_as(Code::ApprovalExpired));
                Err(AnswerError::Denied(Code::ApprovalExpired))
            }
        }
    }

    /// What stands against an order at the moment of a person's yes: the mode, every gate, every hard
    /// limit with the order in the book, the age of the last bar.
    async fn recheck(&self, proposal: &Proposal, raised: Option<Raised>) -> Result<(), Code> {
        let standing = self.setup.safety.standing();
        if standing.mode(Team::Trading) == Mode::Advisory {
            return Err(Code::ModeAdvisory);
        }
        // A change of the universe is looked at where it is carried out, under one lock with it.
        let Proposal::Entry { intent, .. } = proposal else { return Ok(()) };
        if !self.setup.universe.admits(BookKind::Real, &intent.symbol) {
            return Err(Code::UniverseOutside);
        }
        let raised = raised.ok_or(Code::ApprovalUnchecked)?;
        let (now, state) = (self.setup.clock.trading(), standing.trading_state);
        let checked = self.setup.broker.recheck(intent.clone(), raised, (now, state)).await;
        // An account that is gone or broken is no ground to trade on.
        checked.unwrap_or(Err(Code::SafetyAbsent))
    }

    fn deny(&self, decision: &DecisionId, code: Code) {
        self.setup.score.denied(decision, code, code.cause());
        self.setup.score.forget(decision);
    }

    /// Does what a person has said yes to.
    async fn carry_out(&self, person: Person, proposal: Proposal) -> Result<String, AnswerError> {
        let ApprovalsSetup { fence, expiry, safety, .. } = &self.setup;
        let decision = proposal.decision().clone();
        if safety.mode(Team::Trading) == Mode::Advisory {
            self.deny(&decision, Code::ModeAdvisory);
            return Err(AnswerError::Denied(Code::ModeAdvisory));
        }
        let expires_at = proposal.at() + expiry.get();
        let validity = |scope: &str| Validity { epoch: fence.epoch(scope), expires_at };
        let done = match proposal {
            Proposal::Entry { intent, .. } => {
                let validity = validity(intent.symbol.as_str());
                let cleared = Cleared::by_person(person, intent, validity);
                let sent = self.setup.broker.submit(BookKind::Real, cleared, Vec::new()).await;
                sent.map_err(|_| AnswerError::Gone)?.map(|()| "approved and sent")
            }
            Proposal::Universe { change } => {
                let cleared = Cleared::by_person(person, change, validity(universe::SCOPE));
                let gate = fence.gate(universe::SCOPE, self.setup.clock.trading());
                let admitted = self.setup.universe.admit(BookKind::Real, cleared, gate);
                admitted.map(|()| "approved; the members are these from now on")
            }
        };
        done.map(str::to_owned).map_err(|code| {
            self.deny(&decision, code);
            AnswerError::Denied(code)
        })
    }

    /// What silence has decided. What is stale waits for the market to stand still: while it moves, the
    /// next proposal takes it out, in the order of the bars.
    async fn expire(&mut self) {
        let (now, market) = (self.setup.clock.wall(), self.setup.clock.trading());
        let stands_still = self.looked_at.replace(market) == Some(market);
        let records = self.take_over(|state, item| {
            item.expires_at <= now || (stands_still && state.is_stale(item))
        });
        if !records.is_empty() {
            self.write(records).await;
            self.keep().await;
        }
    }

    /// Takes out and denies what is over; the records of it are the caller's to write.
    fn take_over(&mut self, is_over: impl Fn(&Self, &Pending) -> bool) -> Vec<Record> {
        let mut queue = std::mem::take(&mut self.queue);
        let over = queue.expire_if(|item| is_over(self, item));
        self.queue = queue;
        let mut records = Vec::new();
        for item in &over {
            self.weighed().remove(&item.decision);
            let (at, code) = (item.proposal.at(), item.proposal.denied_as(Code::ApprovalExpired));
            let body = json!({"code": code});
            records.extend(record(Step::ApprovalExpired, Some(&item.decision), at, &body));
            self.deny(&item.decision, code);
        }
        records
    }
}
