//! Which models an agent may ask: its tier's first, then the cheaper ones, each by every way there is.

use conclave_actors::models::wire::{CacheTtl, Effort, MaxPrice, Routing, Thinking};
use conclave_actors::models::{Retry, RouteSpec, RungSpec};
use conclave_domain::llm::PriceTable;
use conclave_domain::role::{Role, Tier};

use crate::cli::error::{CliError, ExitCode};
use crate::config::{Config, ModelSettings};

/// The tiers, dearest first.
const TIERS: [Tier; 3] = [Tier::Opus, Tier::Sonnet, Tier::Haiku];

/// The rungs of an agent, best first.
///
/// # Errors
/// When the provider that is asked first has no model of the agent's tier.
pub(super) fn of(
    role: &Role,
    config: &Config,
    prices: &PriceTable,
) -> Result<Vec<RungSpec>, CliError> {
    let (name, models) = (role.name, &config.models);
    let tier = config.agents.get(name).map_or(role.tier, |agent| agent.tier);
    if route((models, prices), &models.primary, tier).is_none() {
        let word = word(tier);
        let text = format!(
            "`{name}` asks a model of the tier {word}, but `providers.{primary}.{word}` is empty: \
             set it, or give the agent another tier by `agents.{name}.tier`",
            primary = models.primary
        );
        return Err(CliError::new(ExitCode::Config, text));
    }
    let tiers = TIERS.into_iter().filter(|it| *it <= tier);
    Ok(tiers.filter_map(|it| rung((models, prices), it)).collect())
}

/// How models are asked, and what they cost.
type Terms<'a> = (&'a ModelSettings, &'a PriceTable);

fn rung((models, prices): Terms<'_>, tier: Tier) -> Option<RungSpec> {
    let route = |provider: &str| route((models, prices), provider, tier);
    let first = route(&models.primary)?;
    Some(RungSpec {
        model: first.model.clone(),
        max_tokens: models.answer_max,
        effort: Some(effort(&models.effort)),
        deadline: models.deadline(tier),
        retry: Retry::default(),
        routes: std::iter::once(first).chain(route(&models.fallback)).collect(),
    })
}

fn route((models, prices): Terms<'_>, provider: &str, tier: Tier) -> Option<RouteSpec> {
    let model = models.providers.get(provider)?.model(tier)?;
    let thinking = match (provider, tier) {
        ("anthropic", Tier::Sonnet) => Thinking::BetweenTools,
        ("anthropic", Tier::Opus) => Thinking::Adaptive,
        _ => Thinking::Unset,
    };
    // Bars and their rounds lie further apart than the five minutes of the other cache.
    let cache = (provider != "local").then_some(CacheTtl::Hour);
    Some(RouteSpec {
        provider: provider.to_owned(),
        model: model.to_owned(),
        thinking,
        cache,
        routing: Routing { max_price: max_price(prices, model), ..Routing::default() },
    })
}

/// What a router may have a host take: no more than what is reserved for the call.
pub(super) fn max_price(prices: &PriceTable, model: &str) -> Option<MaxPrice> {
    let tier = prices.price(model)?.first();
    Some(MaxPrice { prompt: tier.input, completion: tier.output })
}

pub(super) fn effort(word: &str) -> Effort {
    match word {
        "high" => Effort::High,
        "medium" => Effort::Medium,
        _ => Effort::Low,
    }
}

const fn word(tier: Tier) -> &'static str {
    match tier {
        Tier::Haiku => "haiku",
        Tier::Sonnet => "sonnet",
        Tier::Opus => "opus",
    }
}

#[cfg(test)]
mod tests {
    use conclave_actors::runtime::roster;

    use super::*;

    fn role(name: &str) -> Role {
        roster::seat(name).unwrap().role
    }

    fn models_of(name: &str, config: &Config) -> Vec<Vec<String>> {
        let rungs = of(&role(name), config, &PriceTable::default()).unwrap();
        let routes = |rung: &RungSpec| {
            rung.routes.iter().map(|route| format!("{}/{}", route.provider, route.model)).collect()
        };
        rungs.iter().map(routes).collect()
    }

    #[test]
    fn an_agent_asks_its_tier_first_and_then_what_is_cheaper_by_every_way_there_is() {
        let mut config = Config::default();
        let sonnet = ["anthropic/claude-sonnet-5-5"];
        let haiku = ["anthropic/claude-haiku-5-5"];
        assert_eq!(models_of("risk_guardian", &config), [sonnet, haiku]);
        assert_eq!(models_of("position_sizer", &config), [haiku]);
        config.models.fallback = "openrouter".to_owned();
        let both = ["anthropic/claude-haiku-5-5", "openrouter/anthropic/claude-haiku-5.5"];
        assert_eq!(models_of("position_sizer", &config), [both]);
    }

    #[test]
    fn a_tier_without_a_model_names_the_key_that_is_empty() {
        let mut config = Config::default();
        config.models.primary = "local".to_owned();
        let error = of(&role("position_sizer"), &config, &PriceTable::default()).unwrap_err();
        assert_eq!(error.code, ExitCode::Config);
        assert!(error.chain().contains("`providers.local.haiku` is empty"), "{}", error.chain());
    }
}
