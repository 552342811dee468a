//! The one mailbox of all fourteen agents.
//!
//! The handler never awaits a brain: it takes the consultation, starts the work as a task that the
//! actor owns, and is ready for the next. What is in flight is bounded by the permits that travel in
//! the messages. When the round is over its tasks are dropped, and with them the calls they wait for.
//!
//! - F-1: forbidden actions do not happen: an answer that asks for one is refused here, whatever
//!   brain gave it.
//! - T-3: silence is never consent: a consultation that is dropped anywhere tells its round so.
//!
//! After a restart an agent forgets everything: it had nothing but work in flight, and each of those
//! rounds has heard that it is lost.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use conclave_domain::advice::Advice;
use conclave_domain::budget::{Paid, Permit, Rung};
use conclave_domain::code::Code;
use conclave_domain::fixed::Money;
use conclave_domain::limits::Limits;
use conclave_domain::order::DecisionId;
use conclave_domain::role::{AgentName, Role};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{Instrument as _, Span};

use super::agent::{ConsultError, Entry};
use super::brain::{Ask, Brain, Spent, Thought};
use super::faults::spoil::{Spoiled, spoil};
use super::faults::{Fault, FaultPlan};
use super::refs::{BoundedRef, Mail, Permits, Slot, stable};
use super::supervision::ChildSpec;
use crate::safety::SafetyHandle;
use crate::spans;

/// Consultations that one agent may have in flight, unless configured otherwise.
pub const PERMITS: usize = 128;

/// What one agent brought to a round.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Who.
    pub agent: AgentName,
    /// The brain that gave it: `rules`, `recorded` or a model's name.
    pub brain: String,
    /// The raw answer, where there was one.
    pub raw: Option<Value>,
    /// What it became.
    pub outcome: Result<Advice, ConsultError>,
    /// Why no model was asked, where the agent's rules answered in its place.
    pub refused: Option<Code>,
    /// What it has cost.
    pub cost: Money,
    /// How long it took, on tokio's clock: volatile, no part of a decision.
    pub latency: Duration,
}

/// What a round hears from its members.
#[derive(Debug)]
pub(crate) enum Heard {
    /// An answer, or the reason why there is none.
    Answer {
        /// Which member.
        seat: usize,
        /// What it brought.
        answer: Box<Answer>,
    },
    /// The agent took the consultation and will not answer it.
    Lost {
        /// Which member.
        seat: usize,
        /// Why; one of few texts, since records keep it.
        why: &'static str,
    },
    /// The consultation was dropped before the agent looked at it: it may be sent again.
    NotTaken {
        /// Which member.
        seat: usize,
    },
}

/// The way back to the round. Dropped without an answer, it says so.
#[derive(Debug)]
pub(crate) struct Reply {
    seat: usize,
    to: mpsc::UnboundedSender<Heard>,
    taken: bool,
    /// Whether nothing is owed any more.
    settled: bool,
}

/// What a round hears of an agent that panicked.
pub const PANICKED: &str = "the agent panicked";
/// What a round hears of an agent that was killed, stopped or crashed.
pub const WENT_AWAY: &str = "the agent went away";

impl Reply {
    pub(crate) const fn new(seat: usize, to: mpsc::UnboundedSender<Heard>) -> Self {
        Self { seat, to, taken: false, settled: false }
    }

    /// The round knows already that this was not sent.
    pub(crate) fn withdraw(mut self) {
        self.settled = true;
    }

    /// Says something and owes an answer still: for a fault that answers twice.
    fn echo(&self, answer: Answer) {
        let answer = Box::new(answer);
        let _ = self.to.send(Heard::Answer { seat: self.seat, answer });
    }

    fn answer(mut self, answer: Answer) {
        self.settled = true;
        let (seat, answer) = (self.seat, Box::new(answer));
        // A round that is over has stopped listening; that is its right.
        let _ = self.to.send(Heard::Answer { seat, answer });
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let seat = self.seat;
        let heard = match (self.taken, std::thread::panicking()) {
            (false, _) => Heard::NotTaken { seat },
            (true, true) => Heard::Lost { seat, why: PANICKED },
            (true, false) => Heard::Lost { seat, why: WENT_AWAY },
        };
        let _ = self.to.send(heard);
    }
}

/// A round's hold on its calls: they end when it is dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    /// Only its drop is heard.
    _end: watch::Sender<()>,
}

/// The other end of a [`Hold`], in every consultation of the round.
#[derive(Clone, Debug)]
pub(crate) struct Cancel(watch::Receiver<()>);

impl Hold {
    pub(crate) fn new() -> (Self, Cancel) {
        let (sender, receiver) = watch::channel(());
        (Self { _end: sender }, Cancel(receiver))
    }
}

impl Cancel {
    fn is_cancelled(&self) -> bool {
        self.0.has_changed().is_err()
    }

    async fn cancelled(&mut self) {
        while self.0.changed().await.is_ok() {}
    }
}

/// The permit of a paid call. Whoever drops it last settles it: for what the call is known to have
/// cost, or, where nobody knows, for all that was reserved.
#[derive(Debug)]
pub(crate) struct Lease {
    permit: Option<Permit>,
    safety: SafetyHandle,
    spent: Spent,
}

impl Lease {
    pub(crate) fn new(permit: Permit, safety: SafetyHandle, spent: Spent) -> Self {
        Self { permit: Some(permit), safety, spent }
    }

    /// The money that is reserved for the call.
    pub(crate) fn reserved(&self) -> Money {
        self.permit.as_ref().map_or(Money::ZERO, Permit::reserved)
    }

    /// The model that was granted.
    pub(crate) fn granted(&self) -> Option<Rung> {
        self.permit.as_ref()?.granted().cloned()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            let cost = self.spent.get().unwrap_or_else(|| permit.reserved());
            self.safety.settle(permit, cost);
        }
    }
}

/// A question to one agent.
#[derive(Debug)]
pub struct Consult<B> {
    pub(crate) brief: Arc<B>,
    pub(crate) decision: DecisionId,
    pub(crate) round: u64,
    pub(crate) spent: Spent,
    pub(crate) lease: Option<Arc<Lease>>,
    /// Why it has none, where it is asked all the same.
    pub(crate) refused: Option<Code>,
    pub(crate) cancel: Cancel,
    /// What is told of it: it goes with the message, because the work is a task of the agent's own.
    pub(crate) span: Span,
    pub(crate) reply: Reply,
}

/// How to reach one agent. Cheap to clone; survives its restarts.
#[derive(Debug)]
pub struct AgentHandle<B> {
    /// Its place in the org chart.
    pub role: Role,
    pub(crate) brain: Arc<dyn Brain<B>>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) mailbox: BoundedRef<Consult<B>>,
}

impl<B> Clone for AgentHandle<B> {
    fn clone(&self) -> Self {
        Self {
            role: self.role,
            brain: Arc::clone(&self.brain),
            limits: Arc::clone(&self.limits),
            mailbox: self.mailbox.clone(),
        }
    }
}

impl<B> AgentHandle<B> {
    /// What a consultation about this brief can cost, if it costs anything.
    pub fn paid(&self, brief: &B) -> Option<Paid> {
        self.brain.paid(brief, &self.limits)
    }

    /// Consultations that are in its mailbox or in work.
    pub fn depth(&self) -> usize
    where
        B: Send + Sync + 'static,
    {
        self.mailbox.permits().depth()
    }
}

/// What an agent is made of.
#[derive(Debug)]
pub struct AgentSpec<B> {
    /// Its functions.
    pub entry: Entry<B>,
    /// Its brain.
    pub brain: Arc<dyn Brain<B>>,
    /// The limits in force.
    pub limits: Arc<Limits>,
    /// Faults on request.
    pub faults: Arc<FaultPlan>,
    /// Consultations that it may have in flight.
    pub permits: usize,
}

impl<B> Clone for AgentSpec<B> {
    fn clone(&self) -> Self {
        Self {
            entry: self.entry,
            brain: Arc::clone(&self.brain),
            limits: Arc::clone(&self.limits),
            faults: Arc::clone(&self.faults),
            permits: self.permits,
        }
    }
}

/// Prepares an agent: a handle for whoever consults it, and what its supervisor starts it by.
pub fn agent<B: fmt::Debug + Send + Sync + 'static>(
    spec: AgentSpec<B>,
) -> (ChildSpec, AgentHandle<B>) {
    let (publisher, actor) = stable();
    let role = spec.entry.role;
    let permits = Permits::new(role.name, spec.permits);
    let (brain, limits) = (Arc::clone(&spec.brain), Arc::clone(&spec.limits));
    let mailbox = BoundedRef::new(actor, permits);
    let child = ChildSpec::new(role.name, publisher, move || (AgentActor::default(), spec.clone()));
    (child, AgentHandle { role, brain, limits, mailbox })
}

/// The actor around an agent.
#[derive(Debug)]
pub struct AgentActor<B>(PhantomData<fn() -> B>);

impl<B> Default for AgentActor<B> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

/// An agent at work.
#[derive(Debug)]
pub struct AgentState<B> {
    spec: AgentSpec<B>,
    work: JoinSet<()>,
}

impl<B: fmt::Debug + Send + Sync + 'static> Actor for AgentActor<B> {
    type Msg = Mail<Consult<B>>;
    type State = AgentState<B>;
    type Arguments = AgentSpec<B>;

    async fn pre_start(
        &self,
        _: ActorRef<Self::Msg>,
        spec: AgentSpec<B>,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(AgentState { spec, work: JoinSet::new() })
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        Mail { message: mut consult, slot }: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        while let Some(done) = state.work.try_join_next() {
            note_panic(state.spec.entry.role.name, done);
        }
        if consult.cancel.is_cancelled() {
            spans::not_awaited(&consult.span);
            return Ok(());
        }
        consult.reply.taken = true;
        let spec = &state.spec;
        match spec.faults.at(spec.entry.role.name, consult.round) {
            Some(Fault::Drop) => drop((consult, slot)),
            Some(Fault::Hang) => {
                state.work.spawn(async move {
                    let Consult { mut cancel, reply, .. } = consult;
                    cancel.cancelled().await;
                    drop((reply, slot));
                });
            }
            Some(Fault::Shed) => consult.reply.answer(shed(spec)),
            Some(Fault::Kill) => myself.kill(),
            Some(Fault::Error) => return Err("a planned error".into()),
            #[expect(clippy::panic, reason = "a fault that was asked for")]
            Some(Fault::Panic) => panic!("a planned panic"),
            fault => {
                let span = consult.span.clone();
                state.work.spawn(work(spec.clone(), consult, slot, fault).instrument(span));
            }
        }
        Ok(())
    }
}

fn note_panic(agent: AgentName, done: Result<(), tokio::task::JoinError>) {
    if done.is_err_and(|error| error.is_panic()) {
        metrics::counter!("conclave_agent_panics_total", "agent" => agent).increment(1);
        tracing::error!(agent, "a consultation panicked");
    }
}

pub(crate) fn shed<B>(spec: &AgentSpec<B>) -> Answer {
    Answer {
        agent: spec.entry.role.name,
        brain: spec.brain.name().to_owned(),
        raw: None,
        outcome: Err(ConsultError::Shed),
        refused: None,
        cost: Money::ZERO,
        latency: Duration::ZERO,
    }
}

/// How long a slow answer takes.
const SLOW: Duration = Duration::from_millis(250);

/// Thinks, reads, answers; ends without an answer when the round is over. `fault` is what goes wrong
/// with the answer on its way, if anything was asked for.
async fn work<B: Send + Sync + 'static>(
    spec: AgentSpec<B>,
    consult: Consult<B>,
    slot: Slot,
    fault: Option<Fault>,
) {
    let started_at = Instant::now();
    let Consult { brief, decision, round, spent, lease, refused, mut cancel, span, reply } =
        consult;
    let ask = Ask {
        entry: spec.entry,
        brief: Arc::clone(&brief),
        limits: Arc::clone(&spec.limits),
        decision,
        round,
        granted: lease.as_ref().and_then(|lease| lease.granted()),
        refused,
        spent: spent.clone(),
    };
    let thinking = async {
        if fault == Some(Fault::Slow) {
            tokio::time::sleep(SLOW).await;
        }
        spec.brain.think(ask).await
    };
    let thought = tokio::select! {
        biased;
        thought = thinking => thought,
        () = cancel.cancelled() => {
            spans::not_awaited(&span);
            return;
        }
    };
    let mut answer = answer(&spec, thought, &spent, |raw| read(&spec, raw, &brief, fault, round));
    note_forbidden(answer.agent, &answer.outcome);
    if fault == Some(Fault::Late) {
        cancel.cancelled().await;
    }
    // Both come back before the round hears the answer, so that its next question finds them there.
    drop((lease, slot));
    answer.latency = started_at.elapsed();
    spans::answered(&span, &answer);
    if fault == Some(Fault::Twice) {
        let why = "a second answer, on request".to_owned();
        let outcome = Err(ConsultError::Brain { why });
        let second = Answer { raw: None, outcome, ..answer.clone() };
        reply.echo(answer);
        reply.answer(second);
    } else {
        reply.answer(answer);
    }
}

/// What a thought comes to once it is read.
fn answer<B>(
    spec: &AgentSpec<B>,
    thought: Result<Thought, ConsultError>,
    spent: &Spent,
    read: impl FnOnce(Value) -> (Option<Value>, Result<Advice, ConsultError>),
) -> Answer {
    let (agent, brain) = (spec.entry.role.name, spec.brain.name().to_owned());
    let latency = Duration::ZERO;
    match thought {
        Err(error) => {
            let (cost, outcome) = (spent.get().unwrap_or(Money::ZERO), Err(error));
            Answer { agent, brain, raw: None, outcome, refused: None, cost, latency }
        }
        Ok(Thought { raw, cost, by, refused }) => {
            spent.set(cost);
            let brain = by.unwrap_or(brain);
            let (raw, outcome) = read(raw);
            Answer { agent, brain, raw, outcome, refused, cost, latency }
        }
    }
}

/// Reads a raw answer, as it is or as a fault has left it.
fn read<B>(
    spec: &AgentSpec<B>,
    raw: Value,
    brief: &B,
    fault: Option<Fault>,
    round: u64,
) -> (Option<Value>, Result<Advice, ConsultError>) {
    let read = |raw: &Value| (spec.entry.read)(raw, brief, &spec.limits);
    match fault.and_then(|fault| spoil(fault, &raw, round)) {
        None => {
            let outcome = read(&raw);
            (Some(raw), outcome)
        }
        Some(Spoiled::Raw(raw)) => {
            let outcome = read(&raw);
            (Some(raw), outcome)
        }
        Some(Spoiled::Text(text)) => {
            let outcome = (spec.entry.parse)(&text).and_then(|raw| read(&raw));
            (Some(Value::String(text)), outcome)
        }
    }
}

/// F-1: whoever asks for a forbidden action is told of, whichever way the answer came.
fn note_forbidden(agent: AgentName, outcome: &Result<Advice, ConsultError>) {
    if let Err(ConsultError::Forbidden { action }) = outcome {
        let code = Code::SafetyForbidden.as_str();
        metrics::counter!("conclave_denials_total", "code" => code).increment(1);
        tracing::error!(agent, action, "an answer asked for a forbidden action");
    }
}
