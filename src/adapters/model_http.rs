//! One attempt at a provider of models over HTTP: a pooled client, a key, a body, a reply.
//!
//! What the bytes mean is decided in `actors/models/wire`. A key lives in a [`Key`], whose debug output
//! shows nothing; it leaves the process in a header of a request and in no other way, and is taken out of
//! whatever a server sends back. No redirect is followed, because a key must not follow it.

use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use conclave_actors::models::port::{Call, CallError, REPLY_MAX, Reply, Sending};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Request, Url};

/// How long it may take to be connected.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
/// How long an idle connection is kept: longer than the minute between two rounds.
const IDLE_PATIENCE: Duration = Duration::from_secs(90);
/// The longest value of a header that is kept, characters.
const HEADER_MAX: usize = 200;
/// The most headers that are kept.
const HEADERS_MAX: usize = 32;
/// The longest reason of the network that is told, characters.
const WHY_MAX: usize = 160;
/// The shortest key that is looked for in what a server sends back: shorter ones would blank out words.
const SCRUBBED_FROM: usize = 8;
/// What stands where a server sent the key back.
const SCRUBBED: &str = "[key]";

/// Headers of replies that are kept, by name.
const KEPT: [&str; 5] =
    ["retry-after", "retry-after-ms", "request-id", "x-request-id", "x-should-retry"];
/// Headers of replies that are kept, by how they begin.
const KEPT_FROM: [&str; 2] = ["anthropic-ratelimit-", "x-ratelimit-"];

/// Why a provider cannot be spoken to. No text holds a key, and an address only without its user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// A key that no header can carry.
    #[error("the key in {name} is empty, or holds characters that no header can carry")]
    Key {
        /// Where it was read from.
        name: String,
    },
    /// An address that is not taken.
    #[error("the address {why}")]
    Address {
        /// What is wrong with it.
        why: &'static str,
    },
    /// No HTTP client could be made.
    #[error("no http client: {why}")]
    Client {
        /// Why.
        why: String,
    },
}

/// A provider's key. Its debug output shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Arc<str>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// A key as it was found under a name, without the white space around it.
    ///
    /// # Errors
    /// When it is empty or no header can carry it.
    pub fn new(name: &str, text: &str) -> Result<Self, ModelError> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ModelError::Key { name: name.to_owned() });
        }
        Ok(Self(text.into()))
    }

    /// The key in a variable of the environment; `None` where it is not set.
    ///
    /// # Errors
    /// As [`Key::new`].
    pub fn from_env(name: &str) -> Result<Option<Self>, ModelError> {
        Self::found(name, std::env::var_os(name))
    }

    fn found(name: &str, value: Option<OsString>) -> Result<Option<Self>, ModelError> {
        let Some(value) = value else { return Ok(None) };
        let text = value.to_str().ok_or_else(|| ModelError::Key { name: name.to_owned() })?;
        Self::new(name, text).map(Some)
    }

    /// The header that carries it, after `before`; it is marked so that no log of a library shows it.
    pub(super) fn header(&self, before: &str) -> Result<HeaderValue, ModelError> {
        let value = HeaderValue::try_from(format!("{before}{}", self.0));
        let mut value = value.map_err(|_| ModelError::Key { name: "a header".to_owned() })?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The key itself, for an address or a signature that is made of it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// A text without the key.
    pub(super) fn scrub(&self, text: String) -> String {
        if self.0.len() >= SCRUBBED_FROM && text.contains(&*self.0) {
            text.replace(&*self.0, SCRUBBED)
        } else {
            text
        }
    }
}

/// One place at a provider. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub(super) struct Door {
    client: Client,
    url: Url,
    headers: HeaderMap,
    key: Option<Key>,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Door({})", self.url)
    }
}

impl Door {
    /// `path` below `base`, entered with these headers.
    ///
    /// # Errors
    /// When the address is not taken, or no client could be made.
    pub(super) fn new(
        base: &str,
        path: &str,
        key: Option<Key>,
        headers: Vec<(HeaderName, HeaderValue)>,
    ) -> Result<Self, ModelError> {
        let url = address(base, path)?;
        let mut all: HeaderMap = headers.into_iter().collect();
        all.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Self { client: client(&url)?, url, headers: all, key })
    }

    /// Another place at the same provider, over the same connections.
    ///
    /// # Errors
    /// When the address is not taken.
    pub(super) fn beside(&self, base: &str, path: &str) -> Result<Self, ModelError> {
        Ok(Self { url: address(base, path)?, ..self.clone() })
    }

    /// The address, without secrets.
    pub(super) fn endpoint(&self) -> &str {
        self.url.as_str()
    }

    /// Posts a body. Dropping the future closes the connection.
    pub(super) fn post(&self, call: Call) -> Sending {
        let Call { body, timeout } = call;
        self.send(Method::POST, Some(body), timeout)
    }

    /// Gets what is there.
    pub(super) fn get(&self, timeout: Duration) -> Sending {
        self.send(Method::GET, None, timeout)
    }

    fn send(&self, method: Method, body: Option<String>, timeout: Duration) -> Sending {
        let mut request = Request::new(method, self.url.clone());
        *request.timeout_mut() = Some(timeout);
        *request.headers_mut() = self.headers.clone();
        *request.body_mut() = body.map(Into::into);
        let (client, key) = (self.client.clone(), self.key.clone());
        Box::pin(async move { exchange(&client, request, key.as_ref()).await })
    }
}

async fn exchange(
    client: &Client,
    request: Request,
    key: Option<&Key>,
) -> Result<Reply, CallError> {
    let mut response = client.execute(request).await.map_err(failure)?;
    let scrub = |text: String| match key {
        Some(key) => key.scrub(text),
        None => text,
    };
    let status = response.status().as_u16();
    let headers = kept(response.headers()).into_iter();
    let headers = headers.map(|(name, value)| (name, scrub(value))).collect();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failure)? {
        if body.len() + chunk.len() > REPLY_MAX {
            return Err(CallError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    let body = scrub(String::from_utf8_lossy(&body).into_owned());
    Ok(Reply { status, headers, body })
}

/// The headers that matter: those that are known by name first, so that a crowd of others pushes none of
/// them out; then in the order of their names.
fn kept(headers: &HeaderMap) -> Vec<(String, String)> {
    let is_kept =
        |name: &str| KEPT.contains(&name) || KEPT_FROM.iter().any(|from| name.starts_with(from));
    let matter = headers.iter().filter(|(name, _)| is_kept(name.as_str()));
    let text = |(name, value): (&HeaderName, &HeaderValue)| {
        let value: String = value.to_str().ok()?.chars().take(HEADER_MAX).collect();
        Some((name.as_str().to_owned(), value))
    };
    let mut kept: Vec<_> = matter.filter_map(text).collect();
    kept.sort_by_cached_key(|(name, value)| {
        (!KEPT.contains(&name.as_str()), name.clone(), value.clone())
    });
    kept.truncate(HEADERS_MAX);
    kept
}

/// What an error of the client means. Its own text names the address; the innermost cause does not.
pub(super) fn failure(error: reqwest::Error) -> CallError {
    let error = error.without_url();
    if error.is_timeout() && !error.is_connect() {
        return CallError::Timeout;
    }
    let is_connect = error.is_connect();
    let why = cause(error);
    if is_connect { CallError::Connect { why } } else { CallError::Broken { why } }
}

/// What an error of the client says, without the address, in which a secret may stand.
pub(super) fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    if error.is_timeout() && !error.is_connect() {
        return "it took too long".to_owned();
    }
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string().chars().take(WHY_MAX).collect()
}

/// A client for this address and those of the same place.
///
/// # Errors
/// When none could be made.
pub(super) fn client(url: &Url) -> Result<Client, ModelError> {
    // The client wants a TLS provider even for loopback; a second install is refused, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .connect_timeout(CONNECT_PATIENCE)
        .pool_idle_timeout(IDLE_PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .user_agent(concat!("conclave/", env!("CARGO_PKG_VERSION")));
    // What stays on this machine passes no proxy, which would see the key in plain text.
    let builder = if is_here(url) { builder.no_proxy() } else { builder.https_only(true) };
    builder.build().map_err(|error| ModelError::Client { why: error.without_url().to_string() })
}

/// An address that a key may be sent to: encrypted, or on this machine.
///
/// # Errors
/// When it is neither, or holds a user, a query or a fragment.
pub(super) fn address(base: &str, path: &str) -> Result<Url, ModelError> {
    let refuse = |why| Err(ModelError::Address { why });
    let Ok(url) = Url::parse(&format!("{}/{path}", base.trim_end_matches('/'))) else {
        return refuse("is no url");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("holds a user or a password: keys come from the environment");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse("has a query or a fragment, and must end before them");
    }
    match url.scheme() {
        "https" if url.host_str().is_some() => Ok(url),
        "http" if is_here(&url) => Ok(url),
        "http" => refuse("is plain http to another machine: use https"),
        _ => refuse("is neither https nor http"),
    }
}

/// Whether an address is on this machine: what is asked there costs nothing.
pub fn is_loopback(base: &str) -> bool {
    Url::parse(base).is_ok_and(|url| is_here(&url))
}

fn is_here(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

#[cfg(test)]
pub(super) mod tests;
