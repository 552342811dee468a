//! The brain that is a language model.
//!
//! It says what a question can cost at most, on each rung of its ladder, and asks the one that was
//! granted. What is done about failures is in `consult.rs`.
//!
//! A model that its provider does not have any more is no rung from then on. The question that finds it
//! gone goes on with the next cheaper rung, out of the purse that it has, which an attempt there must
//! fit in like any other; it counts under the caps of the model that was granted. Behind the last rung
//! the agent's rules answer, where it is set up to.
//!
//! - G-3: money is reserved before a call: what is granted covers a few attempts at their worst, and
//!   no attempt leaves that it does not cover.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

use conclave_domain::budget::{Paid, Rung};
use conclave_domain::code::Code;
use conclave_domain::fixed::Money;
use conclave_domain::limits::Limits;
use conclave_domain::llm::bucket::Lane;
use conclave_domain::llm::price::{Price, PriceTable};
use conclave_domain::market::symbol::Symbol;
use conclave_domain::order::DecisionId;
use conclave_domain::role::AgentName;
use conclave_domain::time::Time;
use serde::Serialize;

use super::consult::{Answered, Consultation, Missed, Route};
use super::gateway::Gateway;
use super::port::Model;
use super::purse::Purse;
use super::question::{BrainError, Questions};
use super::rung::{RouteSpec, RungSpec};
use super::tape::{ConsultLog, End, Recorder};
use super::wire;
use crate::runtime::agent::{ConsultError, Entry};
use crate::runtime::brain::{Ask, Brain, Thinking, Thought};

/// What all model brains of a process share.
#[derive(Clone, Debug)]
pub struct Models {
    /// The providers, by their names.
    pub providers: BTreeMap<String, Arc<dyn Model>>,
    /// What stands between the agents and them.
    pub gateway: Arc<Gateway>,
    /// What their models cost.
    pub prices: Arc<PriceTable>,
    /// Where exchanges are recorded, if they are.
    pub tape: Option<Arc<Recorder>>,
    /// How many attempts at their worst a permit covers, at least 1.
    pub attempts_paid: u32,
    /// Whether the agent's rules answer where no model is granted because something is spent.
    pub has_rules: bool,
}

/// A language model as the brain of one agent.
#[derive(Debug)]
pub struct ModelBrain<B>(Arc<Inner<B>>);

#[derive(Debug)]
struct Inner<B> {
    questions: Questions<B>,
    /// By rung and route.
    routes: Vec<Vec<Route>>,
    models: Models,
    lane: Lane,
    /// Whether no model of it ever costs anything.
    is_free: bool,
    /// Bytes of a body beside those of the brief: the same for every brief, but for a decision's name.
    beside_brief: OnceLock<usize>,
}

/// Why rules answer where no model is left.
const NO_MODEL: Code = Code::SafetyNoModel;
/// Bytes by which the body of a question may be longer than the one that its price is computed from:
/// another decision's name, another provider's framing, the words of a refusal.
const BODY_MARGIN: usize = 4_096;

impl<B: Serialize> ModelBrain<B> {
    /// The brain of an agent under these limits; `rungs` from the best model to the cheapest.
    ///
    /// # Errors
    /// When a provider or a price is missing, or the agent has no schema for a model.
    pub fn new(
        entry: Entry<B>,
        limits: &Limits,
        rungs: Vec<RungSpec>,
        models: &Models,
    ) -> Result<Self, BrainError> {
        let agent = entry.role.name;
        let questions = Questions::new(entry, limits, rungs)?;
        let route = |spec: &RouteSpec| {
            let provider = spec.provider.clone();
            let model = models.providers.get(&provider);
            let model = model.ok_or(BrainError::NoProvider { agent, provider })?;
            let free = model.is_free().then(Price::free);
            let price = free.or_else(|| models.prices.price(&spec.model).cloned());
            let price =
                price.ok_or_else(|| BrainError::NoPrice { agent, model: spec.model.clone() })?;
            let door = models.gateway.door(&spec.provider);
            let (spec, model) = (spec.clone(), Arc::clone(model));
            Ok(Route { spec, model, price, door })
        };
        let routes = questions.rungs.iter().map(|rung| rung.routes.iter().map(route).collect());
        let routes = routes.collect::<Result<Vec<Vec<Route>>, BrainError>>()?;
        // The guardian's lane is for whoever may veto: without its word no round acts.
        let may_veto = questions.entry.role.authority.may_veto();
        let lane = if may_veto { Lane::Guardian } else { Lane::Common };
        // A price of zero is a price: what such a provider bills all the same is booked.
        let is_free = routes.iter().flatten().all(|route| route.model.is_free());
        let (models, beside_brief) = (models.clone(), OnceLock::new());
        Ok(Self(Arc::new(Inner { questions, routes, models, lane, is_free, beside_brief })))
    }
}

impl<B: Serialize> Inner<B> {
    /// The most that a consultation can cost on one rung: its dearest route, for every attempt that is
    /// paid. `None` where a price is not known.
    fn at_most(&self, rung: &RungSpec, routes: &[Route], bytes: usize) -> Option<Money> {
        let tokens = rung.max_tokens.max(wire::MAX_TOKENS_MIN);
        let mut dearest = Money::ZERO;
        for route in routes {
            dearest = dearest.max(route.worst(bytes, tokens)?);
        }
        let attempts = i64::from(self.models.attempts_paid.max(1));
        dearest.raw().checked_mul(attempts).map(Money::from_raw)
    }

    /// How long the body of a question about this brief is, at most.
    fn bytes(&self, brief: &B, limits: &Limits) -> Option<usize> {
        let told = wire::length(&self.questions.entry.told(brief));
        let beside = if self.questions.are_under(limits) {
            // The whole body is written once, and not for every price.
            if let Some(beside) = self.beside_brief.get() {
                *beside
            } else {
                let beside = self.beside(brief, limits, told)?;
                *self.beside_brief.get_or_init(|| beside)
            }
        } else {
            self.beside(brief, limits, told)?
        };
        beside.checked_add(told)?.checked_add(BODY_MARGIN)
    }

    /// Bytes of the body beside those of the brief.
    fn beside(&self, brief: &B, limits: &Limits, told: usize) -> Option<usize> {
        let rung = self.questions.rungs.first()?;
        let route = self.routes.first()?.first()?;
        let any = Symbol::new("ANY").ok()?;
        let decision = DecisionId::new(&any, Time::EPOCH, "position");
        let asked = self.questions.ask(rung, &decision, brief, limits).ok()?;
        let body = wire::body(route.model.dialect(), &asked.on(&route.spec));
        body.len().checked_sub(told)
    }

    /// The rung that was granted, by its place, and the money with it.
    fn granted(&self, granted: &Rung) -> Option<(usize, Money)> {
        let index = self.questions.rungs.iter().position(|rung| rung.model == granted.model)?;
        Some((index, granted.at_most?))
    }

    /// The rungs whose models exist, as far as is known; all of them where none does and there are no
    /// rules to answer in their place.
    fn rungs(&self) -> impl Iterator<Item = (&RungSpec, &[Route])> {
        let all = || self.questions.rungs.iter().zip(self.routes.iter().map(Vec::as_slice));
        let is_there = |routes: &[Route]| {
            routes.first().is_none_or(|first| !first.door.is_gone(&first.spec.model))
        };
        let keeps_all = !self.models.has_rules && !all().any(|(_, routes)| is_there(routes));
        all().filter(move |(_, routes)| keeps_all || is_there(routes))
    }

    /// Answers by the agent's rules, because nothing was granted or no model is left.
    async fn by_rules(&self, ask: &Ask<B>) -> Thought {
        ask.spent.set(Money::ZERO);
        let refused = ask.refused.or_else(|| self.rungs().next().is_none().then_some(NO_MODEL));
        self.log(ask, None).end(End::Rules { refused }).await;
        Thought { refused, ..Thought::in_place_of_a_model(ask) }
    }

    fn log(&self, ask: &Ask<B>, purse: Option<Arc<Purse>>) -> Arc<ConsultLog> {
        let place = (ask.decision.clone(), ask.round, ask.entry.role.name);
        ConsultLog::new(self.models.tape.clone(), place, purse)
    }

    async fn think(&self, ask: Ask<B>) -> Result<Thought, ConsultError> {
        let free = self.questions.rungs.first().filter(|_| self.is_free);
        let free = free.map(|rung| Rung::new(&rung.model, Some(Money::ZERO)));
        let Some(granted) = ask.granted.clone().or(free) else {
            return Ok(self.by_rules(&ask).await);
        };
        let Some((first, at_most)) = self.granted(&granted) else {
            let why = format!("`{}` was granted and is no model of this agent", granted.model);
            return Err(ConsultError::Brain { why });
        };
        // Another provider would be asked instead.
        if let Some([route]) = self.routes.get(first).map(Vec::as_slice) {
            route.door.rested(&route.spec.model).await;
        }
        let purse = Purse::new(at_most, ask.spent.clone());
        let log = self.log(&ask, Some(Arc::clone(&purse)));
        let thought = self.climb_down(first, &ask, (&purse, &log)).await;
        let cost = purse.spent();
        match thought {
            Err(Missed::Gone(_)) if self.models.has_rules => {
                let refused = Some(NO_MODEL);
                log.end(End::Rules { refused }).await;
                Ok(Thought { cost, refused, ..Thought::in_place_of_a_model(&ask) })
            }
            Ok(answered) => {
                let by = Some(answered.by).filter(|by| by != self.questions.name());
                let end = End::Answered { step: answered.step, by: by.clone(), cost };
                log.end(end).await;
                Ok(Thought { cost, by, ..Thought::free(answered.raw) })
            }
            Err(Missed::Here(error) | Missed::Gone(error) | Missed::Everywhere(error)) => {
                let agent = self.questions.entry.role.name;
                metrics::counter!("conclave_llm_abstentions_total", "agent" => agent).increment(1);
                log.end(End::Failed { text: error.to_string(), cost }).await;
                Err(error)
            }
        }
    }
}

impl<B: Serialize> Inner<B> {
    /// Asks the rung that was granted, and the next cheaper one wherever a model is gone.
    async fn climb_down(
        &self,
        first: usize,
        ask: &Ask<B>,
        (purse, log): (&Arc<Purse>, &Arc<ConsultLog>),
    ) -> Result<Answered, Missed> {
        let mut missed = Missed::Everywhere(ConsultError::Brain { why: String::new() });
        for (rung, routes) in self.questions.rungs.iter().zip(&self.routes).skip(first) {
            let asked = self.questions.ask(rung, &ask.decision, &ask.brief, &ask.limits);
            let consultation = Consultation {
                entry: &self.questions.entry,
                rung,
                routes,
                asked: asked.map_err(Missed::Everywhere)?,
                lane: self.lane,
                purse: Arc::clone(purse),
                log: Arc::clone(log),
            };
            missed = match consultation.run((&ask.decision, ask.round)).await {
                Err(gone @ Missed::Gone(_)) => gone,
                answered_or_over => return answered_or_over,
            };
        }
        Err(missed)
    }
}

impl<B: Serialize + Debug + Send + Sync + 'static> Brain<B> for ModelBrain<B> {
    fn name(&self) -> &str {
        self.0.questions.name()
    }

    fn is_free(&self) -> bool {
        self.0.is_free
    }

    fn repeats_itself(&self) -> bool {
        false
    }

    fn paid(&self, brief: &B, limits: &Limits) -> Option<Paid> {
        let inner = &self.0;
        if inner.is_free {
            return None;
        }
        // A question that cannot be written has no price, and what has no price is refused.
        let bytes = inner.bytes(brief, limits);
        let rungs = inner.rungs().map(|(rung, routes)| Rung {
            model: rung.model.clone(),
            provider: routes.first().map(|route| route.spec.provider.clone()),
            at_most: bytes.and_then(|bytes| inner.at_most(rung, routes, bytes)),
        });
        let paid = Paid::ladder(rungs);
        if paid.rungs.is_empty() {
            // The rules answer, which costs nothing.
            return None;
        }
        Some(if inner.models.has_rules { paid.or_rules() } else { paid })
    }

    fn passed_over(&self, decision: &DecisionId, round: u64, agent: AgentName, why: Code) {
        let place = (decision.clone(), round, agent);
        ConsultLog::new(self.0.models.tape.clone(), place, None).denied(why);
    }

    fn think(&self, ask: Ask<B>) -> Thinking {
        // Nothing is spent before it is asked for the first time, and it may never be.
        ask.spent.set(Money::ZERO);
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.think(ask).await })
    }
}
