//! A whole day of a run of ours at our exchange, held against the broker's own specification: each
//! request and each answer passes Prism on its way.
//!
//! Only with `PEERS=1`; see `exchange.rs`.

use serde_json::Value;

use crate::peers::exchange::Judge;
use crate::peers::models::missing;
use crate::rig::{Running, World, request};
use crate::venue::{DAY, Venue, assert_agreed, trading};

/// Minutes of a session.
const MINUTES: usize = 390;

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
    let data = Judge::new(&world.path("data.log"), "market-data-api.json", &venue.url);
    venue.tell(&world, &asked.url);
    world.variable("CONCLAVE__ALPACA__DATA_URL", &data.url);
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

    let (told, data) = (asked.verdict(), data.verdict());
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

    // Whoever finds nothing must be able to find something.
    request(&asked.url, ("GET", "/v2/orders?limit=many"), &[], "");
    assert!(!asked.verdict().violations.is_empty(), "the judge sees nothing");
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
