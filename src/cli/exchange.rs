//! `exchange`: an exchange on this machine, until Ctrl-C.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use conclave_domain::exchange::faults::Plan;
use conclave_domain::exchange::{Exchange, Terms};
use conclave_domain::fixed::{Bp, Money};
use conclave_domain::market::symbol::Symbol;
use conclave_domain::ratio::Ratio;
use jiff::civil::Date;
use serde_json::json;

use super::error::{CliError, ExitCode};
use super::format::Format;
use crate::data;
use crate::exchange::floor::Floor;
use crate::exchange::journal::Journal;
use crate::exchange::keys::KeyPair;
use crate::exchange::load::{Source, begins, listings};
use crate::exchange::{Pace, Setup, news, serve};

/// Accounts that one exchange has at most.
const ACCOUNTS_MAX: u16 = 256;
/// The fastest clock: a year in half a minute.
const SPEED_MAX: u32 = 1_000_000;

/// Arguments of `exchange`.
#[derive(Args, Clone, Debug)]
pub struct ExchangeArgs {
    /// Bars from CSV files instead of the embedded ones, raw; a file's stem is its symbol.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub data: Vec<PathBuf>,
    /// Splits of the CSV files.
    #[arg(long, value_name = "FILE", requires = "data", conflicts_with = "synth")]
    pub splits: Option<PathBuf>,
    /// Dividends, a table of `symbol,date,per_share`.
    #[arg(long, value_name = "FILE")]
    pub dividends: Option<PathBuf>,
    /// Class and name of the CSV files' symbols (symbol,class,sector,name); shares when not given.
    #[arg(long, value_name = "FILE", requires = "data", conflicts_with = "synth")]
    pub assets: Option<PathBuf>,
    /// The synthetic market instead.
    #[arg(long, value_name = "PRESET", conflicts_with = "data", value_parser = ["calm", "default", "minutes"])]
    pub synth: Option<String>,
    /// Coins of the synthetic market.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        requires = "synth", conflicts_with_all = ["data", "splits", "assets"]
    )]
    pub coins: usize,
    /// Seed of the synthetic market, of random faults and of the names that are given.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Only these symbols, separated by commas.
    #[arg(long, value_name = "SYMBOLS", value_delimiter = ',')]
    pub symbols: Vec<Symbol>,
    /// The day on whose morning the clock begins; earlier bars are history. The 251st day of the data
    /// when not given.
    #[arg(long, value_name = "DAY")]
    pub from: Option<Date>,
    /// How fast the clock runs: a multiple of the wall's, `max`, or `step` for `POST /sandbox/step`.
    #[arg(long, value_name = "N|max|step", default_value = "1", value_parser = pace)]
    pub speed: Pace,
    /// Port on 127.0.0.1; 0 has one chosen.
    #[arg(long, value_name = "PORT", default_value_t = 8741)]
    pub port: u16,
    /// Cash of each account, dollars.
    #[arg(long, value_name = "DOLLARS", default_value_t = 100_000, value_parser = clap::value_parser!(i64).range(1..=1_000_000_000))]
    pub cash: i64,
    /// Times its equity that an account may hold: 1 without short sales, or 2.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=2))]
    pub multiplier: u8,
    /// Number of accounts; each has keys of its own.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=i64::from(ACCOUNTS_MAX)))]
    pub accounts: u16,
    /// Distance of bid and ask, basis points of the price.
    #[arg(long, value_name = "BP", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub spread: u32,
    /// The share of a bar's volume that orders may take, in per cent; 0 is without limit.
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub volume_share: u8,
    /// Requests a minute of one account to each side; 0 is without limit.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub rate: u32,
    /// What goes wrong, such as `orders.timeout@3:5s`, `trading.429@10x20:2s`, `orders.500%0.05`,
    /// `cancels.late@1`, `orders.half@2`, `stream.gap@4:3s`, `stream.twice@2`, `clock.skew:90s`.
    #[arg(long, value_name = "FAULT")]
    pub fault: Vec<String>,
    /// The same from a file, one a line.
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,
    /// News from a file of one JSON line per item, told when they were known.
    #[arg(long, value_name = "FILE")]
    pub news: Option<PathBuf>,
    /// Writes every event of every order to `exchange.jsonl` in this directory.
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
}

fn pace(text: &str) -> Result<Pace, String> {
    match text {
        "max" => Ok(Pace::Max),
        "step" => Ok(Pace::Step),
        _ => {
            let times = text.parse().ok().filter(|times| (1..=SPEED_MAX).contains(times));
            let wanted = || format!("`max`, `step` or a whole number up to {SPEED_MAX} is wanted");
            times.map(Pace::Times).ok_or_else(wanted)
        }
    }
}

/// Runs `exchange`.
///
/// # Errors
/// When its market cannot be had, a fault is none, or the port is taken.
pub async fn run(
    args: &ExchangeArgs,
    format: Format,
    out: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    let floor = floor(args)?;
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], args.port));
    let listener = crate::http::bind(address, false).await;
    let listener = listener.map_err(|error| CliError::new(ExitCode::Failure, error.to_string()))?;
    let port = listener.local_addr()?.port();
    tell(args, &floor, port, format, out)?;
    let setup = Setup { floor, pace: args.speed, rate: Some(args.rate).filter(|it| *it > 0) };
    let stop = async {
        // Without signals there is nothing to wait for but the end of the process.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    Ok(serve(listener, setup, stop).await?)
}

fn floor(args: &ExchangeArgs) -> Result<Arc<Floor>, CliError> {
    let source = Source {
        files: args.data.clone(),
        splits: args.splits.clone(),
        dividends: args.dividends.clone(),
        assets: args.assets.clone(),
        synth: args.synth.clone(),
        coins: args.coins,
        seed: args.seed,
        symbols: args.symbols.clone(),
    };
    let listings = listings(&source)?;
    let from = begins(&listings, args.from)?;
    let out_of_range = |error: conclave_domain::fixed::FixedError| {
        CliError::new(ExitCode::Usage, error.to_string())
    };
    let terms = Terms {
        exchange: u32::try_from(args.seed % (1 << 32)).unwrap_or(0),
        cash: Money::from_units(args.cash).map_err(out_of_range)?,
        multiplier: args.multiplier,
        spread: Bp::whole(args.spread),
        volume_share: (args.volume_share > 0)
            .then(|| Ratio::or_zero(f64::from(args.volume_share) / 100.0)),
    };
    let faults = faults(args)?;
    let journal = args.store.as_deref().map(Journal::begin).transpose();
    let journal = journal.map_err(|error| {
        CliError::new(ExitCode::Failure, "the journal cannot be begun").caused_by(error)
    })?;
    let items = args.news.as_deref().map(data::read_news_file).transpose()?.unwrap_or_default();
    let exchange = Exchange::new(terms, listings, from);
    let floor = Floor::new(exchange, keys(args.accounts)?, faults, journal);
    Ok(Arc::new(floor.telling(news::of(items))))
}

fn faults(args: &ExchangeArgs) -> Result<Plan, CliError> {
    let mut text = match &args.faults {
        Some(path) => std::fs::read_to_string(path).map_err(|error| {
            let text = format!("{} cannot be read", path.display());
            CliError::new(ExitCode::NotFound, text).caused_by(error)
        })?,
        None => String::new(),
    };
    for fault in &args.fault {
        text.push('\n');
        text.push_str(fault);
    }
    Plan::read(&text, args.seed).map_err(|error| CliError::new(ExitCode::Usage, error.to_string()))
}

/// The pair in the environment, where it is a paper account's, for the first account; fresh ones for
/// the others.
fn keys(accounts: u16) -> Result<Vec<KeyPair>, CliError> {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let given = KeyPair::given(&variable("APCA_API_KEY_ID"), &variable("APCA_API_SECRET_KEY"));
    let mut keys: Vec<KeyPair> = given.into_iter().collect();
    while keys.len() < usize::from(accounts) {
        keys.push(KeyPair::fresh()?);
    }
    Ok(keys)
}

/// Says where the exchange is and who may use it. A secret out of the environment is not said again.
fn tell(
    args: &ExchangeArgs,
    floor: &Floor,
    port: u16,
    format: Format,
    out: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    let url = format!("http://127.0.0.1:{port}");
    let given = std::env::var("APCA_API_SECRET_KEY").unwrap_or_default();
    let secret = |pair: &KeyPair| (pair.reveal() != given).then(|| pair.reveal().to_owned());
    if format == Format::Text {
        let symbols = floor.with(|exchange| exchange.venue().listings().len());
        let pace = match args.speed {
            Pace::Times(times) => format!("{times}× the wall's clock"),
            Pace::Max => "as fast as it can".to_owned(),
            Pace::Step => "by POST /sandbox/step".to_owned(),
        };
        writeln!(out, "exchange on {url}: {symbols} symbols from {}, {pace}", floor.now())?;
        writeln!(out, "streams: ws://127.0.0.1:{port}/stream, ws://127.0.0.1:{port}/v2/iex")?;
        for (key, value) in [
            ("TRADING_URL", url.clone()),
            ("DATA_URL", url),
            ("STREAM_URL", format!("ws://127.0.0.1:{port}/stream")),
            ("DATA_STREAM_URL", format!("ws://127.0.0.1:{port}")),
        ] {
            writeln!(out, "CONCLAVE__ALPACA__{key}={value}")?;
        }
        for pair in floor.keys() {
            writeln!(out, "APCA_API_KEY_ID={}", pair.id())?;
            let shown = secret(pair).unwrap_or_else(|| "(as in the environment)".to_owned());
            writeln!(out, "APCA_API_SECRET_KEY={shown}")?;
        }
    } else {
        let keys = floor.keys().iter().map(|pair| json!({"id": pair.id(), "secret": secret(pair)}));
        let document = json!({
            "schema": "exchange/1",
            "url": url,
            "now": floor.now(),
            "keys": keys.collect::<Vec<_>>(),
        });
        // One line in either form, so that whoever started it can read until its end.
        writeln!(out, "{document}")?;
    }
    Ok(out.flush()?)
}
