//! `arena run`: a season from its bars to its board.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use conclave_domain::market::symbol::Symbol;
use jiff::civil::Date;
use metrics_exporter_prometheus::PrometheusHandle;

use super::board;
use super::export::kept_name;
use super::runs;
use crate::adapters::arena_store::postgres::URL_ENV;
use crate::catalogue;
use crate::cli::config;
use crate::cli::error::{CliError, ExitCode};
use crate::cli::format::{Format, write_json};
use crate::config::arena::ModelChoice;
use crate::run::arena::{Place, Prepared, Record, Span, Texts, fresh, play, prepare, ready};
use crate::run::select::{Source, Synthetic};

/// `arena run`
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Without --data or --synthetic it is played on the last 252 sessions of the embedded bars. Every \
    contestant is shown the same at every close, has a book of its own, and is filled at the next opening by \
    the rules of the market, with slippage and fees. Nothing leaves this machine but what contestants of \
    models ask, none of which takes part unless it is named, and what --store and --notify send. Exit codes: 0 a board, 3 a season that is \
    none or a key that is missing, 5 a file or symbol that is not there, 8 bars that make no season, or --resume of \
    another one."
)]
pub struct RunArgs {
    /// The symbols; all that there are when not given.
    #[arg(long, value_name = "SYMBOLS", value_delimiter = ',')]
    pub symbols: Vec<Symbol>,
    /// One tick: the close of this day.
    #[arg(long, value_name = "DAY", conflicts_with_all = ["from", "until", "last"])]
    pub date: Option<Date>,
    /// The first day.
    #[arg(long, value_name = "DAY", conflicts_with = "last")]
    pub from: Option<Date>,
    /// The last day; later bars are not looked at.
    #[arg(long, value_name = "DAY")]
    pub until: Option<Date>,
    /// The last so many ticks; earlier bars warm the contestants up.
    #[arg(long, value_name = "N", default_value_t = 252,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub last: u32,
    /// CSV files of bars, or a directory of them with assets.csv and splits.csv beside; a file's stem is
    /// its symbol.
    #[arg(long, value_name = "PATH", num_args = 1.., conflicts_with = "synthetic")]
    pub data: Vec<PathBuf>,
    /// As many shares of the synthetic market.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=500))]
    pub synthetic: Option<u16>,
    /// Seed of the synthetic market.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "synthetic", conflicts_with_all = FILES)]
    pub seed: u64,
    /// Bars of each synthetic symbol.
    #[arg(long, value_name = "N", default_value_t = 750, requires = "synthetic", conflicts_with_all = FILES,
          value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub bars: u32,
    /// News, posts and filings about the symbols: a JSON line each, as `data synth` writes them. What does not
    /// say when it was known is held back and counted.
    #[arg(long, value_name = "FILE", conflicts_with = "synthetic")]
    pub news: Option<PathBuf>,
    /// Statements of the issuers, a JSON line each: `symbol`, `period_end`, `filed_at` and `figures` as decimal text.
    /// They are known from their filing on; one that was never filed is held back and counted.
    #[arg(long, value_name = "FILE", conflicts_with = "synthetic")]
    pub statements: Option<PathBuf>,
    /// Undated, late and hostile texts and unfiled and late statements in the synthetic market.
    #[arg(long, requires = "synthetic", conflicts_with_all = FILES)]
    pub traps: bool,
    /// The season and its contestants, in the form of config/arena.toml, which is played when not given.
    #[arg(long, value_name = "FILE")]
    pub spec: Option<PathBuf>,
    /// Contestants of models that take part, by their signatures, or `all`; those that the season's file
    /// enables when not given. They ask their providers and cost money.
    #[arg(long, value_name = "NAMES|all")]
    pub models: Option<ModelChoice>,
    /// The season's directory; runs/arena-NAME-N when not given.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Goes on with the season in this directory: what its log holds is not asked again.
    #[arg(long, value_name = "DIR", conflicts_with = "out")]
    pub resume: Option<PathBuf>,
    /// The same season so many times, each in a directory of its own below the season's: on synthetic
    /// markets of one seed after the other, else on as many stretches of ticks that have none in common.
    /// Five and more have intervals.
    #[arg(long, value_name = "N", conflicts_with_all = ["date", "from", "store_as"],
          value_parser = clap::value_parser!(u16).range(2..=500))]
    pub runs: Option<u16>,
    /// Where the record is kept: in the season's directory, or in Postgres as well, tick by tick, at the
    /// address in `CONCLAVE_ARENA_POSTGRES_URL`. The season does not wait for it.
    #[arg(long, value_enum, default_value = "directory")]
    pub store: Store,
    /// What people are told by Telegram, Slack or the webhook, as [notify] of the configuration says for the
    /// kind `arena`.
    #[arg(long, value_enum, default_value = "never")]
    pub notify: Notify,
    /// The name that it is kept as in Postgres; made of what decides the season when not given.
    #[arg(long, value_name = "NAME", value_parser = kept_name)]
    pub store_as: Option<String>,
}

/// Flags of bars that are no synthetic market's. Those that want one name them as well: clap does not ask for
/// a flag that conflicts with one that is there.
const FILES: [&str; 3] = ["data", "news", "statements"];

/// What people are told of a season by the ways out that are configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Notify {
    /// Nothing.
    #[default]
    Never,
    /// Its last tick and its board.
    End,
    /// Every tick as well: what all said together, the votes, and who said otherwise.
    Ticks,
}

/// Where a season's record is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Store {
    /// In its directory.
    Directory,
    /// In Postgres as well.
    Postgres,
}

impl RunArgs {
    /// Where the bars come from, and the same in words.
    fn source(&self) -> (Source, String) {
        if let Some(symbols) = self.synthetic {
            let synthetic = Synthetic {
                symbols: usize::from(symbols),
                coins: 0,
                bars: usize::try_from(self.bars).unwrap_or(usize::MAX),
                seed: self.seed,
                labelled: false,
            };
            let words = format!("the synthetic market, seed {}", self.seed);
            return (Source::Synthetic(synthetic), words);
        }
        if self.data.is_empty() {
            return (Source::Embedded, "the bars that ship with Conclave".to_owned());
        }
        let paths = self.data.clone();
        (Source::Files { paths, assets: None, splits: None }, "bars from files".to_owned())
    }

    /// Where texts and statements come from.
    fn texts(&self) -> Texts {
        Texts { news: self.news.clone(), statements: self.statements.clone(), traps: self.traps }
    }

    /// The bars and who takes part.
    pub(super) fn prepared(&self) -> Result<Prepared, CliError> {
        let (source, words) = self.source();
        let choice = self.models.clone().unwrap_or_default();
        let spec = (self.spec.as_deref(), &choice);
        prepare((&source, words), &self.texts(), &self.symbols, self.span(), spec)
    }

    /// The directory, and whether it holds what is gone on with.
    pub(super) fn place(&self, season: &str) -> Result<(PathBuf, bool), CliError> {
        match (&self.resume, &self.out) {
            (Some(dir), _) => Ok((dir.clone(), true)),
            (None, Some(dir)) => Ok((dir.clone(), false)),
            (None, None) => Ok((fresh(season)?, false)),
        }
    }

    /// Where else the record is kept; an address that is missing is said before the first tick.
    pub(super) fn record(&self) -> Result<Record, CliError> {
        let wrong = |code, text: String| Err(CliError::new(code, text));
        match (self.store, &self.store_as) {
            (Store::Directory, None) => Ok(Record::Directory),
            (Store::Directory, Some(_)) => {
                wrong(ExitCode::Usage, "--store-as is for --store postgres".to_owned())
            }
            (Store::Postgres, _) if std::env::var_os(URL_ENV).is_none() => {
                wrong(ExitCode::Config, format!("--store postgres: {URL_ENV} is not set"))
            }
            (Store::Postgres, name) => Ok(Record::Postgres(name.clone())),
        }
    }

    fn span(&self) -> Span {
        let last = usize::try_from(self.last).unwrap_or(usize::MAX);
        Span { from: self.date.or(self.from), until: self.date.or(self.until), last }
    }
}

/// What the process counts from now on.
pub(super) fn counted() -> Result<PrometheusHandle, CliError> {
    catalogue::install().map_err(|error| CliError::new(ExitCode::Failure, error.to_string()))
}

/// Plays a season and prints its board.
///
/// # Errors
/// As [`prepare`] and [`play`] say.
pub(super) fn run(
    args: &RunArgs,
    file: Option<&Path>,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    if let Some(runs) = args.runs {
        return runs::run(args, runs, file, (format, out));
    }
    let record = args.record()?;
    let loaded = config::load(file, &[])?;
    let prepared = args.prepared()?;
    let ready = ready(&prepared, &loaded.config, args.notify, args.resume.as_deref())?;
    let metrics = counted()?;
    let (dir, resume) = args.place(&prepared.spec.season)?;
    let place = Place { dir: dir.clone(), resume, record, notify: args.notify, metrics };
    let report = play(&loaded.config, &place, ready)?;
    if format != Format::Text {
        return write_json(&report.board, format, out);
    }
    write!(out, "{}", board::text(&report.board, board::wants_medals()))?;
    writeln!(out, "report: {}", dir.join("report.html").display())?;
    Ok(())
}
