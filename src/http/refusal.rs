//! Why a request is turned away: one code and one sentence each, one form of answer, one count.
//!
//! Safety and the gates have reasons of their own (`domain/code.rs`); a command that they deny is
//! answered with theirs. Those here are about the request itself.

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use metrics::counter;
use serde_json::json;

use super::desk::Refusal;

/// The counter of what was refused.
const REFUSALS: &str = "conclave_http_refusals_total";

/// A reason, declared once: name, code, status, cause, remedy.
macro_rules! reasons {
    ($($name:ident $code:literal $status:ident $cause:literal $remedy:literal;)+) => {
        /// Why a request over HTTP was refused. Codes are added, never renamed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Reason { $(#[doc = $cause] $name,)+ }

        impl Reason {
            /// All of them, by code.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The stable code.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// The status of the answer.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)+ }
            }

            /// What happened.
            pub const fn cause(self) -> &'static str {
                match self { $(Self::$name => $cause,)+ }
            }

            /// What to do.
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)+ }
            }
        }
    };
}

reasons! {
    BodyTooLarge "body_too_large" PAYLOAD_TOO_LARGE
        "The body has more than 64 KB."
        "Send less: nothing that is asked for comes near that.";
    Busy "busy" TOO_MANY_REQUESTS
        "As much of its kind is under way as there is room for: streams of events, searches of the log, logs that are taken away, or connections, of which the one that asked for nothing for the longest time is closed."
        "Ask again when one of them has ended, and close what nobody looks at.";
    CrossSite "cross_site" FORBIDDEN
        "A browser sent it from a page of another site, and not because somebody followed a link to a page of ours."
        "Use the control room of this process; a proxy in front of it must keep the `Host` header.";
    Invalid "invalid" UNPROCESSABLE_ENTITY
        "The body or a value in it is not what was asked for."
        "The message says which; `/api/v1/openapi.json` has the form.";
    InvalidPath "invalid_path" BAD_REQUEST
        "A part of the path is no name: one is at most 128 letters, digits, `-`, `_` and `.`, and does not begin with `.`."
        "Take names as the API gives them.";
    Malformed "malformed" BAD_REQUEST
        "The request is not HTTP that can be read."
        "Look at the client; a line of the request or a header is broken, or too long.";
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED
        "The path is there, for another method."
        "Reading is GET, commands are POST.";
    Misdirected "misdirected" MISDIRECTED_REQUEST
        "The `Host` header names another machine than the one that is listened on."
        "Ask under the address that is listened on, or localhost; set `http.host` and a token to be reached from elsewhere.";
    NotFound "not_found" NOT_FOUND
        "There is no such thing."
        "The message says what is missing.";
    RateLimited "rate_limited" TOO_MANY_REQUESTS
        "More requests came than are answered."
        "Wait a second; `http.burst` and `http.requests_per_second` are the limits.";
    TimedOut "timed_out" REQUEST_TIMEOUT
        "The body of the request did not end, or its answer did not begin, within two minutes; or the answer was not read for half a minute, and its connection was closed. A head that does not end is closed after ten seconds without an answer, and is not counted."
        "Ask again; where it happens again, look at the log.";
    Unauthorized "unauthorized" UNAUTHORIZED
        "A command, or beyond loopback any request, came without the token or with a wrong one."
        "Send `Authorization: Bearer TOKEN`; the token is in the file `token` of the run's directory, or was given in CONCLAVE_HTTP_TOKEN.";
    Unavailable "unavailable" SERVICE_UNAVAILABLE
        "The process is being stopped, or a part of it did not answer in time."
        "Ask again in a moment; `conclave status` says which part is missing.";
}

/// The code of a refusal, beside its answer, for the count.
#[derive(Clone, Copy)]
struct Counted(&'static str);

impl Reason {
    /// The answer, in the reason's own words.
    pub(super) fn answer(self) -> Response {
        self.because(&format!("{} {}", self.cause(), self.remedy()))
    }

    /// The answer, in words for this case.
    pub(super) fn because(self, message: &str) -> Response {
        let mut response = refused(self.status(), self.code(), message);
        let headers = response.headers_mut();
        match self {
            Self::Unauthorized => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::Busy | Self::RateLimited => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }

    /// The answer as a page for people, under the same status and count.
    pub(super) fn page(self, page: String) -> Response {
        let mut response = (self.status(), Html(page)).into_response();
        response.extensions_mut().insert(Counted(self.code()));
        response
    }

    /// Counts one that no answer of ours goes with.
    pub(super) fn count(self) {
        counter!(REFUSALS, "code" => self.code()).increment(1);
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let message = self.to_string();
        match self {
            Self::NotFound(_) => Reason::NotFound.because(&message),
            Self::Invalid(_) => Reason::Invalid.because(&message),
            Self::Busy(_) => Reason::Busy.because(&message),
            Self::Unavailable(_) => Reason::Unavailable.because(&message),
            Self::Denied { code, .. } => refused(StatusCode::CONFLICT, code.as_str(), &message),
        }
    }
}

fn refused(status: StatusCode, code: &'static str, message: &str) -> Response {
    let body = json!({"schema": "error/1", "code": code, "message": message});
    let mut response = (status, Json(body)).into_response();
    response.extensions_mut().insert(Counted(code));
    response
}

/// Shows every reason as a zero, so that the first ones that come are seen as a rise.
pub(super) fn begin_count() {
    for reason in Reason::ALL {
        counter!(REFUSALS, "code" => reason.code()).increment(0);
    }
}

/// Counts what was refused, wherever that was.
pub(super) async fn count(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    if let Some(Counted(code)) = response.extensions().get() {
        counter!(REFUSALS, "code" => *code).increment(1);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_none_is_one_of_the_councils() {
        assert!(Reason::ALL.is_sorted_by_key(|reason| reason.code()));
        for reason in Reason::ALL {
            // Those of the council have a family before a dot.
            assert!(!reason.code().contains('.') && reason.status().as_u16() >= 400, "{reason:?}");
            assert!(reason.cause().ends_with('.') && reason.remedy().ends_with('.'), "{reason:?}");
        }
    }
}
