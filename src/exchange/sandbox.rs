//! `/sandbox`: what a real exchange does not have, for whoever holds any pair of its keys: the clock,
//! halts, and what goes wrong.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use conclave_domain::exchange::faults::Planned;
use conclave_domain::exchange::refusal::Refusal;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::time::Time;
use serde::Deserialize;
use serde_json::{Value, json};

use super::floor::Floor;
use super::guard::refuse;
use super::ticket;

type Floors = State<Arc<Floor>>;

/// Prices that one step may play.
const PRICES_MAX: u32 = 1_000_000;
/// Seconds that one step may last: ten years.
const SECONDS_MAX: u64 = 315_360_000;

/// How far the clock shall go.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Step {
    /// Prices; a bar has four.
    prices: Option<u32>,
    /// Seconds of market time.
    seconds: Option<u64>,
    /// A moment.
    until: Option<Time>,
}

/// What is halted, or goes on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Halt {
    symbol: Symbol,
    halted: bool,
}

/// What goes wrong from now on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Faults {
    faults: Vec<String>,
}

fn state(floor: &Floor) -> Value {
    json!({
        "schema": "exchange-state/1",
        "now": floor.now(),
        "next_price_at": floor.next_price_at(),
    })
}

/// `GET /sandbox`.
pub(super) async fn show(State(floor): Floors) -> Response {
    Json(state(&floor)).into_response()
}

/// `POST /sandbox/step`: one moment at which prices trade, or as far as is asked.
pub(super) async fn step(State(floor): Floors, body: Bytes) -> Response {
    let asked = if body.is_empty() { Ok(Step::default()) } else { ticket::read(&body) };
    let asked: Step = match asked {
        Ok(asked) => asked,
        Err(refusal) => return refuse(&refusal),
    };
    let seconds = asked.seconds.unwrap_or(0);
    let prices =
        asked.prices.unwrap_or(u32::from(asked.seconds.is_none() && asked.until.is_none()));
    if PRICES_MAX < prices || SECONDS_MAX < seconds {
        return refuse(&Refusal::bad_input("this step is too long"));
    }
    for nth in 0..prices {
        let Some(at) = floor.next_price_at() else { break };
        floor.advance(at);
        if nth % 64 == 63 {
            // Others want to be heard too.
            tokio::task::yield_now().await;
        }
    }
    if 0 < seconds {
        floor.advance(floor.now() + Duration::from_secs(seconds));
    }
    if let Some(until) = asked.until {
        floor.advance(until);
    }
    Json(state(&floor)).into_response()
}

/// `POST /sandbox/halt`.
pub(super) async fn halt(State(floor): Floors, body: Bytes) -> Response {
    let done = ticket::read::<Halt>(&body)
        .and_then(|asked| floor.with(|exchange| exchange.halt(&asked.symbol, asked.halted)));
    match done {
        Ok(()) => Json(state(&floor)).into_response(),
        Err(refusal) => refuse(&refusal),
    }
}

/// `POST /sandbox/faults`: all of them or none are planned, counted from now.
pub(super) async fn plan(State(floor): Floors, body: Bytes) -> Response {
    let asked = ticket::read::<Faults>(&body).and_then(|asked| {
        let faults = asked.faults.iter().map(|text| Planned::read(text));
        faults.collect::<Result<Vec<_>, _>>().map_err(|error| Refusal::bad_input(error.to_string()))
    });
    match asked {
        Ok(faults) => {
            floor.plan(faults);
            Json(state(&floor)).into_response()
        }
        Err(refusal) => refuse(&refusal),
    }
}

/// `DELETE /sandbox/faults`: nothing goes wrong any more.
pub(super) async fn heal(State(floor): Floors) -> Response {
    floor.heal();
    Json(state(&floor)).into_response()
}
