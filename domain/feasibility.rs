//! The proof that every enabled agent can fire.
//!
//! The failure it prevents: training with intervals that the run's few validation cycles never
//! reach, so that agents which were configured, budgeted and reported were never once consulted.

use serde::Serialize;

use crate::budget::BudgetConfig;
use crate::fixed::{FixedError, Money};
use crate::role::{AgentName, Team};

/// What one consultation of an agent costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Nothing: a rules or recorded brain.
    Free,
    /// At most this.
    AtMost(Money),
    /// Nobody knows: it will be refused.
    Unknown,
}

/// One enabled agent of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentPlan {
    /// Who.
    pub agent: AgentName,
    /// Its team.
    pub team: Team,
    /// How many occasions pass from one consultation to the next: validation cycles in training,
    /// candidates or selections elsewhere. At least 1.
    pub every: u32,
    /// What a consultation costs.
    pub cost: Cost,
}

/// What a job will do, as far as its agents are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobPlan {
    /// A training run.
    Training {
        /// Environment steps in all.
        steps: u64,
        /// Environments side by side.
        envs: u64,
        /// Steps of each environment between two updates.
        steps_per_update: u64,
        /// Updates between two validation cycles.
        updates_per_validation: u64,
    },
    /// A job that opens rounds: trading or selection.
    Rounds {
        /// How many rounds are expected, at least.
        expected: u64,
    },
}

impl JobPlan {
    /// The occasions on which agents can be consulted.
    pub fn occasions(&self) -> u64 {
        match *self {
            Self::Training { steps, envs, steps_per_update, updates_per_validation } => {
                let per_update = envs.saturating_mul(steps_per_update).max(1);
                steps / per_update / updates_per_validation.max(1)
            }
            Self::Rounds { expected } => expected,
        }
    }
}

/// An agent that cannot fire, and the setting that would let it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{agent} can never be consulted: {why}; change `{setting}`")]
pub struct Infeasible {
    /// Who.
    pub agent: AgentName,
    /// What stands in the way, with the figures.
    pub why: String,
    /// The configuration key to change.
    pub setting: String,
}

/// What an agent is expected to be asked, and to cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Expected {
    /// Who.
    pub agent: AgentName,
    /// Consultations expected.
    pub calls: u64,
    /// Their highest cost.
    pub at_most: Money,
}

/// The proof: what is expected of every agent, printed before the run. `shortfalls` names budgets
/// that will be spent before the run ends: the agents fire, but not as often as they would.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// One row per enabled agent, in roster order.
    pub expected: Vec<Expected>,
    /// One sentence each.
    pub shortfalls: Vec<String>,
}

/// Proves that every enabled agent of a job can be consulted at least once.
///
/// # Errors
/// Every agent that cannot, each with the setting to change.
pub fn prove(
    job: &JobPlan,
    agents: &[AgentPlan],
    budgets: &BudgetConfig,
) -> Result<Proof, Vec<Infeasible>> {
    let mut errors = Vec::new();
    let mut paid_before: Vec<(Team, u32)> = Vec::new();
    let mut spent = Money::ZERO;
    for plan in agents {
        let earlier = paid_before.iter().filter(|(team, _)| *team == plan.team).count();
        let why = occasion_error(job, plan)
            .or_else(|| count_error(plan, earlier, paid_before.len(), budgets))
            .or_else(|| money_error(plan, spent, budgets));
        match why {
            Some((why, setting)) => errors.push(Infeasible { agent: plan.agent, why, setting }),
            None => {
                if let Cost::AtMost(price) = plan.cost {
                    paid_before.push((plan.team, plan.every));
                    spent = spent.plus(price).unwrap_or(spent);
                }
            }
        }
    }
    if errors.is_empty() { Ok(expectation(job, agents, budgets)) } else { Err(errors) }
}

type Why = Option<(String, String)>;

fn occasion_error(job: &JobPlan, plan: &AgentPlan) -> Why {
    let occasions = job.occasions();
    if occasions / u64::from(plan.every.max(1)) >= 1 {
        return None;
    }
    Some(match job {
        JobPlan::Training { .. } => (
            format!(
                "the run has {occasions} validation cycles and it is asked every {}",
                plan.every
            ),
            if occasions == 0 {
                "training.updates_per_validation".to_owned()
            } else {
                format!("agents.{}.every", plan.agent)
            },
        ),
        JobPlan::Rounds { .. } => (
            format!("{occasions} rounds are expected and it is asked every {}", plan.every),
            format!("agents.{}.every", plan.agent),
        ),
    })
}

fn count_error(plan: &AgentPlan, in_team: usize, in_all: usize, budgets: &BudgetConfig) -> Why {
    if plan.cost == Cost::Free {
        return None;
    }
    let spent_by = |earlier: usize, budget: u32| earlier >= budget as usize;
    let why = |budget: u32| format!("{budget} paid consultations are spent before its turn");
    let in_run = plan.team == Team::Training && spent_by(in_team, budgets.training_run);
    match () {
        () if spent_by(in_team, budgets.team_per_hour) => {
            Some((why(budgets.team_per_hour), "budgets.team_per_hour".to_owned()))
        }
        () if spent_by(in_all, budgets.all_per_hour) => {
            Some((why(budgets.all_per_hour), "budgets.all_per_hour".to_owned()))
        }
        () if in_run => Some((why(budgets.training_run), "budgets.training_run".to_owned())),
        () => None,
    }
}

fn money_error(plan: &AgentPlan, spent: Money, budgets: &BudgetConfig) -> Why {
    let price = match plan.cost {
        Cost::Free => return None,
        Cost::Unknown => {
            let why = "the price of its model is not known".to_owned();
            return Some((why, format!("agents.{}.model", plan.agent)));
        }
        Cost::AtMost(price) => price,
    };
    let over = |budget: Money, key: &str| {
        let total = spent.plus(price).ok().filter(|total| *total <= budget);
        let why = || format!("a call costs up to ${price}, after ${spent} for the others");
        total.is_none().then(|| (why(), key.to_owned()))
    };
    if price > budgets.usd_per_call {
        let why = format!("a call costs up to ${price}, more than ${}", budgets.usd_per_call);
        return Some((why, "budgets.usd_per_call".to_owned()));
    }
    over(budgets.usd_per_run, "budgets.usd_per_run")
        .or_else(|| over(budgets.usd_per_day, "budgets.usd_per_day"))
}

fn expectation(job: &JobPlan, agents: &[AgentPlan], budgets: &BudgetConfig) -> Proof {
    let expected: Vec<Expected> = agents
        .iter()
        .map(|plan| {
            let calls = job.occasions() / u64::from(plan.every.max(1));
            let price = if let Cost::AtMost(price) = plan.cost { price } else { Money::ZERO };
            let at_most = times(price, calls).unwrap_or(Money::from_raw(i64::MAX));
            Expected { agent: plan.agent, calls, at_most }
        })
        .collect();
    let mut shortfalls = Vec::new();
    let total = expected.iter().try_fold(Money::ZERO, |sum, row| sum.plus(row.at_most));
    if !total.as_ref().is_ok_and(|total| *total <= budgets.usd_per_run) {
        let total = total.map_or("more than can be counted".to_owned(), |sum| format!("${sum}"));
        let budget = budgets.usd_per_run;
        shortfalls.push(format!("the run may cost {total}, `budgets.usd_per_run` is ${budget}"));
    }
    let paid_training: u64 = agents
        .iter()
        .zip(&expected)
        .filter(|(plan, _)| plan.team == Team::Training && plan.cost != Cost::Free)
        .map(|(_, row)| row.calls)
        .fold(0, u64::saturating_add);
    if paid_training > u64::from(budgets.training_run) {
        let budget = budgets.training_run;
        shortfalls.push(format!(
            "the run would ask {paid_training} times, `budgets.training_run` is {budget}"
        ));
    }
    Proof { expected, shortfalls }
}

fn times(price: Money, calls: u64) -> Result<Money, FixedError> {
    let product = i128::from(price.raw()) * i128::from(calls);
    i64::try_from(product)
        .map(Money::from_raw)
        .map_err(|_| FixedError::OutOfRange { what: "calls × price".to_owned(), unit: "Money" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(agent: AgentName, every: u32, cost: Cost) -> AgentPlan {
        AgentPlan { agent, team: Team::Training, every, cost }
    }

    fn training(steps: u64) -> JobPlan {
        JobPlan::Training { steps, envs: 1_024, steps_per_update: 512, updates_per_validation: 20 }
    }

    /// A1: fifty million steps in 1,024 environments of 512 steps with a validation every 20
    /// updates are four validation cycles; an agent asked every fifth is never asked.
    #[test]
    fn an_interval_that_is_never_reached_is_an_error_that_names_agent_and_setting() {
        let job = training(50_000_000);
        assert_eq!(job.occasions(), 4);
        let agents = [
            plan("hyperparameter_tuner", 5, Cost::Free),
            plan("risk_analyst", 3, Cost::Free),
            plan("reward_engineer", 10, Cost::Free),
        ];
        let errors = prove(&job, &agents, &BudgetConfig::default()).unwrap_err();
        let named: Vec<_> = errors.iter().map(|error| error.setting.as_str()).collect();
        assert_eq!(named, ["agents.hyperparameter_tuner.every", "agents.reward_engineer.every"]);
        assert!(errors[0].to_string().contains("4 validation cycles"), "{}", errors[0]);

        let proof = prove(&training(600_000_000), &agents, &BudgetConfig::default()).unwrap();
        assert_eq!(proof.expected[0].calls, 11);
        assert!(proof.shortfalls.is_empty());
    }

    #[test]
    fn a_run_without_a_validation_or_with_zero_sizes_is_refused_and_never_divides_by_zero() {
        let zero =
            JobPlan::Training { steps: 9, envs: 0, steps_per_update: 0, updates_per_validation: 0 };
        assert_eq!(zero.occasions(), 9);
        let agents = [plan("risk_analyst", 0, Cost::Free)];
        let errors = prove(&training(1_000), &agents, &BudgetConfig::default()).unwrap_err();
        assert_eq!(errors[0].setting, "training.updates_per_validation");
    }

    #[test]
    fn a_budget_that_is_spent_before_an_agents_turn_is_named() {
        let cent = |cents: i64| Cost::AtMost(Money::from_raw(cents * Money::SCALE / 100));
        let job = training(600_000_000);
        let agents = [plan("a", 3, cent(10)), plan("b", 3, cent(10)), plan("c", 3, Cost::Free)];
        let base = BudgetConfig::default;
        for (budgets, setting) in [
            (BudgetConfig { team_per_hour: 1, ..base() }, "budgets.team_per_hour"),
            (BudgetConfig { all_per_hour: 1, ..base() }, "budgets.all_per_hour"),
            (BudgetConfig { training_run: 1, ..base() }, "budgets.training_run"),
            (
                BudgetConfig { usd_per_run: Money::from_raw(Money::SCALE / 8), ..base() },
                "budgets.usd_per_run",
            ),
        ] {
            let errors = prove(&job, &agents, &budgets).unwrap_err();
            let named: Vec<_> = errors.iter().map(|e| (e.agent, e.setting.as_str())).collect();
            assert_eq!(named, [("b", setting)]);
        }
        let dear = [plan("a", 3, cent(51)), plan("b", 3, Cost::Unknown)];
        let errors = prove(&job, &dear, &base()).unwrap_err();
        let named: Vec<_> = errors.iter().map(|error| error.setting.as_str()).collect();
        assert_eq!(named, ["budgets.usd_per_call", "agents.b.model"]);
    }

    #[test]
    fn a_budget_that_does_not_last_is_a_shortfall_and_not_an_error() {
        let dime = Cost::AtMost(Money::from_raw(Money::SCALE / 10));
        let agents = [plan("a", 1, dime), plan("b", 1, dime)];
        let proof = prove(&training(1_000_000_000), &agents, &BudgetConfig::default()).unwrap();
        assert_eq!(proof.expected[0].calls, 95);
        assert_eq!(proof.expected[0].at_most.to_string(), "9.5");
        assert_eq!(proof.shortfalls.len(), 2);
    }
}
