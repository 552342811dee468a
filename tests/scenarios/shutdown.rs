//! SIGTERM and Ctrl-C: what is in hand is finished, everything is on the disk, and nobody is kept
//! waiting for longer than promised.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::rig::{Running, World, is_there};

/// The promise: a stop takes no longer.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Sends a signal and waits for the end; also how long that took.
fn stop(running: Running<'_>, signal: &str) -> (ExitStatus, Duration) {
    #[expect(clippy::disallowed_methods, reason = "the process lives in wall time")]
    let asked_at = Instant::now();
    running.signal(signal);
    let status = running.ended();
    (status, asked_at.elapsed())
}

fn ends_stopped(world: &World, store: &str) {
    world.verify(store);
    let ended = world.steps(store, "run.ended");
    assert_eq!(ended.last().expect("an end")["body"]["end"], "stopped");
    assert!(!is_there(&world.path(&format!("{store}/station.json"))), "nobody serves any more");
    let beat: Value = serde_json::from_str(&world.file(store, "heartbeat.json")).expect("json");
    assert_eq!(beat["ended"], true);
}

#[test]
fn sigterm_under_load_drains_within_ten_seconds_and_exits_with_0() {
    let world = World::of(&[("AAA", 0.0, 7.0), ("BBB", 1.3, 9.0), ("CCC", 2.6, 11.0)], 4_000);
    // The pace keeps it from ending by itself before it is stopped.
    let args = ["--out", "r", "--mode", "autonomous", "--strategy", "momentum", "--pace", "1ms"];
    let mut running = world.start("r", &args);
    running.wait("rounds", |_| !world.steps("r", "round.closed").is_empty());
    let (status, took) = stop(running, "TERM");
    assert_eq!(status.code(), Some(0));
    assert!(took < DRAIN_MAX, "{took:?}");
    ends_stopped(&world, "r");
    assert!(world.log("r").contains("--resume r"), "{}", world.log("r"));
}

#[test]
fn ctrl_c_exits_with_130_and_says_how_to_go_on() {
    let world = World::new();
    // A pace of an hour is not waited for.
    let running = world.start("r", &["--out", "r", "--pace", "1h"]);
    let (status, took) = stop(running, "INT");
    assert_eq!(status.code(), Some(130));
    assert!(took < DRAIN_MAX, "{took:?}");
    ends_stopped(&world, "r");
    assert!(world.log("r").contains("interrupted; `conclave run --resume r` goes on"));
    world.run(&["--resume", "r"]).succeeds();
}

#[test]
fn a_hung_agent_does_not_keep_a_stop_waiting() {
    let world = World::new();
    let hangs: Vec<String> = (1..200).map(|nth| format!("position_sizer=hang@{nth}")).collect();
    let mut args = vec!["--out", "r", "--pace", "1ms"];
    for hang in &hangs {
        args.extend(["--fault", hang]);
    }
    let mut running = world.start("r", &args);
    running.wait("a round", |_| !world.steps("r", "round.closed").is_empty());
    let (status, took) = stop(running, "TERM");
    assert_eq!(status.code(), Some(0));
    assert!(took < DRAIN_MAX, "{took:?}");
    ends_stopped(&world, "r");
}

#[test]
fn a_run_that_stays_is_stopped_like_any_other_and_has_ended_with_its_data() {
    let world = World::new();
    let mut running = world.start("r", &["--out", "r", "--stay"]);
    running.wait("the end of the data", |_| is_there(&world.path("r/summary.json")));
    let (status, took) = stop(running, "TERM");
    assert_eq!(status.code(), Some(0));
    assert!(took < DRAIN_MAX, "{took:?}");
    assert_eq!(world.steps("r", "run.ended").last().expect("an end")["body"]["end"], "data");
    world.verify("r");
}

/// A stop that cannot come to its end: the fresh report cannot be written, because a pipe that
/// nobody reads stands in its place.
fn hanging<'a>(world: &'a World, drain: &str) -> Running<'a> {
    world.config(&format!("[supervision]\ndrain_max = \"{drain}\"\n"));
    let args = ["--out", "r", "--pace", "20ms", "--config", "c.toml"];
    let mut running = world.start("r", &args);
    running.wait("a round", |_| !world.steps("r", "round.closed").is_empty());
    let made = std::process::Command::new("mkfifo").arg(world.path("r/.summary.json.tmp")).status();
    assert!(made.expect("mkfifo").success());
    running
}

#[test]
fn a_stop_that_hangs_says_what_hung_and_leaves_a_log_that_verifies() {
    let world = World::new();
    let (status, took) = stop(hanging(&world, "1s"), "TERM");
    assert_eq!(status.code(), Some(1));
    assert!(took < DRAIN_MAX, "{took:?}");
    let said = world.log("r");
    assert!(said.contains("longer than 1 s") && said.contains("writing the report"), "{said}");
    assert!(said.contains("--resume r"), "{said}");
    world.verify("r");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let world = World::new();
    let mut running = hanging(&world, "10s");
    running.signal("INT");
    // Two signals that nobody has heard yet are one.
    running.wait("the first signal", |_| world.log("r").contains("stopping: "));
    let (status, took) = stop(running, "INT");
    assert_eq!(status.code(), Some(130));
    assert!(took < DRAIN_MAX, "{took:?}");
    assert!(world.log("r").contains("second signal"), "{}", world.log("r"));
    world.verify("r");
}
