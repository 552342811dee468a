//! `arena fetch`: bars, news and statements from vendors into files, before a season begins.

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use conclave_domain::arena::gate::RawStatement;
use conclave_domain::market::bar::{Bar, Timeframe};
use conclave_domain::market::csv::write_csv;
use conclave_domain::market::door::Door;
use conclave_domain::market::series::Series;
use conclave_domain::market::splits::write_splits;
use conclave_domain::market::symbol::{AssetClass, Symbol};
use conclave_domain::news::door::RawItem;
use conclave_domain::time::Time;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::adapters::clock;
use crate::adapters::model_http::Key;
use crate::adapters::vendors::{ALPHA_VANTAGE_KEY, FetchError, Vendor, Wanted, Web};
use crate::cli::alpaca::connect;
use crate::cli::config;
use crate::cli::error::{CliError, ExitCode};
use crate::cli::progress::Progress;
use crate::config::arena::{ModelChoice, VendorName, Vendors};
use crate::run::arena::read;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// `arena fetch`
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Every kind of data has a chain of vendors: the next is asked where one has nothing, refuses or \
    is not heard. Bars are as they were paid, with a table of splits beside them. Then `arena run --data DIR \
    --news DIR/news.jsonl --statements DIR/statements.jsonl`. Keys come from APCA_API_KEY_ID, APCA_API_SECRET_KEY and ALPHAVANTAGE_API_KEY."
)]
pub struct FetchArgs {
    /// The symbols: shares, or coins such as `BTC/USD`.
    #[arg(long, value_name = "SYMBOLS", value_delimiter = ',', required = true)]
    pub symbols: Vec<Symbol>,
    /// The first day.
    #[arg(long, value_name = "DAY")]
    pub from: Date,
    /// The last day; today when not given.
    #[arg(long, value_name = "DAY")]
    pub to: Option<Date>,
    /// The season's file, whose `vendors` are asked for each kind of data that is not named here.
    #[arg(long, value_name = "FILE")]
    pub spec: Option<PathBuf>,
    /// Who is asked for daily bars, in this order; Alpaca, then Yahoo when nobody says.
    #[arg(long, value_name = "VENDORS", value_delimiter = ',', value_enum)]
    pub bars: Vec<VendorName>,
    /// Who is asked for news; nobody when not given.
    #[arg(long, value_name = "VENDORS", value_delimiter = ',', value_enum)]
    pub news: Vec<VendorName>,
    /// Who is asked for statements; nobody when not given.
    #[arg(long, value_name = "VENDORS", value_delimiter = ',', value_enum)]
    pub statements: Vec<VendorName>,
    /// Where Yahoo's chart format is served.
    #[arg(long, value_name = "URL", default_value = "https://query1.finance.yahoo.com")]
    pub yahoo_url: String,
    /// Where Alpha Vantage is.
    #[arg(long, value_name = "URL", default_value = "https://www.alphavantage.co")]
    pub alpha_vantage_url: String,
    /// The directory to write to; it must not be there yet.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// Fetches and writes.
///
/// # Errors
/// When a vendor's key is not there or its address is not taken (3), no vendor of a chain gave anything or bars
/// cannot be true (8), or the directory is there already (2).
pub(super) async fn run(
    args: &FetchArgs,
    file: Option<&std::path::Path>,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let loaded = config::load(file, &[])?;
    if args.out.exists() {
        let text = format!("{} is there already", args.out.display());
        return Err(CliError::new(ExitCode::Usage, text));
    }
    let open = |names: &[VendorName]| -> Result<Vec<(VendorName, Vendor)>, CliError> {
        names.iter().map(|name| Ok((*name, vendor(*name, args, &loaded.config)?))).collect()
    };
    let wanted = vendors(args)?;
    let (bars, news) = (open(&wanted.bars)?, open(&wanted.news)?);
    let reported = open(&wanted.statements)?;
    let mut whole: Vec<(String, String)> = Vec::new();
    // A season reads class and sector from a table; no vendor here tells a sector.
    let mut table = String::from("symbol,class,sector,name\n");
    let (mut items, mut reports, mut splits) = (String::new(), String::new(), Vec::new());
    // What was found is told behind the bar, which stands on the same terminal.
    let mut told: Vec<u8> = Vec::new();
    let progress = Progress::things(args.symbols.len() as u64, "symbols");
    for symbol in &args.symbols {
        progress.say(symbol.as_str());
        let now = clock::now();
        let until = args.to.map_or(now, |day| midnight(day.tomorrow().unwrap_or(day)).min(now));
        let is_coin = symbol.as_str().contains('/');
        let class = if is_coin { AssetClass::Crypto } else { AssetClass::Equity };
        let wanted = Wanted { symbol, class, from: midnight(args.from), to: until, now };
        let (by, found) = first(&bars, "bars", &wanted, Vendor::bars).await?;
        let series = checked(&wanted, found.bars)?;
        let count = found.splits.len();
        writeln!(told, "{symbol}: {} daily bars of {by}, {count} splits", series.bars.len())?;
        splits.extend(found.splits);
        table.push_str(&[symbol.as_str(), class.name(), "unknown", symbol.as_str()].join(","));
        table.push('\n');
        let mut text = String::new();
        write_csv(&series, &mut text).map_err(|error| {
            CliError::new(ExitCode::Failure, "the bars have no text").caused_by(error)
        })?;
        whole.push((format!("{}.csv", symbol.slug()), text));
        if !news.is_empty() {
            let (by, found) = first(&news, "news", &wanted, Vendor::news).await?;
            writeln!(told, "{symbol}: {} items of news of {by}", found.len())?;
            found.iter().try_for_each(|item| line(&mut items, &item_line(item)))?;
        }
        if !reported.is_empty() {
            let (by, found) = first(&reported, "statements", &wanted, Vendor::statements).await?;
            let undated = found.iter().filter(|it: &&RawStatement| it.filed_at.is_none()).count();
            let count = found.len();
            writeln!(
                told,
                "{symbol}: {count} statements of {by}, {undated} without a filing date"
            )?;
            found.iter().try_for_each(|one| line(&mut reports, one))?;
        }
        progress.advance(1);
    }
    progress.finish();
    out.write_all(&told)?;
    whole.push(("assets.csv".to_owned(), table));
    // Bars are as they were paid: a season takes splits into account as far as it may know of them.
    whole.push(("splits.csv".to_owned(), write_splits(&splits)));
    whole.extend(Some(("news.jsonl".to_owned(), items)).filter(|_| !news.is_empty()));
    whole.extend(Some(("statements.jsonl".to_owned(), reports)).filter(|_| !reported.is_empty()));
    // Everything was fetched and is sound: only now anything is written.
    fs::create_dir_all(&args.out)?;
    for (name, text) in whole {
        fs::write(args.out.join(name), text)?;
    }
    Ok(())
}

/// Who is asked: as it is said here, else as the season's file says.
fn vendors(args: &FetchArgs) -> Result<Vendors, CliError> {
    let file = match &args.spec {
        Some(spec) => read(Some(spec), &ModelChoice::AsInFile)?.vendors,
        None => Vendors::default(),
    };
    let or = |own: &[VendorName], file: Vec<VendorName>| match own {
        [] => file,
        own => own.to_vec(),
    };
    let mut bars = or(&args.bars, file.bars);
    if bars.is_empty() {
        bars = vec![VendorName::Alpaca, VendorName::Yahoo];
    }
    let (news, statements) = (or(&args.news, file.news), or(&args.statements, file.statements));
    Ok(Vendors { bars, news, statements })
}

fn vendor(
    name: VendorName,
    args: &FetchArgs,
    config: &crate::config::Config,
) -> Result<Vendor, CliError> {
    let web = |url: &str, key: Option<Key>| {
        Web::new(url, key, PATIENCE)
            .map_err(|error| CliError::new(ExitCode::Config, format!("{}: {error}", name.word())))
    };
    match name {
        VendorName::Alpaca => Ok(Vendor::Alpaca(Box::new(connect(&config.alpaca)?))),
        VendorName::Yahoo => Ok(Vendor::Yahoo(web(&args.yahoo_url, None)?)),
        VendorName::AlphaVantage => {
            let key = Key::from_env(ALPHA_VANTAGE_KEY)
                .map_err(|error| CliError::new(ExitCode::Config, error.to_string()))?;
            let none =
                || CliError::new(ExitCode::Config, format!("{ALPHA_VANTAGE_KEY} is not set"));
            Ok(Vendor::AlphaVantage(web(&args.alpha_vantage_url, Some(key.ok_or_else(none)?))?))
        }
    }
}

/// What the first vendor of a chain that has something gives, and its name.
async fn first<'a, T>(
    chain: &'a [(VendorName, Vendor)],
    what: &str,
    wanted: &'a Wanted<'a>,
    ask: impl AsyncFn(&'a Vendor, &'a Wanted<'a>) -> Result<T, FetchError>,
) -> Result<(&'static str, T), CliError> {
    let mut failures = Vec::new();
    for (name, vendor) in chain {
        match ask(vendor, wanted).await {
            Ok(found) => return Ok((name.word(), found)),
            Err(error) => failures.push(format!("{}: {error}", name.word())),
        }
    }
    let text = format!("no {what} of {}\n{}", wanted.symbol, failures.join("\n"));
    Err(CliError::new(ExitCode::Data, text))
}

/// The bars as the door lets them through; one that cannot be true refuses them all.
fn checked(wanted: &Wanted<'_>, bars: Vec<Bar>) -> Result<Series, CliError> {
    let mut door = Door::new(wanted.class, Timeframe::Day);
    for bar in &bars {
        door.admit(bar).map_err(|error| {
            let text = format!("the bar of {} that closed at {}", wanted.symbol, bar.close_time);
            CliError::new(ExitCode::Data, format!("{text} cannot be true: {error}"))
        })?;
    }
    let (symbol, class) = (wanted.symbol.clone(), wanted.class);
    Ok(Series { symbol, class, timeframe: Timeframe::Day, bars })
}

/// An item in the form of the files of news.
fn item_line(item: &RawItem) -> serde_json::Value {
    serde_json::json!({
        "id": item.id.plain(),
        "source": item.source.name(),
        "known_at": item.known_at,
        "event_at": item.event_at,
        "headline": item.headline,
        "body": item.body,
        "symbols": item.symbols,
    })
}

fn line(text: &mut String, of: &impl serde::Serialize) -> Result<(), CliError> {
    let one = serde_json::to_string(of)
        .map_err(|error| CliError::new(ExitCode::Failure, "no text").caused_by(error))?;
    writeln!(text, "{one}")
        .map_err(|error| CliError::new(ExitCode::Failure, "no text").caused_by(error))
}

fn midnight(day: Date) -> Time {
    let zoned = day.to_zoned(TimeZone::UTC);
    zoned.map_or(Time::EPOCH, |zoned| Time::from(zoned.timestamp()))
}
