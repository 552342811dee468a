//! Relations between keys: values that are each legal but do not go together.

use std::collections::BTreeSet;

use conclave_domain::role;

use super::shown::shown;
use super::{Config, ConfigError, Layer, NotifySettings};

/// Every relation that does not hold, but for those of keys that have `failed` by themselves: what
/// they were meant to be is not known.
pub(super) fn broken(
    config: &Config,
    layer: &Layer,
    failed: &BTreeSet<String>,
) -> Vec<ConfigError> {
    let mut relations = of_limits(config);
    relations.extend(of_the_rest(config));
    relations.extend(of_notices(&config.notify));
    relations
        .into_iter()
        .filter(|relation| !relation.holds)
        .filter(|relation| !relation.keys.iter().any(|&key| failed.contains(key)))
        .map(|relation| relation.error(layer))
        .collect()
}

/// What must hold between keys; the first is the one that an error names.
struct Relation {
    holds: bool,
    keys: &'static [&'static str],
    bound: &'static str,
}

impl Relation {
    fn error(&self, layer: &Layer) -> ConfigError {
        let key = self.keys.first().copied().unwrap_or_default();
        let (value, origin) = layer.get(key).map_or_else(
            || ("unset".to_owned(), "default".to_owned()),
            |(value, source)| (shown(key, value).to_string(), source.to_string()),
        );
        ConfigError { key: key.to_owned(), value, bound: self.bound.to_owned(), origin }
    }
}

fn of_limits(config: &Config) -> Vec<Relation> {
    let (risk, sizing) = (&config.limits.risk, &config.limits.sizing);
    let bounds = &config.limits.bounds;
    vec![
        Relation {
            holds: risk.drawdown_half < risk.drawdown_halt,
            keys: &["risk.drawdown_half", "risk.drawdown_halt"],
            bound: "below `risk.drawdown_halt`",
        },
        Relation {
            holds: risk.vix_warn < risk.vix_critical,
            keys: &["risk.vix_warn", "risk.vix_critical"],
            bound: "below `risk.vix_critical`",
        },
        Relation {
            holds: risk.var_max <= risk.cvar_max,
            keys: &["risk.var_max", "risk.cvar_max"],
            bound: "at most `risk.cvar_max`",
        },
        Relation {
            holds: bounds.stop_distance.min() <= bounds.target_distance.max(),
            keys: &["bounds.stop_distance", "bounds.target_distance"],
            bound: "within reach of `bounds.target_distance`",
        },
        Relation {
            holds: config.universe.rules.symbols_min <= config.universe.rules.symbols_max,
            keys: &["universe.symbols_min", "universe.symbols_max"],
            bound: "at most `universe.symbols_max`",
        },
        Relation {
            holds: sizing.kelly_min <= sizing.kelly_max,
            keys: &["sizing.kelly_min", "sizing.kelly_max"],
            bound: "at most `sizing.kelly_max`",
        },
    ]
}

fn of_notices(notify: &NotifySettings) -> Vec<Relation> {
    let kinds = |words: &str, keys| Relation {
        holds: NotifySettings::kinds(words).is_ok(),
        keys,
        bound: "words such as approvals, states, fills, budgets, faults, summary, runs, vetoes or \
                decisions, separated by commas; `all` for all of them",
    };
    let ids = |list: &str, keys| Relation {
        holds: NotifySettings::ids(list).is_some(),
        keys,
        bound: "at most 32 whole numbers, separated by commas",
    };
    vec![
        kinds(&notify.telegram, &["notify.telegram"]),
        kinds(&notify.slack, &["notify.slack"]),
        kinds(&notify.webhook, &["notify.webhook"]),
        ids(&notify.telegram_chats, &["notify.telegram_chats"]),
        ids(&notify.telegram_users, &["notify.telegram_users"]),
    ]
}

fn of_the_rest(config: &Config) -> Vec<Relation> {
    let (strategy, budgets) = (&config.strategy, &config.budgets);
    let guardian = config.agents.get(role::RISK_GUARDIAN);
    vec![
        Relation {
            holds: strategy.fast < strategy.slow,
            keys: &["strategy.fast", "strategy.slow"],
            bound: "below `strategy.slow`",
        },
        Relation {
            holds: cfg!(feature = "otlp") || config.telemetry.otlp.is_empty(),
            keys: &["telemetry.otlp"],
            bound: "empty, because this binary exports no spans: build one that does, with \
                    `cargo build --release --features otlp`",
        },
        Relation {
            holds: budgets.usd_per_call <= budgets.usd_per_run,
            keys: &["budgets.usd_per_call", "budgets.usd_per_run"],
            bound: "at most `budgets.usd_per_run`",
        },
        Relation {
            holds: config.faults.kinds().is_ok(),
            keys: &["faults.kinds"],
            bound: "words such as panic, hang, garble, full, flush, timeout or repeat, separated by \
                    commas",
        },
        Relation {
            holds: config.run.money != "live" || config.faults.rate.get() <= 0.0,
            keys: &["faults.rate", "run.money"],
            bound: "0 with `run.money` = live: faults are for simulated money",
        },
        Relation {
            holds: guardian.is_none_or(|guardian| guardian.enabled),
            keys: &["agents.risk_guardian.enabled"],
            bound: "true: the risk guardian cannot be switched off",
        },
    ]
}
