//! `select`: which symbols are worth trading, and why each other is not.

mod explain;
mod show;

#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{ArgAction, ArgGroup, Args};
use conclave_domain::brief::selection::Constraints;
use conclave_domain::market::asset::one_table;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::selection::advised::Made;
use conclave_domain::selection::score::default_weights;
use conclave_domain::time::Time;

use super::error::{CliError, ExitCode};
use super::format::{Format, write_json};
use super::progress::Progress;
use super::replay::refuse_a_run;
use super::{alpaca, config};
use crate::config::{AlpacaSettings, Config};
use crate::data;
use crate::report::ReportError;
use crate::report::selection::{self, SelectionReport};
use crate::run::select::{
    Question, Source, Synthetic, Universe, advise, cores, from_alpaca, load, rank,
};

/// `select`
#[derive(Args, Clone, Debug)]
#[command(
    group = ArgGroup::new("listed").args(["data", "alpaca"]).multiple(true),
    after_help = "Without --data, --synthetic or --alpaca it selects from the embedded bars. Every symbol goes through \
    the hard filters of its class, which the table of assets states; those that pass are scored by eight \
    metrics, and the list is taken by score such that no pair correlates above 0.60, none are of one \
    issuer, and no sector has more than two fifths. Four agents look at it: two may leave symbols out and move \
    weights, two check what comes of that and may swap, all vote; without two thirds for it the list is the \
    one without them. It is checked once more at the end. \
    Exit codes: 0 a list, 5 a symbol that is not there, 8 data that are no universe, or no symbol that passes."
)]
pub struct SelectArgs {
    /// The symbols to select from; all that there are when not given.
    #[arg(long, value_name = "SYMBOLS", value_delimiter = ',')]
    pub symbols: Vec<Symbol>,
    /// CSV files of bars, or a directory of them with assets.csv and splits.csv beside; a file's stem is
    /// its symbol. One file that cannot be read stops all of it: a universe that is short of a symbol would be
    /// another one.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub data: Vec<PathBuf>,
    /// The table of assets (symbol,class,sector,name) of the files or of Alpaca: class and sector are never guessed.
    #[arg(long, value_name = "FILE", requires = "listed", conflicts_with = "synthetic")]
    pub assets: Option<PathBuf>,
    /// The table of splits (symbol,date,ratio).
    #[arg(long, value_name = "FILE", requires = "data", conflicts_with_all = ["alpaca", "synthetic"])]
    pub splits: Option<PathBuf>,
    /// All shares that Alpaca lists, as of its own time: a first look by snapshots, then the days of the most
    /// traded. Keys as for `alpaca`; sectors come from --assets, what is not in it is of none, and the shares of sectors do not
    /// count it.
    #[arg(long, conflicts_with_all = ["data", "synthetic", "as_of"])]
    pub alpaca: bool,
    /// Shares of Alpaca whose days are read, the most traded first.
    #[arg(long, value_name = "N", default_value = "500", value_parser = kept, requires = "alpaca",
          conflicts_with_all = ["data", "synthetic", "as_of", "splits"])]
    pub keep: usize,
    /// As many shares of the synthetic market.
    #[arg(long, value_name = "N", conflicts_with = "data")]
    pub synthetic: Option<usize>,
    /// Coins beside the synthetic shares.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "synthetic", conflicts_with_all = FILES)]
    pub coins: usize,
    /// Bars of each synthetic symbol.
    #[arg(long, value_name = "N", default_value_t = 1_500, requires = "synthetic", conflicts_with_all = FILES)]
    pub bars: usize,
    /// Seed of the synthetic symbols.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "synthetic", conflicts_with_all = FILES)]
    pub seed: u64,
    /// Synthetic series whose nature is known, in the place of a market: a column says what each truly is.
    #[arg(long, requires = "synthetic", conflicts_with = "coins", conflicts_with_all = FILES)]
    pub labelled: bool,
    /// Symbols on the list at most.
    #[arg(long, value_name = "K", default_value = "5", value_parser = count)]
    pub count: usize,
    /// Only what was known then, such as 2012-06-29T20:00:00Z; the close of the last bar when not given.
    #[arg(long, value_name = "TIME")]
    pub as_of: Option<Time>,
    /// Everything that is known of one symbol, and why it is on the list or not.
    #[arg(long, value_name = "SYMBOL")]
    pub explain: Option<Symbol>,
    /// Threads; as many as there are cores when not given.
    #[arg(long, value_name = "N", value_parser = count)]
    pub threads: Option<usize>,
    /// Whether the four selection agents are asked, those that the configuration enables, in the way that it
    /// says: on or off.
    #[arg(long, value_name = "on|off", default_value = "on", action = ArgAction::Set,
          value_parser = on_or_off)]
    pub agents: bool,
    /// Directory for report.html and selection.json, and for the agents' log.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Flags of symbols that are none of the synthetic market. Those that want it name them as well: clap does not
/// ask for a flag that conflicts with one that is there.
const FILES: [&str; 5] = ["data", "alpaca", "assets", "splits", "keep"];

/// The most symbols of a list, and threads.
const COUNT_MAX: usize = 100;

/// The most shares whose days are read.
const KEPT_MAX: usize = 5_000;

fn kept(text: &str) -> Result<usize, String> {
    let number: Option<usize> = text.parse().ok();
    let wanted = || format!("a number from 1 to {KEPT_MAX} is wanted");
    number.filter(|number| (1..=KEPT_MAX).contains(number)).ok_or_else(wanted)
}

fn count(text: &str) -> Result<usize, String> {
    let number: Option<usize> = text.parse().ok();
    let wanted = || format!("a number from 1 to {COUNT_MAX} is wanted");
    number.filter(|number| (1..=COUNT_MAX).contains(number)).ok_or_else(wanted)
}

fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("on or off is wanted".to_owned()),
    }
}

impl SelectArgs {
    fn source(&self) -> Source {
        if let Some(symbols) = self.synthetic {
            let Self { coins, bars, seed, labelled, .. } = *self;
            return Source::Synthetic(Synthetic { symbols, coins, bars, seed, labelled });
        }
        if self.data.is_empty() {
            return Source::Embedded;
        }
        let (paths, assets, splits) = (&self.data, &self.assets, &self.splits);
        Source::Files { paths: paths.clone(), assets: assets.clone(), splits: splits.clone() }
    }

    /// Where the symbols come from, in words.
    fn source_in_words(&self) -> String {
        if self.alpaca {
            return format!("shares that Alpaca lists, at most {} of them", self.keep);
        }
        match (self.synthetic, self.labelled) {
            (Some(_), true) => format!("series of a known nature, seed {}", self.seed),
            (Some(_), false) => format!("the synthetic market, seed {}", self.seed),
            (None, _) if self.data.is_empty() => "the bars that ship with Conclave".to_owned(),
            _ => "bars from files".to_owned(),
        }
    }
}

/// Selects, prints and writes.
///
/// # Errors
/// [`ExitCode::NotFound`] for a symbol that is not there, [`ExitCode::Data`] when there is no universe or
/// no symbol passes, [`ExitCode::Config`] when an agent cannot be asked as it is set up,
/// [`ExitCode::Failure`] when nothing can be written.
pub fn run(
    args: &SelectArgs,
    file: Option<&Path>,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    if let Some(dir) = &args.out {
        refuse_a_run(dir)?;
    }
    let loaded = config::load(file, &[])?;
    let (universe, as_of) = if args.alpaca {
        of_alpaca(args, &loaded.config.alpaca)?
    } else {
        let universe = load(&args.source(), &args.symbols, args.as_of)?;
        let end = args.as_of.or_else(|| universe.end());
        (universe, end)
    };
    if let Some(symbol) = args.explain.as_ref().filter(|symbol| !universe.has(symbol)) {
        let text = format!("--explain names {symbol}, which is not in the universe");
        return Err(CliError::new(ExitCode::NotFound, text));
    }
    let nothing = || CliError::new(ExitCode::Data, "there is no bar to select by");
    let report = selected(args, universe, as_of.ok_or_else(nothing)?, &loaded.config)?;
    if let Some(dir) = &args.out {
        selection::write(&report, dir).map_err(unwritten)?;
    }
    match (&args.explain, format) {
        (Some(symbol), Format::Text) => explain::print(&report, symbol, out)?,
        (Some(symbol), _) => write_json(&explain::document(&report, symbol), format, out)?,
        (None, Format::Text) => show::print(&report, args.out.as_deref(), out)?,
        (None, _) => write_json(&report, format, out)?,
    }
    if report.selected.symbols().is_empty() {
        let text = "no symbol passes all filters: the table of filters says where they went";
        return Err(CliError::new(ExitCode::Data, text));
    }
    Ok(())
}

/// The universe of Alpaca, and the venue's time.
fn of_alpaca(
    args: &SelectArgs,
    settings: &AlpacaSettings,
) -> Result<(Universe, Option<Time>), CliError> {
    let table = match &args.assets {
        Some(path) => one_table(data::read_assets_file(path)?)
            .map_err(|error| CliError::new(ExitCode::Data, error.to_string()))?,
        None => Vec::new(),
    };
    let venue = alpaca::connect(settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .map_err(|error| CliError::new(ExitCode::Failure, format!("no runtime: {error}")))?;
    let rules = Constraints::default();
    let _waiting = Progress::waiting("asks Alpaca for its shares and their days");
    let asked = from_alpaca(&venue, &table, &args.symbols, &rules, args.keep);
    let (universe, now) = runtime.block_on(asked)?;
    if let Some(symbol) = args.symbols.iter().find(|symbol| !universe.has(symbol)) {
        let text = format!("--symbols names {symbol}, which Alpaca does not list");
        return Err(CliError::new(ExitCode::NotFound, text));
    }
    Ok((universe, Some(now)))
}

/// From a universe to the list that was checked last.
fn selected(
    args: &SelectArgs,
    universe: Universe,
    as_of: Time,
    config: &Config,
) -> Result<SelectionReport, CliError> {
    let threads = args.threads.unwrap_or_else(cores);
    let progress = Progress::waiting("measures the symbols");
    let rules = Constraints::default();
    let scored = rank(&universe, as_of, &rules, default_weights(), threads)
        .map_err(|error| CliError::new(ExitCode::Config, error.to_string()))?;
    let source = args.source_in_words();
    let alone = Made::alone(scored, args.count)
        .map_err(|error| CliError::new(ExitCode::Denied, error.to_string()))?;
    progress.say("asks the selection agents");
    let (made, council) = if args.agents && !alone.selected.symbols().is_empty() {
        let question = Question { scored: &alone.scored, count: args.count, source: &source };
        let (made, council) = advise(question, config, args.out.as_deref())?;
        (made, Some(council))
    } else {
        // Agents only take away and move: of no list they make none.
        (alone, None)
    };
    let Made { scored, diverse, selected } = made;
    let mut report =
        SelectionReport::of(&scored, &diverse, selected, args.count, args.explain.as_ref());
    report.council = council;
    report.source = source;
    report.universe += universe.first_look.refused.len();
    report.filters.splice(0..0, universe.first_look.reports);
    report.first_look = universe.first_look.refused;
    report.truth =
        universe.truth.into_iter().map(|(symbol, truth)| (symbol, truth.to_owned())).collect();
    Ok(report)
}

fn unwritten(error: ReportError) -> CliError {
    CliError::new(ExitCode::Failure, "the report cannot be written").caused_by(error)
}
