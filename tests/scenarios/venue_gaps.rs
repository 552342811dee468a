//! What goes wrong between a run and its broker as a whole, each with its remedy: streams with gaps, a
//! broker that cannot be reached, and an account in which somebody else trades.

use crate::morning::{morning, planned, seeded};
use crate::rig::text;

/// Remedy: the orders in flight are asked for by their ids once the stream is back. P-1: what the
/// stream said before is booked once.
#[test]
fn a_fill_in_a_gap_of_the_stream_is_asked_for() {
    let left = planned(&[], &["stream.gap@4:1s"]);
    assert!(!left.happened("filled").is_empty());
    assert!(left.log.contains("the stream of orders is not heard"), "{}", left.log);
    let mut told: Vec<_> = left.updates.values().flatten().collect();
    told.sort_by_key(|it| text(&it["timestamp"]));
    assert_eq!(told[3]["event"], "fill", "it falls into the gap: {told:#?}");
}

/// Remedy: history. L-1: each bar is played once and in order, so that what the run knows is what one
/// without a gap knows.
#[test]
fn bars_in_a_gap_of_the_feed_come_from_the_history() {
    let [whole, gapped] = [&[][..], &["feed.gap@900:500ms", "feed.gap@1500:1s"]].map(|faults| {
        let left = planned(&[], faults);
        assert_eq!(left.log.contains("the stream of market data is not heard"), !faults.is_empty());
        let of = |step: &str| {
            let of = left.records.iter().filter(|record| record["step"] == step);
            of.map(|record| record["body"].clone()).collect::<Vec<_>>()
        };
        (of("session.digest"), of("signal.raised"))
    });
    assert!(!whole.0.is_empty() && !whole.1.is_empty());
    assert_eq!(gapped, whole);
}

/// Remedy: no new risk on bars that are stale when they come, while the account is compared and
/// everything is known again.
#[test]
fn nothing_new_is_decided_on_the_bars_of_an_outage() {
    let settings = [
        ("ALPACA__DEADLINE", "1s"),
        ("ALPACA__RECONCILE_EVERY", "1s"),
        ("GATES__DATA_AGE_MAX", "2m"),
    ];
    let (mut from, mut until) = (String::new(), String::new());
    let left = morning(&settings, |it| {
        it.until_held();
        it.door.shut();
        from = it.venue.now();
        for _ in 0..60 {
            it.venue.ask("POST", "/sandbox/step", "{\"seconds\":60}");
        }
        until = it.venue.now();
        let world = it.world;
        it.running.wait("a comparison that fails", |_| {
            world.log("r").contains("the account was not compared")
        });
        it.door.reopen();
        let now = until.clone();
        it.running.wait("the bars that were missed", |running| now <= running.market_time());
        it.settle();
        it.minutes(60);
        it.settle();
    });
    let fresh = |at: &str| at <= from.as_str() || until.as_str() <= at;
    let submitted = left.happened("submitted").into_iter().map(|body| &body["intent"]);
    let entries = submitted.filter(|intent| intent["purpose"]["purpose"] == "entry");
    let entries: Vec<String> = entries.map(|intent| text(&intent["at"])).collect();
    assert!(entries.iter().all(|at| fresh(at)), "{from} to {until}: {entries:?}");
    let stale = left.records.iter().filter(|record| {
        record["body"]["code"] == "gate.stale_data" && !fresh(&text(&record["at"]))
    });
    assert!(stale.count() > 0, "the record says why");
}

/// Remedy: an exit that does not get through is asked for again as soon as the broker can be reached.
#[test]
fn an_exit_that_could_not_leave_leaves_once_the_broker_is_back() {
    let settings = [("ALPACA__DEADLINE", "1s"), ("ALPACA__RECONCILE_EVERY", "1s")];
    let left = morning(&settings, |it| {
        it.until_held();
        it.door.shut();
        it.running.verb(&["flatten", "--yes", "--reason", "a test"]).succeeds();
        let world = it.world;
        it.running.wait("the cancellation given up", |_| world.log("r").contains("not canceled"));
        assert!(!it.venue.positions().is_empty());
        it.door.reopen();
        let venue = it.venue;
        it.running.wait("the exit", |_| venue.positions().is_empty());
        it.settle();
    });
    assert!(left.log.contains("not canceled"), "{}", left.log);
}

/// Remedy: the broker wins, no new risk is taken, and a person resumes.
#[test]
fn a_position_that_somebody_sold_by_hand_is_found_and_a_person_resumes() {
    let left = morning(&[("ALPACA__RECONCILE_EVERY", "1s")], |it| {
        it.until_held();
        it.venue.ask("DELETE", "/v2/positions?cancel_orders=true", "");
        it.until_state("reducing");
        it.settle();
        it.minutes(5);
        it.until_state("reducing");
        it.running.verb(&["resume", "--yes", "--reason", "seen"]).succeeds();
        it.until_state("active");
        it.minutes(5);
    });
    let adjusted = left.happened("adjusted");
    assert!(!adjusted.is_empty());
    let text = adjusted[0].to_string();
    assert!(text.contains("\"position\""), "{text}");
}

/// Remedy: what somebody else holds is counted and left alone.
#[test]
fn a_position_that_somebody_else_bought_is_counted_and_left_alone() {
    let order = r#"{"symbol":"CCC","qty":"3","side":"buy","type":"market","time_in_force":"day"}"#;
    let left = morning(&[("ALPACA__RECONCILE_EVERY", "1s")], |it| {
        it.minutes(3);
        it.venue.ask("POST", "/v2/orders", order);
        it.minutes(1);
        it.until_state("reducing");
        it.settle();
    });
    assert!(!left.happened("adjusted").is_empty());
}

/// Every remedy at once. O-2, P-1: whatever goes wrong on a day, in whatever order, at its end both
/// sides hold the same, and no order was taken twice.
#[test]
fn a_day_on_which_everything_goes_wrong_ends_with_one_truth() {
    let settings = [
        ("ALPACA__TIMEOUT", "200ms"),
        ("ALPACA__DEADLINE", "1s"),
        ("ALPACA__RECONCILE_EVERY", "1s"),
    ];
    let faults = [
        "orders.500%0.2",
        "orders.timeout%0.15:300ms",
        "orders.stall%0.1:400ms",
        "orders.half%0.2",
        "orders.403%0.05",
        "cancels.late%0.3",
        "cancels.500%0.2",
        "trading.429%0.02:0s",
        "trading.500%0.05",
        "data.500%0.1",
        "stream.twice%0.2",
        "stream.gap%0.05:200ms",
        "feed.gap%0.0002:200ms",
    ];
    let left = seeded("5", &settings, |it| {
        it.venue.plan(&faults);
        it.minutes(385);
        it.venue.ask("DELETE", "/sandbox/faults", "");
        it.settle();
    });
    assert!(!left.happened("filled").is_empty());
}
