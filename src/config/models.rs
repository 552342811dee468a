//! The keys of model brains: who is asked, how long, and on which terms.
//!
//! No key holds a secret: API keys come from the environment alone.

use std::collections::BTreeMap;
use std::time::Duration;

use conclave_domain::role::Tier;
use serde::Serialize;

use super::Config;
use super::keys::{Key, duration, integer, key, word};
use super::value::{Kind, Setting};

/// The word for the ledger in the folder of the user's state.
pub const LEDGER_OF_USER: &str = "auto";

/// The providers there are, in the order of `config/default.toml`.
pub const PROVIDERS: [&str; 3] = ["anthropic", "openrouter", "local"];

const SECOND: u64 = 1_000;

/// How models are asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelSettings {
    /// The provider that is asked first.
    pub primary: String,
    /// The provider that is asked where the first one fails; `none` for nobody.
    pub fallback: String,
    /// How long one consultation may take in all, by tier: retries, fallback and hedge included.
    pub haiku_deadline: Duration,
    /// The same for the middle tier.
    pub sonnet_deadline: Duration,
    /// The same for the large tier.
    pub opus_deadline: Duration,
    /// Most tokens of an answer, thinking included.
    pub answer_max: u32,
    /// How hard a model thinks: `low`, `medium` or `high`.
    pub effort: String,
    /// Whether exchanges are written down: `record` or `live`.
    pub tape: String,
    /// A price table of one's own; empty for none.
    pub prices: String,
    /// The ledger of what all runs of this user spend: `auto` for the one in the folder of the user's
    /// state, a path, or empty for none. Of no weight for what is decided, and so no part of a
    /// configuration's hash.
    #[serde(skip_serializing)]
    pub ledger: String,
    /// Who reads the news: `rules`, which is a dictionary, or `model`.
    pub news_reader: String,
    /// The providers, by name.
    pub providers: BTreeMap<&'static str, ProviderSettings>,
}

/// One provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProviderSettings {
    /// Where it is; https, or http on loopback. Like the next two of no weight for what is decided, and
    /// so no part of a configuration's hash.
    #[serde(skip_serializing)]
    pub url: String,
    /// Its model of the small tier; empty where it has none.
    pub haiku: String,
    /// Its model of the middle tier.
    pub sonnet: String,
    /// Its model of the large tier.
    pub opus: String,
    /// Calls that may be in flight.
    #[serde(skip_serializing)]
    pub in_flight: u32,
    /// Calls a minute in the long run.
    #[serde(skip_serializing)]
    pub requests_per_minute: u32,
}

impl ModelSettings {
    /// How long a consultation of a tier may take.
    pub const fn deadline(&self, tier: Tier) -> Duration {
        match tier {
            Tier::Haiku => self.haiku_deadline,
            Tier::Sonnet => self.sonnet_deadline,
            Tier::Opus => self.opus_deadline,
        }
    }
}

impl ProviderSettings {
    /// The model of a tier; `None` where it has none.
    pub fn model(&self, tier: Tier) -> Option<&str> {
        let model = match tier {
            Tier::Haiku => &self.haiku,
            Tier::Sonnet => &self.sonnet,
            Tier::Opus => &self.opus,
        };
        (!model.is_empty()).then_some(model)
    }

    fn of(url: &str, models: [&str; 3], in_flight: u32, requests_per_minute: u32) -> Self {
        let [haiku, sonnet, opus] = models.map(str::to_owned);
        Self { url: url.to_owned(), haiku, sonnet, opus, in_flight, requests_per_minute }
    }
}

impl Default for ModelSettings {
    fn default() -> Self {
        let claude = ["claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"];
        let routed = [
            "anthropic/claude-haiku-5.5",
            "anthropic/claude-sonnet-5.5",
            "anthropic/claude-opus-5.5",
        ];
        let [anthropic, openrouter, local] = PROVIDERS;
        Self {
            primary: anthropic.to_owned(),
            fallback: "none".to_owned(),
            haiku_deadline: Duration::from_secs(8),
            sonnet_deadline: Duration::from_secs(20),
            opus_deadline: Duration::from_secs(45),
            answer_max: 4_096,
            effort: "low".to_owned(),
            tape: "record".to_owned(),
            prices: String::new(),
            ledger: LEDGER_OF_USER.to_owned(),
            news_reader: "rules".to_owned(),
            providers: BTreeMap::from([
                (anthropic, ProviderSettings::of("https://api.anthropic.com", claude, 32, 1_000)),
                (
                    openrouter,
                    ProviderSettings::of("https://openrouter.ai/api/v1", routed, 32, 1_000),
                ),
                (local, ProviderSettings::of("http://127.0.0.1:8080/v1", [""; 3], 4, 10_000)),
            ]),
        }
    }
}

pub(super) fn keys(all: &mut Vec<Key>) {
    all.extend([
        word("models.primary", &PROVIDERS, |c, v| v.clone_into(&mut c.models.primary)),
        word("models.fallback", &["none", "anthropic", "openrouter", "local"], |c, v| {
            v.clone_into(&mut c.models.fallback);
        }),
        deadline("models.haiku_deadline", |c| &mut c.models.haiku_deadline),
        deadline("models.sonnet_deadline", |c| &mut c.models.sonnet_deadline),
        deadline("models.opus_deadline", |c| &mut c.models.opus_deadline),
        integer("models.answer_max", 256..=32_768, "tokens", |c| &mut c.models.answer_max),
        word("models.effort", &["low", "medium", "high"], |c, v| {
            v.clone_into(&mut c.models.effort);
        }),
        word("models.tape", &["record", "live"], |c, v| v.clone_into(&mut c.models.tape)),
        word("models.news_reader", &["rules", "model"], |c, v| {
            v.clone_into(&mut c.models.news_reader);
        }),
        path("models.prices", |c| &mut c.models.prices),
        path("models.ledger", |c| &mut c.models.ledger),
    ]);
    for name in PROVIDERS {
        provider(all, name);
    }
}

fn path(name: &str, place: fn(&mut Config) -> &mut String) -> Key {
    key(name, Kind::Text, move |config, setting| {
        if let Setting::Text(path) = setting {
            path.clone_into(place(config));
        }
    })
}

fn deadline(path: &str, place: fn(&mut Config) -> &mut Duration) -> Key {
    duration(path, 10..=10 * 60 * SECOND, place)
}

/// Where a value of a provider stands.
type Place<T> = fn(&mut ProviderSettings) -> &mut T;

fn provider(all: &mut Vec<Key>, name: &'static str) {
    let set = move |config: &mut Config, change: &dyn Fn(&mut ProviderSettings)| {
        if let Some(provider) = config.models.providers.get_mut(name) {
            change(provider);
        }
    };
    let places: [(&str, Place<String>); 4] = [
        ("url", |it| &mut it.url),
        ("haiku", |it| &mut it.haiku),
        ("sonnet", |it| &mut it.sonnet),
        ("opus", |it| &mut it.opus),
    ];
    for (word, place) in places {
        all.push(key(format!("providers.{name}.{word}"), Kind::Text, move |config, setting| {
            if let Setting::Text(text) = setting {
                set(config, &|provider| text.clone_into(place(provider)));
            }
        }));
    }
    let numbers: [(&str, &'static str, Place<u32>); 2] = [
        ("in_flight", "calls", |it| &mut it.in_flight),
        ("requests_per_minute", "calls a minute", |it| &mut it.requests_per_minute),
    ];
    for (word, unit, place) in numbers {
        let kind = Kind::Integer { min: 1, max: 1_000_000, unit };
        all.push(key(format!("providers.{name}.{word}"), kind, move |config, setting| {
            if let Setting::Integer(number) = setting {
                let number = u32::try_from(*number).unwrap_or(u32::MAX);
                set(config, &|provider| *place(provider) = number);
            }
        }));
    }
}
