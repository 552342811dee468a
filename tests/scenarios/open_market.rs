//! `run --broker alpaca` against `conclave exchange`: an open market, as a user has it.

use crate::rig::{World, text};
use crate::venue::{DAY, Venue, assert_agreed, trading};

/// O-2: every order at the broker is one that stands in the log, and each id is there once.
#[test]
fn a_morning_is_traded_and_the_account_is_the_brokers_to_the_cent() {
    let world = World::of(&[], 0);
    let venue = Venue::open(&world, &[]);
    venue.until(DAY, "09:30:00");
    let mut running = world.serve("r", &trading("r", &["--mode", "autonomous"]));
    let mut held = 0;
    for _ in 0..90 {
        venue.minute(&mut running);
        held += venue.positions().len();
    }
    running.wait("a stop behind every position", |_| venue.is_protected());
    assert!(held > 0, "something was held");
    assert_agreed(&venue, &running);
    assert!(running.terminate().success());
    world.verify("r");

    let written = world.steps("r", "order.submitted").into_iter();
    let mut written: Vec<String> =
        written.map(|record| text(&record["body"]["intent"]["client_order_id"])).collect();
    let mut theirs: Vec<String> =
        venue.orders("all").iter().map(|order| text(&order["client_order_id"])).collect();
    written.sort();
    theirs.sort();
    written.retain(|id| theirs.contains(id));
    assert_eq!(written, theirs);
    assert!(theirs.len() > 2, "{theirs:?}");
}

/// Goal: O-4: exits are never blocked, neither by what a former run has left at the broker: it holds the
/// shares that an exit must sell, and nobody would hear of it.
/// Method: a second run in a directory of its own takes the account over while a stop of the first rests.
#[test]
fn a_run_takes_back_the_orders_that_a_former_run_has_left_behind() {
    let world = World::of(&[], 0);
    let venue = Venue::open(&world, &[]);
    venue.until(DAY, "09:30:00");
    let mut running = world.serve("r", &trading("r", &["--mode", "autonomous"]));
    let mut minutes = 0;
    while venue.positions().is_empty() || !venue.is_protected() {
        venue.minute(&mut running);
        minutes += 1;
        assert!(minutes < 180, "nothing was held, or nothing protected");
    }
    assert!(running.terminate().success());
    let former: Vec<String> =
        venue.orders("open").iter().map(|order| text(&order["client_order_id"])).collect();
    assert!(!former.is_empty());

    let mut running = world.serve("s", &trading("s", &["--mode", "advisory"]));
    venue.minute(&mut running);
    running.wait("a stop of its own behind every position", |_| venue.is_protected());
    let open = venue.orders("open");
    assert!(
        open.iter().all(|order| !former.contains(&text(&order["client_order_id"]))),
        "{open:?}"
    );
    running.verb(&["flatten", "--yes", "--reason", "a test"]).succeeds();
    venue.minute(&mut running);
    venue.minute(&mut running);
    running.wait("the end of every position", |_| venue.positions().is_empty());
    assert!(running.terminate().success());
    assert!(!world.log("s").contains("insufficient"), "{}", world.log("s"));
    world.verify("s");
}

/// L-1: the brief of a decision knows the news that the broker told before its time, and none that came
/// later.
#[test]
fn a_brief_knows_the_news_of_the_market() {
    let world = World::of(&[], 0);
    let mut lines = Vec::new();
    for symbol in ["AAA", "BBB", "CCC"] {
        for day in [DAY, "2024-02-09"] {
            let (id, known_at) = (lines.len(), format!("{day}T13:00:00Z"));
            let headline = format!("{symbol} plunges: no {id}");
            let item = serde_json::json!({
                "id": id, "known_at": known_at, "headline": headline, "symbols": [symbol],
            });
            lines.push(item.to_string());
        }
    }
    std::fs::write(world.path("news.jsonl"), lines.join("\n")).expect("a file");
    let venue = Venue::open(&world, &["--news", "news.jsonl"]);
    venue.until(DAY, "09:30:00");
    let mut running = world.serve("r", &trading("r", &["--mode", "autonomous"]));
    for _ in 0..30 {
        venue.minute(&mut running);
    }
    assert!(running.terminate().success());
    let told = world.steps("r", "consult.sent");
    let views: Vec<&serde_json::Value> =
        told.iter().filter_map(|record| record["body"]["brief"].get("news")).collect();
    assert!(!views.is_empty(), "{told:?}");
    assert!(views.iter().all(|view| view["items"] == 1), "{views:?}");
}
