//! What the budgets are, and how far configuration may go.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::fixed::Money;

/// The budgets in force. The defaults are SPEC §2's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BudgetConfig {
    /// Consultations of paid brains per hour and team.
    pub team_per_hour: u32,
    /// Consultations of paid brains per hour in all.
    pub all_per_hour: u32,
    /// Consultations of paid brains per training run.
    pub training_run: u32,
    /// Actions per hour of the trading clock.
    pub actions_per_hour: u32,
    /// Least time between two adjustments of the same parameter, on the trading clock.
    pub spacing: Duration,
    /// Critical actions per day of the trading clock.
    pub critical_per_day: u32,
    /// US dollars that one call may cost.
    pub usd_per_call: Money,
    /// US dollars per run.
    pub usd_per_run: Money,
    /// US dollars per day.
    pub usd_per_day: Money,
    /// US dollars per day and model, for models that have less than the whole day's.
    pub usd_per_day_by_model: BTreeMap<String, Money>,
}

impl Default for BudgetConfig {
    fn default() -> Self {
        let dollars = |cents: i64| Money::from_raw(cents * (Money::SCALE / 100));
        Self {
            team_per_hour: 100,
            all_per_hour: 200,
            training_run: 100,
            actions_per_hour: 50,
            spacing: Duration::from_mins(1),
            critical_per_day: 10,
            usd_per_call: dollars(50),
            usd_per_run: dollars(500),
            usd_per_day: dollars(1_000),
            usd_per_day_by_model: BTreeMap::new(),
        }
    }
}

/// A configured budget that passes a hard limit, or makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` is {value}, it must be within {min} and {max}")]
pub struct BudgetError {
    /// The key in the configuration.
    pub key: String,
    /// What it is set to.
    pub value: String,
    /// The least it may be.
    pub min: String,
    /// The most it may be: a hard limit.
    pub max: String,
}

impl BudgetConfig {
    /// Consultations per hour that no configuration can pass.
    pub const HARD_CONSULTATIONS_PER_HOUR: u32 = 20_000;
    /// Actions per hour that no configuration can pass.
    pub const HARD_ACTIONS_PER_HOUR: u32 = 2_000;
    /// Critical actions per day that no configuration can pass.
    pub const HARD_CRITICAL_PER_DAY: u32 = 100;
    /// Money per day that no configuration can pass: $1,000.
    pub const HARD_MONEY_PER_DAY: Money = Money::from_raw(1_000 * Money::SCALE);
    /// The shortest spacing of adjustments.
    pub const HARD_SPACING: Duration = Duration::from_secs(1);

    /// Checks every key against the hard limits.
    ///
    /// # Errors
    /// All keys that pass one, not only the first.
    pub fn validate(&self) -> Result<(), Vec<BudgetError>> {
        let mut errors = Vec::new();
        for (key, value, max) in [
            ("budgets.team_per_hour", self.team_per_hour, Self::HARD_CONSULTATIONS_PER_HOUR),
            ("budgets.all_per_hour", self.all_per_hour, Self::HARD_CONSULTATIONS_PER_HOUR),
            ("budgets.training_run", self.training_run, Self::HARD_CONSULTATIONS_PER_HOUR),
            ("budgets.actions_per_hour", self.actions_per_hour, Self::HARD_ACTIONS_PER_HOUR),
            ("budgets.critical_per_day", self.critical_per_day, Self::HARD_CRITICAL_PER_DAY),
        ] {
            if value > max {
                errors.push(error(key, value.to_string(), "0".to_owned(), max.to_string()));
            }
        }
        if self.spacing < Self::HARD_SPACING {
            let shown = |spacing: Duration| format!("{} ms", spacing.as_millis());
            let (value, min) = (shown(self.spacing), shown(Self::HARD_SPACING));
            errors.push(error("budgets.spacing", value, min, "any duration".to_owned()));
        }
        for (key, value) in [
            ("budgets.usd_per_call", self.usd_per_call),
            ("budgets.usd_per_run", self.usd_per_run),
            ("budgets.usd_per_day", self.usd_per_day),
        ] {
            errors.extend(money_error(key, value));
        }
        for (model, value) in &self.usd_per_day_by_model {
            errors.extend(money_error(&format!("budgets.usd_per_day_by_model.{model}"), *value));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

fn money_error(key: &str, value: Money) -> Option<BudgetError> {
    let max = BudgetConfig::HARD_MONEY_PER_DAY;
    let legal = (Money::ZERO..=max).contains(&value);
    (!legal).then(|| error(key, value.to_string(), Money::ZERO.to_string(), max.to_string()))
}

fn error(key: &str, value: String, min: String, max: String) -> BudgetError {
    BudgetError { key: key.to_owned(), value, min, max }
}
