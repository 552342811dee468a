//! From what a run leaves to its report: metrics, benchmark, rows and counts.
//!
//! A back-test in one process and a run through actors leave the same things, an account and its
//! counts, and both are told by the same functions here.

use std::collections::{BTreeMap, BTreeSet};

use conclave_actors::runtime::roster;
use conclave_domain::book::{Book, BookError, Trade};
use conclave_domain::code::Code;
use conclave_domain::custody::{self, Closed, Custody};
use conclave_domain::feasibility::Expected;
use conclave_domain::fixed::{FixedError, Money};
use conclave_domain::gates::GateCount;
use conclave_domain::market::bar::Bar;
use conclave_domain::market::calendar::Calendar;
use conclave_domain::market::series::Series;
use conclave_domain::market::symbol::AssetClass;
use conclave_domain::metrics::{Activity, Curve, Metrics, Terms, TradeStat};
use conclave_domain::order_state::Order;
use conclave_domain::role::{AgentName, Team};
use conclave_domain::stats::{AgentStats, Stats};
use conclave_domain::time::Time;

use super::{
    AgentRow, Costs, Counts, EquityPoint, ExpectedRow, GateRow, Header, OrderRow, PriceCurve,
    RunReport,
};
use crate::cli::error::{CliError, ExitCode};

/// What a run of a council leaves.
#[derive(Debug)]
pub struct RunParts<'a> {
    /// What identifies the run.
    pub header: Header,
    /// What was counted.
    pub stats: &'a Stats,
    /// The account when all is done.
    pub custody: &'a Custody,
    /// What has left the account's memory on the way, in order.
    pub closed: Closed,
    /// The account after every slice, in order. The last point is brought up to what the account is
    /// now, so that what was closed with the data's end is in it.
    pub equity: Vec<custody::EquityPoint>,
    /// The bars that were played, for the benchmark and the price curves.
    pub series: &'a [Series],
    /// Cash at the start.
    pub cash: Money,
    /// The agents that were switched on: each has a row, asked or not.
    pub enabled: &'a BTreeSet<AgentName>,
    /// What it cost; nothing without actors.
    pub costs: Costs,
    /// Restarts by actor; empty without actors.
    pub restarts: BTreeMap<String, u64>,
    /// What a reader must know beside what is found here: a halt, a ruin.
    pub notes: Vec<String>,
}

/// What the metrics of an account are made from.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// The bars that were played.
    pub series: &'a [Series],
    /// Times of the equity curve, strictly increasing.
    pub times: &'a [Time],
    /// Equity at each of them.
    pub equity: &'a [f64],
    /// The benchmark at each of them, from one.
    pub benchmark: &'a [f64],
    /// The account at the end.
    pub book: &'a Book,
    /// Its closed trades, oldest first.
    pub trades: &'a [Trade],
    /// Bars played.
    pub bars: u64,
    /// Bars in which their symbol had a position.
    pub bars_exposed: u64,
}

/// The report of a council's run. The header's bars and first and last time are those of the equity
/// curve.
///
/// # Errors
/// [`ExitCode::Data`] when there are no bars or the account cannot be measured.
pub fn assemble(parts: RunParts<'_>) -> Result<RunReport, CliError> {
    let RunParts { mut header, stats, custody, series, closed, .. } = parts;
    let book = custody.book();
    let Closed { mut trades, orders } = closed;
    trades.extend_from_slice(book.trades());
    let orders = rows(&orders, custody)?;
    let times: Vec<Time> = parts.equity.iter().map(|point| point.at).collect();
    let benchmark = buy_and_hold(series, &times);
    let mut equity = points(parts.equity, &benchmark, parts.cash);
    if let Some(last) = equity.last_mut() {
        (last.equity, last.cash) = (book.equity().map_err(unsound)?, book.cash());
        last.exposure = book.exposure().map_err(unsound)?;
    }
    let values: Vec<f64> = equity.iter().map(|point| point.equity.to_f64()).collect();
    (header.from, header.to) = (times.first().copied(), times.last().copied());
    header.bars = bars_through(series, header.to);
    let metrics = metrics(Measured {
        series,
        times: &times,
        equity: &values,
        benchmark: &benchmark,
        book,
        trades: &trades,
        bars: header.bars,
        bars_exposed: bars_exposed(series, book, &trades, header.to),
    })?;
    let mut notes = parts.notes;
    if metrics.ruined {
        notes.push(RUINED.to_owned());
    }
    if let Some(since) = custody.halt_rule().halted_at() {
        let text = "halted by drawdown since";
        notes.push(format!("{text} {since}: entries stopped, exits went on"));
    }
    Ok(RunReport {
        header,
        metrics,
        counts: counts(stats, parts.restarts.clone(), parts.costs.spent.total),
        equity,
        trades,
        open: book.positions().clone().into_iter().collect(),
        orders,
        prices: prices(series),
        agents: agents(stats, parts.enabled, &parts.restarts, &parts.costs),
        gates: gates(stats),
        notes,
    })
}

/// What a report says of an account with nothing left.
pub const RUINED: &str = "ruined: equity fell to zero or below, and trading stopped";

fn unsound(error: impl Into<BookError>) -> CliError {
    cannot_measure().caused_by(error.into())
}

fn cannot_measure() -> CliError {
    CliError::new(ExitCode::Data, "the run cannot be measured")
}

/// The metrics of an account over series.
///
/// # Errors
/// [`ExitCode::Data`] when there are no bars or the curve is not usable.
pub fn metrics(measured: Measured<'_>) -> Result<Metrics, CliError> {
    let Measured { series, times, equity, benchmark, book, trades, bars, bars_exposed } = measured;
    let stats: Result<Vec<TradeStat>, FixedError> = trades.iter().map(TradeStat::of).collect();
    let activity = Activity {
        trades: &stats.map_err(unsound)?,
        traded_notional: book.traded(),
        fees: book.fees(),
        bars,
        bars_exposed,
    };
    // One share among coins makes it an account that follows the exchange's days.
    let coins = series.iter().all(|one| one.class == AssetClass::Crypto);
    let class = if coins { AssetClass::Crypto } else { AssetClass::Equity };
    let Some(timeframe) = series.iter().map(|one| one.timeframe).min() else {
        return Err(CliError::new(ExitCode::Data, "there are no bars"));
    };
    let calendar = Calendar::of(class);
    let curve = Curve { times, equity, benchmark: Some(benchmark) };
    let terms = Terms::usual(timeframe, class);
    Metrics::of_account(&curve, |time| calendar.session_date(time), &activity, terms)
        .map_err(|error| cannot_measure().caused_by(error))
}

/// What one unit of money became in equal parts of every series, each bought at its first close, at
/// each time; a part waits as cash until its series begins.
pub fn buy_and_hold(series: &[Series], times: &[Time]) -> Vec<f64> {
    let bars: Vec<&[Bar]> = series.iter().map(|one| &one.bars[..]).collect();
    held_equally(&bars, times)
}

/// The same of bars; `times` in their order.
pub fn held_equally(series: &[&[Bar]], times: &[Time]) -> Vec<f64> {
    #[expect(clippy::cast_precision_loss, reason = "series are few")]
    let share = 1.0 / series.len().max(1) as f64;
    let mut next = vec![0_usize; series.len()];
    let mut growth = Vec::with_capacity(times.len());
    for &time in times {
        let mut sum = 0.0;
        for (bars, next) in series.iter().zip(&mut next) {
            *next += bars[*next..].partition_point(|bar| bar.close_time <= time);
            let last = next.checked_sub(1).and_then(|last| bars.get(last));
            sum += match (bars.first(), last) {
                (Some(first), Some(last)) => share * (last.close.to_f64() / first.close.to_f64()),
                _ => share,
            };
        }
        growth.push(sum);
    }
    growth
}

/// All orders of an account in the order in which they were made.
fn rows(forgotten: &[Order], custody: &Custody) -> Result<Vec<OrderRow>, CliError> {
    let mut all: Vec<&Order> = forgotten.iter().chain(custody.orders().iter()).collect();
    all.sort_by_key(|order| order.number());
    all.into_iter().map(row).collect()
}

/// An order and what became of it.
///
/// # Errors
/// [`ExitCode::Data`] on overflow.
pub fn row(order: &Order) -> Result<OrderRow, CliError> {
    Ok(OrderRow {
        intent: order.intent.clone(),
        status: order.status().name().to_owned(),
        filled: order.filled(),
        average: order.mean_price().map_err(unsound)?,
        fees: order.fees().map_err(unsound)?,
        code: order.refusal().map(|(code, _)| code),
    })
}

/// The closes of every series.
pub fn prices(series: &[Series]) -> Vec<PriceCurve> {
    let curve = |one: &Series| PriceCurve {
        symbol: one.symbol.clone(),
        closes: one.bars.iter().map(|bar| (bar.close_time, bar.close)).collect(),
    };
    series.iter().map(curve).collect()
}

fn points(equity: Vec<custody::EquityPoint>, growth: &[f64], cash: Money) -> Vec<EquityPoint> {
    let point = |(point, &growth): (custody::EquityPoint, &f64)| EquityPoint {
        time: point.at,
        equity: point.equity,
        cash: point.cash,
        exposure: point.exposure,
        benchmark: Money::from_f64(cash.to_f64() * growth).ok(),
    };
    equity.into_iter().zip(growth).map(point).collect()
}

/// Bars that close at or before a time.
fn bars_through(series: &[Series], last: Option<Time>) -> u64 {
    let Some(last) = last else { return 0 };
    let of = |one: &Series| one.bars.partition_point(|bar| bar.close_time <= last) as u64;
    series.iter().map(of).sum()
}

/// Bars in which their symbol had a position, from the entry's to the exit's inclusive.
fn bars_exposed(series: &[Series], book: &Book, trades: &[Trade], last: Option<Time>) -> u64 {
    let Some(last) = last else { return 0 };
    let of = |one: &Series| {
        let closed = trades.iter().filter(|trade| trade.symbol == one.symbol);
        let closed = closed.map(|trade| (trade.entry_time, trade.exit_time));
        let open = book.position(&one.symbol).map(|position| (position.opened_at, last));
        // In order of exit, so a bar that two of them share is met at the end of what is counted.
        let (mut counted, mut bars) = (0, 0_u64);
        for (from, to) in closed.chain(open) {
            let first = one.bars.partition_point(|bar| bar.close_time < from).max(counted);
            let behind = one.bars.partition_point(|bar| bar.close_time < to) + 1;
            let behind = behind.min(one.bars.len());
            bars += behind.saturating_sub(first) as u64;
            counted = counted.max(behind);
        }
        bars
    };
    series.iter().map(of).sum()
}

fn counts(stats: &Stats, restarts: BTreeMap<String, u64>, spend_usd: Money) -> Counts {
    let by_code = |map: &BTreeMap<_, u64>| {
        let named = |(code, count): (&Code, &u64)| (code.as_str().to_owned(), *count);
        map.iter().map(named).collect()
    };
    let mut verdicts = BTreeMap::new();
    for (name, count) in &stats.rounds {
        // A hold is counted by its reason; what is neither of the other two is one.
        let verdict = if matches!(name.as_str(), "act" | "vetoed") { name } else { "hold" };
        *verdicts.entry(verdict.to_owned()).or_default() += count;
    }
    let sum = |of: fn(&AgentStats) -> u64| stats.agents.values().map(of).sum::<u64>();
    let outcomes = [
        ("answered", sum(|agent| agent.answered.saturating_sub(agent.abstained))),
        ("abstained", sum(|agent| agent.abstained)),
        ("unreadable", sum(|agent| agent.unreadable)),
        ("inadmissible", sum(|agent| agent.inadmissible)),
        ("failed", sum(|agent| agent.failed)),
        ("denied", sum(|agent| agent.denied)),
        ("late", sum(|agent| agent.late)),
        ("shed", sum(|agent| agent.shed)),
        ("not_awaited", sum(|agent| agent.not_awaited)),
    ];
    Counts {
        rounds: stats.rounds_total(),
        verdicts,
        vetoes: by_code(&stats.vetoes),
        clamps: stats.clamps.clone(),
        denials: by_code(&stats.denials),
        consultations: stats.consultations(),
        outcomes: outcomes.into_iter().map(|(name, count)| (name.to_owned(), count)).collect(),
        restarts,
        spend_usd,
    }
}

fn agents(
    stats: &Stats,
    enabled: &BTreeSet<AgentName>,
    restarts: &BTreeMap<String, u64>,
    costs: &Costs,
) -> Vec<AgentRow> {
    let shown = roster::roster().into_iter().filter(|seat| {
        enabled.contains(seat.role.name) || stats.agents.contains_key(seat.role.name)
    });
    // Whoever sits in no round and is asked all the same: the reader of news.
    let asked = stats.agents.keys().copied();
    let paid = costs.spent.by_agent.keys().map(String::as_str);
    let others: BTreeSet<&str> =
        asked.chain(paid).filter(|name| roster::seat(name).is_none()).collect();
    let row = |name: &str, team: Team| {
        let of = stats.agents.get(name).cloned().unwrap_or_default();
        AgentRow {
            name: name.to_owned(),
            team: team.name().to_owned(),
            model: costs.models.get(name).cloned(),
            consultations: of.consulted,
            parts: of.parts(),
            answered: of.answered.saturating_sub(of.abstained),
            unreadable: of.unreadable,
            by_rules: of.by_rules,
            clamps: of.clamps,
            vetoes: of.vetoes,
            restarts: restarts.get(name).copied().unwrap_or_default(),
            cost_usd: costs.spent.by_agent.get(name).copied().unwrap_or_default(),
            expected: costs.expected.iter().find(|row| row.agent == name).map(expected),
        }
    };
    let shown = shown.map(|seat| row(seat.role.name, seat.role.team));
    shown.chain(others.into_iter().map(|name| row(name, Team::Trading))).collect()
}

fn expected(row: &Expected) -> ExpectedRow {
    ExpectedRow {
        model: row.model.clone(),
        consultations: row.calls,
        consultations_at_most: row.calls_at_most,
        cost_usd: row.at_most,
    }
}

fn gates(stats: &Stats) -> Vec<GateRow> {
    let row = |(&code, count): (&Code, &GateCount)| GateRow {
        code,
        tested: count.passed.saturating_add(count.stopped),
        passed: count.passed,
    };
    stats.gates.counts().iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use conclave_domain::engine::{Directions, RawTerms, Size, run_raw};
    use conclave_domain::fixed::Bp;
    use conclave_domain::sim_broker::{FillAt, SimConfig};
    use conclave_domain::strategy::StrategyConfig;

    use super::*;

    /// The engine counts while it plays; here the same is found in the trades alone.
    #[test]
    fn exposed_bars_are_those_that_the_engine_counts() {
        let series = crate::data::embedded().unwrap();
        for (fill_at, directions) in [
            (FillAt::NextOpen, Directions::Long),
            (FillAt::Close, Directions::Long),
            (FillAt::NextOpen, Directions::LongShort),
            (FillAt::Close, Directions::LongShort),
        ] {
            let broker = SimConfig::raw(fill_at, Bp::ZERO);
            let cash = Money::from_units(1_000_000).unwrap();
            let terms = RawTerms { size: Size::Units(10), directions, broker, cash };
            let strategy = StrategyConfig::by_name("sma-cross").unwrap();
            let result = run_raw(&series, &strategy, &terms).unwrap();
            let last = result.equity.last().map(|point| point.time);
            let found = bars_exposed(&series, &result.book, result.book.trades(), last);
            assert_eq!(found, result.bars_exposed, "{fill_at:?} {directions:?}");
            assert_eq!(bars_through(&series, last), result.bars);
        }
    }
}
