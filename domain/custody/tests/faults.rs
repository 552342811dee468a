//! Tests of a broker that does things wrong on request.

use super::*;
use crate::faults::FaultSource;

/// The terms of a broker that does this wrong.
fn wrong(schedule: &str, fill_at: FillAt) -> SimConfig {
    let faults = FaultSource::listed(schedule.parse().unwrap());
    SimConfig { faults, ..free(fill_at) }
}

fn duplicates(happenings: &[Happening]) -> usize {
    happenings.iter().filter(|it| matches!(it, Happening::Duplicate { .. })).count()
}

fn injected(happenings: &[Happening]) -> Vec<String> {
    let items = happenings.iter().filter_map(|happening| match happening {
        Happening::Injected { item } => Some(item.to_string()),
        _ => None,
    });
    items.collect()
}

fn status(desk: &Desk) -> Vec<Status> {
    desk.custody.orders().iter().map(crate::order_state::Order::status).collect()
}

/// O-2: a fill that is told twice is booked once, and said to be a duplicate.
#[test]
fn a_fill_that_is_told_twice_is_booked_once() {
    for fill_at in [FillAt::Close, FillAt::NextOpen] {
        let mut desk = Desk::new(wrong("broker.duplicate_fill@1", fill_at));
        let intent = desk.entry(0, Side::Buy, 10, OrderKind::Market, plan(0.08, 0.20));
        let mut happenings = desk.send(intent);
        happenings.extend(desk.days(&[flat("100"), flat("100")]));
        assert_eq!((fills(&happenings).len(), duplicates(&happenings)), (1, 1), "{fill_at:?}");
        assert_eq!(injected(&happenings), ["broker.duplicate_fill@1"]);
        let held = desk.custody.book().position(&desk.symbol(0)).unwrap();
        assert_eq!(held.qty, Qty::from_units(10).unwrap());
    }
}

/// P-1: what filled after its cancel is booked, guarded and told like every other fill.
#[test]
fn a_fill_after_its_cancel_is_booked_and_guarded() {
    let mut desk = Desk::new(wrong("broker.late_fill@1", FillAt::NextOpen));
    desk.open(0, Side::Buy, 10, plan(0.08, 0.20));
    desk.custody.cancel_all_entries(&desk.limits.clone()).unwrap();
    assert_eq!(status(&desk), [Status::Canceled]);
    let happenings = desk.days(&[flat("100")]);
    assert_eq!(fills(&happenings).len(), 1);
    assert_eq!(status(&desk), [Status::Filled]);
    let left = desk.days(&[ohlc("100 101 90 95")]);
    assert_eq!(closed(&left), [(ExitReason::Stop, "92".to_owned())]);
}

#[test]
fn an_answer_that_comes_a_bar_late_finds_its_order() {
    for (fill_at, filled) in [(FillAt::Close, 1), (FillAt::NextOpen, 0)] {
        let mut desk = Desk::new(wrong("broker.timeout@1", fill_at));
        let intent = desk.entry(0, Side::Buy, 10, OrderKind::Market, plan(0.08, 0.20));
        let at_once = desk.send(intent);
        assert_eq!((fills(&at_once).len(), status(&desk)), (0, vec![Status::Submitted]));
        assert_eq!(desk.custody.book().positions().len(), filled, "the broker knows");
        let later = desk.days(&[flat("100")]);
        assert_eq!((fills(&later).len(), status(&desk)), (1, vec![Status::Filled]), "{fill_at:?}");
    }
}

#[test]
fn a_streak_of_rejections_takes_five_orders_and_exits_are_sent_again() {
    let mut desk = Desk::new(wrong("broker.reject@2", FillAt::NextOpen));
    desk.open(0, Side::Buy, 10, plan(0.08, 0.20));
    desk.days(&[flat("100")]);
    let happenings = desk.days(&[[price("85"); 4]; 8]);
    let sent = exits_sent(&happenings).len();
    assert_eq!(sent, 6, "five were rejected, the sixth went through");
    assert!(desk.custody.book().positions().is_empty());
}

#[test]
fn what_is_in_the_making_survives_being_stored() {
    let mut desk = Desk::new(wrong("broker.late_fill@1", FillAt::NextOpen));
    desk.open(0, Side::Buy, 10, plan(0.08, 0.20));
    desk.custody.cancel_all_entries(&desk.limits.clone()).unwrap();
    let text = serde_json::to_string(&desk.custody).unwrap();
    assert_eq!(serde_json::from_str::<Custody>(&text).unwrap(), desk.custody);
    let quiet = Desk::new(free(FillAt::Close));
    let text = serde_json::to_string(&quiet.custody).unwrap();
    assert!(!text.contains("troubles"), "a broker without faults is stored as before");
}
