//! `kill -9` at any moment: the log verifies, the run goes on from a bar that was stored, and what was
//! spent stays spent.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::rig::{World, text, wait_for};

/// How often a budget said no: a bar that is played again after a kill finds its permits spent.
fn refused_by_budgets(world: &World, store: &str) -> usize {
    let all = world.audit(store);
    let is_refusal = |record: &&Value| {
        let body = record["body"].to_string();
        body.contains("\"appeal.permit\"") || body.contains("\"safety.")
    };
    all.iter().filter(is_refusal).count()
}

/// C-1, A-2, O-2: what was acknowledged before each kill is there after it: the log verifies, the
/// accounts go on from a bar that was stored, no entry is sent twice, the report covers every bar, and
/// the trades are those of an undisturbed run unless a permit that a former life spent was missing.
#[test]
fn a_run_that_is_killed_again_and_again_loses_nothing_that_was_acknowledged() {
    let world = World::new();
    world.run(&["--out", "calm"]).succeeds();
    // From before the first flush to far into the run.
    let lives = [150, 1_400, 700, 2_300, 1_900];
    for (nth, life) in lives.into_iter().enumerate() {
        let how = if nth == 0 { "--out" } else { "--resume" };
        let running = world.start("r", &[how, "r", "--pace", "15ms"]);
        wait_for(Duration::from_millis(life));
        running.kill();
        world.verify("r");
    }
    let started = world.steps("r", "run.started");
    let after: Vec<String> =
        started.iter().map(|record| text(&record["body"]["resumed_after"])).collect();
    assert!(after.is_sorted() && after[lives.len() - 1] > after[0], "it goes on: {after:?}");
    world.run(&["--resume", "r"]).succeeds();
    world.verify("r");

    let orders = world.file("r", "orders.csv");
    let ids: Vec<&str> = orders.lines().filter_map(|line| line.split(',').nth(1)).collect();
    let distinct: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), distinct.len(), "an order was sent twice:\n{orders}");
    let times = |store: &str| -> Vec<String> {
        let curve = world.file(store, "equity.csv");
        curve.lines().filter_map(|line| line.split(',').next().map(str::to_owned)).collect()
    };
    assert_eq!(times("r"), times("calm"), "every bar is in the curve once");
    if refused_by_budgets(&world, "r") == refused_by_budgets(&world, "calm") {
        assert_eq!(world.file("r", "trades.csv"), world.file("calm", "trades.csv"));
    }
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
