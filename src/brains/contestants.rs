//! The brains of an arena's contestants: one gateway and one connection to each provider for all of them,
//! and for each its own models, tape and meter.
//!
//! A contestant stands for its models: no cheaper one answers in their place, and no rule. Another
//! provider may, where the season's file names one, and the tape says which it was.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use conclave_actors::arena::meter::{Meter, Metered};
use conclave_actors::models::tape::recorded::{RecordedByTape, ReplayThenLive};
use conclave_actors::models::tape::shelf::Shelf;
use conclave_actors::models::wire::{CacheTtl, Routing, Thinking};
use conclave_actors::models::{Gateway, ModelBrain, Models, Retry, RouteSpec, RungSpec};
use conclave_actors::runtime::agent::Entry;
use conclave_actors::runtime::brain::Brain;
use conclave_domain::arena::model::{LOCAL, ModelSpec};
use conclave_domain::limits::Limits;
use conclave_domain::llm::Price;
use serde::Serialize;

use super::connect::{ATTEMPTS_PAID, connect, has_key, prices, taken_by};
use super::{recorder, rungs};
use crate::adapters::model_http::is_loopback;
use crate::adapters::tape_files;
use crate::cli::error::{CliError, ExitCode};
use crate::config::Config;

/// Looks whether models can be asked at all, and asks nobody: keys are there, prices are known.
///
/// # Errors
/// When one is missing (3).
pub fn check(config: &Config, specs: &[&ModelSpec]) -> Result<(), CliError> {
    let prices = prices(config)?;
    for spec in specs {
        for (provider, model) in [true, false].into_iter().flat_map(|judges| spec.ways(judges)) {
            has_key(provider)?;
            if may_cost(config, spec, provider) && prices.price(model).is_none() {
                let text = format!(
                    "the price table has no row for `{model}`: what it may cost could not be reserved; \
                     give it a row by `models.prices`"
                );
                return Err(CliError::new(ExitCode::Config, text));
            }
        }
    }
    Ok(())
}

/// What the models of a season cost by their names, fallbacks among them: budgets and permits are about these
/// figures, so a season goes on under the same ones only.
///
/// # Errors
/// When the price table cannot be used (3).
pub fn rates(
    config: &Config,
    specs: &[&ModelSpec],
) -> Result<BTreeMap<String, Option<Price>>, CliError> {
    let prices = prices(config)?;
    let mut rates = BTreeMap::new();
    for spec in specs {
        for (_, model) in [true, false].into_iter().flat_map(|judges| spec.ways(judges)) {
            rates.insert(model.to_owned(), prices.price(model).cloned());
        }
    }
    Ok(rates)
}

/// Where a contestant's models are asked at a provider of this kind.
fn place<'a>(config: &'a Config, spec: &'a ModelSpec, kind: &str) -> Option<&'a str> {
    let own = spec.url.as_deref().filter(|_| kind == LOCAL);
    own.or_else(|| config.models.providers.get(kind).map(|it| it.url.as_str()))
}

/// Whether a question of a contestant there may cost money: nobody but a server on this machine bills nobody.
pub fn may_cost(config: &Config, spec: &ModelSpec, kind: &str) -> bool {
    kind != LOCAL || !place(config, spec, kind).is_some_and(is_loopback)
}

/// The providers of a season's models.
#[derive(Clone, Debug)]
pub struct Connected {
    /// What all brains share.
    pub models: Models,
    /// The providers that could not be asked, by their names in records, and why.
    unreached: BTreeMap<String, String>,
}

impl Connected {
    /// The kind of provider that a contestant of these models would be asked at and that cannot be asked,
    /// its fallback's as well: it would not be the contestant that it was set up as. And why.
    pub fn unreached<'a>(&'a self, spec: &'a ModelSpec) -> Option<(&'a str, &'a str)> {
        let mut kinds = spec.ways(false).map(|(kind, _)| kind);
        kinds.find_map(|kind| Some((kind, self.unreached.get(&called(kind, spec))?.as_str())))
    }
}

/// Connects to every provider that these models are asked at. Inside a runtime. A server of one's own that
/// does not answer is the matter of those who would be asked there, unless they are all.
///
/// # Errors
/// When a key, a price or an address is missing or wrong (3), or no model at all can be asked (9).
pub async fn connected(config: &Config, specs: &[&ModelSpec]) -> Result<Connected, CliError> {
    let mut providers = BTreeMap::new();
    let mut settings = BTreeMap::new();
    let (mut unreached, mut silent) = (BTreeMap::new(), None);
    for spec in specs {
        for (kind, model) in spec.ways(false) {
            let name = called(kind, spec);
            if providers.contains_key(&name) || unreached.contains_key(&name) {
                continue;
            }
            let Some(configured) = config.models.providers.get(kind) else { continue };
            let url = place(config, spec, kind).unwrap_or(&configured.url);
            match connect((kind, &name), url, model).await {
                Ok(provider) => {
                    settings.insert(name.clone(), taken_by(configured));
                    providers.insert(name, provider);
                }
                Err(error) if error.code == ExitCode::Broker => {
                    tracing::warn!("{}", error.chain());
                    // The address stays out of what is published.
                    let why = std::error::Error::source(&error).map(ToString::to_string);
                    unreached.insert(name, why.unwrap_or_default());
                    silent.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
    }
    let models = Models {
        providers,
        gateway: Gateway::new(settings),
        prices: Arc::new(prices(config)?),
        tape: None,
        attempts_paid: ATTEMPTS_PAID,
        has_rules: false,
    };
    let connected = Connected { models, unreached };
    match silent {
        Some(error) if specs.iter().all(|spec| connected.unreached(spec).is_some()) => Err(error),
        _ => Ok(connected),
    }
}

/// The name of a provider in records: two servers of one's own are two.
fn called(kind: &str, spec: &ModelSpec) -> String {
    let place = spec.url.as_deref().filter(|_| kind == LOCAL);
    // The whole of it: two servers may share a host, behind another port or another path.
    place.map_or_else(|| kind.to_owned(), |url| format!("{kind} at {}", url.trim_end_matches('/')))
}

/// Who thinks for one contestant. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Thinkers {
    /// Counts what it takes.
    pub meter: Arc<Meter>,
    spec: ModelSpec,
    models: Models,
    taped: Option<Arc<Shelf>>,
    limits: Arc<Limits>,
    answer_max: u32,
    effort: String,
}

impl Thinkers {
    /// Who thinks for a contestant whose tape is at `tape`; where it is there already, it is answered out
    /// of as far as it goes. Blocks.
    ///
    /// # Errors
    /// When the tape cannot be read or written.
    pub fn open(
        (spec, models): (&ModelSpec, &Models),
        config: &Config,
        tape: &Path,
    ) -> Result<Self, CliError> {
        let taped = if tape.exists() { Some(shelf(tape)?) } else { None };
        Ok(Self {
            meter: Meter::new(spec.budget.calls_per_tick),
            spec: spec.clone(),
            models: Models { tape: Some(recorder(tape)?), ..models.clone() },
            taped,
            limits: Arc::new(config.limits.clone()),
            answer_max: config.models.answer_max,
            effort: config.models.effort.clone(),
        })
    }

    /// The brain of a role; `judges` asks the deep model.
    ///
    /// # Errors
    /// When the role cannot be put to a model (3).
    pub fn brain<B>(&self, entry: Entry<B>, judges: bool) -> Result<Arc<dyn Brain<B>>, CliError>
    where
        B: Serialize + std::fmt::Debug + Send + Sync + 'static,
    {
        let name = entry.role.name;
        let wrong = |error: conclave_actors::models::BrainError| {
            let text = format!("the model of `{name}` cannot be asked");
            CliError::new(ExitCode::Config, text).caused_by(error)
        };
        let rungs = vec![self.rung(judges)];
        let live = ModelBrain::new(entry, &self.limits, rungs.clone(), &self.models);
        let live = live.map_err(wrong)?;
        let brain: Arc<dyn Brain<B>> = match &self.taped {
            None => Arc::new(live),
            Some(tape) => {
                let tape = Arc::clone(tape);
                let taped = RecordedByTape::new(entry, &self.limits, rungs, tape).map_err(wrong)?;
                Arc::new(ReplayThenLive::booking_again(taped, live))
            }
        };
        Ok(Arc::new(Metered::new(brain, Arc::clone(&self.meter))))
    }

    fn rung(&self, judges: bool) -> RungSpec {
        let route = |(kind, model): (&str, &str)| RouteSpec {
            provider: called(kind, &self.spec),
            model: model.to_owned(),
            thinking: thinking(kind, model),
            cache: (kind != LOCAL).then_some(CacheTtl::Hour),
            routing: Routing {
                max_price: rungs::max_price(&self.models.prices, model),
                ..Routing::default()
            },
        };
        RungSpec {
            model: self.spec.ways(judges).next().map_or("", |(_, model)| model).to_owned(),
            max_tokens: self.answer_max,
            effort: Some(rungs::effort(&self.effort)),
            deadline: Duration::from_secs(self.spec.call_s.into()),
            retry: Retry { attempts: self.spec.max_retries, first_pause: self.spec.base_delay },
            routes: self.spec.ways(judges).map(route).collect(),
        }
    }
}

/// How a model may think: Anthropic's own families differ, whoever is behind a router decides itself.
fn thinking(kind: &str, model: &str) -> Thinking {
    match kind {
        "anthropic" if model.contains("opus") => Thinking::Adaptive,
        "anthropic" if model.contains("sonnet") => Thinking::BetweenTools,
        _ => Thinking::Unset,
    }
}

fn shelf(tape: &Path) -> Result<Arc<Shelf>, CliError> {
    let read = tape_files::read(tape).map_err(|error| {
        let text = format!("{} cannot be gone on with", tape.display());
        CliError::new(ExitCode::Data, text).caused_by(error)
    })?;
    Ok(read.tape.share())
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    fn spec(told: serde_json::Value) -> ModelSpec {
        from_value(told).unwrap()
    }

    #[test]
    fn two_servers_of_ones_own_are_two_providers() {
        let at = |url: &str| spec(json!({"provider": "local", "basemodel": "m", "url": url}));
        let one = "local at http://127.0.0.1:11434/v1";
        assert_eq!(called("local", &at("http://127.0.0.1:11434/v1/")), one);
        assert_ne!(called("local", &at("http://127.0.0.1:11434/other/v1")), one);
        assert_eq!(called("openrouter", &at("http://127.0.0.1:11434/v1")), "openrouter");
        assert_eq!(called("local", &spec(json!({"provider": "local", "basemodel": "m"}))), "local");
    }

    /// A model that is asked without a price is one whose cost cannot be reserved.
    #[test]
    fn a_model_without_a_price_is_refused_unless_it_is_ones_own() {
        let config = Config::default();
        let own = spec(json!({"provider": "local", "basemodel": "no-such"}));
        assert!(check(&config, &[&own]).is_ok());
        let both = json!({"provider": "local", "basemodel": "m",
            "fallback": {"provider": "anthropic", "basemodel": "no-such"}});
        let error = check(&config, &[&spec(both)]).unwrap_err();
        assert_eq!(error.code, ExitCode::Config, "{}", error.chain());
    }
}
