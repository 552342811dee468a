//! What an exchange trades: the embedded bars, files, or the synthetic market, as they were printed on
//! their day.

use std::path::PathBuf;
use std::time::Duration;

use conclave_domain::exchange::venue::Listing;
use conclave_domain::market::asset::Asset;
use conclave_domain::market::calendar::Calendar;
use conclave_domain::market::csv::CsvOptions;
use conclave_domain::market::series::Series;
use conclave_domain::market::symbol::{AssetClass, Symbol};
use conclave_domain::market::synth::{Preset, SynthConfig, generate};
use conclave_domain::time::Time;
use jiff::civil::Date;

use crate::cli::error::{CliError, ExitCode};
use crate::data;

/// Bars that are history where nobody says from when on the exchange trades.
const HISTORY: usize = 250;
/// Extended trading begins this long before the opening.
const MORNING: Duration = Duration::from_mins(330);

/// Where the bars come from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Source {
    /// Files; the embedded bars where there are none.
    pub(crate) files: Vec<PathBuf>,
    /// Tables that go with files.
    pub(crate) splits: Option<PathBuf>,
    /// Dividends, of the embedded bars too.
    pub(crate) dividends: Option<PathBuf>,
    /// Which files are of coins, and the names.
    pub(crate) assets: Option<PathBuf>,
    /// The synthetic market instead: its preset.
    pub(crate) synth: Option<String>,
    /// Coins of the synthetic market.
    pub(crate) coins: usize,
    /// Its seed.
    pub(crate) seed: u64,
    /// Only these symbols.
    pub(crate) symbols: Vec<Symbol>,
}

/// Everything that is traded.
///
/// # Errors
/// When bars or tables cannot be had, or nothing is left.
pub(crate) fn listings(source: &Source) -> Result<Vec<Listing>, CliError> {
    let dividends = match &source.dividends {
        Some(path) => data::read_dividends_file(path)?,
        None => Vec::new(),
    };
    let (series, assets, splits) = match &source.synth {
        Some(preset) => synthetic(preset, source)?,
        None if source.files.is_empty() => {
            (data::embedded_raw()?, data::embedded_assets()?, data::embedded_splits()?)
        }
        None => {
            let splits = match &source.splits {
                Some(path) => data::read_splits_file(path)?,
                None => Vec::new(),
            };
            let (series, assets) = from_files(source)?;
            (series, assets, splits)
        }
    };
    for symbol in &source.symbols {
        if !series.iter().any(|it| it.symbol == *symbol) {
            let text = format!("--symbols names {symbol}, of which there are no bars");
            return Err(CliError::new(ExitCode::NotFound, text));
        }
    }
    let wanted = |it: &Series| {
        !it.bars.is_empty() && (source.symbols.is_empty() || source.symbols.contains(&it.symbol))
    };
    let listings: Vec<Listing> = series
        .into_iter()
        .filter(wanted)
        .map(|it| {
            let asset = assets.iter().find(|asset| asset.symbol == it.symbol);
            let name = asset.map_or_else(|| it.symbol.to_string(), |asset| asset.name.clone());
            Listing::new(it, name, &splits, &dividends)
        })
        .collect();
    if listings.is_empty() {
        return Err(CliError::new(ExitCode::Data, "there are no bars to trade"));
    }
    Ok(listings)
}

type Market = (Vec<Series>, Vec<Asset>, Vec<conclave_domain::market::splits::Split>);

fn synthetic(preset: &str, source: &Source) -> Result<Market, CliError> {
    let preset = match preset {
        "calm" => Preset::Calm,
        "minutes" => Preset::Minutes,
        _ => Preset::Default,
    };
    let config = SynthConfig { coins: source.coins, ..SynthConfig::of(preset) };
    let market = generate(&config, source.seed);
    let market = market.map_err(|error| CliError::new(ExitCode::Usage, error.to_string()))?;
    Ok((market.series, market.assets, market.splits))
}

fn from_files(source: &Source) -> Result<(Vec<Series>, Vec<Asset>), CliError> {
    let assets = match &source.assets {
        Some(path) => data::read_assets_file(path)?,
        None => Vec::new(),
    };
    let mut all: Vec<Series> = Vec::new();
    for path in &source.files {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let asset = assets.iter().find(|asset| asset.symbol.slug() == stem);
        let symbol = match asset {
            Some(asset) => asset.symbol.clone(),
            None => Symbol::new(&stem.to_uppercase()).map_err(|error| {
                CliError::new(ExitCode::Usage, format!("{}: {error}", path.display()))
            })?,
        };
        if all.iter().any(|other| other.symbol == symbol) {
            let text = format!("--data names {symbol} twice: a file's stem is its symbol");
            return Err(CliError::new(ExitCode::Usage, text));
        }
        let mut options = CsvOptions::new(symbol);
        options.class = asset.map_or(AssetClass::Equity, |asset| asset.class);
        all.push(data::read_file(path, &options)?.series);
    }
    Ok((all, assets))
}

/// When the exchange's clock begins: on the morning of a day, or of the first one behind some history.
///
/// # Errors
/// When there are no prices from that day on.
pub(crate) fn begins(listings: &[Listing], day: Option<Date>) -> Result<Time, CliError> {
    let longest = listings.iter().max_by_key(|it| it.bars.len());
    let none = || CliError::new(ExitCode::Data, "there are no bars to trade");
    let longest = longest.ok_or_else(none)?;
    let calendar = longest.calendar();
    let day = day.unwrap_or_else(|| {
        let nth = if HISTORY * 2 <= longest.bars.len() { HISTORY } else { 0 };
        let bar = longest.bars.get(nth).or(longest.bars.first());
        bar.map_or(Date::ZERO, |bar| calendar.session_date(bar.open_time))
    });
    let (open, _) = calendar.ordinary_hours(day);
    let from = if calendar == Calendar::Xnys { open - MORNING } else { open };
    let has_prices = |it: &Listing| it.bars.last().is_some_and(|last| from < last.close_time);
    if listings.iter().any(has_prices) {
        return Ok(from);
    }
    Err(CliError::new(ExitCode::NotFound, format!("there are no prices from {day} on")))
}
