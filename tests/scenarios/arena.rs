//! What people are told of a season of the arena.

use std::fs;

use crate::rig::World;
use crate::telegram::{CHAT, TOKEN, Telegram};

/// Goal: people hear the votes, and a season does not care whether they do. Method: one season that is
/// told tick by tick, the same with every way down, and one with no way at all.
#[test]
fn people_are_told_what_all_said_and_an_outage_costs_the_season_nothing() {
    let telegram = Telegram::new();
    let world = World::new();
    let run = |more: &[&str]| {
        let args = ["arena", "run", "--symbols", "AAPL,IBM", "--last", "3", "--config", "c.toml"];
        world.verb(&[&args[..], more].concat())
    };
    world.config(&telegram.config("arena"));
    let none = run(&["--out", "none", "--notify", "end"]);
    none.refuses(3, "no way out carries `arena`");
    world.variable("TELEGRAM_BOT_TOKEN", TOKEN);
    run(&["--out", "s", "--notify", "ticks"]).succeeds();
    let told = telegram.told(CHAT).join("\n");
    for part in ["arena open", "is over after 3 ticks", "AAPL ", "of 4", "buy-and-hold"] {
        assert!(told.contains(part), "{part} is not in:\n{told}");
    }
    // Nobody is told twice of a season that is gone on with.
    let before = telegram.told(CHAT).len();
    run(&["--resume", "s", "--notify", "ticks"]).succeeds();
    assert_eq!(telegram.told(CHAT).len(), before);

    telegram.goes_down(true);
    let said = run(&["--out", "t", "--notify", "end"]);
    said.succeeds();
    assert!(said.stderr().contains("not delivered"), "{}", said.stderr());
    assert!(!said.stderr().contains("marked"), "{}", said.stderr());
    let board =
        |dir: &str| fs::read_to_string(world.path(dir).join("board.json")).expect("a board");
    assert_eq!(board("s"), board("t"));
}
