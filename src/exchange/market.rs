//! Prices and bars as the data side shows them, in requests and on the stream.
//!
//! Figures are JSON numbers here. They are written from floats, whose shortest text is the decimal
//! itself for every price and volume that a market has.

use conclave_domain::exchange::Happening;
use conclave_domain::exchange::venue::{Listing, Venue};
use conclave_domain::fixed::{Price, Volume};
use conclave_domain::market::bar::{Bar, Timeframe};
use conclave_domain::market::symbol::AssetClass;
use conclave_domain::time::Time;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

/// Shares that stand at the bid and at the ask.
const SIZE: i64 = 100;

/// What a message of the data stream is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Topic {
    /// The channel that it belongs to: `trades`, `quotes`, `bars`, `dailyBars`.
    pub(super) channel: &'static str,
    /// The symbol.
    pub(super) symbol: String,
    /// Whether it is of a coin.
    pub(super) is_coin: bool,
}

/// A price as a JSON number.
fn figure(price: Price) -> Value {
    whole_or(price.to_f64())
}

/// A number without a fraction is written without one.
fn whole_or(number: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "compared with what it was")]
    let whole = number as i64;
    #[expect(clippy::cast_precision_loss, reason = "compared with what it was")]
    let is_whole = (whole as f64).to_bits() == number.to_bits();
    if is_whole { json!(whole) } else { json!(number) }
}

fn volume(volume: Volume, class: AssetClass) -> Value {
    match class {
        AssetClass::Equity => json!(volume.raw() / Volume::SCALE),
        AssetClass::Crypto => whole_or(volume.to_f64()),
    }
}

/// When a bar is said to begin: a day's at midnight, New York's for shares.
pub(super) fn stamp(bar: &Bar, timeframe: Timeframe, class: AssetClass) -> Time {
    match (timeframe, class) {
        (Timeframe::Day | Timeframe::Week, AssetClass::Equity) => midnight(bar.open_time),
        _ => bar.open_time,
    }
}

/// The midnight before a time in New York.
pub(super) fn midnight(time: Time) -> Time {
    let zone = TimeZone::get("America/New_York").unwrap_or(TimeZone::UTC);
    let local = zone.to_datetime(time.timestamp()).date().at(0, 0, 0, 0);
    zone.to_timestamp(local).map_or(time, Time::from)
}

/// A bar.
pub(super) fn bar(bar: &Bar, timeframe: Timeframe, class: AssetClass) -> Value {
    // A mean that lies within the bar, for there are no trades to take the true one from.
    let sum = i128::from(bar.high.raw()) + i128::from(bar.low.raw()) + i128::from(bar.close.raw());
    let mean = Price::from_raw(i64::try_from(sum / 3 / 1_000_000 * 1_000_000).unwrap_or(0));
    let mean = mean.max(bar.low).min(bar.high);
    json!({
        "t": stamp(bar, timeframe, class),
        "o": figure(bar.open),
        "h": figure(bar.high),
        "l": figure(bar.low),
        "c": figure(bar.close),
        "v": volume(bar.volume, class),
        "n": (bar.volume.raw() / Volume::SCALE / SIZE).max(1),
        "vw": figure(mean),
    })
}

/// The last quote of a listing; `None` before it has ever traded.
pub(super) fn quote(venue: &Venue, place: usize) -> Option<Value> {
    let quote = venue.quote(place)?;
    let (at, bid, ask) = (quote.at, figure(quote.bid), figure(quote.ask));
    Some(match venue.listing(place).class {
        AssetClass::Equity => json!({
            "t": at, "bp": bid, "bs": SIZE, "bx": "V", "ap": ask, "as": SIZE, "ax": "V",
            "c": ["R"], "z": "C",
        }),
        AssetClass::Crypto => json!({"t": at, "bp": bid, "bs": 1, "ap": ask, "as": 1}),
    })
}

/// The last trade of a listing; `None` before it has ever traded.
pub(super) fn trade(listing: &Listing) -> Option<Value> {
    let (price, at) = (listing.last()?, listing.last_at()?);
    Some(match listing.class {
        AssetClass::Equity => json!({
            "t": at, "x": "V", "p": figure(price), "s": SIZE, "c": ["@"], "i": at.ms(), "z": "C",
        }),
        AssetClass::Crypto => {
            json!({"t": at, "p": figure(price), "s": 1, "i": at.ms(), "tks": "B"})
        }
    })
}

/// What the data stream says of something that happened.
pub(super) fn messages(happening: &Happening, venue: &Venue) -> Vec<(Topic, Value)> {
    match happening {
        Happening::Order { .. } => Vec::new(),
        Happening::Price { place, .. } => {
            let listing = venue.listing(*place);
            let trade = trade(listing).map(|it| said(listing, "trades", "t", it));
            let quote = quote(venue, *place).map(|it| said(listing, "quotes", "q", it));
            trade.into_iter().chain(quote).collect()
        }
        Happening::Bar { place, bar: closed } => {
            let listing = venue.listing(*place);
            let shown = bar(closed, listing.timeframe, listing.class);
            let daily = (listing.timeframe == Timeframe::Day)
                .then(|| said(listing, "dailyBars", "d", shown.clone()));
            // A market of daily bars has no minutes: its bars come on both channels.
            std::iter::once(said(listing, "bars", "b", shown)).chain(daily).collect()
        }
    }
}

fn said(listing: &Listing, channel: &'static str, kind: &str, body: Value) -> (Topic, Value) {
    let symbol = listing.symbol.to_string();
    let mut message = Map::new();
    message.insert("T".to_owned(), json!(kind));
    message.insert("S".to_owned(), json!(symbol));
    if let Value::Object(fields) = body {
        message.extend(fields);
    }
    let is_coin = listing.class == AssetClass::Crypto;
    (Topic { channel, symbol, is_coin }, Value::Object(message))
}
