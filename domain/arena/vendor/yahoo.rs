//! Yahoo's chart format (`v8/finance/chart`): one symbol's bars as columns, in shares of today, and its splits.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{History, VendorError, cut, price};
use crate::alpaca::number::{Figure, numeral_text, or_default};
use crate::fixed::{Price, Volume};
use crate::market::bar::{Bar, Timeframe};
use crate::market::calendar::Calendar;
use crate::market::series::Series;
use crate::market::splits::{RATES_SLACK, Split, as_paid};
use crate::market::symbol::{AssetClass, Symbol};
use crate::time::Time;

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    chart: Chart<'a>,
}

#[derive(Deserialize)]
struct Chart<'a> {
    #[serde(borrow, default)]
    result: Option<Vec<Found<'a>>>,
    #[serde(default)]
    error: Option<Said>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
struct Found<'a> {
    #[serde(default)]
    timestamp: Vec<i64>,
    #[serde(borrow)]
    indicators: Indicators<'a>,
    #[serde(default)]
    events: Option<Events>,
}

#[derive(Deserialize)]
struct Events {
    #[serde(default, deserialize_with = "or_default")]
    splits: BTreeMap<String, Event>,
}

#[derive(Deserialize)]
struct Event {
    date: i64,
    numerator: Figure,
    denominator: Figure,
}

#[derive(Deserialize)]
struct Indicators<'a> {
    #[serde(borrow, default)]
    quote: Vec<Columns<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Columns<'a> {
    #[serde(borrow)]
    open: Vec<Option<&'a RawValue>>,
    #[serde(borrow)]
    high: Vec<Option<&'a RawValue>>,
    #[serde(borrow)]
    low: Vec<Option<&'a RawValue>>,
    #[serde(borrow)]
    close: Vec<Option<&'a RawValue>>,
    #[serde(borrow)]
    volume: Vec<Option<&'a RawValue>>,
}

/// The daily bars that had closed at `until`, oldest first, as they were paid: Yahoo gives them in shares of
/// the day of asking, so the answer must reach until then and name every split on the way. Rows with a hole
/// are left out.
///
/// # Errors
/// When the vendor refuses, or the answer is not of its form.
pub fn daily(
    text: &str,
    (symbol, class): (&Symbol, AssetClass),
    until: Time,
) -> Result<History, VendorError> {
    let answer: Answer<'_> =
        serde_json::from_str(text).map_err(|error| VendorError::unreadable(&error))?;
    if let Some(said) = answer.chart.error {
        return Err(VendorError::Refused { why: cut(&said.description) });
    }
    let wrong = |why: &str| VendorError::Unreadable { why: why.to_owned() };
    let found = answer.chart.result.unwrap_or_default();
    let Some(found) = found.into_iter().next() else { return Err(wrong("it has no result")) };
    let splits = found.events.map_or_else(BTreeMap::new, |events| events.splits);
    let splits: Result<Vec<Split>, VendorError> =
        splits.into_values().map(|event| split(&event, symbol, class)).collect();
    let mut splits = splits?;
    splits.sort_unstable_by_key(|split| split.date);
    let columns = found.indicators.quote.into_iter().next().unwrap_or_default();
    let bars = rows(&found.timestamp, &columns, class)?;
    let (symbol, timeframe) = (symbol.clone(), Timeframe::Day);
    let series = as_paid(&Series { symbol, class, timeframe, bars }, &splits)
        .map_err(|error| VendorError::Unreadable { why: error.to_string() })?;
    let mut bars = series.bars;
    bars.retain(|bar| bar.close_time <= until);
    for bar in &mut bars {
        for it in [&mut bar.open, &mut bar.high, &mut bar.low, &mut bar.close] {
            *it = four_places(*it);
        }
    }
    Ok(History { bars, splits })
}

/// The rows of the columns, as they stand there.
fn rows(
    timestamps: &[i64],
    columns: &Columns<'_>,
    class: AssetClass,
) -> Result<Vec<Bar>, VendorError> {
    let wrong = |why: &str| VendorError::Unreadable { why: why.to_owned() };
    let count = timestamps.len();
    let lists = [&columns.open, &columns.high, &columns.low, &columns.close, &columns.volume];
    if lists.iter().any(|list| list.len() != count) {
        return Err(wrong("its columns have not the same length"));
    }
    let mut bars = Vec::with_capacity(count);
    for (row, seconds) in timestamps.iter().enumerate() {
        let cell = |list: &[Option<&RawValue>]| -> Result<Option<Figure>, VendorError> {
            let Some(raw) = list.get(row).copied().flatten() else { return Ok(None) };
            let text = numeral_text(raw).map_err(|why| VendorError::Unreadable { why })?;
            let figure = text.map(|text| text.parse::<Figure>()).transpose();
            figure.map_err(|error| VendorError::Unreadable { why: error.to_string() })
        };
        let cells = (
            cell(&columns.open)?,
            cell(&columns.high)?,
            cell(&columns.low)?,
            cell(&columns.close)?,
            cell(&columns.volume)?,
        );
        let (Some(open), Some(high), Some(low), Some(close), Some(volume)) = cells else {
            continue;
        };
        let at = Time::from_ms(seconds.saturating_mul(1_000));
        let (open_time, close_time) = Calendar::of(class).hours_of_bar(Timeframe::Day, at);
        // Rounded behind the splits: a price of long ago has many places in shares of today.
        let prices = [open, high, low, close].map(|figure| figure.price().ok());
        let volume = Volume::from_decimal(volume.decimal()).ok();
        let ([Some(open), Some(high), Some(low), Some(close)], Some(volume)) = (prices, volume)
        else {
            return Err(wrong("a figure is out of range"));
        };
        bars.push(Bar { open_time, close_time, open, high, low, close, volume });
    }
    Ok(bars)
}

/// A price of floats in the places that are traded.
fn four_places(it: Price) -> Price {
    price(it.to_decimal()).unwrap_or(it)
}

fn split(event: &Event, symbol: &Symbol, class: AssetClass) -> Result<Split, VendorError> {
    let date = Calendar::of(class).session_date(Time::from_ms(event.date.saturating_mul(1_000)));
    let rates = (event.numerator.decimal(), event.denominator.decimal());
    Split::told(symbol, date, rates, RATES_SLACK).ok_or_else(|| {
        let (new, old) = (event.numerator, event.denominator);
        VendorError::Unreadable { why: format!("a split of {new} for {old} on {date}") }
    })
}
