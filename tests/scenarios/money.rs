//! Money of model brains across providers that give up and runs beside each other.

use std::time::Duration;

use serde_json::Value;

use crate::provider::{Plan, Provider};
use crate::rig::{World, text};

/// A model's money and counts for one share's rounds.
const ROOM: &str = "[budgets]\nteam_per_hour = 20000\nall_per_hour = 20000\nusd_per_call = \"1\"\n\
                    usd_per_hour = \"900\"\nusd_per_run = \"900\"\nusd_per_day = \"1000\"\n";
/// A key of nobody.
const KEY: &str = "sk-or-1f7c20aa";
/// OpenRouter's model of the middle tier.
const SONNET: &str = "anthropic/claude-sonnet-5.5";
/// A run whose agents ask models.
const BY_MODEL: [&str; 4] = ["--config", "c.toml", "--brains", "model"];

/// A market of one share, whose agents ask the provider.
fn world(provider: &Provider, more: &str) -> World {
    let world = World::of(&[("AAA", 0.0, 31.0)], 200);
    world.variable("OPENROUTER_API_KEY", KEY);
    world.config(&format!("{}{more}", provider.as_openrouter()));
    world
}

fn notes(world: &World, store: &str) -> String {
    let summary = world.summary(store);
    let notes = summary["notes"].as_array().cloned().unwrap_or_default();
    notes.iter().map(text).collect::<Vec<_>>().join("\n")
}

/// Who thought, by every advice of a run.
fn thought_by(world: &World, store: &str) -> Vec<String> {
    let advised = world.steps(store, "advice.clamped").into_iter();
    advised.filter(|it| it["of"].is_null()).map(|it| text(&it["body"]["brain"])).collect()
}

/// A model that is gone is asked for by nobody who has heard of it, and said once.
#[test]
fn a_model_that_is_gone_is_followed_by_the_cheaper_one() {
    let provider = Provider::new(Plan { gone: vec![SONNET.to_owned()], ..Plan::default() });
    let world = world(&provider, ROOM);
    let said = world.run(&[&BY_MODEL[..], &["--out", "r"]].concat());
    said.succeeds();
    let asked = provider.asked();
    let in_vain = asked.iter().filter(|asked| asked.model == SONNET).count();
    assert!((1..=5).contains(&in_vain), "{in_vain} of {}", asked.len());
    assert!(asked.len() > 10 + in_vain, "{}", asked.len());
    assert_eq!(said.stderr().matches("no such model").count(), 1, "{}", said.stderr());
    assert!(notes(&world, "r").contains(SONNET), "{}", notes(&world, "r"));
    let by = thought_by(&world, "r");
    assert!(by.len() > 10 && by.iter().all(|by| by.contains("haiku")), "{by:?}");
    // The tape is the same run.
    let again = ["--config", "c.toml", "--brains", "recorded", "--tape", "r/tape.jsonl"];
    world.run(&[&again[..], &["--out", "s"]].concat()).succeeds();
    assert_eq!(thought_by(&world, "s"), by);
}

/// Without any model the rules answer, and the run says why it was none with models.
#[test]
fn without_any_model_the_rules_answer_and_the_run_ends_with_9() {
    let gone = ["haiku", "sonnet", "opus"].map(|tier| format!("anthropic/claude-{tier}-5.5"));
    let provider = Provider::new(Plan { gone: gone.into(), ..Plan::default() });
    let world = world(&provider, ROOM);
    let said = world.run(&[&BY_MODEL[..], &["--out", "r"]].concat());
    said.refuses(9, "no model ever answered");
    let by = thought_by(&world, "r");
    assert!(by.len() > 10 && by.iter().all(|by| by == "rules"), "{by:?}");
    assert!(provider.asked().len() <= 10, "{}", provider.asked().len());
}

/// Goal: a provider that only an operator can help is said in the summary, and is no success where it
/// never answered. Method: it refuses the key at once, or its money ends after seven answers.
#[test]
fn a_provider_that_stops_is_said_with_its_remedy_and_at_once_with_9() {
    for (stops, code, remedy) in
        [((0, 401), Some(9), "mend the key"), ((7, 402), Some(0), "add credit")]
    {
        let provider = Provider::new(Plan { stops: Some(stops), ..Plan::default() });
        let world = world(&provider, ROOM);
        let said = world.run(&[&BY_MODEL[..], &["--out", "r"]].concat());
        assert_eq!(said.code(), code, "{stops:?}: {}", said.stderr());
        assert!(notes(&world, "r").contains(remedy), "{}", notes(&world, "r"));
        let is_said = said.stderr().contains(remedy);
        assert_eq!(is_said, code == Some(9), "{}", said.stderr());
        world.verify("r");
        let summary: Value = world.summary("r");
        assert_eq!(summary["schema"], "summary/1");
    }
}

/// The ledger that all runs of a world share: its lines.
fn ledger(world: &World) -> Vec<Value> {
    let text = std::fs::read_to_string(world.path("state/conclave/spend.jsonl"));
    let text = text.unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("a line")).collect()
}

/// Goal: G-1: the cap of a day holds over all runs together, whoever of them asks.
/// Method: two runs beside each other and a third one after them, on a day's money for a few questions.
#[test]
fn runs_beside_each_other_never_pass_the_cap_of_a_day_together() {
    let provider = Provider::new(Plan { latency: Duration::from_millis(10), ..Plan::default() });
    let day = "[budgets]\nteam_per_hour = 20000\nall_per_hour = 20000\nusd_per_run = \"900\"\n\
               usd_per_hour = \"900\"\nusd_per_day = \"0.05\"\n";
    let world = World::new();
    world.variable("OPENROUTER_API_KEY", KEY);
    world.config(&format!("{}{day}", provider.as_openrouter()));
    world.run(&["--out", "free"]).succeeds();
    assert_eq!(ledger(&world).len(), 0, "rules cost nothing");
    let beside = ["r", "s"].map(|name| {
        let args = [&BY_MODEL[..], &["--out", name, "--stay"]].concat();
        world.start(name, &args)
    });
    for (mut running, name) in beside.into_iter().zip(["r", "s"]) {
        running.wait("an end", |_| !world.steps(name, "run.ended").is_empty());
        running.terminate();
    }
    world.run(&[&BY_MODEL[..], &["--out", "t"]].concat()).succeeds();
    let spent: f64 = ["r", "s", "t"].map(|run| world.spent(run)).iter().sum();
    assert!(provider.billed_usd() <= 0.05, "{}", provider.billed_usd());
    assert!(spent <= 0.05 + 1e-9, "{spent}");
    assert!(0.03 < spent, "the day is used: {spent}");
    let refused = |run: &str| {
        let advised = world.steps(run, "advice.clamped");
        let code = |it: &Value| it["body"]["refused"] == "safety.money_day_all";
        advised.iter().filter(|it| code(it)).count()
    };
    assert!(["r", "s", "t"].map(refused).iter().sum::<usize>() > 10);
    let lines = ledger(&world);
    let of = |what: &str| lines.iter().filter(|line| line["what"] == what).count();
    assert!(of("reserved") > 10 && of("reserved") == of("settled"), "{lines:?}");

    // A tape costs nothing and is not written down; a question of a person is.
    let again = ["--config", "c.toml", "--brains", "recorded", "--tape", "t/tape.jsonl"];
    world.run(&[&again[..], &["--out", "u"]].concat()).succeeds();
    assert_eq!(ledger(&world).len(), lines.len());
    world.config(&format!("{}{ROOM}", provider.as_openrouter()));
    let brief = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/briefs/trading_entry.json");
    let ask = ["agents", "ask", "risk_guardian", "--brief", brief, "--brain", "model"];
    world.verb(&[&ask[..], &["--config", "c.toml"]].concat()).succeeds();
    let asked = ledger(&world);
    assert_eq!(asked.len(), lines.len() + 2);
    assert_eq!(asked.last().map(|line| text(&line["run"])), Some("agents-ask".to_owned()));
}

/// A ledger that cannot be used is an error before anything is written; none is a choice.
#[test]
fn a_ledger_that_cannot_be_used_is_refused_and_none_is_a_choice() {
    let provider = Provider::new(Plan::default());
    let lines = |ledger: &str| {
        let own = format!("primary = \"openrouter\"\nledger = \"{ledger}\"");
        format!("{}{ROOM}", provider.as_openrouter().replace("primary = \"openrouter\"", &own))
    };
    let world = world(&provider, "");
    world.config(&lines("AAA.csv/spend.jsonl"));
    world.run(&[&BY_MODEL[..], &["--out", "r"]].concat()).refuses(3, "`models.ledger` is AAA.csv");
    assert!(!world.path("r").exists(), "nothing is left behind");
    assert_eq!(provider.asked().len(), 0);
    world.config(&lines(""));
    world.run(&[&BY_MODEL[..], &["--out", "r"]].concat()).succeeds();
    assert_eq!(ledger(&world).len(), 0);
}

/// What is on the tape is taken from it in the process that goes on, too.
#[test]
fn a_run_that_takes_its_tape_first_goes_on_to_do_so() {
    let provider = Provider::new(Plan::default());
    let world = world(&provider, ROOM);
    world.run(&[&BY_MODEL[..], &["--tape", "t.jsonl", "--out", "r"]].concat()).succeeds();
    let asked = provider.asked().len();
    let first = ["--tape", "t.jsonl", "--replay-first", "--pace", "20ms", "--out", "s"];
    let mut running = world.start("s", &[&BY_MODEL[..], &first].concat());
    running.wait("rounds", |_| world.steps("s", "round.closed").len() >= 2);
    running.terminate();
    world.run(&["--config", "c.toml", "--resume", "s"]).succeeds();
    assert_eq!(provider.asked().len(), asked, "everything was on the tape");
}
