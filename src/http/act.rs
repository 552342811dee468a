//! What can be commanded. Whoever comes here has shown the token.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use conclave_domain::mode::Person;
use serde::de::DeserializeOwned;

use super::Shared;
use super::desk::{Command, ModeChange, Refusal, TOKEN, Why};
use super::openapi::RefusedCommand;
use super::refusal::Reason;
use super::shapes::commands::{Advice, Answered, Flatten, Mode, Question, Set, State as StateNow};

/// The body of a command, of bounded size.
pub(super) struct Body(Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let read = Bytes::from_request(request, state).await;
        read.map(Self).map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Reason::BodyTooLarge.answer(),
            _ => Reason::Malformed.because(&rejection.body_text()),
        })
    }
}

impl Body {
    fn read<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        serde_json::from_slice(&self.0).map_err(|error| {
            Refusal::Invalid(format!("the body is not what was asked for: {error}"))
        })
    }

    /// A body that may be left out.
    fn read_or_none<T: DeserializeOwned + Default>(&self) -> Result<T, Refusal> {
        if self.0.is_empty() { Ok(T::default()) } else { self.read() }
    }
}

/// Gives a command, and answers with what came of it.
async fn give(shared: &Shared, command: Result<Command, Refusal>) -> Response {
    // The token was compared before.
    let operator = Person::authenticated("operator", TOKEN);
    let done = match command {
        Ok(command) => shared.desk.command(operator, command).await,
        Err(refusal) => Err(refusal),
    };
    match done {
        Ok(value) => Json(value).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// Declares the handler of a command that takes a reason.
macro_rules! with_a_reason {
    ($($(#[doc = $about:literal])+ $name:ident $path:literal $command:ident $body:ident;)+) => { $(
        $(#[doc = $about])+
        #[utoipa::path(post, path = $path, tag = "command", request_body = Option<Why>,
            responses((status = 200, description = "It was obeyed.", body = $body), RefusedCommand), security(("token" = [])))]
        pub(super) async fn $name(State(shared): State<Shared>, body: Body) -> Response {
            give(&shared, body.read_or_none().map(Command::$command)).await
        }
    )+ };
}

with_a_reason! {
    /// No new risk, no consultations; exits, cancels and a person's orders go on.
    halt "/api/v1/halt" Halt StateNow;
    /// No new risk; agents may still advise exits.
    reduce "/api/v1/reduce" Reduce StateNow;
    /// Lifts a halt or a reduction.
    resume "/api/v1/resume" Resume StateNow;
    /// Closes every position.
    flatten "/api/v1/flatten" Flatten Flatten;
}

/// Changes the mode.
#[utoipa::path(post, path = "/api/v1/mode", tag = "command", request_body = ModeChange,
    responses((status = 200, description = "It was obeyed.", body = Mode), RefusedCommand), security(("token" = [])))]
pub(super) async fn mode(State(shared): State<Shared>, body: Body) -> Response {
    give(&shared, body.read().map(Command::Mode)).await
}

/// Answers a proposal that waits for a person: `approve` or `deny`.
#[utoipa::path(post, path = "/api/v1/approvals/{id}/{answer}", tag = "command",
    params(
        ("id" = String, Path, pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]*$", max_length = 128),
        ("answer" = String, Path, pattern = "^(approve|deny)$")), request_body = Option<Why>,
    responses((status = 200, description = "It was obeyed.", body = Answered), RefusedCommand), security(("token" = [])))]
pub(super) async fn approval(
    State(shared): State<Shared>,
    Path((id, word)): Path<(String, String)>,
    body: Body,
) -> Response {
    let approve = match word.as_str() {
        "approve" => Ok(true),
        "deny" => Ok(false),
        _ => Err(Refusal::NotFound(format!("`{word}` is neither approve nor deny"))),
    };
    let command = approve.and_then(|approve| {
        let why = body.read_or_none()?;
        Ok(Command::Approval { id, approve, why })
    });
    give(&shared, command).await
}

/// Asks the trading team on behalf of an outside system: `signal`, `gates`, `size`, `timing` or `exit`.
#[utoipa::path(post, path = "/api/v1/consult/{kind}", tag = "command",
    params(("kind" = String, Path, pattern = "^(signal|gates|size|timing|exit)$")),
    request_body = Question,
    responses((status = 200, description = "It was obeyed.", body = Advice), RefusedCommand), security(("token" = [])))]
pub(super) async fn consult(
    State(shared): State<Shared>,
    Path(kind): Path<String>,
    body: Body,
) -> Response {
    give(&shared, body.read().map(|body| Command::Consult { kind, body })).await
}

/// Sets what an outside system knows of itself: `portfolio`, `regime` or `session`.
#[utoipa::path(post, path = "/api/v1/context/{kind}", tag = "command",
    params(("kind" = String, Path, pattern = "^(portfolio|regime|session)$")),
    request_body = Object,
    responses((status = 200, description = "It was obeyed.", body = Set), RefusedCommand), security(("token" = [])))]
pub(super) async fn context(
    State(shared): State<Shared>,
    Path(kind): Path<String>,
    body: Body,
) -> Response {
    give(&shared, body.read().map(|body| Command::Setter { kind, body })).await
}
