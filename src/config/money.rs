//! The keys of money that are more than one plain value: shares, tables by name, and what happens when
//! something is spent.

use std::collections::BTreeMap;

use conclave_actors::news::reader::NewsReader;
use conclave_actors::runtime::agent::Agent as _;
use conclave_actors::runtime::roster;
use conclave_domain::budget::WhenSpent;
use conclave_domain::fixed::{Bp, Money};
use conclave_domain::role::ORCHESTRATOR;

use super::Config;
use super::keys::{Key, dollars, key, word};
use super::value::{Kind, Setting};

const DOLLARS: Kind = Kind::Dollars { min: 0, max: 1_000 };

/// Tables whose keys are names that no list here knows beforehand, with what each of them accepts.
pub const TABLES: [(&str, Kind); 2] = [(BY_AGENT, DOLLARS), (BY_MODEL, DOLLARS)];

const BY_AGENT: &str = "budgets.usd_per_day_by_agent";
const BY_MODEL: &str = "budgets.usd_per_day_by_model";
/// The longest name of a model.
const NAME_MAX: usize = 200;

pub(super) fn keys(all: &mut Vec<Key>) {
    let reserve = Kind::Number { min: 0.0, max: 0.5, unit: "share of each cap" };
    let step_down = Kind::Range { min: 0.0, max: 1.0 };
    all.extend([
        dollars("budgets.usd_per_hour", 0..=1_000, |c| &mut c.budgets.usd_per_hour),
        key("budgets.guardian_reserve", reserve, |config: &mut Config, setting| {
            if let Setting::Number(share) = setting {
                config.budgets.guardian_reserve = share_of(share.get());
            }
        }),
        word("models.when_spent", &["rules", "abstain"], |config, value| {
            config.budgets.when_spent =
                if value == "abstain" { WhenSpent::Abstain } else { WhenSpent::Rules };
        }),
        key("models.step_down", step_down, |config: &mut Config, setting| {
            if let Setting::Range(third, second) = setting {
                config.budgets.step_down.third_below = share_of(*third);
                config.budgets.step_down.second_below = share_of(*second);
            }
        }),
    ]);
}

/// A share from 0 to 1 in millionths.
fn share_of(share: f64) -> Bp {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 1,000,000 by the kind's bounds"
    )]
    let millionths = (share * 1e6).round() as u32;
    Bp::hundredths(millionths)
}

/// The key of a path that belongs to one of the [`TABLES`], if it does.
pub(super) fn of_table(path: &str) -> Option<Key> {
    let within = |table: &str| path.strip_prefix(table)?.strip_prefix('.').map(str::to_owned);
    if let Some(agent) = within(BY_AGENT) {
        let others = [ORCHESTRATOR, NewsReader::ROLE.name];
        let is_known = roster::seat(&agent).is_some() || others.contains(&agent.as_str());
        return is_known
            .then(|| amount(path, agent, |config| &mut config.budgets.usd_per_day_by_agent));
    }
    let model = within(BY_MODEL).filter(|model| (1..=NAME_MAX).contains(&model.len()))?;
    Some(amount(path, model, |config| &mut config.budgets.usd_per_day_by_model))
}

fn amount(path: &str, name: String, table: fn(&mut Config) -> &mut BTreeMap<String, Money>) -> Key {
    key(path, DOLLARS, move |config, setting| {
        if let Setting::Dollars(money) = setting {
            table(config).insert(name.clone(), *money);
        }
    })
}
