//! Complex orders: entries with exits behind them, pairs, and replacements of either.

use super::*;
use crate::exchange::order::GroupRole;
use crate::exchange::ticket::{Change, StopLoss};

fn bracket(qty: i64, kind: Kind, profit: &str, loss: &str) -> Ticket {
    let stop_loss = StopLoss { stop: price(loss), limit: None };
    Ticket {
        tif: Tif::Gtc,
        class: Class::Bracket { take_profit: price(profit), stop_loss },
        ..ticket(Side::Buy, qty, kind)
    }
}

#[test]
fn the_exits_of_an_entry_sleep_until_it_is_filled_and_one_ends_the_other() {
    let mut exchange = market(|_| {});
    let family = exchange.submit(0, &bracket(10, limit("99"), "108", "97")).unwrap();
    let [entry, profit, loss] = [0, 1, 2].map(|index| family[index].nth);
    assert_eq!(family[1].group.unwrap().role, GroupRole::TakeProfit);
    let statuses =
        |exchange: &Exchange| [entry, profit, loss].map(|nth| order(exchange, nth).status);
    assert_eq!(statuses(&exchange), [Status::Accepted, Status::Held, Status::Held]);
    exchange.advance(hours(0).0);
    assert_eq!(statuses(&exchange), [Status::New, Status::Held, Status::Held]);
    told(&mut exchange);
    // 98 on the way fills the entry at 99; 110 behind it fills the profit at 108.
    exchange.advance(hours(0).1);
    assert_eq!(statuses(&exchange), [Status::Filled, Status::Filled, Status::Canceled]);
    assert_eq!(state(&exchange, profit), filled(10, "108"));
    assert_eq!(
        told(&mut exchange),
        [
            (entry, Event::Fill),
            (profit, Event::New),
            (profit, Event::Fill),
            (loss, Event::Canceled)
        ]
    );
    assert_eq!(exchange.account(0).unwrap().cash().to_string(), "10090");
}

#[test]
fn a_stop_beside_a_profit_is_held_and_ends_the_profit_when_it_is_triggered() {
    let mut exchange = market(|_| {});
    exchange.advance(hours(0).0);
    let family = exchange.submit(0, &bracket(10, Kind::Market, "130", "96")).unwrap();
    let [entry, profit, loss] = [0, 1, 2].map(|index| family[index].nth);
    assert_eq!(order(&exchange, entry).status, Status::Filled);
    assert_eq!(order(&exchange, profit).status, Status::New);
    assert_eq!((order(&exchange, loss).status, order(&exchange, loss).armed), (Status::Held, true));
    assert_eq!(exchange.account(0).unwrap().available(0), Qty::ZERO, "the pair binds it once");
    exchange.advance(hours(2).1);
    assert_eq!(state(&exchange, loss), filled(10, "96"));
    assert_eq!(order(&exchange, profit).status, Status::Canceled);
    assert!(exchange.open_orders(0).is_empty());
}

#[test]
fn an_entry_that_is_canceled_takes_its_exits_along() {
    let mut exchange = market(|_| {});
    let entry = submit(&mut exchange, &bracket(10, limit("50"), "108", "40"));
    exchange.cancel(0, entry).unwrap();
    assert!(exchange.account(0).unwrap().orders().iter().all(|it| it.status == Status::Canceled));
}

#[test]
fn a_pair_closes_one_position_and_shrinks_together() {
    let mut exchange = market(|terms| {
        terms.volume_share = Some(crate::ratio::Ratio::or_zero(0.000_04));
    });
    submit(&mut exchange, &ticket(Side::Buy, 30, Kind::Market));
    exchange.advance(hours(1).0);
    assert_eq!(exchange.account(0).unwrap().position(0), shares(30));
    let pair = Ticket {
        tif: Tif::Gtc,
        class: Class::Oco { stop_loss: StopLoss { stop: price("96"), limit: Some(price("90")) } },
        ..ticket(Side::Sell, 30, limit("111"))
    };
    let family = exchange.submit(0, &pair).unwrap();
    let [profit, loss] = [0, 1].map(|index| family[index].nth);
    assert_eq!(order(&exchange, loss).status, Status::Held);
    assert!(refused(&mut exchange, &pair).message.contains("insufficient qty"));
    // Ten shares a price: two prices of day two reach 111, the stop takes the rest.
    exchange.advance(hours(1).1);
    assert_eq!(order(&exchange, profit).status, Status::PartiallyFilled);
    assert_eq!(order(&exchange, loss).open_qty(), order(&exchange, profit).open_qty());
    let left = order(&exchange, loss).open_qty().unwrap();
    exchange.advance(hours(2).1);
    assert_eq!(
        (order(&exchange, loss).status, order(&exchange, loss).filled),
        (Status::Filled, left)
    );
    assert_eq!(order(&exchange, profit).status, Status::Canceled);
    assert!(exchange.account(0).unwrap().positions().is_empty());
}

#[test]
fn an_exit_behind_an_entry_stands_alone_in_the_market() {
    let mut exchange = market(|_| {});
    exchange.advance(hours(0).0);
    let behind = Class::OtoLoss { stop_loss: StopLoss { stop: price("98.5"), limit: None } };
    let family =
        exchange.submit(0, &Ticket { class: behind, ..ticket(Side::Buy, 10, Kind::Market) });
    let loss = family.unwrap()[1].nth;
    assert_eq!(order(&exchange, loss).status, Status::New);
    exchange.advance(hours(0).1);
    assert_eq!(state(&exchange, loss), filled(10, "98.5"));
}

#[test]
fn a_replacement_is_a_new_order_about_what_is_still_open_with_the_old_ones_ties() {
    let mut exchange = market(|_| {});
    exchange.advance(hours(0).0);
    let family = exchange.submit(0, &bracket(10, Kind::Market, "130", "90")).unwrap();
    let [entry, profit, loss] = [0, 1, 2].map(|index| family[index].nth);
    let change = Change { stop: Some(price("97.5")), ..Change::default() };
    let tighter = exchange.replace(0, loss, &change).unwrap()[0].nth;
    assert_eq!(order(&exchange, loss).status, Status::Replaced);
    assert_eq!(order(&exchange, loss).replaced_by, Some(tighter));
    assert_eq!(order(&exchange, tighter).replaces, Some(loss));
    assert_eq!(order(&exchange, tighter).status, Status::Held);
    assert_eq!(order(&exchange, entry).legs, [profit, tighter]);
    exchange.advance(hours(2).1);
    assert_eq!(state(&exchange, tighter), filled(10, "97.5"));
    assert_eq!(order(&exchange, profit).status, Status::Canceled);
}

#[test]
fn a_replacement_that_makes_no_sense_changes_nothing() {
    let mut exchange = market(|_| {});
    let waiting = submit(&mut exchange, &ticket(Side::Buy, 10, limit("50")));
    let change = |change: Change| change;
    let limit_at = |text: &str| Change { limit: Some(price(text)), ..Change::default() };
    assert_eq!(exchange.replace(0, waiting, &limit_at("60")).unwrap_err().status, 422, "accepted");
    exchange.advance(hours(0).0);
    let stop = change(Change { stop: Some(price("1")), ..Change::default() });
    assert!(exchange.replace(0, waiting, &stop).unwrap_err().message.contains("stop_price"));
    let dear = change(Change { qty: Some(shares(1_000)), ..Change::default() });
    assert!(exchange.replace(0, waiting, &dear).unwrap_err().message.contains("buying power"));
    assert_eq!(exchange.replace(0, 77, &stop).unwrap_err().status, 404);
    assert_eq!(order(&exchange, waiting).status, Status::New);
    let now = exchange.replace(0, waiting, &limit_at("101")).unwrap()[0].nth;
    assert_eq!(state(&exchange, now), filled(10, "100"), "a limit above the market fills at once");
    assert_eq!(exchange.replace(0, waiting, &limit_at("60")).unwrap_err().status, 422, "replaced");
}
