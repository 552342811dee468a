//! The news of the exchange: those of a file, told when they were known.
//!
//! - L-1: nothing is shown before its time: an item whose hour has not come is not there.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use conclave_domain::alpaca::{News, Stamp};
use conclave_domain::exchange::refusal::Refusal;
use conclave_domain::news::door::{RawId, RawItem};
use conclave_domain::time::Time;
use serde_json::{Value, json};

use super::floor::Floor;
use super::guard::refuse;
use super::query::{Query, list, number, time, word};

/// Items that one answer holds at most, and where nobody says how many.
const ITEMS_MAX: usize = 50;
const ITEMS: usize = 10;

/// The items of a file in the words of the API, oldest first. One that does not say when it was known is
/// never told.
pub(crate) fn of(items: Vec<RawItem>) -> Vec<News> {
    let told = |(nth, raw): (i64, RawItem)| {
        let known_at = raw.known_at?;
        let id = match raw.id {
            RawId::Number(id) => i64::try_from(id).unwrap_or(nth),
            RawId::Text(_) => nth,
        };
        Some(News {
            id,
            headline: raw.headline,
            summary: raw.body,
            content: String::new(),
            author: String::new(),
            created_at: Stamp::from(raw.event_at.unwrap_or(known_at)),
            updated_at: Stamp::from(known_at),
            symbols: raw.symbols.into_iter().chain(raw.symbol).collect(),
            source: raw.source.name().to_owned(),
            url: None,
            images: Vec::new(),
        })
    };
    let mut news: Vec<News> = (1..).zip(items).filter_map(told).collect();
    news.sort_by_key(|item| item.updated_at.time());
    news
}

/// `GET /v1beta1/news`.
pub(super) async fn news(State(floor): State<Arc<Floor>>, query: Query) -> Response {
    match page(&floor, &query) {
        Ok(page) => Json(page).into_response(),
        Err(refusal) => refuse(&Refusal { status: 400, ..refusal }),
    }
}

fn page(floor: &Floor, query: &Query) -> Result<Value, Refusal> {
    let (start, end) = (time(query, "start")?, time(query, "end")?);
    let symbols = list(query, "symbols").unwrap_or_default();
    let limit = number(query, "limit", 1..=ITEMS_MAX, ITEMS)?;
    let from = number(query, "page_token", 0..=usize::MAX, 0)?;
    let now = floor.now();
    let is_wanted = |item: &&News| {
        let at: Time = item.updated_at.time();
        let is_about = |wanted: &&str| item.symbols.iter().any(|symbol| symbol == wanted);
        at <= now
            && start.is_none_or(|start| start <= at)
            && end.is_none_or(|end| at <= end)
            && (symbols.is_empty() || symbols.iter().any(is_about))
    };
    let mut found: Vec<&News> = floor.news().iter().filter(is_wanted).collect();
    if word(query, "sort") != Some("asc") {
        found.reverse();
    }
    let next = (from + limit < found.len()).then(|| (from + limit).to_string());
    let page: Vec<&News> = found.into_iter().skip(from).take(limit).collect();
    Ok(json!({"news": page, "next_page_token": next}))
}
