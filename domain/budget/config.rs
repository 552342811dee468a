//! What the budgets are, and how far configuration may go.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::ladder::StepDown;
use crate::fixed::{Bp, Money};

/// What a paid agent does when something is spent that its model would take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenSpent {
    /// It answers by its rules; the record says why.
    #[default]
    Rules,
    /// It has no vote in the round.
    Abstain,
}

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
    /// US dollars per hour.
    pub usd_per_hour: Money,
    /// US dollars per day and model, for models that have less than the whole day's.
    pub usd_per_day_by_model: BTreeMap<String, Money>,
    /// US dollars per day and agent, for agents that have less than the whole day's.
    pub usd_per_day_by_agent: BTreeMap<String, Money>,
    /// The share of each money cap that only the Risk Guardian may spend.
    pub guardian_reserve: Bp,
    /// When cheaper models are asked.
    pub step_down: StepDown,
    /// What a paid agent does when no model may be asked.
    pub when_spent: WhenSpent,
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
            usd_per_hour: dollars(500),
            usd_per_day_by_model: BTreeMap::new(),
            usd_per_day_by_agent: BTreeMap::new(),
            guardian_reserve: Bp::whole(1_000),
            step_down: StepDown::default(),
            when_spent: WhenSpent::default(),
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
    /// The largest share of a cap that can be kept for the guardian: one half.
    pub const HARD_RESERVE: Bp = Bp::whole(5_000);
    /// The shortest spacing of adjustments.
    pub const HARD_SPACING: Duration = Duration::from_secs(1);

    /// The part of a money cap that is kept for the guardian, in raw steps, rounded up.
    pub(super) fn reserve_of(&self, limit: i64) -> i64 {
        self.guardian_reserve.fee_on(Money::from_raw(limit)).map_or(limit, Money::raw)
    }

    /// What each of so many may spend of a money cap, where all get the same and none of them is the
    /// guardian; rounded down.
    pub fn share_of(&self, cap: Money, many: usize) -> Money {
        let open = cap.raw().saturating_sub(self.reserve_of(cap.raw()));
        let many = i64::try_from(many).unwrap_or(i64::MAX).max(1);
        Money::from_raw(open / many)
    }

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
            ("budgets.usd_per_hour", self.usd_per_hour),
        ] {
            errors.extend(money_error(key, value));
        }
        for (model, value) in &self.usd_per_day_by_model {
            errors.extend(money_error(&format!("budgets.usd_per_day_by_model.{model}"), *value));
        }
        for (agent, value) in &self.usd_per_day_by_agent {
            errors.extend(money_error(&format!("budgets.usd_per_day_by_agent.{agent}"), *value));
        }
        if self.guardian_reserve > Self::HARD_RESERVE {
            let shown = |share: Bp| format!("{} ppm", share.as_hundredths());
            let (value, max) = (shown(self.guardian_reserve), shown(Self::HARD_RESERVE));
            errors.push(error("budgets.guardian_reserve", value, "0".to_owned(), max));
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
