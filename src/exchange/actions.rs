//! Corporate actions: splits and dividends of shares that have become effective. None is announced before its
//! day, because nothing is shown before its time here.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use conclave_domain::exchange::Exchange;
use conclave_domain::exchange::ids::{Id, Kind};
use conclave_domain::exchange::refusal::Refusal;
use conclave_domain::market::calendar::Calendar;
use conclave_domain::market::dividends::Dividend;
use conclave_domain::market::splits::Split;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::floor::Floor;
use super::guard::refuse;
use super::query::{Query, list, number, time, word};

/// Actions that one answer holds at most, and where nobody says how many.
const ACTIONS_MAX: usize = 1_000;

/// One action, and where it stands in an answer.
struct Action {
    day: Date,
    symbol: String,
    /// The list it is told in.
    list: &'static str,
    told: Value,
}

/// `GET /v1/corporate-actions`.
pub(super) async fn actions(State(floor): State<Arc<Floor>>, query: Query) -> Response {
    match floor.with(|exchange| page(exchange, &query)) {
        Ok(page) => Json(page).into_response(),
        Err(refusal) => refuse(&Refusal { status: 400, ..refusal }),
    }
}

fn page(exchange: &Exchange, query: &Query) -> Result<Value, Refusal> {
    let symbols = list(query, "symbols").unwrap_or_default();
    let types = list(query, "types").unwrap_or_default();
    let limit = number(query, "limit", 1..=ACTIONS_MAX, ACTIONS_MAX)?;
    let from = number(query, "page_token", 0..=usize::MAX, 0)?;
    let today = Calendar::Xnys.session_date(exchange.now());
    // Both ends are the current day where they are not given.
    let day = |name| -> Result<Date, Refusal> {
        let at = time(query, name)?;
        Ok(at.map_or(today, |at| at.timestamp().to_zoned(TimeZone::UTC).date()))
    };
    let days = day("start")?..=day("end")?.min(today);
    let is_wanted = |action: &Action| {
        let kind = action.list.trim_end_matches('s');
        days.contains(&action.day)
            && (symbols.is_empty() || symbols.contains(&action.symbol.as_str()))
            && (types.is_empty() || types.contains(&kind))
    };
    let mut found: Vec<Action> = all(exchange).into_iter().filter(is_wanted).collect();
    found.sort_by(|a, b| (a.day, &a.symbol).cmp(&(b.day, &b.symbol)));
    if word(query, "sort") == Some("desc") {
        found.reverse();
    }
    let next = from.saturating_add(limit);
    let next = (next < found.len()).then(|| next.to_string());
    let mut lists: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for action in found.into_iter().skip(from).take(limit) {
        lists.entry(action.list).or_default().push(action.told);
    }
    Ok(json!({"corporate_actions": lists, "next_page_token": next}))
}

/// Whatever happens to the shares that are traded here, whenever it does. Nothing here has a CUSIP, and clients
/// want the words.
fn all(exchange: &Exchange) -> Vec<Action> {
    let mut all = Vec::new();
    for (place, listing) in exchange.venue().listings().iter().enumerate() {
        let symbol = &listing.symbol;
        let id = |nth: usize| Id {
            exchange: exchange.number(),
            kind: Kind::Action,
            account: 0,
            nth: ((place as u64) << 24) | nth as u64,
        };
        for (nth, Split { date, new, old, .. }) in listing.splits.iter().enumerate() {
            let (id, is_forward) = (id(nth).to_string(), old < new);
            let mut told = json!({"id": id, "symbol": symbol, "new_rate": new, "old_rate": old,
                "process_date": date.to_string(), "ex_date": date.to_string()});
            for name in if is_forward { &["cusip"][..] } else { &["old_cusip", "new_cusip"] } {
                told[*name] = json!("");
            }
            let list = if is_forward { "forward_splits" } else { "reverse_splits" };
            all.push(Action { day: *date, symbol: symbol.to_string(), list, told });
        }
        let splits = listing.splits.len();
        for (nth, Dividend { date, per_share, .. }) in listing.dividends.iter().enumerate() {
            let rate = per_share.to_f64();
            let told = json!({"id": id(splits + nth).to_string(), "symbol": symbol, "cusip": "",
                "rate": rate, "special": false, "foreign": false,
                "process_date": date.to_string(), "ex_date": date.to_string()});
            let list = "cash_dividends";
            all.push(Action { day: *date, symbol: symbol.to_string(), list, told });
        }
    }
    all
}
