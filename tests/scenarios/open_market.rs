//! `run --broker alpaca` against `conclave exchange`: an open market, as a user has it.

use crate::morning::morning;
use crate::rig::{World, text};
use crate::venue::{DAY, Venue, assert_agreed, number, trading};

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

/// Goal: O-4: a stop that moves leaves no gap: it takes the former one's place, and where the broker refuses
/// that, the former is canceled and a new one sent behind it.
/// Method: stops that follow the price closely, at an exchange that replaces and at one that refuses half of
/// it.
#[test]
fn a_stop_that_moves_takes_the_place_of_the_former_one() {
    let settings = [("EXITS__BREAK_EVEN_AT", "0.001"), ("EXITS__TRAILING", "0.005")];
    for faults in [&[][..], &["replaces.422%0.5"]] {
        let left = morning(&settings, |it| {
            it.venue.plan(faults);
            for _ in 0..90 {
                it.minutes(1);
                it.running.wait("a stop behind every position", |_| it.venue.is_protected());
            }
            it.venue.ask("DELETE", "/sandbox/faults", "");
            it.minutes(2);
        });
        let replaced = left.updates.values().flatten().filter(|it| it["event"] == "replaced");
        assert!(replaced.count() > 0, "{faults:?}: {:?}", left.updates.keys());
        // A refused one leaves its former waiting for a replacement, until it is canceled.
        let refused = left.news("rejected").len();
        assert_eq!(refused > 0, !faults.is_empty(), "{}", left.log);
    }
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

/// Half of a market is no market to trade in.
#[test]
fn a_stream_that_only_a_person_can_bring_back_ends_the_run_and_says_which() {
    let (world, abroad) = (World::of(&[], 0), World::of(&[], 0));
    // It knows the keys of others only.
    let strange = Venue::open(&abroad, &[]);
    let venue = Venue::open(&world, &[]);
    venue.until(DAY, "09:30:00");
    let stream = strange.url.replace("http:", "ws:");
    world.variable("CONCLAVE__ALPACA__DATA_STREAM_URL", &stream);
    let said = world.verb(&trading("r", &["--mode", "advisory", "--port", "0"]));
    said.refuses(9, "the stream of bars");
}

/// What the market says and what has happened is looked at without a process.
#[test]
fn prices_and_what_has_happened_are_shown_by_the_command_line() {
    let world = World::of(&[], 0);
    let venue = Venue::open(&world, &[]);
    venue.until(DAY, "10:00:00");
    let order = r#"{"symbol":"CCC","qty":"3","side":"buy","type":"market","time_in_force":"day"}"#;
    venue.ask("POST", "/v2/orders", order);
    venue.tick();
    let json = |args: &[&str]| {
        let said = world.verb(&[&["alpaca"], args, &["--format", "json"]].concat());
        serde_json::from_slice::<serde_json::Value>(&said.0.stdout).expect("a document")
    };
    let quotes = json(&["quotes", "AAA", "CCC"]);
    assert_eq!(quotes["quotes"][1]["symbol"], "CCC", "{quotes}");
    let bid = number(&quotes["quotes"][1]["quote"]["bp"]);
    let ask = number(&quotes["quotes"][1]["quote"]["ap"]);
    assert!(0.0 < bid && bid <= ask, "{quotes}");
    let told = world.verb(&["alpaca", "quotes", "AAA"]);
    assert!(String::from_utf8_lossy(&told.0.stdout).contains("s ago"));
    world.verb(&["alpaca", "quotes", "NOPE"]).refuses(2, "NOPE is not known");
    let happened = json(&["activities", "--days", "9999"]);
    let fill = &happened["activities"][0];
    assert_eq!(
        (text(&fill["activity_type"]), text(&fill["symbol"])),
        ("FILL".into(), "CCC".into())
    );
    let told = world.verb(&["alpaca", "activities", "--days", "9999"]);
    assert!(String::from_utf8_lossy(&told.0.stdout).contains("CCC"));
}
