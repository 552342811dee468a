//! What goes wrong between a run and its broker, each with its remedy. The exchange does it; see
//! `conclave exchange --help`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::rig::{World, text};
use crate::venue::{DAY, Venue, assert_agreed, trading};

/// A morning with these faults; at its end both sides agree. Returns the exchange's updates by order.
#[track_caller]
fn morning(faults: &[&str]) -> BTreeMap<String, Vec<Value>> {
    let world = World::of(&[], 0);
    let venue = Venue::open(&world, &[]);
    venue.until(DAY, "09:30:00");
    let mut running = world.serve("r", &trading("r", &["--mode", "autonomous"]));
    venue.plan(faults);
    for _ in 0..60 {
        venue.minute(&mut running);
    }
    running.wait("a stop behind every position", |_| venue.is_protected());
    assert_agreed(&venue, &running);
    assert!(running.terminate().success());
    world.verify("r");
    let mut updates: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for update in Venue::updates(&world) {
        updates.entry(text(&update["order"]["client_order_id"])).or_default().push(update);
    }
    assert!(updates.len() > 1, "orders arrived: {updates:?}");
    updates
}

/// Remedy: adopt. O-2: the order that was not answered is found by its id and is not sent again.
#[test]
fn an_order_that_is_accepted_and_not_answered_is_found_by_its_id() {
    let updates = morning(&["orders.timeout@1:30s"]);
    for (id, of) in updates {
        let taken = of.iter().filter(|update| update["event"] == "new").count();
        assert_eq!(taken, 1, "{id}");
    }
}
