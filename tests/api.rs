//! The HTTP API of a real process: what it refuses, and whether its answers are what its description says.

mod forms;
mod logs;
mod refusals;
mod schema;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::rig::{Running, World, is_there};

/// What is sent behind the head of a request.
pub(super) enum Body {
    /// A text with its length.
    Text(String),
    /// So many bytes, with their length.
    Long(usize),
    /// So many bytes in chunks of a mebibyte, whose number nobody says.
    Chunked(usize),
}

/// An answer: status, body as JSON or null.
pub(super) type Reply = (u16, Value);

/// Sends a request as it stands, and reads the answer while the body is still being written, as a client
/// that is refused early must.
pub(super) fn ask(address: &str, line: &[u8], headers: &[String], body: Body) -> Reply {
    let mut stream = TcpStream::connect(address).expect("a server");
    stream.set_read_timeout(Some(Duration::from_mins(1))).expect("a time-out");
    let mut writing = stream.try_clone().expect("a second handle");
    let mut head = [line, b" HTTP/1.1\r\nconnection: close\r\n"].concat();
    if !headers.iter().any(|header| header.starts_with("host:")) {
        head.extend(format!("host: {address}\r\n").bytes());
    }
    for header in headers {
        head.extend(header.bytes().chain(*b"\r\n"));
    }
    let writer = std::thread::spawn(move || {
        // A server that refuses a body may close before it has all of it.
        let _ = match body {
            Body::Text(text) => {
                let length = format!("content-length: {}\r\n\r\n{text}", text.len());
                writing.write_all(&[head, length.into_bytes()].concat())
            }
            Body::Long(bytes) => {
                let length = format!("content-length: {bytes}\r\n\r\n");
                let sent = writing.write_all(&[head, length.into_bytes()].concat());
                sent.and_then(|()| writing.write_all(&vec![b' '; bytes]))
            }
            Body::Chunked(bytes) => chunked(&mut writing, head, bytes),
        };
    });
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    writer.join().expect("a writer");
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

fn chunked(stream: &mut TcpStream, mut head: Vec<u8>, bytes: usize) -> std::io::Result<()> {
    const CHUNK: usize = 1 << 20;
    head.extend(*b"transfer-encoding: chunked\r\n\r\n");
    stream.write_all(&head)?;
    let chunk = [format!("{CHUNK:x}\r\n").into_bytes(), vec![b' '; CHUNK], b"\r\n".to_vec()];
    let chunk = chunk.concat();
    for _ in 0..bytes / CHUNK {
        stream.write_all(&chunk)?;
    }
    stream.write_all(b"0\r\n\r\n")
}

/// A run that has reached the end of its bars and stays, with room for many requests.
pub(super) fn standing<'a>(world: &'a World, mode: &str) -> Running<'a> {
    world.config("[http]\nburst = 10000\nrequests_per_second = 10000\n");
    let args = ["--out", "r", "--stay", "--config", "c.toml", "--mode", mode];
    let mut running = world.start("r", &args);
    running.wait("the end of the bars", |_| is_there(&world.path("r/summary.json")));
    running
}

/// Where a run listens, and its token.
pub(super) fn way_in(world: &World) -> (String, String) {
    let station: Value = serde_json::from_str(&world.file("r", "station.json")).expect("json");
    let url = station["url"].as_str().expect("a url");
    (url.trim_start_matches("http://").to_owned(), world.file("r", "token").trim().to_owned())
}

/// The API's description, from the process itself.
pub(super) fn description(running: &Running<'_>) -> Value {
    running.get("openapi.json").expect("a description")
}

/// Each operation of a description that is a command or is none: its method in capitals, its path and the
/// operation.
pub(super) fn operations(document: &Value, are_commands: bool) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let every = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("operations").iter();
        methods.map(move |(method, it)| (method.to_uppercase(), path.clone(), it.clone()))
    });
    every.filter(|(method, ..)| (method != "GET") == are_commands).collect()
}
