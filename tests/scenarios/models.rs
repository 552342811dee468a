//! Runs whose agents think by models, against a provider on loopback: they decide, they pay what they
//! are billed and no more, and their tape is the same run once more for nothing.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use conclave_actors::runtime::roster;
use conclave_domain::role::Team;
use serde_json::Value;

use crate::provider::{Manner, Plan, Provider};
use crate::rig::{World, text, wait_for};

/// A key that must stand nowhere but in the provider's own journal.
pub(super) const KEY: &str = "sk-or-marked-4f1d9c";
/// A model's money and counts for one share's rounds.
pub(super) const ROOM: &str = "[budgets]\nteam_per_hour = 20000\nall_per_hour = 20000\nusd_per_call = \"1\"\n\
                    usd_per_hour = \"900\"\nusd_per_run = \"900\"\nusd_per_day = \"1000\"\n";

/// A market of one share, whose agents ask the provider.
fn world(provider: &Provider, more: &str) -> World {
    let world = World::of(&[("AAA", 0.0, 31.0)], 200);
    world.variable("OPENROUTER_API_KEY", KEY);
    world.config(&format!("{}{more}", provider.as_openrouter()));
    world
}

/// The files of the decisions of a run, by name.
fn decisions(world: &World, store: &str) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(world.path(store)).expect("a run");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let name = |path: &std::path::Path| path.file_name().expect("a name").to_string_lossy().into();
    let found: BTreeMap<String, Vec<u8>> = paths
        .map(|path| (name(&path), path))
        .filter(|(name, _): &(String, _)| name.starts_with("audit-"))
        .map(|(name, path)| (name, fs::read(path).expect("a file")))
        .collect();
    assert!(!found.is_empty(), "there are no decisions in {store}");
    found
}

/// Not a byte differs; else the first line that does is named.
#[track_caller]
fn same_bytes(one: &BTreeMap<String, Vec<u8>>, two: &BTreeMap<String, Vec<u8>>) {
    assert_eq!(one.keys().collect::<Vec<_>>(), two.keys().collect::<Vec<_>>());
    for (name, bytes) in one {
        let lines = |bytes: &[u8]| -> Vec<String> {
            String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect()
        };
        let (one, two) = (lines(bytes), lines(&two[name]));
        let differing = one.iter().zip(&two).find(|(one, two)| one != two);
        assert!(differing.is_none() && one.len() == two.len(), "{name}: {differing:#?}");
    }
}

/// The decisions of one step; what was observed beside them is left out.
pub(super) fn decided(world: &World, store: &str, step: &str) -> Vec<Value> {
    world.steps(store, step).into_iter().filter(|record| record["of"].is_null()).collect()
}

/// Every verdict of a run that acts has the word of its guardian.
#[track_caller]
pub(super) fn nobody_acts_without_the_guardian(world: &World, store: &str) -> usize {
    let closed = decided(world, store, "round.closed");
    let acts = closed.iter().filter(|record| record["body"]["verdict"] == "act");
    for record in acts {
        let seats = record["body"]["seats"].as_array().expect("seats");
        let guardian = seats.iter().find(|seat| seat["agent"] == "risk_guardian");
        let outcome = guardian.map(|seat| text(&seat["outcome"])).unwrap_or_default();
        assert_eq!(outcome, "no_objection", "{record:#}");
    }
    closed.len()
}

/// D-1: the tape of a run is the run once more: byte for byte, without a call.
#[test]
fn models_decide_and_their_tape_is_the_same_run_for_nothing() {
    let provider = Provider::new(Plan::default());
    let world = world(&provider, ROOM);
    world.run(&["--config", "c.toml", "--brains", "model", "--out", "r"]).succeeds();
    assert!(nobody_acts_without_the_guardian(&world, "r") > 0);
    let advised = decided(&world, "r", "advice.clamped");
    let by_models = advised.iter().filter(|it| text(&it["body"]["brain"]).contains("claude"));
    assert_eq!(by_models.count(), advised.len());
    let (asked, billed) = (provider.asked(), provider.billed_usd());
    assert!(asked.len() > 10, "{}", asked.len());
    assert!(asked.iter().all(|asked| asked.authorization == format!("Bearer {KEY}")));
    assert!(asked.iter().all(|asked| asked.max_price.is_some()), "no host is dearer than reserved");
    assert!((world.spent("r") - billed).abs() < 0.005, "{} of {billed}", world.spent("r"));

    let again = ["--config", "c.toml", "--brains", "recorded", "--tape", "r/tape.jsonl"];
    world.run(&[&again[..], &["--out", "s"]].concat()).succeeds();
    assert_eq!(provider.asked().len(), asked.len(), "nobody was asked");
    same_bytes(&decisions(&world, "r"), &decisions(&world, "s"));
    assert!(world.spent("s").abs() < 1e-12, "nothing was paid");

    // The log repeats it as well, and what it would have been by rules is another run.
    world.verb(&["replay", "r"]).succeeds();
    let said = world.verb(&["replay", "r", "--brains", "rules", "--format", "json"]);
    let told: Value = serde_json::from_slice(&said.succeeds().0.stdout).expect("json");
    assert!(!told["first_decision_that_differs"].is_null(), "{told:#}");
    assert_eq!(provider.asked().len(), asked.len(), "nobody was asked");

    // Another limit is another question.
    let other = format!("{}{ROOM}[risk]\nposition_max = 0.1\n", provider.as_openrouter());
    world.config(&other);
    let said = world.run(&[&again[..], &["--out", "t"]].concat());
    said.refuses(8, "not the one that its tape was recorded in");
    assert!(said.stderr().contains("AAA-"), "the consultation is named: {}", said.stderr());
}

/// An answer that is prose is asked for once more with the reason, and then the agent abstains: no
/// number is taken out of it.
#[test]
fn prose_is_no_advice_however_many_numbers_it_holds() {
    let provider = Provider::new(Plan { manner: Manner::Prose, ..Plan::default() });
    let world = world(&provider, ROOM);
    world.run(&["--config", "c.toml", "--brains", "model", "--out", "r"]).succeeds();
    let advised = decided(&world, "r", "advice.clamped");
    assert!(!advised.is_empty());
    for record in &advised {
        assert!(text(&record["body"]["error"]).starts_with("the answer is unreadable"), "{record}");
    }
    let closed = decided(&world, "r", "round.closed");
    assert!(closed.iter().all(|it| it["body"]["verdict"] != "act"), "T-3");
    // A round that can no longer pass ends while others are still being asked; whoever has answered
    // was asked twice, and nobody is asked a third time.
    let questions = provider.asked();
    let seats = roster::roster();
    for seat in seats.iter().filter(|seat| seat.role.team == Team::Trading) {
        let agent = seat.role.name;
        let of_agent = questions.iter().filter(|asked| asked.agent == agent).count();
        let answered = advised.iter().filter(|record| record["body"]["agent"] == agent).count();
        assert!(2 * answered <= of_agent, "{agent}: {of_agent} questions, {answered} answers");
        assert!(of_agent <= 2 * closed.len(), "{agent}: {of_agent} questions");
    }
}

/// B-1: no number out of bounds leaves an agent, whatever a model says: it is clamped, and counted.
#[test]
fn a_number_out_of_bounds_is_clamped_and_counted() {
    let provider = Provider::new(Plan { manner: Manner::OutOfBounds, ..Plan::default() });
    let world = world(&provider, ROOM);
    world.run(&["--config", "c.toml", "--brains", "model", "--out", "r"]).succeeds();
    let mut clamped = 0;
    for record in decided(&world, "r", "advice.clamped") {
        let advice = &record["body"]["advice"];
        for clamp in advice["clamps"].as_array().into_iter().flatten() {
            clamped += 1;
            let (raw, used) = (clamp["raw"].as_f64(), clamp["clamped"].as_f64());
            assert!(raw > used, "{clamp}");
        }
        if let Some(confidence) = advice["confidence"].as_f64() {
            assert!((0.0..=1.0).contains(&confidence), "{record}");
        }
    }
    assert!(clamped > 10, "{clamped}");
}

/// T-2: a veto drops the calls that are in flight: the provider sees its askers go away.
#[test]
fn a_veto_aborts_the_calls_of_the_others() {
    let slow = ["signal_analyst", "position_sizer", "execution_timer", "exit_strategist"];
    let provider = Provider::new(Plan {
        // The guardian objects once the others' questions have come.
        latency: Duration::from_millis(250),
        latency_of: slow.map(|name| (name.to_owned(), Duration::from_secs(5))).to_vec(),
        manner: Manner::Objecting,
        ..Plan::default()
    });
    let world = world(&provider, ROOM);
    world.run(&["--config", "c.toml", "--brains", "model", "--out", "r"]).succeeds();
    let vetoed = decided(&world, "r", "round.closed").into_iter();
    let vetoed = vetoed.filter(|it| it["body"]["verdict"] == "vetoed").count();
    assert!(vetoed > 0, "{:#?}", decided(&world, "r", "advice.clamped").first());
    // The provider hears of a closed connection a little later.
    let mut looks = 0;
    while provider.aborted() < vetoed && looks < 400 {
        wait_for(Duration::from_millis(15));
        looks += 1;
    }
    assert!(provider.aborted() >= vetoed, "{} of {vetoed} vetoes", provider.aborted());
    assert!(world.spent("r") + 1e-9 >= provider.billed_usd(), "what may be billed is booked");
}

/// G-2: what was in flight when the process was killed is spent, whatever became of it.
#[test]
fn a_kill_in_the_middle_of_calls_gives_nothing_back() {
    let provider = Provider::new(Plan { latency: Duration::from_millis(150), ..Plan::default() });
    let world = world(&provider, ROOM);
    let args = ["--config", "c.toml", "--brains", "model", "--tape", "t.jsonl", "--out", "r"];
    let mut running = world.start("r", &args);
    running.wait("calls", |_| provider.asked().len() >= 12);
    running.kill();
    let billed = provider.billed_usd();
    let mut running = world.start("r", &["--config", "c.toml", "--resume", "r", "--stay"]);
    let left = running.budget("usd_per_run");
    assert!(900.0 - left + 1e-9 >= billed, "{left} left of 900, {billed} billed");
    // The tape goes on where it was begun, and is whole.
    running.wait("an end", |_| !decided(&world, "r", "run.ended").is_empty());
    running.terminate();
    let again = ["--config", "c.toml", "--brains", "recorded", "--tape", "t.jsonl", "--out", "s"];
    world.run(&again).succeeds();
}

/// Keys appear in no file, answer, log or metric of ours.
#[test]
fn a_key_stands_nowhere_that_anybody_reads() {
    let provider = Provider::new(Plan { failing: 20, broken: 20, ..Plan::default() });
    let world = world(&provider, ROOM);
    let args = ["--config", "c.toml", "--brains", "model", "--out", "r", "--stay"];
    let mut running = world.start("r", &args);
    running.wait("an end", |_| !world.steps("r", "run.ended").is_empty());
    let seen = [running.metrics(), world.log("r")];
    let shown = ["status", "rounds", "budgets", "agents"]
        .map(|view| running.get(view).unwrap_or_default().to_string());
    running.terminate();
    let verbs = [
        world.verb(&["config", "show", "--config", "c.toml"]),
        world.verb(&["doctor", "--store", "r"]),
        world.verb(&["audit", "tail", "r"]),
    ];
    let said =
        verbs.map(|said| format!("{}{}", String::from_utf8_lossy(&said.0.stdout), said.stderr()));
    for text in seen.iter().chain(&shown).chain(&said) {
        assert!(!text.contains(KEY), "{text}");
    }
    let mut files = 0;
    every_file(&world.path("r"), &mut |path, bytes| {
        files += 1;
        let holds = bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes());
        assert!(!holds, "{} holds a key", path.display());
    });
    assert!(files > 8, "{files}");
}

fn every_file(dir: &std::path::Path, look: &mut impl FnMut(&std::path::Path, &[u8])) {
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            every_file(&path, look);
        } else {
            look(&path, &fs::read(&path).expect("a file"));
        }
    }
}

/// A model that is asked for without its key, or without a price, is refused before anything is written.
#[test]
fn a_missing_key_or_price_is_an_error_that_says_what_to_do() {
    let provider = Provider::new(Plan::default());
    let world = World::of(&[("AAA", 0.0, 31.0)], 60);
    world.config(&provider.as_openrouter());
    let args = ["--config", "c.toml", "--brains", "model", "--out", "r"];
    world.run(&args).refuses(3, "OPENROUTER_API_KEY is not set");
    world.variable("OPENROUTER_API_KEY", KEY);
    world.config(&format!("{}haiku = \"nobody/knows\"\n", provider.as_openrouter()));
    world.run(&args).refuses(3, "nobody/knows");
    // What is free on a machine of one's own is not free elsewhere because it bears the same name.
    world.config(&format!(
        "{}haiku = \"nobody/knows\"\n[providers.local]\nhaiku = \"nobody/knows\"\n",
        provider.as_openrouter()
    ));
    world.run(&args).refuses(3, "nobody/knows");
    assert!(!world.path("r").exists(), "nothing is left behind");
    assert_eq!(provider.asked().len(), 0);
}

/// Every one of the fourteen thinks with a model, asked one question each, over both hosted dialects.
#[test]
fn each_agent_answers_a_brief_by_its_model() {
    let provider = Provider::new(Plan::default());
    let world = World::of(&[("AAA", 0.0, 31.0)], 2);
    world.variable("OPENROUTER_API_KEY", KEY);
    world.variable("ANTHROPIC_API_KEY", KEY);
    let briefs = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/briefs");
    for (lines, model) in
        [(provider.as_openrouter(), "openrouter"), (provider.as_anthropic(), "anthropic")]
    {
        world.config(&lines);
        let before = provider.asked().len();
        for seat in roster::roster() {
            let brief = match seat.role.team {
                Team::Training => "training.json",
                Team::Trading => "trading_entry.json",
                Team::Selection => "selection.json",
            };
            let brief = format!("{briefs}/{brief}");
            let name = seat.role.name;
            let ask = ["agents", "ask", name, "--brief", &brief, "--brain", "model", "--config"];
            let said = world.verb(&[&ask[..], &["c.toml", "--format", "json"]].concat());
            let told: Value = serde_json::from_slice(&said.0.stdout)
                .unwrap_or_else(|_| panic!("{model}, {name}: {}", said.stderr()));
            assert_eq!(told["advice"]["agent"], name, "{told:#}");
            assert!(text(&told["cost"]).starts_with("0.00"), "{told:#}");
        }
        assert_eq!(provider.asked().len() - before, 14, "{model}: one question each");
    }
}
