//! One consultation of a model: attempts, pauses, another provider, one question again, within one
//! deadline and one purse.
//!
//! Each route is tried as often as its rung says where its provider fails in a way that passes, with pauses
//! drawn from the question. Then the next route takes over; a model that does not exist any more ends
//! the consultation of its rung, and whoever asks goes on with a cheaper one. An answer that cannot be read is asked for
//! once more, with what was wrong with it; after that the agent abstains. For the guardian a second
//! provider is asked beside the first when that is slower than nearly always, and the first valid
//! answer counts.
//!
//! - F-1: an answer that asks for a forbidden action is not asked for again.
//! - G-3: an attempt leaves only with its worst case in the purse, where it stays until it is known what
//!   it has cost.

use std::sync::Arc;
use std::time::Duration;

use conclave_domain::fixed::Money;
use conclave_domain::llm::backoff::Jitter;
use conclave_domain::llm::bucket::Lane;
use conclave_domain::llm::price::Price;
use conclave_domain::llm::{Remedy, Trouble};
use conclave_domain::order::DecisionId;
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tracing::Instrument as _;

use super::envelope;
use super::gateway::{Barred, Door};
use super::measure;
use super::port::{Call, CallError, Model, Reply};
use super::purse::Purse;
use super::question::Asked;
use super::rung::{Retry, RouteSpec, RungSpec};
use super::tape::{ConsultLog, Sent, Served, What};
use super::wire::{self, Failed, Question, Said};
use crate::runtime::agent::{ConsultError, Entry};
use crate::spans;

/// A provider that has a rung's model.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) spec: RouteSpec,
    pub(crate) model: Arc<dyn Model>,
    pub(crate) price: Price,
    pub(crate) door: Arc<Door>,
}

impl Route {
    /// The most that an attempt can cost; `None` where no amount of money is that large.
    pub(crate) fn worst(&self, bytes: usize, tokens: u32) -> Option<Money> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.price.worst(bytes, tokens.into()).ok()
    }

    /// Whether a purse covers the worst case of a question.
    fn is_covered(&self, question: &Question, purse: &Purse) -> bool {
        let dialect = self.model.dialect();
        let bytes = wire::body(dialect, question).len();
        let worst = self.worst(bytes, question.max_tokens(dialect));
        worst.is_some_and(|worst| purse.covers(worst))
    }
}

/// One consultation.
pub(crate) struct Consultation<'a, B> {
    pub(crate) entry: &'a Entry<B>,
    pub(crate) rung: &'a RungSpec,
    pub(crate) routes: &'a [Route],
    pub(crate) asked: Asked,
    pub(crate) lane: Lane,
    pub(crate) purse: Arc<Purse>,
    pub(crate) log: Arc<ConsultLog>,
}

/// An answer that can be read.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) raw: Value,
    /// The step of the log that brought it.
    pub(crate) step: usize,
    /// The model that answered: the rung's name, or the one by which another provider has it.
    pub(crate) by: String,
}

/// Why a route, or a rung, brought no answer.
#[derive(Debug)]
pub(crate) enum Missed {
    /// Another route may.
    Here(ConsultError),
    /// The model does not exist any more: a cheaper one may.
    Gone(ConsultError),
    /// None will.
    Everywhere(ConsultError),
}

/// Why an attempt brought nothing.
#[derive(Debug)]
enum Nothing {
    Trouble(Trouble),
    Barred(Barred),
    Poor,
}

/// What all attempts of a consultation share.
#[derive(Clone, Copy, Debug)]
struct Span {
    until: Instant,
    jitter: Jitter,
}

impl<B: Serialize> Consultation<'_, B> {
    /// Asks until there is an answer, or none of this rung is to be had in time or for the money.
    pub(crate) async fn run(
        &self,
        (decision, round): (&DecisionId, u64),
    ) -> Result<Answered, Missed> {
        let words = [decision.as_str(), &round.to_string(), self.entry.role.name];
        let until = Instant::now() + self.rung.deadline;
        let span = Span { until, jitter: Jitter::of(&words) };
        let mut tried = 0;
        let mut first_error = None;
        if let ([first, second, ..], Lane::Guardian) = (self.routes, self.lane) {
            let (routes, outcome) = self.hedged((first, second), span).await;
            tried = routes;
            match outcome {
                Err(Missed::Here(error)) => first_error = Some(error),
                answered_or_over => return answered_or_over,
            }
        }
        for route in self.routes.iter().skip(tried) {
            match self.route(route, span).await {
                Err(Missed::Here(error)) => first_error = first_error.or(Some(error)),
                answered_or_over => return answered_or_over,
            }
        }
        // What the first choice failed with says most about what is wrong.
        let nobody = || ConsultError::Brain { why: "there is nobody to ask".to_owned() };
        Err(Missed::Everywhere(first_error.unwrap_or_else(nobody)))
    }

    /// The guardian's way: the second provider beside the first once that is slow. How many routes were
    /// tried, and what came of them.
    async fn hedged(
        &self,
        (first, second): (&Route, &Route),
        span: Span,
    ) -> (usize, Result<Answered, Missed>) {
        let Some(patience) = first.door.hedge_after() else {
            return (1, self.route(first, span).await);
        };
        let asking_first = self.route(first, span);
        tokio::pin!(asking_first);
        tokio::select! {
            biased;
            done = &mut asking_first => return (1, done),
            () = sleep(patience) => {}
        }
        let is_covered = second.is_covered(&self.asked.on(&second.spec), &self.purse);
        if !is_covered || !first.door.may_hedge() {
            return (1, asking_first.await);
        }
        tracing::info!(agent = self.entry.role.name, provider = %second.spec.provider, "hedged");
        let asking_second = self.route(second, span);
        tokio::pin!(asking_second);
        let outcome = tokio::select! {
            biased;
            done = &mut asking_first => match done {
                Ok(answered) => Ok(answered),
                Err(missed) => asking_second.await.map_err(|_| missed),
            },
            done = &mut asking_second => match done {
                Ok(answered) => Ok(answered),
                Err(_) => asking_first.await,
            },
        };
        (2, outcome)
    }

    /// Asks at one provider.
    async fn route(&self, route: &Route, span: Span) -> Result<Answered, Missed> {
        let mut question = self.asked.on(&route.spec);
        let (mut what, mut repeated) = (What::Ask, 0);
        loop {
            let nothing = match self.attempt(route, &question, what, span).await {
                Ok((said, step)) => {
                    let Question { echo, wire, .. } = &question;
                    let why = match envelope::read(&said.text, echo, wire, self.entry) {
                        Ok(raw) => return Ok(Answered { raw, step, by: self.by(route) }),
                        Err(ConsultError::Unreadable { why }) if what == What::Ask => why,
                        Err(error) => return Err(Missed::Everywhere(error)),
                    };
                    let again = question.again(&why);
                    if !route.is_covered(&again, &self.purse) {
                        return Err(Missed::Everywhere(ConsultError::Unreadable { why }));
                    }
                    (question, what) = (again, What::AskAgain { after: step });
                    continue;
                }
                Err(nothing) => nothing,
            };
            let Nothing::Trouble(trouble) = nothing else {
                let error = brain_error(route, &nothing);
                let is_gone = matches!(nothing, Nothing::Barred(Barred::NoModel));
                return Err(if is_gone { Missed::Gone(error) } else { Missed::Here(error) });
            };
            let Retry { attempts, first_pause } = self.rung.retry;
            let drawn = span.jitter.pause_from(first_pause, repeated);
            let pause = match trouble.remedy() {
                Remedy::Retry => Some(drawn),
                Remedy::RetryAfter(floor) => Some(floor.saturating_add(drawn)),
                Remedy::NextProvider => None,
                over @ (Remedy::CheaperModel | Remedy::GiveUp) => {
                    let error = brain_error(route, &Nothing::Trouble(trouble));
                    let is_gone = over == Remedy::CheaperModel;
                    return Err(if is_gone {
                        Missed::Gone(error)
                    } else {
                        Missed::Everywhere(error)
                    });
                }
            };
            let in_time = |pause: Duration| pause < span.until.duration_since(Instant::now());
            match pause.filter(|pause| repeated + 1 < attempts && in_time(*pause)) {
                Some(pause) => sleep_until(Instant::now() + pause).await,
                None => return Err(Missed::Here(brain_error(route, &Nothing::Trouble(trouble)))),
            }
            repeated += 1;
        }
    }

    /// Who answered, where it is not the rung's first choice under its own name.
    fn by(&self, route: &Route) -> String {
        let is_first = self.routes.first().is_some_and(|first| first.spec == route.spec);
        if is_first { self.rung.model.clone() } else { route.spec.model.clone() }
    }

    /// Asks once.
    async fn attempt(
        &self,
        route: &Route,
        question: &Question,
        what: What,
        span: Span,
    ) -> Result<(Said, usize), Nothing> {
        let Route { spec, model, door, .. } = route;
        let dialect = model.dialect();
        let body = wire::body(dialect, question);
        let worst = route.worst(body.len(), question.max_tokens(dialect));
        let worst = worst.filter(|worst| self.purse.covers(*worst)).ok_or(Nothing::Poor)?;
        let passage = door.pass(&spec.model, self.lane, span.until).await;
        let passage = passage.map_err(Nothing::Barred)?;
        let held = self.purse.hold(worst).ok_or(Nothing::Poor)?;
        let sent = Sent {
            provider: spec.provider.clone(),
            endpoint: model.endpoint().to_owned(),
            dialect,
            model: spec.model.clone(),
            rung: self.rung.model.clone(),
            what,
            body: self.log.kept(&body),
        };
        let attempt = self.log.begin(sent, worst);
        let timeout = span.until.saturating_duration_since(passage.left_at());
        let told = spans::call(&spec.provider, &spec.model);
        let sending = model.send(Call { body, timeout }).instrument(told.clone());
        let got = timeout_at(span.until, sending).await.unwrap_or(Err(CallError::Timeout));
        let (served, outcome) = weigh(route, &got, worst);
        held.settle(served.cost);
        let asked = measure::Asked {
            agent: self.entry.role.name,
            provider: &spec.provider,
            model: &spec.model,
        };
        measure::ended(asked, &outcome, &served, &passage);
        told.record("outcome", measure::word(&outcome));
        match outcome {
            Ok(said) => {
                passage.answered();
                Ok((said, attempt.ended(&got, served)))
            }
            Err(trouble) => {
                let is_told = passage.failed(&trouble);
                attempt.ended(&got, served);
                // Once for all agents, where the provider's door has told of it.
                if !is_told {
                    tracing::warn!(
                        agent = self.entry.role.name,
                        provider = %spec.provider,
                        model = %spec.model,
                        trouble = trouble.name(),
                        "no answer of a model"
                    );
                }
                Err(Nothing::Trouble(trouble))
            }
        }
    }
}

/// What came back, and what it has cost: by the provider's word, by the price table, or at its worst
/// where nobody knows.
fn weigh(
    route: &Route,
    got: &Result<Reply, CallError>,
    worst: Money,
) -> (Served, Result<Said, Trouble>) {
    let by_table = |usage| route.price.cost(&usage).ok();
    let unknown = |trouble: &Trouble| if trouble.may_be_billed() { worst } else { Money::ZERO };
    let read = match got {
        Ok(reply) => wire::read(route.model.dialect(), reply),
        Err(error) => {
            let trouble = error.trouble();
            let cost = unknown(&trouble);
            return (Served { cost, ..Served::default() }, Err(trouble));
        }
    };
    match read {
        Ok(said) => {
            let (usage, expected) = (said.usage, said.usage.and_then(by_table));
            note_drift(route, said.cost, expected);
            let cost = believed(route, said.cost, worst).or(expected).unwrap_or(worst);
            let (model, provider) = (said.model.clone(), said.provider.clone());
            (Served { model, provider, usage, cost }, Ok(said))
        }
        Err(failed) => {
            let Failed { trouble, usage, cost, model, .. } = *failed;
            let cost = believed(route, cost, worst).or_else(|| usage.and_then(by_table));
            let cost = cost.unwrap_or_else(|| unknown(&trouble));
            (Served { model, provider: None, usage, cost }, Err(trouble))
        }
    }
}

/// A bill that is further from the price table than this is told of, fraction.
const DRIFT_MAX: f64 = 0.02;

/// How many times what a call can cost at its worst a bill may be, for a price table that is out of date.
const BELIEVED_MAX: i64 = 100;

/// A provider's bill, unless nobody can believe it: below zero, or beyond all that the call can cost. One of
/// a slip in its unit would take the money of every run of this user for a day; it is counted by the table.
fn believed(route: &Route, billed: Option<Money>, worst: Money) -> Option<Money> {
    let billed = billed?;
    let is_known = worst > Money::ZERO;
    if billed < Money::ZERO || (is_known && billed.raw() / BELIEVED_MAX > worst.raw()) {
        let RouteSpec { provider, model, .. } = &route.spec;
        tracing::error!(%provider, %model, %billed, %worst, "a bill that is not believed: look at the account");
        return None;
    }
    Some(billed)
}

/// Tells, once for each model, of a provider whose bills are not those of the price table: one of the
/// two is out of date. The others are counted.
fn note_drift(route: &Route, billed: Option<Money>, expected: Option<Money>) {
    let (Some(billed), Some(expected)) = (billed, expected) else { return };
    let RouteSpec { provider, model, .. } = &route.spec;
    let drifts = (billed.to_f64() - expected.to_f64()).abs() > DRIFT_MAX * expected.to_f64();
    if drifts && route.door.drifted(model) {
        tracing::warn!(%provider, %model, %billed, %expected, "the bill is not that of the price table");
    }
}

/// Why a provider brought no answer, in words that are the same for the same cause.
fn brain_error(route: &Route, nothing: &Nothing) -> ConsultError {
    let RouteSpec { provider, model, .. } = &route.spec;
    let why = match nothing {
        Nothing::Trouble(trouble) => trouble.name().to_owned(),
        Nothing::Barred(barred) => barred.to_string(),
        Nothing::Poor => "what was granted does not cover another attempt".to_owned(),
    };
    ConsultError::Brain { why: format!("{model} at {provider}: {why}") }
}
