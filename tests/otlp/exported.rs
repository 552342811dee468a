//! Real runs of the built binary, and the tree of spans that arrives.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use super::collector::{Collector, Heard, Manner, Seen};
use crate::provider::{Plan, Provider};
use crate::rig::{World, text};

/// Money and counts of models, more than a run needs.
const ROOM: &str = "[budgets]\nteam_per_hour = 20000\nall_per_hour = 20000\nusd_per_call = \"1\"\n\
                    usd_per_hour = \"900\"\nusd_per_run = \"900\"\nusd_per_day = \"1000\"\n";
/// A token as it stands in the environment.
const SECRET: &str = "marked-token-of-a-collector";

/// Two shares of the embedded bars: some hundred rounds, vetoes and appeals among them.
fn world() -> World {
    World::embedded(&["IBM", "MSFT"], "2006-12-29")
}

/// A run over that, whose spans go to an address.
fn exporting(url: &str) -> World {
    let world = world();
    world.variable("CONCLAVE__TELEMETRY__OTLP", url);
    world
}

fn by_id(heard: &Heard) -> BTreeMap<&[u8], &Seen> {
    heard.spans.iter().map(|span| (span.id.as_slice(), span)).collect()
}

/// The records of a step that tell of a round, by decision and number.
fn of_rounds(world: &World, step: &str) -> BTreeMap<(String, String), Value> {
    let records = world.steps("run", step).into_iter();
    let key = |record: &Value| (text(&record["decision"]), record["body"]["round"].to_string());
    records.map(|record| (key(&record), record["body"].clone())).collect()
}

/// Goal: the tree of spans is the run's. Method: a short run of the built binary; each parent is the one
/// that the vocabulary names, and rounds, seats, verdicts and orders are those of the audit.
#[test]
fn the_spans_of_a_run_are_the_tree_of_its_decisions() {
    let collector = Collector::that(Manner::Takes);
    let world = exporting(&collector.url);
    let said = world.run(&["--out", "run"]);
    said.succeeds();
    let heard = collector.heard.lock().expect("what was heard");
    assert!(!said.stderr().contains("collector"), "{}", said.stderr());
    parents_are_right(&heard);
    rounds_are_those_of_the_audit(&heard, &world);
    consultations_are_those_of_the_audit(&heard, &world);
    let sent: BTreeSet<String> =
        world.entries("run").into_iter().map(|(decision, _)| decision).collect();
    let orders = heard.named("order");
    let seen: BTreeSet<String> = orders.iter().map(|span| span.said["decision"].clone()).collect();
    assert!(sent.len() > 50, "the run is too small to tell anything: {}", sent.len());
    assert_eq!(seen, sent);
    assert_eq!(orders.len(), sent.len(), "one span an order");
    assert_eq!(heard.sender["service.name"], "conclave");
    assert_eq!(heard.sender["service.version"], env!("CARGO_PKG_VERSION"));
}

fn parents_are_right(heard: &Heard) {
    let spans = by_id(heard);
    assert_eq!(spans.len(), heard.spans.len(), "no span twice");
    let of: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("bar", &[][..]),
        ("decision", &["bar"][..]),
        ("round", &["decision"]),
        ("consultation", &["round"]),
        ("call", &["consultation"]),
        ("order", &["decision"]),
    ]);
    for span in &heard.spans {
        let parents = of.get(span.name.as_str()).unwrap_or_else(|| panic!("{span:?}"));
        let Some(parent) = spans.get(span.parent.as_slice()) else {
            assert!(parents.is_empty() && span.parent.is_empty(), "without its parent: {span:?}");
            continue;
        };
        assert!(parents.contains(&parent.name.as_str()), "{span:?} within {parent:?}");
        assert_eq!(span.trace, parent.trace, "{span:?}");
        let ((from, until), (began, ended)) = (span.lasted, parent.lasted);
        assert!(began <= from && from <= ended && from <= until, "{span:?} within {parent:?}");
        match span.name.as_str() {
            "decision" => assert!(span.said["id"].contains(&compact(&parent.said["at"]))),
            "round" | "order" => assert_eq!(span.said["decision"], parent.said["id"]),
            _ => {}
        }
    }
}

/// A time as it stands in a decision's id.
fn compact(at: &str) -> String {
    at.replace(['-', ':', 'Z'], "")
}

fn rounds_are_those_of_the_audit(heard: &Heard, world: &World) {
    let mut closed = of_rounds(world, "round.closed");
    let rounds: Vec<&Seen> =
        heard.named("round").into_iter().filter(|span| span.said["nth"] != "0").collect();
    assert_eq!(rounds.len(), closed.len());
    let mut vetoes = 0;
    for span in rounds {
        let key = (span.said["decision"].clone(), span.said["nth"].clone());
        let body = closed.remove(&key).unwrap_or_else(|| panic!("a round of nobody: {span:?}"));
        assert_eq!(span.said["verdict"], text(&body["verdict"]), "{span:?}");
        assert_eq!(span.said["critical"], body["critical"].to_string(), "{span:?}");
        let code = [&body["code"], &body["objection"]["code"]].map(text).concat();
        assert_eq!(span.said.get("code").cloned().unwrap_or_default(), code, "{span:?}");
        if span.said["verdict"] == "vetoed" {
            vetoes += 1;
            assert_eq!(span.said["by"], text(&body["by"]));
        }
    }
    assert!(vetoes > 0, "the run has no veto to tell of");
}

fn consultations_are_those_of_the_audit(heard: &Heard, world: &World) {
    let spans = by_id(heard);
    let mut by_round: BTreeMap<(String, String), BTreeMap<String, String>> = BTreeMap::new();
    for span in heard.named("consultation") {
        let round = spans[span.parent.as_slice()];
        let key = (round.said["decision"].clone(), round.said["nth"].clone());
        let outcome = span.said.get("outcome").cloned().unwrap_or_default();
        let twice = by_round.entry(key).or_default().insert(span.said["agent"].clone(), outcome);
        assert_eq!(twice, None, "asked twice: {span:?}");
    }
    let sent = of_rounds(world, "consult.sent");
    let closed = of_rounds(world, "round.closed");
    assert_eq!(by_round.keys().collect::<Vec<_>>(), sent.keys().collect::<Vec<_>>());
    for (key, agents) in by_round {
        let asked = sent[&key]["asked"].as_array().expect("names");
        let asked: BTreeSet<String> = asked.iter().map(text).collect();
        assert_eq!(agents.keys().cloned().collect::<BTreeSet<_>>(), asked, "{key:?}");
        let seats = closed.get(&key).and_then(|body| body["seats"].as_array());
        for seat in seats.into_iter().flatten() {
            let (agent, outcome) = (text(&seat["agent"]), text(&seat["outcome"]));
            let told = if outcome == "voted" { in_words(&text(&seat["vote"])) } else { outcome };
            // Whoever was not awaited may have spoken all the same.
            assert!(told == "not_awaited" || agents[&agent] == told, "{key:?} {agent}: {agents:?}");
        }
    }
}

/// A vote in the words of a seat's outcome.
fn in_words(vote: &str) -> String {
    if vote == "abstain" { "abstained".to_owned() } else { vote.to_owned() }
}

/// Goal: a collector costs spans at most, never a decision. Method: the same run without one, with one
/// that fails every request, with one that never answers, and with one that is not there; the log of
/// decisions is the same byte for byte.
#[test]
fn a_collector_that_is_not_well_changes_nothing_of_a_run() {
    let decided = |world: &World| {
        let hash = serde_json::from_str::<Value>(&world.file("run", "run.json"));
        let hash = text(&hash.expect("json")["record_hash"]);
        assert_eq!(hash.len(), 64, "{hash}");
        (hash, world.file("run", "audit-000001.jsonl"), world.file("run", "orders.csv"))
    };
    let quiet = world();
    quiet.run(&["--out", "run"]).succeeds();
    let wanted = decided(&quiet);
    let collectors = [Manner::Takes, Manner::Fails, Manner::Hangs].map(Collector::that);
    let urls = collectors.iter().map(|collector| collector.url.as_str());
    let mut lost = Vec::new();
    for url in urls.chain(["http://127.0.0.1:9"]) {
        let world = exporting(url);
        let said = world.run(&["--out", "run"]);
        said.succeeds();
        assert!(decided(&world) == wanted, "other decisions: {}", said.stderr());
        lost.push(said.stderr().contains("the collector"));
    }
    assert_eq!(lost, [false, true, true, true], "what was lost is told of, and nothing else");
}

/// Goal: a trace shows how long a model took, and of which vendor. Method: agents that ask
/// one that fails now and then.
#[test]
fn each_request_to_a_model_is_a_span_within_its_consultation() {
    let collector = Collector::that(Manner::Takes);
    let provider = Provider::new(Plan { failing: 20, ..Plan::default() });
    let world = World::of(&[("AAA", 0.0, 31.0)], 200);
    world.variable("OPENROUTER_API_KEY", SECRET);
    world.variable("CONCLAVE__TELEMETRY__OTLP", &collector.url);
    world.config(&format!("{}{ROOM}", provider.as_openrouter()));
    world.run(&["--config", "c.toml", "--brains", "model", "--out", "run"]).succeeds();
    let heard = collector.heard.lock().expect("what was heard");
    parents_are_right(&heard);
    let calls = heard.named("call");
    let ended = calls.iter().filter(|call| call.said.contains_key("outcome")).count();
    // What was cut off has no outcome, and may not have reached anybody.
    let asked = provider.asked().len();
    assert!(ended <= asked && asked <= calls.len(), "{ended}, {asked}, {}", calls.len());
    let mut outcomes = BTreeMap::<&str, usize>::new();
    for call in &calls {
        assert_eq!(call.said["provider"], "openrouter");
        assert!(call.said["model"].starts_with("anthropic/"), "{call:?}");
        let outcome = call.said.get("outcome").map_or("cut_off", String::as_str);
        *outcomes.entry(outcome).or_default() += 1;
    }
    assert!(outcomes.get("answered") > Some(&10) && outcomes.len() > 1, "{outcomes:?}");
    let said = heard.spans.iter().flat_map(|span| span.said.values());
    assert!(said.into_iter().all(|value| !value.contains(SECRET)), "a key is in a span");
}

/// Goal: the standard's variables do what they do elsewhere, and a token in one of them goes to the
/// collector alone. Method: every file of the run and all that it says are looked through.
#[test]
fn the_standard_variables_are_taken_and_a_token_stays_out_of_everything_else() {
    let collector = Collector::that(Manner::Takes);
    let world = World::new();
    world.variable("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
    world.variable("OTEL_EXPORTER_OTLP_HEADERS", &format!("authorization=Bearer%20{SECRET}"));
    world.variable("OTEL_SERVICE_NAME", "desk-seven");
    let said = world.run(&["--out", "run", "--log", "trace"]);
    said.succeeds();
    let heard = collector.heard.lock().expect("what was heard");
    assert_eq!(heard.sender["service.name"], "desk-seven");
    assert!(!heard.named("round").is_empty());
    for headers in &heard.requests {
        assert_eq!(headers["authorization"], format!("Bearer {SECRET}"));
        assert_eq!(headers["content-type"], "application/x-protobuf");
    }
    assert!(!said.stderr().contains(SECRET), "the token is in the log");
    let mut folders = vec![world.path("run")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).expect("a file");
                let is_there = bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
                assert!(!is_there, "the token is in {}", path.display());
            }
        }
    }
}

/// Goal: a collector's address is judged as a provider's is, wherever it stands.
#[test]
fn an_address_in_the_open_is_refused_before_a_run_begins() {
    let refused = [
        ("http://collector.example:4318", "is plain http to another machine: use https"),
        ("https://ada:word@collector.example", "holds a user or a password"),
        ("https://collector.example/?token=7", "has a query or a fragment"),
        ("127.0.0.1:4318", "is"),
    ];
    for (url, why) in refused {
        for name in ["CONCLAVE__TELEMETRY__OTLP", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] {
            let world = World::new();
            world.variable(name, url);
            let said = world.run(&["--out", "run"]);
            said.refuses(3, why);
            let place = if name.starts_with("OTEL") { name } else { "telemetry.otlp" };
            said.refuses(3, place);
            assert!(!world.path("run").exists(), "{url}");
        }
    }
}
