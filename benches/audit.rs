//! What durability costs: decisions through the audit's actor against a bare append + `fdatasync`.
//!
//! Method: one run, alternating slices of 0.5 s on the same file system, medians over the slices.
//! A decision is one batch of eight records of 300 bytes; the bare loop writes the same bytes.
//! Bounds: one at a time ≥ 0.65 of the bare loop, 16 in flight ≥ 3 times it. Also: marks through
//! the context's actor, five symbols in a message, none of them held (bound: 0.3 million bars/s).
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time and is its own supervisor")]

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conclave::adapters::audit_files::{AuditFiles, LogOptions};
use conclave_actors::audit::{Audit, AuditHandle, audit, record};
use conclave_actors::context::{ContextActor, ContextHandle, context};
use conclave_actors::testkit::memory_store::MemoryContext;
use conclave_domain::context::{BookKind, Context, Update};
use conclave_domain::fixed::{Money, Price};
use conclave_domain::market::symbol::Symbol;
use conclave_domain::record::{Record, Step};
use conclave_domain::time::Time;
use ractor::Actor;

type Failure = Box<dyn std::error::Error>;

const SLICE: Duration = Duration::from_millis(500);
const SLICES: usize = 7;

fn main() -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(durability(dir.path()))?;
    runtime.block_on(marks())
}

async fn durability(dir: &Path) -> Result<(), Failure> {
    let opened = AuditFiles::open(&dir.join("log"), None, LogOptions::default())?;
    let (handle, args) = audit(Arc::new(opened.files), opened.head, 1_024);
    let (actor, stopped) = Actor::spawn(None, Audit, args).await?;
    let (mut bare, mut one, mut many) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..SLICES {
        bare.push(bare_loop(&dir.join("bare"))?);
        one.push(in_flight(&handle, 1).await?);
        many.push(in_flight(&handle, 16).await?);
    }
    actor.stop(None);
    stopped.await?;
    let (bare, one, many) = (median(bare), median(one), median(many));
    println!("bare append + fdatasync     {bare:>10.0} /s");
    println!("decisions, one at a time    {one:>10.0} /s  {:.2} of bare (bound 0.65)", one / bare);
    println!("decisions, 16 in flight     {many:>10.0} /s  {:.2} of bare (bound 3)", many / bare);
    Ok(())
}

fn decision(nth: i64) -> Result<Vec<Record>, Failure> {
    let body = serde_json::json!({ "nth": nth, "text": "x".repeat(140) });
    let one = || record(Step::AdviceClamped, None, Time::from_ms(nth), &body);
    Ok((0..8).map(|_| one()).collect::<Result<_, _>>()?)
}

fn bare_loop(path: &Path) -> Result<f64, Failure> {
    let bytes = vec![b'x'; 8 * 300];
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < SLICE {
        file.write_all(&bytes)?;
        file.sync_data()?;
        count += 1;
    }
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}

async fn in_flight(handle: &AuditHandle, callers: i64) -> Result<f64, Failure> {
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..callers {
        let handle = handle.clone();
        tasks.spawn(async move {
            let mut count = 0;
            while begun.elapsed() < SLICE {
                let Ok(records) = decision(caller) else { break };
                if handle.append(records).await.is_err() {
                    break;
                }
                count += 1;
            }
            count
        });
    }
    let count: i32 = tasks.join_all().await.into_iter().sum();
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}

async fn marks() -> Result<(), Failure> {
    let store = Arc::new(MemoryContext::default());
    let (handle, args) = context(Context::default(), store, None, 1_024);
    let (actor, stopped) = Actor::spawn(None, ContextActor, args).await?;
    let cash = Money::from_units(100_000)?;
    handle.apply(vec![Update::BookOpened { book: BookKind::Shadow, cash }], None).await?;
    let mut rates = Vec::new();
    for _ in 0..SLICES {
        rates.push(bars(&handle).await?);
    }
    actor.stop(None);
    stopped.await?;
    println!("bars through the context    {:>10.0} /s  (bound 300000)", median(rates));
    Ok(())
}

async fn bars(handle: &ContextHandle) -> Result<f64, Failure> {
    let symbols: Vec<Symbol> = ["AAPL", "MSFT", "IBM", "GOOG", "FB"]
        .into_iter()
        .map(Symbol::new)
        .collect::<Result<_, _>>()?;
    let (begun, mut count, mut units) = (Instant::now(), 0, 0);
    while begun.elapsed() < SLICE {
        units += 1;
        let close = Price::from_units(units % 1_000 + 1)?;
        let bar = |symbol: &Symbol| Update::BarClosed { symbol: symbol.clone(), close };
        let mut updates: Vec<Update> = symbols.iter().map(bar).collect();
        count += i32::try_from(updates.len())?;
        updates.push(Update::Settled);
        handle.tell(updates).await?;
    }
    handle.fresh().await?;
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
