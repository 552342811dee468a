//! `kill -9` at any moment: the log verifies, and the run goes on as if nothing had happened.

use std::time::Duration;

use crate::rig::{World, wait_for};

/// The stream of decisions, byte for byte.
fn decisions(world: &World, store: &str) -> String {
    world.file(store, "audit-000001.jsonl")
}

/// How each process went on, by the observations.
fn ways(world: &World, store: &str) -> Vec<String> {
    let resumed = world.steps(store, "run.resumed").into_iter();
    resumed.map(|record| crate::rig::text(&record["body"]["way"])).collect()
}

/// C-1, A-2, O-2, D-1: a run that was killed five times, the first time before it had decided
/// anything, has the same log byte for byte as one that was not, and the same report.
#[test]
fn a_run_that_is_killed_again_and_again_is_the_run_that_was_not() {
    let world = World::new();
    world.run(&["--out", "calm", "--pace", "0ms"]).succeeds();
    // From before the first flush to far into the run.
    let lives = [150, 1_400, 700, 2_300, 1_900];
    for (nth, life) in lives.into_iter().enumerate() {
        let how = if nth == 0 { "--out" } else { "--resume" };
        let running = world.start("r", &[how, "r", "--pace", "15ms"]);
        wait_for(Duration::from_millis(life));
        running.kill();
        world.verify("r");
    }
    world.run(&["--resume", "r", "--pace", "0ms"]).succeeds();
    world.verify("r");
    assert_eq!(ways(&world, "r"), ["exact"; 5]);
    assert!(decisions(&world, "r") == decisions(&world, "calm"), "the logs differ");
    for file in ["orders.csv", "equity.csv", "trades.csv", "summary.json"] {
        assert_eq!(world.file("r", file), world.file("calm", file), "{file}");
    }
}

/// A person's act cannot be played again: a run that is killed behind one goes on the old way where
/// no checkpoint was taken since, and says why.
#[test]
fn behind_a_flattening_a_run_goes_on_all_the_same() {
    let world = World::new();
    let running = world.start("r", &["--out", "r", "--pace", "100ms", "--mode", "supervised"]);
    wait_for(Duration::from_millis(600));
    running.verb(&["flatten", "--yes"]).succeeds();
    running.kill();
    world.run(&["--resume", "r", "--pace", "0ms"]).succeeds();
    world.verify("r");
    assert_eq!(ways(&world, "r").len(), 1);
}

/// C-1: the mode and a halt, once acknowledged, survive a kill that follows at once.
#[test]
fn an_acknowledged_mode_and_an_acknowledged_halt_survive_a_kill() {
    let world = World::new();
    let slow = ["--pace", "200ms"];
    let running = world.start("r", &[&["--out", "r"][..], &slow].concat());
    running.verb(&["mode", "autonomous", "--override", "a test"]).succeeds();
    running.kill();
    let running = world.start("r", &[&["--resume", "r"][..], &slow].concat());
    assert_eq!(running.get("status").expect("a status")["mode"], "autonomous");
    let token = world.file("r", "token");
    // By the API alone, so that no flag file helps.
    let halted = running.http("POST", "/api/v1/halt", Some(&token), r#"{"reason":"a test"}"#);
    assert_eq!(halted.expect("an answer").0, 200);
    running.kill();
    assert!(!crate::rig::is_there(&world.path("r/HALT")), "the store alone remembers");
    let running = world.start("r", &[&["--resume", "r"][..], &slow].concat());
    let status = running.get("status").expect("a status");
    assert_eq!(status["trading_state"]["state"], "halted");
    assert_eq!(status["mode"], "autonomous");
    running.kill();
    world.run(&["--resume", "r"]).succeeds();
    assert_eq!(world.entries("r"), [], "no entry left after the halt, in any life");
    world.verify("r");
}

/// A-1, A-2, C-1, G-2, O-2, P-1, D-1: twenty kills at seeded moments, each checked from the outside
/// against what the simulated broker saw.
#[test]
fn twenty_kills_break_no_promise() {
    let world = World::new();
    let said = world.verb(&["chaos", "--kill", "20", "--seed", "7", "--format", "json"]);
    said.succeeds();
    let told: serde_json::Value = serde_json::from_slice(&said.0.stdout).expect("json");
    assert_eq!((&told["kills"], &told["wrong"]), (&20.into(), &serde_json::json!([])), "{told}");
    assert!(told["acts"].as_u64() > Some(2), "a person acted before some of them: {told}");
    for id in ["A-1", "A-2", "C-1", "G-2", "O-2", "P-1", "D-1"] {
        assert!(told["checks"][id].as_u64() > Some(0), "{id} was never checked: {told}");
    }
}
