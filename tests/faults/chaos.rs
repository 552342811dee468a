//! `chaos --seeds` through the built binary.

use serde_json::Value;

use crate::rig::World;

/// D-1: what a seed has drawn does the same again when it is given back as text.
#[test]
fn a_few_seeds_are_good_and_the_table_says_what_was_done_to_them() {
    let world = World::new();
    let args = ["chaos", "--seeds", "2..5", "--format", "json"];
    let said = world.verb(&args);
    said.succeeds();
    let summary: Value = serde_json::from_slice(&said.0.stdout).expect("json");
    assert_eq!(
        (&summary["schema"], &summary["seeds"], &summary["failed"]),
        (&"chaos-seeds/1".into(), &4.into(), &0.into())
    );
    let count = |table: &str, name: &str| summary[table][name].as_u64().unwrap_or(0);
    assert!(count("worlds", "rounds") > 0 && count("worlds", "fills") > 0, "{summary}");
    assert!(count("checks", "P-1") > 0 && count("checks", "A-2") > 0, "{summary}");
}

#[test]
fn only_what_the_schedule_says_goes_wrong() {
    let world = World::new();
    let schedule = "risk_guardian=panic@1,process.crash@40,audit.full@9";
    let args = ["chaos", "--seeds", "7", "--schedule", schedule, "--format", "json"];
    let said = world.verb(&args);
    said.succeeds();
    let summary: Value = serde_json::from_slice(&said.0.stdout).expect("json");
    let faults = summary["faults"].as_object().expect("faults");
    assert!(faults.contains_key("crash"), "{summary}");
    let known = ["panic", "crash", "full"];
    assert!(faults.keys().all(|name| known.contains(&name.as_str())), "{summary}");
    for (flag, text) in [("--seeds", "9..1"), ("--schedule", "nowhere.full@1"), ("--kill", "0")] {
        world.verb(&["chaos", flag, text]).refuses(2, "error");
    }
    let stranger = ["chaos", "--seeds", "7", "--schedule", "nobody=hang@1"];
    world.verb(&stranger).refuses(2, "--schedule names `nobody`, but the team is ");
}

#[test]
fn what_was_planned_and_never_happened_is_named_and_the_last_seed_of_all_is_one() {
    let world = World::new();
    let schedule = "risk-guardian=panic@1,position-sizer=kill@99999,audit.full@99999";
    let seeds = "18446744073709551615";
    let said = world.verb(&["chaos", "--seeds", seeds, "--schedule", schedule]);
    let told = String::from_utf8_lossy(&said.succeeds().0.stdout).into_owned();
    let wanted = "planned and never reached: position_sizer=kill@99999, audit.full@99999";
    assert!(told.contains(wanted), "{told}");
}
