//! What a back-test is run on: a flag before the environment, that before the file, that before what
//! it does by itself.
//!
//! By itself a raw back-test costs nothing but `--fees`: of `[costs]` it takes what somebody has set,
//! not the defaults of `run`. A policy was trained with costs and is charged them. A council is asked under
//! the whole configuration.

use std::collections::BTreeSet;

use conclave_domain::engine::{Directions, RawTerms};
use conclave_domain::sim_broker::{FillAt, SimConfig};
use conclave_domain::strategy::StrategyConfig;

use super::outcome::bp;
use super::{BacktestArgs, Direction, Fill};
use crate::cli::error::{CliError, ExitCode};
use crate::config::{self, Loaded, Source, StrategySettings};

/// Sections of which a raw back-test uses nothing, because it has neither council nor limits.
const OF_THE_COUNCIL: [&str; 9] =
    ["agents", "bounds", "budgets", "consensus", "exits", "gates", "guardian", "risk", "sizing"];
/// What it uses nothing of in the section that it does use: its orders fill whole and at once.
const COSTS_OF_THE_COUNCIL: [&str; 3] =
    ["costs.delay_bars", "costs.rejection", "costs.volume_share"];

/// The strategy with its parameters.
///
/// # Errors
/// [`ExitCode::Usage`] when a flag is out of bounds or belongs to another strategy,
/// [`ExitCode::Config`] when the configuration's parameters are not the strategy's.
pub(super) fn strategy(
    args: &BacktestArgs,
    settings: &StrategySettings,
) -> Result<StrategyConfig, CliError> {
    let named = args.strategy.or_else(|| StrategyConfig::by_name(&settings.name));
    let unknown = || CliError::new(ExitCode::Config, format!("no strategy `{}`", settings.name));
    let named = named.ok_or_else(unknown)?;
    let is_flagged = only_its_own_flags(args, &named)?;
    let bars = |flag: Option<u16>, key: u32| {
        flag.unwrap_or_else(|| u16::try_from(key).unwrap_or(u16::MAX))
    };
    let lookback = bars(args.lookback, settings.lookback);
    let config = match named {
        StrategyConfig::SmaCross { .. } => StrategyConfig::SmaCross {
            fast: bars(args.fast, settings.fast),
            slow: bars(args.slow, settings.slow),
        },
        StrategyConfig::Momentum { threshold, .. } => {
            StrategyConfig::Momentum { lookback, threshold: args.threshold.unwrap_or(threshold) }
        }
        StrategyConfig::MeanReversion { entry, rearm, .. } => StrategyConfig::MeanReversion {
            window: lookback,
            entry: args.entry.unwrap_or(entry),
            rearm: args.rearm.unwrap_or(rearm),
        },
        // No name leads to one: it comes from a checkpoint.
        policy @ StrategyConfig::Policy { .. } => policy,
    };
    let code = if is_flagged { ExitCode::Usage } else { ExitCode::Config };
    config.validate().map_err(|error| CliError::new(code, format!("{error}")))?;
    Ok(config)
}

/// Whether the command line names a strategy or a parameter; refuses those of other strategies.
fn only_its_own_flags(args: &BacktestArgs, named: &StrategyConfig) -> Result<bool, CliError> {
    let own: &[&str] = match named {
        StrategyConfig::SmaCross { .. } => &["--fast", "--slow"],
        StrategyConfig::Momentum { .. } => &["--lookback", "--threshold"],
        StrategyConfig::MeanReversion { .. } => &["--lookback", "--entry", "--rearm"],
        StrategyConfig::Policy { .. } => &[],
    };
    let flags = [
        ("--fast", args.fast.is_some()),
        ("--slow", args.slow.is_some()),
        ("--lookback", args.lookback.is_some()),
        ("--threshold", args.threshold.is_some()),
        ("--entry", args.entry.is_some()),
        ("--rearm", args.rearm.is_some()),
    ];
    let given = || flags.iter().filter(|(_, is_given)| *is_given).map(|(flag, _)| *flag);
    let strangers: Vec<&str> = given().filter(|flag| !own.contains(flag)).collect();
    if !strangers.is_empty() {
        let text = format!(
            "{} is no parameter of {}, which has {}",
            strangers.join(", "),
            named.name(),
            own.join(", ")
        );
        return Err(CliError::new(ExitCode::Usage, text));
    }
    Ok(args.strategy.is_some() || given().next().is_some())
}

/// On which terms a raw strategy trades; a council takes cash, fee, fill and directions of them.
pub(super) fn terms(args: &BacktestArgs, loaded: &Loaded) -> RawTerms {
    let Loaded { config, layer } = loaded;
    let fill_at = match args.fill {
        Some(Fill::Close) => FillAt::Close,
        None if config.run.fill == FillAt::Close.name() => FillAt::Close,
        Some(Fill::NextOpen) | None => FillAt::NextOpen,
    };
    let directions = match args.direction {
        Some(Direction::Long) => Directions::Long,
        None if config.run.direction == Directions::Long.name() => Directions::Long,
        Some(Direction::LongShort) | None => Directions::LongShort,
    };
    let mut broker = SimConfig::raw(fill_at, args.fees);
    let is_named = |key| layer.get(key).is_some_and(|(_, source)| *source != Source::Default);
    let is_set = |key| args.policy.is_some() || is_named(key);
    if is_set("costs.fee_per_trade") {
        broker.fee_per_trade = config.costs.fee_per_trade;
    }
    if is_set("costs.slippage_bp") {
        broker.slippage = config.costs.slippage;
    }
    if is_set("costs.slippage_crypto_bp") {
        broker.crypto_slippage = config.costs.slippage_crypto;
    }
    RawTerms { size: args.size, directions, broker, cash: args.cash.unwrap_or(config.run.cash) }
}

/// What somebody has set that a raw back-test does not use, in words; `None` when that is nothing.
pub(super) fn unused(loaded: &Loaded) -> Option<String> {
    let defaults = config::load(None, std::iter::empty(), &[]).ok()?;
    let is_default =
        |key: &str, value| defaults.layer.get(key).is_some_and(|(default, _)| default == value);
    let mut found = BTreeSet::new();
    for (key, (value, _)) in
        loaded.layer.iter().filter(|(_, (_, source))| *source != Source::Default)
    {
        let section = key.split('.').next().unwrap_or_default();
        if is_default(key, value) {
            continue;
        }
        if OF_THE_COUNCIL.contains(&section) {
            found.insert(format!("[{section}]"));
        } else if COSTS_OF_THE_COUNCIL.contains(&key.as_str()) {
            found.insert(key.clone());
        }
    }
    let found: Vec<String> = found.into_iter().collect();
    let text = || {
        let found = found.join(", ");
        format!("set but not used, because there is no council without --council: {found}")
    };
    (!found.is_empty()).then(text)
}

/// What a fill costs, in words.
pub(super) fn costs(broker: &SimConfig) -> String {
    let fees = bp(broker.fee);
    let is_free = *broker == SimConfig::raw(broker.fill_at, broker.fee);
    if is_free {
        return format!("fees {fees} bp, no slippage");
    }
    format!(
        "${} a trade, fees {fees} bp, slippage {} bp (coins {} bp)",
        broker.fee_per_trade,
        bp(broker.slippage),
        bp(broker.crypto_slippage)
    )
}
