//! From an engine's result to a report: metrics, benchmark, rows.

use conclave_domain::engine::{EngineResult, RawTerms};
use conclave_domain::fixed::{Bp, Money};
use conclave_domain::market::bar::Timeframe;
use conclave_domain::market::series::{Series, series_hash};
use conclave_domain::metrics::Metrics;
use conclave_domain::policy::caller;
use conclave_domain::ratio::Ratio;
use conclave_domain::strategy::{Source, StrategyConfig};
use conclave_domain::time::Time;

use crate::cli::error::CliError;
use crate::report::from_run::{self, Measured, RUINED, buy_and_hold, prices, row};
use crate::report::{Counts, EquityPoint, Header, MoneyKind, OrderRow, RunReport};

/// The metrics of a run over these series.
pub(super) fn metrics(series: &[Series], result: &EngineResult) -> Result<Metrics, CliError> {
    let times = times(result);
    let equity: Vec<f64> = result.equity.iter().map(|point| point.equity.to_f64()).collect();
    from_run::metrics(Measured {
        series,
        times: &times,
        equity: &equity,
        benchmark: &buy_and_hold(series, &times),
        book: &result.book,
        trades: result.book.trades(),
        bars: result.bars,
        bars_exposed: result.bars_exposed,
    })
}

fn times(result: &EngineResult) -> Vec<Time> {
    result.equity.iter().map(|point| point.time).collect()
}

/// Everything that a report tells of a raw run.
pub(super) fn report(
    series: &[Series],
    source: &Source,
    terms: &RawTerms,
    result: &EngineResult,
) -> Result<RunReport, CliError> {
    let metrics = metrics(series, result)?;
    let growth = buy_and_hold(series, &times(result));
    let equity = result.equity.iter().zip(growth).map(|(point, growth)| EquityPoint {
        time: point.time,
        equity: point.equity,
        cash: point.cash,
        exposure: Ratio::or_zero(point.gross.to_f64() / point.equity.to_f64()),
        benchmark: Money::from_f64(terms.cash.to_f64() * growth).ok(),
    });
    let rows: Result<Vec<OrderRow>, CliError> = result.orders.iter().map(row).collect();
    let mut notes = Vec::new();
    if metrics.ruined {
        notes.push(RUINED.to_owned());
    }
    Ok(RunReport {
        header: header(series, source, terms, result),
        metrics,
        counts: Counts::default(),
        equity: equity.collect(),
        trades: result.book.trades().to_vec(),
        open: result.book.positions().clone().into_iter().collect(),
        orders: rows?,
        prices: prices(series),
        agents: Vec::new(),
        gates: Vec::new(),
        notes,
    })
}

fn header(series: &[Series], source: &Source, terms: &RawTerms, result: &EngineResult) -> Header {
    let strategy = words(&source.config());
    let directions = terms.directions.name();
    let fill = terms.broker.fill_at.name();
    let costs = super::terms::costs(&terms.broker);
    let config = format!(
        "backtest/2\n{strategy}\n{fill}\n{}\n{directions}\n{costs}\n{}\n",
        terms.size, terms.cash
    );
    Header {
        verb: "backtest".to_owned(),
        strategy,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seed: terms.broker.seed,
        record_hash: None,
        data_hash: series_hash(series),
        config_hash: blake3::hash(config.as_bytes()).to_hex().to_string(),
        audit: None,
        timeframes: timeframes(series),
        symbols: series.iter().map(|one| one.symbol.clone()).collect(),
        from: result.equity.first().map(|point| point.time),
        to: result.equity.last().map(|point| point.time),
        bars: result.bars,
        fill_rule: fill.to_owned(),
        costs,
        mode: "none".to_owned(),
        money: MoneyKind::Paper,
        benchmark: Some("buy and hold, equal weights".to_owned()),
    }
}

/// The lengths of the bars, each once.
pub(super) fn timeframes(series: &[Series]) -> Vec<Timeframe> {
    let mut timeframes: Vec<_> = series.iter().map(|one| one.timeframe).collect();
    timeframes.sort_unstable();
    timeframes.dedup();
    timeframes
}

/// A strategy with its parameters, in words.
pub(super) fn words(strategy: &StrategyConfig) -> String {
    let name = strategy.name();
    match strategy {
        StrategyConfig::SmaCross { fast, slow } => format!("{name} {fast}/{slow}"),
        StrategyConfig::Momentum { lookback, threshold } => {
            format!("{name} {lookback} at {threshold}")
        }
        StrategyConfig::MeanReversion { window, entry, rearm } => {
            format!("{name} {window} at {entry}, again under {rearm}")
        }
        StrategyConfig::Policy { hash } => caller::in_words(*hash),
    }
}

/// Basis points as people write them: `20`, `2.5`.
pub(super) fn bp(fee: Bp) -> String {
    (f64::from(fee.as_hundredths()) / 100.0).to_string()
}
