//! SIGTERM ends a run with a report; `--resume` goes on as if nothing had happened.

use std::time::Duration;

use crate::rig::{World, text, wait_for};

#[test]
fn a_run_that_was_stopped_and_resumed_trades_like_one_that_was_not() {
    // Eight seconds of bars: the three lives take half of them, on a busy machine a little more.
    let shares = [("AAA", 0.0, 31.0), ("BBB", 1.3, 37.0), ("CCC", 2.6, 43.0)];
    let world = World::of(&shares, 800);
    world.run(&["--out", "calm"]).succeeds();
    for (nth, life) in [900, 1_700, 600].into_iter().enumerate() {
        let how = if nth == 0 { "--out" } else { "--resume" };
        let running = world.start("r", &[how, "r", "--pace", "10ms"]);
        wait_for(Duration::from_millis(life));
        assert!(running.terminate().success());
        for file in ["report.html", "summary.json", "run.json", "equity.csv"] {
            assert!(!world.file("r", file).is_empty(), "{file}");
        }
        world.verify("r");
        assert!(!crate::rig::is_there(&world.path("r/station.json")), "nobody serves any more");
    }
    let trades = world.file("r", "trades.csv");
    assert_ne!(trades, world.file("calm", "trades.csv"), "it was stopped before the end");
    world.run(&["--resume", "r"]).succeeds();
    for file in ["trades.csv", "orders.csv", "equity.csv"] {
        assert_eq!(world.file("r", file), world.file("calm", file), "{file}");
    }
    world.verify("r");
}

#[test]
fn a_directory_is_neither_run_over_nor_resumed_from_nothing() {
    let world = World::new();
    world.run(&["--out", "r"]).succeeds();
    world.run(&["--out", "r"]).refuses(1, "--resume");
    world.run(&["--resume", "elsewhere"]).refuses(5, "no run");
}

#[test]
fn a_run_goes_on_with_its_own_bars_and_its_own_store_or_not_at_all() {
    let world = World::new();
    let running = world.start("r", &["--out", "r", "--pace", "50ms"]);
    world.run(&["--resume", "r"]).refuses(1, "in use by process");
    assert!(running.terminate().success());
    let before = world.audit("r").len();
    world
        .verb(&["run", "--resume", "r", "--no-http", "--data", "AAA.csv"])
        .refuses(8, "other data");
    world.config("[store]\nengine = \"redb\"\n");
    world.run(&["--resume", "r", "--config", "c.toml"]).refuses(8, "begun under");
    assert_eq!(world.audit("r").len(), before, "a refusal leaves nothing");
    world.run(&["--resume", "r"]).succeeds();
    world.verify("r");
}

/// A run goes on as it was begun: its bars, its mode and its costs come from its directory.
#[test]
fn a_run_goes_on_under_its_own_recipe_and_under_no_other() {
    let world = World::new();
    world.config("[costs]\nfee_per_trade = \"3\"\n");
    let begun = ["--out", "r", "--mode", "autonomous", "--config", "c.toml", "--pace", "30ms"];
    let mut running = world.start("r", &begun);
    running.wait("some bars", |running| running.market_time().as_str() > "2012-02");
    assert!(running.terminate().success());
    let header = |store: &str| -> serde_json::Value {
        serde_json::from_str(&world.file(store, "run.json")).expect("a document")
    };
    let before = header("r");
    world
        .verb(&["run", "--resume", "r", "--no-http", "--mode", "advisory"])
        .refuses(8, "begun under");
    world.config("[costs]\nfee_per_trade = \"4\"\n");
    world.run(&["--resume", "r", "--config", "c.toml"]).refuses(8, "begun under");
    // What SIGHUP may change is none of it: a service that starts again reads the same file.
    world.config("[costs]\nfee_per_trade = \"3\"\n[approvals]\nexpiry = \"9s\"\n");
    let again = ["run", "--resume", "r", "--no-http", "--config", "c.toml"];
    world.verb(&again).succeeds();
    let after = header("r");
    for key in ["mode", "config_hash", "data_hash", "seed"] {
        assert_eq!(before[key], after[key], "{key}");
    }
    assert_eq!(after["mode"], "autonomous");
}

#[test]
fn a_run_whose_port_is_taken_leaves_nothing_behind() {
    let world = World::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let args = ["run", "--data", "AAA.csv", "--out", "r", "--port", &port];
    world.verb(&args).refuses(1, &port);
    assert!(!crate::rig::is_there(&world.path("r")));
    drop(taken);
    world.verb(&args).succeeds();
}

/// A person who looks for where a value comes from is not sent to a flag that nobody gave.
#[test]
fn a_run_that_goes_on_names_its_own_file_for_what_no_flag_has_given() {
    let world = World::new();
    let begun = ["--seed", "7", "--strategy", "momentum", "--pace", "20ms"];
    assert!(world.start("r", &[&["--out", "r"], &begun[..]].concat()).terminate().success());
    let running = world.start("r", &["--resume", "r", "--strategy", "momentum", "--pace", "20ms"]);
    let told = running.get("config").unwrap_or_default();
    let key = |name: &str| told["keys"][name].clone();
    assert_eq!(key("run.seed")["value"], 7);
    assert_eq!(text(&key("run.seed")["source"]), "file r/config.toml");
    assert_eq!(text(&key("strategy.name")["source"]), "flag --strategy.name");
    assert!(running.terminate().success());
}
