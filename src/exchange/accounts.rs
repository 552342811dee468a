//! The trading side: the account, its activities, the clock, the calendar, the assets.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use conclave_domain::exchange::account::{Account, Activity};
use conclave_domain::exchange::refusal::Refusal;
use conclave_domain::fixed::Money;
use conclave_domain::market::calendar::Calendar;
use conclave_domain::time::Time;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::floor::Floor;
use super::guard::{Caller, refuse};
use super::orders::listed;
use super::query::{Query, list, number, time, word};
use super::{render, ticket};

type Floors = State<Arc<Floor>>;
type Who = Extension<Caller>;

/// Activities that one answer holds at most.
const ACTIVITIES_MAX: usize = 100;
/// Days that an answer about the calendar holds at most: eleven years of sessions.
const DAYS_MAX: usize = 2_800;

fn answered(answer: Result<Value, Refusal>) -> Response {
    match answer {
        Ok(value) => Json(value).into_response(),
        Err(refusal) => refuse(&refusal),
    }
}

fn no_account() -> Refusal {
    Refusal::not_found("there is no such account")
}

/// `GET /v2/account`.
pub(super) async fn account(State(floor): Floors, Extension(Caller(account)): Who) -> Response {
    answered(floor.with(|exchange| {
        let of = exchange.account(account).ok_or_else(no_account)?;
        let funds = of.funds(exchange.venue());
        let funds =
            funds.map_err(|error| Refusal { status: 500, ..Refusal::bad_input(error.to_string()) });
        Ok(render::account(of, &funds?, exchange.now()))
    }))
}

fn settings(of: &Account) -> Value {
    json!({
        "suspend_trade": of.is_suspended,
        "no_shorting": of.multiplier < 2,
        "fractional_trading": true,
        "max_margin_multiplier": of.multiplier.to_string(),
        "trade_confirm_email": "none",
        "ptp_no_exception_entry": false,
    })
}

/// `GET /v2/account/configurations`.
pub(super) async fn configuration(
    State(floor): Floors,
    Extension(Caller(account)): Who,
) -> Response {
    answered(floor.with(|exchange| Ok(settings(exchange.account(account).ok_or_else(no_account)?))))
}

/// `PATCH /v2/account/configurations`: whether new orders are taken is what can be changed.
pub(super) async fn configure(
    State(floor): Floors,
    Extension(Caller(account)): Who,
    body: Bytes,
) -> Response {
    let asked: Value = match ticket::read(&body) {
        Ok(asked) => asked,
        Err(refusal) => return refuse(&refusal),
    };
    answered(floor.with(|exchange| {
        if let Some(is_suspended) = asked.get("suspend_trade").and_then(Value::as_bool) {
            exchange.suspend(account, is_suspended);
        }
        Ok(settings(exchange.account(account).ok_or_else(no_account)?))
    }))
}

/// `GET /v2/account/activities`.
pub(super) async fn activities(
    State(floor): Floors,
    Extension(Caller(account)): Who,
    query: Query,
) -> Response {
    let kinds = list(&query, "activity_types");
    answered(floor.with(|exchange| {
        let of = exchange.account(account).ok_or_else(no_account)?;
        activities_of(of, kinds.as_deref(), &query, |it| render::activity(it, of, exchange.venue()))
    }))
}

/// `GET /v2/account/activities/{activity_type}`.
pub(super) async fn activities_of_kind(
    State(floor): Floors,
    Extension(Caller(account)): Who,
    Path(kind): Path<String>,
    query: Query,
) -> Response {
    answered(floor.with(|exchange| {
        let of = exchange.account(account).ok_or_else(no_account)?;
        let render = |it: &Activity| render::activity(it, of, exchange.venue());
        activities_of(of, Some(&[&kind]), &query, render)
    }))
}

/// A page of activities; the name of the last one is the token of the next page.
fn activities_of(
    of: &Account,
    kinds: Option<&[&str]>,
    query: &Query,
    render: impl Fn(&Activity) -> Value,
) -> Result<Value, Refusal> {
    let size = number(query, "page_size", 1..=ACTIVITIES_MAX, ACTIVITIES_MAX)?;
    let (after, until) = (time(query, "after")?, time(query, "until")?);
    let day = word(query, "date");
    let order = word(query, "order_id");
    let (token, ascending) = (word(query, "page_token"), word(query, "direction") == Some("asc"));
    let takes = |activity: &&Activity| {
        let id = render::activity_id(activity);
        let is_behind = token
            .is_none_or(|token| if ascending { token < id.as_str() } else { id.as_str() < token });
        let kind = render::activity_type(activity);
        is_behind
            && kinds.is_none_or(|kinds| kinds.contains(&kind))
            && after.is_none_or(|after| after < activity.at)
            && until.is_none_or(|until| activity.at < until)
            && day.is_none_or(|day| activity.at.to_string().starts_with(day))
            && order.is_none_or(|id| render(activity)["order_id"] == id)
    };
    let all = of.activities();
    let page: Vec<Value> = if ascending {
        all.iter().filter(takes).take(size).map(&render).collect()
    } else {
        all.iter().rev().filter(takes).take(size).map(&render).collect()
    };
    Ok(Value::Array(page))
}

/// `GET /v2/account/portfolio/history`: the equity on the morning of every session, and now.
pub(super) async fn history(State(floor): Floors, Extension(Caller(account)): Who) -> Response {
    answered(floor.with(|exchange| {
        let of = exchange.account(account).ok_or_else(no_account)?;
        let now = of.funds(exchange.venue()).map_or(of.last_equity, |funds| funds.equity);
        let points = of.history.iter().copied().chain(std::iter::once((exchange.now(), now)));
        let points: Vec<(Time, Money)> = points.collect();
        let base = points.first().map_or(Money::ZERO, |(_, equity)| *equity).to_f64();
        let gain = |equity: &Money| equity.to_f64() - base;
        let equities = points.iter().map(|(_, equity)| equity);
        let share = |equity: &Money| if base > 0.0 { gain(equity) / base } else { 0.0 };
        Ok(json!({
            "timestamp": points.iter().map(|(at, _)| at.ms() / 1_000).collect::<Vec<_>>(),
            "equity": equities.clone().map(|it| it.to_f64()).collect::<Vec<_>>(),
            "profit_loss": equities.clone().map(gain).collect::<Vec<_>>(),
            "profit_loss_pct": equities.map(share).collect::<Vec<_>>(),
            "base_value": base,
            "timeframe": "1D",
        }))
    }))
}

/// `GET /v2/clock`.
pub(super) async fn clock(State(floor): Floors) -> Response {
    let skew_ms = floor.skew_ms();
    answered(floor.with(|exchange| {
        let (open, close) = exchange.next_hours();
        let shown = Time::from_ms(exchange.now().ms().saturating_add(skew_ms));
        Ok(json!({
            "timestamp": shown,
            "is_open": exchange.is_open(),
            "next_open": open,
            "next_close": close,
        }))
    }))
}

/// `GET /v2/calendar`.
pub(super) async fn calendar(query: Query) -> Response {
    let day = |name: &str, otherwise: Date| {
        let Some(text) = word(&query, name) else { return Ok(otherwise) };
        let date = text.get(..10).and_then(|text| text.parse().ok());
        date.ok_or_else(|| Refusal { status: 400, ..Refusal::bad_input(format!("invalid {name}")) })
    };
    let (start, end) = match (
        day("start", jiff::civil::date(2016, 1, 1)),
        day("end", jiff::civil::date(2027, 12, 31)),
    ) {
        (Ok(start), Ok(end)) => (start, end),
        (Err(refusal), _) | (_, Err(refusal)) => return refuse(&refusal),
    };
    let mut days = Vec::new();
    let mut day = start;
    while day <= end && days.len() < DAYS_MAX {
        days.extend(calendar_day(day));
        let Ok(next) = day.tomorrow() else { break };
        day = next;
    }
    Json(days).into_response()
}

fn calendar_day(day: Date) -> Option<Value> {
    let calendar = Calendar::Xnys;
    let (open, close) = calendar.open_close(day)?;
    let zone = TimeZone::get("America/New_York").unwrap_or(TimeZone::UTC);
    let hour = |time: Time| zone.to_datetime(time.timestamp()).strftime("%H:%M").to_string();
    let end = if calendar.is_early_close(day) { "1700" } else { "2000" };
    let settled = calendar.next_session(day);
    Some(json!({
        "date": day.to_string(),
        "open": hour(open),
        "close": hour(close),
        "session_open": "0400",
        "session_close": end,
        "settlement_date": settled.map(|day| day.to_string()),
    }))
}

/// `GET /v2/assets`.
pub(super) async fn assets(
    State(floor): Floors,
    Extension(Caller(account)): Who,
    query: Query,
) -> Response {
    let (status, class) = (word(&query, "status"), word(&query, "asset_class"));
    answered(floor.with(|exchange| {
        let of = exchange.account(account).ok_or_else(no_account)?;
        let listings = exchange.venue().listings().iter().enumerate();
        let wanted = listings.filter(|(_, listing)| {
            class.is_none_or(|class| class == render::class_name(listing.class))
                && status.is_none_or(|status| status == "active")
        });
        Ok(Value::Array(wanted.map(|(place, it)| render::asset(it, place, of)).collect()))
    }))
}

/// `GET /v2/assets/{symbol_or_asset_id}`.
pub(super) async fn asset(
    State(floor): Floors,
    Extension(Caller(account)): Who,
    Path(text): Path<String>,
) -> Response {
    answered(floor.with(|exchange| {
        let of = exchange.account(account).ok_or_else(no_account)?;
        let none = || Refusal::not_found(format!("asset not found for {text}"));
        let place = listed(exchange, &text).ok_or_else(none)?;
        Ok(render::asset(exchange.venue().listing(place), place, of))
    }))
}

/// What is asked for and not there.
pub(super) async fn nothing() -> Response {
    let body = json!({"code": 40_410_000, "message": "endpoint not found."});
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}
