//! One connection as the server holds it, on paused time.

use std::sync::Mutex;

use conclave_domain::mode::Person;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::mpsc;

use super::desk::{Answer, Command, Filter, Lines, Text, View};
use super::*;

/// Has a log without an end.
#[derive(Default)]
struct Endless(Mutex<Vec<mpsc::Sender<std::io::Result<String>>>>);

impl Desk for Endless {
    fn view(&self, _: View) -> Answer<'_> {
        Box::pin(async { Ok(Value::Null) })
    }

    fn export(&self, _: Filter) -> Lines {
        let (lines, taken) = mpsc::channel(4);
        while lines.try_send(Ok("x".repeat(64 << 10))).is_ok() {}
        self.0.lock().unwrap().push(lines);
        taken
    }

    fn command(&self, _: Person, _: Command) -> Answer<'_> {
        Box::pin(async { Ok(Value::Null) })
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn metrics(&self) -> Text<'_> {
        Box::pin(async { String::new() })
    }
}

/// A client that has asked for the log, and the connection that answers it.
async fn asked(
    shared: &Shared,
    open: &GracefulShutdown,
) -> (DuplexStream, impl Future<Output = ()> + use<>) {
    let (ours, mut theirs) = tokio::io::duplex(1 << 10);
    let request = b"GET /api/v1/audit/export HTTP/1.1\r\nhost: localhost\r\n\r\n";
    theirs.write_all(request).await.unwrap();
    let seat = Seats::new(1).take().await;
    (theirs, attend(ours, seat, router(shared.clone()), open.watcher()))
}

/// Goal: whoever has a log sent and does not read it gives its place back, and the log is read for him no
/// more. Method: four who do not, a fifth who is told so, and half a minute of paused time.
#[tokio::test(start_paused = true)]
async fn a_log_that_nobody_reads_is_sent_no_more() {
    let desk = Arc::new(Endless::default());
    let guard = (Token::new("a token of more than twenty letters").unwrap(), false);
    let shared = Shared::new(desk.clone(), Arc::default(), guard, Rate::default());
    let (open, begun) = (GracefulShutdown::new(), tokio::time::Instant::now());
    let (mut clients, mut held) = (Vec::new(), JoinSet::new());
    for _ in 0..4 {
        let (mut client, connection) = asked(&shared, &open).await;
        held.spawn(connection);
        let mut status = [0; 12];
        client.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
        clients.push(client);
    }
    let (mut fifth, connection) = asked(&shared, &open).await;
    held.spawn(connection);
    let mut text = [0; 800];
    let _ = fifth.read(&mut text).await.unwrap();
    let text = String::from_utf8_lossy(&text);
    assert!(text.starts_with("HTTP/1.1 429") && text.contains("\"busy\""), "{text}");
    drop(fifth);
    let all = async { while held.join_next().await.is_some() {} };
    tokio::time::timeout(Duration::from_mins(5), all).await.expect("nobody is waited for so long");
    assert_eq!(begun.elapsed(), Duration::from_secs(30));
    assert!(desk.0.lock().unwrap().iter().all(mpsc::Sender::is_closed), "it is read on");
    let (mut sixth, connection) = asked(&shared, &open).await;
    held.spawn(connection);
    let mut status = [0; 12];
    sixth.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
}
