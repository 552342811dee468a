//! Supervised mode: entries wait for a person, and silence means no.

use serde_json::Value;

use crate::rig::{Running, World, is_there, text};

/// What waits, oldest first.
fn waiting(running: &Running<'_>) -> Vec<String> {
    let view = running.get("approvals").unwrap_or_default();
    let items = view["approvals"].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| text(&item["decision"])).collect()
}

fn answered(world: &World, decision: &str) -> Vec<Value> {
    let all = world.steps("r", "approval.answered").into_iter();
    all.filter(|record| record["decision"] == decision).collect()
}

fn is_sent(world: &World, decision: &str) -> bool {
    world.entries("r").iter().any(|(of, _)| of == decision)
}

/// Waits for a proposal that has not been seen yet.
fn next(running: &mut Running<'_>, seen: &mut Vec<String>) -> String {
    let mut found = String::new();
    running.wait("a proposal", |running| {
        let fresh = waiting(running).into_iter().find(|id| !seen.contains(id));
        fresh.is_some_and(|id| {
            found.clone_from(&id);
            seen.push(id);
            true
        })
    });
    found
}

/// O-1: in supervised mode an order leaves with a person's answer and with nothing else.
#[test]
fn an_entry_waits_for_a_person_who_approves_or_denies_it_once() {
    let world = World::new();
    // A day of the market passes with each bar: a proposal can be approved until the next one.
    world.config("[approvals]\nexpiry = \"1d\"\n");
    let args = ["--out", "r", "--mode", "supervised", "--pace", "150ms", "--config", "c.toml"];
    let mut running = world.start("r", &args);
    let mut seen = Vec::new();
    // On a busy machine an answer may come too late, which is an answer too; then the next one.
    let mut in_time = |answer: &str, note: &str| loop {
        let id = next(&mut running, &mut seen);
        let said = running.verb(&["approvals", answer, &id, "--note", note]);
        if said.code() == Some(0) {
            break id;
        }
        assert!(matches!(said.code(), Some(5 | 6)), "{}", said.stderr());
        assert!(!is_sent(&world, &id), "too late and sent all the same");
    };
    let denied = in_time("deny", "not today");
    let approved = in_time("approve", "go");
    running.verb(&["approvals", "approve", &denied]).refuses(5, &denied);
    running.verb(&["approvals", "approve", &approved]).refuses(5, &approved);
    running.verb(&["approvals", "approve", "AAA-nothing"]).refuses(5, "");
    assert!(running.terminate().success());

    assert!(is_sent(&world, &approved) && !is_sent(&world, &denied));
    let answers = answered(&world, &approved);
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0]["body"]["by"]["name"], "operator", "{answers:?}");
    assert!(answered(&world, &denied)[0].to_string().contains("not today"));
    assert_eq!(world.entries("r").len(), 1, "nothing else was sent");
    assert!(world.summary("r")["denials"]["approval.denied"].as_u64() >= Some(1));
    world.verify("r");
}

#[test]
fn silence_means_no_and_a_proposal_whose_bar_is_old_is_refused() {
    let world = World::new();
    let args = ["--out", "r", "--mode", "supervised", "--pace", "100ms", "--stay"];
    let mut running = world.start("r", &args);
    let old = next(&mut running, &mut Vec::new());
    let proposed_at = running.market_time();
    running.wait("the next bars", |running| running.market_time() > proposed_at);
    assert!(!waiting(&running).contains(&old), "what can no longer be approved is not shown");
    // It is denied by its record or by this answer, whichever is first: once.
    let said = running.verb(&["approvals", "approve", &old]);
    assert!(matches!(said.code(), Some(5 | 6)), "{}", said.stderr());
    assert!(!is_sent(&world, &old));
    assert!(running.terminate().success());
    let expired = |record: &Value| record["decision"] == old.as_str();
    let answers = answered(&world, &old).len();
    let records = world.steps("r", "approval.expired").iter().filter(|it| expired(it)).count();
    assert_eq!(answers + records, 1, "{answers} answers and {records} records");
    assert_eq!(world.entries("r"), [], "nobody approved anything in time");
    world.verify("r");

    world.config("[approvals]\nexpiry = \"1s\"\n");
    let args = ["--out", "s", "--mode", "supervised", "--config", "c.toml", "--stay"];
    let mut running = world.start("s", &args);
    running.wait("the end of the data", |_| is_there(&world.path("s/summary.json")));
    let asked = world.steps("s", "approval.asked").len();
    assert!(asked > 0 && waiting(&running).is_empty());
    running
        .wait("the end of all proposals", |_| world.steps("s", "approval.expired").len() == asked);
    assert!(running.terminate().success());
    assert_eq!(world.steps("s", "approval.expired").len(), asked, "each is denied once");
    assert_eq!(world.entries("s"), []);
    world.verify("s");
}
