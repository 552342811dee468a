//! Relations between keys: values that are each legal but do not go together.

use conclave_domain::role;

use super::{Config, ConfigError, Layer};

/// Every relation that does not hold.
pub(super) fn broken(config: &Config, layer: &Layer) -> Vec<ConfigError> {
    let risk = &config.limits.risk;
    let bounds = &config.limits.bounds;
    let mut errors = Vec::new();
    let mut must = |holds: bool, key: &str, bound: &str| {
        if !holds {
            let (value, origin) = layer.get(key).map_or_else(
                || ("unset".to_owned(), "default".to_owned()),
                |(value, source)| (value.to_string(), source.to_string()),
            );
            errors.push(ConfigError {
                key: key.to_owned(),
                value,
                bound: bound.to_owned(),
                origin,
            });
        }
    };
    must(
        risk.drawdown_half < risk.drawdown_halt,
        "risk.drawdown_half",
        "below `risk.drawdown_halt`",
    );
    must(risk.vix_warn < risk.vix_critical, "risk.vix_warn", "below `risk.vix_critical`");
    must(risk.var_max <= risk.cvar_max, "risk.var_max", "at most `risk.cvar_max`");
    must(
        bounds.stop_distance.min() <= bounds.target_distance.max(),
        "bounds.stop_distance",
        "within reach of `bounds.target_distance`",
    );
    must(config.strategy.fast < config.strategy.slow, "strategy.fast", "below `strategy.slow`");
    must(
        config.budgets.usd_per_call <= config.budgets.usd_per_run,
        "budgets.usd_per_call",
        "at most `budgets.usd_per_run`",
    );
    must(
        config.faults.kinds().is_ok(),
        "faults.kinds",
        "words such as panic, hang, garble, full, flush, timeout or repeat, separated by commas",
    );
    must(
        config.run.money != "live" || config.faults.rate.get() <= 0.0,
        "faults.rate",
        "0 with `run.money` = live: faults are for simulated money",
    );
    let guardian_is_on =
        config.agents.get(role::RISK_GUARDIAN).is_none_or(|guardian| guardian.enabled);
    must(
        guardian_is_on,
        "agents.risk_guardian.enabled",
        "true: the risk guardian cannot be switched off",
    );
    errors
}
