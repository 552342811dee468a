//! What goes wrong between a run and its broker with one order, each with its remedy. The exchange does
//! it; see `conclave exchange --help`.
//!
//! Every morning here ends the same way, see `Morning::end`: both sides hold the same, a stop stands
//! behind every position, no order was taken twice, and the chain verifies.

use std::time::Duration;

use serde_json::Value;

use crate::morning::{morning, planned};
use crate::rig::{World, text, wait_for};
use crate::venue::{is_agreed, number};

/// How often it is looked for what takes minutes.
const LOOK: Duration = Duration::from_secs(2);

/// Remedy: adopt. O-2: the order that was not answered is found by its id and is not sent again.
#[test]
fn an_order_that_is_accepted_and_not_answered_is_found_by_its_id() {
    let left = morning(&[("ALPACA__TIMEOUT", "500ms")], |it| {
        it.venue.plan(&["orders.timeout@1:30s"]);
        it.minutes(60);
        it.asked("unknown", 1.0);
        it.settle();
    });
    assert!(left.log.contains("the broker has the order"), "{}", left.log);
    assert!(left.news("rejected").is_empty());
}

/// Remedy: the id of an execution. P-1: what the stream says twice is booked once.
#[test]
fn fills_that_are_told_twice_are_booked_once() {
    let left = planned(&[], &["stream.twice@1x1000"]);
    let theirs: usize = left.updates.values().flatten().filter(|it| it["event"] == "fill").count();
    assert!(theirs > 0);
    assert_eq!(left.happened("filled").len(), theirs);
    let repeated = left.happened("duplicate");
    assert!(repeated.len() >= theirs, "the record says what was repeated: {repeated:?}");
}

/// Remedy: the fill counts. An exit waits for the news that the stop is over, and the stop's fill is the
/// exit: nothing is sold twice.
#[test]
fn a_stop_that_fills_although_it_was_canceled_is_the_exit() {
    let left = planned(&[], &["cancels.late@1"]);
    let is_late = |of: &&Vec<Value>| of.iter().any(|it| it["event"] == "pending_cancel");
    let late: Vec<_> = left.updates.values().filter(is_late).collect();
    assert_eq!(late.len(), 1);
    let canceled = late[0].iter().position(|it| it["event"] == "pending_cancel");
    let filled = late[0].iter().rposition(|it| it["event"] == "fill");
    assert!(canceled < filled, "it was filled behind its cancellation: {:#?}", late[0]);
    let symbol = text(&late[0][0]["order"]["symbol"]);
    let (bought, sold) = left.traded(&symbol);
    assert!(bought > 0.0 && (bought - sold).abs() < 1e-9, "{symbol}: {bought} and {sold}");
}

/// Remedy: what was bought is held, and protected for exactly that quantity.
#[test]
fn an_entry_that_fills_to_a_half_and_is_canceled_is_protected_for_that_half() {
    let left = planned(&[], &["orders.half@1"]);
    let halved = left.updates.values().find(|of| {
        of.iter().any(|it| it["event"] == "partial_fill")
            && of.iter().any(|it| it["event"] == "canceled")
    });
    let halved = halved.expect("an order that was filled to a half");
    let (symbol, filled) = (
        text(&halved[0]["order"]["symbol"]),
        number(&halved.last().expect("its end")["order"]["filled_qty"]),
    );
    let stop = left.updates.values().flatten().find(|it| {
        it["order"]["symbol"] == *symbol && text(&it["order"]["type"]).starts_with("stop")
    });
    assert!((number(&stop.expect("a stop")["order"]["qty"]) - filled).abs() < 1e-9);
}

/// Remedy: refused, with the broker's words; no retry, and the book is free for other orders.
#[test]
fn an_order_that_is_forbidden_is_refused_once_and_leaves_nothing_behind() {
    for (fault, words) in [("orders.403@1", "insufficient"), ("orders.422@1", "unprocessable")] {
        let left = planned(&[], &[fault]);
        let rejected = left.news("rejected");
        assert_eq!(rejected.len(), 1, "{rejected:?}");
        assert_eq!(rejected[0]["code"], "broker.rejected");
        assert!(text(&rejected[0]["text"]).contains(words), "{rejected:?}");
        let id = text(&rejected[0]["order"]);
        assert!(!left.updates.contains_key(&id), "{fault}: it was sent again");
    }
}

/// Remedy: a stop that is refused is sent anew at the next bar, under an id of its own.
#[test]
fn a_stop_that_is_refused_is_sent_anew() {
    let left = planned(&[], &["orders.403@4x2"]);
    assert_eq!(left.news("rejected").len(), 2);
}

/// Remedy: looked for by its id, and sent again under the same one where it is not there.
#[test]
fn a_broken_answer_without_a_body_makes_no_second_order() {
    let left = morning(&[], |it| {
        it.venue.plan(&["orders.500@1", "orders.500@4x2", "cancels.500@1x2"]);
        it.minutes(80);
        it.asked("unknown", 5.0);
        it.settle();
    });
    assert!(left.news("rejected").is_empty(), "{:?}", left.news("rejected"));
}

/// Remedy: questions are asked again.
#[test]
fn questions_that_fail_now_and_then_change_nothing() {
    let left = morning(&[("ALPACA__RECONCILE_EVERY", "1s")], |it| {
        it.venue.plan(&["trading.500%0.2", "data.500%0.2"]);
        it.minutes(80);
        it.asked("unknown", 5.0);
        // The test asks the exchange too.
        it.venue.ask("DELETE", "/sandbox/faults", "");
    });
    assert!(left.happened("adjusted").is_empty());
}

/// Remedy: wait until there is room again, and send once. With the venue's word of when that is, and
/// without.
#[test]
fn a_storm_of_refusals_for_too_many_requests_is_waited_out() {
    for fault in ["orders.429@1x5:1s", "orders.429@1x5:0s"] {
        let left = morning(&[], |it| {
            it.venue.plan(&[fault]);
            // The market stands while the storm lasts, or the order would be too old to leave.
            while it.world.steps("r", "order.submitted").is_empty() {
                it.minutes(1);
            }
            it.asked("rate_limited", 5.0);
            let venue = it.venue;
            it.running.wait("the order", |_| !venue.orders("all").is_empty());
            it.minutes(70);
        });
        assert!(left.news("rejected").is_empty(), "{fault}: {:?}", left.news("rejected"));
        let given_up = left.news("denied").into_iter().find(|it| it["code"] == "broker.unknown");
        assert_eq!(given_up, None, "{fault}");
    }
}

/// What nobody knows of is given up; where it arrives after all it is taken back, or what it has opened is
/// found and protected. It is never sent as a second order.
fn late(settings: &[(&str, &str)], fault: &str, longest: Duration) {
    let left = morning(settings, |it| {
        it.venue.plan(&[fault]);
        it.minutes(10);
        it.asked("unknown", 1.0);
        let mut waited = Duration::ZERO;
        while it.venue.orders("all").is_empty() && waited < longest {
            wait_for(LOOK);
            waited += LOOK;
        }
        it.running.wait("the late order", |_| !it.venue.orders("all").is_empty());
        it.settle();
        let id = text(&it.venue.orders("all")[0]["client_order_id"]);
        it.running.wait("the late order taken back, or its position found", |running| {
            let is_open = it.venue.orders("open").iter().any(|it| it["client_order_id"] == id[..]);
            !is_open && is_agreed(it.venue, running) && it.venue.is_protected()
        });
        it.minutes(60);
        it.settle();
    });
    let given_up = left.news("rejected");
    assert!(given_up.iter().any(|news| news["code"] == "broker.unknown"), "{given_up:?}");
}

/// Remedy: look, adopt or take back; patience is a second, so that the stall is five times as long.
#[test]
fn an_order_that_arrives_long_after_it_was_given_up_is_found() {
    let settings = [
        ("ALPACA__TIMEOUT", "200ms"),
        ("ALPACA__DEADLINE", "1s"),
        ("ALPACA__RECONCILE_EVERY", "1s"),
    ];
    late(&settings, "orders.stall@1x9:5s", Duration::ZERO);
}

/// Remedy: the same, with the settings as they come.
#[test]
fn a_stall_of_two_hundred_seconds_makes_no_second_order() {
    late(&[], "orders.stall@1x9:200s", Duration::from_secs(210));
}

/// Remedy: no new risk until a person has looked, and as long as the clock is wrong.
#[test]
fn a_clock_that_is_wrong_stops_new_risk_until_a_person_has_looked() {
    let entries = |world: &World| {
        let submitted = world.steps("r", "order.submitted");
        submitted.iter().filter(|it| it.to_string().contains("-entry")).count()
    };
    let left = morning(&[("ALPACA__RECONCILE_EVERY", "1s")], |it| {
        it.until_held();
        it.venue.plan(&["clock.skew:-90s"]);
        it.until_state("reducing");
        let before = entries(it.world);
        it.minutes(40);
        assert_eq!(entries(it.world), before, "no new risk");
        it.running.verb(&["resume", "--yes", "--reason", "too early"]).succeeds();
        it.until_state("reducing");
        it.venue.ask("DELETE", "/sandbox/faults", "");
        it.running.verb(&["resume", "--yes", "--reason", "the clock was set"]).succeeds();
        it.until_state("active");
        it.minutes(60);
        it.until_state("active");
        assert!(entries(it.world) > before, "it trades again");
    });
    assert!(left.log.contains("behind the bars that it has told"), "{}", left.log);
}
