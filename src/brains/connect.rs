//! The providers that the configuration names, with their keys, and what all brains share.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use conclave_actors::models::port::Model;
use conclave_actors::models::{Gateway, Models, ProviderSettings};
use conclave_domain::budget::WhenSpent;
use conclave_domain::llm::PriceTable;
use conclave_domain::role::Tier;

use crate::adapters::anthropic_http::AnthropicHttp;
use crate::adapters::model_http::Key;
use crate::adapters::openai_http::{OpenAiHttp, ProbeError, probe};
use crate::adapters::prices_file as prices;
use crate::cli::error::{CliError, ExitCode};
use crate::config::{self, Config};

/// The version of the Messages API that is spoken.
const ANTHROPIC_VERSION: &str = "2026-10-21";
/// How long a local server may take to show what it can do.
const PROBE_PATIENCE: Duration = Duration::from_secs(30);
/// How long a question in a replay waits for a provider that rests.
pub const REST_MAX: Duration = Duration::from_mins(5);
/// Worst cases that the permit of one consultation covers: an answer, and once more.
pub(super) const ATTEMPTS_PAID: u32 = 2;

/// What the model brains of a process share.
pub(super) async fn models(config: &Config) -> Result<Models, CliError> {
    let mut providers = BTreeMap::new();
    let mut settings = BTreeMap::new();
    for name in [&config.models.primary, &config.models.fallback] {
        let Some(provider) = config.models.providers.get(name.as_str()) else { continue };
        let tiers = [Tier::Haiku, Tier::Sonnet, Tier::Opus];
        let model = tiers.into_iter().find_map(|tier| provider.model(tier)).unwrap_or_default();
        providers.insert(name.clone(), connect((name, name), &provider.url, model).await?);
        settings.insert(name.clone(), taken_by(provider));
    }
    Ok(Models {
        providers,
        gateway: Gateway::unhurried(settings, REST_MAX),
        prices: Arc::new(prices(config)?),
        tape: None,
        attempts_paid: ATTEMPTS_PAID,
        has_rules: config.budgets.when_spent == WhenSpent::Rules,
    })
}

/// The price table, with the rows of one's own.
pub(super) fn prices(config: &Config) -> Result<PriceTable, CliError> {
    let own = Some(config.models.prices.as_str()).filter(|path| !path.is_empty()).map(Path::new);
    prices::table(own).map_err(|error| {
        CliError::new(ExitCode::Config, "`models.prices` cannot be used").caused_by(error)
    })
}

/// What a provider can take, as it is configured.
pub(super) fn taken_by(provider: &config::ProviderSettings) -> ProviderSettings {
    let per_minute = NonZeroU32::new(provider.requests_per_minute);
    let in_flight = usize::try_from(provider.in_flight).unwrap_or(usize::MAX);
    ProviderSettings { per_minute, in_flight }
}

/// Connects to a provider of this kind, called `name` in records; a server of one's own is asked by
/// `model` what it can do.
pub(super) async fn connect(
    (kind, name): (&str, &str),
    url: &str,
    model: &str,
) -> Result<Arc<dyn Model>, CliError> {
    let refused = |error: &dyn std::error::Error| {
        let text = format!("`providers.{kind}` cannot be used: {error}");
        CliError::new(ExitCode::Config, text)
    };
    Ok(match kind {
        "anthropic" => {
            let key = key("ANTHROPIC_API_KEY")?;
            Arc::new(
                AnthropicHttp::new(url, ANTHROPIC_VERSION, key).map_err(|error| refused(&error))?,
            )
        }
        "openrouter" => {
            let key = key("OPENROUTER_API_KEY")?;
            Arc::new(OpenAiHttp::openrouter(url, key).map_err(|error| refused(&error))?)
        }
        _ => {
            let key = Key::from_env("CONCLAVE_LOCAL_API_KEY").map_err(|error| refused(&error))?;
            let probed = probe(url, key.as_ref(), model, PROBE_PATIENCE).await;
            let probed = probed.map_err(|error| match error {
                ProbeError::Model(error) => refused(&error),
                error => {
                    let text = format!("the server at {url} cannot be asked");
                    CliError::new(ExitCode::Broker, text).caused_by(error)
                }
            })?;
            let local = OpenAiHttp::local(name, url, key, probed.capabilities);
            Arc::new(local.map_err(|error| refused(&error))?)
        }
    })
}

/// Looks for the key that a provider of this kind must have, and asks nobody.
///
/// # Errors
/// When it is not there, or is none (3).
pub(super) fn has_key(kind: &str) -> Result<(), CliError> {
    match kind {
        "anthropic" => key("ANTHROPIC_API_KEY").map(drop),
        "openrouter" => key("OPENROUTER_API_KEY").map(drop),
        _ => Ok(()),
    }
}

/// A key that must be there.
fn key(variable: &str) -> Result<Key, CliError> {
    let key = Key::from_env(variable).map_err(|error| {
        CliError::new(ExitCode::Config, format!("{variable} cannot be used")).caused_by(error)
    })?;
    key.ok_or_else(|| {
        let text =
            format!("{variable} is not set: a model brain needs it; `--brains rules` needs none");
        CliError::new(ExitCode::Config, text)
    })
}
