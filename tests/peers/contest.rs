//! A season of five model desks against aimock: others wrote the provider, and the board is true all the same.

use std::fs;

use serde_json::{Value, json};

use super::models::Peer;
use crate::contest::{KEY, row, season_of};
use crate::rig::World;

/// Goal: one always fails, one is always late, one proposes forbidden things, two are sound: the others finish,
/// and the board shows all five truthfully.
#[test]
fn five_desks_play_at_a_provider_of_others_and_the_board_is_true() {
    const MODELS: [&str; 5] = ["good", "sound", "fail", "late", "forbidden"];
    let Some(peer) = Peer::router_if_there() else { return };
    let world = World::new();
    world.variable("OPENROUTER_API_KEY", KEY);
    season_of(&world, &format!("{}/api/v1", peer.url), "peer", &MODELS, 60);
    let args = ["--config", "c.toml", "arena", "run", "--spec", "s.toml", "--models", "all"];
    let args =
        [&args[..], &["--symbols", "AAPL,MSFT", "--date", "2012-06-29", "--out", "s"]].concat();
    world.verb(&args).succeeds();
    let board: Value = serde_json::from_str(&world.file("s", "board.json")).expect("a board");
    let brought = |name: &str| -> (u64, Value) {
        let row = row(&board, name);
        let given = row["ratings"].as_object().expect("ratings").values().filter_map(Value::as_u64);
        (given.sum(), row["errors"].clone())
    };
    assert_eq!((brought("good").0, brought("sound").0), (2, 2));
    for name in ["fail", "late", "forbidden"] {
        assert_eq!(brought(name).0, 0, "{name}");
    }
    assert_eq!(brought("late").1["late"], json!(2));
    assert_eq!(brought("forbidden").1["review"], json!(2));
    let failing = brought("fail").1;
    assert_eq!(
        failing["failed"].as_u64().unwrap_or(0) + failing["abstained"].as_u64().unwrap_or(0),
        2
    );
    assert_eq!(board["rows"].as_array().map(Vec::len), Some(6));
    // What the peer bills stands on the board, to the cent.
    let cost = row(&board, "good")["model_cost"].as_str().expect("money").to_owned();
    assert_eq!(cost, "0.05664", "24 answers at $0.00236");
    assert!(fs::metadata(world.path("s/contestants/late/tape.jsonl")).is_ok());
}
