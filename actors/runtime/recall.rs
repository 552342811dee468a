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
use conclave_domain::code::Code;
use conclave_domain::fixed::Money;
use conclave_domain::limits::Limits;
use conclave_domain::order::DecisionId;
use conclave_domain::record::{Line, Step};
use conclave_domain::role::AgentName;
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused: Option<Code>,
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
            let Heard { round, agent, raw, cost, by, refused, .. } = heard;
            let thought = Thought { raw, cost, by, refused };
            self.0.insert((decision.clone(), round, agent), thought);
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

    /// Whether anybody had answered in any round of a decision: then it is to be ended, however late.
    pub fn is_in_flight(&self, decision: &DecisionId) -> bool {
        self.0.keys().any(|(of, ..)| of == decision)
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

    fn is_free(&self) -> bool {
        self.brain.is_free()
    }

    fn repeats_itself(&self) -> bool {
        self.brain.repeats_itself()
    }

    fn paid(&self, brief: &B, limits: &Limits) -> Option<Paid> {
        self.brain.paid(brief, limits)
    }

    fn passed_over(&self, decision: &DecisionId, round: u64, agent: AgentName, why: Code) {
        self.brain.passed_over(decision, round, agent, why);
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
            let Thought { raw, cost, by, refused } = thought.clone();
            let heard = Heard { round, agent: agent.to_owned(), brain, raw, cost, by, refused };
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use conclave_domain::budget::BudgetConfig;
    use conclave_domain::market::symbol::Symbol;
    use conclave_domain::record::Stream;
    use conclave_domain::tally::Settle;
    use conclave_domain::time::Time;
    use serde_json::json;

    use super::*;
    use crate::council::Carried;
    use crate::runtime::ports::{AuditError, AuditSink as _, Batch, Done, Safety};
    use crate::testkit::brains::{Act, ScriptedBrain};
    use crate::testkit::council::{CouncilPlan, TestCouncil};
    use crate::testkit::memory_audit::MemoryAudit;
    use crate::testkit::told::Told;

    /// A line of the observations as it is written.
    fn line(body: &Value) -> String {
        let log = MemoryAudit::default();
        let decision = DecisionId::new(&Symbol::new("AAPL").unwrap(), Time::EPOCH, "entry");
        let record = record(Step::AnswerHeard, Some(&decision), Time::EPOCH, body).unwrap();
        let done = Done::new(|_: Result<_, AuditError>| ());
        log.submit(Batch { records: vec![record], safety: Safety::Written, done });
        log.lines(Stream::Observations).remove(0)
    }

    #[test]
    fn an_answer_is_found_by_its_round_and_agent_and_an_unreadable_one_is_not() {
        let mut recall = Recall::default();
        let cost = Money::from_raw(5);
        let heard = json!({"round": 3, "agent": "position_sizer", "brain": "scripted",
            "raw": {"size_multiplier": 1.1}, "cost": cost});
        for body in [heard, json!({"round": 4}), json!(null)] {
            let text = line(&body);
            recall.hear(&Line::read(&text).unwrap());
        }
        let text = line(&json!({}));
        let decision = Line::read(&text).unwrap().decision.unwrap();
        let found = recall.answer(&decision, 3, "position_sizer").unwrap();
        assert_eq!((found.cost, &found.raw["size_multiplier"]), (cost, &json!(1.1)));
        assert_eq!(recall.answer(&decision, 3, "risk_guardian"), None);
        assert!(recall.knows(&decision, 3) && !recall.knows(&decision, 4));
        recall.forget();
        assert!(!recall.knows(&decision, 3));
    }

    const NAMES: [&str; 3] = ["signal_analyst", "position_sizer", "risk_guardian"];

    /// A council with paid brains; one that goes on has a budget of one paid consultation.
    async fn council(recall: Option<Recall>) -> TestCouncil {
        let paid = |name: &'static str| {
            let cost = Money::from_raw(1_000);
            (name, ScriptedBrain::paid(Act::Rules, Some(cost), cost))
        };
        let (mut budgets, mut carried) = (BudgetConfig::default(), Carried::default());
        if let Some(recall) = recall {
            (budgets.team_per_hour, budgets.all_per_hour) = (1, 1);
            carried.recall = Arc::new(recall);
        }
        let brains = NAMES.into_iter().map(paid).collect();
        let (settle, default) = (Settle::All, CouncilPlan::default());
        TestCouncil::with(CouncilPlan { budgets, brains, settle, carried, ..default }).await
    }

    /// What a first life has heard in a round in which the sizer hung, and how the round went.
    async fn first_life() -> (Recall, Told) {
        let council = council(None).await;
        council.agent("position_sizer").will_hang();
        let told = council.decide_long().await;
        let mut recall = Recall::default();
        for text in council.audit.lines(Stream::Observations) {
            recall.hear(&Line::read(&text).unwrap());
        }
        council.stop().await;
        (recall, told)
    }

    fn asked(council: &TestCouncil) -> [usize; 3] {
        NAMES.map(|name| council.agent(name).brain().asked())
    }

    /// Goal: G-3: who had answered is neither asked nor paid again, who had not is asked.
    /// Method: a second council has the first one's observations and one permit.
    #[tokio::test(start_paused = true)]
    async fn a_round_in_flight_is_finished_without_asking_twice() {
        let (recall, first) = first_life().await;
        let council = council(Some(recall)).await;
        let again = council.decide_long().await;
        assert_eq!(asked(&council), [0, 1, 0], "only the one that had not answered");
        assert_eq!(again.verdicts().len(), first.verdicts().len());
        let outcome = |told: &Told| told.seat("position_sizer").unwrap()["outcome"].clone();
        assert_eq!((outcome(&first), outcome(&again)), ("late".into(), "voted".into()));
        council.stop().await;
    }

    /// T-3: a round that nobody could finish in time is no consent, whatever had been answered.
    #[tokio::test(start_paused = true)]
    async fn a_round_whose_bar_is_too_old_by_now_holds_as_interrupted() {
        let (recall, _) = first_life().await;
        let council = council(Some(recall)).await;
        council.clock.advance(Duration::from_hours(1));
        let told = council.decide_long().await;
        assert_eq!(told.verdicts(), ["hold"]);
        assert!(format!("{told:?}").contains("round.interrupted"));
        assert_eq!(asked(&council), [0, 0, 0]);
        council.stop().await;
    }
}
