//! `data synth --seed N --out DIR`: a synthetic market as files.

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use conclave_domain::market::csv::write_csv;
use conclave_domain::market::series::series_hash;
use conclave_domain::market::synth::{
    Preset, SynthConfig, SynthFault, SynthMarket, generate, statements,
};
use serde_json::json;

use super::check::shown;
use super::files::{make_dir, refuse_existing, write_whole};
use crate::cli::error::{CliError, ExitCode};
use crate::cli::format::{Format, write_json};
use crate::cli::progress::Progress;
use crate::run::arena::raw_statement;

/// Arguments of `data synth`.
#[derive(Args, Clone, Debug)]
pub struct SynthArgs {
    /// The same seed and options give the same files.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// What kind of market.
    #[arg(long, value_enum, default_value_t)]
    pub preset: PresetName,
    /// Number of shares; the preset's when not given.
    #[arg(long)]
    pub symbols: Option<usize>,
    /// Number of coins.
    #[arg(long, default_value_t = 0)]
    pub coins: usize,
    /// Bars of each symbol; the preset's when not given.
    #[arg(long)]
    pub bars: Option<usize>,
    /// What shall be wrong with it, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub faults: Vec<FaultName>,
    /// The directory to write to; made when it is not there.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Replace files that are there.
    #[arg(long)]
    pub force: bool,
}

/// A preset on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PresetName {
    /// Low volatility, no jumps, neither bear nor crash.
    Calm,
    /// All regimes, clustered volatility, jumps and news: 24 shares, 1,500 days.
    #[default]
    Default,
    /// 500,000 minute bars of one share.
    Minutes,
}

/// A fault on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FaultName {
    /// One split per share, named in splits.csv.
    Splits,
    /// A few bars in a row without trade.
    Halts,
    /// Single bars that are not there.
    Missing,
    /// Bars that the door must refuse.
    BadTicks,
    /// Items that do not say when they were known.
    UndatedNews,
    /// Items known days after what they tell of.
    LateNews,
    /// Items whose text gives orders to its reader.
    HostileNews,
    /// Statements that do not say when they were filed.
    UnfiledStatements,
    /// Statements filed months after they should have been.
    LateStatements,
}

impl From<FaultName> for SynthFault {
    fn from(name: FaultName) -> Self {
        match name {
            FaultName::Splits => Self::Splits,
            FaultName::Halts => Self::Halts,
            FaultName::Missing => Self::Missing,
            FaultName::BadTicks => Self::BadTicks,
            FaultName::UndatedNews => Self::UndatedNews,
            FaultName::LateNews => Self::LateNews,
            FaultName::HostileNews => Self::HostileNews,
            FaultName::UnfiledStatements => Self::UnfiledStatements,
            FaultName::LateStatements => Self::LateStatements,
        }
    }
}

pub(super) fn run(args: &SynthArgs, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    let waiting = Progress::waiting("makes the market");
    let market = generate(&config(args), args.seed)
        .map_err(|error| CliError::new(ExitCode::Usage, error.to_string()))?;
    let files = files(args, &market)?;
    let paths: Vec<PathBuf> = files.iter().map(|(path, _)| path.clone()).collect();
    refuse_existing(&paths, args.force)?;
    make_dir(&args.out)?;
    for (path, text) in &files {
        write_whole(path, text)?;
    }
    drop(waiting);
    let bars: usize = market.series.iter().map(|series| series.bars.len()).sum();
    let hash = series_hash(&market.series);
    if format != Format::Text {
        let document = json!({
            "schema": "data-synth/1",
            "out": args.out.display().to_string(),
            "seed": args.seed,
            "symbols": market.series.len(),
            "bars": bars,
            "splits": market.splits.len(),
            "news": market.news.len(),
            "data_hash": hash,
        });
        return write_json(&document, format, out);
    }
    let (symbols, news) = (market.series.len(), market.news.len());
    let place = shown(&args.out);
    writeln!(
        out,
        "{place}: {symbols} symbols, {bars} bars, {news} news items, seed {}",
        args.seed
    )?;
    writeln!(out, "data hash {hash}")?;
    Ok(())
}

fn config(args: &SynthArgs) -> SynthConfig {
    let mut config = SynthConfig::of(match args.preset {
        PresetName::Calm => Preset::Calm,
        PresetName::Default => Preset::Default,
        PresetName::Minutes => Preset::Minutes,
    });
    config.symbols = args.symbols.unwrap_or(config.symbols);
    config.bars = args.bars.unwrap_or(config.bars);
    config.coins = args.coins;
    config.faults = args.faults.iter().copied().map(SynthFault::from).collect();
    config
}

/// Every file of the market with its text: bars, assets, splits, regimes, news and statements.
fn files(args: &SynthArgs, market: &SynthMarket) -> Result<Vec<(PathBuf, String)>, CliError> {
    let no_text = |_| CliError::new(ExitCode::Failure, "the market has no text");
    let mut files = Vec::new();
    for series in &market.series {
        let mut text = String::new();
        write_csv(series, &mut text).map_err(no_text)?;
        files.push((args.out.join(format!("{}.csv", series.symbol.slug())), text));
    }
    let mut assets = String::from("symbol,class,sector,name\n");
    for asset in &market.assets {
        let class = asset.class.name();
        writeln!(assets, "{},{class},{},{}", asset.symbol, asset.sector, asset.name)
            .map_err(no_text)?;
    }
    files.push((args.out.join("assets.csv"), assets));
    let mut splits = String::from("symbol,date,ratio\n");
    for split in &market.splits {
        writeln!(splits, "{},{},{}:{}", split.symbol, split.date, split.new, split.old)
            .map_err(no_text)?;
    }
    files.push((args.out.join("splits.csv"), splits));
    let mut regimes = String::from("timestamp,regime\n");
    for day in &market.regimes {
        writeln!(regimes, "{},{}", day.open_time, day.regime.name()).map_err(no_text)?;
    }
    files.push((args.out.join("regimes.csv"), regimes));
    let mut news = String::new();
    for item in &market.news {
        let line = serde_json::to_string(item).map_err(|error| {
            CliError::new(ExitCode::Failure, "the news have no text").caused_by(error)
        })?;
        news.push_str(&line);
        news.push('\n');
    }
    files.push((args.out.join("news.jsonl"), news));
    let mut quarters = String::new();
    for one in statements(&config(args), args.seed, market) {
        let line = serde_json::to_string(&raw_statement(one)).map_err(|error| {
            CliError::new(ExitCode::Failure, "the statements have no text").caused_by(error)
        })?;
        quarters.push_str(&line);
        quarters.push('\n');
    }
    files.push((args.out.join("statements.jsonl"), quarters));
    Ok(files)
}
