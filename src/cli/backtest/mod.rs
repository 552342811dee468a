//! `backtest`: a strategy or a policy alone through engine and ledger, a grid of its parameters on all cores, or
//! with `--council` the whole council; either of them also through actors (`--actors`).
//!
//! Without `--council` there are no gates, no caps, no protective exits, and no costs but those that
//! somebody has asked for (see `terms`). Without `--data` it runs on the embedded bars,
//! adjusted for splits; a file is taken raw unless `--splits` names a table.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use conclave_domain::engine::{EngineError, RawTerms, Size, run_raw};
use conclave_domain::fixed::{Bp, Money};
use conclave_domain::market::csv::CsvOptions;
use conclave_domain::market::series::Series;
use conclave_domain::market::splits::adjust;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::metrics::Metrics;
use conclave_domain::ratio::Ratio;
use conclave_domain::strategy::{Source, StrategyConfig};
use serde::Serialize;

use super::data::Class;
use super::error::{CliError, ExitCode};
use super::format::{Format, write_json};
use super::progress::Progress;
use crate::adapters::policy_file;
use crate::config::Loaded;
use crate::data::{self, DataError};
use crate::report::{self, Counts, ReportError, RunReport, summary_table};
use crate::run::PolicyTerms;

mod actors;
mod council;
mod grid;
mod outcome;
mod terms;

#[cfg(test)]
mod tests;

/// `backtest`
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "What is not given here comes from the environment and from --config FILE: \
    strategy, [strategy], run.fill, run.direction, run.cash, and of [costs] the fee of a trade and \
    the slippage. A raw back-test uses no other key and has no costs that nobody has set, but for a \
    policy's, which was trained with them; limits, \
    gates, exits, budgets and agents are the council's and count with --council alone."
)]
pub struct BacktestArgs {
    /// CSV of bars with a header, oldest first; the embedded bars without it.
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,
    /// The symbol of the file; its name without the ending when that is one.
    #[arg(long, requires = "data")]
    pub symbol: Option<Symbol>,
    /// What kind of thing the file's symbol is.
    #[arg(long, value_enum, default_value_t, requires = "data")]
    pub class: Class,
    /// A table of splits (symbol,date,ratio) to adjust the file's bars by.
    #[arg(long, value_name = "FILE", requires = "data")]
    pub splits: Option<PathBuf>,
    /// Asks the council of each call, under the whole configuration: gates, rounds, sizes, protective
    /// exits, and by default $1 a trade and slippage.
    #[arg(long, conflicts_with_all = ["size", "grid"])]
    pub council: bool,
    /// The same through the actors that `run` is made of; the trades are the same.
    #[arg(long, conflicts_with = "grid")]
    pub actors: bool,
    /// Who calls: sma-cross (the default), momentum, mean-reversion.
    #[arg(long, value_name = "NAME", value_parser = strategy, conflicts_with = "other_bars")]
    pub strategy: Option<StrategyConfig>,
    /// A trained policy instead of a strategy: a checkpoint of `train`, such as best.safetensors. Each
    /// trade is of the share of equity that its action says, and costs what `[costs]` says, as in
    /// training.
    #[arg(long, value_name = "CHECKPOINT", conflicts_with_all = STRATEGY)]
    pub policy: Option<PathBuf>,
    /// Leaves out the bars that the policy has learned from, but for those that fill its windows.
    #[arg(long, requires = "policy", conflicts_with_all = STRATEGY)]
    pub unseen: bool,
    /// What it may trade.
    #[command(flatten)]
    pub policy_terms: PolicyTerms,
    /// Bars in the fast average of sma-cross.
    #[arg(long, value_name = "N", conflicts_with = "other_bars")]
    pub fast: Option<u16>,
    /// Bars in the slow average of sma-cross.
    #[arg(long, value_name = "N", conflicts_with = "other_bars")]
    pub slow: Option<u16>,
    /// Bars that momentum and mean-reversion look back on.
    #[arg(long, value_name = "N", conflicts_with = "other_bars")]
    pub lookback: Option<u16>,
    /// The return at which momentum calls, a fraction: 0.05 is 5 %.
    #[arg(long, value_name = "FRACTION", value_parser = ratio, conflicts_with = "other_bars")]
    pub threshold: Option<Ratio>,
    /// The distance from the mean at which mean-reversion calls, standard deviations.
    #[arg(long, value_name = "DEVIATIONS", value_parser = ratio, conflicts_with = "other_bars")]
    pub entry: Option<Ratio>,
    /// The distance under which mean-reversion may call again, standard deviations.
    #[arg(long, value_name = "DEVIATIONS", value_parser = ratio, conflicts_with = "other_bars")]
    pub rearm: Option<Ratio>,
    /// When a call is filled; next-open when nobody says otherwise.
    #[arg(long, value_enum)]
    pub fill: Option<Fill>,
    /// Whole units of each trade, or all-in: what the symbol's share of equity pays for.
    #[arg(long, default_value = "all-in", conflicts_with = "other_bars")]
    pub size: Size,
    /// Fee on the value of each fill, basis points with at most two decimals.
    #[arg(long, value_name = "BP", default_value = "0", value_parser = basis_points)]
    pub fees: Bp,
    /// Whether a call short sells short or only closes; long-short when nobody says otherwise.
    #[arg(long, value_enum)]
    pub direction: Option<Direction>,
    /// The account before the first bar; 100000 when nobody says otherwise.
    #[arg(long, value_name = "DOLLARS", value_parser = cash)]
    pub cash: Option<Money>,
    /// Directory for summary.json, trades.csv, equity.csv, orders.csv, run.json and report.html; of a
    /// grid for grid.csv and grid.json.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Runs every combination, on all cores: `fast=5:50:5,slow=20:200:10` (from:to:step).
    #[arg(long, value_name = "RANGES", conflicts_with_all = PARAMETERS, conflicts_with = "other_bars")]
    pub grid: Option<grid::Grid>,
}

/// Flags of a strategy. Those that want a policy name them as well: clap does not ask for a flag that conflicts
/// with one that is there.
const STRATEGY: [&str; 9] =
    ["strategy", "size", "grid", "fast", "slow", "lookback", "threshold", "entry", "rearm"];

/// Flags of single parameters.
const PARAMETERS: [&str; 6] = ["fast", "slow", "lookback", "threshold", "entry", "rearm"];

/// When a call is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fill {
    /// At the close of the bar that raised it.
    Close,
    /// At the open of the next bar.
    NextOpen,
}

/// What a call short does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Direction {
    /// It closes what is long.
    Long,
    /// It closes what is long and sells short.
    LongShort,
}

fn strategy(name: &str) -> Result<StrategyConfig, String> {
    let known = || format!("one of {} is wanted", StrategyConfig::NAMES.join(", "));
    StrategyConfig::by_name(name).ok_or_else(known)
}

/// Whether it is within bounds is the strategy's to say.
fn ratio(text: &str) -> Result<Ratio, String> {
    let number = text.parse().ok().and_then(|number: f64| Ratio::new(number).ok());
    number.ok_or_else(|| "a finite number is wanted".to_owned())
}

pub(super) fn basis_points(text: &str) -> Result<Bp, String> {
    let wanted = "basis points from 0 to 1000 with at most two decimals are wanted";
    // Money has the decimals to tell whether a hundredth of a basis point is whole.
    let money: Money = text.parse().map_err(|_| wanted)?;
    let step = Money::SCALE / 100;
    let hundredths = money.raw() / step;
    let whole = money.raw() % step == 0 && (0..=100_000).contains(&hundredths);
    let hundredths = u32::try_from(hundredths).ok().filter(|_| whole).ok_or(wanted)?;
    Ok(Bp::hundredths(hundredths))
}

pub(super) fn cash(text: &str) -> Result<Money, String> {
    let money: Result<Money, _> = text.parse();
    money.ok().filter(|money| money.raw() > 0).ok_or_else(|| "an amount above 0 is wanted".into())
}

impl BacktestArgs {
    /// The bars to run on, in symbol order.
    fn series(&self) -> Result<Vec<Series>, CliError> {
        let Some(path) = &self.data else { return Ok(data::embedded()?) };
        let mut options = CsvOptions::new(self.symbol(path)?);
        options.class = self.class.into();
        let mut series = data::read_file(path, &options)?.series;
        if let Some(table) = &self.splits {
            let splits = data::read_splits_file(table)?;
            series = adjust(&series, &splits).map_err(DataError::from)?;
        }
        Ok(vec![series])
    }

    fn symbol(&self, path: &Path) -> Result<Symbol, CliError> {
        if let Some(symbol) = &self.symbol {
            return Ok(symbol.clone());
        }
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        // Any file can be tested: one whose name is no symbol is called FILE, as `data check` does.
        Symbol::new(&stem.to_ascii_uppercase())
            .or_else(|_| Symbol::new("FILE"))
            .map_err(|error| CliError::new(ExitCode::Usage, format!("{}: {error}", path.display())))
    }
}

/// What `--format json` prints.
#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: &'static str,
    strategy: &'a str,
    fill: &'a str,
    size: String,
    direction: &'a str,
    fees_bp: f64,
    costs: &'a str,
    data_hash: &'a str,
    bars: u64,
    notes: &'a [String],
    #[serde(flatten)]
    metrics: &'a Metrics,
    #[serde(flatten)]
    council: Option<&'a Counts>,
}

/// Runs the back-test, prints its summary and writes its files.
///
/// # Errors
/// [`ExitCode::Config`] when the configuration is invalid, [`ExitCode::Usage`] when a parameter makes no
/// sense, [`ExitCode::Data`] when the bars are invalid
/// (each fault is named with its line) or a policy is not of these columns, [`ExitCode::NotFound`] when a file is not there,
/// [`ExitCode::Failure`] when a figure leaves the range of the ledger or a file cannot be written.
pub fn run(
    args: &BacktestArgs,
    config: Option<&Path>,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let loaded = crate::cli::config::load(config, &[])?;
    let terms = terms::terms(args, &loaded);
    if let Some(grid) = &args.grid {
        let by_name = StrategyConfig::by_name(&loaded.config.strategy.name);
        if !matches!(args.strategy.or(by_name), Some(StrategyConfig::SmaCross { .. })) {
            let text = "--grid is over fast and slow of sma-cross";
            return Err(CliError::new(ExitCode::Usage, text));
        }
        return grid::run(grid, &args.series()?, &terms, args.out.as_deref(), format, out);
    }
    let (source, series, notes) = subject(args, &loaded)?;
    // Through actors it has a bar of its own.
    let waiting = (!args.actors).then(|| Progress::waiting("plays the bars"));
    let mut report = report(args, &loaded, &series, &source, &terms)?;
    drop(waiting);
    report.notes.extend(notes);
    if let Some(dir) = &args.out {
        report::write(&report, dir).map_err(unwritten)?;
    }
    let size = match (args.council, &args.policy) {
        (true, _) => "council".to_owned(),
        (false, Some(_)) => "policy".to_owned(),
        (false, None) => terms.size.to_string(),
    };
    if format == Format::Text {
        writeln!(out, "{}", headline(&report, &terms, &size))?;
        write!(out, "{}", summary_table(&report))?;
        return Ok(());
    }
    let document = Document {
        schema: "backtest/1",
        strategy: &report.header.strategy,
        fill: &report.header.fill_rule,
        size,
        direction: terms.directions.name(),
        fees_bp: f64::from(terms.broker.fee.as_hundredths()) / 100.0,
        costs: &report.header.costs,
        data_hash: &report.header.data_hash,
        bars: report.header.bars,
        notes: &report.notes,
        metrics: &report.metrics,
        council: args.council.then_some(&report.counts),
    };
    write_json(&document, format, out)
}

/// Who trades which bars, and what is to be known of that.
fn subject(
    args: &BacktestArgs,
    loaded: &Loaded,
) -> Result<(Source, Vec<Series>, Vec<String>), CliError> {
    let Some(path) = &args.policy else {
        let strategy = terms::strategy(args, &loaded.config.strategy)?;
        return Ok((Source::Strategy(strategy), args.series()?, Vec::new()));
    };
    let trained = policy_file::read(path)?;
    let mut series = args.series()?;
    if args.unseen {
        series = trained.unseen(series)?;
    }
    let mut notes = trained.notes(&series, args.policy_terms.other_bars)?;
    if args.unseen {
        let bars = policy_file::WINDOWS;
        notes.push(format!(
            "the first {bars} bars of each symbol fill its windows and are not traded"
        ));
    } else {
        notes.extend(trained.known(&series));
    }
    Ok((Source::Policy(trained.policy), series, notes))
}

/// Runs what was asked for.
fn report(
    args: &BacktestArgs,
    loaded: &Loaded,
    series: &[Series],
    source: &Source,
    terms: &RawTerms,
) -> Result<RunReport, CliError> {
    let config = &loaded.config;
    match (args.council, args.actors) {
        (true, true) => council::report_through_actors(series, source, terms, config),
        (true, false) => council::report(series, source, terms, config),
        (false, through_actors) => {
            let result = if through_actors {
                actors::run(series, source, terms)?
            } else {
                run_raw(series, source, terms).map_err(failed)?
            };
            let mut report = outcome::report(series, source, terms, &result)?;
            report.notes.extend(terms::unused(loaded));
            Ok(report)
        }
    }
}

/// What was run, in one line.
fn headline(report: &RunReport, terms: &RawTerms, size: &str) -> String {
    let header = &report.header;
    let symbols: Vec<&str> = header.symbols.iter().map(Symbol::as_str).collect();
    format!(
        "{} on {}: {} bars, fill at {}, {size}, {}, {}",
        header.strategy,
        symbols.join(" "),
        header.bars,
        header.fill_rule,
        terms.directions.name(),
        header.costs,
    )
}

/// An engine's failure as a verb's.
fn failed(error: EngineError) -> CliError {
    let code = match &error {
        EngineError::Strategy(_) => ExitCode::Usage,
        EngineError::Desk(_) | EngineError::Tape(_) => ExitCode::Failure,
    };
    CliError::new(code, "the back-test cannot go on").caused_by(error)
}

/// A report that could not be written as a verb's failure.
fn unwritten(error: ReportError) -> CliError {
    CliError::new(ExitCode::Failure, "the report could not be written").caused_by(error)
}
