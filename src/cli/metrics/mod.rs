//! `metrics FILE.csv`: every performance metric of any price or equity series.
//!
//! So that anyone can check our numbers against a library of their own: one column is read, its rows
//! are the observations, and the basis of each ratio is printed beside it.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use conclave_domain::metrics::{Input, Metrics, Reason, Sampling, Terms};
use conclave_domain::ratio::Ratio;
use conclave_domain::time::Time;
use serde::Serialize;

use super::error::{CliError, ExitCode};
use super::format::{Format, Table, write_json};
use crate::files;

mod read;

#[cfg(test)]
mod tests;

use read::Column;

/// The largest file that is read, in bytes: about twenty million rows.
const FILE_MAX: u64 = 1 << 30;

/// `metrics FILE.csv`
#[derive(Args, Clone, Debug)]
pub struct MetricsArgs {
    /// CSV with a header; oldest row first. A first column of dates or times is recognised.
    pub file: PathBuf,
    /// The column of prices or equity; upper and lower case are alike.
    #[arg(long, default_value = "close")]
    pub column: String,
    /// Rows per year: 252 for sessions, 365 for days of coins, 52 for weeks.
    #[arg(long, default_value = "252", value_parser = periods)]
    pub periods: Ratio,
    /// The riskless rate per year, a fraction: 0.03 is 3 %.
    #[arg(long, default_value = "0", value_parser = riskless, allow_negative_numbers = true)]
    pub rf: Ratio,
    /// A series to compare with: the same column of this file, or `close` where it has none.
    #[arg(long, value_name = "FILE")]
    pub benchmark: Option<PathBuf>,
}

fn periods(text: &str) -> Result<Ratio, String> {
    ratio_above(text, 0.0)
}

fn riskless(text: &str) -> Result<Ratio, String> {
    ratio_above(text, -1.0)
}

fn ratio_above(text: &str, low: f64) -> Result<Ratio, String> {
    let value = text.parse().ok().and_then(|value: f64| Ratio::new(value).ok());
    value.filter(|value| value.get() > low).ok_or_else(|| format!("a number above {low} is wanted"))
}

/// What `--format json` prints.
#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: &'static str,
    file: String,
    column: &'a str,
    values: usize,
    from: Option<Time>,
    to: Option<Time>,
    #[serde(flatten)]
    metrics: &'a Metrics,
}

/// Reads the file, measures it and prints the metrics.
///
/// # Errors
/// [`ExitCode::NotFound`] when there is no such file, [`ExitCode::Data`] when its content is not a
/// series (the line is named), [`ExitCode::Failure`] when it cannot be read or `out` not written.
pub fn run(args: &MetricsArgs, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    let series = load(&args.file, &[&args.column])?;
    let benchmark = match &args.benchmark {
        Some(path) => {
            let other = load(path, &[&args.column, "close"])?;
            Some(series.matched(&other).map_err(|error| about(path, &error))?)
        }
        None => None,
    };
    let terms = Terms { periods_per_year: args.periods, rf: args.rf, sampling: Sampling::Rows };
    let input = Input {
        values: &series.values,
        times: series.times.as_deref(),
        benchmark: benchmark.as_deref(),
        activity: None,
        terms,
    };
    let metrics = Metrics::of(&input)
        .map_err(|error| about(&args.file, &"the series cannot be measured").caused_by(error))?;
    let document = Document {
        schema: "metrics/1",
        file: args.file.display().to_string(),
        column: &series.name,
        values: series.values.len(),
        from: series.times.as_ref().and_then(|times| times.first().copied()),
        to: series.times.as_ref().and_then(|times| times.last().copied()),
        metrics: &metrics,
    };
    print(&document, format, out)
}

fn print(document: &Document<'_>, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    if format != Format::Text {
        return write_json(document, format, out);
    }
    writeln!(out, "{}", headline(document))?;
    write!(out, "{}", table(document.metrics))?;
    Ok(())
}

/// What was measured, in one line.
fn headline(document: &Document<'_>) -> String {
    let Document { file, column, values, .. } = document;
    let span = match (document.from, document.to) {
        (Some(from), Some(to)) => format!(", {from} to {to}"),
        _ => String::new(),
    };
    let ruined = if document.metrics.ruined { "; ruined: it falls to zero or below" } else { "" };
    format!("{file}, column {column}: {values} values{span}{ruined}")
}

/// A row per metric; what only a run could know is left out.
fn table(metrics: &Metrics) -> Table {
    let mut table = Table::listing();
    for shown in metrics.shown() {
        if shown.metric != Err(Reason::NoTradeRecord) {
            table.row([shown.title.to_owned(), metrics.text_on_basis(&shown)]);
        }
    }
    table
}

/// Reads the first of these columns that the file has.
fn load(path: &Path, columns: &[&str]) -> Result<Column, CliError> {
    let cannot = |source: std::io::Error| {
        let (code, what) = match source.kind() {
            ErrorKind::NotFound => (ExitCode::NotFound, "does not exist"),
            ErrorKind::InvalidData => (ExitCode::Data, "is not text in utf-8"),
            _ => (ExitCode::Failure, "could not be read"),
        };
        CliError::new(code, format!("{} {what}", path.display())).caused_by(source)
    };
    if fs::metadata(path).map_err(cannot)?.len() > FILE_MAX {
        return Err(about(path, &format!("larger than {FILE_MAX} bytes")));
    }
    let text = files::read_to_string(path).map_err(cannot)?;
    Column::read(&text, columns).map_err(|error| about(path, &error))
}

/// An error about a file's content.
fn about(path: &Path, what: &dyn std::fmt::Display) -> CliError {
    CliError::new(ExitCode::Data, format!("{}: {what}", path.display()))
}
