//! What a call to a model costs: a dated table, exact, and rounded up to the next 1e-8 dollar.
//!
//! - G-3: the worst case of a call is known before it, from the bytes of its prompt and the limit of
//!   its answer; a model without a row has no price, and is not asked.
//!
//! A tier is chosen by the whole prompt, cached parts included, and then holds for every token of the
//! call.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Usage;
use crate::fixed::{FixedError, Money};

/// Tokens for which a price is stated.
const PER: i128 = 1_000_000;
/// Bytes of a prompt that make a token at least: words make four and more, digits and signs fewer.
const BYTES_PER_TOKEN: u64 = 3;
/// Tokens that a provider adds to a prompt by itself.
const OVERHEAD_TOKENS: u64 = 200;

/// Prices of one context tier, US dollars per million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceTier {
    /// The tier holds for prompts of more tokens than this.
    #[serde(default)]
    pub above: u64,
    /// Tokens of a prompt.
    #[serde(rename = "in")]
    pub input: Money,
    /// Tokens of an answer.
    #[serde(rename = "out")]
    pub output: Money,
    /// Tokens read from a cache; as dear as others where it is not known.
    #[serde(default)]
    pub cache_read: Option<Money>,
    /// Tokens written to a cache for five minutes; twice as dear as others where it is not known.
    #[serde(default)]
    pub write_5m: Option<Money>,
    /// Tokens written to a cache for an hour; twice as dear as others where it is not known.
    #[serde(default)]
    pub write_1h: Option<Money>,
}

impl PriceTier {
    /// The price of everything.
    pub const fn flat(price: Money) -> Self {
        let same = Some(price);
        Self {
            above: 0,
            input: price,
            output: price,
            cache_read: same,
            write_5m: same,
            write_1h: same,
        }
    }

    fn cache_read(&self) -> i128 {
        self.cache_read.unwrap_or(self.input).raw().into()
    }

    fn written(&self, price: Option<Money>) -> i128 {
        price.map_or(i128::from(self.input.raw()) * 2, |price| price.raw().into())
    }

    /// The dearest way in which a token of a prompt can be billed.
    fn dearest_input(&self) -> i128 {
        let plain = i128::from(self.input.raw()).max(self.cache_read());
        plain.max(self.written(self.write_5m)).max(self.written(self.write_1h))
    }

    fn cost(&self, usage: &Usage) -> Result<Money, FixedError> {
        dollars([
            (usage.input, self.input.raw().into()),
            (usage.cache_read, self.cache_read()),
            (usage.cache_write_5m, self.written(self.write_5m)),
            (usage.cache_write_1h, self.written(self.write_1h)),
            (usage.output, self.output.raw().into()),
        ])
    }
}

/// A sum of tokens times price per million of them, rounded up.
fn dollars<const N: usize>(parts: [(u64, i128); N]) -> Result<Money, FixedError> {
    let out = || FixedError::OutOfRange { what: "tokens × price".to_owned(), unit: "Money" };
    let mut sum: i128 = 0;
    for (tokens, price) in parts {
        let part = i128::from(tokens).checked_mul(price).ok_or_else(out)?;
        sum = sum.checked_add(part).ok_or_else(out)?;
    }
    // Prices are never negative, so this rounds up.
    let raw = i64::try_from((sum + (PER - 1)) / PER).map_err(|_| out())?;
    Ok(Money::from_raw(raw))
}

/// What one model costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Price {
    /// By size of the prompt, the smallest first.
    tiers: Vec<PriceTier>,
}

impl Price {
    /// A price without tiers of context.
    pub fn of(tier: PriceTier) -> Self {
        Self { tiers: vec![PriceTier { above: 0, ..tier }] }
    }

    /// What prompts of a usual size cost.
    pub fn first(&self) -> PriceTier {
        self.tiers.first().copied().unwrap_or(PriceTier::flat(Money::ZERO))
    }

    /// What nothing costs: a model on a machine of one's own.
    pub fn free() -> Self {
        Self::of(PriceTier::flat(Money::ZERO))
    }

    /// Whether no call ever costs anything.
    pub fn is_free(&self) -> bool {
        self.tiers.iter().all(|tier| tier.dearest_input() == 0 && tier.output.is_zero())
    }

    /// What a call has cost, rounded up.
    ///
    /// # Errors
    /// When no amount of money is that large: such a usage is none.
    pub fn cost(&self, usage: &Usage) -> Result<Money, FixedError> {
        let prompt = usage.prompt();
        // The first tier begins at nothing, so there always is one.
        let tier = self.tiers.iter().rev().find(|tier| prompt > tier.above || tier.above == 0);
        tier.map_or(Ok(Money::ZERO), |tier| tier.cost(usage))
    }

    /// The most that a call can cost whose request has this many bytes and whose answer may have this
    /// many tokens, thinking included: every token of the prompt billed in the dearest way of any tier
    /// that it can reach.
    ///
    /// # Errors
    /// When no amount of money is that large.
    pub fn worst(&self, prompt_bytes: u64, max_tokens: u64) -> Result<Money, FixedError> {
        let prompt = prompt_bytes.div_ceil(BYTES_PER_TOKEN).saturating_add(OVERHEAD_TOKENS);
        let reached = self.tiers.iter().filter(|tier| tier.above == 0 || prompt > tier.above);
        reached
            .map(|tier| {
                dollars([(prompt, tier.dearest_input()), (max_tokens, tier.output.raw().into())])
            })
            .try_fold(Money::ZERO, |most, cost| Ok(most.max(cost?)))
    }
}

/// Rows of a price table as they stand in a file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceFile {
    /// When the prices were looked up: `2026-11-20`.
    pub date: String,
    /// Where.
    pub source: String,
    /// One row per model.
    #[serde(default, rename = "model")]
    pub models: Vec<PriceRow>,
}

/// One row: a model under all its names.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceRow {
    /// What it is called in requests and answers.
    pub names: Vec<String>,
    /// Its prices by context tier; the first has no `above`.
    pub tiers: Vec<PriceTier>,
    /// When this row was looked up, where it was not with the others.
    #[serde(default)]
    pub date: Option<String>,
}

/// Why rows are no price table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// A row without a name.
    #[error("row {row} has no name")]
    Nameless {
        /// Its number, from one.
        row: usize,
    },
    /// A name that stands twice.
    #[error("`{name}` has two prices")]
    Twice {
        /// The name.
        name: String,
    },
    /// Tiers that do not begin at nothing, or do not rise.
    #[error("the tiers of `{name}` do not begin at 0 and rise")]
    Tiers {
        /// The model.
        name: String,
    },
    /// A price below zero.
    #[error("`{name}` has a price below zero")]
    Negative {
        /// The model.
        name: String,
    },
}

/// The prices of all models that have one, with where each was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceTable {
    rows: BTreeMap<String, (Price, Origin)>,
}

/// Where and when a price was looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The date, as the file says it.
    pub date: String,
    /// The source, as the file says it.
    pub source: String,
}

impl PriceTable {
    /// The table of one file.
    ///
    /// # Errors
    /// The first row that is no price.
    pub fn of(file: PriceFile) -> Result<Self, PriceError> {
        let mut rows = BTreeMap::new();
        for (nth, row) in file.models.into_iter().enumerate() {
            let PriceRow { names, tiers, date } = row;
            let Some(first) = names.first().filter(|_| names.iter().all(|name| !name.is_empty()))
            else {
                return Err(PriceError::Nameless { row: nth + 1 });
            };
            let price = checked(first, tiers)?;
            let origin = Origin {
                date: date.unwrap_or_else(|| file.date.clone()),
                source: file.source.clone(),
            };
            for name in names {
                if rows.insert(name.clone(), (price.clone(), origin.clone())).is_some() {
                    return Err(PriceError::Twice { name });
                }
            }
        }
        Ok(Self { rows })
    }

    /// The same with the rows of another table in the place of its own.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.rows.extend(other.rows);
        self
    }

    /// The same with one more price, unless the model has one.
    #[must_use]
    pub fn or(mut self, model: &str, price: Price) -> Self {
        let (date, source) = (String::new(), "this configuration".to_owned());
        self.rows.entry(model.to_owned()).or_insert((price, Origin { date, source }));
        self
    }

    /// What a model costs; `None` where nobody knows.
    pub fn price(&self, model: &str) -> Option<&Price> {
        self.rows.get(model).map(|(price, _)| price)
    }

    /// Where a model's price was found.
    pub fn origin(&self, model: &str) -> Option<&Origin> {
        self.rows.get(model).map(|(_, origin)| origin)
    }

    /// Every name that has a price, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.rows.keys().map(String::as_str)
    }
}

fn checked(name: &str, tiers: Vec<PriceTier>) -> Result<Price, PriceError> {
    let name = || name.to_owned();
    let rises = tiers.windows(2).all(|pair| pair[0].above < pair[1].above);
    if tiers.first().is_none_or(|tier| tier.above != 0) || !rises {
        return Err(PriceError::Tiers { name: name() });
    }
    let below = |tier: &PriceTier| {
        let optional = [tier.cache_read, tier.write_5m, tier.write_1h];
        let all = optional.into_iter().flatten().chain([tier.input, tier.output]);
        all.into_iter().any(|price| price < Money::ZERO)
    };
    if tiers.iter().any(below) {
        return Err(PriceError::Negative { name: name() });
    }
    Ok(Price { tiers })
}

#[cfg(test)]
mod tests;
