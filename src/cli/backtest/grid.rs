//! `backtest --grid`: every combination of two averages, on all cores, in a fixed order.

use std::cmp::Ordering;
use std::io::Write;
use std::num::NonZero;
use std::path::Path;
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering as Memory};

use conclave_domain::engine::{RawTerms, run_raw};
use conclave_domain::market::series::Series;
use conclave_domain::metrics::{Metric, Metrics};
use conclave_domain::strategy::StrategyConfig;
use serde::Serialize;

use super::{failed, outcome, unwritten};
use crate::cli::error::{CliError, ExitCode};
use crate::cli::format::{Align, Format, Table, write_json};
use crate::cli::progress::Progress;
use crate::report;

/// The most combinations of a grid.
const COMBINATIONS_MAX: usize = 100_000;

/// The combinations of a grid: fast below slow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    pairs: Vec<(u16, u16)>,
}

impl FromStr for Grid {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (mut fast, mut slow) = (None, None);
        for part in text.split(',') {
            let (key, range) =
                part.split_once('=').ok_or_else(|| format!("`{part}` has no `=`"))?;
            let place = match key.trim() {
                "fast" => &mut fast,
                "slow" => &mut slow,
                other => return Err(format!("`{other}` is not a parameter; fast and slow are")),
            };
            if place.replace(numbers(range)?).is_some() {
                return Err(format!("`{}` is given twice", key.trim()));
            }
        }
        let (Some(fast), Some(slow)) = (fast, slow) else {
            return Err("both fast and slow are wanted: fast=5:50:5,slow=20:200:10".to_owned());
        };
        let pairs = fast.iter().flat_map(|&fast| slow.iter().map(move |&slow| (fast, slow)));
        let pairs: Vec<(u16, u16)> = pairs.filter(|(fast, slow)| fast < slow).collect();
        match pairs.len() {
            0 => Err("no combination has fast below slow".to_owned()),
            1..=COMBINATIONS_MAX => Ok(Self { pairs }),
            many => Err(format!("{many} combinations are more than {COMBINATIONS_MAX}")),
        }
    }
}

/// `from:to:step`, `from:to` or one number.
fn numbers(text: &str) -> Result<Vec<u16>, String> {
    let parse = |part: &str| {
        let number: Option<u16> = part.trim().parse().ok();
        let wanted = || format!("`{}` is not a number of bars from 1 to 5000", part.trim());
        number.filter(|number| (1..=5_000).contains(number)).ok_or_else(wanted)
    };
    let parts: Vec<u16> = text.split(':').map(parse).collect::<Result<_, _>>()?;
    let (from, to, step) = match *parts {
        [only] => (only, only, 1),
        [from, to] => (from, to, 1),
        [from, to, step] => (from, to, step),
        _ => return Err(format!("`{text}` is not from:to:step")),
    };
    if to < from {
        return Err(format!("`{text}` ends before it begins"));
    }
    Ok((from..=to).step_by(usize::from(step)).collect())
}

/// One combination and what it was worth.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) fast: u16,
    pub(super) slow: u16,
    #[serde(flatten)]
    pub(super) metrics: Metrics,
}

/// What `--format json` prints.
#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: &'static str,
    rows: &'a [Row],
}

/// Runs the grid and prints its rows: the highest Sharpe ratio first, undefined ones last.
pub(super) fn run(
    grid: &Grid,
    series: &[Series],
    terms: &RawTerms,
    dir: Option<&Path>,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let rows = rows(grid, series, terms, threads)?;
    let document = Document { schema: "grid/1", rows: &rows };
    if let Some(dir) = dir {
        let mut json = Vec::new();
        write_json(&document, Format::Json, &mut json)?;
        let json = String::from_utf8_lossy(&json).into_owned();
        report::put_all(dir, [("grid.csv", csv(&rows)), ("grid.json", json)]).map_err(unwritten)?;
    }
    if format != Format::Text {
        return write_json(&document, format, out);
    }
    let columns = ["fast", "slow", "sharpe", "return", "max drawdown", "trades", "win rate"];
    let mut table = Table::new(columns.map(|name| (name, Align::Right)));
    for row in &rows {
        let shown = |key: &str| {
            let shown = row.metrics.find(key);
            shown.map_or_else(String::new, |shown| shown.text())
        };
        table.row([
            row.fast.to_string(),
            row.slow.to_string(),
            shown("sharpe"),
            shown("total_return"),
            shown("max_drawdown"),
            shown("trades"),
            shown("win_rate"),
        ]);
    }
    write!(out, "{table}")?;
    if let Some(row) = rows.first() {
        writeln!(out, "sharpe: {}", row.metrics.basis)?;
    }
    let tried = rows.len();
    writeln!(out, "the best of {tried} tries is not to be expected again: check it on other data")?;
    Ok(())
}

/// `grid.csv`: a row per combination in the printed order, a column per metric; what is undefined is
/// empty, and `grid.json` says why.
fn csv(rows: &[Row]) -> String {
    let names = rows.iter().take(1).flat_map(|row| row.metrics.shown());
    let names = ["fast", "slow"].into_iter().chain(names.map(|shown| shown.key));
    let mut lines = vec![names.collect::<Vec<_>>().join(",")];
    for row in rows {
        let metrics = row.metrics.shown().into_iter();
        let metrics =
            metrics.map(|shown| shown.metric.map_or_else(|_| String::new(), |it| it.to_string()));
        let fields = [row.fast.to_string(), row.slow.to_string()].into_iter().chain(metrics);
        lines.push(fields.collect::<Vec<_>>().join(","));
    }
    lines.join("\n") + "\n"
}

/// All rows, sorted. The order does not depend on the number of threads.
pub(super) fn rows(
    grid: &Grid,
    series: &[Series],
    terms: &RawTerms,
    threads: usize,
) -> Result<Vec<Row>, CliError> {
    let next = AtomicUsize::new(0);
    let progress = Progress::things(grid.pairs.len() as u64, "back-tests");
    let done: Mutex<Vec<(usize, Result<Row, CliError>)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, grid.pairs.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Memory::Relaxed);
                    let Some(&(fast, slow)) = grid.pairs.get(index) else { break };
                    let row = one(series, terms, fast, slow);
                    progress.advance(1);
                    // A thread that panicked holds no half-written row: each push is whole.
                    done.lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .push((index, row));
                }
            });
        }
    });
    progress.finish();
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    // In the order of the grid, so that of several errors the same one is told every time.
    done.sort_by_key(|(index, _)| *index);
    let mut rows: Vec<Row> = done.into_iter().map(|(_, row)| row).collect::<Result<_, _>>()?;
    if rows.len() != grid.pairs.len() {
        return Err(CliError::new(ExitCode::Failure, "a part of the grid was not run"));
    }
    rows.sort_by(|a, b| {
        by_metric(a.metrics.sharpe, b.metrics.sharpe)
            .then_with(|| (a.fast, a.slow).cmp(&(b.fast, b.slow)))
    });
    Ok(rows)
}

fn one(series: &[Series], terms: &RawTerms, fast: u16, slow: u16) -> Result<Row, CliError> {
    let strategy = StrategyConfig::SmaCross { fast, slow };
    let result = run_raw(series, &strategy, terms).map_err(failed)?;
    Ok(Row { fast, slow, metrics: outcome::metrics(series, &result)? })
}

/// The higher first; what is undefined comes last.
fn by_metric(a: Metric, b: Metric) -> Ordering {
    match (a, b) {
        (Ok(a), Ok(b)) => b.get().total_cmp(&a.get()),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => Ordering::Equal,
    }
}
