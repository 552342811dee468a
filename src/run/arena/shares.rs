//! What each contestant of models may spend: its own budgets, and no more than an equal share of what the
//! configuration lets a season, an hour and a day cost.
//!
//! - G-1: the shares together are within what the ledger of all runs gives to anybody but a guardian, so that
//!   whoever spends its own whole takes nothing of another's.

use conclave_domain::arena::model::{ModelBudget, ModelSpec};
use conclave_domain::budget::{BudgetConfig, WhenSpent};
use conclave_domain::fixed::{Bp, Money};

use crate::brains::contestants::may_cost;
use crate::config::Config;

/// How many of them may cost something: a server on this machine bills nobody.
pub(super) fn many<'a>(config: &Config, specs: impl Iterator<Item = &'a ModelSpec>) -> usize {
    let is_paid =
        |spec: &&ModelSpec| spec.ways(true).any(|(provider, _)| may_cost(config, spec, provider));
    specs.filter(is_paid).count()
}

/// The budgets of a contestant, in the words of safety: its own, and no more than an equal share of what all
/// together may spend in a run, an hour and a day, so that nobody takes what is another's.
pub(super) fn budgets(own: &ModelBudget, all: &BudgetConfig, many: usize) -> BudgetConfig {
    let share = |cap: Money| all.share_of(cap, many);
    let most = BudgetConfig::HARD_CONSULTATIONS_PER_HOUR;
    let usd_per_run = own.usd_per_season.min(share(all.usd_per_run));
    let usd_per_day = own.usd_per_day.min(share(all.usd_per_day));
    BudgetConfig {
        team_per_hour: most,
        all_per_hour: most,
        training_run: most,
        usd_per_call: usd_per_run.min(all.usd_per_call),
        usd_per_run,
        usd_per_day,
        usd_per_hour: usd_per_day.min(share(all.usd_per_hour)),
        // A desk has no guardian that money is kept for, and one model for each role.
        guardian_reserve: Bp::ZERO,
        when_spent: WhenSpent::Abstain,
        ..BudgetConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    fn dollars(text: &str) -> Money {
        text.parse().unwrap()
    }

    #[test]
    fn what_a_contestant_may_spend_is_its_own_where_all_together_may_spend_more() {
        let caps = BudgetConfig {
            usd_per_call: dollars("100"),
            usd_per_run: dollars("1000"),
            usd_per_hour: dollars("1000"),
            usd_per_day: dollars("1000"),
            ..BudgetConfig::default()
        };
        let usual = budgets(&ModelBudget::default(), &caps, 5);
        assert!(usual.validate().is_ok());
        let ModelBudget { usd_per_season, usd_per_day, .. } = ModelBudget::default();
        assert_eq!((usual.usd_per_call, usual.usd_per_run), (usd_per_season, usd_per_season));
        assert_eq!((usual.usd_per_hour, usual.usd_per_day), (usd_per_day, usd_per_day));
        assert_eq!(usual.guardian_reserve, Bp::ZERO);
    }

    /// G-1: the shares of all together, at their most, are within what the ledger of all runs gives to anybody
    /// but a guardian; whoever spends its own whole takes nothing of another's.
    #[test]
    fn an_equal_share_is_the_most_that_a_contestant_may_spend() {
        let caps = BudgetConfig::default();
        let rich = ModelBudget {
            usd_per_season: dollars("900"),
            usd_per_day: dollars("900"),
            ..ModelBudget::default()
        };
        for many in 1..=7 {
            let one = budgets(&rich, &caps, many);
            let parts = i64::try_from(many).unwrap();
            for (share, cap) in [
                (one.usd_per_run, caps.usd_per_run),
                (one.usd_per_hour, caps.usd_per_hour),
                (one.usd_per_day, caps.usd_per_day),
            ] {
                let open = cap.raw() / 10 * 9;
                assert!(share.raw() * parts <= open, "{many}: {share} of {cap}");
                assert!((share.raw() + 1) * parts > open, "{many}: {share} of {cap}");
            }
            assert_eq!(one.usd_per_call, caps.usd_per_call.min(one.usd_per_run));
        }
    }

    #[test]
    fn a_server_on_this_machine_takes_no_share() {
        let spec = |told: serde_json::Value| from_value::<ModelSpec>(told).unwrap();
        let at = |url: &str| spec(json!({"provider": "local", "url": url, "basemodel": "m"}));
        let (own, far) = (at("http://127.0.0.1:11434/v1"), at("https://models.example/v1"));
        let paid = spec(json!({"provider": "openrouter", "basemodel": "m"}));
        let both = spec(json!({"provider": "local", "basemodel": "m",
            "fallback": {"provider": "anthropic", "basemodel": "m"}}));
        let config = Config::default();
        assert_eq!(many(&config, [&own, &paid, &both, &far].into_iter()), 3);
    }
}
