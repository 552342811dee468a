//! `data fetch --symbols … --from … --timeframe … --out DIR`: history from Alpaca, through the door,
//! in our own form.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use conclave_domain::alpaca::Stamp;
use conclave_domain::market::bar::Timeframe;
use conclave_domain::market::calendar::Calendar;
use conclave_domain::market::csv::write_csv;
use conclave_domain::market::door::Door;
use conclave_domain::market::series::{Series, series_hash};
use conclave_domain::market::symbol::{AssetClass, Symbol};
use conclave_domain::time::Time;
use jiff::civil::Date;
use serde_json::json;

use super::Class;
use super::check::shown;
use super::files::{make_dir, refuse_existing, write_whole};
use crate::adapters::alpaca_http::{Alpaca, BarsQuery};
use crate::adapters::clock;
use crate::cli::error::{CliError, ExitCode};
use crate::cli::format::{Format, write_json};
use crate::cli::progress::Progress;
use crate::cli::{alpaca, config};

/// Faults of one symbol's bars that are named.
const FAULTS_SHOWN: usize = 20;

/// Arguments of `data fetch`.
#[derive(Args, Clone, Debug)]
pub struct FetchArgs {
    /// What is fetched, separated by commas: `AAPL,MSFT`, or `BTC/USD` of coins.
    #[arg(long, value_delimiter = ',', required = true)]
    pub symbols: Vec<Symbol>,
    /// Decides the calendar and the market that is asked.
    #[arg(long, value_enum, default_value_t)]
    pub class: Class,
    /// The bars' length: 1m, 5m, 15m, 30m, 1h, 4h, 1d or 1w.
    #[arg(long, value_name = "LENGTH", value_parser = super::timeframe, default_value = "1d")]
    pub timeframe: Timeframe,
    /// The first day, such as 2024-01-02.
    #[arg(long, value_name = "DAY")]
    pub from: Date,
    /// The last day; today when not given.
    #[arg(long, value_name = "DAY")]
    pub to: Option<Date>,
    /// What prices of shares are adjusted for.
    #[arg(long, value_enum, default_value_t)]
    pub adjustment: Adjustment,
    /// Keep the bars of shares before the opening and after the close too.
    #[arg(long)]
    pub extended: bool,
    /// The directory to write to; made when it is not there.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Replace files that are there.
    #[arg(long)]
    pub force: bool,
}

/// What prices are adjusted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Adjustment {
    /// Splits: a price can be compared with one of before.
    #[default]
    Split,
    /// Nothing: prices as they were paid; splits need a table of their own.
    Raw,
    /// Splits and dividends: returns can be compared.
    All,
}

impl Adjustment {
    const fn word(self) -> &'static str {
        match self {
            Self::Split => "split",
            Self::Raw => "raw",
            Self::All => "all",
        }
    }
}

pub(super) async fn run(
    args: &FetchArgs,
    file: Option<&Path>,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let loaded = config::load(file, &[])?;
    let targets: Vec<PathBuf> =
        args.symbols.iter().map(|it| args.out.join(format!("{}.csv", it.slug()))).collect();
    refuse_existing(&targets, args.force)?;
    let venue = alpaca::connect(&loaded.config.alpaca)?;
    let progress = Progress::things(args.symbols.len() as u64, "symbols");
    let mut fetched = Vec::new();
    for symbol in &args.symbols {
        progress.say(symbol.as_str());
        fetched.push(fetch(args, &venue, symbol, clock::now()).await?);
        progress.advance(1);
    }
    progress.finish();
    // Everything was fetched and is sound: only now anything is written.
    make_dir(&args.out)?;
    let mut files = Vec::new();
    for ((series, warnings), target) in fetched.iter().zip(&targets) {
        let mut text = String::new();
        write_csv(series, &mut text).map_err(|error| {
            CliError::new(ExitCode::Failure, "the bars have no text").caused_by(error)
        })?;
        write_whole(target, &text)?;
        files.push(json!({
            "file": target.display().to_string(),
            "symbol": series.symbol,
            "bars": series.bars.len(),
            "warnings": warnings,
            "first": series.bars.first().map(|bar| bar.open_time),
            "last": series.bars.last().map(|bar| bar.close_time),
        }));
    }
    let series: Vec<Series> = fetched.iter().map(|(series, _)| series.clone()).collect();
    let hash = series_hash(&series);
    if format != Format::Text {
        let document = json!({
            "schema": "data-fetch/1",
            "timeframe": args.timeframe.name(),
            "adjustment": args.adjustment.word(),
            "files": files,
            "data_hash": hash,
        });
        return write_json(&document, format, out);
    }
    for ((series, warnings), target) in fetched.iter().zip(&targets) {
        let (bars, file) = (series.bars.len(), shown(target));
        writeln!(out, "{file}: {bars} bars of {}, {warnings} warnings", series.symbol)?;
    }
    Ok(writeln!(out, "data hash {hash}")?)
}

/// The closed bars of one symbol, checked, and how much is strange about them.
async fn fetch(
    args: &FetchArgs,
    venue: &Alpaca,
    symbol: &Symbol,
    now: Time,
) -> Result<(Series, usize), CliError> {
    let class = AssetClass::from(args.class);
    let calendar = Calendar::of(class);
    let to = args.to.unwrap_or_else(|| calendar.session_date(now));
    // The market's days begin some hours after those of UTC; what is too much is left out below.
    let until = midnight(to) + DAY * 2;
    let query = BarsQuery {
        symbols: vec![symbol.to_string()],
        class,
        timeframe: args.timeframe,
        from: Stamp::from(midnight(args.from)),
        to: Stamp::from(until),
        adjustment: args.adjustment.word(),
    };
    let mut found = venue.bars(&query).await?;
    let bars = found.remove(symbol.as_str()).unwrap_or_default();
    let mut door = Door::new(class, args.timeframe);
    let (mut series, mut warnings, mut faults) = (Vec::new(), 0, Vec::new());
    for bar in bars.iter().map(|bar| bar.closed(args.timeframe, class)) {
        let day = calendar.session_date(bar.open_time);
        let is_asked = args.from <= day && day <= to;
        let is_regular = calendar
            .open_close(day)
            .is_none_or(|(open, close)| open < bar.close_time && bar.open_time < close);
        // A bar that is still open would change.
        if !is_asked || !(is_regular || args.extended) || now < bar.close_time {
            continue;
        }
        match door.admit(&bar) {
            Ok(strange) => {
                warnings += strange.len();
                series.push(bar);
            }
            Err(error) => faults.push(error.to_string()),
        }
    }
    if !faults.is_empty() {
        let count = faults.len();
        faults.truncate(FAULTS_SHOWN);
        let text = format!("{count} bars of {symbol} cannot be true\n{}", faults.join("\n"));
        return Err(CliError::new(ExitCode::Data, text));
    }
    if series.is_empty() {
        let text = format!("there are no closed bars of {symbol} in that time");
        return Err(CliError::new(ExitCode::NotFound, text));
    }
    let symbol = symbol.clone();
    Ok((Series { symbol, class, timeframe: args.timeframe, bars: series }, warnings))
}

/// A day.
const DAY: std::time::Duration = std::time::Duration::from_hours(24);

/// Midnight of a day in UTC, which is before any market's day begins that is asked here.
fn midnight(day: Date) -> Time {
    let zoned = day.to_zoned(jiff::tz::TimeZone::UTC);
    zoned.map_or(Time::EPOCH, |zoned| Time::from(zoned.timestamp()))
}
