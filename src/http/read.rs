//! What can be read: the views of the desk, the stream, metrics, health, and this API's own description.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use futures_util::stream::unfold;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Shared;
use super::desk::{Filter, View};
use super::openapi::{self, Refused};
use super::refusal::Reason;
use super::shapes::account::{Curve, Orders, Positions, Universe};
use super::shapes::rounds::{Approvals, AuditRecords, Decision, Rounds};
use super::shapes::status::{Agents, Budgets, Status};
use super::shapes::{Arena, Chats, Configuration};

/// How often silence is broken for a page, which must say within five seconds that nobody is there.
const BEAT: Duration = Duration::from_secs(2);

/// Answers with one view.
async fn view(shared: &Shared, view: View) -> Response {
    match shared.desk.view(view).await {
        Ok(value) => Json(value).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// Declares the handler of a view that takes nothing.
macro_rules! views {
    ($($(#[doc = $about:literal])+ $name:ident $path:literal $view:ident $body:ident;)+) => { $(
        $(#[doc = $about])+
        #[utoipa::path(get, path = $path, tag = "read",
            responses((status = 200, description = "The view.", body = $body), Refused), security((), ("token" = [])))]
        pub(super) async fn $name(State(shared): State<Shared>) -> Response {
            view(&shared, View::$view).await
        }
    )+ };
}

views! {
    /// Everything at a glance, one complete snapshot.
    status "/api/v1/status" Status Status;
    /// The actors with health and track records.
    agents "/api/v1/agents" Agents Agents;
    /// The last rounds, newest first.
    rounds "/api/v1/rounds" Rounds Rounds;
    /// What waits for a person.
    approvals "/api/v1/approvals" Approvals Approvals;
    /// Budgets: limit, spent, remaining.
    budgets "/api/v1/budgets" Budgets Budgets;
    /// The account and its open positions.
    positions "/api/v1/positions" Positions Positions;
    /// Orders and what became of them.
    orders "/api/v1/orders" Orders Orders;
    /// Who may be entered, where that changes as the run goes on.
    universe "/api/v1/universe" Universe Universe;
    /// The account as it went, thinned.
    curve "/api/v1/curve" Curve Curve;
    /// The board of the latest season of the arena.
    arena "/api/v1/arena" Arena Arena;
    /// The last decisions of that season.
    chats "/api/v1/chats" Chats Chats;
    /// Every key of the configuration in force, with its source; an address that may hide a secret is cut.
    config "/api/v1/config" Config Configuration;
}

/// What a query says of the records that are meant.
type Asked = Result<Query<Filter>, QueryRejection>;

/// The filter of a query, or why it is none.
pub(super) fn filter(asked: Asked) -> Result<Filter, Box<Response>> {
    let known = "a filter has `agent`, `code`, `symbol`, `decision` and `step`, once each";
    let Query(filter) = asked.map_err(|_| Box::new(Reason::Invalid.because(known)))?;
    filter.checked().map_err(|refusal| Box::new(refusal.into_response()))
}

/// Records of the log, the newest two hundred first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "read", params(Filter),
    responses((status = 200, description = "The records.", body = AuditRecords), Refused), security((), ("token" = [])))]
pub(super) async fn audit(State(shared): State<Shared>, asked: Asked) -> Response {
    match filter(asked) {
        Ok(filter) => view(&shared, View::Audit(filter)).await,
        Err(refused) => *refused,
    }
}

/// The records of the log as they stand there, a line of JSON each, oldest first.
#[utoipa::path(get, path = "/api/v1/audit/export", tag = "read", params(Filter),
    responses((status = 200, description = "The lines.", body = String, content_type = "application/x-ndjson"), Refused),
    security((), ("token" = [])))]
pub(super) async fn export(State(shared): State<Shared>, asked: Asked) -> Response {
    let filter = match filter(asked) {
        Ok(filter) => filter,
        Err(refused) => return *refused,
    };
    let place = match shared.places.export() {
        Ok(place) => place,
        Err(refusal) => return refusal.into_response(),
    };
    let lines = shared.desk.export(filter);
    let pieces = unfold((lines, place), |(mut lines, place)| async {
        Some((lines.recv().await?, (lines, place)))
    });
    let kind = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"audit.jsonl\""),
    ];
    (kind, Body::from_stream(pieces)).into_response()
}

/// One round with its whole record.
#[utoipa::path(get, path = "/api/v1/rounds/{id}", tag = "read", params(
    ("id" = String, Path, pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]*$", max_length = 128)),
    responses((status = 200, description = "Its records.", body = Decision), Refused), security((), ("token" = [])))]
pub(super) async fn round(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    view(&shared, View::Round(id)).await
}

/// How the stream is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Streaming {
    /// `1`: silence is broken by an event `beat` every two seconds, for readers that cannot see comments.
    #[serde(default)]
    beat: u8,
}

/// What happens, as it happens: server-sent events that a reader who comes back with `Last-Event-ID` goes
/// on with; an event is a record of the audit, named by its step.
#[utoipa::path(get, path = "/api/v1/events", tag = "read",
    params(Streaming, ("last-event-id" = Option<String>, Header)),
    responses((status = 200, description = "The stream.", body = String, content_type = "text/event-stream"), Refused),
    security((), ("token" = [])))]
pub(super) async fn events(
    State(shared): State<Shared>,
    wanted: Result<Query<Streaming>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let Ok(Query(wanted)) = wanted else {
        return Reason::Invalid.because("`beat` is 0 or 1");
    };
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let last = last.and_then(|text| text.parse().ok());
    let quiet = KeepAlive::default();
    let beating =
        || KeepAlive::new().interval(BEAT).event(Event::default().event("beat").data("{}"));
    let alive = if wanted.beat == 1 { beating() } else { quiet };
    let place = match shared.places.stream() {
        Ok(place) => place,
        Err(refusal) => return refusal.into_response(),
    };
    // The place is held for as long as the stream is.
    let events = shared.hub.stream(last).inspect(move |_| {
        let _ = &place;
    });
    Sse::new(events).keep_alive(alive).into_response()
}

/// What this API looks like.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "read",
    responses((status = 200, description = "This document.", body = Object, content_type = "application/json"), Refused),
    security((), ("token" = [])))]
pub(super) async fn description() -> Response {
    Json(openapi::document()).into_response()
}

/// Metrics in the exposition format of Prometheus; docs/METRICS.md has each.
#[utoipa::path(get, path = "/metrics", tag = "operate",
    responses((status = 200, description = "A text.", body = String, content_type = "text/plain"), Refused),
    security((), ("token" = [])))]
pub(super) async fn metrics(State(shared): State<Shared>) -> Response {
    let text = shared.desk.metrics().await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// Whether the process answers.
#[utoipa::path(get, path = "/health/live", tag = "operate",
    responses((status = 200, description = "A text.", body = String, content_type = "text/plain"), Refused))]
pub(super) async fn live() -> &'static str {
    "alive\n"
}

/// Whether new risk could be taken: every actor that it needs is alive, and the audit is written.
#[utoipa::path(get, path = "/health/ready", tag = "operate",
    responses((status = 200, description = "A text.", body = String, content_type = "text/plain"), Refused))]
pub(super) async fn ready(State(shared): State<Shared>) -> Response {
    if shared.desk.is_ready() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}
