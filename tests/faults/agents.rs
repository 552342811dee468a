//! One agent panics, errs, is killed, hangs, sheds, drops, is late or talks nonsense in a run.

use serde_json::Value;

use crate::rig::World;

const KINDS: [&str; 8] = ["panic", "error", "kill", "hang", "shed", "drop", "late", "garble"];

/// The record that closed the `nth` round.
fn round(world: &World, store: &str, nth: u64) -> Value {
    let closed = world.steps(store, "round.closed").into_iter();
    let found = closed.map(|record| record["body"].clone()).find(|body| body["round"] == nth);
    found.expect("the round was closed")
}

/// How an agent's seat in a round ended.
fn seat(round: &Value, agent: &str) -> Value {
    let seats = round["seats"].as_array().expect("seats");
    seats.iter().find(|seat| seat["agent"] == agent).expect("a seat")["outcome"].clone()
}

/// How often each agent but `agent` failed, was late, shed or restarted.
fn harm_to_others(summary: &Value, agent: &str) -> u64 {
    let agents = summary["agents"].as_array().expect("agents").iter();
    let others = agents.filter(|row| row["name"] != agent);
    let counts =
        others.flat_map(|row| ["failed", "late", "restarts"].map(|name| row[name].as_u64()));
    counts.map(|count| count.expect("a count")).sum()
}

#[test]
fn a_planned_fault_whose_round_never_came_is_said() {
    let world = World::new();
    let faults = ["--fault", "position_sizer=panic@99999", "--fault", "position_sizer=shed@2"];
    world.run(&[&["--out", "r"], &faults[..]].concat()).succeeds();
    let summary = world.summary("r");
    let notes: Vec<&str> =
        summary["notes"].as_array().expect("notes").iter().filter_map(Value::as_str).collect();
    let said: Vec<&&str> = notes.iter().filter(|note| note.contains("never happened")).collect();
    let rounds = summary["rounds"].to_string();
    assert!(said.len() == 1 && said[0].contains("position_sizer=panic@99999"), "{notes:?}");
    assert!(said[0].contains(&rounds), "{notes:?}");
}

#[test]
fn whatever_befalls_a_voter_costs_its_vote_and_nothing_else() {
    let world = World::new();
    world.run(&["--out", "well"]).succeeds();
    assert_eq!(round(&world, "well", 2)["verdict"], "act");
    let rounds = world.summary("well")["rounds"].clone();
    for kind in KINDS {
        let fault = format!("position_sizer={kind}@2");
        world.run(&["--out", kind, "--fault", &fault]).succeeds();
        let hit = round(&world, kind, 2);
        let expected = match kind {
            "hang" | "late" => "late",
            "shed" => "shed",
            _ => "failed",
        };
        assert_eq!(seat(&hit, "position_sizer"), expected, "{kind}: {hit}");
        for other in ["signal_analyst", "execution_timer", "exit_strategist"] {
            assert_eq!(seat(&hit, other), "voted", "{kind}: {hit}");
        }
        assert_eq!(hit["verdict"], "act", "{kind}: one vote of four is lost, not the round: {hit}");
        let next = round(&world, kind, 3);
        assert_eq!(seat(&next, "position_sizer"), "voted", "{kind}: {next}");

        let summary = world.summary(kind);
        let is_dead = matches!(kind, "panic" | "error" | "kill");
        let restarts = &summary["restarts"]["position_sizer"];
        assert_eq!(restarts.as_u64().unwrap_or(0), u64::from(is_dead), "{kind}");
        let ended = world.steps(kind, "agent.restarted");
        assert_eq!(ended.len(), usize::from(is_dead), "{kind}: {ended:?}");
        assert!(ended.iter().all(|record| record["body"]["agent"] == "position_sizer"));
        assert_eq!(harm_to_others(&summary, "position_sizer"), 0, "{kind}");
        assert_eq!(summary["rounds"], rounds, "{kind}: as many rounds as without the fault");
        world.verify(kind);
    }
}

/// T-3: a guardian that says nothing is no guardian that agrees.
#[test]
fn a_round_without_a_word_of_the_guardian_holds_and_the_next_one_is_as_always() {
    let world = World::new();
    for kind in KINDS {
        let fault = format!("risk_guardian={kind}@2");
        world.run(&["--out", kind, "--fault", &fault]).succeeds();
        let hit = round(&world, kind, 2);
        assert_eq!((&hit["verdict"], &hit["code"]), (&"hold".into(), &"guardian.silent".into()));
        let decision = world.steps(kind, "round.closed")[1]["decision"].clone();
        let sent = world.entries(kind).into_iter().any(|(of, _)| decision == of.as_str());
        assert!(!sent, "{kind}: an entry left without the guardian");
        let next = round(&world, kind, 3);
        assert_eq!(seat(&next, "risk_guardian"), "no_objection", "{kind}: {next}");
        assert_eq!(next["verdict"], "act", "{kind}: {next}");
        assert_eq!(harm_to_others(&world.summary(kind), "risk_guardian"), 0, "{kind}");
    }
}

#[test]
fn the_same_faults_make_the_same_records() {
    let world = World::new();
    let faults = ["--fault", "position_sizer=kill@2", "--fault", "risk_guardian=panic@4"];
    let hash = |store: &str| {
        world.run(&[&["--out", store][..], &faults].concat()).succeeds();
        let run: Value = serde_json::from_str(&world.file(store, "run.json")).expect("json");
        run["record_hash"].clone()
    };
    assert_eq!(hash("one"), hash("two"));
}

#[test]
fn a_restart_shows_in_the_metrics_and_in_the_status() {
    let world = World::new();
    let faults =
        ["--stay", "--fault", "position_sizer=kill@2", "--fault", "exit_strategist=panic@3"];
    let mut running = world.start("r", &[&["--out", "r"][..], &faults].concat());
    running.wait("the end of the data", |_| crate::rig::is_there(&world.path("r/summary.json")));
    // Every reason has a line, from the start: what grew is which.
    let metrics = running.metrics();
    let grown = |agent: &str| -> Vec<&str> {
        let of = format!("conclave_actor_restarts_total{{actor=\"{agent}\"");
        metrics.lines().filter(|line| line.starts_with(&of) && !line.ends_with(" 0")).collect()
    };
    for (agent, reason) in [("position_sizer", "killed"), ("exit_strategist", "failed")] {
        let line =
            format!("conclave_actor_restarts_total{{actor=\"{agent}\",reason=\"{reason}\"}} 1");
        assert_eq!(grown(agent), [line], "{metrics}");
    }
    assert_eq!(grown("risk_guardian"), [""; 0], "{metrics}");
    let said = std::fs::read_to_string(world.path("r.log")).expect("what it said");
    assert!(said.contains("control room: http://127.0.0.1:"), "{said}");
    let status = running.get("status").expect("a status");
    let agents = status["agents"].as_array().expect("agents");
    assert!(agents.iter().all(|agent| agent["state"] == "alive"), "{agents:?}");
    assert!(running.terminate().success());
}

#[test]
fn a_fault_of_a_stranger_is_refused() {
    let world = World::new();
    world.run(&["--out", "r", "--fault", "nobody=kill@2"]).refuses(2, "nobody");
    world.run(&["--out", "r", "--fault", "position_sizer=sulk@2"]).refuses(2, "sulk");
}
