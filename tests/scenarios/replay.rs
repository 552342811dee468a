//! `replay`: a run once more, byte for byte, and as it would have been.

use std::collections::BTreeMap;
use std::fs;

use conclave_domain::record::{Chain, Line, Record, Stream};
use serde_json::Value;

use crate::rig::{Said, World, text};

/// What `replay` said, as a document.
#[track_caller]
fn document(said: &Said) -> Value {
    serde_json::from_slice(&said.0.stdout).unwrap_or_else(|_| panic!("json: {}", said.stderr()))
}

/// Every record of the run in `store` is the same once more.
#[track_caller]
fn is_identical(world: &World, store: &str) -> Value {
    let said = world.verb(&["replay", store, "--format", "json"]);
    let told = document(&said);
    assert_eq!((said.code(), &told["identical"]), (Some(0), &true.into()), "{store}: {told:#}");
    assert_eq!(told["same"], told["records"], "{store}: {told:#}");
    assert_eq!(told["ended"], true, "{store}: {told:#}");
    told
}

/// Every file of a run with its bytes.
fn files(world: &World, store: &str) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(world.path(store)).expect("a run");
    let paths = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file());
    let name = |path: &std::path::Path| path.file_name().expect("a name").to_string_lossy().into();
    paths.map(|path| (name(&path), fs::read(&path).expect("a file"))).collect()
}

/// D-1: a full run over the embedded bars is the same byte for byte; without the guardian's judgement
/// it is another one, and the first decision that differs says why.
#[test]
fn a_full_run_is_the_same_once_more_and_another_one_without_the_guardians_judgement() {
    let world = World::new();
    world.verb(&["run", "--out", "r", "--no-http"]).succeeds();
    let before = files(&world, "r");
    let told = is_identical(&world, "r");
    let run: Value = serde_json::from_str(&world.file("r", "run.json")).expect("json");
    assert_eq!(told["record_hash"], run["record_hash"]);

    let muted = ["replay", "r", "--mute", "risk-guardian", "--format", "json", "--out", "w"];
    let said = world.verb(&muted);
    let told = document(said.succeeds());
    assert_eq!(told["schema"], "what-if/1");
    assert!(text(&told["notes"][0]).starts_with("what-if of r: risk_guardian muted"), "{told:#}");
    let figure = |name: &str| {
        let rows = told["figures"].as_array().expect("figures").iter();
        let row = rows.clone().find(|row| row["figure"] == name).cloned().unwrap_or_default();
        (row["was"].as_f64().unwrap_or(0.0), row["what_if"].as_f64().unwrap_or(0.0))
    };
    let summary = world.summary("r");
    assert_eq!(Some(figure("rounds").0), summary["rounds"].as_f64());
    assert_eq!(Some(figure("trades").0), summary["trades"].as_f64());
    assert_eq!(Some(figure("end equity").0), summary["end_equity"].as_f64());
    let (was, is) = figure("vetoes: guardian.regime");
    assert!(was > 0.0 && is.abs() < f64::EPSILON, "{was} {is}");
    let first = &told["first_decision_that_differs"];
    assert_eq!(first["was"]["what"], "vetoed", "{first}");
    assert!(text(&first["was"]["how"]).starts_with("guardian."), "{first}");
    assert_ne!(first["what_if"]["what"], "vetoed", "{first}");
    assert!(!told["trades_only_in_what_if"].as_array().expect("trades").is_empty());

    assert_eq!(files(&world, "r"), before, "nothing was written into the run's own directory");
    assert!(world.file("w", "report.html").contains("what-if of r: risk_guardian muted"));
    assert_eq!(world.summary("w")["end_equity"].as_f64(), Some(figure("end equity").1));
    world.verb(&[&muted[..7], &["r"]].concat()).refuses(1, "holds a run already");
}

#[test]
fn the_latest_run_answers_to_that_name() {
    let world = World::new();
    world.verb(&["replay", "latest"]).refuses(4, "nothing has run here");
    world.verb(&["run", "--no-http", "--synth", "calm"]).succeeds();
    is_identical(&world, "latest");
}

#[test]
fn a_run_with_a_fault_of_each_kind_is_the_same_once_more() {
    let world = World::new();
    let kinds =
        ["panic", "error", "kill", "hang", "shed", "drop", "twice", "late", "garble", "nan"];
    for kind in kinds.into_iter().chain(["huge", "forbidden", "slow"]) {
        let faults = [
            format!("position-sizer={kind}@2"),
            format!("risk_guardian={kind}@4"),
            format!("exit_strategist={kind}@5"),
        ];
        let mut args = vec!["--out", kind];
        args.extend(faults.iter().flat_map(|fault| ["--fault", fault]));
        world.run(&args).succeeds();
        is_identical(&world, kind);
    }
    let ports = ["broker.timeout@1", "broker.reject@3", "feed.repeat@30", "feed.older@60"];
    let mut args = vec!["--out", "ports"];
    args.extend(ports.iter().flat_map(|fault| ["--fault", fault]));
    world.run(&args).succeeds();
    is_identical(&world, "ports");
}

/// Goal: a drawdown that halts, and a halt that the replay lifts by itself, happen again where they
/// did. Method: a limit so low that fees reach it.
#[test]
fn a_run_that_was_halted_by_its_drawdown_is_the_same_once_more() {
    let world = World::new();
    world.config(
        "[risk]\ndrawdown_half = 0.01\ndrawdown_halt = 0.02\n[costs]\nfee_per_trade = \"150\"\n",
    );
    for (store, more) in [("halted", &[][..]), ("lifted", &["--lift-halt-after", "20d"])] {
        world.run(&[&["--out", store, "--config", "c.toml"], more].concat()).succeeds();
        assert!(!world.steps(store, "halt.raised").is_empty(), "{store}: no halt to repeat");
        is_identical(&world, store);
    }
    assert!(!world.steps("lifted", "halt.lifted").is_empty());
}

/// Goal: what persons did is done again at its place. Method: a supervised run whose proposals are
/// approved, denied and left alone, which is halted, lifted, flattened and put into another mode.
#[test]
fn a_supervised_run_with_a_persons_acts_is_the_same_once_more() {
    let world = World::new();
    world.config("[approvals]\nexpiry = \"1d\"\n");
    let args = ["--out", "r", "--mode", "supervised", "--pace", "150ms", "--config", "c.toml"];
    let mut running = world.start("r", &args);
    let (mut seen, mut sent) = (Vec::new(), 0);
    // On a busy machine an answer may come too late: then the next one.
    while sent < 2 {
        let mut found = String::new();
        running.wait("a proposal", |running| {
            let view = running.get("approvals").unwrap_or_default();
            let items = view["approvals"].as_array().cloned().unwrap_or_default();
            let fresh =
                items.iter().map(|item| text(&item["decision"])).find(|id| !seen.contains(id));
            fresh.is_some_and(|id| {
                found.clone_from(&id);
                seen.push(id);
                true
            })
        });
        match seen.len() {
            1 => drop(running.verb(&["approvals", "deny", &found, "--note", "not today"])),
            2 => {}
            _ => {
                let said = running.verb(&["approvals", "approve", &found, "--note", "go"]);
                sent += u32::from(said.code() == Some(0));
            }
        }
    }
    running.verb(&["reduce", "--reason", "careful (a little)"]).succeeds();
    running.verb(&["halt", "--reason", "lunch"]).succeeds();
    running.verb(&["resume", "--yes", "--reason", "back"]).succeeds();
    running.verb(&["flatten", "--yes", "--reason", "home"]).succeeds();
    running.verb(&["mode", "advisory"]).succeeds();
    let at = running.market_time();
    running.wait("some bars", |running| running.market_time() > at);
    assert!(running.terminate().success());
    for step in ["approval.answered", "halt.raised", "halt.lifted", "state.changed"] {
        assert!(!world.steps("r", step).is_empty(), "{step}");
    }
    is_identical(&world, "r");
    let fees = world.verb(&["replay", "r", "--fee-per-trade", "25"]);
    let said = String::from_utf8_lossy(&fees.succeeds().0.stdout).into_owned();
    assert!(said.starts_with("what-if of r: costs.fee_per_trade = 25\n"), "{said}");
}

#[test]
fn proposals_that_nobody_answered_expire_once_more() {
    let world = World::new();
    world.config("[approvals]\nexpiry = \"1s\"\n");
    let args = ["--out", "s", "--mode", "supervised", "--config", "c.toml", "--stay"];
    let mut running = world.start("s", &args);
    running.wait("the end of all proposals", |running| {
        let view = running.get("approvals").unwrap_or_default();
        crate::rig::is_there(&world.path("s/summary.json"))
            && view["approvals"].as_array().is_some_and(Vec::is_empty)
    });
    assert!(running.terminate().success());
    assert!(!world.steps("s", "approval.expired").is_empty());
    is_identical(&world, "s");
}

#[test]
fn a_run_that_was_stopped_and_resumed_is_the_same_once_more() {
    let world = World::new();
    for life in [700, 900] {
        let how = if life == 700 { "--out" } else { "--resume" };
        let running = world.start("r", &[how, "r", "--pace", "20ms"]);
        crate::rig::wait_for(std::time::Duration::from_millis(life));
        assert!(running.terminate().success());
    }
    world.run(&["--resume", "r"]).succeeds();
    is_identical(&world, "r");
}

/// Writes the log of `store` anew with one record changed, so that its chain verifies.
fn rewrite(world: &World, store: &str, change: impl Fn(&Line<'_>) -> Option<String>) -> u64 {
    let path = world.path(store).join("audit-000001.jsonl");
    let log = fs::read_to_string(&path).expect("a segment");
    let (mut chain, mut written, mut changed) = (Chain::new(Stream::Decisions), String::new(), 0);
    for text in log.lines() {
        let line = Line::read(text).expect("a line");
        let body = change(&line).filter(|_| changed == 0);
        if body.is_some() {
            changed = line.seq;
        }
        let body = body.unwrap_or_else(|| line.body.to_owned());
        let record = Record::from_json(line.step, line.decision.clone(), line.at, body);
        let mut text = String::new();
        chain.append(&record.expect("a record"), None, &mut text);
        written.push_str(&text);
        written.push('\n');
    }
    fs::write(&path, written).expect("a segment");
    changed
}

/// A log whose chain was computed anew after a change is found all the same: not by its hashes, but
/// because nothing brings that record about.
#[test]
fn a_record_that_was_changed_under_a_new_chain_is_found() {
    let world = World::new();
    world.run(&["--out", "r"]).succeeds();
    let log = fs::read(world.path("r/audit-000001.jsonl")).expect("a segment");
    for (step, from, to, pointer) in [
        ("consult.sent", "\"loss_streak\":0", "\"loss_streak\":1", "/brief/book/loss_streak"),
        ("round.closed", "\"verdict\":\"act\"", "\"verdict\":\"open\"", "/verdict"),
        ("order.submitted", "\"side\":\"buy\"", "\"side\":\"sell\"", "/intent/side"),
        ("session.digest", "\"bars\":3", "\"bars\":2", "/bars"),
    ] {
        let seq = rewrite(&world, "r", |line| {
            let is_it = line.step.name() == step && line.body.contains(from);
            is_it.then(|| line.body.replacen(from, to, 1))
        });
        assert!(seq > 0, "no {step} with {from}");
        let said = world.verb(&["replay", "r", "--format", "json"]);
        assert_eq!(said.code(), Some(1), "{step}: {}", said.stderr());
        let told = document(&said);
        assert_eq!(told["difference"]["seq"], seq, "{step}: {told:#}");
        assert_eq!(told["same"], seq - 1, "{step}");
        let paths = told["difference"]["paths"].as_array().expect("paths");
        assert!(paths.iter().any(|path| path["pointer"] == pointer), "{step}: {paths:?}");
        let text = world.verb(&["replay", "r"]);
        let said = String::from_utf8_lossy(&text.0.stdout).into_owned();
        assert!(said.starts_with(&format!("differs at record {seq};")), "{said}");
        assert!(said.contains(step) && said.contains(pointer), "{said}");
        fs::write(world.path("r/audit-000001.jsonl"), &log).expect("a segment");
    }
    is_identical(&world, "r");
}

/// The market times of a run's decisions.
fn decisions(world: &World, store: &str) -> impl Iterator<Item = String> {
    let log = world.file(store, "audit-000001.jsonl");
    let lines: Vec<String> = log.lines().map(str::to_owned).collect();
    lines.into_iter().map(|line| Line::read(&line).expect("a line").at.to_string())
}

/// L-1: with all bars after a day cut off, every record up to it is byte for byte the same.
#[test]
fn nothing_that_was_decided_by_a_day_depends_on_a_later_bar() {
    let world = World::new();
    world.run(&["--out", "swings"]).succeeds();
    world.verb(&["run", "--out", "embedded", "--no-http"]).succeeds();
    let synth = ["data", "synth", "--out", "m", "--symbols", "3", "--bars", "400", "--seed", "7"];
    world.verb(&synth).succeeds();
    let mut bars = files(&world, "m").into_keys().collect::<Vec<_>>();
    bars.retain(|name| name.ends_with("1.csv"));
    let bars: Vec<String> = bars.iter().map(|name| format!("m/{name}")).collect();
    let mut args = vec!["run", "--out", "synthetic", "--no-http", "--data"];
    args.extend(bars.iter().map(String::as_str));
    world.verb(&args).succeeds();
    for (store, count) in [("swings", 6), ("embedded", 3), ("synthetic", 6)] {
        let days: Vec<String> = world
            .steps(store, "session.digest")
            .iter()
            .map(|digest| text(&digest["at"]).chars().take(10).collect())
            .collect();
        let mut last = 0;
        for nth in 1..=count {
            // Days apart by a number that no chunk's length divides.
            let day = &days[(nth * days.len() / (count + 1) + nth * 13) % days.len()];
            let said = world.verb(&["replay", store, "--until", day, "--format", "json"]);
            let told = document(&said);
            assert_eq!(said.code(), Some(0), "{store} until {day}: {told:#}");
            let same = told["same"].as_u64().expect("a number");
            let by_then = decisions(&world, store).filter(|at| at[..10] < day[..]).count() as u64;
            assert!(same >= by_then, "{store} until {day}: {same} of {by_then} records compared");
            last = last.max(same);
        }
        assert!(last > 100, "{store}: {last} records");
    }
    world.verb(&["replay", "swings", "--until", "1999-01-01"]).refuses(2, "no bar as early");
    // Behind the last bar nothing is cut off: the end of the run is compared too.
    let whole = world.verb(&["replay", "swings", "--until", "2099-01-01"]);
    let said = String::from_utf8_lossy(&whole.succeeds().0.stdout).into_owned();
    assert!(said.starts_with("identical: "), "{said}");
}

#[test]
fn what_is_not_the_run_any_more_is_refused_and_named() {
    let world = World::new();
    world.run(&["--out", "r"]).succeeds();
    let bars = fs::read_to_string(world.path("BBB.csv")).expect("bars");
    fs::write(world.path("BBB.csv"), bars.replacen("1000000", "1000001", 1)).expect("bars");
    world.verb(&["replay", "r"]).refuses(8, "BBB.csv is not the file");
    fs::remove_file(world.path("BBB.csv")).expect("bars");
    world.verb(&["replay", "r"]).refuses(8, "BBB.csv cannot be read");
    fs::write(world.path("BBB.csv"), &bars).expect("bars");

    world.run(&["--out", "other", "--seed", "7"]).succeeds();
    for file in ["recipe.json", "config.toml"] {
        fs::copy(world.path("r").join(file), world.path("other").join(file)).expect("a file");
    }
    world.verb(&["replay", "other"]).refuses(8, "hash of the configuration");
    fs::write(world.path("r/config.toml"), "[run]\nseed = 3\n").expect("a file");
    world.verb(&["replay", "r"]).refuses(8, "config.toml is not the one");
    fs::remove_file(world.path("r/recipe.json")).expect("a file");
    world.verb(&["replay", "r"]).refuses(5, "recipe.json is not there");
    world.verb(&["replay", "nowhere"]).refuses(5, "no run's directory");

    world.config("[audit]\nsegment_mb = 1\nkeep_segments = 2\n");
    world.verb(&["run", "--out", "p", "--no-http", "--config", "c.toml"]).succeeds();
    world.verb(&["replay", "p"]).refuses(8, "removed from its log");

    world.run(&["--out", "s"]).succeeds();
    world.verb(&["replay", "s", "--mute", "nobody"]).refuses(2, "signal_analyst");
    world.verb(&["replay", "s", "--set", "risk.drawdown_halt=0.9"]).refuses(3, "0.15");
    world.verb(&["replay", "s", "--set", "run.money=live"]).refuses(3, "live");
    world.verb(&["replay", "s", "--out", "w"]).refuses(2, "what-if");
    let three = ["position-sizer", "signal-analyst", "execution_timer"];
    let mute: Vec<&str> = three.iter().flat_map(|agent| ["--mute", agent]).collect();
    world.verb(&[&["replay", "s"], &mute[..]].concat()).refuses(3, "quorum");
}

/// A log that ends in the middle is the same as far as it goes; gone on with, it is the same whole.
#[test]
fn a_run_that_was_killed_is_the_same_up_to_its_last_record() {
    let world = World::new();
    let mut running = world.start("r", &["--out", "r", "--pace", "10ms"]);
    running.wait("a round", |_| !world.steps("r", "round.closed").is_empty());
    running.kill();
    let said = world.verb(&["replay", "r", "--format", "json"]);
    let told = document(said.succeeds());
    assert_eq!((&told["ended"], &told["same"]), (&false.into(), &told["records"]), "{told:#}");
    world.run(&["--resume", "r"]).succeeds();
    is_identical(&world, "r");
}
