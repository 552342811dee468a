//! `kill -9` in the middle of a day of an open market: the broker's book is ours after each recovery.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::time::{Duration, Instant};

use crate::rig::{Running, World, text, wait_for};
use crate::venue::{DAY, Venue, is_agreed, number, trading};

/// How often it is killed.
const KILLS: u32 = 100;
/// How often it is looked, a millisecond apart, whether an order leaves.
const PATIENCE: u32 = 60_000;
/// A bar: no position may be without a stop for longer.
const BAR: Duration = Duration::from_mins(1);
/// The minutes of the session.
const SESSION: u32 = 390;

/// A number below `bound`, the same in each run of the test.
fn draw(nth: u32, salt: u32, bound: u64) -> u64 {
    let mut mixed = u64::from(nth) << 32 | u64::from(salt);
    for _ in 0..3 {
        mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
    (mixed >> 33) % bound
}

/// Waits until a stop rests behind every position, a bar at most after the market has moved; then until
/// both sides hold the same, and know of the same orders.
#[track_caller]
fn settle(venue: &Venue, running: &mut Running<'_>, since: Instant) {
    running.wait("stops", |_| venue.is_protected());
    assert!(since.elapsed() < BAR, "unprotected for {:?}", since.elapsed());
    running.wait("both sides to agree", |running| {
        venue.is_protected() && is_agreed(venue, running) && is_waiting_for_the_same(venue, running)
    });
}

#[expect(clippy::disallowed_methods, reason = "the bound is one of the clock on the wall")]
fn now() -> Instant {
    Instant::now()
}

/// Whether both sides have the same orders open.
fn is_waiting_for_the_same(venue: &Venue, running: &Running<'_>) -> bool {
    let Some(view) = running.get("orders") else { return false };
    let is_over =
        |status: &str| matches!(status, "denied" | "filled" | "canceled" | "expired" | "rejected");
    let ours = view["orders"].as_array().expect("orders").iter();
    let ours = ours.filter(|it| it["book"] == "real" && !is_over(&text(&it["status"])));
    let ours: BTreeSet<String> = ours.map(|it| text(&it["client_order_id"])).collect();
    let theirs = venue.orders("open").into_iter().map(|it| text(&it["client_order_id"]));
    ours == theirs.collect()
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
    let (mut minute, mut kills, mut in_the_middle, mut bare) = (0, 0, 0, 0);
    while kills < KILLS || minute < SESSION {
        minute += 1;
        let since = now();
        venue.tick();
        // Before it has heard what the market did: a fill may be without its stop.
        let is_at_once = draw(minute, 4, 4) == 0;
        let is_leaving = !is_at_once && is_order_leaving(&world, &running, &venue.now());
        // At any other minute too, but not at each: a day has few orders.
        if kills < KILLS && (is_at_once || is_leaving || draw(minute, 1, 3) == 0) {
            if !is_at_once {
                // From before the order leaves until behind its news.
                wait_for(Duration::from_millis(draw(minute, 2, 25)));
            }
            running.kill();
            (kills, in_the_middle) = (kills + 1, in_the_middle + u32::from(is_leaving));
            for _ in 0..draw(minute, 3, 3) / 2 {
                venue.tick();
                minute += 1;
            }
            bare += u32::from(!venue.is_protected());
            running = world.serve("r", &["run", "--resume", "r"]);
            if kills < KILLS && kills % 5 == 0 {
                // While it finds out what has happened.
                running.kill();
                kills += 1;
                running = world.serve("r", &["run", "--resume", "r"]);
            }
        }
        settle(&venue, &mut running, since);
    }
    let status = running.get("status").expect("a status");
    assert_eq!(status["trading_state"]["state"], "active", "no difference was left to a person");
    assert!(running.terminate().success());
    world.verify("r");
    assert_one_order_an_intent(&world, &venue);
    assert!(in_the_middle > 5, "{in_the_middle} of {kills} kills met an order in {minute} minutes");
    assert!(bare > 0, "no kill left a position without its stop");
}

/// Every order there stands in our log, no decision has entered twice, and nothing was left twice.
#[track_caller]
fn assert_one_order_an_intent(world: &World, venue: &Venue) {
    let (mut written, mut entries) = (BTreeMap::new(), BTreeMap::new());
    for record in world.steps("r", "order.submitted") {
        let intent = &record["body"]["intent"];
        let id = text(&intent["client_order_id"]);
        let is_entry = intent["purpose"]["purpose"] == "entry";
        if is_entry {
            entries
                .entry(text(&record["decision"]))
                .or_insert_with(BTreeSet::new)
                .insert(id.clone());
        }
        written.insert(id, is_entry);
    }
    let theirs = venue.orders("all");
    for order in &theirs {
        assert!(written.contains_key(&text(&order["client_order_id"])), "{order}");
    }
    for (decision, ids) in &entries {
        assert_eq!(ids.len(), 1, "{decision}: {ids:?}");
    }
    let (mut taken, mut replaced) = (BTreeMap::new(), 0);
    let mut held: BTreeMap<String, f64> = BTreeMap::new();
    for update in Venue::updates(world) {
        if text(&update["event"]).ends_with("fill") {
            let order = &update["order"];
            let held = held.entry(text(&order["symbol"])).or_default();
            let (before, qty) = (*held, number(&update["qty"]));
            *held += if order["side"] == "buy" { qty } else { -qty };
            let is_entry = written[&text(&order["client_order_id"])];
            let is_less = 0.0 <= before * *held && held.abs() < before.abs();
            assert!(is_entry || is_less, "O-2: left twice, {before} became {held}: {update}");
        }
        replaced += u32::from(update["event"] == "replaced");
        *taken.entry(text(&update["order"]["client_order_id"])).or_insert(0) +=
            u32::from(update["event"] == "new");
    }
    taken.retain(|id, _| id.starts_with("cv-"));
    assert!(taken.values().all(|&times| times == 1), "O-2: taken more than once: {taken:?}");
    assert!(replaced > 5, "{replaced} replacements");
    assert!(entries.len() > 5 && theirs.len() > 15, "{} entries", entries.len());
}
