//! Brains that do as they are told: answer, wait, hang, fail, panic; paid or not.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use conclave_domain::budget::Paid;
use conclave_domain::fixed::Money;
use conclave_domain::limits::Limits;
use serde_json::Value;
use tokio::time::Instant;

use crate::runtime::agent::ConsultError;
use crate::runtime::brain::{Ask, Brain, Thinking, Thought};

/// What a brain does when it is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// What the agent's rules say.
    Rules,
    /// What the agent's rules say, after a while.
    After(Duration),
    /// This raw answer, whatever it is worth.
    Say(Value),
    /// This text, read as the agent reads a model's words: prose is unreadable.
    Write(String),
    /// An error of the brain.
    Fail(String),
    /// Never an answer.
    Hang,
    /// A panic.
    Panic,
}

/// A brain with a script; at its end it goes on with the last line.
#[derive(Debug)]
pub struct ScriptedBrain {
    paid: Option<Paid>,
    /// What each call costs; the most that it can where this says nothing.
    cost: Option<Money>,
    script: Mutex<(VecDeque<Act>, Act)>,
    asked: AtomicUsize,
    cancelled: Arc<AtomicUsize>,
    answered_at: Arc<Mutex<Option<Instant>>>,
}

impl Default for ScriptedBrain {
    fn default() -> Self {
        Self::new(Act::Rules)
    }
}

impl ScriptedBrain {
    /// A free brain that always does this.
    pub fn new(act: Act) -> Self {
        Self {
            paid: None,
            cost: Some(Money::ZERO),
            script: Mutex::new((VecDeque::new(), act)),
            asked: AtomicUsize::new(0),
            cancelled: Arc::default(),
            answered_at: Arc::default(),
        }
    }

    /// A paid brain that always does this: each call may cost `at_most` and does cost `cost`.
    pub fn paid(act: Act, at_most: Option<Money>, cost: Money) -> Self {
        Self { paid: Some(Paid::one("scripted", at_most)), cost: Some(cost), ..Self::new(act) }
    }

    /// A paid brain with a ladder of models, whose calls cost the most that they can. Each answer bears
    /// the name of the model that was granted.
    pub fn on_ladder(act: Act, paid: Paid) -> Self {
        Self { paid: Some(paid), cost: None, ..Self::new(act) }
    }

    /// From now on it does this.
    pub fn always(&self, act: Act) {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        *script = (VecDeque::new(), act);
    }

    /// Once this, before it goes on as it did.
    pub fn once(&self, act: Act) {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).0.push_back(act);
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// How often it was cancelled before it had answered.
    pub fn cancelled(&self) -> usize {
        self.cancelled.load(Ordering::SeqCst)
    }

    /// When it last gave an answer.
    pub fn answered_at(&self) -> Option<Instant> {
        *self.answered_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Act {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        script.0.pop_front().unwrap_or_else(|| script.1.clone())
    }
}

/// Counts a call that is dropped before it has answered.
struct Call {
    cancelled: Arc<AtomicUsize>,
    answered: bool,
}

impl Call {
    fn is_over(&mut self) {
        self.answered = true;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.answered && !std::thread::panicking() {
            self.cancelled.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl<B: Send + Sync + 'static> Brain<B> for ScriptedBrain {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn is_free(&self) -> bool {
        self.paid.is_none()
    }

    fn paid(&self, _: &B, _: &Limits) -> Option<Paid> {
        self.paid.clone()
    }

    fn think(&self, ask: Ask<B>) -> Thinking {
        if ask.refused.is_some() {
            let thought = Thought::in_place_of_a_model(&ask);
            return Box::pin(async move { Ok(thought) });
        }
        self.asked.fetch_add(1, Ordering::SeqCst);
        let act = self.next();
        let rung = ask.granted.clone().filter(|_| self.cost.is_none());
        let most = rung.as_ref().and_then(|rung| rung.at_most);
        let cost = self.cost.or(most).unwrap_or(Money::ZERO);
        let by = rung.map(|rung| rung.model);
        let mut call = Call { cancelled: Arc::clone(&self.cancelled), answered: false };
        let answered_at = Arc::clone(&self.answered_at);
        Box::pin(async move {
            let raw = act_out(act, &ask).await;
            call.is_over();
            *answered_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            raw.map(|raw| Thought { cost, by, ..Thought::free(raw) })
        })
    }
}

async fn act_out<B>(act: Act, ask: &Ask<B>) -> Result<Value, ConsultError> {
    match act {
        Act::Rules => Ok((ask.entry.rules)(&ask.brief, &ask.limits)),
        Act::After(pause) => {
            tokio::time::sleep(pause).await;
            Ok((ask.entry.rules)(&ask.brief, &ask.limits))
        }
        Act::Say(raw) => Ok(raw),
        Act::Write(text) => (ask.entry.parse)(&text),
        Act::Fail(why) => Err(ConsultError::Brain { why }),
        Act::Hang => std::future::pending().await,
        #[expect(clippy::panic, reason = "what the script asks for")]
        Act::Panic => panic!("a scripted panic"),
    }
}
