//! Old segments of the log are removed while a run goes on, and nothing that anybody needs goes with
//! them.

use std::time::Duration;

use crate::rig::{World, is_there, wait_for};

/// A-2, C-1: a run that prunes its log verifies, survives a kill, goes on, and ends like one that kept
/// everything; a segment that is removed by anybody else stops it.
#[test]
fn a_run_that_prunes_its_log_survives_a_kill_and_verifies() {
    let world = World::of(&[("AAA", 0.0, 31.0), ("BBB", 1.3, 37.0), ("CCC", 2.6, 43.0)], 2_400);
    world.config("[audit]\nsegment_mb = 1\nkeep_segments = 1\n");
    let mut running = world.start("r", &["--out", "r", "--pace", "2ms", "--config", "c.toml"]);
    let pruned = world.path("r/pruned.json");
    running.wait("a removal", |_| is_there(&pruned));
    wait_for(Duration::from_millis(700));
    running.kill();
    assert!(!is_there(&world.path("r/audit-000001.jsonl")), "the first segment is gone");
    let said = world.verb(&["audit", "verify", "r"]);
    let told = String::from_utf8_lossy(&said.succeeds().0.stdout).into_owned();
    assert!(told.contains("were pruned by retention (1 segments"), "{told}");

    world.run(&["--resume", "r", "--config", "c.toml"]).succeeds();
    world.verify("r");
    world.run(&["--out", "calm"]).succeeds();
    let bars = |store: &str| world.file(store, "equity.csv").lines().count();
    assert_eq!(bars("r"), bars("calm"), "every bar is in the curve once");
    std::fs::remove_file(&pruned).expect("a file");
    world.verb(&["audit", "verify", "r"]).refuses(8, "audit-000001.jsonl");
    world.run(&["--resume", "r", "--config", "c.toml"]).refuses(8, "restore the directory");
}
