//! The data side: bars, the latest of everything. Nothing is shown before its time.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use conclave_domain::exchange::Exchange;
use conclave_domain::exchange::refusal::Refusal;
use conclave_domain::exchange::venue::Listing;
use conclave_domain::market::bar::{Bar, Timeframe};
use conclave_domain::market::calendar::Calendar;
use conclave_domain::market::series::Series;
use conclave_domain::market::splits::adjust;
use conclave_domain::time::Time;
use serde_json::{Map, Value, json};

use super::floor::Floor;
use super::guard::refuse;
use super::market;
use super::query::{Query, list, number, time, word};

type Floors = State<Arc<Floor>>;

/// Bars that one answer holds at most, and where nobody says how many.
const BARS_MAX: usize = 10_000;
const BARS: usize = 1_000;
/// Symbols that one request may name.
const SYMBOLS_MAX: usize = 1_000;

fn answered(answer: Result<Value, Refusal>) -> Response {
    match answer {
        Ok(value) => Json(value).into_response(),
        Err(refusal) => refuse(&Refusal { status: 400, ..refusal }),
    }
}

/// The listings that a request names, without those that are not traded here.
fn wanted<'a>(exchange: &'a Exchange, symbols: &[&str]) -> Result<Vec<&'a Listing>, Refusal> {
    if symbols.is_empty() || SYMBOLS_MAX < symbols.len() {
        return Err(Refusal::bad_input("symbols is required"));
    }
    let places = symbols.iter().filter_map(|text| exchange.venue().spelt(text));
    let mut places: Vec<usize> = places.collect();
    places.sort_unstable();
    places.dedup();
    Ok(places.into_iter().map(|place| exchange.venue().listing(place)).collect())
}

fn symbols(query: &Query) -> Vec<&str> {
    list(query, "symbols").unwrap_or_default()
}

/// `1Min`, `15Min`, `1Hour`, `1Day`, `1Week` and their short forms.
fn timeframe(text: &str) -> Option<Timeframe> {
    Some(match text {
        "1Min" | "1T" => Timeframe::Minute,
        "5Min" | "5T" => Timeframe::FiveMinutes,
        "15Min" | "15T" => Timeframe::QuarterHour,
        "30Min" | "30T" => Timeframe::HalfHour,
        "1Hour" | "1H" | "60Min" => Timeframe::Hour,
        "4Hour" | "4H" => Timeframe::FourHours,
        "1Day" | "1D" => Timeframe::Day,
        "1Week" | "1W" => Timeframe::Week,
        _ => return None,
    })
}

/// Which bars are asked for.
struct Wanted {
    timeframe: Timeframe,
    start: Option<Time>,
    end: Option<Time>,
    limit: usize,
    is_adjusted: bool,
    is_descending: bool,
    /// The last bar of the page before: its symbol and its time.
    behind: Option<(String, Time)>,
}

impl Wanted {
    fn read(query: &Query) -> Result<Self, Refusal> {
        let text = word(query, "timeframe");
        let text = text.ok_or_else(|| Refusal::bad_input("timeframe is required"))?;
        let unknown = || Refusal::bad_input(format!("invalid timeframe: {text:.20}"));
        let behind = match word(query, "page_token") {
            None => None,
            Some(token) => {
                let bad = || Refusal::bad_input("invalid page_token");
                let (symbol, at) = token.split_once('|').ok_or_else(bad)?;
                let at = at.parse().map_err(|_| bad())?;
                Some((symbol.to_owned(), Time::from_ms(at)))
            }
        };
        let adjustment = word(query, "adjustment").unwrap_or("raw");
        Ok(Self {
            timeframe: timeframe(text).ok_or_else(unknown)?,
            start: time(query, "start")?,
            end: time(query, "end")?,
            limit: number(query, "limit", 1..=BARS_MAX, BARS)?,
            is_adjusted: adjustment.split(',').any(|it| it == "split" || it == "all"),
            is_descending: word(query, "sort") == Some("desc"),
            behind,
        })
    }

    /// The bars of a listing that are asked for, in the order in which they are.
    fn of(&self, listing: &Listing, now: Time) -> Vec<(Time, Bar)> {
        let closed = if self.is_adjusted { adjusted(listing) } else { listing.closed().to_vec() };
        let bars = grouped(closed, listing, self.timeframe, now);
        let stamped =
            bars.into_iter().map(|bar| (market::stamp(&bar, self.timeframe, listing.class), bar));
        let mut bars: Vec<(Time, Bar)> = stamped
            .filter(|(at, _)| {
                self.start.is_none_or(|start| start <= *at) && self.end.is_none_or(|end| *at <= end)
            })
            .collect();
        if self.is_descending {
            bars.reverse();
        }
        let symbol = listing.symbol.as_str();
        if let Some((behind, at)) = &self.behind {
            match symbol.cmp(behind.as_str()) {
                std::cmp::Ordering::Less => bars.clear(),
                std::cmp::Ordering::Equal => {
                    bars.retain(|(it, _)| if self.is_descending { it < at } else { at < it });
                }
                std::cmp::Ordering::Greater => {}
            }
        }
        bars
    }
}

/// The bars as they are after the splits up to now.
fn adjusted(listing: &Listing) -> Vec<Bar> {
    let series = Series {
        symbol: listing.symbol.clone(),
        class: listing.class,
        timeframe: listing.timeframe,
        bars: listing.closed().to_vec(),
    };
    adjust(&series, &listing.splits).map_or(series.bars, |adjusted| adjusted.bars)
}

/// Bars put together to longer ones; shorter ones than there are cannot be had. A longer bar is shown
/// once it is over.
fn grouped(bars: Vec<Bar>, listing: &Listing, to: Timeframe, now: Time) -> Vec<Bar> {
    if to == listing.timeframe {
        return bars;
    }
    if to < listing.timeframe {
        return Vec::new();
    }
    let calendar = listing.calendar();
    let mut groups: Vec<(i64, Bar)> = Vec::new();
    for bar in bars {
        let key = group(&bar, to, calendar);
        match groups.last_mut() {
            Some((last, sum)) if *last == key => {
                sum.close_time = bar.close_time;
                sum.high = sum.high.max(bar.high);
                sum.low = sum.low.min(bar.low);
                sum.close = bar.close;
                sum.volume = sum.volume.plus(bar.volume).unwrap_or(sum.volume);
            }
            _ => groups.push((key, bar)),
        }
    }
    let is_over = |bar: &Bar| match to {
        Timeframe::Day => {
            let day = calendar.session_date(bar.open_time);
            calendar.open_close(day).is_none_or(|(_, close)| close <= now)
        }
        _ => bar.open_time + to.length() <= now,
    };
    groups.into_iter().map(|(_, bar)| bar).filter(is_over).collect()
}

/// The number of the longer bar that a bar belongs to.
fn group(bar: &Bar, to: Timeframe, calendar: Calendar) -> i64 {
    let day = calendar.session_date(bar.open_time);
    let days = day.duration_since(jiff::civil::date(1970, 1, 1)).as_hours() / 24;
    match to {
        Timeframe::Day => days,
        // Weeks begin on Mondays; 1970 began on a Thursday.
        Timeframe::Week => (days + 3).div_euclid(7),
        _ => {
            let length = i64::try_from(to.length().as_millis()).unwrap_or(i64::MAX);
            bar.open_time.ms().div_euclid(length)
        }
    }
}

/// `GET …/bars` of many symbols.
pub(super) async fn bars(State(floor): Floors, query: Query) -> Response {
    answered(floor.with(|exchange| page(exchange, &symbols(&query), &query)))
}

fn page(exchange: &Exchange, symbols: &[&str], query: &Query) -> Result<Value, Refusal> {
    let wanted_bars = Wanted::read(query)?;
    let (mut shown, mut room, mut token) = (Map::new(), wanted_bars.limit, None);
    for listing in wanted(exchange, symbols)? {
        let bars = wanted_bars.of(listing, exchange.now());
        if bars.is_empty() {
            continue;
        }
        let count = bars.len().min(room);
        let symbol = listing.symbol.to_string();
        let end = count.checked_sub(1).and_then(|nth| bars.get(nth));
        if count < bars.len() {
            // The page is full; where nothing of this symbol was on it, the next begins with it.
            let all = if wanted_bars.is_descending { i64::MAX } else { i64::MIN };
            let behind = end.map_or(all, |(at, _)| at.ms());
            token = Some(format!("{symbol}|{behind}"));
        }
        let page = bars[..count].iter();
        let page = page.map(|(_, bar)| market::bar(bar, wanted_bars.timeframe, listing.class));
        if count > 0 {
            shown.insert(symbol, Value::Array(page.collect()));
        }
        room -= count;
        if token.is_some() {
            break;
        }
    }
    Ok(json!({"bars": shown, "next_page_token": token}))
}

/// `GET /v2/stocks/{symbol}/bars`.
pub(super) async fn bars_of(
    State(floor): Floors,
    Path(symbol): Path<String>,
    query: Query,
) -> Response {
    answered(floor.with(|exchange| {
        let mut page = page(exchange, &[&symbol], &query)?;
        let of = exchange.venue().spelt(&symbol);
        let name = of.map(|place| exchange.venue().listing(place).symbol.to_string());
        let bars = name.as_ref().and_then(|name| page["bars"].get_mut(name)).map(Value::take);
        Ok(json!({
            "symbol": name.unwrap_or(symbol),
            "bars": bars.unwrap_or_else(|| json!([])),
            "next_page_token": page["next_page_token"],
        }))
    }))
}

/// What there is of each symbol, under a name.
fn latest(
    floor: &Floor,
    query: &Query,
    name: &str,
    of: impl Fn(&Exchange, &Listing) -> Option<Value>,
) -> Response {
    answered(floor.with(|exchange| {
        let listings = wanted(exchange, &symbols(query))?;
        let shown: Map<String, Value> = listings
            .into_iter()
            .filter_map(|it| Some((it.symbol.to_string(), of(exchange, it)?)))
            .collect();
        Ok(json!({name: shown}))
    }))
}

fn last_bar(listing: &Listing) -> Option<Value> {
    let bar = listing.closed().last()?;
    Some(market::bar(bar, listing.timeframe, listing.class))
}

fn last_quote(exchange: &Exchange, listing: &Listing) -> Option<Value> {
    market::quote(exchange.venue(), exchange.venue().place(&listing.symbol)?)
}

/// `GET …/bars/latest` and `…/latest/bars`.
pub(super) async fn latest_bars(State(floor): Floors, query: Query) -> Response {
    latest(&floor, &query, "bars", |_, listing| last_bar(listing))
}

/// `GET …/quotes/latest` and `…/latest/quotes`.
pub(super) async fn latest_quotes(State(floor): Floors, query: Query) -> Response {
    latest(&floor, &query, "quotes", last_quote)
}

/// `GET …/trades/latest` and `…/latest/trades`.
pub(super) async fn latest_trades(State(floor): Floors, query: Query) -> Response {
    latest(&floor, &query, "trades", |_, listing| market::trade(listing))
}

/// `GET …/snapshots`.
pub(super) async fn snapshots(State(floor): Floors, query: Query) -> Response {
    answered(floor.with(|exchange| {
        let listings = wanted(exchange, &symbols(&query))?;
        let shown: Map<String, Value> = listings
            .into_iter()
            .map(|it| {
                let mut parts = Map::new();
                let mut put = |name: &str, part: Option<Value>| {
                    parts.extend(part.map(|part| (name.to_owned(), part)));
                };
                put("latestTrade", market::trade(it));
                put("latestQuote", last_quote(exchange, it));
                put("minuteBar", last_bar(it));
                let days = grouped(it.closed().to_vec(), it, Timeframe::Day, exchange.now());
                let day = |back: usize| {
                    let bar = days.len().checked_sub(back).and_then(|nth| days.get(nth))?;
                    Some(market::bar(bar, Timeframe::Day, it.class))
                };
                put("dailyBar", day(1));
                put("prevDailyBar", day(2));
                (it.symbol.to_string(), Value::Object(parts))
            })
            .collect();
        Ok(Value::Object(shown))
    }))
}
