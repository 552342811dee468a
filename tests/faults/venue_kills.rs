//! `kill -9` in the middle of a day of an open market: the broker's book is ours after each recovery.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::time::Duration;

use crate::rig::{Running, World, text, wait_for};
use crate::venue::{DAY, Venue, is_agreed, trading};

/// How often it is killed.
const KILLS: u32 = 100;
/// How often it is looked, a millisecond apart, whether an order leaves.
const PATIENCE: u32 = 60_000;

/// A number below `bound`, the same in each run of the test.
fn draw(nth: u32, salt: u32, bound: u64) -> u64 {
    let mut mixed = u64::from(nth) << 32 | u64::from(salt);
    for _ in 0..3 {
        mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
    (mixed >> 33) % bound
}

/// Waits until both sides hold the same, and a stop rests behind every position.
#[track_caller]
fn settle(venue: &Venue, running: &mut Running<'_>) {
    running.wait("both sides to agree, and stops", |running| {
        venue.is_protected() && is_agreed(venue, running)
    });
}

/// Waits until the run writes down an order, or has heard the bar; whether it was an order.
#[track_caller]
fn is_order_leaving(world: &World, running: &Running<'_>, now: &str) -> bool {
    let log = world.path("r/audit-000001.jsonl");
    let before = std::fs::metadata(&log).expect("a log").len();
    for _ in 0..PATIENCE {
        let mut file = File::open(&log).expect("a log");
        file.seek(SeekFrom::Start(before)).expect("a place");
        let mut fresh = String::new();
        file.read_to_string(&mut fresh).expect("lines");
        if fresh.contains("order.submitted") {
            return true;
        }
        if *now <= *running.market_time() {
            return false;
        }
        wait_for(Duration::from_millis(1));
    }
    panic!("neither an order nor the bar of {now}:\n{}", world.log("r"));
}

/// O-2, O-3, C-1: killed a hundred times, mostly while orders are on their way, and sometimes with the
/// market going on while nobody is there.
#[test]
fn a_day_of_an_open_market_survives_a_hundred_kills() {
    let world = World::of(&[], 0);
    // Stops that follow the price closely, so that replacements are on their way too.
    world.variable("CONCLAVE__EXITS__BREAK_EVEN_AT", "0.001");
    world.variable("CONCLAVE__EXITS__TRAILING", "0.005");
    let venue = Venue::open(&world, &[]);
    venue.until(DAY, "09:30:00");
    let mut running = world.serve("r", &trading("r", &["--mode", "autonomous"]));
    let (mut minute, mut kills, mut in_the_middle) = (0, 0, 0);
    while kills < KILLS {
        minute += 1;
        venue.tick();
        let is_leaving = is_order_leaving(&world, &running, &venue.now());
        // At any other minute too, but not at each: a day has few orders.
        if is_leaving || draw(minute, 1, 3) == 0 {
            // From before the order leaves until behind its news.
            wait_for(Duration::from_millis(draw(minute, 2, 25)));
            running.kill();
            (kills, in_the_middle) = (kills + 1, in_the_middle + u32::from(is_leaving));
            for _ in 0..draw(minute, 3, 3) / 2 {
                venue.tick();
            }
            running = world.serve("r", &["run", "--resume", "r"]);
        }
        settle(&venue, &mut running);
    }
    let status = running.get("status").expect("a status");
    assert_eq!(status["trading_state"]["state"], "active", "no difference was left to a person");
    assert!(running.terminate().success());
    world.verify("r");
    assert_one_order_an_intent(&world, &venue);
    assert!(in_the_middle > 5, "{in_the_middle} of {kills} kills met an order in {minute} minutes");
}

/// Every order there stands in our log, and no decision has entered twice.
#[track_caller]
fn assert_one_order_an_intent(world: &World, venue: &Venue) {
    let (mut written, mut entries) = (BTreeSet::new(), BTreeMap::new());
    for record in world.steps("r", "order.submitted") {
        let intent = &record["body"]["intent"];
        let id = text(&intent["client_order_id"]);
        if intent["purpose"]["purpose"] == "entry" {
            entries
                .entry(text(&record["decision"]))
                .or_insert_with(BTreeSet::new)
                .insert(id.clone());
        }
        written.insert(id);
    }
    let theirs = venue.orders("all");
    for order in &theirs {
        assert!(written.contains(&text(&order["client_order_id"])), "{order}");
    }
    for (decision, ids) in &entries {
        assert_eq!(ids.len(), 1, "{decision}: {ids:?}");
    }
    let (mut taken, mut replaced) = (BTreeMap::new(), 0);
    for update in Venue::updates(world) {
        replaced += u32::from(update["event"] == "replaced");
        *taken.entry(text(&update["order"]["client_order_id"])).or_insert(0) +=
            u32::from(update["event"] == "new");
    }
    taken.retain(|id, _| id.starts_with("cv-"));
    assert!(taken.values().all(|&times| times == 1), "O-2: taken more than once: {taken:?}");
    assert!(replaced > 5, "{replaced} replacements");
    assert!(entries.len() > 5 && theirs.len() > 15, "{} entries", entries.len());
}
