//! The HTTP API as a client on the wire sees it, in front of a desk that only remembers.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use conclave::http::auth::Token;
use conclave::http::desk::{Answer, Command, Desk, Refusal, Text, View};
use conclave::http::events::{Event, Hub};
use conclave::http::rate::{Rate, RateLimits};
use conclave::http::{Shared, bind, serve};
use conclave_domain::code::Code;
use conclave_domain::mode::Person;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const SECRET: &str = "0123456789abcdef";

/// Remembers the commands that reached it.
#[derive(Debug, Default)]
pub(crate) struct Remembering(Mutex<Vec<Command>>);

impl Remembering {
    fn commands(&self) -> Vec<Command> {
        self.0.lock().expect("nobody panicked").clone()
    }
}

impl Desk for Remembering {
    fn view(&self, view: View) -> Answer<'_> {
        Box::pin(async move {
            match view {
                View::Round(id) => Err(Refusal::NotFound(format!("there is no decision `{id}`"))),
                View::Budgets => Err(Refusal::Unavailable("safety does not answer".to_owned())),
                other => Ok(json!({"schema": "test/1", "view": format!("{other:?}")})),
            }
        })
    }

    fn command(&self, _: Person, command: Command) -> Answer<'_> {
        Box::pin(async move {
            self.0.lock().expect("nobody panicked").push(command.clone());
            match command {
                Command::Mode(_) => Err(Refusal::denied(Code::ModeUpward)),
                _ => Ok(json!({"schema": "test/1"})),
            }
        })
    }

    fn is_ready(&self) -> bool {
        false
    }

    fn metrics(&self) -> Text<'_> {
        Box::pin(async { "# nothing\n".to_owned() })
    }
}

fn shared(guard_reads: bool) -> (Arc<Remembering>, Shared) {
    let desk = Arc::<Remembering>::default();
    let token = Token::new(SECRET);
    let rate = Rate::default();
    (desk.clone(), Shared::new(desk, Arc::default(), (token, guard_reads), rate))
}

/// Serves for as long as `ask` asks.
async fn against<T>(shared: Shared, ask: impl AsyncFnOnce(SocketAddr) -> T) -> T {
    let any = "127.0.0.1:0".parse().expect("an address");
    let listener = bind(any, false).await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    let limit = tokio::time::sleep(Duration::from_secs(20));
    tokio::select! {
        served = serve(listener, shared, std::future::pending()) => panic!("it ended: {served:?}"),
        () = limit => panic!("no answer within 20 s"),
        answer = ask(address) => answer,
    }
}

/// One answer: its status, its head in lower case, its body.
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }
}

async fn send(to: SocketAddr, line: &str, headers: &[&str], body: &str) -> Reply {
    let mut stream = TcpStream::connect(to).await.expect("a server");
    let mut text = format!("{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    for header in headers {
        text.extend([header, "\r\n"]);
    }
    let length = body.len().to_string();
    text.extend(["content-length: ", &length, "\r\n\r\n", body]);
    // The server may answer and close before it has read all of a body that it refuses.
    let _ = stream.write_all(text.as_bytes()).await;
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    Reply { status, head: head.to_lowercase(), body: body.to_owned() }
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}")
}

#[tokio::test]
async fn a_command_with_the_token_reaches_the_desk_and_a_denial_has_its_code() {
    let (desk, shared) = shared(false);
    against(shared, async |to| {
        let token = bearer(SECRET);
        let reply = send(to, "POST /api/v1/halt", &[&token], "{\"reason\":\"a drill\"}").await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let denied = send(to, "POST /api/v1/mode", &[&token], "{\"mode\":\"autonomous\"}").await;
        assert_eq!(denied.status, 409);
        assert_eq!(denied.json()["code"], Code::ModeUpward.as_str());
        for (path, body) in
            [("halt", "{\"reason\":1}"), ("halt", "{\"why\":\"\"}"), ("mode", "nonsense")]
        {
            let reply = send(to, &format!("POST /api/v1/{path}"), &[&token], body).await;
            assert_eq!(reply.status, 422, "{path} {body}");
        }
    })
    .await;
    let commands = desk.commands();
    assert!(
        matches!(&commands[..], [Command::Halt(why), Command::Mode(_)] if why.reason == "a drill")
    );
}

#[tokio::test]
async fn what_is_too_large_or_unknown_is_refused() {
    let (desk, shared) = shared(false);
    against(shared, async |to| {
        let token = bearer(SECRET);
        let body = format!("{{\"reason\":\"{}\"}}", "x".repeat(70_000));
        let reply = send(to, "POST /api/v1/halt", &[&token], &body).await;
        assert_eq!(reply.status, 413, "{}", reply.body);
        let reply = send(to, "GET /api/v1/rounds/AAPL-x", &[], "").await;
        assert_eq!((reply.status, reply.json()["code"].as_str()), (404, Some("not_found")));
        let reply = send(to, "POST /api/v1/approvals/x/perhaps", &[&token], "").await;
        assert_eq!(reply.status, 404);
        assert_eq!(send(to, "GET /api/v1/secrets", &[], "").await.status, 404);
        assert_eq!(send(to, "GET /api/v1/halt", &[&token], "").await.status, 405);
        assert_eq!(send(to, "GET /api/v1/budgets", &[], "").await.status, 503);
        assert_eq!(send(to, "GET /health/ready", &[], "").await.status, 503);
        assert_eq!(send(to, "GET /health/live", &[], "").await.status, 200);
    })
    .await;
    assert_eq!(desk.commands(), []);
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_keep_a_browser_in() {
    let (_, shared) = shared(false);
    against(shared, async |to| {
        for path in ["/", "/metrics", "/api/v1/status", "/nothing"] {
            let head = send(to, &format!("GET {path}"), &[], "").await.head;
            for header in [
                "content-security-policy: default-src 'none'",
                "x-content-type-options: nosniff",
                "referrer-policy: no-referrer",
                "cache-control: no-store",
            ] {
                assert!(head.contains(header), "{path}: {header} is not in\n{head}");
            }
            assert!(!head.contains("set-cookie"), "{head}");
        }
        let metrics = send(to, "GET /metrics", &[], "").await;
        assert!(metrics.head.contains("text/plain; version=0.0.4"), "{}", metrics.head);
    })
    .await;
}

#[tokio::test]
async fn the_stream_goes_on_after_the_last_event_that_was_seen() {
    let (_, shared) = shared(false);
    let hub: Arc<Hub> = shared.hub.clone();
    let event = |id: u64| Event { id, name: "round.closed".into(), data: "{}".into() };
    (1..=3).for_each(|id| hub.publish(event(id)));
    let seen = against(shared, async |to| {
        let mut stream = TcpStream::connect(to).await.expect("a server");
        let request = "GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\nlast-event-id: 1\r\n\r\n";
        stream.write_all(request.as_bytes()).await.expect("a request");
        let mut text = String::new();
        let mut bytes = [0; 4_096];
        while !text.contains("id: 4") {
            if text.contains("id: 3") && hub.after(3).is_empty() {
                hub.publish(event(4));
            }
            let read = stream.read(&mut bytes).await.expect("an open stream");
            assert!(read > 0, "the stream ended: {text}");
            text.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
        text
    })
    .await;
    let ids: Vec<&str> = seen.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
    assert_eq!(ids, ["2", "3", "4"]);
    assert!(seen.contains("event: round.closed"), "{seen}");
}

#[tokio::test]
async fn beyond_loopback_reading_needs_the_token_too() {
    let (_, shared) = shared(true);
    against(shared, async |to| {
        let token = bearer(SECRET);
        for path in ["/", "/metrics", "/api/v1/status", "/api/v1/events", "/api/v1/rounds/x"] {
            let line = format!("GET {path}");
            assert_eq!(send(to, &line, &[], "").await.status, 401, "{path}");
        }
        assert_eq!(send(to, "GET /api/v1/status", &[&token], "").await.status, 200);
        assert_eq!(send(to, "GET /health/live", &[], "").await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_bind_that_others_reach_takes_a_token_and_a_taken_port_is_named() {
    let open = "0.0.0.0:0".parse().expect("an address");
    let refused = bind(open, false).await.expect_err("no token was given").to_string();
    assert!(refused.contains("CONCLAVE_HTTP_TOKEN"), "{refused}");
    assert!(bind(open, true).await.is_ok());
    let first = bind("127.0.0.1:0".parse().expect("an address"), false).await.expect("a port");
    let address = first.local_addr().expect("a bound socket");
    let taken = bind(address, false).await.expect_err("it is taken").to_string();
    assert!(taken.contains(&address.port().to_string()) && taken.contains("--port"), "{taken}");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_readers_of_the_stream() {
    let (_, shared) = shared(false);
    let any = "127.0.0.1:0".parse().expect("an address");
    let listener = bind(any, false).await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = serve(listener, shared, async { drop(stopped.await) });
    let reading = async {
        let mut stream = TcpStream::connect(address).await.expect("a server");
        let request = "GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n";
        stream.write_all(request.as_bytes()).await.expect("a request");
        let mut bytes = [0; 64];
        assert!(stream.read(&mut bytes).await.expect("an answer") > 0);
        drop(stop);
        stream
    };
    let both = async { tokio::join!(serving, reading) };
    let (served, _open) = tokio::time::timeout(Duration::from_secs(15), both)
        .await
        .expect("the server ends although a stream is open");
    assert!(served.is_ok());
}

/// Half-open connections, as many as there is room for, hold up a request for seconds and not for ever.
#[tokio::test]
async fn clients_that_say_nothing_are_closed_and_make_room() {
    let (_, shared) = shared(false);
    against(shared, async |to| {
        let mut silent = Vec::new();
        for nth in 0..256 {
            let mut stream = TcpStream::connect(to).await.expect("a server");
            if nth % 2 == 0 {
                stream.write_all(b"GET / HTTP/1.1\r\nhost: local").await.expect("a part");
            }
            silent.push(stream);
        }
        let early = Duration::from_secs(2);
        let waiting = send(to, "GET /health/live", &[], "");
        let mut waiting = std::pin::pin!(waiting);
        assert!(tokio::time::timeout(early, &mut waiting).await.is_err(), "there is no room");
        assert_eq!(waiting.await.status, 200);
        for mut stream in silent {
            let mut bytes = Vec::new();
            // An answer that says so may come before the end, which comes in any case.
            let _ = stream.read_to_end(&mut bytes).await;
        }
    })
    .await;
}

#[tokio::test]
async fn more_requests_than_are_answered_are_told_so_with_a_code() {
    let (_, shared) = shared(false);
    shared.rate.set(RateLimits { burst: 2, per_second: 0 });
    against(shared, async |to| {
        let ask = async || send(to, "GET /api/v1/status", &[], "").await;
        assert_eq!((ask().await.status, ask().await.status), (200, 200));
        let reply = ask().await;
        assert_eq!((reply.status, reply.json()["code"].as_str()), (429, Some("rate_limited")));
        assert!(reply.head.contains("retry-after: 1"), "{}", reply.head);
        assert!(reply.head.contains("x-content-type-options: nosniff"), "{}", reply.head);
        // A flood of strangers keeps nobody out who holds the token; a wrong one is a stranger's.
        let with = async |token: &str| {
            send(to, "GET /api/v1/status", &[bearer(token).as_str()], "").await.status
        };
        assert_eq!((with(SECRET).await, with("wrong").await), (200, 429));
    })
    .await;
}
