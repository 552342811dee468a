//! What an agent's model is asked: made of the brief, the live limits and a rung of the ladder, the
//! same for a live call and for one that is compared with a tape.

use std::fmt::Debug;
use std::sync::Arc;

use conclave_domain::limits::Limits;
use conclave_domain::order::DecisionId;
use serde::Serialize;
use serde_json::Value;

use super::envelope::Echo;
use super::rung::{RouteSpec, RungSpec};
use super::schema::{SchemaError, Wire};
use super::wire::{Question, Quoted};
use crate::runtime::agent::{ConsultError, Entry};
use crate::runtime::prompt;

/// What is wrong with the configuration of an agent's models.
#[derive(Debug, thiserror::Error)]
pub enum BrainError {
    /// The ladder is empty.
    #[error("{agent} has no model to ask")]
    NoRung {
        /// The agent.
        agent: &'static str,
    },
    /// Nobody has the model.
    #[error("{agent}: no provider has `{model}`")]
    NoRoute {
        /// The agent.
        agent: &'static str,
        /// The model.
        model: String,
    },
    /// A provider that is not configured.
    #[error("{agent}: there is no provider `{provider}`")]
    NoProvider {
        /// The agent.
        agent: &'static str,
        /// The provider.
        provider: String,
    },
    /// A model whose price is not known: nothing could be reserved for it.
    #[error("{agent}: the price table has no row for `{model}`")]
    NoPrice {
        /// The agent.
        agent: &'static str,
        /// The model.
        model: String,
    },
    /// The agent's answer has no form on the wire.
    #[error("{agent}: its answer has no schema for a model")]
    Schema {
        /// The agent.
        agent: &'static str,
        /// Why not.
        #[source]
        source: SchemaError,
    },
}

/// The questions of one agent.
#[derive(Debug)]
pub(crate) struct Questions<B> {
    pub(crate) entry: Entry<B>,
    pub(crate) rungs: Vec<RungSpec>,
    stable: Arc<Stable>,
}

/// What stays the same as long as the limits do.
#[derive(Debug)]
struct Stable {
    limits: Limits,
    system: Quoted,
    wire: Arc<Wire>,
}

impl Stable {
    fn new<B: Serialize>(entry: &Entry<B>, limits: &Limits) -> Result<Self, SchemaError> {
        let wire = Arc::new(Wire::of(entry, limits)?);
        let system = Quoted::from(&*entry.system(limits));
        Ok(Self { limits: limits.clone(), system, wire })
    }
}

/// The question of one consultation, before it is known who is asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked(Question);

impl<B: Serialize> Questions<B> {
    /// The questions of an agent under these limits.
    pub(crate) fn new(
        entry: Entry<B>,
        limits: &Limits,
        rungs: Vec<RungSpec>,
    ) -> Result<Self, BrainError> {
        let agent = entry.role.name;
        if rungs.is_empty() {
            return Err(BrainError::NoRung { agent });
        }
        if let Some(rung) = rungs.iter().find(|rung| rung.routes.is_empty()) {
            return Err(BrainError::NoRoute { agent, model: rung.model.clone() });
        }
        let stable = Stable::new(&entry, limits);
        let stable = stable.map_err(|source| BrainError::Schema { agent, source })?;
        Ok(Self { entry, rungs, stable: Arc::new(stable) })
    }

    /// The name of the best model: the brain's name.
    pub(crate) fn name(&self) -> &str {
        self.rungs.first().map_or("", |rung| &rung.model)
    }

    /// Whether these are the limits that the questions were made under.
    pub(crate) fn are_under(&self, limits: &Limits) -> bool {
        self.stable.limits == *limits
    }

    /// The rung that bears a name.
    pub(crate) fn rung(&self, model: &str) -> Option<&RungSpec> {
        self.rungs.iter().find(|rung| rung.model == model)
    }

    /// The question of one consultation.
    pub(crate) fn ask(
        &self,
        rung: &RungSpec,
        decision: &DecisionId,
        brief: &B,
        limits: &Limits,
    ) -> Result<Asked, ConsultError> {
        // The limits of a run stand; whoever brings others is told those.
        let stable = if self.are_under(limits) {
            Arc::clone(&self.stable)
        } else {
            let made = Stable::new(&self.entry, limits);
            Arc::new(made.map_err(|error| ConsultError::Brain { why: error.to_string() })?)
        };
        // A brief holds plain data with text keys, so it always has a JSON form.
        let brief = serde_json::to_value(brief).unwrap_or(Value::Null);
        let echo = Echo::in_brief(decision, &brief);
        Ok(Asked(Question {
            model: String::new(),
            agent: self.entry.role.name,
            system: stable.system.clone(),
            user: prompt::user(brief),
            wire: Arc::clone(&stable.wire),
            echo,
            max_tokens: rung.max_tokens,
            effort: rung.effort,
            thinking: super::wire::Thinking::Unset,
            cache: None,
            routing: super::wire::Routing::default(),
            correction: None,
        }))
    }
}

impl Asked {
    /// The question as one provider is asked it.
    pub(crate) fn on(&self, route: &RouteSpec) -> Question {
        Question {
            model: route.model.clone(),
            thinking: route.thinking,
            cache: route.cache,
            routing: route.routing.clone(),
            ..self.0.clone()
        }
    }
}
