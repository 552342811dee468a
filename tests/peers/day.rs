//! A whole day of a run of ours at our exchange, held against the broker's own specification: each
//! request and each answer passes Prism on its way.
//!
//! Only with `PEERS=1`; see `exchange.rs`.

use std::time::Duration;

use axum::{Json, Router};
use serde_json::{Value, json};

use crate::peers::exchange::Judge;
use crate::peers::models::missing;
use crate::rig::{Running, World, offered, request, wait_for};
use crate::venue::{DAY, Venue, assert_agreed, trading};

/// Minutes of a session.
const MINUTES: usize = 390;
/// An order whose quantity is a number, where the specification has a text.
const FLOAT: &str =
    r#"{"symbol":"AAA","qty":1.5,"side":"buy","type":"market","time_in_force":"day"}"#;

/// Goal: what our client asks on a day is what the broker takes, and what our exchange answers is what
/// the broker says. Method: proxies in front of both sides note every request and each violation.
#[test]
fn a_day_of_a_run_violates_the_brokers_specification_in_neither_direction() {
    if let Some(why) = missing("prism") {
        println!("skipped: {why}");
        return;
    }
    let world = World::of(&[], 0);
    let venue = Venue::open(&world, &[]);
    let asked = Judge::new(&world.path("trading.log"), "trading-api.json", &venue.url);
    let of_data = Judge::new(&world.path("data.log"), "market-data-api.json", &venue.url);
    venue.tell(&world, &asked.url);
    world.variable("CONCLAVE__ALPACA__DATA_URL", &of_data.url);
    // Stops that follow the price closely, so that they are replaced.
    world.variable("CONCLAVE__EXITS__BREAK_EVEN_AT", "0.001");
    world.variable("CONCLAVE__EXITS__TRAILING", "0.005");
    // It fails, because the account trades neither of what it asks for; it is heard all the same.
    world.verb(&["doctor", "--live"]);
    venue.until(DAY, "09:30:00");
    let args = trading("r", &["--mode", "autonomous", "--until-close"]);
    let mut running = world.serve("r", &args);
    play(&world, &venue, &mut running);
    running.wait("a stop behind every position", |_| venue.is_protected());
    assert_agreed(&venue, &running);
    venue.ask("POST", "/sandbox/step", "{\"seconds\":60}");
    assert!(running.ended().success(), "{}", world.log("r"));
    world.verify("r");

    let (told, data) = (asked.verdict(), of_data.verdict());
    println!("trading: {} requests, data: {} requests", told.requests, data.requests);
    println!("{:#?}{:#?}", told.kinds, data.kinds);
    let violations = [told.violations, data.violations].concat();
    assert!(violations.is_empty(), "{violations:#?}");
    for kind in [
        "get /v2/account",
        "get /v2/assets/AAA",
        "get /v2/calendar",
        "get /v2/clock",
        "get /v2/orders",
        "get /v2/positions",
        "get /v2/account/activities",
        "post /v2/orders",
        "patch /v2/orders/{id}",
        "delete /v2/orders/{id}",
    ] {
        assert!(told.kinds.contains_key(kind), "{kind} was never asked");
    }
    for kind in ["bars", "quotes/latest", "trades/latest"] {
        let kind = format!("get /v2/stocks/{kind}");
        assert!(data.kinds.contains_key(&kind), "{kind} was never asked: {:?}", data.kinds);
    }
    let all = venue.orders("all");
    let is = |order: &Value, kind: &str, status: &str| {
        order["type"] == kind && order["status"] == status
    };
    let count = |kind, status| all.iter().filter(|order| is(order, kind, status)).count();
    assert!(count("market", "filled") > 4 && count("stop", "replaced") > 4, "{all:#?}");

    assert_both_find(&asked, &of_data, &venue);
}

/// Whoever finds nothing on a day must be able to find something in what is asked.
#[track_caller]
fn assert_both_find(asked: &Judge, of_data: &Judge, venue: &Venue) {
    for (judge, asks) in [
        (asked, ("GET", "/v2/orders?limit=many", "")),
        // The floats of the broker's own client.
        (asked, ("POST", "/v2/orders", FLOAT)),
        (asked, ("GET", "/v2/somewhere", "")),
        (of_data, ("GET", "/v2/stocks/bars?symbols=AAA&timeframe=1Min&limit=many", "")),
    ] {
        assert_finds(judge, venue, asks);
    }
}

/// Asserts that a judge finds something wrong with a question or its answer; its log may come later.
#[track_caller]
fn assert_finds(judge: &Judge, venue: &Venue, (method, path, body): (&str, &str, &str)) {
    let before = judge.verdict().violations.len();
    request(&judge.url, (method, path), &venue.keys, body);
    let finds = (0..100).any(|_| {
        let found = before < judge.verdict().violations.len();
        if !found {
            wait_for(Duration::from_millis(50));
        }
        found
    });
    assert!(finds, "the judge sees nothing in {method} {path}");
}

/// Whoever finds nothing in a day's answers must be able to find something in them too.
#[test]
fn the_judge_of_the_brokers_specification_finds_answers_that_are_not_as_specified() {
    if let Some(why) = missing("prism") {
        println!("skipped: {why}");
        return;
    }
    let world = World::of(&[], 0);
    let venue = Venue::open(&world, &[]);
    let wrong = || async { Json(json!({"id": 7, "bars": 7})) };
    let (url, _server) = offered(Router::new().fallback(wrong));
    for (spec, path) in [
        ("trading-api.json", "/v2/account"),
        ("market-data-api.json", "/v2/stocks/bars?symbols=AAA&timeframe=1Min"),
    ] {
        let judge = Judge::new(&world.path(spec), spec, &url);
        assert_finds(&judge, &venue, ("GET", path, ""));
        let found = judge.verdict().violations.concat();
        assert!(found.contains("response"), "{found}");
    }
}

/// Plays all minutes but the last; a person looks at the account now and then.
fn play(world: &World, venue: &Venue, running: &mut Running<'_>) {
    for minute in 0..MINUTES - 1 {
        venue.minute(running);
        if minute % 60 == 30 {
            for what in ["account", "positions", "orders"] {
                world.verb(&["alpaca", what]).succeeds();
            }
            world.verb(&["alpaca", "orders", "--days", "5"]).succeeds();
            world.verb(&["alpaca", "activities", "--days", "5"]).succeeds();
            world.verb(&["alpaca", "quotes", "AAA", "BBB"]).succeeds();
        }
    }
}
