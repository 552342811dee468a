//! From a bar that is received to the order on the wire, and what a minute of 500 symbols costs.
//! `cargo bench --bench open_market`.
//!
//! Method: the built binary trades a day of minutes at the exchange of this process, by rules brains, in
//! autonomous mode. All of its connections go through a stretch of wire of this process that notes when
//! the last bars of a minute pass towards it, and when an entry passes towards the exchange; the time
//! between is the latency. Between two minutes there is a pause, and two kilobytes are appended to a file
//! and synced, as a bare measure of the disk. Bounds: the median latency is at most the median
//! `fdatasync` and 0.5 ms.
//!
//! The stretch of wire itself, and the waking of a process by it, are measured by a peer that answers at
//! once; a bar counts as received when it has woken its reader. Bounds hold beyond that. What the same
//! runtime, disk and HTTP client take without any council is measured beside it; the rest is
//! the council's.
//!
//! Then the same with 500 symbols: processor time of the process a minute of market, of 60 seconds of one
//! core. Bound: 5 %.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time and is its own supervisor")]

#[path = "support/allocator.rs"]
mod allocator;
#[path = "support/floor.rs"]
mod floor;
#[path = "support/wire.rs"]
mod wire;

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use conclave::exchange::floor::Floor;
use conclave::exchange::keys::KeyPair;
use conclave::exchange::{Pace, Setup, serve};
use conclave_domain::exchange::faults::Plan;
use conclave_domain::exchange::venue::Listing;
use conclave_domain::exchange::{Exchange, Terms};
use conclave_domain::fixed::{Price, Volume};
use conclave_domain::market::bar::{Bar, Timeframe};
use conclave_domain::market::calendar::Calendar;
use conclave_domain::market::series::Series;
use conclave_domain::market::symbol::AssetClass;
use conclave_domain::time::Time;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use wire::{Notes, Passed, carry};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const MINUTE: i64 = 60_000;
/// Sessions of history, half an hour each.
const HISTORY: usize = 26;
/// Between two minutes: a process that has just worked is faster than one that has waited.
const PAUSE: Duration = Duration::from_millis(60);

fn main() -> Result<(), Failure> {
    // Nothing is encrypted here, but reqwest asks for a provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        latency().await?;
        breadth().await
    })
}

async fn latency() -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let day = Day::open(dir.path(), 3).await?;
    let (mut latencies, mut syncs) = (Vec::new(), Vec::new());
    let mut file = OpenOptions::new().create(true).append(true).open(dir.path().join("bare"))?;
    for _ in 0..390 {
        syncs.push(synced(&mut file)?);
        day.minute().await;
        let mut bars = None;
        for (at, passed) in day.notes.take() {
            match (passed, bars) {
                (Passed::Bars, _) => bars = Some(at),
                // The first one of a minute: others wait for its round.
                (Passed::Entry, Some(since)) => {
                    latencies.push((at - since).as_secs_f64() * 1e3);
                    bars = None;
                }
                (Passed::Entry, None) => {}
            }
        }
    }
    let denials = day.end()?;
    let count = latencies.len();
    println!("denied                      {denials}");
    let [echo, _] = quantiles(echoes().await?)?;
    println!("the wire alone              {echo:>8.3} ms (p50)");
    let ([p50, p99], [sync, _]) = (quantiles(latencies)?, quantiles(syncs)?);
    let [floor, _] = quantiles(floor::floors(dir.path(), PAUSE).await?)?;
    println!(
        "without any council         {floor:>8.3} ms (p50), beyond one flush {:.3} ms",
        floor - sync - echo
    );
    println!("bare append + fdatasync     {sync:>8.3} ms (p50)");
    println!("bar -> order on the wire    {p50:>8.3} ms (p50), {p99:.3} ms (p99), {count} entries");
    println!(
        "beyond one flush            {:>8.3} ms (bound: 0.5), {:.2} times the flush",
        p50 - sync - echo,
        (p50 - echo) / sync
    );
    Ok(())
}

/// How long the wire takes from bars to an entry where the peer, on a thread of its own, answers at once.
async fn echoes() -> Result<Vec<f64>, Failure> {
    let (inner, outer) =
        (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
    let (to, at, notes) = (inner.local_addr()?, outer.local_addr()?, Notes::default());
    let mut work = JoinSet::new();
    work.spawn(carry(outer, to, notes.clone()));
    let peer = std::thread::spawn(move || -> std::io::Result<()> {
        let mut stream = std::net::TcpStream::connect(at)?;
        stream.set_nodelay(true)?;
        let mut bytes = [0; 1_024];
        while stream.read(&mut bytes)? > 0 {
            stream.write_all(b"POST /v2/orders buy_to_open")?;
        }
        Ok(())
    });
    let (mut bars, _) = inner.accept().await?;
    bars.set_nodelay(true)?;
    let mut figures = Vec::new();
    for _ in 0..100 {
        bars.write_all(br#"[{"T":"b"}]"#).await?;
        tokio::time::sleep(PAUSE).await;
        if let [(bars, Passed::Bars), (entry, Passed::Entry)] = notes.take()[..] {
            figures.push((entry - bars).as_secs_f64() * 1e3);
        }
    }
    drop(bars);
    work.shutdown().await;
    peer.join().map_err(|_| "the peer panicked")??;
    Ok(figures)
}

async fn breadth() -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let day = Day::open(dir.path(), 500).await?;
    // The history, the connections and the first checkpoint are no part of it.
    for _ in 0..10 {
        day.minute().await;
    }
    day.caught_up().await?;
    let (before, mut minutes) = (day.cpu()?, 0_u32);
    for _ in 0..120 {
        day.minute().await;
        minutes += 1;
    }
    day.caught_up().await?;
    let a_minute = (day.cpu()? - before) / f64::from(minutes);
    day.end()?;
    println!(
        "500 symbols                 {:>8.1} ms of processor time a minute: {:.2} % of a core (bound: 5)",
        a_minute * 1e3,
        a_minute / 60.0 * 100.0
    );
    Ok(())
}

/// A day of an open market with a run in it.
struct Day {
    floor: Arc<Floor>,
    notes: Notes,
    run: Child,
    /// Where the run says its address.
    station: PathBuf,
    _work: JoinSet<std::io::Result<()>>,
}

impl Day {
    async fn open(dir: &Path, symbols: usize) -> Result<Self, Failure> {
        let listings: Vec<Listing> = (0..symbols).map(listing).collect::<Result<_, _>>()?;
        let names: Vec<String> = listings.iter().map(|it| it.symbol.to_string()).collect();
        let terms = Terms { volume_share: None, ..Terms::default() };
        let mut exchange = Exchange::new(terms, listings, "2024-02-08T12:00:00Z".parse()?);
        exchange.advance("2024-02-08T14:30:00Z".parse()?);
        let keys = KeyPair::fresh()?;
        let floor = Arc::new(Floor::new(exchange, vec![keys.clone()], Plan::default(), None));
        let (inner, outer) =
            (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
        let (to, at, notes) = (inner.local_addr()?, outer.local_addr()?, Notes::default());
        let setup = Setup { floor: Arc::clone(&floor), pace: Pace::Step, rate: None };
        let mut work = JoinSet::new();
        work.spawn(async move { serve(inner, setup, std::future::pending()).await });
        work.spawn(carry(outer, to, notes.clone()));
        let run = Command::new(env!("CARGO_BIN_EXE_conclave"))
            .args(["run", "--broker", "alpaca", "--mode", "autonomous", "--port", "0"])
            .args(["--symbols", &names.join(","), "--out", "r"])
            .env("CONCLAVE__ALPACA__TRADING_URL", format!("http://{at}"))
            .env("CONCLAVE__ALPACA__DATA_URL", format!("http://{at}"))
            .env("CONCLAVE__ALPACA__STREAM_URL", format!("ws://{at}/stream"))
            .env("CONCLAVE__ALPACA__DATA_STREAM_URL", format!("ws://{at}"))
            .env("CONCLAVE__ALPACA__REQUESTS_PER_MINUTE", "100000")
            .env("APCA_API_KEY_ID", keys.id())
            .env("APCA_API_SECRET_KEY", keys.reveal())
            .env("XDG_STATE_HOME", dir.join("state"))
            .current_dir(dir)
            .stdout(Stdio::null())
            .spawn()?;
        let station = dir.join("r/station.json");
        let mut day = Self { floor, notes, run, station, _work: work };
        day.connected().await?;
        Ok(day)
    }

    /// Waits until the run serves, and has heard the first minute.
    async fn connected(&mut self) -> Result<(), Failure> {
        while !self.station.exists() {
            if let Some(status) = self.run.try_wait()? {
                return Err(format!("the run ended with {status}").into());
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.minute().await;
        self.caught_up().await
    }

    /// Waits until the run has played everything that the exchange has shown.
    async fn caught_up(&self) -> Result<(), Failure> {
        let station: serde_json::Value = serde_json::from_slice(&std::fs::read(&self.station)?)?;
        let url = station["url"].as_str().ok_or("no address in the station's file")?.to_owned();
        let client = reqwest::Client::builder().no_proxy().build()?;
        let now = self.floor.now().to_string();
        for _ in 0..1_000 {
            let asked = client.get(format!("{url}/api/v1/status")).send().await?;
            let status: serde_json::Value = asked.json().await?;
            if status["market_time"].as_str().is_some_and(|at| *now <= *at) {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err("the run does not hear of the market".into())
    }

    async fn minute(&self) {
        self.floor.advance(Time::from_ms(self.floor.now().ms() + MINUTE));
        tokio::time::sleep(PAUSE).await;
    }

    /// Processor time of the run so far, seconds.
    fn cpu(&self) -> Result<f64, Failure> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.run.id()))?;
        let (_, fields) = stat.rsplit_once(") ").ok_or("no name in the statistics")?;
        let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<f64>);
        Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
    }

    /// Stops the run in order; what denied its signals.
    fn end(mut self) -> Result<serde_json::Value, Failure> {
        Command::new("kill").args(["-TERM", &self.run.id().to_string()]).status()?;
        self.run.wait()?;
        let summary = self.station.with_file_name("summary.json");
        let summary: serde_json::Value = serde_json::from_slice(&std::fs::read(summary)?)?;
        Ok(summary["denials"].clone())
    }
}

/// A share that swings at a pace of its own: short sessions of history, and a whole day.
fn listing(nth: usize) -> Result<Listing, Failure> {
    let symbol = format!("S{nth:03}").parse()?;
    let calendar = Calendar::Xnys;
    let mut day: jiff::civil::Date = "2024-01-02".parse()?;
    let (mut bars, mut sessions) = (Vec::new(), 0);
    let small = u32::try_from(nth)?;
    let (phase, period) = (f64::from(small) * 0.7, 55.0 + f64::from(small % 40));
    while sessions <= HISTORY {
        let Some((open, _)) = calendar.open_close(day) else {
            day = day.tomorrow()?;
            continue;
        };
        let minutes = if sessions < HISTORY { 30 } else { 390 };
        for minute in 0..minutes {
            let price = |at: usize| {
                let at = f64::from(u32::try_from(at).unwrap_or(u32::MAX));
                let turn = std::f64::consts::TAU * at / period + phase;
                Price::from_f64((1e6 + 3e3 * turn.sin()).round() / 1e4)
            };
            let (from, to) = (price(bars.len())?, price(bars.len() + 1)?);
            let open_time = Time::from_ms(open.ms() + minute * MINUTE);
            bars.push(Bar {
                open_time,
                close_time: Time::from_ms(open_time.ms() + MINUTE),
                open: from,
                high: from.max(to),
                low: from.min(to),
                close: to,
                volume: Volume::from_units(100_000)?,
            });
        }
        sessions += 1;
        day = day.tomorrow()?;
    }
    let timeframe = Timeframe::Minute;
    let series = Series { symbol, class: AssetClass::Equity, timeframe, bars };
    let name = series.symbol.to_string();
    Ok(Listing::new(series, name, &[], &[]))
}

fn synced(file: &mut File) -> Result<f64, Failure> {
    let begun = Instant::now();
    file.write_all(&[b'x'; 2_048])?;
    file.sync_data()?;
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}

/// The median and the 99th percentile.
fn quantiles(mut figures: Vec<f64>) -> Result<[f64; 2], Failure> {
    figures.sort_by(f64::total_cmp);
    let at = |share: usize| figures.get((figures.len() * share / 100).min(figures.len() - 1));
    match (at(50), at(99)) {
        (Some(&p50), Some(&p99)) => Ok([p50, p99]),
        _ => Err("nothing was measured".into()),
    }
}
