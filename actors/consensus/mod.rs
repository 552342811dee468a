//! One round of consensus: a short-lived collector around a pure tally.
//!
//! [`open_round`] is the collector: a future with a mailbox of its own, which hears only its own
//! round. Whoever opens a round awaits it in a task that it owns, never inside a mailbox's handler;
//! dropping the future ends the round and cancels its calls (`docs/adr/0004-rounds.md` says why it
//! is no actor).
//!
//! # Invariants
//!
//! - T-1 to T-4: see [`conclave_domain::tally`]; nothing here decides anything.
//! - A round never waits for an agent that is not there: whatever becomes of a consultation, dropped
//!   in a mailbox, panicking, killed, the round hears of it.
//! - G-3: a paid brain is asked under a permit; one whose permit is refused because something is spent
//!   is asked without, and answers by its agent's rules, where it is set up to.
//! - The guardian is asked first. Its veto closes the round, raises the fence and drops the calls in
//!   flight before this returns.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use conclave_domain::budget::{Paid, Request};
use conclave_domain::code::Code;
use conclave_domain::limits::ConsensusRules;
use conclave_domain::order::DecisionId;
use conclave_domain::role::AgentName;
use conclave_domain::tally::{Acted, Event, RoundReport, Settle, Tally, TallySpec, Verdict};
use ractor::ActorId;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::runtime::agent::ConsultError;
use crate::runtime::brain::Spent;
use crate::runtime::recall::Recall;
use crate::runtime::refs::{GivenUp, Refused};
use crate::runtime::shell::{
    AgentHandle, Answer, Cancel, Consult, Heard, Hold, Lease, Reply, WENT_AWAY,
};
use crate::safety::SafetyHandle;
use crate::spans;

mod measure;
pub(crate) mod noted;

/// One agent that a round asks.
#[derive(Debug)]
pub struct Member<B> {
    /// How to reach it.
    pub agent: AgentHandle<B>,
    /// What it is told; agents of one round may be told different things, such as their own record.
    pub brief: Arc<B>,
}

/// How long a round waits for its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Whoever has not answered by then is late: everything that is not a replay.
    Deadline(Duration),
    /// Nobody is late, so that no record depends on the speed of the machine; a round that has not
    /// closed by then is an error that fails the run.
    Watchdog(Duration),
}

/// A question to a team.
#[derive(Debug)]
pub struct RoundRequest<B> {
    /// The decision that it belongs to; a replay finds recorded answers by it.
    pub decision: DecisionId,
    /// The number of the round in this run, from 1: planned faults go by it.
    pub nth: u64,
    /// What a veto fences off: the symbol, or the name of the job.
    pub scope: String,
    /// Who is asked, in roster order.
    pub members: Vec<Member<B>>,
    /// Whether every voter must vote for it.
    pub critical: bool,
    /// When it may close.
    pub settle: Settle,
    /// How long it waits.
    pub patience: Patience,
    /// How it is counted.
    pub rules: Arc<ConsensusRules>,
    /// What was answered before the process ended: nobody is paid twice for it.
    pub recall: Arc<Recall>,
    /// Whether it was open when the process ended and is too old to be finished.
    pub interrupted: bool,
}

/// A round that has closed.
#[derive(Debug)]
pub struct Round {
    /// What the record says: the same for every order of arrival.
    pub report: RoundReport,
    /// The answers of those whose seat the report shows as settled, in roster order.
    pub answers: Vec<Answer>,
    /// The proof that it said act, if it did: what makes a clearance.
    pub acted: Option<Acted>,
    /// The fence's epoch when it was opened: what the clearance carries.
    pub epoch: u64,
}

/// Why a round brought no verdict at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoundError {
    /// The watchdog of a replay.
    #[error("round {decision} did not close within {waited:?}: {} did not answer", silent.join(", "))]
    Watchdog {
        /// Its decision.
        decision: DecisionId,
        /// How long it waited.
        waited: Duration,
        /// Who did not answer.
        silent: Vec<AgentName>,
    },
}

/// Opens a round, collects what its members say, and closes it.
///
/// # Errors
/// When a watchdog found that the round did not close; a deadline is no error.
pub async fn open_round<B: Send + Sync + 'static>(
    request: RoundRequest<B>,
    safety: &SafetyHandle,
) -> Result<Round, RoundError> {
    let span = spans::round(&request);
    let round = collect(request, safety).instrument(span.clone()).await;
    spans::closed(&span, &round);
    round
}

async fn collect<B: Send + Sync + 'static>(
    request: RoundRequest<B>,
    safety: &SafetyHandle,
) -> Result<Round, RoundError> {
    let started_at = Instant::now();
    let (limit, fails) = match request.patience {
        Patience::Deadline(limit) => (limit, false),
        Patience::Watchdog(limit) => (limit, true),
    };
    let mut collector = Collector::new(&request, safety);
    let time_is_up = tokio::time::sleep_until(started_at + limit);
    tokio::pin!(time_is_up);
    let ended = tokio::select! {
        biased;
        () = collector.run() => Ended::Counted,
        () = &mut time_is_up => Ended::TimeIsUp,
        () = hurried(safety) => Ended::Hurried,
    };
    match ended {
        Ended::Counted => {}
        Ended::TimeIsUp if fails => {
            let silent = collector.tally.awaited().collect();
            let decision = request.decision.clone();
            return Err(RoundError::Watchdog { decision, waited: limit, silent });
        }
        Ended::TimeIsUp | Ended::Hurried => {
            collector.tally.apply(Event::Deadline);
        }
    }
    Ok(collector.close(started_at.elapsed()))
}

/// How the collecting ended.
enum Ended {
    /// The tally is closed.
    Counted,
    /// The patience is at its end.
    TimeIsUp,
    /// The process is being stopped: its last deadline, for replays too.
    Hurried,
}

/// What an agent has left from the moment on that the process cannot wait any more.
const HURRIED_PATIENCE: Duration = Duration::from_millis(200);

/// Resolves where the process cannot wait any more, a little after that.
pub(crate) async fn hurried(safety: &SafetyHandle) {
    safety.fence().hurried().await;
    tokio::time::sleep(HURRIED_PATIENCE).await;
}

/// A consultation that waits for its agent to come back to life.
type Revival = Pin<Box<dyn Future<Output = (usize, Result<(), GivenUp>)> + Send>>;

/// An open round.
struct Collector<'a, B> {
    request: &'a RoundRequest<B>,
    safety: &'a SafetyHandle,
    epoch: u64,
    tally: Tally,
    heard: mpsc::UnboundedReceiver<Heard>,
    mouth: mpsc::UnboundedSender<Heard>,
    /// Dropped with the collector: the calls in flight end.
    _hold: Hold,
    cancel: Cancel,
    leases: BTreeMap<usize, (Arc<Lease>, Spent)>,
    /// Seats that answer by rules because their permit was refused, and why.
    without: BTreeMap<usize, Code>,
    lives: BTreeMap<usize, ActorId>,
    revivals: Vec<Revival>,
    answers: Vec<Option<Answer>>,
    /// Who was late in the run that is being given again: nobody waits for them.
    late: BTreeSet<AgentName>,
}

impl<'a, B: Send + Sync + 'static> Collector<'a, B> {
    fn new(request: &'a RoundRequest<B>, safety: &'a SafetyHandle) -> Self {
        let named = |wanted: fn(&Member<B>) -> bool| -> Vec<AgentName> {
            request.members.iter().filter(|it| wanted(it)).map(|it| it.agent.role.name).collect()
        };
        let tally = Tally::new(&TallySpec {
            voters: named(|member| member.agent.role.authority.votes()),
            guardians: named(|member| member.agent.role.authority.may_veto()),
            critical: request.critical,
            rules: &request.rules,
            settle: request.settle,
        });
        let (mouth, heard) = mpsc::unbounded_channel();
        let (hold, cancel) = Hold::new();
        Self {
            request,
            safety,
            epoch: safety.fence().epoch(&request.scope),
            tally,
            heard,
            mouth,
            _hold: hold,
            cancel,
            leases: BTreeMap::new(),
            without: BTreeMap::new(),
            lives: BTreeMap::new(),
            revivals: Vec::new(),
            answers: request.members.iter().map(|_| None).collect(),
            late: BTreeSet::new(),
        }
    }

    /// Runs until the tally is closed.
    async fn run(&mut self) {
        let mut fence = self.safety.fence().changes();
        self.look_at_fence();
        if self.request.interrupted {
            self.tally.apply(Event::Interrupted);
        }
        self.permits().await;
        let guards = |member: &Member<B>| member.agent.role.authority.may_veto();
        for first in [true, false] {
            for seat in 0..self.request.members.len() {
                if self.is_open() && guards(&self.request.members[seat]) == first {
                    self.ask(seat);
                }
            }
        }
        while self.is_open() {
            tokio::select! {
                biased;
                changed = fence.changed() => {
                    if changed.is_err() {
                        self.tally.apply(Event::Fenced);
                    }
                    self.look_at_fence();
                }
                Some(heard) = self.heard.recv() => {
                    self.hear(heard);
                    self.leave_the_late();
                }
                (seat, life) = next_revival(&mut self.revivals) => match life {
                    Ok(()) => self.ask(seat),
                    Err(GivenUp) => self.failed(seat, WENT_AWAY),
                },
            }
        }
    }

    fn is_open(&self) -> bool {
        *self.tally.verdict() == Verdict::Open
    }

    fn look_at_fence(&mut self) {
        let fence = self.safety.fence();
        if fence.is_halted() {
            self.tally.apply(Event::Halted);
        } else if fence.epoch(&self.request.scope) != self.epoch {
            self.tally.apply(Event::Fenced);
        }
    }

    /// Reserves the money of paid members before anybody is asked, the guardian's first; free ones
    /// need nobody's leave.
    async fn permits(&mut self) {
        let mut seats: Vec<usize> =
            (0..self.request.members.len()).filter(|seat| self.is_to_be_paid(*seat)).collect();
        if seats.is_empty() || !self.is_open() {
            return;
        }
        seats.sort_by_key(|seat| !self.request.members[*seat].agent.role.authority.may_veto());
        let paid: Vec<Option<Paid>> = seats
            .iter()
            .map(|seat| &self.request.members[*seat])
            .map(|Member { agent, brief }| agent.paid(brief))
            .collect();
        let consultation = |(seat, paid): (&usize, &Option<Paid>)| {
            Request::consultation(&self.request.members[*seat].agent.role, paid.clone())
        };
        let permits =
            self.safety.permits(seats.iter().zip(&paid).map(consultation).collect()).await;
        for ((seat, paid), permit) in seats.into_iter().zip(paid).zip(permits) {
            match permit {
                Ok(permit) => {
                    let spent = Spent::default();
                    let lease = Lease::new(permit, self.safety.clone(), spent.clone());
                    self.leases.insert(seat, (Arc::new(lease), spent));
                }
                Err(code) if paid.is_some_and(|paid| paid.falls_to_rules(code)) => {
                    self.without.insert(seat, code);
                }
                Err(code) => self.denied(seat, code),
            }
        }
    }

    fn denied(&mut self, seat: usize, code: Code) {
        let RoundRequest { members, decision, nth, .. } = self.request;
        let (agent, name) = (&members[seat].agent, self.name(seat));
        agent.brain.passed_over(decision, *nth, name, code);
        self.tally.apply(Event::Denied { agent: name, code });
    }

    /// Whether asking a member costs something: it is not free and has not answered before.
    fn is_to_be_paid(&self, seat: usize) -> bool {
        let RoundRequest { members, recall, decision, nth, .. } = self.request;
        let agent = &members[seat].agent;
        !agent.brain.is_free() && recall.answer(decision, *nth, agent.role.name).is_none()
    }

    fn name(&self, seat: usize) -> AgentName {
        self.request.members[seat].agent.role.name
    }

    fn ask(&mut self, seat: usize) {
        let Member { agent, brief } = &self.request.members[seat];
        let (leased, refused) = (self.leases.get(&seat), self.without.get(&seat).copied());
        if self.is_to_be_paid(seat) && leased.is_none() && refused.is_none() {
            return;
        }
        let consult = Consult {
            brief: Arc::clone(brief),
            decision: self.request.decision.clone(),
            round: self.request.nth,
            spent: leased.map_or_else(Spent::default, |(_, spent)| spent.clone()),
            lease: leased.map(|(lease, _)| Arc::clone(lease)),
            refused,
            cancel: self.cancel.clone(),
            span: spans::consultation(agent.role.name),
            reply: Reply::new(seat, self.mouth.clone()),
        };
        match agent.mailbox.try_send(consult) {
            Ok(life) => {
                self.lives.insert(seat, life);
            }
            Err(Refused::Busy(consult)) => {
                consult.reply.withdraw();
                self.tally.apply(Event::Shed { agent: self.name(seat) });
            }
            Err(Refused::Absent(consult, life)) => {
                consult.reply.withdraw();
                self.await_revival(seat, life);
            }
        }
    }

    fn await_revival(&mut self, seat: usize, former: Option<ActorId>) {
        let actor = self.request.members[seat].agent.mailbox.stable().clone();
        let revival = async move { (seat, actor.another_life(former).await.map(drop)) };
        self.revivals.push(Box::pin(revival));
    }

    fn failed(&mut self, seat: usize, why: &str) {
        let (agent, why) = (self.name(seat), why.to_owned());
        self.tally.apply(Event::Failed { agent, why });
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::NotTaken { seat } => self.await_revival(seat, self.lives.get(&seat).copied()),
            Heard::Lost { seat, why } => self.failed(seat, why),
            Heard::Answer { seat, answer } => self.answered(seat, *answer),
        }
    }

    fn answered(&mut self, seat: usize, answer: Answer) {
        let agent = answer.agent;
        let event = match &answer.outcome {
            Ok(advice) => Event::of(agent, &advice.stance),
            Err(ConsultError::Shed) => Event::Shed { agent },
            Err(ConsultError::Late) => {
                self.late.insert(agent);
                return;
            }
            Err(ConsultError::Denied { code }) => {
                // Nobody had been asked, so there is no answer to show.
                self.tally.apply(Event::Denied { agent, code: *code });
                return;
            }
            Err(error) => Event::Failed { agent, why: error.to_string() },
        };
        // The first answer stands, as in the tally; only a guardian may still turn to a veto.
        if self.answers[seat].is_none() || self.is_veto(&event) {
            self.answers[seat] = Some(answer);
        }
        if self.is_veto(&event) {
            self.safety.fence().veto(&self.request.scope);
        }
        self.tally.apply(event);
    }

    /// Lets the deadline fall as soon as nobody is awaited but those who were late when the run was
    /// recorded: what had closed the round then is heard before.
    fn leave_the_late(&mut self) {
        if !self.late.is_empty() && self.tally.awaited().all(|agent| self.late.contains(agent)) {
            self.tally.apply(Event::Deadline);
        }
    }

    /// Whether this closes the round as a veto, so that the fence must be up before the verdict is.
    fn is_veto(&self, event: &Event) -> bool {
        let guards = |agent: &AgentName| {
            let member = self.request.members.iter().find(|it| it.agent.role.name == *agent);
            member.is_some_and(|member| member.agent.role.authority.may_veto())
        };
        matches!(event, Event::Veto { agent, .. } if guards(agent))
    }

    fn close(self, took: Duration) -> Round {
        let report = self.tally.report();
        let awaited = |answer: &Answer| {
            use conclave_domain::tally::Outcome;
            report.outcome(answer.agent).is_some_and(|outcome| *outcome != Outcome::NotAwaited)
        };
        let answers: Vec<Answer> = self.answers.into_iter().flatten().filter(awaited).collect();
        if report.verdict == (Verdict::Hold { code: Code::GuardSilent }) {
            self.safety.fence().veto(&self.request.scope);
        }
        measure::round(&report, &answers, took);
        let acted = self.tally.acted(self.request.decision.clone());
        Round { report, answers, acted, epoch: self.epoch }
    }
}

/// The next agent that is back, or given up; pending for ever while nobody is waited for.
async fn next_revival(revivals: &mut Vec<Revival>) -> (usize, Result<(), GivenUp>) {
    poll_fn(|context| {
        for index in 0..revivals.len() {
            if let Poll::Ready(revived) = revivals[index].as_mut().poll(context) {
                drop(revivals.swap_remove(index));
                return Poll::Ready(revived);
            }
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests;
