//! Writing a tape: exchanges as they end, and each consultation behind its exchanges.
//!
//! What is dropped says so: an attempt that is cut off becomes an exchange without an answer, a
//! consultation that is cut off one that was cancelled.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use conclave_domain::code::Code;
use conclave_domain::fixed::Money;
use conclave_domain::llm::Usage;
use conclave_domain::order::DecisionId;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{
    Consulted, End, Exchange, Outcome, Step, TapeLine, TapeSink, Unheard, What, kept, key,
};
use crate::models::measure;
use crate::models::port::{CallError, Dialect, Reply};
use crate::models::purse::Purse;
use crate::runtime::ports::{Done, StoreError};

/// How many exchanges with each key a tape holds already.
pub type Ordinals = BTreeMap<String, u32>;

/// A tape that is being recorded.
#[derive(Debug)]
pub struct Recorder {
    sink: Arc<dyn TapeSink>,
    ordinals: Mutex<Ordinals>,
}

impl Recorder {
    /// Records behind what the tape holds already.
    pub fn new(sink: Arc<dyn TapeSink>, ordinals: Ordinals) -> Arc<Self> {
        Arc::new(Self { sink, ordinals: Mutex::new(ordinals) })
    }

    fn ordinal(&self, key: &str) -> u32 {
        let mut ordinals = self.ordinals.lock().unwrap_or_else(PoisonError::into_inner);
        let next = ordinals.entry(key.to_owned()).or_insert(0);
        let ordinal = *next;
        *next = next.saturating_add(1);
        ordinal
    }

    fn write(&self, line: TapeLine) {
        self.sink.write(line, Done::new(|written: Result<(), StoreError>| note(&written)));
    }

    /// Writes and waits until the line survives the end of the process.
    async fn written(&self, line: TapeLine) {
        let (told, heard) = oneshot::channel();
        self.sink.write(line, Done::new(move |written| drop(told.send(written))));
        note(&heard.await.unwrap_or(Err(StoreError::Closed)));
    }
}

/// A line that is lost makes a recorded run miss it; the run itself goes on.
fn note(written: &Result<(), StoreError>) {
    if let Err(error) = written {
        tracing::error!(error = error as &dyn std::error::Error, "the tape has lost a line");
    }
}

/// What one consultation leaves on the tape. Without a tape it leaves nothing.
#[derive(Debug)]
pub(crate) struct ConsultLog {
    tape: Option<Arc<Recorder>>,
    decision: DecisionId,
    round: u64,
    agent: &'static str,
    purse: Option<Arc<Purse>>,
    said: Mutex<Said>,
}

#[derive(Debug, Default)]
struct Said {
    steps: Vec<Step>,
    is_over: bool,
}

/// What is asked of whom in one attempt.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) provider: String,
    pub(crate) endpoint: String,
    pub(crate) dialect: Dialect,
    pub(crate) model: String,
    pub(crate) rung: String,
    pub(crate) what: What,
    /// As [`ConsultLog::kept`] has it.
    pub(crate) body: Arc<str>,
}

/// What is known of an attempt that has ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Served {
    pub(crate) model: Option<String>,
    pub(crate) provider: Option<String>,
    pub(crate) usage: Option<Usage>,
    pub(crate) cost: Money,
}

impl ConsultLog {
    pub(crate) fn new(
        tape: Option<Arc<Recorder>>,
        (decision, round, agent): (DecisionId, u64, &'static str),
        purse: Option<Arc<Purse>>,
    ) -> Arc<Self> {
        Arc::new(Self { tape, decision, round, agent, purse, said: Mutex::default() })
    }

    /// A body for as long as its attempt takes; empty where nothing is recorded, since hundreds of them
    /// are on their way at once.
    pub(crate) fn kept(&self, body: &str) -> Arc<str> {
        if self.tape.is_some() { body.into() } else { Arc::default() }
    }

    /// An attempt leaves; `worst` is what it costs if it is cut off.
    pub(crate) fn begin(self: &Arc<Self>, sent: Sent, worst: Money) -> Attempt {
        Attempt { log: Arc::clone(self), sent: Some(sent), worst, began: Instant::now() }
    }

    /// The consultation is over. Whoever is cut off while this is written says so behind it: its round
    /// was over first.
    pub(crate) async fn end(&self, end: End) {
        if let (Some(tape), Some(line)) = (&self.tape, self.line(end)) {
            let mut heard = Heard { log: self, is_heard: false };
            tape.written(line).await;
            heard.is_heard = true;
        }
    }

    fn cost(&self) -> Money {
        self.purse.as_ref().map_or(Money::ZERO, |purse| purse.spent())
    }

    /// The consultation was never begun: no permit was given.
    pub(crate) fn denied(&self, code: Code) {
        if let (Some(tape), Some(line)) = (&self.tape, self.line(End::Denied { code })) {
            tape.write(line);
        }
    }

    /// Its line, once.
    fn line(&self, end: End) -> Option<TapeLine> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut said.is_over, true) {
            return None;
        }
        Some(TapeLine::Consult(Consulted {
            decision: self.decision.clone(),
            round: self.round,
            agent: self.agent.to_owned(),
            steps: std::mem::take(&mut said.steps),
            end,
        }))
    }

    /// Writes an exchange; the number of its step.
    fn exchange(&self, sent: Sent, outcome: Outcome, served: Served, took_ms: u64) -> usize {
        let Sent { provider, endpoint, dialect, model, rung, what, body } = sent;
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(tape) = &self.tape else {
            // Steps are numbered all the same.
            let nothing = Step { key: String::new(), ordinal: 0, rung: String::new(), what };
            said.steps.push(nothing);
            return said.steps.len() - 1;
        };
        let key = key(&provider, &endpoint, dialect, &body);
        let ordinal = tape.ordinal(&key);
        said.steps.push(Step { key: key.clone(), ordinal, rung, what });
        let step = said.steps.len() - 1;
        drop(said);
        tape.write(TapeLine::Exchange(Box::new(Exchange {
            key,
            ordinal,
            agent: self.agent.to_owned(),
            provider,
            endpoint,
            dialect,
            model,
            body: body.to_string(),
            outcome,
            served_model: served.model,
            served_provider: served.provider,
            cost: served.cost,
            took_ms,
        })));
        step
    }
}

impl Drop for ConsultLog {
    fn drop(&mut self) {
        let end = End::Cancelled { cost: self.cost() };
        if let (Some(tape), Some(line)) = (&self.tape, self.line(end)) {
            tape.write(line);
        }
    }
}

/// A line that is being written; dropped before it is, its answer reaches nobody.
struct Heard<'a> {
    log: &'a ConsultLog,
    is_heard: bool,
}

impl Drop for Heard<'_> {
    fn drop(&mut self) {
        let ConsultLog { tape: Some(tape), decision, round, agent, .. } = self.log else { return };
        if !self.is_heard {
            let (decision, agent) = (decision.clone(), (*agent).to_owned());
            let cost = self.log.cost();
            tape.write(TapeLine::Unheard(Unheard { decision, round: *round, agent, cost }));
        }
    }
}

/// An attempt on its way. Dropped without an answer it was cut off.
#[derive(Debug)]
pub(crate) struct Attempt {
    log: Arc<ConsultLog>,
    sent: Option<Sent>,
    worst: Money,
    began: Instant,
}

impl Attempt {
    /// Something came back, or is known not to; the number of its step.
    pub(crate) fn ended(mut self, got: &Result<Reply, CallError>, served: Served) -> usize {
        let outcome = match got {
            Ok(reply) => Outcome::Reply(kept(reply)),
            Err(error) => Outcome::Failure(error.clone()),
        };
        let took_ms = self.took_ms();
        self.sent.take().map_or(0, |sent| self.log.exchange(sent, outcome, served, took_ms))
    }

    fn took_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(sent) = self.sent.take() {
            let Sent { provider, model, .. } = &sent;
            let asked = measure::Asked { agent: self.log.agent, provider, model };
            measure::cut_off(asked, self.worst);
            let served = Served { cost: self.worst, ..Served::default() };
            self.log.exchange(sent, Outcome::Dropped, served, self.took_ms());
        }
    }
}
