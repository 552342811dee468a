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
