//! `alpaca quotes` and `alpaca activities`: prices as they are, and what has happened to the account.

use std::collections::BTreeMap;
use std::io::Write;

use conclave_domain::alpaca::rules::AssetFlags;
use conclave_domain::alpaca::{Activity, Quote, Trade};
use conclave_domain::market::symbol::AssetClass;
use serde_json::json;

use crate::adapters::alpaca_http::Alpaca;
use crate::adapters::clock;
use crate::cli::error::{CliError, ExitCode};
use crate::cli::format::{Align, Format, Table, write_json};

/// What the market says of one symbol now.
#[derive(Debug, Default)]
struct Now {
    quote: Option<Quote>,
    trade: Option<Trade>,
}

/// The best prices and the last trade of each symbol, and how old they are.
///
/// # Errors
/// With exit code 2 for a symbol that is not there; the broker's otherwise.
pub(super) async fn quotes(
    alpaca: &Alpaca,
    symbols: &[String],
    format: Format,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let mut by_class: BTreeMap<AssetClass, Vec<String>> = BTreeMap::new();
    for symbol in symbols {
        let asset = alpaca.asset(symbol).await?.ok_or_else(|| {
            CliError::new(ExitCode::Usage, format!("{symbol} is not known at the venue"))
        })?;
        by_class.entry(AssetFlags::from(&asset).class).or_default().push(asset.symbol);
    }
    let mut found: BTreeMap<String, Now> = BTreeMap::new();
    for (class, symbols) in &by_class {
        let names: Vec<&str> = symbols.iter().map(String::as_str).collect();
        for (symbol, quote) in alpaca.latest_quotes(*class, &names).await? {
            found.entry(symbol).or_default().quote = Some(quote);
        }
        for (symbol, trade) in alpaca.latest_trades(*class, &names).await? {
            found.entry(symbol).or_default().trade = Some(trade);
        }
    }
    if format != Format::Text {
        let rows = found
            .iter()
            .map(|(symbol, now)| json!({"symbol": symbol, "quote": now.quote, "trade": now.trade}));
        let document = json!({"schema": "alpaca-quotes/1", "quotes": rows.collect::<Vec<_>>()});
        return write_json(&document, format, out);
    }
    let mut table = Table::new([
        ("symbol", Align::Left),
        ("bid", Align::Right),
        ("ask", Align::Right),
        ("quoted", Align::Right),
        ("last", Align::Right),
        ("traded", Align::Right),
    ]);
    let at = clock::now();
    let ago = |stamp: conclave_domain::alpaca::Stamp| {
        format!("{} s ago", at.since(stamp.time()).as_secs())
    };
    let none = || "none".to_owned();
    for (symbol, Now { quote, trade }) in &found {
        let side = |price: Option<_>| price.map_or_else(none, |it: &_| ToString::to_string(it));
        table.row([
            symbol.clone(),
            side(quote.as_ref().and_then(Quote::bid).as_ref()),
            side(quote.as_ref().and_then(Quote::ask).as_ref()),
            quote.as_ref().map_or_else(none, |it| ago(it.at)),
            trade.as_ref().map_or_else(none, |it| it.price.to_string()),
            trade.as_ref().map_or_else(none, |it| ago(it.at)),
        ]);
    }
    Ok(write!(out, "{table}")?)
}

/// What has happened to the account: fills, dividends, fees, payments.
pub(super) fn activities(
    activities: &[Activity],
    format: Format,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    if format != Format::Text {
        let document = json!({"schema": "alpaca-activities/1", "activities": activities});
        return write_json(&document, format, out);
    }
    if activities.is_empty() {
        return Ok(writeln!(out, "nothing has happened")?);
    }
    let mut table = Table::new([
        ("when", Align::Left),
        ("what", Align::Left),
        ("symbol", Align::Left),
        ("side", Align::Left),
        ("qty", Align::Right),
        ("price", Align::Right),
        ("brought", Align::Right),
    ]);
    for it in activities {
        let when = it.transaction_time.map(|at| at.time().compact()).or_else(|| it.date.clone());
        table.row([
            when.unwrap_or_else(|| "?".to_owned()),
            it.activity_type.clone(),
            it.symbol.clone().unwrap_or_default(),
            it.side.as_ref().map(ToString::to_string).unwrap_or_default(),
            it.qty.map(|qty| qty.to_string()).unwrap_or_default(),
            it.price.map(|price| price.to_string()).unwrap_or_default(),
            it.net_amount.map(|money| format!("{money:.2}")).unwrap_or_default(),
        ]);
    }
    Ok(write!(out, "{table}")?)
}
