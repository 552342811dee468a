//! The built binary over llama.cpp with a model of random weights: a whole run on embedded bars, whose
//! trading rounds are decided by noise that a grammar holds to the schema, or by noise that it does not
//! hold. Only with `PEERS=1`.

use std::collections::BTreeMap;
use std::fs;

use conclave_domain::limits::Limits;
use serde_json::Value;

use super::models::{Peer, is_there};
use crate::rig::{World, text};

/// A key that must stand nowhere that anybody reads.
const KEY: &str = "sk-noise-marked-5a7e";
/// Daily bars, and the header: enough for three candidates whose gates let them pass.
const LINES: usize = 301;
/// How far beyond its bound a number may lie and still be clamped.
const SANE_TIMES: i64 = 10;

/// A market of embedded bars, whose agents ask the server at an address.
fn world(url: &str) -> World {
    let world = World::of(&[("IBM", 0.0, 31.0)], 2);
    let bars = include_str!("../../data/IBM.csv").lines().take(LINES);
    let bars: String = bars.flat_map(|line| [line, "\n"]).collect();
    fs::write(world.path("IBM.csv"), bars).expect("a file");
    world.variable("CONCLAVE_LOCAL_API_KEY", KEY);
    world.config(&format!(
        "[models]\nprimary = \"local\"\nhaiku_deadline = \"60s\"\nsonnet_deadline = \"60s\"\n\
         opus_deadline = \"60s\"\nanswer_max = 2048\n[consensus]\npatience = \"90s\"\n\
         [providers.local]\nurl = \"{url}/v1\"\nhaiku = \"noise\"\nsonnet = \"noise\"\n\
         opus = \"noise\"\n"
    ));
    world
}

/// What the model said in the attempts of a run, counted by what was asked for.
#[derive(Debug, Default)]
struct Said {
    answers: usize,
    /// Numbers outside of the bounds that were asked for.
    outside: usize,
    /// Answers with a number that is beyond every bound.
    mad: usize,
}

/// Looks at every answer on a run's tape as it came, and that none of the mad ones was taken.
#[track_caller]
fn said(world: &World, store: &str) -> Said {
    let mut told = Said::default();
    let mut is_mad = BTreeMap::new();
    for line in world.file(store, "tape.jsonl").lines() {
        let line: Value = serde_json::from_str(line).expect("json");
        let place = |of: &Value| (text(&of["key"]), of["ordinal"].as_u64());
        if let Some(reply) = line["outcome"]["reply"]["body"].as_str() {
            let asked: Value = serde_json::from_str(&text(&line["body"])).expect("json");
            let schema = &asked["response_format"]["json_schema"]["schema"];
            let reply: Value = serde_json::from_str(reply).unwrap_or_default();
            let content = text(&reply["choices"][0]["message"]["content"]);
            let Ok(answer) = serde_json::from_str::<Value>(&content) else { continue };
            let mut worst = 0;
            let mut look = |value: i64, least: i64, most: i64| {
                told.outside += usize::from(!(least..=most).contains(&value));
                worst = worst.max(value.abs() / least.abs().max(most.abs()).max(1));
            };
            whole_numbers(&answer, schema, &mut look);
            told.answers += 1;
            told.mad += usize::from(worst > SANE_TIMES);
            is_mad.insert(place(&line), worst > SANE_TIMES);
        }
        if let Some(taken) = line["end"]["step"].as_u64() {
            let step = &line["steps"][usize::try_from(taken).expect("few steps")];
            assert_eq!(is_mad.get(&place(step)), Some(&false), "{line}");
        }
    }
    told
}

/// Every number of an answer, with the bounds that its schema asks for.
fn whole_numbers(value: &Value, schema: &Value, look: &mut impl FnMut(i64, i64, i64)) {
    if let (Some(value), Some(least), Some(most)) =
        (value.as_i64(), schema["minimum"].as_i64(), schema["maximum"].as_i64())
    {
        look(value, least, most);
    }
    for (name, part) in value.as_object().into_iter().flatten() {
        whole_numbers(part, &schema["properties"][name], look);
    }
    for item in value.as_array().into_iter().flatten() {
        whole_numbers(item, &schema["items"], look);
    }
}

/// B-1: every number that leaves an agent is finite and within its bounds. How many were clamped; each
/// of those was outside.
#[track_caller]
fn clamped(world: &World, store: &str) -> usize {
    let bounds = serde_json::to_value(Limits::default().bounds).expect("json");
    let is_within = |name: &str, value: f64| {
        let (min, max) = (bounds[name]["min"].as_f64(), bounds[name]["max"].as_f64());
        (min.expect("a bound")..=max.expect("a bound")).contains(&value)
    };
    let mut clamped = 0;
    for record in world.steps(store, "advice.clamped") {
        let Value::Object(advice) = &record["body"]["advice"] else { continue };
        assert_eq!(record["body"]["brain"], "noise", "{record}");
        let confidence = advice["confidence"].as_f64().expect("a confidence");
        assert!((0.0..=1.0).contains(&confidence), "{record}");
        for lever in advice["levers"].as_array().into_iter().flatten() {
            let named = (text(&lever["lever"]), lever["value"].as_f64());
            if let ((name, Some(value)), true) = (&named, bounds.get(&named.0).is_some()) {
                assert!(is_within(name, *value), "{record}");
            }
            if let Some(offset) = lever["offset_bp"].as_f64() {
                assert!(is_within("limit_offset_bp", offset), "{record}");
            }
        }
        for clamp in advice["clamps"].as_array().into_iter().flatten() {
            clamped += 1;
            let (raw, used) = (clamp["raw"].as_f64(), clamp["clamped"].as_f64());
            assert!(raw.is_some_and(|raw| Some(raw) != used && raw.is_finite()), "{record}");
            assert!(raw > used || clamp["edge"] == "min", "{record}");
        }
    }
    clamped
}

/// A run by models, and the same run from its tape; its rounds that were decided.
#[track_caller]
fn decides_and_comes_again(world: &World) -> usize {
    let by = ["--config", "c.toml", "--brains"];
    world.run(&[&by[..], &["model", "--out", "r"]].concat()).succeeds();
    world.verify("r");
    let again = ["recorded", "--tape", "r/tape.jsonl", "--out", "s"];
    world.run(&[&by[..], &again].concat()).succeeds();
    let hash = |store: &str| -> Value {
        let run: Value = serde_json::from_str(&world.file(store, "run.json")).expect("json");
        run["record_hash"].clone()
    };
    assert!(hash("r").is_string());
    assert_eq!(hash("r"), hash("s"), "D-1");
    for name in ["tape.jsonl", "run.json", "config.toml", "audit-000001.jsonl"] {
        assert!(!world.file("r", name).contains(KEY), "{name} holds a key");
    }
    let closed = world.steps("r", "round.closed");
    for record in closed.iter().filter(|record| record["body"]["verdict"] == "act") {
        let seats = record["body"]["seats"].as_array().expect("seats");
        let guardian = seats.iter().find(|seat| seat["agent"] == "risk_guardian");
        let outcome = guardian.map(|seat| text(&seat["outcome"]));
        assert_eq!(outcome.as_deref(), Some("no_objection"), "{record:#}");
    }
    closed.len()
}

/// B-1, D-1: rounds of a run are decided by real inference; nothing that was asked for in bounds comes
/// out of them, and the tape is the same run.
#[test]
fn a_run_is_decided_by_noise_within_the_schema_and_comes_again_from_its_tape() {
    if !is_there("llama") {
        return;
    }
    let peer = Peer::llama(KEY);
    let world = world(&peer.url);
    let rounds = decides_and_comes_again(&world);
    let (said, clamped) = (said(&world, "r"), clamped(&world, "r"));
    println!("llama: {rounds} rounds, {said:?}, {clamped} clamped");
    assert!(rounds >= 2 && said.answers >= rounds, "{rounds} rounds, {said:?}");
    assert_eq!((said.outside, said.mad, clamped), (0, 0, 0), "the grammar holds");
}

/// Goal: noise that no grammar holds decides a run, and no number of it leaves its bounds.
/// Method: between us and the server stands one that asks for fifteen times the bounds. What came is
/// counted on the tape: what is sane is clamped and counted, what is not is refused.
#[test]
fn noise_out_of_bounds_is_clamped_or_refused_in_every_round_of_a_run() {
    if !is_there("llama") {
        return;
    }
    let peer = Peer::llama(KEY);
    let loose = Peer::loose(&peer);
    let world = world(&loose.url);
    let rounds = decides_and_comes_again(&world);
    let (said, clamped) = (said(&world, "r"), clamped(&world, "r"));
    println!("llama, loose: {rounds} rounds, {said:?}, {clamped} clamped");
    assert!(rounds >= 2, "{rounds} rounds");
    assert!(said.outside >= clamped && clamped > 0, "{said:?}, {clamped} clamped");
}
