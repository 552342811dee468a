//! `backtest --council`: the whole council over the same bars, in one thread and without actors, or
//! with `--actors` through the actors, the store and the log of `run`. The trades are the same.
//!
//! Everything that the command line does not say is the configuration's: limits, budgets, agents,
//! slippage and the fee of a trade. `--fees` comes on top of these. Sizes are the council's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use conclave_actors::driver;
use conclave_actors::inline::InlineCouncil;
use conclave_actors::trading;
use conclave_domain::budget::Budgets;
use conclave_domain::custody::{self, Closed, Custody, CustodyConfig, Happening};
use conclave_domain::engine::{Directions, RawTerms};
use conclave_domain::market::series::{Series, series_hash};
use conclave_domain::market::tape::Tape;
use conclave_domain::mode::Mode;
use conclave_domain::role::AgentName;
use conclave_domain::sim_broker::SimConfig;
use conclave_domain::strategy::Source;
use conclave_domain::watch::MarketWatch;

use super::outcome::{bp, timeframes, words};
use super::terms::costs;
use crate::cli::error::{CliError, ExitCode};
use crate::config::Config;
use crate::report::from_run::{RunParts, assemble};
use crate::report::{Costs, Header, MoneyKind, RunReport};
use crate::run::{Inside, Prepared, play_inside};

/// Runs the council over series on the terms of the command line.
///
/// # Errors
/// [`ExitCode::Usage`] when a parameter makes no sense, [`ExitCode::Data`] when there are no bars,
/// [`ExitCode::Failure`] when the account or the report breaks.
pub(super) fn report(
    series: &[Series],
    source: &Source,
    terms: &RawTerms,
    config: &Config,
) -> Result<RunReport, CliError> {
    Prepared::check(config)?;
    let sim = sim(terms, config);
    let enabled = enabled(config);
    let council = play(series, source, terms, sim.clone(), config)?;
    let equity: Vec<custody::EquityPoint> = council
        .happenings()
        .iter()
        .filter_map(|happening| match happening {
            Happening::Marked(point) => Some(*point),
            _ => None,
        })
        .collect();
    assemble(RunParts {
        header: header(series, source, terms, &sim, config)?,
        stats: council.stats(),
        custody: council.custody(),
        closed: Closed::default(),
        equity,
        series,
        cash: terms.cash,
        enabled: &enabled,
        costs: Costs::default(),
        restarts: BTreeMap::new(),
        notes: Vec::new(),
    })
}

/// [`report`] of the same council through its actors.
///
/// # Errors
/// As [`report`], and when the run's temporary directory cannot be used.
pub(super) fn report_through_actors(
    series: &[Series],
    source: &Source,
    terms: &RawTerms,
    config: &Config,
) -> Result<RunReport, CliError> {
    let mut config = config.clone();
    let sim = sim(terms, &config);
    let header = header(series, source, terms, &sim, &config)?;
    // Nobody is there to be asked.
    Mode::Autonomous.name().clone_into(&mut config.run.mode);
    terms.directions.name().clone_into(&mut config.run.direction);
    config.run.cash = terms.cash;
    let enabled = enabled(&config);
    let account = account(terms, sim, &config);
    let prepared = Prepared::new(config, series.to_vec(), source.clone(), account)?;
    let Inside { account, left, stats, restarts } = play_inside(&prepared)?;
    assemble(RunParts {
        header,
        stats: &stats,
        custody: &account.custody,
        closed: left.closed,
        equity: left.curve,
        series,
        cash: terms.cash,
        enabled: &enabled,
        costs: Costs::default(),
        restarts,
        notes: Vec::new(),
    })
}

/// A fresh account of the council.
fn account(terms: &RawTerms, sim: SimConfig, config: &Config) -> CustodyConfig {
    CustodyConfig { sim, exits: config.exits.clone(), guarded: true, cash: terms.cash }
}

/// The account's terms: the command line's fill and fee, the configuration's costs.
fn sim(terms: &RawTerms, config: &Config) -> SimConfig {
    SimConfig {
        fill_at: terms.broker.fill_at,
        fee: terms.broker.fee,
        ..Prepared::custody_of(config).sim
    }
}

/// The agents of the trading team that are asked.
fn enabled(config: &Config) -> BTreeSet<AgentName> {
    let names = trading::TEAM.iter().map(|entry| entry.role.name);
    names.filter(|name| config.agents.get(name).is_none_or(|agent| agent.enabled)).collect()
}

fn play(
    series: &[Series],
    source: &Source,
    terms: &RawTerms,
    sim: SimConfig,
    config: &Config,
) -> Result<InlineCouncil, CliError> {
    let Some(timeframe) = series.iter().map(|one| one.timeframe).min() else {
        return Err(CliError::new(ExitCode::Data, "there are no bars"));
    };
    let mut tape = Tape::new(series.to_vec()).map_err(failed)?;
    let instruments = Arc::clone(tape.instruments());
    let watch = MarketWatch::new(&instruments, timeframe, source, true)
        .map_err(|error| CliError::new(ExitCode::Usage, format!("{error}")))?
        .judged_by(&config.limits.gates);
    let custody = Custody::new(&account(terms, sim, config), &instruments).map_err(failed)?;
    let budgets = Budgets::new(config.budgets.clone()).map_err(|errors| {
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        CliError::new(ExitCode::Config, texts.join("; "))
    })?;
    let mut council = InlineCouncil::new(
        instruments,
        watch,
        custody,
        budgets,
        config.limits.clone(),
        enabled(config),
        terms.directions == Directions::Long,
    );
    // Nothing in one thread is ever waited for; the runtime only drives the futures to their end.
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(failed)?;
    runtime
        .block_on(driver::play(&mut tape, config.run.chunk, &mut council))
        .and_then(|_| council.finish())
        .map_err(failed)?;
    Ok(council)
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> CliError {
    CliError::new(ExitCode::Failure, "the back-test cannot go on").caused_by(error)
}

fn header(
    series: &[Series],
    source: &Source,
    terms: &RawTerms,
    sim: &SimConfig,
    config: &Config,
) -> Result<Header, CliError> {
    let strategy = words(&source.config());
    let (fill, fees) = (sim.fill_at.name(), bp(sim.fee));
    let rules = serde_json::to_string(config).map_err(failed)?;
    let directions = terms.directions.name();
    let text = format!(
        "backtest-council/1\n{strategy}\n{fill}\n{directions}\n{fees}\n{}\n{rules}\n",
        terms.cash
    );
    Ok(Header {
        verb: "backtest".to_owned(),
        strategy,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seed: sim.seed,
        record_hash: None,
        data_hash: series_hash(series),
        config_hash: blake3::hash(text.as_bytes()).to_hex().to_string(),
        audit: None,
        timeframes: timeframes(series),
        symbols: series.iter().map(|one| one.symbol.clone()).collect(),
        from: None,
        to: None,
        bars: 0,
        fill_rule: fill.to_owned(),
        costs: costs(sim),
        // Nobody is there to be asked.
        mode: "autonomous".to_owned(),
        money: MoneyKind::Paper,
        benchmark: Some("buy and hold, equal weights".to_owned()),
    })
}
