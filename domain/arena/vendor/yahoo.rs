//! Yahoo's chart format (`v8/finance/chart`): one symbol's bars as columns.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{VendorError, cut, price};
use crate::alpaca::number::{Figure, numeral_text};
use crate::fixed::Volume;
use crate::market::bar::{Bar, Timeframe};
use crate::market::calendar::Calendar;
use crate::market::symbol::AssetClass;
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

/// The daily bars that had closed at `now`, adjusted for splits as Yahoo gives them, oldest first; rows with
/// a hole are left out. Whether a bar can be true is for the door to say.
///
/// # Errors
/// When the vendor refuses, or the answer is not of its form.
pub fn daily(text: &str, class: AssetClass, now: Time) -> Result<Vec<Bar>, VendorError> {
    let answer: Answer<'_> =
        serde_json::from_str(text).map_err(|error| VendorError::unreadable(&error))?;
    if let Some(said) = answer.chart.error {
        return Err(VendorError::Refused { why: cut(&said.description) });
    }
    let wrong = |why: &str| VendorError::Unreadable { why: why.to_owned() };
    let found = answer.chart.result.unwrap_or_default();
    let Some(found) = found.into_iter().next() else { return Err(wrong("it has no result")) };
    let columns = found.indicators.quote.into_iter().next().unwrap_or_default();
    let count = found.timestamp.len();
    let lists = [&columns.open, &columns.high, &columns.low, &columns.close, &columns.volume];
    if lists.iter().any(|list| list.len() != count) {
        return Err(wrong("its columns have not the same length"));
    }
    let mut bars = Vec::with_capacity(count);
    for (row, seconds) in found.timestamp.iter().enumerate() {
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
        let prices = [open, high, low, close].map(|figure| price(figure.decimal()));
        let volume = Volume::from_decimal(volume.decimal()).ok();
        let ([Some(open), Some(high), Some(low), Some(close)], Some(volume)) = (prices, volume)
        else {
            return Err(wrong("a figure is out of range"));
        };
        if close_time <= now {
            bars.push(Bar { open_time, close_time, open, high, low, close, volume });
        }
    }
    Ok(bars)
}
