//! Answers of brains that are not free, remembered across the end of a process.
//!
//! - G-3: money is reserved before a call: an answer that was heard and paid for is not asked for
//!   again, so it needs no permit.
//!
//! Each answer is noted in the observations as it arrives, without a flush of its own. When bars are
//! played again, whoever had answered answers the same from there; whoever had not is asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use conclave_domain::budget::Paid;
use conclave_domain::fixed::Money;
use conclave_domain::order::DecisionId;
use conclave_domain::record::{Line, Step};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::brain::{Ask, Brain, Thinking, Thought};
use super::ports::Clock;
use crate::audit::{AuditHandle, record};

/// The body of an `answer.heard` record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Heard {
    /// The number of the round in the run; 0 for a question about a position.
    round: u64,
    agent: String,
    brain: String,
    raw: Value,
    cost: Money,
}

/// A round of a decision as an agent met it.
type Key = (DecisionId, u64, String);

/// What was heard before the process ended.
#[derive(Clone, Debug, Default)]
pub struct Recall(BTreeMap<Key, Thought>);

impl Recall {
    /// Takes a line of the observations; those that are no answers change nothing.
    pub fn hear(&mut self, line: &Line<'_>) {
        if line.step != Step::AnswerHeard {
            return;
        }
        // An answer that cannot be read is asked for again.
        if let (Some(decision), Ok(heard)) = (&line.decision, serde_json::from_str(line.body)) {
            let Heard { round, agent, raw, cost, .. } = heard;
            self.0.insert((decision.clone(), round, agent), Thought { raw, cost });
        }
    }

    /// Forgets everything: what was heard is in a checkpoint.
    pub fn forget(&mut self) {
        self.0.clear();
    }

    /// What an agent had answered in a round, if it had.
    pub fn answer(&self, decision: &DecisionId, round: u64, agent: &str) -> Option<&Thought> {
        self.0.get(&(decision.clone(), round, agent.to_owned()))
    }

    /// Whether anybody had answered in a round.
    pub fn knows(&self, decision: &DecisionId, round: u64) -> bool {
        self.0.keys().any(|(of, nth, _)| of == decision && *nth == round)
    }
}

/// A brain that notes what it says and does not say the same thing twice.
#[derive(Debug)]
pub(crate) struct Recalling<B> {
    pub(crate) brain: Arc<dyn Brain<B>>,
    pub(crate) recall: Arc<Recall>,
    pub(crate) audit: AuditHandle,
    pub(crate) clock: Arc<dyn Clock>,
}

impl<B: std::fmt::Debug + Send + Sync + 'static> Brain<B> for Recalling<B> {
    fn name(&self) -> &str {
        self.brain.name()
    }

    fn paid(&self) -> Option<Paid> {
        self.brain.paid()
    }

    fn think(&self, ask: Ask<B>) -> Thinking {
        let agent = ask.entry.role.name;
        if let Some(thought) = self.recall.answer(&ask.decision, ask.round, agent) {
            let thought = thought.clone();
            return Box::pin(async move { Ok(thought) });
        }
        let (decision, round) = (ask.decision.clone(), ask.round);
        let (audit, clock) = (self.audit.clone(), Arc::clone(&self.clock));
        let brain = self.brain.name().to_owned();
        let thinking = self.brain.think(ask);
        Box::pin(async move {
            let thought = thinking.await?;
            let (raw, cost) = (thought.raw.clone(), thought.cost);
            let heard = Heard { round, agent: agent.to_owned(), brain, raw, cost };
            let made = record(Step::AnswerHeard, Some(&decision), clock.trading(), &heard);
            let noted = match made {
                Ok(record) => audit.note(record).await,
                Err(error) => Err(error.into()),
            };
            if let Err(error) = noted {
                // The answer counts all the same; after a kill it would be asked for again.
                tracing::warn!(error = &error as &dyn std::error::Error, agent, "not noted");
            }
            Ok(thought)
        })
    }
}
