//! A run whose universe changes as it goes on: who may be entered, killed, and played once more.

use std::fs;

use serde_json::Value;

use crate::rig::World;

/// Twelve synthetic shares with their table of assets, and the arguments of a run on them.
fn market(world: &World) -> Vec<String> {
    let made =
        ["data", "synth", "--symbols", "12", "--bars", "640", "--seed", "5", "--out", "bars"];
    world.verb(&made).succeeds();
    let tables = ["assets.csv", "splits.csv", "dividends.csv", "regimes.csv"];
    let files = fs::read_dir(world.path("bars")).expect("bars");
    let bars = files.map(|file| file.expect("a file").path());
    let bars = bars.filter(|path| path.extension().is_some_and(|ending| ending == "csv"));
    let names = bars.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
    let is_bars = |name: &String| !tables.contains(&name.as_str());
    let mut bars: Vec<String> = names.filter(is_bars).map(|name| format!("bars/{name}")).collect();
    bars.sort();
    assert_eq!(bars.len(), 12);
    let terms = ["run", "--universe", "--mode", "autonomous", "--data"];
    terms.into_iter().map(str::to_owned).chain(bars).collect()
}

fn changes(world: &World, store: &str) -> Vec<Value> {
    world.steps(store, "universe.reviewed").into_iter().map(|it| it["body"].clone()).collect()
}

/// U-3, D-1: between three and ten of twelve may be entered, lists are voted on, and the run is the same
/// byte for byte where it was killed in its middle, and once more from its recipe.
#[test]
fn a_universe_changes_as_the_run_goes_on_and_outlives_a_kill() {
    let world = World::new();
    let args = market(&world);
    let with = |more: &[&'static str]| {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        [args.as_slice(), more].concat()
    };
    // Slowed down, so that the other one is killed behind its first lists and before its last ones.
    let paced = ["--pace", "2ms", "--out"];
    world.verb(&with(&[&paced[..], &["whole", "--no-http"]].concat())).succeeds();
    let reviewed = changes(&world, "whole");
    let admitted = |body: &Value| body["done"]["admit"].as_array().is_some_and(|it| !it.is_empty());
    assert!(reviewed.iter().any(admitted), "{reviewed:#?}");
    for body in &reviewed {
        let Some(of) = body["done"]["of"].as_array() else {
            assert_eq!(body["code"], "universe.short", "{body:#}");
            continue;
        };
        assert!((3..=10).contains(&of.len()), "{body:#}");
        let came = admitted(body);
        assert_eq!(came, !body["votes"].as_array().expect("votes").is_empty(), "{body:#}");
    }
    let outside = world.steps("whole", "candidate.denied");
    assert!(outside.iter().any(|it| it["body"]["code"] == "universe.outside"));
    let notes = world.summary("whole")["notes"].to_string();
    assert!(notes.contains("the universe has changed"), "{notes}");

    let mut killed = world.serve("killed", &with(&[&paced[..], &["killed"]].concat()));
    killed.wait("a second list", |_| {
        let log = fs::read_to_string(world.path("killed/audit-000001.jsonl")).unwrap_or_default();
        log.matches("\"universe.reviewed\"").count() >= 2
    });
    killed.kill();
    assert!(changes(&world, "killed").len() < reviewed.len(), "killed before its end");
    world.verb(&["run", "--resume", "killed", "--no-http"]).succeeds();
    let log = |store: &str| world.file(store, "audit-000001.jsonl");
    assert!(log("killed") == log("whole"), "byte for byte");

    let told = world.verb(&["replay", "killed", "--format", "json"]);
    let told: Value = serde_json::from_slice(&told.succeeds().0.stdout).expect("json");
    assert_eq!(told["identical"], true, "{told:#}");
}

#[test]
fn a_run_of_too_few_symbols_has_no_universe() {
    let world = World::embedded(&["AAPL", "IBM"], "2010-01-01");
    let said = world.run(&["--universe"]);
    said.refuses(
        3,
        "a universe has 3 symbols at least (`universe.symbols_min`) and this run has 2",
    );
}
