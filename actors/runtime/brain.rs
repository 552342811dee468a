//! Brains: where an agent's raw answer comes from.
//!
//! A brain is asked from a task of the agent's, never from its mailbox; the task is dropped when the
//! round is over, and with it whatever the brain is waiting for.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use conclave_domain::budget::{Paid, Rung};
use conclave_domain::code::Code;
use conclave_domain::fixed::Money;
use conclave_domain::limits::Limits;
use conclave_domain::order::DecisionId;
use conclave_domain::role::AgentName;
use serde_json::Value;

use super::agent::{ConsultError, Entry};

/// What a brain is asked.
#[derive(Debug)]
pub struct Ask<B> {
    /// The agent: its instructions, its schema, its rules, its reader.
    pub entry: Entry<B>,
    /// What the agent is told.
    pub brief: Arc<B>,
    /// The limits in force.
    pub limits: Arc<Limits>,
    /// The decision that it is about: recorded answers are found by it.
    pub decision: DecisionId,
    /// The number of the round in this run; 0 for a question about a position.
    pub round: u64,
    /// The model that it may ask, with the money that was reserved for it; `None` for brains that are
    /// free, and for a paid brain that must do without its model.
    pub granted: Option<Rung>,
    /// Why a paid brain must do without its model, and answer by its agent's rules.
    pub refused: Option<Code>,
    /// What the call has cost so far, for the case that it is cancelled.
    pub spent: Spent,
}

/// The cost of a call that may be cancelled at any moment. As long as nothing is said, it counts as
/// everything that was reserved.
#[derive(Clone, Debug)]
pub struct Spent(Arc<AtomicI64>);

const UNKNOWN: i64 = i64::MIN;

impl Default for Spent {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(UNKNOWN)))
    }
}

impl Spent {
    /// The call has cost this much by now.
    pub fn set(&self, cost: Money) {
        self.0.store(cost.raw(), Ordering::SeqCst);
    }

    /// What it has cost, if that is known.
    pub fn get(&self) -> Option<Money> {
        let raw = self.0.load(Ordering::SeqCst);
        (raw != UNKNOWN).then(|| Money::from_raw(raw))
    }
}

/// A raw answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Thought {
    /// The JSON of the agent's answer type, its numbers not yet clamped.
    pub raw: Value,
    /// What the call has cost.
    pub cost: Money,
    /// Who thought, where it is not whom the brain is named after: a cheaper model, or `rules`.
    pub by: Option<String>,
    /// Why no model was asked, where rules thought in its place.
    pub refused: Option<Code>,
}

/// Who thought where an agent's rules did.
pub const RULES: &str = "rules";

impl Thought {
    /// A thought that cost nothing.
    pub const fn free(raw: Value) -> Self {
        Self { raw, cost: Money::ZERO, by: None, refused: None }
    }

    /// What the agent's rules say where its model may not be asked.
    pub fn in_place_of_a_model<B>(ask: &Ask<B>) -> Self {
        let raw = (ask.entry.rules)(&ask.brief, &ask.limits);
        Self { by: Some(RULES.to_owned()), refused: ask.refused, ..Self::free(raw) }
    }
}

/// A brain at work. Dropping it cancels the work.
pub type Thinking = Pin<Box<dyn Future<Output = Result<Thought, ConsultError>> + Send>>;

/// Where raw answers come from: rules, a language model, a record of an earlier run.
pub trait Brain<B>: fmt::Debug + Send + Sync {
    /// The word in records: `rules`, `recorded`, or the model's name.
    fn name(&self) -> &str;

    /// Whether no question to it ever costs anything.
    fn is_free(&self) -> bool {
        true
    }

    /// Whether it says the same again when it is asked the same again; one that does not is noted as it
    /// answers, so that no answer is lost to a kill.
    fn repeats_itself(&self) -> bool {
        self.is_free()
    }

    /// What the answer to this brief can cost at most; `None` where it is free. Asked before the call,
    /// so that the money is reserved (G-3).
    fn paid(&self, _brief: &B, _limits: &Limits) -> Option<Paid> {
        None
    }

    /// Hears that it is not asked this time, because no permit was given: for those that record what
    /// they are asked. Must be quick and must not block.
    fn passed_over(&self, _decision: &DecisionId, _round: u64, _agent: AgentName, _why: Code) {}

    /// Thinks. Must not block. Where [`Ask::refused`] says why, a brain that costs money asks no model:
    /// nothing is reserved for it (G-3).
    fn think(&self, ask: Ask<B>) -> Thinking;
}

/// The agent's own quantitative logic: no network, no key, no cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct RulesBrain;

impl<B: Send + Sync + 'static> Brain<B> for RulesBrain {
    fn name(&self) -> &'static str {
        RULES
    }

    fn think(&self, ask: Ask<B>) -> Thinking {
        Box::pin(async move {
            let raw = (ask.entry.rules)(&ask.brief, &ask.limits);
            Ok(Thought::free(raw))
        })
    }
}
