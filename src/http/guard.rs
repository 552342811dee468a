//! What surrounds every route: who may ask, under which name, how often and for how long.
//!
//! The guard goes by the method and not by the route: what is not a read takes the token, so that a
//! command that somebody adds is guarded before he thinks of it.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::rate::Asker;
use super::refusal::Reason;
use super::{Shared, page};

/// How long a request may take until its answer begins, its body and its command among it.
const ANSWER_PATIENCE: Duration = Duration::from_mins(2);
/// What a browser may do on our pages: use the style that stands in them and our own script, and talk to us.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src {}; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        page::style_source()
    );
    // It is all printable; were it not, nothing at all would be allowed.
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// Commands need the token; beyond loopback reading needs it too. Whether the process lives anybody may ask.
pub(super) async fn token(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let is_read = request.method().is_safe();
    let is_open = is_read && (!shared.guard_reads || request.uri().path().starts_with("/health/"));
    if is_open || has_token(&shared, &request) {
        next.run(request).await
    } else {
        Reason::Unauthorized.answer()
    }
}

fn has_token(shared: &Shared, request: &Request) -> bool {
    shared.token.admits(text(request.headers(), header::AUTHORIZATION.as_str()))
}

/// No page of another site commands, reads, or takes from the limits of those who may. A link to a page of
/// ours opens, wherever somebody follows it.
pub(super) async fn site(request: Request, next: Next) -> Response {
    let may_be_a_link = request.method().is_safe() && is_followed(request.headers());
    if may_be_a_link || !is_cross_site(request.headers()) {
        next.run(request).await
    } else {
        Reason::CrossSite.answer()
    }
}

/// Whether a browser asks for what it shows as a whole page of its own, in no frame of another.
fn is_followed(headers: &HeaderMap) -> bool {
    text(headers, "sec-fetch-mode") == Some("navigate")
        && text(headers, "sec-fetch-dest") == Some("document")
}

/// Whether a browser says that it asks for a page that is not ours. A form of another site cannot send
/// the token; this holds where somebody has given it away.
fn is_cross_site(headers: &HeaderMap) -> bool {
    if let Some(site) = text(headers, "sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    // Older browsers, and names without encryption: the origin's address must be the one that is asked.
    // No header at all is a program and no browser.
    text(headers, header::ORIGIN.as_str()).is_some_and(|origin| {
        let address = origin.split_once("://").map(|(_, address)| address);
        address.is_none() || address != text(headers, header::HOST.as_str())
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    // What is not text is nobody's token, and no address of ours.
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

/// A page of another site must not reach the API under a name of its own: on loopback only the loopback's
/// addresses and `localhost` are answered.
pub(super) async fn host(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let host = text(request.headers(), header::HOST.as_str()).unwrap_or_default();
    if shared.guard_reads || is_ours(host) {
        next.run(request).await
    } else {
        Reason::Misdirected.answer()
    }
}

/// Whether a host with or without a port can be no name that somebody else has made: an address of the
/// loopback as it is written in full, `localhost`, or nothing at all.
fn is_ours(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        let is_loopback = address.parse().is_ok_and(|address: Ipv6Addr| address.is_loopback());
        return is_loopback && (port.is_empty() || port.starts_with(':'));
    }
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    let is_loopback = || name.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback());
    name.is_empty() || name == "localhost" || is_loopback()
}

/// Every answer carries the headers that keep a browser in.
pub(super) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// One operator needs no more than the limits, and a runaway script must not keep the process from
/// its work. Whoever holds the token takes from nobody else's share. Health checks count like everything else.
pub(super) async fn rate(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let asker = if has_token(&shared, &request) { Asker::Operator } else { Asker::Anybody };
    if shared.rate.admits(asker, tokio::time::Instant::now()) {
        next.run(request).await
    } else {
        Reason::RateLimited.answer()
    }
}

/// Gives up a request that trickles, or whose answer does not begin.
pub(super) async fn patience(request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(ANSWER_PATIENCE, next.run(request)).await;
    answer.unwrap_or_else(|_| Reason::TimedOut.answer())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_behind_another_site_is_told_by_what_it_says() {
        let says = |pairs: &[(&'static str, &'static str)]| {
            let pair = |&(name, value): &(&'static str, &'static str)| {
                (name.parse().unwrap(), HeaderValue::from_static(value))
            };
            is_cross_site(&pairs.iter().map(pair).collect())
        };
        let host = ("host", "127.0.0.1:8740");
        assert!(!says(&[host]), "a program");
        assert!(!says(&[host, ("origin", "http://127.0.0.1:8740")]));
        // Behind a proxy with another name the browser itself knows best.
        assert!(!says(&[
            host,
            ("origin", "https://desk.example"),
            ("sec-fetch-site", "same-origin")
        ]));
        for origin in ["http://evil.example", "null", "", "http://127.0.0.1:1", "127.0.0.1:8740"] {
            assert!(says(&[host, ("origin", origin)]), "{origin}");
        }
        for site in ["cross-site", "same-site", ""] {
            let pairs = [host, ("origin", "http://127.0.0.1:8740"), ("sec-fetch-site", site)];
            assert!(says(&pairs), "{site}");
        }
    }
}
