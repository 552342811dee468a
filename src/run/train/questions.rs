//! What a training run in supervised mode waits for: answers over HTTP, and at the terminal where there is
//! one. Whoever answers first has answered.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conclave_actors::training::run::port::{Approver, Waiting, Word};
use conclave_domain::guidance::LeverPlan;
use conclave_domain::mode::Person;
use serde_json::{Value, json};
use tokio::sync::oneshot;

/// One question, until it is answered or withdrawn.
struct Question {
    shown: Value,
    answer: oneshot::Sender<Word>,
}

type Open = Arc<Mutex<BTreeMap<String, Question>>>;

fn lock(open: &Open) -> MutexGuard<'_, BTreeMap<String, Question>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The open questions of a run.
pub(super) struct Questions {
    terminal: Option<Arc<dyn Approver>>,
    open: Open,
}

impl fmt::Debug for Questions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Questions").field("open", &lock(&self.open).len()).finish_non_exhaustive()
    }
}

impl Questions {
    /// Questions that a terminal is asked too, where there is one.
    pub(super) fn new(terminal: Option<Arc<dyn Approver>>) -> Self {
        Self { terminal, open: Open::default() }
    }

    /// Those that wait, by their decision.
    pub(super) fn waiting(&self) -> Vec<Value> {
        lock(&self.open).values().map(|question| question.shown.clone()).collect()
    }

    /// Answers one; false where none of this name waits any more.
    pub(super) fn answer(&self, decision: &str, approves: bool, person: Person) -> bool {
        let question = lock(&self.open).remove(decision);
        question.is_some_and(|it| it.answer.send(Word { person, approves }).is_ok())
    }
}

/// Takes a question back when nobody waits for its answer any more.
struct Withdrawn {
    decision: String,
    open: Open,
}

impl Drop for Withdrawn {
    fn drop(&mut self) {
        lock(&self.open).remove(&self.decision);
    }
}

impl Approver for Questions {
    fn ask(&self, plan: &LeverPlan, reasoning: &str) -> Waiting {
        let decision = plan.decision.to_string();
        let (answer, waiting) = oneshot::channel();
        let shown = json!({
            "decision": decision, "asks": "levers", "levers": plan.proposed,
            "cycle": plan.asked_in, "policy_version": plan.policy_version, "reasoning": reasoning,
        });
        lock(&self.open).insert(decision.clone(), Question { shown, answer });
        let withdrawn = Withdrawn { decision, open: Arc::clone(&self.open) };
        let terminal = self.terminal.as_ref().map(|terminal| terminal.ask(plan, reasoning));
        Box::pin(async move {
            let _withdrawn = withdrawn;
            let Some(terminal) = terminal else { return waiting.await.ok() };
            tokio::select! {
                word = waiting => word.ok(),
                word = terminal => word,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use conclave_domain::brief::training::{Proposed, TrainingLever};
    use conclave_domain::order::DecisionId;

    use super::*;

    fn plan(cycle: u32) -> LeverPlan {
        let decision = DecisionId::of_run("run", cycle, "levers");
        let proposed = vec![Proposed { by: "a".to_owned(), lever: TrainingLever::Rollback }];
        LeverPlan { decision, asked_in: cycle, policy_version: 3, proposed }
    }

    fn ada() -> Person {
        Person::authenticated("ada", "token")
    }

    /// T-3: an answer counts once and for its own question; a question that nobody waits for is gone.
    #[tokio::test]
    async fn a_question_is_answered_once_or_withdrawn() {
        let questions = Questions::new(None);
        let (first, second) = (questions.ask(&plan(1), "why"), questions.ask(&plan(2), "why not"));
        let names: Vec<Value> =
            questions.waiting().iter().map(|it| it["decision"].clone()).collect();
        assert_eq!(names, ["run-c00001-levers", "run-c00002-levers"]);
        assert!(questions.answer("run-c00002-levers", true, ada()));
        assert!(!questions.answer("run-c00002-levers", false, ada()), "it is answered");
        assert!(second.await.is_some_and(|word| word.approves));
        drop(first);
        assert!(questions.waiting().is_empty());
        assert!(!questions.answer("run-c00001-levers", true, ada()), "nobody waits for it");
    }

    #[derive(Debug)]
    struct Says(bool);

    impl Approver for Says {
        fn ask(&self, _: &LeverPlan, _: &str) -> Waiting {
            let word = Word { person: ada(), approves: self.0 };
            Box::pin(async move { Some(word) })
        }
    }

    #[tokio::test]
    async fn a_terminal_that_answers_first_has_answered() {
        let questions = Questions::new(Some(Arc::new(Says(false))));
        let word = questions.ask(&plan(1), "why").await;
        assert!(word.is_some_and(|word| !word.approves));
        assert!(questions.waiting().is_empty());
    }
}
