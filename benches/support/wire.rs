//! A stretch of wire that notes when what passes it: bars on their way to a client, orders on their way
//! from it.
#![expect(clippy::disallowed_methods, reason = "a bench measures time and is its own supervisor")]

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// Bars, towards the client.
    Bars,
    /// An entry, towards the exchange.
    Entry,
}

/// What has passed and when, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes(Arc<Mutex<Vec<(Instant, Passed)>>>);

impl Notes {
    fn note(&self, passed: Passed) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), passed));
    }

    /// Takes them.
    pub(crate) fn take(&self) -> Vec<(Instant, Passed)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Passes connections on to `to`, for ever.
pub(crate) async fn carry(listener: TcpListener, to: SocketAddr, notes: Notes) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await?;
        let server = TcpStream::connect(to).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let ((from_client, to_client), (from_server, to_server)) =
            (client.into_split(), server.into_split());
        let is_entry = |bytes: &[u8]| has(bytes, b"POST /v2/orders") && has(bytes, b"_to_open");
        let is_bars = |bytes: &[u8]| has(bytes, br#""T":"b""#);
        connections.spawn(copy(from_client, to_server, is_entry, (Passed::Entry, notes.clone())));
        connections.spawn(copy(from_server, to_client, is_bars, (Passed::Bars, notes.clone())));
    }
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    is_noted: fn(&[u8]) -> bool,
    (what, notes): (Passed, Notes),
) {
    let mut bytes = vec![0; 1 << 20];
    while let Ok(read) = from.read(&mut bytes).await {
        let Some(chunk) = bytes.get(..read).filter(|chunk| !chunk.is_empty()) else { break };
        if is_noted(chunk) {
            notes.note(what);
        }
        if to.write_all(chunk).await.is_err() {
            break;
        }
    }
    // The other end hears of the end with this half.
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
