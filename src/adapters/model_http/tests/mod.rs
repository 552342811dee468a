//! The adapters against servers on loopback: what leaves, what comes back, and what the network does.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap as Heads, Response, StatusCode};
use axum::routing::post;
use conclave_actors::models::port::{Capabilities, Dialect, Model};
use conclave_actors::models::wire;
use conclave_domain::llm::Trouble;
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::adapters::anthropic_http::{ANTHROPIC_VERSION, AnthropicHttp};
use crate::adapters::openai_http::OpenAiHttp;

mod whole;

const SECRET: &str = "sk-marked-7f3a9c";

fn key() -> Key {
    Key::new("ANTHROPIC_API_KEY", SECRET).unwrap()
}

/// A server that lives as long as the returned set.
pub(in crate::adapters) async fn serve(router: Router) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let mut served = JoinSet::new();
    served.spawn(async move {
        let app = router.into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, app).await.unwrap();
    });
    (base, served)
}

/// A server that says these bytes to whoever has asked, and then does what `after` says.
async fn raw(bytes: &'static [u8], after: After) -> (String, JoinSet<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let mut served = JoinSet::new();
    served.spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut asked = [0; 4_096];
        let _ = socket.read(&mut asked).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        match after {
            After::Close => 0,
            // Until the other side has gone.
            After::Wait => socket.read(&mut asked).await.unwrap_or(0),
        }
    });
    (base, served)
}

#[derive(Clone, Copy)]
enum After {
    Close,
    Wait,
}

fn anthropic(base: &str) -> AnthropicHttp {
    AnthropicHttp::new(base, ANTHROPIC_VERSION, key()).unwrap()
}

fn call(timeout_ms: u64) -> Call {
    Call { body: "{\"model\":\"m\"}".to_owned(), timeout: Duration::from_millis(timeout_ms) }
}

const PATIENT: u64 = 10_000;

/// What a server saw.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Vec<(Heads, String)>>>);

impl Seen {
    fn take(&self) -> Vec<(Heads, String)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

async fn note(State(seen): State<Seen>, headers: Heads, body: String) -> Response<Body> {
    let sent = headers.get("x-api-key").or_else(|| headers.get("authorization")).cloned();
    seen.0.lock().unwrap().push((headers, body));
    let echoed = sent.map(|key| key.to_str().unwrap().to_owned()).unwrap_or_default();
    Response::builder()
        .status(StatusCode::TOO_MANY_REQUESTS)
        .header("Retry-After", "3")
        .header("Request-Id", format!("req for {echoed}"))
        .header("anthropic-ratelimit-requests-remaining", "7")
        .header("x-ratelimit-reset", "x".repeat(1_000))
        .header("set-cookie", "session=1")
        .header("x-internal", "yes")
        .body(Body::from(format!("{{\"error\":{{\"message\":\"bad key {echoed}\"}}}}")))
        .unwrap()
}

fn noted(path: &str) -> (Router, Seen) {
    let seen = Seen::default();
    (Router::new().route(path, post(note)).with_state(seen.clone()), seen)
}

#[tokio::test]
async fn a_question_arrives_with_its_key_and_a_reply_comes_back_without_it() {
    let (router, seen) = noted("/v1/messages");
    let (base, _served) = serve(router).await;
    let model = anthropic(&base);
    let reply = model.send(call(PATIENT)).await.unwrap();

    let (headers, body) = seen.take().remove(0);
    assert_eq!(body, "{\"model\":\"m\"}");
    for (name, value) in [
        ("x-api-key", SECRET),
        ("anthropic-version", ANTHROPIC_VERSION),
        ("content-type", "application/json"),
    ] {
        assert_eq!(headers[name], value);
    }
    assert_eq!(reply.status, 429);
    let names: Vec<&str> = reply.headers.iter().map(|(name, _)| name.as_str()).collect();
    let kept = [
        "request-id",
        "retry-after",
        "anthropic-ratelimit-requests-remaining",
        "x-ratelimit-reset",
    ];
    assert_eq!(names, kept);
    assert_eq!(reply.header("request-id"), Some("req for [key]"));
    assert_eq!(reply.header("x-ratelimit-reset").unwrap().len(), HEADER_MAX);
    assert!(reply.body.contains("bad key [key]"), "{}", reply.body);
    let shown = format!("{model:?} {reply:?} {}", model.endpoint());
    assert!(!shown.contains(SECRET), "{shown}");
    let failed = wire::read(Dialect::Anthropic, &reply).unwrap_err();
    assert_eq!(failed.trouble, Trouble::RateLimited { retry_after_ms: Some(3_000) });
}

#[tokio::test]
async fn openrouter_and_servers_of_ones_own_are_given_a_bearer_or_nothing() {
    let (router, seen) = noted("/api/v1/chat/completions");
    let (base, _served) = serve(router).await;
    let base = format!("{base}/api/v1/");
    let router = OpenAiHttp::openrouter(&base, key()).unwrap();
    let local = OpenAiHttp::local("local", &base, None, Capabilities::default()).unwrap();
    let reply = router.send(call(PATIENT)).await.unwrap();
    local.send(call(PATIENT)).await.unwrap();

    let seen = seen.take();
    assert_eq!(seen[0].0["authorization"], format!("Bearer {SECRET}"));
    assert!(seen[1].0.get("authorization").is_none());
    assert!(!format!("{router:?} {reply:?}").contains(SECRET));
    assert_eq!((router.provider(), local.provider()), ("openrouter", "local"));
    assert!(router.endpoint().ends_with("/api/v1/chat/completions"), "{}", router.endpoint());
}

/// Goal: headers without end neither fill a tape nor hide what must be known.
#[test]
fn a_crowd_of_headers_pushes_none_of_the_known_out() {
    let mut headers = HeaderMap::new();
    for nth in 0..200 {
        let name = HeaderName::try_from(format!("anthropic-ratelimit-{nth:03}")).unwrap();
        headers.insert(name, HeaderValue::from_static("1"));
    }
    headers.insert("x-should-retry", HeaderValue::from_static("false"));
    let kept = kept(&headers);
    assert_eq!(kept.len(), HEADERS_MAX);
    assert_eq!(kept[0], ("x-should-retry".to_owned(), "false".to_owned()));
}

/// Goal: what never answers, and what never stops answering, is over when the time is up.
#[tokio::test]
async fn a_reply_that_does_not_come_in_time_is_a_timeout() {
    for bytes in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{\"type\""] {
        let (base, _served) = raw(bytes, After::Wait).await;
        let got = anthropic(&base).send(call(150)).await;
        assert_eq!(got, Err(CallError::Timeout));
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_not_one_that_was_never_made() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{\"type\"";
    for bytes in [&b""[..], half, b"HTTP/1.1 200 OK\r\ncontent-"] {
        let (base, _served) = raw(bytes, After::Close).await;
        let got = anthropic(&base).send(call(PATIENT)).await;
        assert!(matches!(got, Err(CallError::Broken { .. })), "{got:?}");
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let got = anthropic(&base).send(call(PATIENT)).await;
    let Err(CallError::Connect { why }) = got else { panic!("{got:?}") };
    assert!(!why.contains("127.0.0.1") && !why.is_empty(), "{why}");
}

#[tokio::test]
async fn a_reply_that_is_too_long_is_not_read_to_its_end() {
    let endless = || async {
        let chunk = || Ok::<_, std::io::Error>(vec![b' '; 64 << 10]);
        Body::from_stream(stream::iter(std::iter::repeat_with(chunk)))
    };
    let (base, _served) = serve(Router::new().route("/v1/messages", post(endless))).await;
    assert_eq!(anthropic(&base).send(call(PATIENT)).await, Err(CallError::TooLong));

    let (fits, full) = (REPLY_MAX, REPLY_MAX + 1);
    for (size, expected) in [(fits, Ok(fits)), (full, Err(CallError::TooLong))] {
        let sized = move || async move { " ".repeat(size) };
        let (base, _served) = serve(Router::new().route("/v1/messages", post(sized))).await;
        let got = anthropic(&base).send(call(PATIENT)).await.map(|reply| reply.body.len());
        assert_eq!(got, expected);
    }
}

/// Goal: a key does not follow a redirect to another server.
#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (router, seen) = noted("/v1/messages");
    let (elsewhere, _served) = serve(router).await;
    let away = move || {
        let location = format!("{elsewhere}/v1/messages");
        async move { (StatusCode::TEMPORARY_REDIRECT, [("location", location)]) }
    };
    let (base, _also) = serve(Router::new().route("/v1/messages", post(away))).await;
    let reply = anthropic(&base).send(call(PATIENT)).await.unwrap();
    assert_eq!(reply.status, 307);
    assert!(seen.take().is_empty(), "nobody was asked there");
    let failed = wire::read(Dialect::Anthropic, &reply).unwrap_err();
    assert_eq!(failed.trouble, Trouble::BadRequest);
}

/// Goal: dropping a call closes its connection, so that a veto really ends it.
#[tokio::test]
async fn a_call_that_is_dropped_closes_its_connection() {
    let (base, mut served) = raw(b"", After::Wait).await;
    let mut sending = anthropic(&base).send(call(60_000));
    let wait = Duration::from_millis(150);
    assert!(tokio::time::timeout(wait, &mut sending).await.is_err(), "it is in flight");
    drop(sending);
    let closed = tokio::time::timeout(Duration::from_secs(10), served.join_next()).await;
    assert_eq!(closed.unwrap().unwrap().unwrap(), 0, "the server read the end");
}

/// Goal: connections are used again. Method: the server counts the ports that it is asked from.
#[tokio::test]
async fn connections_are_reused() {
    let ports: Arc<Mutex<BTreeSet<u16>>> = Arc::default();
    let asked = Arc::new(AtomicUsize::new(0));
    let (seen, count) = (Arc::clone(&ports), Arc::clone(&asked));
    let counted = move |ConnectInfo(peer): ConnectInfo<SocketAddr>| {
        seen.lock().unwrap().insert(peer.port());
        count.fetch_add(1, Ordering::SeqCst);
        async { "{}" }
    };
    let (base, _served) = serve(Router::new().route("/v1/messages", post(counted))).await;
    let model = Arc::new(anthropic(&base));
    for _ in 0..20 {
        model.send(call(PATIENT)).await.unwrap();
    }
    assert_eq!(ports.lock().unwrap().len(), 1, "one after the other takes one connection");
    for _ in 0..3 {
        let mut calls = JoinSet::new();
        for _ in 0..30 {
            calls.spawn(model.send(call(PATIENT)));
        }
        while let Some(done) = calls.join_next().await {
            done.unwrap().unwrap();
        }
    }
    let used = ports.lock().unwrap().len();
    assert_eq!(asked.load(Ordering::SeqCst), 110);
    assert!(used <= 60, "90 calls, 30 at a time, took {used} connections");
}

#[test]
fn a_key_is_sent_encrypted_or_stays_on_this_machine() {
    for base in [
        "https://api.anthropic.com",
        "http://127.0.0.1:1/v1",
        "http://localhost:1/",
        "http://[::1]:8080/v1",
    ] {
        assert!(address(base, "models").is_ok(), "{base}");
    }
    for (base, why) in [
        ("http://10.0.0.5:8000/v1", "plain http"),
        ("http://api.anthropic.com", "plain http"),
        ("http://127.0.0.1.example.com", "plain http"),
        ("http://localhost.example.com", "plain http"),
        ("https://user:sk-marked-7f3a9c@example.com", "a user or a password"),
        ("https://example.com/v1?key=sk-marked-7f3a9c", "a query"),
        ("ftp://example.com", "neither https nor http"),
        ("example.com", "is no url"),
        ("", "is no url"),
    ] {
        let error = address(base, "models").unwrap_err().to_string();
        assert!(error.contains(why), "{base}: {error}");
        assert!(!error.contains(SECRET), "{error}");
    }
}

#[test]
fn a_key_shows_nothing_of_itself() {
    assert_eq!(format!("{:?}", key()), "Key(..)");
    assert!(format!("{:?}", key().header("Bearer ").unwrap()) == "Sensitive");
    let found = |text: &str| Key::found("NAME", Some(OsString::from(text)));
    assert_eq!(found(&format!(" {SECRET}\n")), Ok(Some(key())));
    assert_eq!(Key::found("NAME", None), Ok(None));
    for bad in ["", "  ", "sk with space", "sk-\u{e9}", "sk-\n-two"] {
        let error = found(bad).unwrap_err().to_string();
        assert!(error.contains("NAME") && !error.contains("sk"), "{error}");
    }
}

#[test]
fn short_keys_do_not_blank_out_words() {
    let short = Key::new("NAME", "ok").unwrap();
    assert_eq!(short.scrub("ok, it works".to_owned()), "ok, it works");
    assert_eq!(key().scrub(format!("a {SECRET} b {SECRET}")), "a [key] b [key]");
}
