//! The proof that every enabled agent can fire.
//!
//! The failure it prevents: training with intervals that the run's few validation cycles never
//! reach, so that agents which were configured, budgeted and reported were never once consulted.

use serde::Serialize;

use crate::budget::{Asker, BudgetConfig, Budgets, Now, Paid, Request};
use crate::code::Code;
use crate::fixed::{FixedError, Money};
use crate::role::{AgentName, RISK_GUARDIAN, Team};
use crate::time::Time;

/// One enabled agent of the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentPlan {
    /// Who.
    pub agent: AgentName,
    /// Its team.
    pub team: Team,
    /// How many occasions pass from one consultation to the next: validation cycles in training,
    /// candidates or selections elsewhere. At least 1.
    pub every: u32,
    /// Its own occasions, where they are not those of the job.
    pub occasions: Option<u64>,
    /// Consultations at most that come on top of its occasions: appeals, open positions.
    pub more: u64,
    /// What a consultation can cost; `None` for a rules or recorded brain.
    pub paid: Option<Paid>,
}

impl AgentPlan {
    /// The most that a consultation can cost, on whatever rung.
    fn dearest(&self) -> Money {
        let rungs = self.paid.iter().flat_map(|paid| &paid.rungs);
        rungs.filter_map(|rung| rung.at_most).max().unwrap_or(Money::ZERO)
    }

    /// Consultations that are expected.
    fn calls(&self, job: &JobPlan) -> u64 {
        self.occasions.unwrap_or_else(|| job.occasions()) / u64::from(self.every.max(1))
    }

    fn request(&self) -> Request {
        let is_protected = self.agent == RISK_GUARDIAN;
        let asker = Asker { agent: self.agent, team: self.team, is_protected };
        Request::Consultation { asker, paid: self.paid.clone() }
    }
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
    /// The configuration key to change, or the flag.
    pub setting: String,
}

/// What an agent is expected to be asked, and to cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Expected {
    /// Who.
    pub agent: AgentName,
    /// Its best model; `None` where its rules think.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Consultations expected.
    pub calls: u64,
    /// Consultations at most: more than these are not asked.
    pub calls_at_most: u64,
    /// The most that one of them can cost.
    pub each: Money,
    /// The most that all of them can cost; a cap may stop them before.
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
    // The first question to everybody, under budgets that nobody has touched.
    let mut fresh = match Budgets::new(budgets.clone()) {
        Ok(fresh) => fresh,
        Err(wrong) => {
            let agent = agents.first().map_or("", |plan| plan.agent);
            let refused = |error: crate::budget::BudgetError| {
                let (why, setting) = (error.to_string(), error.key);
                Infeasible { agent, why, setting }
            };
            return Err(wrong.into_iter().map(refused).collect());
        }
    };
    let now = Now { wall: Time::EPOCH, trading: Time::EPOCH };
    for plan in agents {
        let why = occasion_error(job, plan).or_else(|| {
            fresh.permit(&plan.request(), now).err().map(|code| budget_error(plan, code))
        });
        if let Some((why, setting)) = why {
            errors.push(Infeasible { agent: plan.agent, why, setting });
        }
    }
    if errors.is_empty() { Ok(expectation(job, agents, budgets)) } else { Err(errors) }
}

type Why = Option<(String, String)>;

fn occasion_error(job: &JobPlan, plan: &AgentPlan) -> Why {
    if plan.calls(job) >= 1 {
        return None;
    }
    let occasions = plan.occasions.unwrap_or_else(|| job.occasions());
    Some(match job {
        JobPlan::Training { .. } => (
            format!(
                "the run has {occasions} validation cycles and it is asked every {}",
                plan.every
            ),
            if occasions == 0 {
                "--steps".to_owned()
            } else {
                format!("agents.{}.interval", plan.agent)
            },
        ),
        JobPlan::Rounds { .. } => (
            format!("{occasions} rounds are expected and it is asked every {}", plan.every),
            format!("agents.{}.interval", plan.agent),
        ),
    })
}

/// What the first question to an agent fails on, and the setting to change.
fn budget_error(plan: &AgentPlan, code: Code) -> (String, String) {
    let last = plan.paid.as_ref().and_then(|paid| paid.rungs.last());
    let price = last.and_then(|rung| rung.at_most).unwrap_or(Money::ZERO);
    let model = last.map_or("", |rung| rung.model.as_str());
    let count = || "the paid consultations are spent before its turn".to_owned();
    let money = || format!("a call of `{model}` costs up to ${price}, and less is left for it");
    let (why, setting) = match code {
        Code::SafetyTeamHour => (count(), "budgets.team_per_hour".to_owned()),
        Code::SafetyAllHour => (count(), "budgets.all_per_hour".to_owned()),
        Code::SafetyRunConsultations => (count(), "budgets.training_run".to_owned()),
        Code::SafetyUnknownPrice => {
            let rungs = plan.paid.iter().flat_map(|paid| &paid.rungs);
            let unknown = rungs.filter(|rung| rung.at_most.is_none()).map(|rung| &rung.model);
            let names: Vec<String> = unknown.map(|model| format!("`{model}`")).collect();
            let why = format!("nobody knows what {} costs", names.join(" and "));
            (why, "models.prices".to_owned())
        }
        Code::SafetyMoneyCall => {
            let why = format!("a call of `{model}` costs up to ${price}, more than a call may");
            (why, "budgets.usd_per_call".to_owned())
        }
        Code::SafetyMoneyDay => (money(), "budgets.usd_per_day".to_owned()),
        Code::SafetyMoneyHour => (money(), "budgets.usd_per_hour".to_owned()),
        Code::SafetyMoneyAgent => (money(), format!("budgets.usd_per_day_by_agent.{}", plan.agent)),
        Code::SafetyMoneyModel => (money(), format!("budgets.usd_per_day_by_model.{model}")),
        _ => (money(), "budgets.usd_per_run".to_owned()),
    };
    (why, setting)
}

fn expectation(job: &JobPlan, agents: &[AgentPlan], budgets: &BudgetConfig) -> Proof {
    let expected: Vec<Expected> = agents
        .iter()
        .map(|plan| {
            let calls = plan.calls(job);
            let each = plan.dearest();
            let calls_at_most = calls.saturating_add(plan.more);
            let at_most = times(each, calls_at_most).unwrap_or(Money::from_raw(i64::MAX));
            let best = plan.paid.as_ref().and_then(|paid| paid.rungs.first());
            let model = best.map(|rung| rung.model.clone());
            Expected { agent: plan.agent, model, calls, calls_at_most, each, at_most }
        })
        .collect();
    let mut shortfalls = Vec::new();
    // A budget that would not even last for what is expected; few runs come near what is possible.
    let total =
        expected.iter().try_fold(Money::ZERO, |sum, row| sum.plus(times(row.each, row.calls)?));
    for (key, budget) in [
        ("budgets.usd_per_run", budgets.usd_per_run),
        ("budgets.usd_per_day", budgets.usd_per_day),
        ("budgets.usd_per_hour", budgets.usd_per_hour),
    ] {
        if !total.as_ref().is_ok_and(|total| *total <= budget) {
            let total = total.as_ref();
            let total =
                total.map_or("more than can be counted".to_owned(), |sum| format!("${sum}"));
            shortfalls.push(format!("the run may cost {total}, `{key}` is ${budget}"));
        }
    }
    let asks = |of: Option<Team>| {
        let paid = agents.iter().zip(&expected).filter(|(plan, _)| plan.paid.is_some());
        let of = paid.filter(|(plan, _)| of.is_none_or(|team| plan.team == team));
        of.map(|(_, row)| row.calls).fold(0, u64::saturating_add)
    };
    let in_all = asks(Team::ALL.into_iter().max_by_key(|team| asks(Some(*team))));
    for (key, calls, budget) in [
        ("budgets.team_per_hour", in_all, budgets.team_per_hour),
        ("budgets.all_per_hour", asks(None), budgets.all_per_hour),
        ("budgets.training_run", asks(Some(Team::Training)), budgets.training_run),
    ] {
        if calls > u64::from(budget) {
            shortfalls.push(format!("the run would ask {calls} times, `{key}` is {budget}"));
        }
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

    fn plan(agent: AgentName, every: u32, paid: impl Into<Option<Paid>>) -> AgentPlan {
        AgentPlan {
            agent,
            team: Team::Training,
            every,
            occasions: None,
            more: 0,
            paid: paid.into(),
        }
    }

    fn cent(cents: i64) -> Paid {
        Paid::one("m", Some(Money::from_raw(cents * Money::SCALE / 100)))
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
            plan("hyperparameter_tuner", 5, None),
            plan("risk_analyst", 3, None),
            plan("reward_engineer", 10, None),
        ];
        let errors = prove(&job, &agents, &BudgetConfig::default()).unwrap_err();
        let named: Vec<_> = errors.iter().map(|error| error.setting.as_str()).collect();
        assert_eq!(
            named,
            ["agents.hyperparameter_tuner.interval", "agents.reward_engineer.interval"]
        );
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
        let agents = [plan("risk_analyst", 0, None)];
        let errors = prove(&training(1_000), &agents, &BudgetConfig::default()).unwrap_err();
        assert_eq!(errors[0].setting, "--steps");
    }

    #[test]
    fn a_budget_that_is_spent_before_an_agents_turn_is_named() {
        let job = training(600_000_000);
        let agents = [plan("a", 3, cent(10)), plan("b", 3, cent(10)), plan("c", 3, None)];
        let base = BudgetConfig::default;
        let few = |name: &str| [(name.to_owned(), Money::from_raw(Money::SCALE / 8))].into();
        let none = [("b".to_owned(), Money::ZERO)].into();
        let by_agent = BudgetConfig { usd_per_day_by_agent: none, ..base() };
        let by_model = BudgetConfig { usd_per_day_by_model: few("m"), ..base() };
        for (budgets, setting) in [
            (BudgetConfig { team_per_hour: 1, ..base() }, "budgets.team_per_hour"),
            (BudgetConfig { all_per_hour: 1, ..base() }, "budgets.all_per_hour"),
            (BudgetConfig { training_run: 1, ..base() }, "budgets.training_run"),
            (
                BudgetConfig { usd_per_run: Money::from_raw(Money::SCALE / 8), ..base() },
                "budgets.usd_per_run",
            ),
            (
                BudgetConfig { usd_per_hour: Money::from_raw(Money::SCALE / 8), ..base() },
                "budgets.usd_per_hour",
            ),
            (
                BudgetConfig { usd_per_day: Money::from_raw(Money::SCALE / 8), ..base() },
                "budgets.usd_per_day",
            ),
            (by_agent, "budgets.usd_per_day_by_agent.b"),
            (by_model, "budgets.usd_per_day_by_model.m"),
        ] {
            let errors = prove(&job, &agents, &budgets).unwrap_err();
            let named: Vec<_> = errors.iter().map(|e| (e.agent, e.setting.as_str())).collect();
            assert_eq!(named, [("b", setting)]);
        }
        let dear = [plan("a", 3, cent(51)), plan("b", 3, Some(Paid::one("new", None)))];
        let errors = prove(&job, &dear, &base()).unwrap_err();
        let named: Vec<_> = errors.iter().map(|error| error.setting.as_str()).collect();
        assert_eq!(named, ["budgets.usd_per_call", "models.prices"]);
        assert!(errors[1].to_string().contains("`new`"), "{}", errors[1]);
    }

    /// Goal: what can come on top is in what is told as the most, and makes no budget too small.
    #[test]
    fn what_can_come_on_top_raises_the_most_and_not_what_is_expected() {
        let own = AgentPlan { occasions: Some(2), ..plan("b", 1, cent(10)) };
        let agents = [AgentPlan { more: 7, ..plan("a", 1, cent(10)) }, own];
        let proof = prove(&JobPlan::Rounds { expected: 5 }, &agents, &BudgetConfig::default());
        let Proof { expected, shortfalls } = proof.unwrap();
        assert_eq!((expected[0].calls, expected[0].calls_at_most), (5, 12));
        assert_eq!(expected[0].at_most.to_string(), "1.2");
        assert_eq!((expected[1].calls, expected[1].calls_at_most), (2, 2));
        assert!(shortfalls.is_empty(), "{shortfalls:?}");
        let dearer_below = Paid::ladder([("best", 1), ("cheap", 3)].map(|(model, cents)| {
            crate::budget::Rung::new(model, Some(Money::from_raw(cents * Money::SCALE / 100)))
        }));
        let agents = [plan("a", 1, dearer_below)];
        let proof = prove(&JobPlan::Rounds { expected: 5 }, &agents, &BudgetConfig::default());
        assert_eq!(proof.unwrap().expected[0].each.to_string(), "0.03", "whatever the rung");
    }

    #[test]
    fn a_budget_that_does_not_last_is_a_shortfall_and_not_an_error() {
        let agents = [plan("a", 1, cent(10)), plan("b", 1, cent(10))];
        let proof = prove(&training(1_000_000_000), &agents, &BudgetConfig::default()).unwrap();
        assert_eq!(proof.expected[0].calls, 95);
        assert_eq!(proof.expected[0].at_most.to_string(), "9.5");
        // Its money in the run, the day and the hour, its count in the hour and in the run.
        let named: Vec<_> =
            proof.shortfalls.iter().map(|it| it.split('`').nth(1).unwrap()).collect();
        let keys = ["usd_per_run", "usd_per_day", "usd_per_hour", "team_per_hour", "training_run"];
        assert_eq!(named, keys.map(|key| format!("budgets.{key}")));
    }
}
