//! Bars per second through the actors against the engine, and the time from start to ready.
//! `cargo bench --bench actors`.
//!
//! Method: 500,000 minute bars of a seeded random walk in memory (no CSV parsing), all-in, long and
//! short, 1 bp of fees; 256 slices a message on one thread, as `backtest --actors` does it. The tape
//! is made before the clock starts; starting and stopping the actors is inside. Runs through actors
//! and runs of the engine alternate, so that a busy machine slows both; medians and ranges of seven
//! after one to warm up. With averages over 4,999 and 5,000 bars a call is rare, with 50 and 200 a
//! trade comes every 150 bars, with 10 and 20 every 18. The peak of the resident memory
//! (`/proc/self/status`) is read after the first pair and holds bars, tape, curve, orders and trades.
//!
//! Ready: the binary is started as `run --stay --port 0 --synth calm` in a fresh directory and asked
//! for `/health/ready` every millisecond; the median and range of ten starts.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock and waits")]

#[path = "support/allocator.rs"]
mod allocator;

use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use conclave_actors::raw;
use conclave_domain::engine::{Directions, RawTerms, Size, run_raw};
use conclave_domain::fixed::{Bp, Money};
use conclave_domain::market::bar::Timeframe;
use conclave_domain::market::series::Series;
use conclave_domain::market::tape::Tape;
use conclave_domain::sim_broker::{FillAt, SimConfig};
use conclave_domain::strategy::StrategyConfig;
use support::{BARS, peak_memory, walk};

mod support;

type Outcome<T> = Result<T, Box<dyn Error>>;

const RUNS: usize = 7;
const CHUNK: usize = 256;
const STARTS: usize = 10;
const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> Outcome<()> {
    let series = vec![walk(20_120_301)?];
    println!(
        "{BARS} synthetic minute bars, one thread, {CHUNK} slices a message, median of {RUNS}"
    );
    for (fast, slow) in [(4_999, 5_000), (50, 200), (10, 20)] {
        against_engine(&series, fast, slow)?;
    }
    start_to_ready()
}

/// One strategy through actors and in the engine, in turns.
fn against_engine(series: &[Series], fast: u16, slow: u16) -> Outcome<()> {
    let strategy = StrategyConfig::SmaCross { fast, slow };
    let terms = RawTerms {
        size: Size::AllIn,
        directions: Directions::LongShort,
        broker: SimConfig::raw(FillAt::NextOpen, Bp::whole(1)),
        cash: Money::from_units(1_000_000)?,
    };
    let (mut actors, mut engine) = (Vec::new(), Vec::new());
    let mut trades = 0;
    for run in 0..=RUNS {
        let tape = Tape::new(series.to_vec())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let handle = runtime.handle().clone();
        let started_at = Instant::now();
        let playing = raw::run(tape, Timeframe::Minute, &strategy, &terms, CHUNK, handle);
        let through = runtime.block_on(playing)?;
        let seconds = started_at.elapsed().as_secs_f64();
        if run == 0 {
            println!("peak resident memory so far, through actors: {}", peak_memory()?);
        }
        let started_at = Instant::now();
        let looped = run_raw(series, &strategy, &terms)?;
        let loop_seconds = started_at.elapsed().as_secs_f64();
        if through != looped {
            return Err("the actors and the engine differ".into());
        }
        trades = looped.book.trades().len();
        if run > 0 {
            actors.push(rate(seconds));
            engine.push(rate(loop_seconds));
        }
    }
    let (actors, engine) = (Spread::of(actors), Spread::of(engine));
    let ratio = actors.median / engine.median;
    println!("sma-cross {fast}/{slow}, {trades} trades:");
    println!("  through actors {} M bars/s", actors.text());
    println!("  engine         {} M bars/s; ratio {ratio:.2}", engine.text());
    Ok(())
}

fn rate(seconds: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "half a million is exact")]
    let bars = BARS as f64;
    bars / seconds / 1e6
}

struct Spread {
    low: f64,
    median: f64,
    high: f64,
}

impl Spread {
    fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let at = |index: usize| figures.get(index).copied().unwrap_or(f64::NAN);
        Self { low: at(0), median: at(figures.len() / 2), high: at(figures.len().wrapping_sub(1)) }
    }

    fn text(&self) -> String {
        format!("{:.2} ({:.2} to {:.2})", self.median, self.low, self.high)
    }
}

fn start_to_ready() -> Outcome<()> {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let dir = tempfile::tempdir()?;
        let out = dir.path().join("run");
        let started_at = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_conclave"))
            .current_dir(dir.path())
            .args(["run", "--stay", "--port", "0", "--synth", "calm", "--out", "run"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let ready = until_ready(&mut child, &out, started_at);
        child.kill()?;
        child.wait()?;
        times.push(ready?.as_secs_f64() * 1_000.0);
    }
    println!("start to ready: {} ms, median of {STARTS}", Spread::of(times).text());
    Ok(())
}

fn until_ready(child: &mut Child, out: &Path, started_at: Instant) -> Outcome<Duration> {
    loop {
        if is_ready(out) {
            return Ok(started_at.elapsed());
        }
        if let Some(status) = child.try_wait()? {
            return Err(format!("the run ended before it was ready: {status}").into());
        }
        if started_at.elapsed() > PATIENCE {
            return Err("the run was not ready in time".into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether `/health/ready` answers 200 at the address that the run has announced.
fn is_ready(out: &Path) -> bool {
    let asked = || -> Option<String> {
        let station = fs::read_to_string(out.join("station.json")).ok()?;
        let station: serde_json::Value = serde_json::from_str(&station).ok()?;
        let address = station["url"].as_str()?.strip_prefix("http://")?;
        let mut stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
        let request =
            format!("GET /health/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    };
    asked().is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
}
