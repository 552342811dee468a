//! What stands before every request: who asks, how often, and what goes wrong on request.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use conclave_domain::exchange::faults::{Fault, Place};
use conclave_domain::exchange::refusal::Refusal;
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::floor::{Floor, lasts};
use crate::adapters::clock::now;

/// The account that a request is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller(pub(super) u16);

/// What goes wrong with the deed itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Struck(pub(super) Option<Fault>);

/// A minute's worth of requests is counted at once.
const WINDOW: Duration = Duration::from_mins(1);
/// The longest body that waits, bytes.
const BODY_MAX: usize = 1 << 20;
/// What is said to be left where nothing is counted.
const UNCOUNTED: u32 = 1_000_000;

/// How many requests an account has made in this minute.
#[derive(Debug)]
pub(super) struct Meter {
    limit: Option<u32>,
    windows: Mutex<Vec<(Instant, u32)>>,
}

impl Meter {
    /// A meter for so many accounts; without a limit nothing is counted.
    pub(super) fn new(limit: Option<u32>, accounts: usize) -> Self {
        let windows = vec![(Instant::now(), 0); accounts];
        Self { limit, windows: Mutex::new(windows) }
    }

    /// One more request: how many are left after it, and how long until they are counted anew.
    /// Nothing is left where it was one too many.
    fn count(&self, account: u16) -> (Option<u32>, Duration) {
        let Some(limit) = self.limit else { return (Some(UNCOUNTED), WINDOW) };
        let now = Instant::now();
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((since, count)) = windows.get_mut(usize::from(account)) else {
            return (None, WINDOW);
        };
        if WINDOW <= now.saturating_duration_since(*since) {
            (*since, *count) = (now, 0);
        }
        let left = (*count < limit).then(|| limit - *count - 1);
        *count = count.saturating_add(1);
        (left, WINDOW.saturating_sub(now.saturating_duration_since(*since)))
    }
}

/// One side of the exchange, as its guard sees it.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    pub(super) floor: Arc<Floor>,
    pub(super) meter: Arc<Meter>,
    /// Where general faults of this side are planned.
    pub(super) place: Place,
    pub(super) late: Late,
}

/// What is done although whoever asked for it has gone meanwhile.
#[derive(Clone, Debug, Default)]
pub(super) struct Late(Arc<Mutex<JoinSet<()>>>);

impl Late {
    /// Does work to its end, and answers with it while somebody waits.
    async fn answer(&self, work: impl Future<Output = Response> + Send + 'static) -> Response {
        let (answer, answered) = oneshot::channel();
        {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            while all.try_join_next().is_some() {}
            all.spawn(async move {
                // Nobody waits for it any more if this fails.
                let _ = answer.send(work.await);
            });
        }
        answered.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
    }
}

/// A refusal as an answer.
pub(super) fn refuse(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut body = Map::new();
    body.insert("code".to_owned(), json!(refusal.code));
    body.insert("message".to_owned(), json!(refusal.message));
    let facts = refusal.facts.iter();
    body.extend(facts.map(|(name, figure)| ((*name).to_owned(), json!(figure))));
    (status, Json(Value::Object(body))).into_response()
}

fn stranger() -> Response {
    let body = json!({"code": 40_110_000, "message": "request is not authorized"});
    (StatusCode::UNAUTHORIZED, Json(body)).into_response()
}

fn too_many() -> Response {
    let body = json!({"code": 42_910_000, "message": "rate limit exceeded"});
    (StatusCode::TOO_MANY_REQUESTS, Json(body)).into_response()
}

/// Lets a request through, or not.
pub(super) async fn guard(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let Some(account) = gate.caller(&request) else { return stranger() };
    let (left, mut anew) = gate.meter.count(account);
    let mut response = if left.is_none() {
        too_many()
    } else {
        let fault = gate.fault(&request);
        request.extensions_mut().insert(Caller(account));
        request.extensions_mut().insert(Struck(fault));
        if let Some(Fault::TooMany(Some(reset))) = fault {
            anew = reset;
        }
        struck(fault, &gate.late, request, next).await
    };
    if anew.is_zero() {
        return response;
    }
    let reset = (now() + anew).ms().div_euclid(1_000) + 1;
    let limit = gate.meter.limit.unwrap_or(UNCOUNTED);
    for (name, figure) in [
        ("x-ratelimit-limit", i64::from(limit)),
        ("x-ratelimit-remaining", i64::from(left.unwrap_or(0))),
        ("x-ratelimit-reset", reset),
    ] {
        response.headers_mut().insert(name, HeaderValue::from(figure));
    }
    response
}

impl Gate {
    /// The account whose keys a request carries.
    fn caller(&self, request: &Request) -> Option<u16> {
        let header = |name: &str| {
            let value = request.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default()
        };
        self.floor.account_of(header("APCA-API-KEY-ID"), header("APCA-API-SECRET-KEY"))
    }

    /// What goes wrong with a request: what is planned for its kind, else for its side.
    fn fault(&self, request: &Request) -> Option<Fault> {
        let path = request.uri().path();
        let special = match (request.method(), self.place) {
            (&Method::POST, Place::Trading) if path == "/v2/orders" => Some(Place::Orders),
            (&Method::DELETE, Place::Trading) if path.starts_with("/v2/orders/") => {
                Some(Place::Cancels)
            }
            (&Method::PATCH, Place::Trading) if path.starts_with("/v2/orders/") => {
                Some(Place::Replaces)
            }
            _ => None,
        };
        let special = special.and_then(|place| self.floor.occasion(place));
        let general = self.floor.occasion(self.place);
        special.or(general)
    }
}

/// Answers a request as a fault has it.
async fn struck(fault: Option<Fault>, late: &Late, request: Request, next: Next) -> Response {
    match fault {
        Some(Fault::TooMany(_)) => too_many(),
        Some(Fault::Forbidden) => refuse(&Refusal::forbidden("insufficient buying power")),
        Some(Fault::Unprocessable) => refuse(&Refusal::unprocessable("unprocessable")),
        Some(Fault::Broken) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Some(Fault::TimeOut(_)) => {
            // It is done, and nobody is told.
            drop(next.run(request).await);
            tokio::time::sleep(lasts(fault).unwrap_or_default()).await;
            StatusCode::GATEWAY_TIMEOUT.into_response()
        }
        // It arrives although nobody waits for an answer any more: so an order comes late.
        Some(Fault::Stall(lasts)) => {
            let (parts, body) = request.into_parts();
            let Ok(body) = to_bytes(body, BODY_MAX).await else {
                return StatusCode::BAD_REQUEST.into_response();
            };
            let request = Request::from_parts(parts, body.into());
            late.answer(async move {
                tokio::time::sleep(lasts).await;
                next.run(request).await
            })
            .await
        }
        Some(Fault::Half | Fault::Late | Fault::Twice | Fault::Gap(_) | Fault::Skew(_)) | None => {
            next.run(request).await
        }
    }
}
