//! Whole sessions at an exchange: a market of a few bars, an account, and what becomes of its orders.

mod anything;
mod complex;
mod hours;

use super::order::{Event, Order, Status};
use super::refusal::Refusal;
use super::ticket::{Amount, Class, Kind, Ticket, Tif, Trail};
use super::venue::Listing;
use super::{Exchange, Happening, Terms};
use crate::fixed::{Bp, Money, Price, Qty, Volume};
use crate::market::bar::{Bar, Timeframe};
use crate::market::series::Series;
use crate::market::splits::Split;
use crate::market::symbol::{AssetClass, Symbol};
use crate::order::Side;
use crate::time::Time;

pub(super) fn price(text: &str) -> Price {
    text.parse().unwrap()
}

pub(super) fn shares(units: i64) -> Qty {
    Qty::from_units(units).unwrap()
}

pub(super) fn at(text: &str) -> Time {
    text.parse().unwrap()
}

/// The opening and the close of Tuesday to Friday, 2 to 5 January 2024, in UTC.
pub(super) fn hours(day: usize) -> (Time, Time) {
    let date = ["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"][day];
    (at(&format!("{date}T14:30:00Z")), at(&format!("{date}T21:00:00Z")))
}

pub(super) fn bar((open_time, close_time): (Time, Time), prices: [&str; 4], volume: i64) -> Bar {
    let [open, high, low, close] = prices.map(price);
    let volume = Volume::from_units(volume).unwrap();
    Bar { open_time, close_time, open, high, low, close, volume }
}

/// Daily bars of a share from Tuesday, 2 January 2024, on.
pub(super) fn share(symbol: &str, days: &[[&str; 4]], splits: &[Split]) -> Listing {
    // A quiet Friday before, so that there is a price.
    let friday = (at("2023-12-29T14:30:00Z"), at("2023-12-29T21:00:00Z"));
    let before = bar(friday, [days[0][0]; 4], 1_000_000);
    let bars = days.iter().enumerate().map(|(day, prices)| bar(hours(day), *prices, 1_000_000));
    let bars = std::iter::once(before).chain(bars);
    let series = Series {
        symbol: Symbol::new(symbol).unwrap(),
        class: AssetClass::Equity,
        timeframe: Timeframe::Day,
        bars: bars.collect(),
    };
    Listing::new(series, symbol.to_owned(), splits, &[])
}

/// Four days of one share between 95 and 120, traded without a spread on a cash account of $10,000
/// unless the terms say otherwise; the clock stands at the first morning.
pub(super) fn market(change: impl FnOnce(&mut Terms)) -> Exchange {
    let days = [
        ["100", "110", "98", "105"],
        ["106", "112", "104", "110"],
        ["108", "109", "95", "97"],
        ["99", "120", "99", "118"],
    ];
    exchange(vec![share("AAA", &days, &[])], change)
}

pub(super) fn exchange(listings: Vec<Listing>, change: impl FnOnce(&mut Terms)) -> Exchange {
    let mut terms = Terms {
        exchange: 7,
        cash: Money::from_units(10_000).unwrap(),
        multiplier: 1,
        spread: Bp::ZERO,
        volume_share: None,
    };
    change(&mut terms);
    Exchange::new(terms, listings, at("2024-01-02T09:00:00Z"))
}

pub(super) fn ticket(side: Side, qty: i64, kind: Kind) -> Ticket {
    Ticket {
        symbol: Symbol::new("AAA").unwrap(),
        side,
        amount: Amount::Qty(shares(qty)),
        kind,
        tif: Tif::Day,
        class: Class::Simple,
        extended_hours: false,
        client_order_id: None,
    }
}

pub(super) fn limit(text: &str) -> Kind {
    Kind::Limit { limit: price(text) }
}

pub(super) fn stop(text: &str) -> Kind {
    Kind::Stop { stop: price(text) }
}

/// Submits and says the number of the order.
pub(super) fn submit(exchange: &mut Exchange, ticket: &Ticket) -> u32 {
    exchange.submit(0, ticket).unwrap()[0].nth
}

pub(super) fn refused(exchange: &mut Exchange, ticket: &Ticket) -> Refusal {
    let before = exchange.account(0).unwrap().orders().len();
    let refusal = exchange.submit(0, ticket).unwrap_err();
    assert_eq!(exchange.account(0).unwrap().orders().len(), before, "a refusal leaves nothing");
    refusal
}

pub(super) fn order(exchange: &Exchange, nth: u32) -> &Order {
    exchange.account(0).unwrap().order(nth).unwrap()
}

/// Status, quantity filled and mean price.
pub(super) fn state(exchange: &Exchange, nth: u32) -> (Status, String, String) {
    let order = order(exchange, nth);
    let average = order.average_price().map_or_else(String::new, |price| price.to_string());
    (order.status, order.filled.to_string(), average)
}

pub(super) fn filled(qty: i64, price: &str) -> (Status, String, String) {
    (Status::Filled, qty.to_string(), price.to_owned())
}

/// What has happened to orders, in the stream's words.
pub(super) fn told(exchange: &mut Exchange) -> Vec<(u32, Event)> {
    let orders = exchange.happenings().into_iter().filter_map(|it| match it {
        Happening::Order { update, .. } => Some((update.order.nth, update.event)),
        Happening::Price { .. } | Happening::Bar { .. } => None,
    });
    orders.collect()
}

#[test]
fn orders_are_met_at_their_own_prices_on_the_markets_way() {
    // Day one rose: 100, 98, 110, 105.
    let mut exchange = market(|_| {});
    let bought = submit(&mut exchange, &ticket(Side::Buy, 10, Kind::Market));
    let cheap = submit(&mut exchange, &ticket(Side::Buy, 5, limit("98.5")));
    let never = submit(&mut exchange, &ticket(Side::Buy, 5, limit("97.99")));
    assert_eq!(order(&exchange, bought).status, Status::Accepted, "before the opening");
    exchange.advance(hours(0).0);
    assert_eq!(state(&exchange, bought), filled(10, "100"));
    exchange.advance(hours(0).1);
    assert_eq!(state(&exchange, cheap), filled(5, "98.5"));
    assert_eq!(order(&exchange, never).status, Status::Expired);
    let account = exchange.account(0).unwrap();
    assert_eq!(account.cash().to_string(), "8507.5", "P-1");
    assert_eq!(account.position(0), shares(15));
    assert_eq!(account.funds(exchange.venue()).unwrap().equity.to_string(), "10082.5");
}

#[test]
fn a_stop_fills_where_it_is_met_and_worse_where_the_market_jumps_over_it() {
    let mut exchange = market(|_| {});
    exchange.advance(hours(0).0);
    submit(&mut exchange, &ticket(Side::Buy, 20, Kind::Market));
    let within =
        submit(&mut exchange, &Ticket { tif: Tif::Gtc, ..ticket(Side::Sell, 10, stop("98.25")) });
    exchange.advance(hours(0).1);
    assert_eq!(state(&exchange, within), filled(10, "98.25"));
    // Day two opens at 106 and closes at 110; day three opens at 108.
    let jumped =
        submit(&mut exchange, &Ticket { tif: Tif::Gtc, ..ticket(Side::Sell, 10, stop("97.5")) });
    exchange.advance(hours(2).0);
    assert_eq!(order(&exchange, jumped).status, Status::New);
    exchange.advance(hours(3).1);
    assert_eq!(state(&exchange, jumped), filled(10, "97.5"));
    let above = submit(&mut exchange, &ticket(Side::Buy, 10, stop("1")));
    exchange.advance(hours(3).1 + std::time::Duration::from_hours(90));
    assert_eq!(order(&exchange, above).status, Status::Expired, "no price came any more");
}

#[test]
fn a_trailing_stop_follows_the_best_price_and_no_further() {
    let mut exchange = market(|_| {});
    exchange.advance(hours(0).0);
    submit(&mut exchange, &ticket(Side::Buy, 10, Kind::Market));
    let trail = |trail| Kind::TrailingStop { trail };
    let by_price =
        Ticket { tif: Tif::Gtc, ..ticket(Side::Sell, 5, trail(Trail::Price(price("6")))) };
    let by_share =
        Ticket { tif: Tif::Gtc, ..ticket(Side::Sell, 5, trail(Trail::Percent(Bp::whole(1_000)))) };
    let (by_price, by_share) = (submit(&mut exchange, &by_price), submit(&mut exchange, &by_share));
    // 100, 98, 110, 105 | 106, 104, 112, 110 | 108, 109, 95, 97: the best is 112 on day two.
    exchange.advance(hours(1).1);
    assert_eq!(state(&exchange, by_price), filled(5, "104"), "six below 110");
    assert_eq!(order(&exchange, by_share).trigger(), Some(price("100.8")));
    exchange.advance(hours(2).1);
    assert_eq!(state(&exchange, by_share), filled(5, "100.8"));
}

#[test]
fn a_spread_is_paid_by_market_orders_and_not_by_limits_that_rest() {
    let mut exchange = market(|terms| terms.spread = Bp::whole(10));
    exchange.advance(hours(0).0);
    let bought = submit(&mut exchange, &ticket(Side::Buy, 1, Kind::Market));
    assert_eq!(state(&exchange, bought), filled(1, "100.05"));
    let sold = submit(&mut exchange, &ticket(Side::Sell, 1, Kind::Market));
    assert_eq!(state(&exchange, sold), filled(1, "99.95"));
    let rests = submit(&mut exchange, &ticket(Side::Buy, 1, limit("99")));
    exchange.advance(hours(0).1);
    assert_eq!(state(&exchange, rests), filled(1, "99"));
}

#[test]
fn the_volume_of_the_market_is_shared_and_what_it_does_not_give_comes_later() {
    // A hundredth of 1,000,000 is 2,500 shares for each of a bar's four prices.
    let mut exchange = market(|terms| {
        terms.volume_share = Some(crate::ratio::Ratio::or_zero(0.01));
        terms.cash = Money::from_units(10_000_000).unwrap();
    });
    exchange.advance(hours(0).0);
    let large = submit(&mut exchange, &ticket(Side::Buy, 4_000, Kind::Market));
    assert_eq!(order(&exchange, large).filled, shares(2_500));
    assert_eq!(order(&exchange, large).status, Status::PartiallyFilled);
    let ioc =
        submit(&mut exchange, &Ticket { tif: Tif::Ioc, ..ticket(Side::Buy, 1, Kind::Market) });
    assert_eq!(order(&exchange, ioc).status, Status::Canceled, "there is nothing left");
    exchange.advance(hours(0).1);
    assert_eq!(order(&exchange, large).status, Status::Filled);
    exchange.advance(hours(1).0);
    let fok = |qty| Ticket { tif: Tif::Fok, ..ticket(Side::Buy, qty, Kind::Market) };
    let (all, none) = (submit(&mut exchange, &fok(2_000)), submit(&mut exchange, &fok(501)));
    assert_eq!(
        (order(&exchange, all).status, order(&exchange, none).status),
        (Status::Filled, Status::Canceled)
    );
    assert_eq!(order(&exchange, none).filled, Qty::ZERO);
}

#[test]
fn money_buys_what_it_buys_at_the_price_of_the_fill() {
    let mut exchange = market(|_| {});
    let fifty = Amount::Notional(Money::from_units(50).unwrap());
    let bought =
        submit(&mut exchange, &Ticket { amount: fifty, ..ticket(Side::Buy, 1, Kind::Market) });
    exchange.advance(hours(1).0);
    assert_eq!(order(&exchange, bought).status, Status::Filled);
    assert_eq!(order(&exchange, bought).filled.to_string(), "0.5");
}

#[test]
fn what_an_account_may_not_do_is_refused_with_its_code() {
    let mut exchange = market(|_| {});
    exchange.advance(hours(0).0);
    let check = |exchange: &mut Exchange, ticket: &Ticket, status: u16, code: u32, text: &str| {
        let refusal = refused(exchange, ticket);
        assert_eq!((refusal.status, refusal.code), (status, code), "{text}: {refusal}");
        assert!(refusal.message.contains(text), "{refusal}");
    };
    let buy = |qty| ticket(Side::Buy, qty, Kind::Market);
    check(&mut exchange, &buy(101), 403, 40_310_000, "insufficient buying power");
    let short = ticket(Side::Sell, 1, Kind::Market);
    check(&mut exchange, &short, 403, 40_310_000, "not allowed to short");
    let named = Ticket { client_order_id: Some("mine".to_owned()), ..buy(50) };
    submit(&mut exchange, &named);
    check(&mut exchange, &named, 422, 40_010_001, "client_order_id must be unique");
    let long = Ticket { client_order_id: Some("x".repeat(129)), ..buy(1) };
    check(&mut exchange, &long, 422, 40_010_001, "128");
    let strange = Ticket { symbol: Symbol::new("ZZZ").unwrap(), ..buy(1) };
    check(&mut exchange, &strange, 422, 42_210_000, "not found");
    check(
        &mut exchange,
        &ticket(Side::Sell, 51, Kind::Market),
        403,
        40_310_000,
        "insufficient qty",
    );
    submit(&mut exchange, &ticket(Side::Sell, 40, limit("120")));
    check(&mut exchange, &ticket(Side::Sell, 11, limit("130")), 403, 40_310_000, "available: 10");
    check(&mut exchange, &buy(1), 422, 42_210_000, "wash trade");
    check(&mut exchange, &ticket(Side::Buy, 1, limit("121")), 422, 42_210_000, "wash trade");
    submit(&mut exchange, &ticket(Side::Buy, 1, limit("99")));
    let huge = ticket(Side::Buy, 9_000_000_000, limit("10"));
    check(&mut exchange, &huge, 422, 42_210_000, "value of this order");
    exchange.suspend(0, true);
    check(&mut exchange, &buy(1), 403, 40_310_000, "user request");
}

#[test]
fn a_margin_account_sells_short_and_buys_back() {
    let mut exchange = market(|terms| terms.multiplier = 2);
    exchange.advance(hours(0).0);
    let funds = |exchange: &Exchange| {
        let funds = exchange.account(0).unwrap().funds(exchange.venue()).unwrap();
        (funds.equity.to_string(), funds.buying_power.to_string(), funds.short_value.to_string())
    };
    assert_eq!(funds(&exchange).1, "20000");
    let short = submit(&mut exchange, &ticket(Side::Sell, 100, Kind::Market));
    assert_eq!(state(&exchange, short), filled(100, "100"));
    assert_eq!(exchange.account(0).unwrap().cash().to_string(), "20000");
    assert_eq!(funds(&exchange), ("10000".into(), "10000".into(), "-10000".into()));
    assert!(refused(&mut exchange, &ticket(Side::Buy, 101, Kind::Market)).message.contains("qty"));
    exchange.advance(hours(0).1);
    assert_eq!(funds(&exchange).0, "9500", "100 short from 100 at 105");
    exchange.advance(hours(1).0);
    let back = exchange.close_position(0, &Symbol::new("AAA").unwrap(), None).unwrap()[0].nth;
    assert_eq!(state(&exchange, back), filled(100, "106"));
    assert_eq!(exchange.account(0).unwrap().cash().to_string(), "9400");
    assert!(exchange.account(0).unwrap().positions().is_empty());
    assert_eq!(
        exchange.close_position(0, &Symbol::new("AAA").unwrap(), None).unwrap_err().status,
        404
    );
}

#[test]
fn a_cancellation_ends_an_order_once_and_one_that_is_late_lets_it_fill() {
    let mut exchange = market(|_| {});
    exchange.advance(hours(0).0);
    let resting = submit(&mut exchange, &ticket(Side::Buy, 3, limit("90")));
    exchange.cancel(0, resting).unwrap();
    assert_eq!(order(&exchange, resting).status, Status::Canceled);
    let again = exchange.cancel(0, resting).unwrap_err();
    assert_eq!(
        (again.status, again.message.as_str()),
        (422, "order is already in \"canceled\" state")
    );
    assert_eq!(exchange.cancel(0, 99).unwrap_err().status, 404);
    let late = submit(&mut exchange, &ticket(Side::Buy, 3, limit("91")));
    told(&mut exchange);
    exchange.cancel_too_late(0, late).unwrap();
    assert_eq!(told(&mut exchange), [(late, Event::PendingCancel), (late, Event::Fill)]);
    let half = submit(&mut exchange, &ticket(Side::Buy, 5, limit("92")));
    exchange.fill_half_and_drop(0, half);
    assert_eq!(state(&exchange, half), (Status::Canceled, "2".into(), "92".into()));
    assert_eq!(exchange.account(0).unwrap().position(0), shares(5));
}

#[test]
fn a_halted_share_trades_with_nobody_and_goes_on_where_the_market_is() {
    let symbol = Symbol::new("AAA").unwrap();
    let mut exchange = market(|_| {});
    exchange.advance(hours(0).0);
    exchange.halt(&symbol, true).unwrap();
    let waiting =
        submit(&mut exchange, &Ticket { tif: Tif::Gtc, ..ticket(Side::Buy, 1, Kind::Market) });
    exchange.advance(hours(0).1);
    assert_eq!(order(&exchange, waiting).status, Status::Accepted);
    exchange.advance(hours(1).0);
    exchange.halt(&symbol, false).unwrap();
    assert_eq!(order(&exchange, waiting).status, Status::New, "no price since the halt");
    exchange.advance(hours(1).1);
    assert_eq!(state(&exchange, waiting), filled(1, "104"), "the first price after the halt");
    assert_eq!(exchange.halt(&Symbol::new("ZZZ").unwrap(), true).unwrap_err().status, 404);
}

#[test]
fn a_split_leaves_the_value_of_positions_and_orders_as_it_was() {
    let split = Split {
        symbol: Symbol::new("AAA").unwrap(),
        date: jiff::civil::date(2024, 1, 3),
        new: 2,
        old: 1,
    };
    let days = [["100", "110", "98", "104"], ["52.5", "60", "51", "55"]];
    let mut exchange = exchange(vec![share("AAA", &days, &[split])], |_| {});
    exchange.advance(hours(0).0);
    submit(&mut exchange, &ticket(Side::Buy, 10, Kind::Market));
    let profit =
        submit(&mut exchange, &Ticket { tif: Tif::Gtc, ..ticket(Side::Sell, 10, limit("115.01")) });
    exchange.advance(hours(0).1);
    let equity = |exchange: &Exchange| {
        exchange.account(0).unwrap().funds(exchange.venue()).unwrap().equity.to_string()
    };
    assert_eq!(equity(&exchange), "10040");
    exchange.advance(at("2024-01-03T13:00:00Z"));
    assert_eq!(equity(&exchange), "10040");
    assert_eq!(exchange.account(0).unwrap().position(0), shares(20));
    assert_eq!(order(&exchange, profit).kind, limit("57.5"));
    exchange.advance(hours(1).1);
    assert_eq!(state(&exchange, profit), filled(20, "57.5"));
}

#[test]
fn a_dividend_is_paid_on_what_is_held_and_charged_on_what_is_owed() {
    let mut listing =
        share("AAA", &[["100", "110", "98", "104"], ["103", "104", "101", "102"]], &[]);
    listing.dividends.push(crate::market::dividends::Dividend {
        symbol: Symbol::new("AAA").unwrap(),
        date: jiff::civil::date(2024, 1, 3),
        per_share: price("0.25"),
    });
    let mut exchange = exchange(vec![listing], |terms| terms.multiplier = 2);
    let second = exchange.open_account();
    exchange.advance(hours(0).0);
    submit(&mut exchange, &ticket(Side::Buy, 10, Kind::Market));
    exchange.submit(second, &ticket(Side::Sell, 10, Kind::Market)).unwrap();
    exchange.advance(hours(1).0);
    let cash: Vec<_> = exchange.accounts().iter().map(|it| it.cash().to_string()).collect();
    assert_eq!(cash, ["9002.5", "10997.5"]);
}
