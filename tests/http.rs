//! The HTTP API as a client on the wire sees it, in front of a desk that only remembers.

mod busy;

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
    let token = Token::new(SECRET).expect("long enough");
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

/// Connections at one time.
const CONNECTIONS: usize = 256;

/// A client that stays: what it has sent, and nothing more.
async fn stays(to: SocketAddr, sent: &str) -> TcpStream {
    let mut stream = TcpStream::connect(to).await.expect("a server");
    stream.write_all(sent.as_bytes()).await.expect("a part");
    stream
}

/// Goal: neither half-open connections nor idle ones keep anybody out, however many there are: whoever has
/// asked for nothing for the longest time goes, the others stay until their patience ends. Method: three
/// kinds of them, of which the last one to be idle is still there in the end.
#[tokio::test]
async fn clients_that_say_nothing_make_room_at_once_and_are_closed() {
    let (_, shared) = shared(false);
    against(shared, async |to| {
        let mut silent = Vec::new();
        for sent in ["", "GET / HTTP/1.1\r\nhost: local"].iter().cycle().take(CONNECTIONS - 1) {
            silent.push(stays(to, sent).await);
        }
        let mut idle = stays(to, "GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        let mut byte = [0];
        idle.read_exact(&mut byte).await.expect("an answer");
        // A silent one is closed after ten seconds in any case: that would be too late.
        let early = Duration::from_secs(5);
        for nth in 1..=3 {
            let reply = tokio::time::timeout(early, send(to, "GET /health/live", &[], "")).await;
            assert_eq!(reply.expect("nobody is waited for").status, 200, "{nth}");
        }
        let mut bytes = [0; 1_024];
        while !String::from_utf8_lossy(&bytes).contains("alive") {
            let read = idle.read(&mut bytes).await.expect("the rest of it");
            assert!(read > 0, "it was closed in the place of one that had been idle for longer");
        }
        let open = idle.try_read(&mut bytes).expect_err("nothing more is said");
        assert_eq!(open.kind(), std::io::ErrorKind::WouldBlock, "somebody else was idle longer");
        for mut stream in silent {
            let mut bytes = Vec::new();
            // An answer that says so may come before the end, which comes in any case.
            let _ = stream.read_to_end(&mut bytes).await;
        }
    })
    .await;
}

/// Goal: however many streams somebody opens, everything else is answered. Method: as many as there are
/// connections; then one that is in use is closed, and another takes its place.
#[tokio::test]
async fn streams_leave_room_for_everything_else_and_the_one_too_many_is_told_so() {
    const REQUEST: &str = "GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let (desk, shared) = shared(false);
    shared.rate.set(RateLimits { burst: 10_000, per_second: 0 });
    against(shared, async |to| {
        let (mut open, mut refused) = (Vec::new(), Vec::new());
        for _ in 0..CONNECTIONS {
            let mut stream = stays(to, REQUEST).await;
            let mut bytes = [0; 4_096];
            let read = stream.read(&mut bytes).await.expect("an answer");
            let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
            if text.starts_with("HTTP/1.1 200") { open.push(stream) } else { refused.push(text) }
        }
        assert!(open.len() >= 10 && open.len() <= CONNECTIONS / 2, "{} are open", open.len());
        assert_eq!(open.len() + refused.len(), CONNECTIONS);
        for text in &refused {
            assert!(text.starts_with("HTTP/1.1 429") && text.contains("retry-after: 1"), "{text}");
            assert!(text.contains("\"code\":\"busy\""), "{text}");
        }
        assert_eq!(send(to, "GET /health/live", &[], "").await.status, 200);
        assert_eq!(send(to, "GET /api/v1/status", &[], "").await.status, 200);
        let halt = send(to, "POST /api/v1/halt", &[&bearer(SECRET)], "{}").await;
        assert_eq!(halt.status, 200, "{}", halt.body);
        open.pop();
        let mut bytes = [0; 12];
        while bytes != *b"HTTP/1.1 200" {
            stays(to, REQUEST).await.read_exact(&mut bytes).await.expect("an answer");
        }
    })
    .await;
    assert_eq!(desk.commands().len(), 1);
}

/// Goal: no page of the web reads what is on this machine, or takes from what its reader may ask; whoever
/// follows a link from elsewhere to a page of ours still comes there. Method: a table of what browsers say,
/// in front of so small a bucket that those who are refused may take nothing from it.
#[tokio::test]
async fn a_read_of_another_site_is_refused_and_a_link_from_there_opens() {
    let (_, shared) = shared(false);
    shared.rate.set(RateLimits { burst: 10, per_second: 0 });
    against(shared, async |to| {
        let says = |words: [&str; 3]| {
            let names = ["sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest"];
            let line = |(name, word): (&str, &str)| format!("{name}: {word}");
            names.into_iter().zip(words).map(line).collect::<Vec<_>>()
        };
        let ask = async |path: &str, headers: &[String]| {
            let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
            send(to, &format!("GET {path}"), &headers, "").await
        };
        for (site, mode, kind) in [
            ("cross-site", "no-cors", "image"),
            ("cross-site", "no-cors", "script"),
            ("cross-site", "cors", "empty"),
            ("cross-site", "navigate", "iframe"),
            ("cross-site", "navigate", "object"),
            ("same-site", "cors", "empty"),
        ] {
            for path in ["/", "/api/v1/status", "/api/v1/events", "/metrics", "/health/live"] {
                let reply = ask(path, &says([site, mode, kind])).await;
                let told = (reply.status, reply.json()["code"].as_str().map(str::to_owned));
                assert_eq!(
                    told,
                    (403, Some("cross_site".to_owned())),
                    "{path} {site} {mode} {kind}"
                );
            }
        }
        let older = ask("/api/v1/status", &["origin: http://evil.example".to_owned()]).await;
        assert_eq!(older.status, 403, "{}", older.body);
        for (site, mode, kind) in [
            ("cross-site", "navigate", "document"),
            ("none", "navigate", "document"),
            ("same-origin", "cors", "empty"),
        ] {
            assert_eq!(
                ask("/api/v1/status", &says([site, mode, kind])).await.status,
                200,
                "{site}"
            );
        }
        assert_eq!(ask("/api/v1/status", &[]).await.status, 200, "a program");
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
