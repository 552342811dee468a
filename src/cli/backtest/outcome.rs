//! From an engine's result to a report: metrics, benchmark, rows.

use conclave_domain::engine::{EngineResult, Point, RawTerms};
use conclave_domain::fixed::{Bp, FixedError, Money};
use conclave_domain::market::calendar::Calendar;
use conclave_domain::market::series::{Series, series_hash};
use conclave_domain::market::symbol::AssetClass;
use conclave_domain::metrics::{Activity, Curve, Metrics, Terms, TradeStat};
use conclave_domain::order_state::Order;
use conclave_domain::ratio::Ratio;
use conclave_domain::strategy::StrategyConfig;
use conclave_domain::time::Time;

use crate::cli::error::{CliError, ExitCode};
use crate::report::{Counts, EquityPoint, Header, MoneyKind, OrderRow, PriceCurve, RunReport};

/// The metrics of a run over these series.
pub(super) fn metrics(series: &[Series], result: &EngineResult) -> Result<Metrics, CliError> {
    let times: Vec<Time> = result.equity.iter().map(|point| point.time).collect();
    let equity: Vec<f64> = result.equity.iter().map(|point| point.equity.to_f64()).collect();
    let growth = buy_and_hold(series, &result.equity);
    let stats: Result<Vec<TradeStat>, FixedError> =
        result.book.trades().iter().map(TradeStat::of).collect();
    let stats = stats.map_err(|error| cannot_measure().caused_by(error))?;
    let activity = Activity {
        trades: &stats,
        traded_notional: result.book.traded(),
        fees: result.book.fees(),
        bars: result.bars,
        bars_exposed: result.bars_exposed,
    };
    // One share among coins makes it an account that follows the exchange's days.
    let coins = series.iter().all(|one| one.class == AssetClass::Crypto);
    let class = if coins { AssetClass::Crypto } else { AssetClass::Equity };
    let Some(timeframe) = series.iter().map(|one| one.timeframe).min() else {
        return Err(CliError::new(ExitCode::Data, "there are no bars"));
    };
    let calendar = Calendar::of(class);
    let curve = Curve { times: &times, equity: &equity, benchmark: Some(&growth) };
    let terms = Terms::usual(timeframe, class);
    Metrics::of_account(&curve, |time| calendar.session_date(time), &activity, terms)
        .map_err(|error| cannot_measure().caused_by(error))
}

fn cannot_measure() -> CliError {
    CliError::new(ExitCode::Data, "the run cannot be measured")
}

/// What one unit of money became in equal parts of every series, each bought at its first close, at
/// each point; a part waits as cash until its series begins.
fn buy_and_hold(series: &[Series], points: &[Point]) -> Vec<f64> {
    #[expect(clippy::cast_precision_loss, reason = "series are few")]
    let share = 1.0 / series.len().max(1) as f64;
    let mut next = vec![0_usize; series.len()];
    let mut growth = Vec::with_capacity(points.len());
    for point in points {
        let mut sum = 0.0;
        for (one, next) in series.iter().zip(&mut next) {
            while one.bars.get(*next).is_some_and(|bar| bar.close_time <= point.time) {
                *next += 1;
            }
            let last = next.checked_sub(1).and_then(|last| one.bars.get(last));
            sum += match (one.bars.first(), last) {
                (Some(first), Some(last)) => share * (last.close.to_f64() / first.close.to_f64()),
                _ => share,
            };
        }
        growth.push(sum);
    }
    growth
}

/// Everything that a report tells of a raw run.
pub(super) fn report(
    series: &[Series],
    strategy: &StrategyConfig,
    terms: &RawTerms,
    result: &EngineResult,
) -> Result<RunReport, CliError> {
    let metrics = metrics(series, result)?;
    let growth = buy_and_hold(series, &result.equity);
    let equity = result.equity.iter().zip(growth).map(|(point, growth)| EquityPoint {
        time: point.time,
        equity: point.equity,
        cash: point.cash,
        exposure: Ratio::or_zero(point.gross.to_f64() / point.equity.to_f64()),
        benchmark: Money::from_f64(terms.cash.to_f64() * growth).ok(),
    });
    let rows: Result<Vec<OrderRow>, FixedError> = result.orders.iter().map(row).collect();
    let mut notes = Vec::new();
    if metrics.ruined {
        notes.push("ruined: equity fell to zero or below, and trading stopped".to_owned());
    }
    let prices = series.iter().map(|one| PriceCurve {
        symbol: one.symbol.clone(),
        closes: one.bars.iter().map(|bar| (bar.close_time, bar.close)).collect(),
    });
    Ok(RunReport {
        header: header(series, strategy, terms, result),
        metrics,
        counts: Counts::default(),
        equity: equity.collect(),
        trades: result.book.trades().to_vec(),
        open: result.book.positions().clone().into_iter().collect(),
        orders: rows.map_err(|error| cannot_measure().caused_by(error))?,
        prices: prices.collect(),
        agents: Vec::new(),
        gates: Vec::new(),
        notes,
    })
}

fn row(order: &Order) -> Result<OrderRow, FixedError> {
    Ok(OrderRow {
        intent: order.intent.clone(),
        status: order.status().name().to_owned(),
        filled: order.filled(),
        average: order.mean_price()?,
        fees: order.fees()?,
        code: order.refusal().map(|(code, _)| code),
    })
}

fn header(
    series: &[Series],
    strategy: &StrategyConfig,
    terms: &RawTerms,
    result: &EngineResult,
) -> Header {
    let mut timeframes: Vec<_> = series.iter().map(|one| one.timeframe).collect();
    timeframes.sort_unstable();
    timeframes.dedup();
    let strategy = words(strategy);
    let fees = bp(terms.broker.fee);
    let directions = terms.directions.name();
    let fill = terms.broker.fill_at.name();
    let config = format!(
        "backtest/1\n{strategy}\n{fill}\n{}\n{directions}\n{fees}\n{}\n",
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
        audit_head: None,
        timeframes,
        symbols: series.iter().map(|one| one.symbol.clone()).collect(),
        from: result.equity.first().map(|point| point.time),
        to: result.equity.last().map(|point| point.time),
        bars: result.bars,
        fill_rule: fill.to_owned(),
        costs: format!("fees {fees} bp, no slippage"),
        mode: "none".to_owned(),
        money: MoneyKind::Paper,
        benchmark: Some("buy and hold, equal weights".to_owned()),
    }
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
    }
}

/// Basis points as people write them: `20`, `2.5`.
fn bp(fee: Bp) -> String {
    (f64::from(fee.as_hundredths()) / 100.0).to_string()
}
