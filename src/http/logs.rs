//! The last lines of the process's log, as the API and the page tell them.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::Level;
use utoipa::IntoParams;

use super::Shared;
use super::openapi::Refused;
use super::refusal::Reason;
use super::shapes::Logs;
use crate::adapters::log_tail::{LINES_MAX, Line, Tail};

/// The levels by name, the most serious first.
pub(super) const LEVELS: [(&str, Level); 5] = [
    ("error", Level::ERROR),
    ("warn", Level::WARN),
    ("info", Level::INFO),
    ("debug", Level::DEBUG),
    ("trace", Level::TRACE),
];

/// Which lines are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Wanted {
    /// The least serious level that is shown: `error`, `warn`, `info`, `debug` or `trace`; all where it is
    /// left out.
    #[param(pattern = "^(error|warn|info|debug|trace)?$")]
    level: String,
}

/// What a query says of it.
pub(super) type Asked = Result<Query<Wanted>, QueryRejection>;

/// The level of a query with its name, or why it is none.
pub(super) fn level(asked: Asked) -> Result<(&'static str, Level), Box<Response>> {
    let wanted = asked.map(|Query(wanted)| wanted.level);
    let known = wanted.ok().and_then(|wanted| match &*wanted {
        "" => LEVELS.last().copied(),
        name => LEVELS.into_iter().find(|(level, _)| *level == name),
    });
    let text = "`level` is `error`, `warn`, `info`, `debug` or `trace`, once";
    known.ok_or_else(|| Box::new(Reason::Invalid.because(text)))
}

/// The last lines of a tail that are at least as serious as a level, newest first.
pub(super) fn told(tail: &Tail, (name, level): (&str, Level), count: usize) -> Value {
    let line = |line: Line| {
        json!({"nth": line.nth, "at": line.at, "level": line.level.as_str().to_lowercase(),
            "target": line.target, "text": line.text})
    };
    let lines: Vec<Value> = tail.newest(level, count).into_iter().map(line).collect();
    json!({"schema": "logs/1", "level": name, "written": tail.written(), "lines": lines})
}

/// The last five hundred lines of the process's log, newest first: what goes to stderr, without secrets.
#[utoipa::path(get, path = "/api/v1/logs", tag = "read", params(Wanted),
    responses((status = 200, description = "The lines.", body = Logs), Refused), security((), ("token" = [])))]
pub(super) async fn logs(State(shared): State<Shared>, asked: Asked) -> Response {
    match level(asked) {
        Ok(level) => Json(told(shared.logs, level, LINES_MAX)).into_response(),
        Err(refused) => *refused,
    }
}
