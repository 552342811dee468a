//! One `fdatasync` a decision, counted by `strace`.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::rig::World;

/// Flushes of a run without a decision: the header, the change of mode, and the end of the log.
const OF_THE_LOG: usize = 3;
/// What a run flushes beside its log: the store's start and its end, the mark of an unclean start, the
/// recipe's two files, the journal's directory and its two files, the log's head and its name, the
/// report's six, and a checkpoint's share of a second.
const BESIDE: usize = 44;

/// What a run flushed, and how many orders were cleared in it.
struct Counted {
    log: usize,
    all: usize,
    cleared: usize,
    took: Duration,
}

#[expect(clippy::disallowed_methods, reason = "measures a process on the wall clock")]
fn count(world: &World, store: &str) -> Counted {
    let trace = world.path(&format!("{store}.strace"));
    let trace = trace.to_str().expect("a path");
    let strace = ["strace", "-f", "-y", "-e", "trace=fdatasync,fsync", "-o", trace];
    let began = Instant::now();
    let args = world.run_args(&["--out", store, "--mode", "autonomous", "--no-http"]);
    world.under(&strace, &args).succeeds();
    let took = began.elapsed();
    let text = std::fs::read_to_string(trace).expect("a trace");
    let lines = |what: &str, whose: &str| {
        text.lines().filter(|line| line.contains(what) && line.contains(whose)).count()
    };
    Counted {
        log: lines(" fdatasync(", "audit-"),
        all: lines("sync(", ""),
        cleared: world.steps(store, "order.cleared").len(),
        took,
    }
}

/// Goal: durable decisions cost one flush each. Method: `strace` counts the flushes of two runs of
/// different length; what a run flushes anyway is the stated constant.
/// steps 1 to 6 are on the disk before an order leaves, by that one flush.
#[test]
fn a_decision_costs_one_flush() {
    if !Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success()) {
        println!("skipped: strace is not installed");
        return;
    }
    let short = World::of(&[("AAA", 0.0, 31.0)], 400);
    for (world, store) in [(&short, "short"), (&World::new(), "long")] {
        let Counted { log, all, cleared, took } = count(world, store);
        assert!(cleared > 0);
        // The context is stored once a second and a checkpoint is taken four times, each behind a
        // flush of the log, the checkpoint behind one of each file of the journal too.
        let by_time = 5 * (1 + usize::try_from(took.as_secs()).expect("a short run"));
        let expected = cleared + OF_THE_LOG;
        println!("{store}: {cleared} cleared, {log} flushes of the log, {all} of all, {took:?}");
        assert!((expected..=expected + by_time).contains(&log), "{log} flushes, not {expected}");
        assert!(all <= cleared + BESIDE + OF_THE_LOG + 4 * by_time, "{all} flushes of all files");
    }
}
