//! `train` through the built binary: what it leaves, that agents who change nothing change nothing, how
//! it goes on behind a stop and a kill, and what it refuses.

use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::models::{KEY, ROOM};
use crate::provider::{Plan, Provider};
use crate::rig::{Running, Said, World, text, wait_for};

/// `train` over the world's market.
fn args<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["train", "--data", "AAA.csv", "BBB.csv", "CCC.csv"];
    args.extend(more);
    args
}

fn train(world: &World, more: &[&str]) -> Said {
    world.verb(&args(more))
}

fn document(world: &World, run: &str) -> Value {
    serde_json::from_str(&world.file(run, "run.json")).expect("json")
}

fn points(world: &World, run: &str) -> usize {
    fs::read_to_string(world.path(run).join("curve.jsonl")).unwrap_or_default().lines().count()
}

/// D-1: the same seed and bars write the same decisions, byte for byte.
#[test]
fn a_run_leaves_its_report_and_agents_that_change_nothing_leave_the_same_policy() {
    let world = World::new();
    // An interval that the run meets, for agents that may only look.
    let looking = "backtest_validator,data_monitor";
    train(&world, &["--steps", "60000", "--agents", looking, "--out", "a", "--mode", "advisory"])
        .succeeds();
    train(&world, &["--steps", "60000", "--agents", "off", "--out", "b"]).succeeds();
    train(&world, &["--steps", "60000", "--agents", looking, "--out", "c", "--mode", "advisory"])
        .succeeds();
    let decisions = |run| world.file(run, "audit-000001.jsonl");
    assert_eq!(decisions("a"), decisions("c"), "the same seed writes the same bytes");
    let (guided, alone) = (document(&world, "a"), document(&world, "b"));
    assert_eq!(guided["fingerprint"], alone["fingerprint"]);
    assert_eq!(guided["ending"], "done");
    world.verify("a");
    assert_eq!(world.steps("a", "validation.ended").len(), 20);
    let logs: Value = serde_json::from_str(&world.file("a", "agent_logs.json")).expect("json");
    let logs = logs["logs"].as_array().expect("logs");
    for agent in looking.split(',') {
        let said = |log: &&Value| log["body"]["agent"] == agent;
        assert!(logs.iter().any(|log| said(&log)), "{agent} was never asked");
    }
    assert!(!world.path("b").join("agent_logs.json").exists(), "nobody said anything");
    assert!(world.file("a", "report.html").contains("<svg"));
    assert_eq!(world.file("a", "curve.csv").lines().count(), 21);
    let rivals = guided["out_of_sample"].as_array().expect("a table");
    for name in ["the policy", "always-hold", "buy-and-hold", "sma-cross 10/20"] {
        assert!(rivals.iter().any(|row| row["name"] == name), "{name}");
    }
}

/// Starts a run and waits until it has had so many validations.
fn started(world: &World, arguments: &[&str], run: &str, validations: usize) -> Child {
    let mut command = world.command(arguments);
    let mut child = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().expect("a child");
    while points(world, run) < validations {
        let ended = child.try_wait().expect("a child");
        assert!(ended.is_none(), "the run ended before it was met");
        wait_for(Duration::from_millis(2));
    }
    child
}

/// C-1 and D-1: behind a stop and a kill it goes on bit for bit.
#[test]
fn a_run_that_was_stopped_and_killed_ends_with_the_policy_of_one_that_was_not() {
    let world = World::new();
    let sizes = ["--steps", "400000", "--agents", "on"];
    let whole = [&sizes[..], &["--out", "whole"]].concat();
    train(&world, &whole).succeeds();
    let broken = args(&[&sizes[..], &["--out", "broken"]].concat());
    let mut first = started(&world, &broken, "broken", 2);
    let pid = first.id().to_string();
    let sent = std::process::Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]).status();
    assert!(sent.expect("a shell").success());
    assert_eq!(first.wait().expect("an end").code(), Some(130));
    let resume = ["train", "--resume", "broken"];
    let before = points(&world, "broken");
    let mut second = started(&world, &resume, "broken", before + 2);
    second.kill().expect("a child");
    second.wait().expect("an end");
    world.verb(&resume).succeeds();
    let (whole, broken) = (document(&world, "whole"), document(&world, "broken"));
    assert_eq!(whole["fingerprint"], broken["fingerprint"]);
    assert_eq!(whole["agents"], broken["agents"], "what became of their advice");
    // The first was told nothing of earlier runs, the second what the first had changed; and yet their
    // rules decide the same.
    let briefs = |run| world.steps(run, "consult.sent").remove(0)["body"]["brief"].to_string();
    assert!(!briefs("whole").contains("earlier_runs"));
    assert!(briefs("broken").contains("\"earlier_runs\":[{\"agent\":"), "{}", briefs("broken"));
    assert!(world.steps("broken", "run.started")[0]["body"]["earlier_runs"].is_array());
    assert_eq!(world.file("whole", "curve.csv"), world.file("broken", "curve.csv"));
    world.verify("broken");
    let over = world.verb(&resume);
    over.refuses(1, "is done: there is nothing to go on with");
}

/// Agents that think by models, at a provider on loopback.
fn with_models(plan: Plan) -> (Provider, World) {
    let (provider, world) = (Provider::new(plan), World::new());
    world.variable("OPENROUTER_API_KEY", KEY);
    world.config(&format!("{}{ROOM}", provider.as_openrouter()));
    (provider, world)
}

fn train_by_models(world: &World, run: &str) {
    let sizes = ["--steps", "200000", "--brains", "model", "--config", "c.toml", "--out", run];
    train(world, &sizes).succeeds();
    assert_eq!(document(world, run)["ending"], "done");
    assert_eq!(world.steps(run, "validation.ended").len(), 20);
    world.verify(run);
}

/// What a change of an earlier run came to, as that run has left it.
const EARLIER: &str = r#"{"schema":"advice/1","version":"0.1.0","run":"before","data_hash":"00","symbols":["AAA"],"seed":9,"steps":60000,"cycle":15,"agent":"hyperparameter_tuner","change":{"lever":"entropy","value":1.2},"helped":true,"fitness_change":0.03125}"#;

/// G-3: models are asked under permits, and what they cost is on record. They are told what earlier runs
/// have shown.
#[test]
fn models_guide_a_run_and_their_key_stands_nowhere() {
    let (provider, world) = with_models(Plan::default());
    fs::write(world.path("advice.jsonl"), format!("{EARLIER}\n")).expect("a file");
    train_by_models(&world, "m");
    let tape = world.file("m", "tape.jsonl");
    assert!(tape.contains("earlier_runs") && tape.contains("0.03125"), "in the prompt");
    let asked = provider.asked();
    assert!(asked.iter().any(|asked| asked.agent == "risk_analyst"), "{asked:?}");
    assert!(asked.iter().all(|asked| asked.authorization == format!("Bearer {KEY}")));
    let advised = world.steps("m", "advice.clamped");
    assert!(advised.iter().any(|it| text(&it["body"]["brain"]).contains("claude")));
    for entry in fs::read_dir(world.path("m")).expect("a run") {
        let path = entry.expect("an entry").path();
        let bytes = if path.is_file() { fs::read(&path).expect("a file") } else { Vec::new() };
        assert!(!String::from_utf8_lossy(&bytes).contains(KEY), "{}", path.display());
    }
}

/// Goal: a provider that does not answer holds up nothing: the run ends with the policy of one that
/// nobody guides, long before anybody would have answered.
#[test]
fn a_provider_that_hangs_holds_up_no_validation() {
    let hour = Duration::from_hours(1);
    let (provider, world) = with_models(Plan { latency: hour, ..Plan::default() });
    train_by_models(&world, "m");
    assert!(!provider.asked().is_empty());
    train(&world, &["--steps", "200000", "--agents", "off", "--out", "off"]).succeeds();
    assert_eq!(document(&world, "m")["fingerprint"], document(&world, "off")["fingerprint"]);
}

#[test]
fn what_could_never_work_is_refused_and_leaves_nothing_behind() {
    let world = World::new();
    let refused = |more: &[&str], code: i32, part: &str| {
        let all = [more, &["--out", "none"]].concat();
        train(&world, &all).refuses(code, part);
        assert!(!world.path("none").exists(), "{more:?}");
    };
    refused(&["--steps", "8000"], 3, "agents.hyperparameter_tuner.interval");
    refused(&["--agents", "risk_analyst"], 3, "a quorum takes 2");
    refused(&["--agents", "risk_guardian"], 2, "risk_guardian");
    refused(&["--symbols", "TSLA"], 2, "TSLA");
    refused(&["--mode", "supervised"], 2, "terminal");
    world.verb(&["train", "--resume", "nothing"]).refuses(5, "is not there");
    world.verb(&["train", "ab", "--seeds", "4"]).refuses(2, "at least 5");
}

#[test]
fn a_comparison_trains_both_arms_and_says_what_they_show() {
    let world = World::new();
    let said = world.verb(&[
        "train", "ab", "--data", "AAA.csv", "BBB.csv", "--steps", "45000", "--out", "ab",
        "--format", "json",
    ]);
    let outcome: Value = serde_json::from_slice(&said.succeeds().0.stdout).expect("json");
    let runs = outcome["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 10);
    let treated = |run: &&Value| run["is_treated"] == true;
    let applied: u64 = runs.iter().filter_map(|run| run["applied"].as_u64()).sum();
    for pair in runs.chunks(2).filter(|pair| pair[1]["applied"] == 0) {
        assert_eq!(pair[0]["fingerprint"], pair[1]["fingerprint"]);
    }
    assert!(runs.iter().filter(treated).all(|run| run["asked"].as_u64() > Some(0)));
    let words = text(&outcome["words"]);
    assert_eq!(outcome["verdict"] == "no_treatment", applied == 0, "{words}");
    assert_eq!(words.starts_with("no treatment"), applied == 0, "{words}");
    world.verify("ab/seed-1-agents");
}

/// The decisions that wait for a person.
fn waiting(running: &Running<'_>) -> Vec<String> {
    let view = running.get("approvals").unwrap_or_default();
    let items = view["approvals"].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| text(&item["decision"])).collect()
}

/// T-3 and O-3: in supervised mode a lever waits for a person's answer, which may come over HTTP; a halt
/// stops the levers and not the training.
#[test]
fn a_run_that_listens_is_answered_and_halted_and_trains_to_its_end() {
    let world = World::new();
    let sizes = ["--steps", "400000", "--mode", "supervised", "--out", "w"];
    let mut running = world.serve("w", &args(&sizes));
    running.wait("a question", |running| !waiting(running).is_empty());
    let status = running.get("status").expect("a status");
    assert_eq!(
        (text(&status["job"]), text(&status["mode"])),
        ("training".into(), "supervised".into())
    );
    assert!(
        status["steps"].as_u64() > Some(0) && status["validation"]["cycle"].is_u64(),
        "{status:#}"
    );
    assert!(status["agents"].to_string().contains("risk_analyst"), "{status:#}");
    let first = waiting(&running).remove(0);
    let stranger = running.http("POST", &format!("/api/v1/approvals/{first}/approve"), None, "{}");
    assert_eq!(stranger.expect("an answer").0, 401, "without the token nobody answers");
    running.verb(&["approvals", "approve", &first]).succeeds();
    running.verb(&["approvals", "approve", &first]).refuses(5, &first);
    let halted = running.verb(&["halt"]);
    let said = String::from_utf8_lossy(&halted.succeeds().0.stdout).into_owned();
    assert!(said.contains("no lever of an agent moves any more"), "{said}");
    assert_eq!(running.get("status").expect("a status")["trading_state"]["state"], "halted");
    assert_ne!(running.verb(&["flatten"]).code(), Some(0), "there is nothing to close");
    // What only protects is asked about all the same; the run waits for the answer.
    while running.get("status").is_some() {
        for decision in waiting(&running) {
            running.verb(&["approvals", "deny", &decision]);
        }
        wait_for(Duration::from_millis(20));
    }
    assert!(running.ended().success());
    world.verify("w");
    let answers = world.steps("w", "approval.answered");
    assert_eq!(answers[0]["body"]["approved"], true, "{:#}", answers[0]);
    assert_eq!(answers[0]["decision"], first.as_str());
    assert_eq!(document(&world, "w")["ending"], "done");
    assert!(!world.path("w").join("station.json").exists());
    let alone = args(&["--agents", "off", "--port", "0", "--out", "x"]);
    world.verb(&alone).refuses(2, "agents guide");
}
