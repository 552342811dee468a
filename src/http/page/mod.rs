//! The control room: one page of panels, rendered here, and one script that asks for those again that an
//! event concerns.
//!
//! Nothing on it comes from outside the process, and nothing that the process was told is markup: texts
//! are escaped where they are written. The page reads; what changes something goes through the API with
//! the operator's token, which the page holds in memory and nowhere else.

mod agent;
mod cache;
mod log;
mod panels;
mod shell;
mod style;
mod told;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse as _, Response};
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::Value;

use super::desk::{Filter, Refusal, View};
use super::read;
use super::refusal::Reason;
use super::{Shared, logs};
use crate::adapters::log_tail::LINES_MAX;

pub use cache::Panels;
use panels::Panel;
pub(super) use style::source as style_source;

/// The page's one script.
const SCRIPT: &str = include_str!("app.js");

/// The whole page.
pub(super) async fn whole(State(shared): State<Shared>) -> Response {
    // What one panel waits for, the next one need not.
    let drawn = join_all(Panel::ALL.map(|panel| shared.panels.drawn(panel, &shared))).await;
    let status = shared.desk.view(View::Status).await.unwrap_or_default();
    Html(shell::page(&status, &drawn).into_string()).into_response()
}

/// Which panels are wanted.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    names: String,
}

/// Some of the panels, one after the other.
pub(super) async fn some(
    State(shared): State<Shared>,
    asked: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    let names = asked.map(|Query(wanted)| wanted.names).unwrap_or_default();
    // In the page's order and once each, whatever was asked for.
    let is_wanted = |panel: &Panel| names.split(',').any(|name| name == panel.name());
    let wanted: Vec<Panel> = Panel::ALL.into_iter().filter(is_wanted).collect();
    if wanted.is_empty() {
        let all = Panel::ALL.map(Panel::name).join(", ");
        return Reason::Invalid.because(&format!("`names` names no panel; there are {all}"));
    }
    let mut text = String::new();
    for panel in wanted {
        text.push_str(&shared.panels.drawn(panel, &shared).await);
    }
    Html(text).into_response()
}

/// All that is on record of one decision.
pub(super) async fn round(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    let status = shared.desk.view(View::Status).await.unwrap_or_default();
    match shared.desk.view(View::Round(id)).await {
        Ok(round) => Html(shell::round(&status, &round).into_string()).into_response(),
        Err(Refusal::NotFound(why)) => missing(&status, &why),
        Err(refusal) => refusal.into_response(),
    }
}

/// A page that says what there is not.
fn missing(status: &Value, why: &str) -> Response {
    Reason::NotFound.page(shell::nothing(status, why).into_string())
}

/// The last messages of an agent.
pub(super) async fn agent(State(shared): State<Shared>, Path(name): Path<String>) -> Response {
    let status = shared.desk.view(View::Status).await.unwrap_or_default();
    let agents = shared.desk.view(View::Agents).await.unwrap_or_default();
    let is_one = told::rows(&agents, "/agents").iter().any(|agent| agent["name"] == *name);
    if !is_one {
        return missing(&status, "There is no such agent in this process.");
    }
    let talks = shared.hub.talks();
    let inside = agent::draw((&name, &status), &talks.of(&name), talks.times(&name));
    Html(shell::beside(&status, &name, &inside).into_string()).into_response()
}

/// The records of the log that a filter lets through.
pub(super) async fn audit(
    State(shared): State<Shared>,
    asked: Result<Query<Filter>, QueryRejection>,
) -> Response {
    let status = shared.desk.view(View::Status).await.unwrap_or_default();
    let filter = match read::filter(asked) {
        Ok(filter) => filter,
        Err(refused) => return *refused,
    };
    match shared.desk.view(View::Audit(filter.clone())).await {
        Ok(found) => {
            let inside = log::records(&filter, &found, &status);
            Html(shell::beside(&status, "Audit", &inside).into_string()).into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// The last lines of the process's log, from a level on.
pub(super) async fn logs(State(shared): State<Shared>, asked: logs::Asked) -> Response {
    let status = shared.desk.view(View::Status).await.unwrap_or_default();
    let level = match logs::level(asked) {
        Ok(level) => level,
        Err(refused) => return *refused,
    };
    let inside = log::process(&logs::told(shared.logs, level, LINES_MAX));
    Html(shell::beside(&status, "Log", &inside).into_string()).into_response()
}

/// The configuration in force.
pub(super) async fn config(State(shared): State<Shared>) -> Response {
    let status = shared.desk.view(View::Status).await.unwrap_or_default();
    match shared.desk.view(View::Config).await {
        Ok(found) => {
            let inside = log::keys(&found);
            Html(shell::beside(&status, "Configuration", &inside).into_string()).into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

pub(super) async fn script() -> Response {
    let kind = HeaderValue::from_static("text/javascript; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], SCRIPT).into_response()
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
