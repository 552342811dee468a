//! What the hour means to an order: auctions, the extended session, days that end, coins at night.

use super::*;
use std::time::Duration;

#[test]
fn auctions_fill_at_one_price_or_not_at_all() {
    let mut exchange = market(|_| {});
    let tif = |tif, ticket: Ticket| Ticket { tif, ..ticket };
    let opening = submit(&mut exchange, &tif(Tif::Opg, ticket(Side::Buy, 1, Kind::Market)));
    let cheap = submit(&mut exchange, &tif(Tif::Opg, ticket(Side::Buy, 1, limit("99"))));
    let close = submit(&mut exchange, &tif(Tif::Cls, ticket(Side::Buy, 1, Kind::Market)));
    exchange.advance(hours(0).0);
    assert_eq!(state(&exchange, opening), filled(1, "100"));
    assert_eq!(order(&exchange, cheap).status, Status::Canceled);
    assert_eq!(order(&exchange, close).status, Status::New);
    exchange.advance(hours(0).1);
    assert_eq!(state(&exchange, close), filled(1, "105"));
}

#[test]
fn an_order_of_the_day_ends_with_it_and_one_of_the_extended_day_at_night() {
    let mut exchange = market(|_| {});
    exchange.advance(hours(0).0);
    let day = submit(&mut exchange, &ticket(Side::Buy, 1, limit("50")));
    let extended = submit(
        &mut exchange,
        &Ticket { extended_hours: true, ..ticket(Side::Buy, 1, limit("50")) },
    );
    let gtc = submit(&mut exchange, &Ticket { tif: Tif::Gtc, ..ticket(Side::Buy, 1, limit("50")) });
    exchange.advance(hours(0).1);
    let tomorrow = submit(&mut exchange, &ticket(Side::Buy, 1, limit("51")));
    let status =
        |exchange: &Exchange| [day, extended, gtc, tomorrow].map(|nth| order(exchange, nth).status);
    exchange.advance(hours(0).1 + Duration::from_hours(1));
    assert_eq!(status(&exchange)[..3], [Status::Expired, Status::New, Status::New]);
    exchange.advance(hours(0).1 + Duration::from_hours(4));
    assert_eq!(status(&exchange)[1], Status::Expired);
    exchange.advance(hours(1).1 - Duration::from_secs(1));
    assert_eq!(status(&exchange)[3], Status::New);
    exchange.advance(hours(1).1 + Duration::from_secs(1));
    assert_eq!(status(&exchange)[2..], [Status::New, Status::Expired]);
    exchange.advance(hours(0).0 + Duration::from_hours(91 * 24));
    assert_eq!(status(&exchange)[2], Status::Expired, "ninety days are the end of the longest");
}

#[test]
fn the_extended_session_takes_orders_that_ask_for_it_at_the_last_price() {
    let mut exchange = market(|_| {});
    exchange.advance(hours(0).1 + Duration::from_hours(1));
    let plain = submit(&mut exchange, &ticket(Side::Buy, 1, limit("106")));
    let extended = submit(
        &mut exchange,
        &Ticket { extended_hours: true, ..ticket(Side::Buy, 1, limit("106")) },
    );
    assert_eq!(order(&exchange, plain).status, Status::Accepted);
    assert_eq!(state(&exchange, extended), filled(1, "105"));
}

#[test]
fn the_clock_tells_the_hours_of_the_session_over_a_weekend() {
    let mut exchange = market(|_| {});
    exchange.advance(hours(3).0 - Duration::from_secs(1));
    assert_eq!((exchange.is_open(), exchange.next_hours()), (false, hours(3)));
    exchange.advance(hours(3).0);
    let monday = (at("2024-01-08T14:30:00Z"), at("2024-01-08T21:00:00Z"));
    assert_eq!((exchange.is_open(), exchange.next_hours()), (true, (monday.0, hours(3).1)));
    exchange.advance(hours(3).1);
    assert_eq!((exchange.is_open(), exchange.next_hours()), (false, monday));
}

#[test]
fn the_clock_changes_with_daylight_saving_and_closes_early() {
    let mut exchange = market(|_| {});
    for (now, open, close) in [
        ("2024-03-08T22:00:00Z", "2024-03-11T13:30:00Z", "2024-03-11T20:00:00Z"),
        ("2024-11-01T21:00:00Z", "2024-11-04T14:30:00Z", "2024-11-04T21:00:00Z"),
        ("2024-11-28T12:00:00Z", "2024-11-29T14:30:00Z", "2024-11-29T18:00:00Z"),
    ] {
        exchange.advance(at(now));
        assert_eq!(exchange.next_hours(), (at(open), at(close)), "{now}");
    }
}

#[test]
fn coins_trade_through_the_weekend_and_are_bought_with_cash() {
    let day = Duration::from_hours(24);
    let start = at("2024-01-05T00:00:00Z");
    let bars = (0..4).map(|nth| {
        let open = start + day * nth;
        bar((open, open + day), ["40000", "42000", "39000", "41000"], 1_000)
    });
    let series = Series {
        symbol: Symbol::new("BTC/USD").unwrap(),
        class: AssetClass::Crypto,
        timeframe: Timeframe::Day,
        bars: bars.collect(),
    };
    let coin = Listing::new(series, "Bitcoin".to_owned(), &[], &[]);
    let mut exchange = exchange(vec![coin], |terms| terms.multiplier = 2);
    let coin = |side, qty: &str, kind| Ticket {
        symbol: Symbol::new("BTC/USD").unwrap(),
        amount: Amount::Qty(qty.parse().unwrap()),
        tif: Tif::Gtc,
        ..ticket(side, 1, kind)
    };
    // A Saturday in the small hours.
    exchange.advance(at("2024-01-06T03:00:00Z"));
    let refusal = refused(&mut exchange, &coin(Side::Buy, "0.26", Kind::Market));
    assert!(refusal.message.contains("buying power"), "margin buys no coins: {refusal}");
    let bought = submit(&mut exchange, &coin(Side::Buy, "0.1", Kind::Market));
    assert_eq!(order(&exchange, bought).status, Status::Filled);
    let sold = submit(&mut exchange, &coin(Side::Sell, "0.1", limit("41500")));
    let short = refused(&mut exchange, &coin(Side::Sell, "0.1", limit("43000")));
    assert_eq!(short.status, 403);
    exchange.advance(at("2024-01-06T23:00:00Z"));
    assert_eq!(order(&exchange, sold).status, Status::Filled);
    assert_eq!(exchange.account(0).unwrap().cash().to_string(), "10150");
}
