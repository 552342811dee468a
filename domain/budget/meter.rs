//! One line of the budgets: what was spent within its sliding window.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{BudgetConfig, DAY, HOUR, Now, Refill};
use crate::code::Code;
use crate::fixed::Money;
use crate::ratio::Ratio;
use crate::role::Team;
use crate::time::Time;

/// What is counted. Appended to only: stored snapshots name lines by their order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Line {
    /// Paid consultations of one team, per hour.
    Team(Team),
    /// All paid consultations, per hour.
    All,
    /// Paid consultations of the training run.
    TrainingRun,
    /// Actions, per hour.
    Actions,
    /// Critical actions, per day.
    Critical,
    /// Money of the run.
    MoneyRun,
    /// Money, per day.
    MoneyDay,
    /// Money of one model, per day.
    Model(String),
    /// Money, per hour.
    MoneyHour,
    /// Money of one agent, per day.
    Agent(String),
    /// Money of one agent in the run: counted under the run's cap, for the report.
    AgentRun(String),
}

/// Which of the two clocks a line counts on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Clock {
    Wall,
    Trading,
}

impl Clock {
    pub(super) const fn of(self, now: Now) -> Time {
        match self {
            Self::Wall => now.wall,
            Self::Trading => now.trading,
        }
    }
}

impl Line {
    /// Every line but those of single models and agents.
    pub(super) fn fixed() -> impl Iterator<Item = Self> {
        let others = [
            Self::All,
            Self::TrainingRun,
            Self::Actions,
            Self::Critical,
            Self::MoneyRun,
            Self::MoneyDay,
            Self::MoneyHour,
        ];
        Team::ALL.into_iter().map(Self::Team).chain(others)
    }

    /// Whether it is written down even when nothing was ever taken from it, as every line of the first
    /// version was: what a run without paid brains writes stays the same (D-1).
    pub(super) const fn is_always_stored(&self) -> bool {
        !matches!(self, Self::MoneyHour | Self::Agent(_) | Self::AgentRun(_) | Self::Model(_))
    }

    /// Whether a new run begins it anew.
    pub(super) const fn is_of_run(&self) -> bool {
        matches!(self, Self::TrainingRun | Self::MoneyRun | Self::AgentRun(_))
    }

    /// How long a spend counts; `None` for as long as the run.
    pub(super) const fn window(&self) -> Option<Duration> {
        match self {
            Self::Team(_) | Self::All | Self::Actions | Self::MoneyHour => Some(HOUR),
            Self::Critical | Self::MoneyDay | Self::Model(_) | Self::Agent(_) => Some(DAY),
            Self::TrainingRun | Self::MoneyRun | Self::AgentRun(_) => None,
        }
    }

    pub(super) const fn clock(&self) -> Clock {
        match self {
            Self::Actions | Self::Critical => Clock::Trading,
            _ => Clock::Wall,
        }
    }

    pub(super) const fn is_money(&self) -> bool {
        matches!(
            self,
            Self::MoneyRun
                | Self::MoneyDay
                | Self::MoneyHour
                | Self::Model(_)
                | Self::Agent(_)
                | Self::AgentRun(_)
        )
    }

    /// What may be spent: a count, or raw steps of [`Money`].
    pub(super) fn limit(&self, config: &BudgetConfig) -> i64 {
        match self {
            Self::Team(_) => config.team_per_hour.into(),
            Self::All => config.all_per_hour.into(),
            Self::TrainingRun => config.training_run.into(),
            Self::Actions => config.actions_per_hour.into(),
            Self::Critical => config.critical_per_day.into(),
            Self::MoneyRun | Self::AgentRun(_) => config.usd_per_run.raw(),
            Self::MoneyDay => config.usd_per_day.raw(),
            Self::MoneyHour => config.usd_per_hour.raw(),
            Self::Model(model) => {
                let own = config.usd_per_day_by_model.get(model);
                own.unwrap_or(&config.usd_per_day).raw()
            }
            Self::Agent(agent) => {
                let own = config.usd_per_day_by_agent.get(agent);
                own.unwrap_or(&config.usd_per_day).raw()
            }
        }
    }

    /// Why a request is refused once the line is spent.
    pub(super) const fn code(&self) -> Code {
        match self {
            Self::Team(_) => Code::SafetyTeamHour,
            Self::All => Code::SafetyAllHour,
            Self::TrainingRun => Code::SafetyRunConsultations,
            Self::Actions => Code::SafetyActionsHour,
            Self::Critical => Code::SafetyCriticalDay,
            Self::MoneyRun | Self::AgentRun(_) => Code::SafetyMoneyRun,
            Self::MoneyDay => Code::SafetyMoneyDay,
            Self::MoneyHour => Code::SafetyMoneyHour,
            Self::Model(_) => Code::SafetyMoneyModel,
            Self::Agent(_) => Code::SafetyMoneyAgent,
        }
    }

    /// The name in metrics and on the command line.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Team(team) => format!("team_per_hour.{team}"),
            Self::All => "all_per_hour".to_owned(),
            Self::TrainingRun => "training_run".to_owned(),
            Self::Actions => "actions_per_hour".to_owned(),
            Self::Critical => "critical_per_day".to_owned(),
            Self::MoneyRun => "usd_per_run".to_owned(),
            Self::MoneyDay => "usd_per_day".to_owned(),
            Self::Model(model) => format!("usd_per_day_by_model.{model}"),
            Self::MoneyHour => "usd_per_hour".to_owned(),
            Self::Agent(agent) => format!("usd_per_day_by_agent.{agent}"),
            Self::AgentRun(agent) => format!("usd_per_run_by_agent.{agent}"),
        }
    }

    /// Units as people and metrics see them: a count, or US dollars.
    pub(super) fn display(&self, units: i64) -> Ratio {
        if self.is_money() {
            Ratio::or_zero(Money::from_raw(units).to_f64())
        } else {
            #[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
            let count = units as f64;
            Ratio::or_zero(count)
        }
    }
}

/// What was spent in one short stretch of time. It counts from its end, so that keeping stretches
/// instead of single spends can only make a budget stricter, by one stretch at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spend {
    pub(super) from: Time,
    pub(super) until: Time,
    pub(super) units: i64,
}

/// The spends of one line.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    limit: i64,
    spends: VecDeque<Spend>,
    spent: i64,
    /// Written down as spent, and not yet given out.
    pub(super) ahead: i64,
    /// On its way to the disk.
    pub(super) pending: i64,
    /// Blocks of dead processes: a part of what is spent, which nobody knows to be paid.
    blocks: Vec<Spend>,
}

impl Meter {
    pub(super) fn new(limit: i64) -> Self {
        Self { limit, spends: VecDeque::new(), spent: 0, ahead: 0, pending: 0, blocks: Vec::new() }
    }

    pub(super) fn restored(limit: i64, spends: Vec<Spend>, blocks: Vec<Spend>) -> Self {
        let spent = spends.iter().map(|spend| spend.units).sum();
        Self { spends: spends.into(), spent, blocks, ..Self::new(limit) }
    }

    /// Spends what a dead process had reserved.
    pub(super) fn bury(&mut self, now: Time, units: i64, window: Option<Duration>) {
        self.spend(now, units, window);
        self.blocks.push(Spend { from: now, until: now, units });
    }

    /// What of the spends of a moment dead processes had reserved.
    pub(super) fn buried_at(&self, now: Time, window: Option<Duration>) -> i64 {
        let counts = |spend: &&Spend| window.is_none_or(|of| now.since(spend.until) < of);
        self.blocks.iter().filter(counts).map(|spend| spend.units).sum()
    }

    pub(super) fn blocks(&self) -> impl Iterator<Item = &Spend> {
        self.blocks.iter()
    }

    pub(super) const fn limit(&self) -> i64 {
        self.limit
    }

    /// What may still be spent; zero where more was spent than may be.
    pub(super) fn left(&self) -> i64 {
        self.limit.saturating_sub(self.spent).max(0)
    }

    /// What is spent and has not been forgotten.
    pub(super) const fn spent(&self) -> i64 {
        self.spent
    }

    /// What is spent at a moment, without forgetting what has expired by then.
    pub(super) fn spent_at(&self, now: Time, window: Option<Duration>) -> i64 {
        let is_over = |spend: &&Spend| window.is_some_and(|of| now.since(spend.until) >= of);
        let expired: i64 = self.spends.iter().take_while(is_over).map(|spend| spend.units).sum();
        self.spent - expired
    }

    /// When what is spent at a moment comes back.
    pub(super) fn refill(
        &self,
        clock: Clock,
        now: Time,
        window: Option<Duration>,
    ) -> Option<Refill> {
        let window = window?;
        let length = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
        let counts = |spend: &&Spend| spend.units > 0 && now.since(spend.until) < window;
        let back = |spend: &Spend| Time::from_ms(spend.until.ms().saturating_add(length));
        Some(Refill {
            begins_at: back(self.spends.iter().find(counts)?),
            full_at: back(self.spends.iter().rfind(counts)?),
            is_market_time: matches!(clock, Clock::Trading),
        })
    }

    /// Whether nothing was taken from it that still counts, nor is about to be.
    pub(super) fn is_untouched(&self) -> bool {
        self.spends.is_empty() && self.ahead == 0 && self.pending == 0
    }

    pub(super) fn spends(&self) -> impl Iterator<Item = &Spend> {
        self.spends.iter()
    }

    /// Forgets what the window has passed over.
    pub(super) fn expire(&mut self, now: Time, window: Option<Duration>) {
        let Some(window) = window else { return };
        self.blocks.retain(|block| now.since(block.until) < window);
        while let Some(first) = self.spends.front() {
            if now.since(first.until) < window {
                return;
            }
            self.spent -= first.units;
            self.spends.pop_front();
        }
    }

    /// Spends; a clock that went back counts as standing still.
    pub(super) fn spend(&mut self, now: Time, units: i64, window: Option<Duration>) {
        self.expire(now, window);
        self.ahead = self.ahead.saturating_sub(units).max(0);
        self.spent = self.spent.saturating_add(units);
        let stretch = window.map(|window| window / 3_600);
        if let Some(last) = self.spends.back_mut() {
            let now = now.max(last.until);
            if stretch.is_none_or(|stretch| now.since(last.from) < stretch) {
                last.until = now;
                last.units = last.units.saturating_add(units);
            } else {
                self.spends.push_back(Spend { from: now, until: now, units });
            }
        } else {
            self.spends.push_back(Spend { from: now, until: now, units });
        }
    }

    /// Corrects a spend of `at` by `change` units: down where it was made, up now.
    pub(super) fn correct(&mut self, at: Time, now: Time, change: i64, window: Option<Duration>) {
        if change > 0 {
            self.spend(now, change, window);
        } else if let Some(spend) = self.spends.iter_mut().find(|spend| spend.until >= at) {
            // G-1: what a jump of the clock has made expire is not taken off a later spend.
            if spend.from > at && window.is_some() {
                return;
            }
            let less = change.saturating_neg().min(spend.units);
            spend.units -= less;
            self.spent -= less;
        }
    }

    /// Whether the sum is the sum of its parts, and the parts stand in order.
    pub(super) fn is_sound(&self) -> bool {
        let sum: i64 = self.spends.iter().map(|spend| spend.units).sum();
        let ordered = self.spends.iter().is_sorted_by_key(|spend| spend.until);
        sum == self.spent && ordered && self.ahead >= 0 && self.pending >= 0
    }
}
