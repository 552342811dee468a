//! Alpha Vantage: daily bars, news and statements. Its refusals come with status 200 and a note.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{VendorError, cut, price};
use crate::alpaca::Figure;
use crate::arena::gate::RawStatement;
use crate::fixed::Volume;
use crate::market::bar::Bar;
use crate::market::calendar::Calendar;
use crate::market::splits::Split;
use crate::market::symbol::Symbol;
use crate::news::door::{RawId, RawItem, Source};
use crate::record::Digest;
use crate::time::Time;

/// What it says instead of an answer.
#[derive(Deserialize)]
struct Said {
    #[serde(rename = "Error Message")]
    error: Option<String>,
    #[serde(rename = "Note")]
    note: Option<String>,
    #[serde(rename = "Information")]
    information: Option<String>,
}

#[derive(Deserialize)]
struct Daily {
    #[serde(rename = "Time Series (Daily)")]
    days: BTreeMap<String, DayRow>,
}

#[derive(Deserialize)]
struct DayRow {
    #[serde(rename = "1. open")]
    open: Figure,
    #[serde(rename = "2. high")]
    high: Figure,
    #[serde(rename = "3. low")]
    low: Figure,
    #[serde(rename = "4. close")]
    close: Figure,
    #[serde(rename = "5. volume")]
    volume: Figure,
}

#[derive(Deserialize)]
struct Splits {
    data: Vec<SplitRow>,
}

#[derive(Deserialize)]
struct SplitRow {
    effective_date: String,
    split_factor: Figure,
}

#[derive(Deserialize)]
struct Feed {
    feed: Vec<Article>,
}

#[derive(Deserialize)]
struct Article {
    title: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    time_published: String,
    #[serde(default)]
    summary: String,
    #[serde(default)]
    ticker_sentiment: Vec<Ticker>,
}

#[derive(Deserialize)]
struct Ticker {
    ticker: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reports {
    quarterly_reports: Vec<BTreeMap<String, Option<String>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Earnings {
    quarterly_earnings: Vec<Quarter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Quarter {
    fiscal_date_ending: String,
    #[serde(default)]
    reported_date: Option<String>,
    #[serde(rename = "reportedEPS", default)]
    reported_eps: Option<String>,
}

/// Places of a split's factor, though zeros at its end may be left out.
const FACTOR_PLACES: u32 = 4;
/// The figures of an income statement that are taken, by their names there and here.
const INCOME: [(&str, &str); 5] = [
    ("totalRevenue", "revenue"),
    ("grossProfit", "gross_profit"),
    ("operatingIncome", "operating_income"),
    ("netIncome", "net_income"),
    ("ebitda", "ebitda"),
];

/// An answer, where it is one.
fn answer<T: DeserializeOwned>(text: &str) -> Result<T, VendorError> {
    let read = serde_json::from_str(text).map_err(|error| VendorError::unreadable(&error));
    let Err(error) = read else { return read };
    match serde_json::from_str::<Said>(text) {
        Ok(Said { error: Some(why), .. }) => Err(VendorError::Refused { why: cut(&why) }),
        Ok(Said { note: Some(why), .. } | Said { information: Some(why), .. }) => {
            Err(VendorError::Held { why: cut(&why) })
        }
        _ => Err(error),
    }
}

fn day(text: &str) -> Result<Date, VendorError> {
    let day = text.parse().ok().filter(|_| text.len() == 10);
    day.ok_or_else(|| VendorError::Unreadable { why: format!("`{}` is no day", cut(text)) })
}

/// The bars of `TIME_SERIES_DAILY` that had closed at `now`, oldest first: as they were paid, not adjusted
/// for splits.
///
/// # Errors
/// When the vendor refuses, or the answer is not of its form.
pub fn daily(text: &str, now: Time) -> Result<Vec<Bar>, VendorError> {
    let Daily { days } = answer(text)?;
    let mut bars = Vec::with_capacity(days.len());
    for (text, row) in days {
        let date = day(&text)?;
        let hours = Calendar::Xnys.open_close(date);
        let (open_time, close_time) = hours.unwrap_or_else(|| Calendar::Xnys.ordinary_hours(date));
        let prices = [row.open, row.high, row.low, row.close].map(|it| price(it.decimal()));
        let volume = Volume::from_decimal(row.volume.decimal()).ok();
        let ([Some(open), Some(high), Some(low), Some(close)], Some(volume)) = (prices, volume)
        else {
            return Err(VendorError::Unreadable {
                why: format!("a figure of {date} is out of range"),
            });
        };
        if close_time <= now {
            bars.push(Bar { open_time, close_time, open, high, low, close, volume });
        }
    }
    Ok(bars)
}

/// The splits of `SPLITS`, by day. Its factors are shares for one, rounded: 0.0667 is one for fifteen.
///
/// # Errors
/// When the vendor refuses, or the answer is not of its form.
pub fn splits(text: &str, symbol: &Symbol) -> Result<Vec<Split>, VendorError> {
    let Splits { data } = answer(text)?;
    let split = |row: SplitRow| {
        let (date, factor) = (day(&row.effective_date)?, row.split_factor.decimal());
        let places = factor.scale().clamp(FACTOR_PLACES, Decimal::MAX_SCALE - 1);
        let half_a_place = Decimal::new(5, places + 1);
        let slack = half_a_place.checked_div(factor);
        let rates = (factor, Decimal::ONE);
        let split = slack.and_then(|slack| Split::told(symbol, date, rates, slack));
        let why = || format!("a split of {factor} for 1 on {date}");
        split.ok_or_else(|| VendorError::Unreadable { why: why() })
    };
    let mut splits: Vec<Split> = data.into_iter().map(split).collect::<Result<_, _>>()?;
    splits.sort_unstable_by_key(|split| split.date);
    Ok(splits)
}

/// The items of `NEWS_SENTIMENT`. Times of publication are taken as UTC; one that cannot be read is none.
///
/// # Errors
/// When the vendor refuses, or the answer is not of its form.
pub fn news(text: &str) -> Result<Vec<RawItem>, VendorError> {
    let Feed { feed } = answer(text)?;
    let item = |article: Article| RawItem {
        id: RawId::Text(
            Digest::of(format!("{} {}", article.url, article.title).as_bytes()).to_string(),
        ),
        known_at: published(&article.time_published),
        headline: article.title,
        body: article.summary,
        source: Source::News,
        symbols: article.ticker_sentiment.into_iter().map(|it| it.ticker).collect(),
        ..RawItem::default()
    };
    Ok(feed.into_iter().map(item).collect())
}

/// A time such as 20240102T130000.
fn published(text: &str) -> Option<Time> {
    let at = DateTime::strptime("%Y%m%dT%H%M%S", text).ok()?;
    Some(Time::from(at.to_zoned(TimeZone::UTC).ok()?.timestamp()))
}

/// The quarters of `INCOME_STATEMENT`. It does not say when they were filed, so that none is told on history.
///
/// # Errors
/// When the vendor refuses, or the answer is not of its form.
pub fn income(text: &str, symbol: &Symbol) -> Result<Vec<RawStatement>, VendorError> {
    let Reports { quarterly_reports } = answer(text)?;
    let mut statements = Vec::new();
    for report in quarterly_reports {
        let field = |name: &str| report.get(name).and_then(Option::as_deref);
        let period_end = day(field("fiscalDateEnding").unwrap_or_default())?;
        let figures = INCOME.iter().filter_map(|(theirs, ours)| {
            Some(((*ours).to_owned(), field(theirs)?.parse::<Figure>().ok()?))
        });
        let figures = figures.collect();
        statements.push(RawStatement {
            symbol: symbol.clone(),
            period_end,
            filed_at: None,
            figures,
        });
    }
    Ok(statements)
}

/// What `EARNINGS` says of each quarter: earnings per share, known from the end of the day they were
/// reported on, since no hour is given.
///
/// # Errors
/// When the vendor refuses, or the answer is not of its form.
pub fn earnings(text: &str, symbol: &Symbol) -> Result<Vec<RawStatement>, VendorError> {
    let Earnings { quarterly_earnings } = answer(text)?;
    let mut statements = Vec::new();
    for quarter in quarterly_earnings {
        let period_end = day(&quarter.fiscal_date_ending)?;
        let filed_at = quarter.reported_date.as_deref().map(day).transpose()?.and_then(over);
        let eps = quarter.reported_eps.and_then(|text| text.parse::<Figure>().ok());
        let Some(eps) = eps else { continue };
        let figures = [("eps".to_owned(), eps)].into();
        statements.push(RawStatement { symbol: symbol.clone(), period_end, filed_at, figures });
    }
    Ok(statements)
}

/// Five in the morning in UTC of the next day: then a day is over in New York, in summer and in winter.
fn over(day: Date) -> Option<Time> {
    let midnight = day.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok()?;
    Some(Time::from(midnight.timestamp()) + Duration::from_hours(5))
}
