//! Budgets on the disk: a restart gives nothing back, and a kill costs at most one block.

use crate::rig::{Running, World};

/// Permits that are written down ahead of their use.
const BLOCK: f64 = 8.0;

const BUDGETS: [&str; 2] = ["actions_per_hour", "critical_per_day"];

/// A market that ends on a day on which entries were cleared, so that a run that stays has them
/// in the windows of its budgets for as long as it stays.
fn world() -> World {
    let shares = [("AAA", 0.0, 31.0), ("BBB", 0.0, 31.0), ("CCC", 0.0, 31.0), ("DDD", 0.0, 31.0)];
    let world = World::of(&shares, 200);
    world.run(&["--out", "whole", "--mode", "autonomous"]).succeeds();
    let cleared = world.steps("whole", "order.cleared");
    let day = |at: &serde_json::Value| crate::rig::text(at)[..10].to_owned();
    let entries = cleared.iter().filter(|record| record.pointer("/body/intent").is_some());
    let days: Vec<String> = entries.map(|record| day(&record["at"])).collect();
    let count = |of: &String| days.iter().filter(|day| *day == of).count();
    let busiest = days.iter().max_by_key(|day| count(day)).expect("an entry");
    world.end_with(busiest);
    world
}

fn left(running: &Running<'_>) -> [f64; 2] {
    BUDGETS.map(|name| running.budget(name))
}

/// What `budgets` reads out of the store while no process runs.
fn left_behind(world: &World) -> [f64; 2] {
    let said = world.verb(&["budgets", "--store", "r", "--format", "json"]);
    let view: serde_json::Value = serde_json::from_slice(&said.succeeds().0.stdout).expect("json");
    assert!(crate::rig::text(&view["state"]).starts_with("no process runs"), "{view}");
    BUDGETS.map(|name| {
        let rows = view["budgets"].as_array().expect("rows");
        let row = rows.iter().find(|row| row["budget"] == name).expect("such a budget");
        let figure = |of: &str| row[of].as_f64().expect("a number");
        let sum = figure("reserved") + figure("spent") + figure("remaining");
        assert!((sum - figure("limit")).abs() < 1e-9, "{row}");
        figure("remaining")
    })
}

/// A run that stays, when it has played everything.
fn played<'a>(world: &'a World, how: &str) -> Running<'a> {
    let _ = std::fs::remove_file(world.path("r/summary.json"));
    let mut running = world.start("r", &[how, "r", "--stay", "--mode", "autonomous"]);
    running.wait("the end of the data", |_| crate::rig::is_there(&world.path("r/summary.json")));
    running
}

/// G-2: after a clean stop the figures are the same; after `kill -9` they are never higher, and lower
/// by at most one block.
#[test]
fn a_restart_gives_nothing_back_and_a_kill_costs_one_block_at_most() {
    let world = world();
    let running = played(&world, "--out");
    let before = left(&running);
    assert!(before[0] < 50.0, "something was spent: {before:?}");
    assert!(running.terminate().success());
    let behind = left_behind(&world);
    assert!(behind.into_iter().zip(before).all(|(now, then)| (now - then).abs() < 1e-9));

    let running = played(&world, "--resume");
    let same = left(&running).into_iter().zip(before).all(|(now, then)| (now - then).abs() < 1e-9);
    assert!(same, "after a clean stop: {:?}, not {before:?}", left(&running));
    running.kill();

    let mut former = before;
    for nth in 0..3 {
        let running = played(&world, "--resume");
        let now = left(&running);
        for (now, former) in now.iter().zip(former) {
            assert!(*now <= former, "kill {nth} gave something back: {now} after {former}");
            assert!(*now >= former - BLOCK, "kill {nth} cost {now} after {former}");
        }
        former = now;
        running.kill();
        for (behind, former) in left_behind(&world).iter().zip(former) {
            assert!(*behind <= former && *behind >= former - BLOCK, "{behind} after {former}");
        }
    }
    world.verify("r");
}
