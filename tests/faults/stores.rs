//! Stores of other versions: an older one is read, a newer one is refused and named.

use std::fs;

use conclave::adapters::context_sled::SledStore;
use conclave_actors::runtime::ports::Store as _;
use serde_json::Value;

use crate::rig::World;

/// Values as the first version wrote them: a tree, a key and the bytes.
fn of_schema_one() -> Vec<(String, String, Vec<u8>)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/store_schema_1.json");
    let text = fs::read_to_string(path).expect("the fixture");
    let fixture: Value = serde_json::from_str(&text).expect("json");
    let entry = |entry: &Value| {
        let text = |name: &str| entry[name].as_str().expect("a text").to_owned();
        let hex = text("hex");
        let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16));
        (text("tree"), text("key"), bytes.collect::<Result<_, _>>().expect("hexadecimal"))
    };
    fixture["entries"].as_array().expect("entries").iter().map(entry).collect()
}

/// Puts a value into the store of a run that is not running.
fn put(world: &World, tree: &str, key: &str, value: &[u8]) {
    let store = SledStore::open(&world.path("r/context")).expect("a store");
    store.put(tree, &[(key.as_bytes().to_vec(), value.to_vec())]).expect("room");
    store.close().expect("a flush");
}

/// C-1: what the first version stored is read by this one, and a run goes on with it.
#[test]
fn a_store_of_an_older_schema_is_migrated() {
    let world = World::of(&[("AAA", 0.0, 31.0)], 120);
    world.run(&["--out", "r"]).succeeds();
    let entries = of_schema_one();
    let kinds = ["book/shadow", "market", "control", "record"];
    assert!(kinds.iter().all(|kind| entries.iter().any(|(_, key, _)| key == kind)));
    for (tree, key, value) in &entries {
        // The anchor and the accounts are those of another log.
        if tree != "anchors" && !key.starts_with("document/") {
            put(&world, tree, key, value);
        }
    }
    world.run(&["--resume", "r"]).succeeds();
    world.verify("r");
}

/// C-1, G-2: what a newer version stored is not guessed at: exit 8, and what to do.
#[test]
fn a_store_of_a_newer_schema_is_refused() {
    let world = World::of(&[("AAA", 0.0, 31.0)], 120);
    world.run(&["--out", "r"]).succeeds();
    let before = fs::read(world.path("r/audit-000001.jsonl")).expect("a segment");
    let entries = of_schema_one();
    let value = |key: &str| {
        let found = entries.iter().find(|(_, name, _)| name == key);
        found.expect("such a value").clone()
    };
    let (tree, key, good) = value("control");
    let mut newer = good.clone();
    newer[4] = 99;
    put(&world, &tree, &key, &newer);
    let said = world.run(&["--resume", "r"]);
    said.refuses(8, "holds `part` of schema 99");
    said.refuses(8, "run it with the version that wrote it");
    put(&world, &tree, &key, &good);
    put(&world, "safety", "record", br#"{"schema": 99, "record": {}}"#);
    let said = world.run(&["--resume", "r"]);
    said.refuses(8, "holds `the safety record` of schema 99");
    said.refuses(8, "run it with the version that wrote it");
    let after = fs::read(world.path("r/audit-000001.jsonl")).expect("a segment");
    assert_eq!(after, before, "a refusal leaves nothing");
}
