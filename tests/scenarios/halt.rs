//! A halt during a run: no entry after it, exits go on, and only a person with the token lifts it.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::rig::{Running, World, is_there, text};

/// A paced run that has a position and goes on.
fn holding<'a>(world: &'a World, more: &[&str]) -> Running<'a> {
    let args = ["--out", "r", "--pace", "20ms", "--stay", "--mode", "autonomous"];
    let mut running = world.start("r", &[&args[..], more].concat());
    running.wait("a position", |running| {
        let positions = running.get("positions").unwrap_or_default();
        positions["positions"].as_array().is_some_and(|open| !open.is_empty())
    });
    running
}

/// Entries whose market time is after `time`.
fn entries_after(world: &World, time: &str) -> Vec<(String, String)> {
    let mut entries = world.entries("r");
    entries.retain(|(_, at)| at.as_str() > time);
    entries
}

fn state(running: &Running<'_>) -> String {
    let status = running.get("status").expect("a status");
    text(&status["trading_state"]["state"])
}

/// O-3, O-4: after a halt no entry leaves, in this process and in the next, while exits go on; it is
/// lifted with the token alone.
#[test]
fn a_halt_stops_entries_leaves_exits_alone_and_outlives_the_process() {
    // Bars enough for two processes and a dozen verbs between them, on a busy machine too.
    let shares = [("AAA", 0.0, 31.0), ("BBB", 1.3, 37.0), ("CCC", 2.6, 43.0)];
    let world = World::of(&shares, 1_600);
    let mut running = holding(&world, &[]);
    running.verb(&["halt", "--reason", "a test"]).succeeds();
    let halted_at = running.market_time();
    assert!(is_there(&world.path("r/HALT")));
    assert_eq!(state(&running), "halted");
    let first = running.get("status").expect("a status")["trading_state"].clone();
    running.verb(&["halt", "--reason", "once more"]).succeeds();
    let still = &running.get("status").expect("a status")["trading_state"];
    assert_eq!(*still, first, "since when and why it is halted is told as before");

    let bare = running.http("POST", "/api/v1/resume", None, r#"{"reason":"x"}"#);
    assert_eq!(bare.expect("an answer").0, 401);
    let wrong = running.http("POST", "/api/v1/resume", Some("wrong"), r#"{"reason":"x"}"#);
    assert_eq!(wrong.expect("an answer").0, 401);
    running.verb(&["resume"]).refuses(2, "--yes");
    running.verb(&["reduce"]).refuses(6, "resume");
    assert_eq!(state(&running), "halted");

    running.wait("the protective exit", |running| {
        let positions = running.get("positions").unwrap_or_default();
        positions["positions"].as_array().is_some_and(Vec::is_empty)
    });
    // The books are shown a moment before their record is written.
    running.wait("the record of the exit", |_| {
        let booked = world.steps("r", "book.updated");
        let closed = booked.iter().rfind(|record| record["body"]["happened"] == "trade_closed");
        closed.is_some_and(|record| record["body"].to_string().contains("exit_reason"))
    });
    assert!(running.terminate().success());
    assert_eq!(entries_after(&world, &halted_at), []);
    let raised = world.steps("r", "halt.raised");
    let reasons: Vec<String> = raised.iter().map(|record| text(&record["body"]["why"])).collect();
    assert_eq!(reasons.len(), 2, "each order of a person is recorded: {reasons:?}");
    assert!(reasons[0].contains("a test") && reasons[1].contains("once more"), "{reasons:?}");

    let mut running = world.start("r", &["--resume", "r", "--pace", "20ms", "--stay"]);
    assert_eq!(state(&running), "halted");
    let resumed_at = running.market_time();
    running.wait("some bars", |running| running.market_time() > resumed_at);
    assert_eq!(entries_after(&world, &halted_at), []);

    running.verb(&["resume", "--yes", "--reason", "understood"]).succeeds();
    assert!(!is_there(&world.path("r/HALT")));
    assert_eq!(state(&running), "active");
    let lifted_at = running.market_time();
    running.wait("an entry", |_| !entries_after(&world, &lifted_at).is_empty());
    assert!(running.terminate().success());
    world.verify("r");
}

/// O-3: the flag file alone stops entries, whatever the process hears.
#[test]
fn the_flag_file_alone_stops_entries() {
    let world = World::new();
    let mut running = holding(&world, &[]);
    let station = world.path("r/station.json");
    let hidden = world.path("r/hidden.json");
    std::fs::rename(&station, &hidden).expect("a station");
    let said = running.verb(&["halt", "--reason", "nobody answers"]);
    said.succeeds();
    assert!(String::from_utf8_lossy(&said.0.stdout).contains("No process answered"));
    std::fs::rename(&hidden, &station).expect("a station");
    let halted_at = running.market_time();
    assert_eq!(state(&running), "halted");
    running.wait("the end of the data", |_| is_there(&world.path("r/summary.json")));
    assert_eq!(entries_after(&world, &halted_at), []);
    assert!(world.summary("r")["denials"]["gate.trading_state"].as_u64() > Some(0));
    assert!(running.terminate().success());
}

/// O-3: nobody takes a halt for lost that the process refuses to hear: its flag stands.
#[test]
fn a_halt_that_the_process_refuses_says_that_its_flag_stands() {
    let world = World::new();
    let running = holding(&world, &[]);
    std::fs::write(world.path("r/token"), "a wrong one of more than twenty letters")
        .expect("a file");
    let said = running.verb(&["halt", "--reason", "a test"]);
    assert!(!said.0.status.success());
    assert!(said.stderr().contains("the flag file is raised all the same"), "{}", said.stderr());
    assert_eq!(state(&running), "halted");
    running.kill();
}

#[test]
fn reduce_stops_entries_flatten_closes_and_the_mode_changes() {
    let world = World::new();
    let mut running = holding(&world, &[]);
    running.verb(&["reduce", "--reason", "a test"]).succeeds();
    let reduced_at = running.market_time();
    assert_eq!(state(&running), "reducing");
    running.verb(&["flatten"]).refuses(2, "--yes");
    running.verb(&["flatten", "--yes"]).succeeds();
    running.wait("no position", |running| {
        let positions = running.get("positions").unwrap_or_default();
        positions["positions"].as_array().is_some_and(Vec::is_empty)
    });
    running.verb(&["mode", "advisory"]).succeeds();
    assert_eq!(running.get("status").expect("a status")["mode"], "advisory");
    running.verb(&["mode", "autonomous"]).refuses(6, "");
    running.wait("the end of the data", |_| is_there(&world.path("r/summary.json")));
    assert_eq!(entries_after(&world, &reduced_at), []);
    running.verb(&["resume", "--yes"]).succeeds();
    assert_eq!(state(&running), "active");
    assert!(running.terminate().success());
    let modes = world.steps("r", "mode.changed");
    assert_eq!(modes.last().expect("a change")["body"]["to"], "advisory");
    assert_eq!(world.steps("r", "state.changed").len(), 2, "the one after the end of the data too");
    world.verify("r");
}

/// D-1: a drawdown halt is the same record in every run, stamped with the bar that called for it.
#[test]
fn a_drawdown_halt_is_the_same_record_in_every_run() {
    let world = World::new();
    world.config(
        "[risk]\ndrawdown_half = 0.01\ndrawdown_halt = 0.02\n[costs]\nfee_per_trade = \"150\"\n",
    );
    let runs = ["r0", "r1", "r2", "r3"];
    let hashes = runs.map(|out| {
        let args = ["--out", out, "--mode", "autonomous", "--config", "c.toml"];
        world.run(&args).succeeds();
        let header: serde_json::Value =
            serde_json::from_str(&world.file(out, "run.json")).expect("a document");
        header["record_hash"].clone()
    });
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");
    let halts = world.steps("r0", "halt.raised");
    assert_eq!(halts.len(), 1);
    let curve = world.file("r0", "equity.csv");
    let breached = curve.lines().skip(1).find(|line| {
        let drawdown = line.split(',').nth(4).expect("a drawdown");
        drawdown.parse::<f64>().expect("a number").abs() >= 0.02
    });
    let breached = breached.expect("a breach").split(',').next();
    assert_eq!(halts[0]["at"].as_str(), breached);
    let changed = world.steps("r0", "mode.changed");
    let started = world.steps("r0", "run.started");
    assert_eq!(changed[0]["at"], started[0]["at"], "a change before the first bar");
}

#[test]
fn a_status_is_watched_until_the_process_ends() {
    let world = World::new();
    let running = world.start("r", &["--out", "r", "--stay"]);
    let mut watching = Command::new(env!("CARGO_BIN_EXE_conclave"));
    watching.args(["status", "--watch", "--every", "20ms", "--format", "jsonl", "--store", "r"]);
    let watching =
        watching.current_dir(world.path("")).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut watching = watching.expect("the binary starts");
    let mut lines = BufReader::new(watching.stdout.take().expect("a pipe")).lines();
    for tick in 0..3 {
        let line = lines.next().expect("it goes on").expect("a line");
        let status: serde_json::Value = serde_json::from_str(&line).expect("a line of json");
        assert_eq!(status["schema"], "status/1", "{tick}");
    }
    assert!(running.terminate().success());
    while lines.next().is_some() {}
    assert_eq!(watching.wait().expect("an end").code(), Some(4), "nobody answers any more");
    world.verb(&["status", "--every", "1s"]).refuses(2, "--watch");
}

/// Goal: nobody believes that the council is halted when it was another run's flag that was raised. Method:
/// a halt of a run that has ended.
#[test]
fn a_halt_of_a_run_that_is_over_says_that_nothing_is_halted() {
    let world = World::new();
    let running = holding(&world, &[]);
    assert!(running.terminate().success());
    let said = world.verb(&["halt", "--store", "r", "--reason", "which one?"]);
    said.refuses(4, "nothing is halted: no process is at work in r.");
    assert!(is_there(&world.path("r/HALT")), "it holds for its next start");
}
