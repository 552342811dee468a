//! Spans of a run, read by OpenTelemetry's own definitions for Python.
//!
//! Only with `PEERS=1` and `--features otlp-tests`; without them it is skipped, or not there.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::models::{folder, missing, root};
use crate::rig::{World, text};

/// Goal: what leaves is OTLP as others read it. Method: a real run; the collector refuses what its
/// definitions do not know, and every parent that a span names has arrived.
#[test]
fn a_collector_of_others_reads_the_spans_of_a_run() {
    if let Some(why) = missing("traces") {
        println!("skipped: {why}");
        return;
    }
    let mut command = Command::new(folder().join("venv/bin/python"));
    command.arg(root().join("tests/peers/collector.py"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut collector = command.spawn().expect("python starts");
    let mut lines = BufReader::new(collector.stdout.take().expect("a pipe")).lines();
    let port = lines.next().expect("a port").expect("text");
    // A pipe that nobody reads would stop the collector.
    let reader = std::thread::spawn(move || {
        let spans = lines.map(|line| serde_json::from_str(&line.expect("text")).expect("JSON"));
        spans.collect::<Vec<Value>>()
    });
    let world = World::new();
    world.variable("CONCLAVE__TELEMETRY__OTLP", &format!("http://127.0.0.1:{port}"));
    let said = world.run(&["--out", "run"]);
    said.succeeds();
    drop(collector.stdin.take());
    let spans = reader.join().expect("lines");
    assert!(collector.wait().expect("an end").success());
    assert!(!said.stderr().contains("collector"), "{}", said.stderr());
    let ids: BTreeSet<String> = spans.iter().map(|span| text(&span["id"])).collect();
    for span in &spans {
        let parent = text(&span["parent"]);
        assert_eq!(span["is_whole"], true, "{span}");
        assert_eq!(parent.is_empty(), span["name"] == "bar", "{span}");
        assert!(parent.is_empty() || ids.contains(&parent), "{span}");
    }
    let of = |name: &str| spans.iter().filter(|span| span["name"] == name).count();
    assert_eq!(of("round"), world.steps("run", "consult.sent").len());
    assert_eq!(of("order"), world.entries("run").len());
    assert!(of("order") > 0 && of("consultation") > of("round"));
}
