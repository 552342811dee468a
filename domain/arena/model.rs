//! The models that think for a desk: who has them, how they are asked, and what that may cost.
//!
//! The dearer model judges (research manager, portfolio manager), the quick one reads and argues. What of
//! it decides a season is part of the season's hash; where a server stands and how often it is asked
//! again is not.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::fixed::Money;
use crate::ratio::Ratio;

/// The provider whose place a contestant may name.
pub const LOCAL: &str = "local";
/// The providers there are.
const PROVIDERS: [&str; 3] = ["anthropic", "openrouter", LOCAL];
/// The longest name of a model, bytes.
const NAME_MAX: usize = 128;
/// The most attempts at one provider.
pub const ATTEMPTS_MAX: u32 = 10;
/// The longest first pause between two attempts, seconds.
pub const BASE_DELAY_MAX_S: f64 = 60.0;
/// The longest that one question may take in all, seconds.
pub const CALL_MAX_S: u32 = 600;
/// The most questions of one contestant at one tick.
pub const CALLS_PER_TICK_MAX: u32 = 20_000;
/// The most money of one contestant in a season and in a day, dollars.
pub const USD_MAX: i64 = 1_000;

/// A day until which a model's training data may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cutoff(pub Date);

impl fmt::Display for Cutoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_string())
    }
}

impl FromStr for Cutoff {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| format!("`{text}` is no day such as 2026-03-31"))
    }
}

impl Serialize for Cutoff {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cutoff {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Whether a model may have seen a season's prices while it was trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contamination {
    /// The season begins after the model's knowledge ends.
    Clean,
    /// The season begins within it: its result says little.
    Contaminated,
    /// Nobody has said where it ends, so it has to be thought of as contaminated.
    Unknown,
}

impl Contamination {
    /// What a season that begins on `day` is to a model.
    pub fn of(cutoff: Option<Cutoff>, day: Date) -> Self {
        match cutoff {
            None => Self::Unknown,
            Some(Cutoff(last)) if last < day => Self::Clean,
            Some(_) => Self::Contaminated,
        }
    }

    /// The word for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Contaminated => "contaminated",
            Self::Unknown => "unknown",
        }
    }
}

/// What a contestant's models may cost and how often they may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelBudget {
    /// US dollars in the season.
    pub usd_per_season: Money,
    /// US dollars in any 24 hours of the wall's clock.
    pub usd_per_day: Money,
    /// Questions at one tick.
    pub calls_per_tick: u32,
}

impl Default for ModelBudget {
    fn default() -> Self {
        let dollars = |units: i64| Money::from_raw(units * Money::SCALE);
        Self { usd_per_season: dollars(20), usd_per_day: dollars(10), calls_per_tick: 500 }
    }
}

/// A provider, and what it calls the two models.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawServed", into = "RawServed")]
pub struct Served {
    /// The provider: `anthropic`, `openrouter` or `local`.
    pub provider: String,
    /// Who judges.
    pub deep: String,
    /// Who reads and argues.
    pub quick: String,
}

/// [`Served`] as it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawServed {
    provider: String,
    #[serde(default, skip_serializing)]
    basemodel: Option<String>,
    deep_model: Option<String>,
    quick_model: Option<String>,
}

impl TryFrom<RawServed> for Served {
    type Error = String;

    fn try_from(raw: RawServed) -> Result<Self, String> {
        let RawServed { provider, basemodel, deep_model, quick_model } = raw;
        let none = |key: &str| format!("`{key}` is missing, and there is no `basemodel`");
        let deep = deep_model.or_else(|| basemodel.clone()).ok_or_else(|| none("deep_model"))?;
        let quick = quick_model.or(basemodel).ok_or_else(|| none("quick_model"))?;
        Ok(Self { provider, deep, quick })
    }
}

impl From<Served> for RawServed {
    fn from(Served { provider, deep, quick }: Served) -> Self {
        Self { provider, basemodel: None, deep_model: Some(deep), quick_model: Some(quick) }
    }
}

impl Served {
    fn faults(&self, key: &str, faults: &mut Vec<String>) {
        if !PROVIDERS.contains(&self.provider.as_str()) {
            let shown: String = self.provider.chars().take(40).collect();
            faults.push(format!(
                "{key}.provider is `{shown}`: one of {} is wanted",
                PROVIDERS.join(", ")
            ));
        }
        for (word, model) in [("deep_model", &self.deep), ("quick_model", &self.quick)] {
            let is_name = (1..=NAME_MAX).contains(&model.len())
                && model.bytes().all(|byte| byte.is_ascii_graphic());
            if !is_name {
                let shown: String = model.chars().take(40).collect();
                faults.push(format!("{key}.{word}: `{shown}` is no name of a model"));
            }
        }
    }
}

/// The models of a contestant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawModel", into = "RawModel")]
pub struct ModelSpec {
    /// Who is asked.
    pub first: Served,
    /// Who is asked where the first one cannot answer; an answer of it is recorded as its own.
    pub fallback: Option<Served>,
    /// Where a server of one's own stands, if not where the configuration says.
    pub url: Option<String>,
    /// Attempts at a provider that fails in a way that passes, 1 to [`ATTEMPTS_MAX`].
    pub max_retries: u32,
    /// The longest pause before the second attempt; each further one may be twice as long.
    pub base_delay: Duration,
    /// How long one question may take in all, seconds, 1 to [`CALL_MAX_S`].
    pub call_s: u32,
    /// The last day of what it was trained on, as its maker says.
    pub knowledge_cutoff: Option<Cutoff>,
    /// What it may cost.
    pub budget: ModelBudget,
}

/// [`ModelSpec`] as it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawModel {
    provider: String,
    #[serde(default, skip_serializing)]
    basemodel: Option<String>,
    deep_model: Option<String>,
    quick_model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fallback: Option<Served>,
    #[serde(default, skip_serializing)]
    url: Option<String>,
    #[serde(default = "three", skip_serializing)]
    max_retries: u32,
    #[serde(default = "one", skip_serializing)]
    base_delay_s: Ratio,
    #[serde(default = "minute", skip_serializing)]
    call_s: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    knowledge_cutoff: Option<Cutoff>,
    #[serde(default)]
    budget: ModelBudget,
}

const fn three() -> u32 {
    3
}

const fn one() -> Ratio {
    Ratio::ONE
}

const fn minute() -> u32 {
    60
}

impl TryFrom<RawModel> for ModelSpec {
    type Error = String;

    fn try_from(raw: RawModel) -> Result<Self, String> {
        let RawModel { provider, basemodel, deep_model, quick_model, .. } = raw;
        let first = RawServed { provider, basemodel, deep_model, quick_model }.try_into()?;
        let delay = raw.base_delay_s.get();
        if !(0.0..=BASE_DELAY_MAX_S).contains(&delay) {
            return Err(format!("base_delay_s is {delay}: 0 to {BASE_DELAY_MAX_S} is wanted"));
        }
        Ok(Self {
            first,
            fallback: raw.fallback,
            url: raw.url,
            max_retries: raw.max_retries,
            base_delay: Duration::from_secs_f64(delay),
            call_s: raw.call_s,
            knowledge_cutoff: raw.knowledge_cutoff,
            budget: raw.budget,
        })
    }
}

impl From<ModelSpec> for RawModel {
    fn from(spec: ModelSpec) -> Self {
        let RawServed { provider, basemodel, deep_model, quick_model } = spec.first.into();
        Self {
            provider,
            basemodel,
            deep_model,
            quick_model,
            fallback: spec.fallback,
            url: spec.url,
            max_retries: spec.max_retries,
            base_delay_s: Ratio::or_zero(spec.base_delay.as_secs_f64()),
            call_s: spec.call_s,
            knowledge_cutoff: spec.knowledge_cutoff,
            budget: spec.budget,
        }
    }
}

impl ModelSpec {
    /// Everything that is wrong with it.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        self.first.faults("model", &mut faults);
        if let Some(fallback) = &self.fallback {
            fallback.faults("model.fallback", &mut faults);
            if fallback.provider == self.first.provider {
                let provider = &fallback.provider;
                faults.push(format!("model.fallback.provider: {provider} is asked already"));
            }
        }
        if self.url.is_some() && self.first.provider != LOCAL {
            let provider = &self.first.provider;
            faults.push(format!("model.url: {provider} has its place, only `{LOCAL}` takes one"));
        }
        let numbers = [
            ("max_retries", self.max_retries, ATTEMPTS_MAX),
            ("call_s", self.call_s, CALL_MAX_S),
            ("budget.calls_per_tick", self.budget.calls_per_tick, CALLS_PER_TICK_MAX),
        ];
        for (key, value, max) in numbers {
            if !(1..=max).contains(&value) {
                faults.push(format!("model.{key} is {value}: 1 to {max} is wanted"));
            }
        }
        let most = Money::from_raw(USD_MAX * Money::SCALE);
        let ModelBudget { usd_per_season, usd_per_day, .. } = self.budget;
        for (key, value) in [("usd_per_season", usd_per_season), ("usd_per_day", usd_per_day)] {
            if !(Money::ZERO..=most).contains(&value) {
                faults.push(format!("model.budget.{key} is {value}: 0 to {USD_MAX} is wanted"));
            }
        }
        faults
    }

    /// The model for whoever judges, or for whoever reads and argues, by every way there is.
    pub fn ways(&self, judges: bool) -> impl Iterator<Item = (&str, &str)> {
        let all = std::iter::once(&self.first).chain(&self.fallback);
        all.map(move |served| {
            let model = if judges { &served.deep } else { &served.quick };
            (served.provider.as_str(), model.as_str())
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn one_model_may_do_both_and_what_is_not_said_is_as_usual() {
        let spec: ModelSpec =
            from_value(json!({"provider": "openrouter", "basemodel": "x/y"})).unwrap();
        assert_eq!((spec.first.deep.as_str(), spec.first.quick.as_str()), ("x/y", "x/y"));
        assert_eq!(
            (spec.max_retries, spec.base_delay, spec.call_s),
            (3, Duration::from_secs(1), 60)
        );
        assert!(spec.faults().is_empty());
        let both = json!({"provider": "anthropic", "basemodel": "a", "deep_model": "b",
            "fallback": {"provider": "openrouter", "deep_model": "r/b", "quick_model": "r/a"}});
        let spec: ModelSpec = from_value(both).unwrap();
        assert_eq!(
            spec.ways(true).collect::<Vec<_>>(),
            [("anthropic", "b"), ("openrouter", "r/b")]
        );
        assert_eq!(
            spec.ways(false).collect::<Vec<_>>(),
            [("anthropic", "a"), ("openrouter", "r/a")]
        );
    }

    /// What a season is resumed by does not hang on where a server stands today.
    #[test]
    fn its_written_form_holds_what_decides_and_reads_again() {
        let told = json!({"provider": "local", "basemodel": "m", "url": "http://127.0.0.1:1/v1",
            "max_retries": 9, "knowledge_cutoff": "2026-03-31", "budget": {"usd_per_day": "1.5"}});
        let spec: ModelSpec = from_value(told).unwrap();
        let written = to_value(&spec).unwrap();
        let budget = json!({"usd_per_season": "20", "usd_per_day": "1.5", "calls_per_tick": 500});
        let expected = json!({"provider": "local", "deep_model": "m", "quick_model": "m",
            "knowledge_cutoff": "2026-03-31", "budget": budget});
        assert_eq!(written, expected);
        assert_eq!(from_value::<ModelSpec>(written).unwrap().budget, spec.budget);
    }

    #[test]
    fn what_is_wrong_is_named_by_its_key() {
        for (told, said) in [
            (json!({"provider": "openrouter"}), "deep_model"),
            (json!({"provider": "openrouter", "deep_model": "x"}), "quick_model"),
            (json!({"provider": "openrouter", "basemodel": "x", "retries": 1}), "retries"),
            (json!({"provider": "o", "basemodel": "x", "knowledge_cutoff": "May"}), "`May`"),
            (
                json!({"provider": "o", "basemodel": "x", "base_delay_s": -1.0}),
                "base_delay_s is -1",
            ),
        ] {
            let error = from_value::<ModelSpec>(told).unwrap_err().to_string();
            assert!(error.contains(said), "{said}: {error}");
        }
        let wrong = json!({"provider": "openrouter", "basemodel": "a b", "url": "http://x/v1",
            "max_retries": 0, "call_s": 601,
            "fallback": {"provider": "openrouter", "basemodel": ""}, 
            "budget": {"usd_per_season": "-1", "usd_per_day": "1001", "calls_per_tick": 0}});
        let said = from_value::<ModelSpec>(wrong).unwrap().faults().join("; ");
        for part in [
            "model.deep_model: `a b`",
            "model.quick_model",
            "model.fallback.deep_model",
            "model.fallback.provider",
            "model.url",
            "max_retries is 0",
            "call_s is 601",
            "usd_per_season is -1",
            "usd_per_day is 1001",
            "calls_per_tick is 0",
        ] {
            assert!(said.contains(part), "{part} is not in: {said}");
        }
    }

    #[test]
    fn a_provider_that_nobody_knows_is_named() {
        let spec: ModelSpec = from_value(json!({"provider": "mine", "basemodel": "m"})).unwrap();
        assert!(spec.faults()[0].contains("model.provider is `mine`: one of anthropic"));
    }

    #[test]
    fn a_season_that_begins_on_the_last_day_of_what_a_model_knows_is_contaminated() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        let cutoff = Some(Cutoff(day("2026-03-31")));
        assert_eq!(Contamination::of(cutoff, day("2026-03-31")), Contamination::Contaminated);
        assert_eq!(Contamination::of(cutoff, day("2026-04-01")), Contamination::Clean);
        assert_eq!(Contamination::of(None, day("2026-04-01")), Contamination::Unknown);
    }
}
