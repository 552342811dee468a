//! One address of Alpaca: a pooled client, keys in headers, a rate, and one attempt at a time.

use std::fmt::{self, Display};
use std::num::NonZeroU32;
use std::time::Duration;

use conclave_actors::models::port::CallError;
use conclave_domain::alpaca::{ApiError, Ask, Trouble};
use conclave_domain::code::Code;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Request, Response, Url};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::keys::{Keys, Venue};
use super::rate::Rate;
use super::{AlpacaError, Failure};
use crate::adapters::model_http;
use crate::config::AlpacaSettings;

/// The longest reply that is read, bytes: ten thousand bars of several symbols have less.
const REPLY_MAX: usize = 16 << 20;
/// The longest reason that is told, characters.
const WHY_MAX: usize = 160;

/// Whether something that waited may still be sent.
#[derive(Clone, Copy)]
pub enum Leave<'a> {
    /// It may, and it waits for no limit of our own: what takes risk away.
    Always,
    /// As long as this says so: what adds risk. Asked immediately before each attempt.
    While(&'a (dyn Fn() -> Result<(), Code> + Sync)),
}

impl fmt::Debug for Leave<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::Always) { "Always" } else { "While(…)" })
    }
}

/// A question: what is asked where.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) ask: Ask,
    method: Method,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    body: Option<String>,
    is_urgent: bool,
}

impl Call {
    /// A call of one thing below a path, such as an order by its id. The name may hold anything, such
    /// as a coin's slash, but for what would leave the path itself: the cancellation of an order
    /// without a name is that of all.
    ///
    /// # Errors
    /// When the name is empty or made of dots.
    pub(super) fn one(
        ask: Ask,
        method: Method,
        path: &[&str],
        name: &str,
    ) -> Result<Self, AlpacaError> {
        let mut call = Self::new(ask, method, path);
        if name.is_empty() || name.bytes().all(|byte| byte == b'.') {
            let trouble = Trouble::BadRequest { status: 0, code: None };
            return Err(call.failed(trouble, "the name of what is asked about is none"));
        }
        call.path.push(name.to_owned());
        Ok(call)
    }

    /// A call of a path below the address.
    pub(super) fn new(ask: Ask, method: Method, path: &[&str]) -> Self {
        let path = path.iter().map(|&segment| segment.to_owned()).collect();
        Self { ask, method, path, query: Vec::new(), body: None, is_urgent: false }
    }

    pub(super) fn get(path: &[&str]) -> Self {
        Self::new(Ask::Read, Method::GET, path)
    }

    /// It waits for no limit of our own.
    pub(super) const fn urgent(mut self, is_urgent: bool) -> Self {
        self.is_urgent = is_urgent;
        self
    }

    pub(super) fn query(mut self, name: &'static str, value: impl Display) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    pub(super) fn body<T: serde::Serialize>(mut self, body: &T) -> Result<Self, AlpacaError> {
        let text = serde_json::to_string(body);
        self.body = Some(text.map_err(|error| {
            self.failed(Trouble::BadRequest { status: 0, code: None }, error.to_string())
        })?);
        Ok(self)
    }

    /// What is asked, for people: without the query, which may hold what is nobody's business.
    pub(super) fn what(&self) -> String {
        format!("{} /{}", self.method, self.path.join("/"))
    }

    /// That the call brought nothing, and what the network or a reader said about it.
    pub(super) fn failed(&self, trouble: Trouble, why: impl Into<String>) -> AlpacaError {
        let why = why.into().chars().take(WHY_MAX).collect();
        let error = ApiError::default();
        Failure { what: self.what(), ask: self.ask, trouble, error, why }.into()
    }
}

/// What came back under a good status; nothing where it was longer than is read. That is told when it is
/// read, like any other body that makes no sense: whoever asks again gets the same.
#[derive(Clone, Debug)]
pub(super) struct Reply(Option<String>);

impl Reply {
    /// Reads it.
    pub(super) fn read<T: DeserializeOwned>(&self, call: &Call) -> Result<T, AlpacaError> {
        let why = match &self.0 {
            None => format!("the reply is longer than {REPLY_MAX} bytes"),
            Some(body) => match serde_json::from_str(body) {
                Ok(read) => return Ok(read),
                Err(error) => error.to_string(),
            },
        };
        Err(call.failed(Trouble::Malformed, why))
    }
}

/// One address.
#[derive(Debug)]
pub(super) struct Line {
    client: Client,
    base: Url,
    headers: HeaderMap,
    keys: Keys,
    venue: Venue,
    pub(super) rate: Rate,
    timeout: Duration,
}

impl Line {
    /// `key` is the address's name in the configuration.
    pub(super) fn new(
        key: &'static str,
        base: &str,
        keys: &Keys,
        settings: &AlpacaSettings,
    ) -> Result<Self, AlpacaError> {
        let base = address(key, base)?;
        let venue = Venue::of(&base);
        keys.may_open(venue)?;
        let mut headers = keys.headers()?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let per_minute = NonZeroU32::new(settings.requests_per_minute).unwrap_or(NonZeroU32::MIN);
        Ok(Self {
            client: model_http::client(&base)?,
            base,
            headers,
            keys: keys.clone(),
            venue,
            rate: Rate::new(per_minute),
            timeout: settings.timeout,
        })
    }

    /// What the address is for.
    pub(super) const fn venue(&self) -> Venue {
        self.venue
    }

    /// One attempt, once there is room for it, and over by `until`.
    ///
    /// # Errors
    /// When nothing good came back.
    pub(super) async fn once(&self, call: &Call, until: Instant) -> Result<Reply, AlpacaError> {
        self.once_if(call, until, Leave::Always).await
    }

    /// The same, if it may still leave when there is room for it.
    ///
    /// # Errors
    /// [`AlpacaError::HeldBack`] when it may not; then nothing was sent.
    pub(super) async fn once_if(
        &self,
        call: &Call,
        until: Instant,
        leave: Leave<'_>,
    ) -> Result<Reply, AlpacaError> {
        let lane = if call.is_urgent { Ask::Close } else { call.ask };
        let leaves = self.rate.take(lane, until).map_err(|_| {
            call.failed(Trouble::RateLimited { reset_s: None }, "no room for it in time")
        })?;
        // A timer goes by whole milliseconds, which is more than everything else here takes.
        if Instant::now() < leaves {
            tokio::time::sleep_until(leaves).await;
        }
        if let Leave::While(may_leave) = leave {
            may_leave().map_err(AlpacaError::HeldBack)?;
        }
        let left = until.saturating_duration_since(Instant::now());
        let mut request = Request::new(call.method.clone(), self.url(call));
        *request.timeout_mut() = Some(self.timeout.min(left));
        *request.headers_mut() = self.headers.clone();
        *request.body_mut() = call.body.clone().map(Into::into);
        let exchanged = self.exchange(call, request).await;
        let trouble = exchanged.as_ref().err().and_then(AlpacaError::trouble);
        let outcome = trouble.map_or("ok", Trouble::name);
        let labels = [("ask", call.ask.name()), ("outcome", outcome)];
        metrics::counter!("conclave_broker_requests_total", &labels).increment(1);
        exchanged
    }

    fn url(&self, call: &Call) -> Url {
        let mut url = self.base.clone();
        // An address that was taken has a path, so it can have a longer one.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(&call.path);
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        url
    }

    async fn exchange(&self, call: &Call, request: Request) -> Result<Reply, AlpacaError> {
        let broken = |error: reqwest::Error| match model_http::failure(error) {
            CallError::Connect { why } => call.failed(Trouble::Unreached, why),
            other => call.failed(Trouble::Unknown { status: 0 }, other.to_string()),
        };
        let mut response = self.client.execute(request).await.map_err(broken)?;
        let status = response.status();
        let (remaining, reset_s) = room(response.headers());
        self.rate.told(remaining, reset_s);
        let body = whole(&mut response).await.map_err(broken)?;
        let body = body.map(|body| self.keys.scrub(String::from_utf8_lossy(&body).into_owned()));
        if status.is_success() {
            return Ok(Reply(body));
        }
        let error = ApiError::read(body.as_deref().unwrap_or_default());
        let trouble = Trouble::of(status.as_u16(), error.code, reset_s);
        if matches!(trouble, Trouble::RateLimited { .. }) {
            self.rate.close(reset_s);
        }
        let (what, ask, why) = (call.what(), call.ask, String::new());
        Err(Failure { what, ask, trouble, error, why }.into())
    }
}

/// The body of a reply; `None` for one that is longer than is read, or says that it is.
async fn whole(response: &mut Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    if response.content_length().is_some_and(|bytes| bytes > REPLY_MAX as u64) {
        return Ok(None);
    }
    while let Some(chunk) = response.chunk().await? {
        if REPLY_MAX < body.len() + chunk.len() {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// How many requests are left, and when there is room again, seconds since 1970.
fn room(headers: &HeaderMap) -> (Option<u64>, Option<i64>) {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let remaining = text("x-ratelimit-remaining").and_then(|text| text.parse().ok());
    (remaining, text("x-ratelimit-reset").and_then(|text| text.parse().ok()))
}

/// An address that keys may be sent to: encrypted, or on this machine.
fn address(key: &'static str, base: &str) -> Result<Url, AlpacaError> {
    match model_http::address(base, "") {
        Ok(url) => Ok(url),
        Err(model_http::ModelError::Address { why }) => Err(AlpacaError::Address { key, why }),
        Err(other) => Err(other.into()),
    }
}
