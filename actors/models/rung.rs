//! What configuration says of the models that an agent may ask, without keys and addresses.
//!
//! A *rung* is a model of the ladder from the best to the cheapest; safety grants one of them per
//! consultation. Its *routes* are the providers that have it: the first is asked, the others take over
//! when it cannot answer. A recorded run needs no more than this to put the same questions again.

use std::time::Duration;

use conclave_domain::llm::backoff::FIRST_MAX;

use super::wire::{CacheTtl, Effort, Routing, Thinking};

/// A provider that has the model of a rung.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteSpec {
    /// The provider's name in configuration.
    pub provider: String,
    /// The model as this provider names it, and as the price table does.
    pub model: String,
    /// How the model may think.
    pub thinking: Thinking,
    /// How long the stable part of the prompt is to be kept by the provider.
    pub cache: Option<CacheTtl>,
    /// Where a router may send it.
    pub routing: Routing,
}

/// How often a provider is asked the same once more where it fails in a way that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all, the first one included; 0 counts as 1.
    pub attempts: u32,
    /// The longest pause before the first repetition; each further one may be twice as long.
    pub first_pause: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 3, first_pause: FIRST_MAX }
    }
}

/// A model of the ladder.
#[derive(Clone, Debug, PartialEq)]
pub struct RungSpec {
    /// Its name in records and budgets.
    pub model: String,
    /// The most tokens that an answer may have.
    pub max_tokens: u32,
    /// How hard it is to think.
    pub effort: Option<Effort>,
    /// How long a consultation may take in all: retries, fallback and hedge included.
    pub deadline: Duration,
    /// How a provider is asked again.
    pub retry: Retry,
    /// Who has it, the first choice first; never empty.
    pub routes: Vec<RouteSpec>,
}
