//! `scorecard`: what each agent was worth, through the built binary.

use std::fs;

use serde_json::Value;

use crate::rig::{Said, World, text};

const TEAM: [&str; 5] =
    ["signal_analyst", "risk_guardian", "position_sizer", "execution_timer", "exit_strategist"];

#[track_caller]
fn document(said: &Said) -> Value {
    serde_json::from_slice(&said.succeeds().0.stdout).expect("json")
}

fn record_hash(world: &World, store: &str) -> Value {
    let run: Value = serde_json::from_str(&world.file(store, "run.json")).expect("json");
    run["record_hash"].clone()
}

/// The run in `store` with `agent` muted has the same records and leaves the same books.
#[track_caller]
fn is_the_same_without(world: &World, store: &str, agent: &str) {
    let out = format!("{store}-without-{agent}");
    world.verb(&["replay", store, "--mute", agent, "--out", &out]).succeeds();
    assert_eq!(record_hash(world, &out), record_hash(world, store), "{agent}");
    for file in ["trades.csv", "equity.csv", "orders.csv"] {
        let bytes = |store: &str| fs::read(world.path(store).join(file)).expect("a file");
        assert_eq!(bytes(&out), bytes(store), "{agent}: {file}");
    }
}

#[track_caller]
fn line<'a>(card: &'a Value, agent: &str) -> &'a Value {
    let lines = card["lines"].as_array().expect("lines");
    lines.iter().find(|line| line["agent"] == agent).expect("a line")
}

/// Goal: nobody is blamed or praised for a run that did not ask.
/// Method: an agent that is switched off, and a market too short for any candidate, so that nobody is
/// asked though everybody could be. Beside them one who was asked, so that muting is seen to do something.
///
/// K-1: muting an agent that was never consulted changes nothing, to the byte.
#[test]
fn muting_an_agent_that_was_never_consulted_changes_nothing_to_the_byte() {
    let world = World::new();
    world.config("[agents.execution_timer]\nenabled = false\n");
    world.run(&["--out", "off", "--config", "c.toml"]).succeeds();
    is_the_same_without(&world, "off", "execution_timer");
    let asked = ["replay", "off", "--mute", "position_sizer", "--out", "asked"];
    world.verb(&asked).succeeds();
    assert_ne!(record_hash(&world, "asked"), record_hash(&world, "off"));
    let card = document(&world.verb(&["scorecard", "off", "--format", "json"]));
    let timer = line(&card, "execution_timer");
    assert_eq!(
        (&timer["asked"]["consulted"], &timer["worth"]["finding"]),
        (&0.into(), &"never_consulted".into())
    );
    assert_eq!(timer["worth"]["total_usd"], "0");

    let short = World::of(&[("AAA", 0.0, 31.0)], 15);
    short.run(&["--out", "idle"]).succeeds();
    assert_eq!(short.summary("idle")["rounds"], 0);
    for agent in TEAM {
        is_the_same_without(&short, "idle", agent);
    }
    let said = short.verb(&["scorecard", "idle"]);
    let told = String::from_utf8_lossy(&said.succeeds().0.stdout).into_owned();
    assert_eq!(told.matches(": never consulted").count(), TEAM.len(), "{told}");
}

/// Goal: the figures of a card are those of the run and of its what-ifs, and every pair has a line.
#[test]
fn a_card_says_what_the_report_and_the_what_ifs_say() {
    let world = World::new();
    world.run(&["--out", "r"]).succeeds();
    let before = fs::read(world.path("r").join("audit-000001.jsonl")).expect("a log");
    let asked = ["scorecard", "r", "--grid", "--format", "json", "--out", "card"];
    let card = document(&world.verb(&asked));
    let summary = world.summary("r");
    let rows = summary["agents"].as_array().expect("agents");
    for agent in TEAM {
        let (line, row) = (line(&card, agent), rows.iter().find(|row| row["name"] == agent));
        let row = row.expect("a row");
        let told =
            ["consultations", "answered", "clamps", "vetoes", "not_awaited"].map(|it| &row[it]);
        let parts = &line["asked"];
        let counted =
            ["consulted", "answered", "clamps", "vetoes", "not_awaited"].map(|it| &parts[it]);
        assert_eq!(counted, told, "{agent}");
        assert!(counted[0].as_u64() > Some(0), "{agent} was asked");
    }
    let what_if = ["replay", "r", "--mute", "position_sizer", "--out", "w"];
    world.verb(&what_if).succeeds();
    let end = |store: &str| world.summary(store)["end_equity"].as_f64().expect("an end");
    let worth: f64 =
        text(&line(&card, "position_sizer")["worth"]["total_usd"]).parse().expect("money");
    assert!((worth - (end("r") - end("w"))).abs() < 1e-6, "{worth}");
    assert_eq!(card["pairs"].as_array().map(Vec::len), Some(10));
    assert_eq!(card["over"][0]["record_hash"], record_hash(&world, "r"));
    assert!(text(&card["notes"][0]).starts_with("exact: "));
    assert!(world.file("card", "report.html").contains("Reliability"));
    assert_eq!(fs::read(world.path("r").join("audit-000001.jsonl")).expect("a log"), before);
    world.verb(&["scorecard", "r", "--out", "r"]).refuses(1, "holds a run already");

    // K-3 through the binary: twice the same run is one market's worth of evidence.
    let twice = document(&world.verb(&["scorecard", "r", "r/", "--format", "json"]));
    let single = document(&world.verb(&["scorecard", "r", "--format", "json"]));
    let per_run =
        |card: &Value| line(card, "position_sizer")["worth"]["per_run"].as_f64().expect("a share");
    assert!((per_run(&twice) - per_run(&single)).abs() < 1e-12);
    assert_eq!((&twice["runs"], &single["runs"]), (&1.into(), &1.into()));
    let signal = |card: &Value| line(card, "signal_analyst")["calibration"].clone();
    assert_eq!(signal(&twice), signal(&single));
    assert!(signal(&single)["forecasts"].as_u64() > Some(0));
    let notes = twice["notes"].to_string();
    assert!(notes.contains("r/ has the same records as r: it counts once"), "{notes}");
    fs::create_dir(world.path("t")).expect("a directory");
    fs::write(world.path("t").join("train.json"), "{}").expect("a file");
    world.verb(&["scorecard", "t"]).refuses(2, "is a training run: `train ab` says");
    world.verb(&["scorecard", "nowhere"]).refuses(5, "is no run's directory");
}

/// Goal: of a damaged log nobody is called idle. Method: a run whose observations are gone, cut, or whose
/// last decision is gone; each is refused with 8, and nothing is printed of anybody.
///
/// K-1: only who was never consulted is called so.
#[test]
fn a_run_whose_log_was_cut_has_no_card() {
    let world = World::new();
    let begin = |store: &str| world.run(&["--out", store]).succeeds().0.status.success();
    let file = |store: &str, name: &str| world.path(store).join(name);
    let cut = |path: &std::path::Path, lines: usize| {
        let text = fs::read_to_string(path).expect("a log");
        let all: Vec<&str> = text.split_inclusive('\n').collect();
        fs::write(path, all[..all.len() - lines].concat()).expect("a log");
    };
    let (gone, late, short) = ("gone", "late", "short");
    assert!([gone, late, short].into_iter().all(begin));
    fs::remove_file(file(gone, "observations-000001.jsonl")).expect("observations");
    cut(&file(late, "observations-000001.jsonl"), 3);
    cut(&file(short, "audit-000001.jsonl"), 1);
    for store in [gone, late, short] {
        let said = world.verb(&["scorecard", store]);
        assert_eq!(said.0.status.code(), Some(8), "{store}");
        assert!(said.0.stdout.is_empty(), "{store}");
    }
}

/// Goal: what an earlier run tells is an input of the next one like its bars: in its recipe, named when it
/// is another, and the same once more.
#[test]
fn an_earlier_run_is_told_to_the_next_one_and_both_can_be_repeated() {
    let world = World::new();
    world.run(&["--out", "r"]).succeeds();
    world.verb(&["scorecard", "r", "--track", "track.json"]).succeeds();
    // Once for each consultation, however often the run is named; and in no other file's place.
    let track = world.file(".", "track.json");
    world.verb(&["scorecard", "r", "./r", "--track", "track.json"]).succeeds();
    assert_eq!(world.file(".", "track.json"), track);
    world.config("");
    let summary = world.file("r", "run.json");
    world.verb(&["scorecard", "r", "--track", "r/run.json"]).refuses(1, "which holds a run");
    world.verb(&["scorecard", "r", "--track", "r/new.json"]).refuses(1, "which holds a run");
    world.verb(&["scorecard", "r", "--track", "c.toml"]).refuses(1, "is no file of --track");
    assert_eq!(world.file("r", "run.json"), summary);
    assert!(!world.path("r").join("new.json").exists());
    world.run(&["--out", "next", "--track", "track.json"]).succeeds();
    // Rules do not look at their record, and the brief that is written down is everybody's.
    assert_eq!(record_hash(&world, "next"), record_hash(&world, "r"));
    let said = document(&world.verb(&["replay", "next", "--format", "json"]));
    assert_eq!(said["identical"], true);
    fs::write(world.path("track.json"), "{\"schema\":\"track/2\",\"words\":[]}").expect("a file");
    world.verb(&["replay", "next"]).refuses(8, "is not the file that the run was begun with");
    world
        .run(&["--out", "newer", "--track", "track.json"])
        .refuses(8, "it is track/2, not track/1");
    world.run(&["--out", "none", "--track", "nowhere.json"]).refuses(5, "is not there");
}
