//! Brains that answer out of a tape: no network, no money, no waiting.
//!
//! - D-1: what was asked then is asked again and compared byte for byte; what came back goes through the
//!   same readers; what failed fails with the same words.
//!
//! A consultation is found by its decision, the number of its round and its agent. Where the question
//! differs from the recorded one, or was never asked, the run is another one and fails, naming it.

use std::fmt::Debug;
use std::sync::Arc;

use conclave_domain::budget::Paid;
use conclave_domain::code::Code;
use conclave_domain::fixed::Money;
use conclave_domain::limits::Limits;
use conclave_domain::order::DecisionId;
use conclave_domain::role::AgentName;
use serde::Serialize;
use serde_json::Value;

use super::shelf::{Shelf, TapeFault, TapeMiss};
use super::{Consulted, End, Outcome, Step, What, key};
use crate::models::brain::ModelBrain;
use crate::models::envelope;
use crate::models::question::{Asked, BrainError, Questions};
use crate::models::rung::RungSpec;
use crate::models::wire::{self, Question};
use crate::runtime::agent::{ConsultError, Entry};
use crate::runtime::brain::{Ask, Brain, Thinking, Thought};
use crate::runtime::recorded::again;

/// Gives one agent's answers out of a tape again.
#[derive(Debug)]
pub struct RecordedByTape<B>(Arc<Inner<B>>);

#[derive(Debug)]
struct Inner<B> {
    questions: Questions<B>,
    shelf: Arc<Shelf>,
}

impl<B: Serialize> RecordedByTape<B> {
    /// The brain of an agent, with the limits and models of the run that was recorded.
    ///
    /// # Errors
    /// When the agent has no models, or no schema for them.
    pub fn new(
        entry: Entry<B>,
        limits: &Limits,
        rungs: Vec<RungSpec>,
        shelf: Arc<Shelf>,
    ) -> Result<Self, BrainError> {
        let questions = Questions::new(entry, limits, rungs)?;
        Ok(Self(Arc::new(Inner { questions, shelf })))
    }
}

impl<B: Serialize + Debug + Send + Sync + 'static> Brain<B> for RecordedByTape<B> {
    fn name(&self) -> &str {
        self.0.questions.name()
    }

    fn think(&self, ask: Ask<B>) -> Thinking {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let agent = ask.entry.role.name;
            let place = (ask.decision.as_str().to_owned(), ask.round, agent.to_owned());
            let given = match inner.shelf.next(&place) {
                None => Err(TapeMiss::NotAsked),
                Some(consult) => inner.give(&ask, consult),
            };
            given.unwrap_or_else(|why| {
                let (decision, round) = (ask.decision.clone(), ask.round);
                let fault = TapeFault { decision, round, agent: agent.to_owned(), why };
                inner.shelf.fail(&fault);
                Err(ConsultError::Brain { why: fault.to_string() })
            })
        })
    }
}

/// A step of the tape, asked again and found to be the same.
struct Repeated<'a> {
    question: Question,
    dialect: super::Dialect,
    outcome: &'a Outcome,
}

impl<B: Serialize> Inner<B> {
    /// What a recorded consultation came to.
    fn give(
        &self,
        ask: &Ask<B>,
        consult: Consulted,
    ) -> Result<Result<Thought, ConsultError>, TapeMiss> {
        let mut repeated: Vec<Repeated<'_>> = Vec::with_capacity(consult.steps.len());
        for step in &consult.steps {
            let one = self.repeat(ask, step, &repeated)?;
            repeated.push(one);
        }
        Ok(match consult.end {
            End::Rules { refused } => Ok(Thought { refused, ..Thought::in_place_of_a_model(ask) }),
            End::Answered { step, by, .. } => {
                let answer = repeated.get(step).ok_or(TapeMiss::NoExchange)?;
                let raw = self.read(answer);
                let raw = raw.map_err(|why| TapeMiss::ReadOtherwise { why: why.to_string() })?;
                Ok(Thought { by, ..Thought::free(raw) })
            }
            End::Failed { text, .. } => Err(again(text)),
            End::Denied { code } => Err(ConsultError::Denied { code }),
            End::Cancelled { .. } => Err(ConsultError::Late),
        })
    }

    /// Asks a step's question again.
    fn repeat<'a>(
        &'a self,
        ask: &Ask<B>,
        step: &Step,
        before: &[Repeated<'a>],
    ) -> Result<Repeated<'a>, TapeMiss> {
        let kept = self.shelf.kept(&step.key, step.ordinal).ok_or(TapeMiss::NoExchange)?;
        let (model, provider) = (kept.model.clone(), kept.provider.clone());
        let Some(asked) = self.asked(ask, step, &model, &provider) else {
            return Err(TapeMiss::NoModel { model, provider });
        };
        let question = match step.what {
            What::Ask => asked,
            What::AskAgain { after } => {
                let refused = before.get(after).map(|answer| self.read(answer));
                match refused {
                    Some(Err(ConsultError::Unreadable { why })) => asked.again(&why),
                    _ => return Err(TapeMiss::Differs { model, provider }),
                }
            }
        };
        let body = wire::body(kept.dialect, &question);
        if key(&kept.provider, &kept.endpoint, kept.dialect, &body) != step.key {
            return Err(TapeMiss::Differs { model, provider });
        }
        Ok(Repeated { question, dialect: kept.dialect, outcome: &kept.outcome })
    }

    fn asked(&self, ask: &Ask<B>, step: &Step, model: &str, provider: &str) -> Option<Question> {
        let rung = self.questions.rung(&step.rung)?;
        let is_it = |route: &&super::super::rung::RouteSpec| {
            route.provider == provider && route.model == model
        };
        let route = rung.routes.iter().find(is_it)?;
        let asked: Result<Asked, _> =
            self.questions.ask(rung, &ask.decision, &ask.brief, &ask.limits);
        asked.ok().map(|asked| asked.on(route))
    }

    /// Reads a recorded reply as a live one is read.
    fn read(&self, answer: &Repeated<'_>) -> Result<Value, ConsultError> {
        let Outcome::Reply(reply) = answer.outcome else {
            return Err(ConsultError::Brain { why: "nothing had come back".to_owned() });
        };
        let said = wire::read(answer.dialect, reply)
            .map_err(|failed| ConsultError::Brain { why: failed.trouble.name().to_owned() })?;
        let Question { echo, wire, .. } = &answer.question;
        envelope::read(&said.text, echo, wire, &self.questions.entry)
    }
}

/// Answers out of a tape as far as it goes, and asks for what it does not have.
#[derive(Debug)]
pub struct ReplayThenLive<B> {
    recorded: RecordedByTape<B>,
    live: ModelBrain<B>,
    /// Whether what is given again is booked again, at what it cost then.
    books_again: bool,
}

impl<B> ReplayThenLive<B> {
    /// A brain of both, for budgets that know already what was paid.
    pub const fn new(recorded: RecordedByTape<B>, live: ModelBrain<B>) -> Self {
        Self { recorded, live, books_again: false }
    }

    /// A brain of both, for budgets as they stood before the first question of the tape that is put
    /// again: what it cost then is booked now, and paid to nobody.
    pub const fn booking_again(recorded: RecordedByTape<B>, live: ModelBrain<B>) -> Self {
        Self { recorded, live, books_again: true }
    }
}

impl<B: Serialize + Debug + Send + Sync + 'static> Brain<B> for ReplayThenLive<B> {
    fn name(&self) -> &str {
        self.live.name()
    }

    fn is_free(&self) -> bool {
        false
    }

    fn paid(&self, brief: &B, limits: &Limits) -> Option<Paid> {
        self.live.paid(brief, limits)
    }

    fn passed_over(&self, decision: &DecisionId, round: u64, agent: AgentName, why: Code) {
        self.live.passed_over(decision, round, agent, why);
    }

    /// A consultation that was cut off, denied or left to the rules then is asked now.
    fn think(&self, ask: Ask<B>) -> Thinking {
        let inner = &self.recorded.0;
        let place = (ask.decision.as_str().to_owned(), ask.round, ask.entry.role.name.to_owned());
        let found = inner
            .shelf
            .next(&place)
            .filter(|consult| matches!(consult.end, End::Answered { .. } | End::Failed { .. }));
        let cost = found.as_ref().map_or(Money::ZERO, |consult| consult.end.cost());
        match found.map(|consult| inner.give(&ask, consult)) {
            Some(Ok(given)) => {
                let cost = if self.books_again { cost } else { Money::ZERO };
                ask.spent.set(cost);
                Box::pin(async move { given.map(|thought| Thought { cost, ..thought }) })
            }
            Some(Err(_)) | None => self.live.think(ask),
        }
    }
}
