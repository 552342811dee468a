//! The shared context over its real store: chatty updates with group commit, and the durable path
//! against a bare append + `fdatasync`.
//!
//! Method: one run, alternating slices on the same file system, medians over the slices. Chatty: a
//! cycle tells 20,000 documents of 200 bytes under as many names, 100 to a message, and asks for a flush;
//! the next cycle is told while the former is on its way to the disk, and a slice of five cycles ends
//! with the last one there. No name comes twice between two flushes, so every counted update is a written
//! value and none was coalesced. Durable: one document is told and acknowledged at a time, and 16 at a time;
//! the bare loop appends as many bytes and syncs. Bounds: chatty ≥ 200,000/s; durable one at a time
//! ≥ 0.3 of the bare loop (sled writes and syncs a log of its own), 16 in flight ≥ 1 times it.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time and is its own supervisor")]

#[path = "support/allocator.rs"]
mod allocator;
#[path = "support/disk.rs"]
mod disk;

use std::future::{Future as _, poll_fn};
use std::path::Path;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use conclave::adapters::context_sled::SledStore;
use conclave::adapters::store_writer::StoreWriter;
use conclave_actors::context::{ContextActor, ContextHandle, ContextMsg, context};
use conclave_domain::context::{Context, Lasting, Update};
use ractor::{Actor, ActorRef};

use disk::{SLICE, bare_loop, median};

type Failure = Box<dyn std::error::Error>;

const SLICES: usize = 7;
/// Names of a cycle, and how many of them one message carries.
const NAMES: usize = 20_000;
const TOLD: usize = 100;
const BYTES: usize = 200;
/// Cycles of a slice.
const CYCLES: usize = 5;

fn main() -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(dir.path()))
}

/// A context over a store of its own.
async fn started(dir: &Path) -> Result<(ContextHandle, ActorRef<ContextMsg>), Failure> {
    let writer = StoreWriter::start(Arc::new(SledStore::open(dir)?))?;
    let (handle, args) = context(Context::default(), Arc::new(writer), None, 1_024);
    let (actor, _) = Actor::spawn(None, ContextActor, args).await?;
    Ok((handle, actor))
}

async fn measure(dir: &Path) -> Result<(), Failure> {
    // Apart, because an acknowledged update publishes a snapshot, which copies every name there is.
    let (large, talker) = started(&dir.join("large")).await?;
    let (small, keeper) = started(&dir.join("small")).await?;
    let (mut bare, mut one, mut many, mut chatty) = (vec![], vec![], vec![], vec![]);
    for nth in 0..SLICES {
        chatty.push(cycles(&large, nth).await?);
        bare.push(bare_loop(&dir.join("bare"), BYTES + 40)?);
        one.push(in_flight(&small, 1).await?);
        many.push(in_flight(&small, 16).await?);
    }
    talker.stop_and_wait(None, None).await?;
    keeper.stop_and_wait(None, None).await?;
    let (bare, one, many, chatty) = (median(bare), median(one), median(many), median(chatty));
    println!("chatty updates, {NAMES} names  {chatty:>10.0} /s  (bound 200000)");
    println!("bare append + fdatasync     {bare:>10.0} /s");
    println!("durable, one at a time      {one:>10.0} /s  {:.2} of bare (bound 0.3)", one / bare);
    println!("durable, 16 in flight       {many:>10.0} /s  {:.2} of bare (bound 1)", many / bare);
    Ok(())
}

fn document(name: String, value: usize, lasting: Lasting) -> Update {
    let json = format!("{{\"value\":{value},\"text\":\"{}\"}}", "x".repeat(BYTES));
    Update::Document { name: name.into(), json: Some(json.into()), lasting }
}

/// Written values a second, from the first update told to the last one on the disk.
async fn cycles(handle: &ContextHandle, slice: usize) -> Result<f64, Failure> {
    let begun = Instant::now();
    let mut former = None;
    for cycle in 0..CYCLES {
        for first in (0..NAMES).step_by(TOLD) {
            let value = slice * CYCLES + cycle;
            let names = first..first + TOLD;
            let told =
                names.map(|name| document(format!("chatty-{name}"), value, Lasting::WithNextFlush));
            handle.tell(told.collect()).await?;
        }
        let handle = handle.clone();
        let mut flushed = Box::pin(async move { handle.flush().await });
        // The first poll asks: what is told from here on is behind it.
        if poll_fn(|context| Poll::Ready(flushed.as_mut().poll(context).is_ready())).await {
            return Err("a flush ended before it could".into());
        }
        if let Some(former) = former.replace(flushed) {
            former.await?;
        }
    }
    if let Some(last) = former {
        last.await?;
    }
    let written = u32::try_from(NAMES * CYCLES)?;
    Ok(f64::from(written) / begun.elapsed().as_secs_f64())
}

async fn in_flight(handle: &ContextHandle, callers: usize) -> Result<f64, Failure> {
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..callers {
        let handle = handle.clone();
        tasks.spawn(async move {
            let mut count = 0;
            while begun.elapsed() < SLICE {
                let update = document(format!("durable-{caller}"), count, Lasting::AtOnce);
                if handle.apply(vec![update], None).await.is_err() {
                    break;
                }
                count += 1;
            }
            count
        });
    }
    let count = u32::try_from(tasks.join_all().await.into_iter().sum::<usize>())?;
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}
