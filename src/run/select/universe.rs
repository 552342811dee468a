//! Where a universe comes from: the embedded bars, files, or the synthetic market.
//!
//! What class a symbol is of, and which sector, stands in a table of assets; a symbol that is not in it
//! is an error, never a guess.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use conclave_domain::market::asset::{Asset, one_table};
use conclave_domain::market::csv::CsvOptions;
use conclave_domain::market::series::Series;
use conclave_domain::market::splits::{Split, adjust};
use conclave_domain::market::symbol::Symbol;
use conclave_domain::market::synth::labelled::{Nature, labelled};
use conclave_domain::market::synth::{Preset, SynthConfig, SynthError, generate};
use conclave_domain::ratio::Ratio;
use conclave_domain::time::Time;

use super::FirstLook;
use crate::cli::error::{CliError, ExitCode};
use crate::data::{self, DataError};

/// A symbol with its bars, adjusted for splits.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// What it is.
    pub asset: Asset,
    /// Its bars.
    pub series: Series,
}

/// What may be selected from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Universe {
    /// The symbols.
    pub listed: Vec<Listed>,
    /// What each truly is, where that is known.
    pub truth: BTreeMap<Symbol, &'static str>,
    /// What was dropped before.
    pub first_look: FirstLook,
}

impl Universe {
    /// The close of the last bar; `None` without one.
    pub fn end(&self) -> Option<Time> {
        self.listed.iter().filter_map(|it| it.series.bars.last()).map(|bar| bar.close_time).max()
    }

    /// Whether a symbol is in it, the first look included.
    pub fn has(&self, symbol: &Symbol) -> bool {
        let is_listed = self.listed.iter().any(|it| it.asset.symbol == *symbol);
        is_listed || self.first_look.refused.contains_key(symbol)
    }
}

/// A synthetic universe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synthetic {
    /// Shares.
    pub symbols: usize,
    /// Coins.
    pub coins: usize,
    /// Bars of each.
    pub bars: usize,
    /// Seed of everything random.
    pub seed: u64,
    /// Series of a known nature instead of a market.
    pub labelled: bool,
}

/// Where a universe comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// What ships with the binary.
    Embedded,
    /// Made.
    Synthetic(Synthetic),
    /// Files of bars, or directories of them.
    Files {
        /// Files and directories.
        paths: Vec<PathBuf>,
        /// The table of assets; that of the directory when not given.
        assets: Option<PathBuf>,
        /// The table of splits; that of the directory when not given.
        splits: Option<PathBuf>,
    },
}

/// Reads or makes a universe; of `symbols` alone where there are any. Bars after `as_of` are cut off
/// before splits are taken into account, so that no later split shows in an earlier price.
///
/// # Errors
/// When a file cannot be read, a symbol is in no table of assets or not there, two rows of tables
/// contradict each other, or bars are of different lengths.
pub fn load(
    source: &Source,
    symbols: &[Symbol],
    as_of: Option<Time>,
) -> Result<Universe, CliError> {
    let mut universe = match source {
        Source::Embedded => Universe { listed: embedded(as_of)?, ..Universe::default() },
        Source::Synthetic(wanted) => {
            synthetic(wanted).map_err(|error| CliError::new(ExitCode::Usage, error.to_string()))?
        }
        Source::Files { paths, assets, splits } => {
            let listed = from_files(paths, assets.as_deref(), splits.as_deref(), as_of)?;
            Universe { listed, ..Universe::default() }
        }
    };
    for symbol in symbols {
        if !universe.listed.iter().any(|it| it.asset.symbol == *symbol) {
            let text = format!("--symbols names {symbol}, which is not in the universe");
            return Err(CliError::new(ExitCode::NotFound, text));
        }
    }
    if !symbols.is_empty() {
        universe.listed.retain(|it| symbols.contains(&it.asset.symbol));
    }
    one_timeframe(&universe.listed)?;
    Ok(universe)
}

/// The splits that a source tells of, whatever symbol or day they are of. A synthetic market's are taken into
/// account from its first bar on, and none is told.
///
/// # Errors
/// When a table cannot be read.
pub fn splits(source: &Source) -> Result<Vec<Split>, CliError> {
    match source {
        Source::Embedded => Ok(data::embedded_splits()?),
        Source::Synthetic(_) => Ok(Vec::new()),
        Source::Files { paths, splits, .. } => {
            let mut all = Vec::new();
            for table in tables(paths, splits.as_deref(), "splits.csv") {
                all.extend(data::read_splits_file(&table)?);
            }
            Ok(all)
        }
    }
}

/// The tables of a kind that belong to bars: the one that is named, else those beside the bars.
fn tables(paths: &[PathBuf], named: Option<&Path>, kind: &str) -> Vec<PathBuf> {
    if let Some(named) = named {
        return vec![named.to_owned()];
    }
    let mut tables: Vec<PathBuf> = paths
        .iter()
        .map(|path| if path.is_dir() { path.join(kind) } else { path.with_file_name(kind) })
        .collect();
    tables.sort();
    tables.dedup();
    tables.retain(|table| table.is_file());
    tables
}

/// Bars of different lengths cannot be compared.
fn one_timeframe(listed: &[Listed]) -> Result<(), CliError> {
    let first = listed.first().map(|it| it.series.timeframe);
    let other = listed.iter().find(|it| Some(it.series.timeframe) != first);
    let Some(other) = other else { return Ok(()) };
    let (symbol, name) = (&other.asset.symbol, other.series.timeframe.name());
    let text = format!("{symbol} has bars of {name} and others have not: one universe, one length");
    Err(CliError::new(ExitCode::Data, text))
}

/// Bars as they were known then, in the shares of their last day.
fn as_known(mut raw: Series, splits: &[Split], as_of: Option<Time>) -> Result<Series, DataError> {
    if let Some(as_of) = as_of {
        raw.bars.retain(|bar| bar.close_time <= as_of);
    }
    Ok(adjust(&raw, splits)?)
}

fn embedded(as_of: Option<Time>) -> Result<Vec<Listed>, DataError> {
    let (assets, splits) = (data::embedded_assets()?, data::embedded_splits()?);
    let listed = |raw: Series| {
        let asset = assets.iter().find(|asset| asset.symbol == raw.symbol).cloned();
        let none = DataError::NoAsset { symbol: raw.symbol.to_string() };
        Ok(Listed { asset: asset.ok_or(none)?, series: as_known(raw, &splits, as_of)? })
    };
    data::embedded_raw()?.into_iter().map(listed).collect()
}

fn synthetic(wanted: &Synthetic) -> Result<Universe, SynthError> {
    let Synthetic { symbols, coins, bars, seed, labelled: is_labelled } = *wanted;
    if is_labelled {
        return natures(symbols, bars, seed);
    }
    let config = SynthConfig {
        symbols,
        coins: 0,
        bars,
        news_per_year: Ratio::ZERO,
        ..SynthConfig::of(Preset::Default)
    };
    let listed = |config: &SynthConfig| {
        let market = generate(config, seed)?;
        let pairs = market.assets.into_iter().zip(market.series);
        Ok::<Vec<Listed>, SynthError>(
            pairs.map(|(asset, series)| Listed { asset, series }).collect(),
        )
    };
    let mut universe = Universe::default();
    if symbols > 0 || coins == 0 {
        universe.listed = listed(&config)?;
    }
    if coins > 0 {
        // A coin has bars on weekends too, so it takes more of them to end with the shares.
        let end = universe.end();
        let more = SynthConfig { symbols: 0, coins, bars: bars * 3 / 2, ..config };
        for mut coin in listed(&more)? {
            coin.series.bars.retain(|bar| end.is_none_or(|end| bar.close_time <= end));
            universe.listed.push(coin);
        }
    }
    Ok(universe)
}

/// The natures of a labelled universe, in turn.
const NATURES: [Nature; 6] = [
    Nature::Reverting { half_life: 10.0 },
    Nature::Fractional { hurst: 0.70 },
    Nature::Walk,
    Nature::Clustered { alpha: 0.08, beta: 0.90 },
    Nature::Regimes { calm: 0.98, wild: 0.95 },
    Nature::Fractional { hurst: 0.30 },
];

fn natures(symbols: usize, bars: usize, seed: u64) -> Result<Universe, SynthError> {
    if symbols == 0 || bars == 0 {
        return Err(SynthError::Empty);
    }
    let mut universe = Universe::default();
    for index in 0..symbols {
        // One more at each turn around the sectors, so that no sector is of one nature.
        let nature = NATURES[(index + index / NATURES.len()) % NATURES.len()];
        let (asset, series) = labelled(nature, bars, seed, index)?;
        universe.truth.insert(asset.symbol.clone(), nature.name());
        universe.listed.push(Listed { asset, series });
    }
    Ok(universe)
}

/// Tables that may lie beside bars.
const TABLES: [&str; 5] =
    ["assets.csv", "splits.csv", "dividends.csv", "regimes.csv", "checksums.csv"];

fn from_files(
    paths: &[PathBuf],
    assets: Option<&Path>,
    splits: Option<&Path>,
    as_of: Option<Time>,
) -> Result<Vec<Listed>, CliError> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(bars_in(path)?);
        } else {
            files.push(path.clone());
        }
    }
    let mut known: Vec<Asset> = Vec::new();
    for table in tables(paths, assets, "assets.csv") {
        known.extend(data::read_assets_file(&table)?);
    }
    let known =
        one_table(known).map_err(|error| CliError::new(ExitCode::Data, error.to_string()))?;
    let mut all_splits: Vec<Split> = Vec::new();
    for table in tables(paths, splits, "splits.csv") {
        all_splits.extend(data::read_splits_file(&table)?);
    }
    if files.is_empty() {
        return Err(CliError::new(ExitCode::Data, "--data names no file of bars"));
    }
    let mut listed: Vec<Listed> = Vec::new();
    for file in &files {
        let one = from_file(file, &known, &all_splits, as_of)?;
        if listed.iter().any(|other| other.asset.symbol == one.asset.symbol) {
            let symbol = &one.asset.symbol;
            let text = format!("--data names {symbol} twice: a file's stem is its symbol");
            return Err(CliError::new(ExitCode::Usage, text));
        }
        listed.push(one);
    }
    Ok(listed)
}

fn from_file(
    path: &Path,
    assets: &[Asset],
    splits: &[Split],
    as_of: Option<Time>,
) -> Result<Listed, CliError> {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let asset = assets.iter().find(|asset| asset.symbol.slug() == stem);
    let Some(asset) = asset else {
        let text = format!(
            "{stem} is in no table of assets: assets.csv beside the bars, such as \
             `symbol,class,sector,name` above `{stem},equity,unknown,{stem}`, says what each symbol is"
        );
        return Err(CliError::new(ExitCode::Data, text));
    };
    let mut options = CsvOptions::new(asset.symbol.clone());
    options.class = asset.class;
    let read = data::read_file(path, &options)?.series;
    // A coin is in no table of splits.
    let series = as_known(read, splits, as_of)?;
    Ok(Listed { asset: asset.clone(), series })
}

/// The files of bars in a directory, by name.
fn bars_in(dir: &Path) -> Result<Vec<PathBuf>, CliError> {
    let failed = |source| DataError::File { path: dir.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_bars = path.extension().is_some_and(|ending| ending == "csv");
        if is_bars && !TABLES.contains(&name) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
