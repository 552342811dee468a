//! What the machine and the libraries take by themselves: a thread that reads bars, has ten kilobytes
//! written and synced by another thread, and sends a request. No council, no gate, no record.
//!
//! It stands on what the process under test stands on: a runtime of one thread, JSON, a thread for the
//! disk, a pooled HTTP client. What decides in between comes on top of it.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::Failure;
use crate::wire::{Notes, Passed, carry};

/// What a decision writes.
const RECORDS: usize = 10 << 10;
/// How often it is measured.
const ROUNDS: usize = 200;
const BARS: &[u8] =
    b"[{\"T\":\"b\",\"S\":\"S000\",\"o\":100.1,\"h\":100.2,\"l\":100.0,\"c\":100.1,\"v\":1000}]\n";
const ORDER: &str = r#"{"symbol":"S000","qty":"12","side":"buy","type":"market","time_in_force":"day","position_intent":"buy_to_open"}"#;

/// Milliseconds from bars to the request, the flush between them included.
pub(crate) async fn floors(dir: &Path, pause: Duration) -> Result<Vec<f64>, Failure> {
    let (inner, outer) =
        (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
    let (to, at, notes) = (inner.local_addr()?, outer.local_addr()?, Notes::default());
    let mut work = JoinSet::new();
    work.spawn(carry(outer, to, notes.clone()));
    // Before anybody waits for the thread.
    let file = OpenOptions::new().create(true).append(true).open(dir.join("floor"))?;
    let peer = std::thread::spawn(move || trade(at, file).map_err(|error| error.to_string()));
    let (mut bars, _) = inner.accept().await?;
    bars.set_nodelay(true)?;
    work.spawn(answer(inner));
    let mut figures = Vec::new();
    for _ in 0..ROUNDS {
        bars.write_all(BARS).await?;
        tokio::time::sleep(pause).await;
        if let [(bars, Passed::Bars), (entry, Passed::Entry)] = notes.take()[..] {
            figures.push((entry - bars).as_secs_f64() * 1e3);
        }
    }
    drop(bars);
    let ended = tokio::task::spawn_blocking(move || peer.join()).await?;
    ended.map_err(|_| "the peer panicked")??;
    work.shutdown().await;
    Ok(figures)
}

/// Takes requests, and answers each with nothing.
async fn answer(listener: TcpListener) -> std::io::Result<()> {
    loop {
        let (mut client, _) = listener.accept().await?;
        client.set_nodelay(true)?;
        let mut bytes = vec![0; 4_096];
        while client.read(&mut bytes).await? > 0 {
            client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await?;
        }
    }
}

type Written = (Vec<u8>, oneshot::Sender<std::io::Result<()>>);

fn trade(at: SocketAddr, mut file: File) -> Result<(), Failure> {
    let (disk, batches) = mpsc::channel::<Written>();
    let writer = std::thread::spawn(move || {
        for (bytes, reply) in batches {
            let _ = reply.send(file.write_all(&bytes).and_then(|()| file.sync_data()));
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stream = TcpStream::connect(at).await?;
        let mut lines = BufReader::new(stream).lines();
        let client = reqwest::Client::builder().no_proxy().build()?;
        let url = format!("http://{at}/v2/orders");
        while let Some(line) = lines.next_line().await? {
            let bars: serde_json::Value = serde_json::from_str(&line)?;
            let mut records = bars.to_string().into_bytes();
            records.resize(RECORDS, b' ');
            let (reply, synced) = oneshot::channel();
            disk.send((records, reply))?;
            synced.await??;
            let request = client.post(&url).header("content-type", "application/json");
            request.body(ORDER).send().await?.bytes().await?;
        }
        Ok::<(), Failure>(())
    })?;
    drop(disk);
    writer.join().map_err(|_| "the writer panicked".into())
}
