//! The routes, and what surrounds every one of them: limits, headers, the token.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use conclave_domain::mode::Person;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Shared;
use super::desk::{Command, ModeChange, Refusal, TOKEN, View, Why};
use super::page;
use super::rate::Rate;

/// Largest request body, bytes.
const BODY_MAX: usize = 64 * 1024;
/// How often silence is broken for a page, which must say within five seconds that nobody is there.
const BEAT: Duration = Duration::from_secs(2);
/// What a browser may do on our pages: load our own style and script, and talk to us.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The person behind a mutation: the token was compared before.
fn operator() -> Person {
    Person::authenticated("operator", TOKEN)
}

/// The whole API, with everything that surrounds it.
pub fn router(shared: Shared) -> Router {
    let exposed = shared.guard_reads;
    let rate = shared.rate.clone();
    let reads = Router::new()
        .route("/", get(page::whole))
        .route("/panels", get(page::some))
        .route("/rounds/{id}", get(page::round))
        .route("/agents/{name}", get(page::agent))
        .route("/assets/app.css", get(page::style))
        .route("/assets/app.js", get(page::script))
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(|s| view(s, View::Status)))
        .route("/api/v1/agents", get(|s| view(s, View::Agents)))
        .route("/api/v1/rounds", get(|s| view(s, View::Rounds)))
        .route("/api/v1/rounds/{id}", get(|s, Path(id)| view(s, View::Round(id))))
        .route("/api/v1/approvals", get(|s| view(s, View::Approvals)))
        .route("/api/v1/budgets", get(|s| view(s, View::Budgets)))
        .route("/api/v1/positions", get(|s| view(s, View::Positions)))
        .route("/api/v1/orders", get(|s| view(s, View::Orders)))
        .route("/api/v1/universe", get(|s| view(s, View::Universe)))
        .route("/api/v1/curve", get(|s| view(s, View::Curve)))
        .route("/api/v1/arena", get(|s| view(s, View::Arena)))
        .route("/api/v1/chats", get(|s| view(s, View::Chats)))
        .route("/api/v1/events", get(events))
        .route_layer(middleware::from_fn_with_state(shared.clone(), guard_reads));
    let mutations = Router::new()
        .route("/api/v1/halt", post(|s, b| why(s, b, Command::Halt)))
        .route("/api/v1/reduce", post(|s, b| why(s, b, Command::Reduce)))
        .route("/api/v1/resume", post(|s, b| why(s, b, Command::Resume)))
        .route("/api/v1/flatten", post(|s, b| why(s, b, Command::Flatten)))
        .route("/api/v1/mode", post(mode))
        .route("/api/v1/approvals/{id}/{answer}", post(approval))
        .route("/api/v1/consult/{kind}", post(consult))
        .route("/api/v1/context/{kind}", post(setter))
        .route_layer(middleware::from_fn_with_state(shared.clone(), guard_mutations));
    Router::new()
        .merge(reads)
        .merge(mutations)
        .route("/health/live", get(|| async { "alive\n" }))
        .route("/health/ready", get(ready))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::from_fn(move |request, next| loopback_host(exposed, request, next)))
        .layer(middleware::from_fn(security_headers))
        .layer(middleware::from_fn(move |request, next| limit_rate(rate.clone(), request, next)))
        .with_state(shared)
}

/// A handler that answers with one view.
async fn view(State(shared): State<Shared>, view: View) -> Response {
    answer(shared.desk.view(view).await)
}

async fn metrics(State(shared): State<Shared>) -> Response {
    let text = shared.desk.metrics().await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

async fn ready(State(shared): State<Shared>) -> Response {
    if shared.desk.is_ready() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}

/// How the stream is wanted.
#[derive(Debug, Deserialize)]
struct Streaming {
    /// `1`: silence is broken by an event `beat` every two seconds, for readers that cannot see comments.
    #[serde(default)]
    beat: u8,
}

async fn events(
    State(shared): State<Shared>,
    Query(wanted): Query<Streaming>,
    headers: HeaderMap,
) -> Response {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let last = last.and_then(|text| text.parse().ok());
    let quiet = KeepAlive::default();
    let beating =
        || KeepAlive::new().interval(BEAT).event(Event::default().event("beat").data("{}"));
    let alive = if wanted.beat == 1 { beating() } else { quiet };
    Sse::new(shared.hub.stream(last)).keep_alive(alive).into_response()
}

async fn why(State(shared): State<Shared>, body: Bytes, make: fn(Why) -> Command) -> Response {
    let parsed = if body.is_empty() { Ok(Why::default()) } else { read(&body) };
    match parsed {
        Ok(why) => answer(shared.desk.command(operator(), make(why)).await),
        Err(refusal) => refused(&refusal),
    }
}

async fn mode(State(shared): State<Shared>, body: Bytes) -> Response {
    match read::<ModeChange>(&body) {
        Ok(change) => answer(shared.desk.command(operator(), Command::Mode(change)).await),
        Err(refusal) => refused(&refusal),
    }
}

async fn approval(
    State(shared): State<Shared>,
    Path((id, word)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    let approve = match word.as_str() {
        "approve" => true,
        "deny" => false,
        _ => return refused(&Refusal::NotFound(format!("`{word}` is neither approve nor deny"))),
    };
    let parsed = if body.is_empty() { Ok(Why::default()) } else { read(&body) };
    match parsed {
        Ok(why) => {
            answer(shared.desk.command(operator(), Command::Approval { id, approve, why }).await)
        }
        Err(refusal) => refused(&refusal),
    }
}

async fn consult(State(shared): State<Shared>, Path(kind): Path<String>, body: Bytes) -> Response {
    match read(&body) {
        Ok(body) => answer(shared.desk.command(operator(), Command::Consult { kind, body }).await),
        Err(refusal) => refused(&refusal),
    }
}

async fn setter(State(shared): State<Shared>, Path(kind): Path<String>, body: Bytes) -> Response {
    match read(&body) {
        Ok(body) => answer(shared.desk.command(operator(), Command::Setter { kind, body }).await),
        Err(refusal) => refused(&refusal),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::Invalid(format!("the body is not what was asked for: {error}")))
}

fn answer(result: Result<Value, Refusal>) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(refusal) => refused(&refusal),
    }
}

fn refused(refusal: &Refusal) -> Response {
    let (status, code) = match refusal {
        Refusal::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
        Refusal::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
        Refusal::Denied { code, .. } => (StatusCode::CONFLICT, code.as_str()),
        Refusal::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
    };
    let body = json!({"schema": "error/1", "code": code, "message": refusal.to_string()});
    (status, Json(body)).into_response()
}

async fn guard_reads(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    if shared.guard_reads { guarded(&shared, request, next).await } else { next.run(request).await }
}

async fn guard_mutations(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    guarded(&shared, request, next).await
}

async fn guarded(shared: &Shared, request: Request, next: Next) -> Response {
    let header = request.headers().get(header::AUTHORIZATION);
    if shared.token.admits(header.and_then(|value| value.to_str().ok())) {
        return next.run(request).await;
    }
    let message =
        "this needs `Authorization: Bearer TOKEN`; the token is in the store's token file";
    let body = json!({"schema": "error/1", "code": "unauthorized", "message": message});
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], Json(body)).into_response()
}

/// A page of another site must not reach the API under a name of its own: on loopback only the
/// loopback's names are answered.
async fn loopback_host(guard_reads: bool, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let name = host.map_or("", |host| host.rsplit_once(':').map_or(host, |(name, _)| name));
    let ours = ["127.0.0.1", "localhost", "[::1]", ""].contains(&name);
    if guard_reads || ours {
        return next.run(request).await;
    }
    (StatusCode::MISDIRECTED_REQUEST, "ask under the address that is listened on\n").into_response()
}

async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// One operator needs no more than the limits, and a runaway script must not keep the process from
/// its work. Health checks count like everything else.
async fn limit_rate(rate: Rate, request: Request, next: Next) -> Response {
    if rate.admits(tokio::time::Instant::now()) {
        next.run(request).await
    } else {
        (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")], "slow down\n").into_response()
    }
}
