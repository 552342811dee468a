//! What durability costs: decisions through the audit's actor against a bare append + `fdatasync`.
//!
//! Method: one run, alternating slices of 0.5 s on the same file system, medians over the slices.
//! A decision is one batch of eight records of 300 bytes; the bare loop writes the same bytes.
//! Bounds: one at a time ≥ 0.65 of the bare loop, 16 in flight ≥ 3 times it. Also: marks through
//! the context's actor, five symbols in a message, none of them held (bound: 0.3 million bars/s).
//!
//! Recovery: a log of `CONCLAVE_BENCH_LOG_MB` megabytes (256; the bound is for 1,024) in segments of 64,
//! of records as a run writes them by size and kind, is opened three times: every byte verified, every
//! eighth line handed on and its updates read. The log is in the page cache. Bound: < 5 s for 1,024.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time and is its own supervisor")]

#[path = "support/allocator.rs"]
mod allocator;
#[path = "support/disk.rs"]
mod disk;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use conclave::adapters::audit_files::{AuditFiles, LogOptions};
use conclave_actors::audit::{Audit, AuditHandle, audit, record};
use conclave_actors::context::{ContextActor, ContextHandle, context, repair};
use conclave_actors::runtime::ports::{AuditSink as _, Batch, Committed, Done, Safety};
use conclave_actors::testkit::memory_store::MemoryContext;
use conclave_domain::context::{BookKind, Context, Update};
use conclave_domain::fixed::{Money, Price};
use conclave_domain::market::symbol::Symbol;
use conclave_domain::record::{Line, Record, Step};
use conclave_domain::time::Time;
use ractor::Actor;

use disk::{SLICE, bare_loop, median};

type Failure = Box<dyn std::error::Error>;

const SLICES: usize = 7;

fn main() -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    recovery(&dir.path().join("large"))?;
    runtime.block_on(durability(dir.path()))?;
    runtime.block_on(marks())
}

/// What a run writes beside every eighth record: what a start repairs the context from.
const UPDATES: &str = r#"["settled"]"#;

fn recovery(dir: &Path) -> Result<(), Failure> {
    let megabytes = std::env::var("CONCLAVE_BENCH_LOG_MB").ok().and_then(|mb| mb.parse().ok());
    let bytes = megabytes.unwrap_or(256_u64) << 20;
    write_log(dir, bytes)?;
    let mut took = Vec::new();
    for _ in 0..3 {
        let (begun, mut context, mut read) = (Instant::now(), Context::default(), 0_u64);
        let wants = |line: &Line<'_>| line.body.contains("\"updates\":");
        AuditFiles::open_reading(dir, None, LogOptions::default(), &wants, &mut |line| {
            read += u64::from(repair(&mut context, line).is_ok());
        })?;
        took.push(begun.elapsed().as_secs_f64());
        assert!(read > 0, "nothing was handed on");
    }
    let (mb, took) = (u32::try_from(bytes >> 20)?, median(took));
    println!("a log of {mb} MB, opened      {took:>10.2} s  ({:.0} MB/s)", f64::from(mb) / took);
    Ok(())
}

fn write_log(dir: &Path, bytes: u64) -> Result<(), Failure> {
    let opened = AuditFiles::open(dir, None, LogOptions::default())?;
    let updates: serde_json::Value = serde_json::from_str(UPDATES)?;
    let (mut written, mut nth) = (0, 0_i64);
    while written < bytes {
        let record = |eighth: i64| {
            let text = "a reason of some words, \"quoted\" ".repeat(12);
            let mut body = serde_json::json!({"nth": nth, "text": text, "list": [1, 2.5, null]});
            if eighth == 0 {
                body["updates"] = updates.clone();
            }
            record(Step::AdviceClamped, None, Time::from_ms(nth), &body)
        };
        let records: Vec<Record> = (0..512).map(|of| record(of % 8)).collect::<Result<_, _>>()?;
        let (answer, waiting) = std::sync::mpsc::channel();
        let done = Done::new(move |result: Result<Committed, _>| drop(answer.send(result)));
        opened.files.submit(Batch { records, safety: Safety::Written, done });
        let lines = waiting.recv()??.lines;
        written += lines.iter().map(|line| line.text.len() as u64 + 1).sum::<u64>();
        nth += 512;
    }
    Ok(())
}

async fn durability(dir: &Path) -> Result<(), Failure> {
    let opened = AuditFiles::open(&dir.join("log"), None, LogOptions::default())?;
    let (handle, args) = audit(Arc::new(opened.files), opened.head, 1_024);
    let (actor, stopped) = Actor::spawn(None, Audit, args).await?;
    let (mut bare, mut one, mut many) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..SLICES {
        bare.push(bare_loop(&dir.join("bare"), 8 * 300)?);
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
