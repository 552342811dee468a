//! Tests of the exits: a table of bars for one position, then the retries and the order.

use super::*;
use crate::fixed::{Money, Volume};
use crate::order::Fill;
use crate::time::Time;

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn goog() -> Symbol {
    Symbol::new("GOOG").unwrap()
}

fn bar(nth: i64, [open, high, low, close]: [&str; 4]) -> Bar {
    Bar {
        open_time: Time::from_ms(nth * 100_000),
        close_time: Time::from_ms(nth * 100_000 + 90_000),
        open: price(open),
        high: price(high),
        low: price(low),
        close: price(close),
        volume: Volume::ZERO,
    }
}

/// A book that bought (or sold) ten at 100 at the open of bar 1.
fn book(side: Side) -> Book {
    let decision = DecisionId::new(&goog(), Time::EPOCH, "entry");
    let fill = Fill {
        client_order_id: ClientOrderId::derive(&decision, side, 0),
        nth: 0,
        symbol: goog(),
        side,
        qty: "10".parse().unwrap(),
        price: price("100"),
        fee: Money::ZERO,
        at: Time::from_ms(100_000),
    };
    let mut book = Book::new(Money::from_units(10_000).unwrap()).unwrap();
    book.apply(&fill, Purpose::Entry, None).unwrap();
    book
}

fn plan() -> ExitPlan {
    ExitPlan { stop_distance: Ratio::of(0.08), target_distance: Ratio::of(0.20) }
}

/// The first exit over the bars: its reason, level and the number of its bar.
fn first(side: Side, bars: &[[&str; 4]]) -> Option<(ExitReason, Option<Price>, usize)> {
    let mut book = book(side);
    let mut guards = Protections::new(ExitRules { time_stop_bars: 4, ..ExitRules::default() });
    guards.guard(&goog(), book.position(&goog()).unwrap(), plan()).unwrap();
    for (index, prices) in (1..).zip(bars) {
        let bar = bar(i64::try_from(index).unwrap(), *prices);
        book.close_bar(&goog(), bar.close).unwrap();
        if let Some(intent) = guards.on_bar(&goog(), &bar, &book, None) {
            let level = match intent.kind {
                OrderKind::Stop { stop } => Some(stop),
                OrderKind::Limit { limit } => Some(limit),
                _ => None,
            };
            let Purpose::Exit { reason } = intent.purpose else { panic!("no exit") };
            assert_eq!((intent.side, intent.qty), (Side::closing(direction(side)), ten()));
            return Some((reason, level, index));
        }
    }
    None
}

fn ten() -> crate::fixed::Qty {
    "10".parse().unwrap()
}

const fn direction(side: Side) -> Direction {
    match side {
        Side::Buy => Direction::Long,
        Side::Sell => Direction::Short,
    }
}

#[test]
fn each_exit_is_found_at_its_level_and_the_stop_before_the_target() {
    use ExitReason::{BreakEven, Stop, TakeProfit, TimeStop, TrailingStop};
    let flat = ["100", "101", "99", "100"];
    let up = ["100", "102", "100", "102"];
    let cases: [(Side, &[[&str; 4]], _); 11] = [
        (Side::Buy, &[flat, flat], None),
        (Side::Buy, &[["100", "101", "92", "95"]], Some((Stop, Some("92"), 1))),
        (Side::Buy, &[["100", "121", "92", "95"]], Some((Stop, Some("92"), 1))),
        (Side::Buy, &[["100", "120", "99", "110"]], Some((TakeProfit, Some("120"), 1))),
        // Within the bar that gains 2 % the path is not known: break-even begins with the next.
        (Side::Buy, &[["100", "103", "99", "103"]], None),
        (Side::Buy, &[up, ["101", "101", "100", "101"]], Some((BreakEven, Some("100"), 2))),
        (
            Side::Buy,
            &[["100", "110", "100", "110"], ["109", "109", "104.5", "105"]],
            Some((TrailingStop, Some("104.5"), 2)),
        ),
        (Side::Buy, &[flat, flat, flat, flat], Some((TimeStop, None, 4))),
        (Side::Buy, &[["100", "103", "100.5", "103"]; 4], None),
        (Side::Sell, &[["100", "108", "79", "95"]], Some((Stop, Some("108"), 1))),
        (Side::Sell, &[["100", "101", "80", "90"]], Some((TakeProfit, Some("80"), 1))),
    ];
    for (nth, (side, bars, expected)) in cases.into_iter().enumerate() {
        let expected = expected.map(|(reason, level, at)| (reason, level.map(price), at));
        assert_eq!(first(side, bars), expected, "case {nth}");
    }
}

/// O-4: lesson A19: an exit that failed was once forgotten; ours stays due, once a bar.
#[test]
fn an_exit_that_fails_two_hundred_times_is_sent_once_a_bar_until_it_goes_through() {
    let mut book = book(Side::Buy);
    let mut guards = Protections::new(ExitRules::default());
    guards.guard(&goog(), book.position(&goog()).unwrap(), plan()).unwrap();
    let mut sent = Vec::new();
    for nth in 1..=200 {
        // Only the first bar reaches the stop; later ones would not.
        let prices = if nth == 1 { ["100", "100", "90", "91"] } else { ["99"; 4] };
        let bar = bar(nth, prices);
        book.close_bar(&goog(), bar.close).unwrap();
        let intent = guards.on_bar(&goog(), &bar, &book, None).expect("still due");
        assert_eq!(intent.purpose, Purpose::Exit { reason: ExitReason::Stop });
        sent.push(intent.client_order_id);
    }
    sent.sort();
    sent.dedup();
    assert_eq!(sent.len(), 200, "every attempt has an id of its own");
    let (position, last) = (book.position(&goog()).unwrap(), bar(201, ["99"; 4]));
    let exit = Exit { reason: ExitReason::Stop, kind: OrderKind::Market };
    let intent = exit_intent(&goog(), position, exit, &last);
    let fill = Fill {
        client_order_id: intent.client_order_id.clone(),
        nth: 0,
        symbol: goog(),
        side: intent.side,
        qty: intent.qty,
        price: last.close,
        fee: Money::ZERO,
        at: intent.at,
    };
    book.apply(&fill, intent.purpose, None).unwrap();
    assert_eq!(guards.on_bar(&goog(), &last, &book, None), None);
    assert_eq!(guards.of(&goog()), None);
}

#[test]
fn what_is_said_from_outside_comes_after_what_happened_within_the_bar() {
    for (low, expected) in [("99", ExitReason::SignalFlip), ("91", ExitReason::Stop)] {
        let book = book(Side::Buy);
        let mut guards = Protections::new(ExitRules::default());
        guards.guard(&goog(), book.position(&goog()).unwrap(), plan()).unwrap();
        let bar = bar(1, ["100", "101", low, "99"]);
        let intent = guards.on_bar(&goog(), &bar, &book, Some(ExitReason::SignalFlip)).unwrap();
        assert_eq!(intent.purpose, Purpose::Exit { reason: expected });
    }
    // A position that nothing guards still leaves when it is told to.
    let book = book(Side::Sell);
    let mut none = Protections::default();
    let bar = bar(1, ["100", "101", "99", "99"]);
    let intent = none.on_bar(&goog(), &bar, &book, Some(ExitReason::Halt)).unwrap();
    assert_eq!((intent.side, intent.kind), (Side::Buy, OrderKind::Market));
    assert_eq!(none.on_bar(&goog(), &bar, &book, None), None);
}

#[test]
fn a_position_entered_within_a_bar_takes_no_profit_from_before_its_entry() {
    let book = book(Side::Buy);
    let position =
        Position { opened_at: Time::from_ms(190_000), ..book.positions()[&goog()].clone() };
    let mut guard = Protection::new(Direction::Long, price("100"), plan());
    let high_before = bar(1, ["119", "121", "99", "101"]);
    assert_eq!(guard.on_bar(&ExitRules::default(), &high_before, &position, None), None);
    assert_eq!(guard.stop(&ExitRules::default()), (price("92"), ExitReason::Stop));
}

#[test]
fn the_outcome_is_whether_the_price_went_the_predicted_way() {
    for (side, exit, hit, gain) in [
        (Side::Buy, "110", true, 0.10),
        (Side::Buy, "95", false, -0.05),
        (Side::Sell, "95", true, 0.05),
        (Side::Sell, "100", false, 0.0),
    ] {
        let trade = Trade {
            symbol: goog(),
            direction: direction(side),
            qty: ten(),
            entry_time: Time::EPOCH,
            entry_price: price("100"),
            exit_time: Time::EPOCH,
            exit_price: price(exit),
            pnl: Money::ZERO,
            fees: Money::ZERO,
            exit_reason: ExitReason::Stop,
            bars_held: 1,
            decision: None,
        };
        let outcome = Outcome::of(&trade);
        assert_eq!(outcome.hit, hit, "{side} {exit}");
        assert!((outcome.gain.get() - gain).abs() < 1e-12, "{side} {exit}");
    }
}
