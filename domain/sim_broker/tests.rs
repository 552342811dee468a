//! Tests of the simulated broker: prices within a bar, then the account's stories.

use super::*;
use crate::fixed::{Bp, Volume};
use crate::order::Side;
use crate::order::{DecisionId, Fill};
use crate::ratio::Ratio;

const HOUR_MS: i64 = 3_600_000;
/// 2012-03-01T00:00:00Z, a Thursday.
const DAY_ZERO_MS: i64 = 1_330_560_000_000;

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn goog() -> Symbol {
    Symbol::new("GOOG").unwrap()
}

/// The regular session of a day in New York's winter.
fn bar(day: i64, [open, high, low, close]: [&str; 4]) -> Bar {
    let midnight = DAY_ZERO_MS + day * 24 * HOUR_MS;
    Bar {
        open_time: Time::from_ms(midnight + 14 * HOUR_MS + HOUR_MS / 2),
        close_time: Time::from_ms(midnight + 21 * HOUR_MS),
        open: price(open),
        high: price(high),
        low: price(low),
        close: price(close),
        volume: Volume::from_units(1_000).unwrap(),
    }
}

fn broker(config: SimConfig) -> SimBroker {
    let mut broker = SimBroker::new(config, Money::from_units(10_000).unwrap()).unwrap();
    broker.list(goog(), AssetClass::Equity);
    broker.on_bar(&goog(), &bar(0, ["100", "101", "99", "100"])).unwrap();
    broker
}

fn free(fill_at: FillAt) -> SimConfig {
    SimConfig::raw(fill_at, Bp::ZERO)
}

fn order(nth: u32, side: Side, qty: &str, kind: OrderKind) -> OrderIntent {
    let decision = DecisionId::new(&goog(), Time::from_ms(DAY_ZERO_MS), "entry");
    OrderIntent {
        client_order_id: ClientOrderId::derive(&decision, side, nth),
        decision,
        symbol: goog(),
        side,
        qty: qty.parse().unwrap(),
        kind,
        time_in_force: TimeInForce::Gtc,
        extended_hours: false,
        purpose: Purpose::Entry,
        at: Time::from_ms(DAY_ZERO_MS),
        reference: price("100"),
        exits: None,
    }
}

fn exit(nth: u32, side: Side, qty: &str, kind: OrderKind, reason: ExitReason) -> OrderIntent {
    OrderIntent { purpose: Purpose::Exit { reason }, ..order(nth, side, qty, kind) }
}

fn now() -> Time {
    bar(0, ["1"; 4]).close_time
}

fn fills(events: &[OrderEvent]) -> Vec<&Fill> {
    let filled = events.iter().filter_map(|event| match &event.news {
        News::Fill { fill } => Some(fill),
        _ => None,
    });
    filled.collect()
}

fn words(events: &[OrderEvent]) -> Vec<&'static str> {
    let word = |news: &News| match news {
        News::Accepted { .. } => "accepted",
        News::Fill { .. } => "fill",
        News::Canceled => "canceled",
        News::Expired => "expired",
        News::Rejected { code, .. } => code.as_str(),
        _ => "other",
    };
    events.iter().map(|event| word(&event.news)).collect()
}

#[test]
fn an_order_that_rested_before_a_bar_fills_by_the_worse_path() {
    let p = price;
    let limit = |limit| OrderKind::Limit { limit: p(limit) };
    let stop = |stop| OrderKind::Stop { stop: p(stop) };
    let both = |stop, limit| OrderKind::StopLimit { stop: p(stop), limit: p(limit) };
    let trail = |trail| OrderKind::TrailingStop { trail: p(trail) };
    // The bar opens at 100, reaches 110 and 90, and closes at 105; trailing stops followed 98.
    let cases = [
        (OrderKind::Market, Side::Buy, Some("100")),
        (limit("101"), Side::Buy, Some("100")),
        (limit("95"), Side::Buy, Some("95")),
        (limit("90"), Side::Buy, Some("90")),
        (limit("89.99"), Side::Buy, None),
        (limit("99"), Side::Sell, Some("100")),
        (limit("108"), Side::Sell, Some("108")),
        (limit("110.01"), Side::Sell, None),
        (stop("104"), Side::Buy, Some("104")),
        (stop("99"), Side::Buy, Some("100")),
        (stop("111"), Side::Buy, None),
        (stop("96"), Side::Sell, Some("96")),
        (stop("102"), Side::Sell, Some("100")),
        (stop("89"), Side::Sell, None),
        (both("104", "105"), Side::Buy, Some("104")),
        (both("99", "99.5"), Side::Buy, None),
        (both("96", "97"), Side::Sell, None),
        (both("96", "95"), Side::Sell, Some("96")),
        (trail("5"), Side::Sell, Some("93")),
        (trail("20"), Side::Sell, None),
        (trail("1"), Side::Buy, Some("100")),
        (trail("8"), Side::Buy, Some("106")),
    ];
    let bar = bar(1, ["100", "110", "90", "105"]);
    for (kind, side, expected) in cases {
        let reached = reach(kind, side, &bar, FillAt::NextOpen, false, p("98"));
        let got = if let Reach::Fills(offer) = reached { Some(offer.price) } else { None };
        assert_eq!(got, expected.map(p), "{side} {kind:?}");
    }
}

#[test]
fn a_market_order_fills_at_the_next_open_or_at_this_close_with_fee_and_slippage_against_it() {
    let mut broker = broker(SimConfig::default());
    let events = broker.submit(order(0, Side::Buy, "10", OrderKind::Market), now()).unwrap();
    assert_eq!(words(&events), ["accepted"]);
    let events = broker.on_bar(&goog(), &bar(1, ["102", "103", "101", "103"])).unwrap();
    let fill = fills(&events)[0];
    assert_eq!((fill.price, fill.fee), (price("102.051"), Money::from_units(1).unwrap()));
    assert_eq!(fill.at, bar(1, ["1"; 4]).open_time);

    let config = SimConfig { fill_at: FillAt::Close, fee: Bp::whole(10), ..SimConfig::default() };
    let mut broker = self::broker(config);
    let events = broker.submit(order(0, Side::Sell, "10", OrderKind::Market), now()).unwrap();
    assert_eq!(words(&events), ["accepted", "fill"]);
    let fill = fills(&events)[0];
    assert_eq!((fill.price, fill.fee), (price("99.95"), "1.9995".parse().unwrap()));
}

#[test]
fn coins_slip_more_and_are_never_sold_short() {
    let coin = Symbol::new("BTC/USD").unwrap();
    let config = SimConfig { fill_at: FillAt::Close, ..SimConfig::default() };
    let mut broker = broker(config);
    broker.list(coin.clone(), AssetClass::Crypto);
    broker.on_bar(&coin, &bar(0, ["100", "101", "99", "100"])).unwrap();
    let buy = OrderIntent { symbol: coin.clone(), ..order(0, Side::Buy, "2", OrderKind::Market) };
    let events = broker.submit(buy, now()).unwrap();
    assert_eq!(fills(&events)[0].price, price("100.25"));
    let sell = OrderIntent { symbol: coin, ..order(1, Side::Sell, "3", OrderKind::Market) };
    assert_eq!(words(&broker.submit(sell, now()).unwrap()), ["broker.rejected"]);
}

/// O-2: one intent, at most one live order.
#[test]
fn an_order_submitted_twice_is_filled_once_and_answered_as_before() {
    let mut broker = broker(free(FillAt::Close));
    let buy = order(0, Side::Buy, "10", OrderKind::Market);
    broker.submit(buy.clone(), now()).unwrap();
    let before = broker.clone();
    assert_eq!(words(&broker.submit(buy, now()).unwrap()), ["accepted"]);
    assert_eq!(broker, before);
    let poor = order(1, Side::Buy, "1000", OrderKind::Market);
    for _ in 0..2 {
        assert_eq!(words(&broker.submit(poor.clone(), now()).unwrap()), ["broker.funds"]);
    }
    let rests = order(2, Side::Buy, "1", OrderKind::Limit { limit: price("50") });
    for _ in 0..2 {
        assert_eq!(words(&broker.submit(rests.clone(), now()).unwrap()), ["accepted"]);
    }
    assert_eq!(broker.resting().count(), 1);
    assert_eq!(words(&broker.cancel(&rests.client_order_id, now())), ["canceled"]);
    assert!(broker.cancel(&rests.client_order_id, now()).is_empty());
}

#[test]
fn a_stop_comes_before_a_target_in_one_bar_and_fills_at_a_gapped_open() {
    for (day, expected) in [(["100", "110", "90", "105"], "95"), (["92", "110", "90", "105"], "92")]
    {
        let mut broker = broker(free(FillAt::Close));
        broker.submit(order(0, Side::Buy, "10", OrderKind::Market), now()).unwrap();
        let target = OrderKind::Limit { limit: price("108") };
        let stop = OrderKind::Stop { stop: price("95") };
        broker.submit(exit(1, Side::Sell, "10", target, ExitReason::TakeProfit), now()).unwrap();
        broker.submit(exit(2, Side::Sell, "10", stop, ExitReason::Stop), now()).unwrap();
        let events = broker.on_bar(&goog(), &bar(1, day)).unwrap();
        assert_eq!(words(&events), ["fill", "canceled"]);
        assert_eq!(fills(&events)[0].price, price(expected));
        assert_eq!(broker.book().trades()[0].exit_reason, ExitReason::Stop);
        assert!(broker.book().positions().is_empty());
    }
}

#[test]
fn a_protective_exit_found_at_the_close_fills_where_it_would_have_rested() {
    let mut broker = broker(free(FillAt::NextOpen));
    broker.submit(order(0, Side::Buy, "10", OrderKind::Market), now()).unwrap();
    let day = bar(1, ["100", "101", "90", "91"]);
    broker.on_bar(&goog(), &day).unwrap();
    let stop = OrderKind::Stop { stop: price("95") };
    let stop = exit(1, Side::Sell, "10", stop, ExitReason::Stop);
    let events = broker.submit(stop, day.close_time).unwrap();
    assert_eq!(fills(&events)[0].price, price("95"));
    // A person's stop is an ordinary order: it waits for what comes.
    let mut broker = self::broker(free(FillAt::NextOpen));
    broker.submit(order(0, Side::Buy, "10", OrderKind::Market), now()).unwrap();
    broker.on_bar(&goog(), &day).unwrap();
    let stop = OrderKind::Stop { stop: price("95") };
    let stop = exit(1, Side::Sell, "10", stop, ExitReason::Person);
    assert_eq!(words(&broker.submit(stop, day.close_time).unwrap()), ["accepted"]);
}

#[test]
fn an_exit_never_turns_a_position_around() {
    let mut broker = broker(free(FillAt::Close));
    broker.submit(order(0, Side::Buy, "3", OrderKind::Market), now()).unwrap();
    let large = exit(1, Side::Sell, "10", OrderKind::Market, ExitReason::Person);
    let events = broker.submit(large, now()).unwrap();
    assert_eq!(words(&events), ["accepted", "fill", "canceled"]);
    assert!(broker.book().positions().is_empty());
    let again = exit(2, Side::Sell, "10", OrderKind::Market, ExitReason::Person);
    assert_eq!(words(&broker.submit(again, now()).unwrap()), ["accepted", "canceled"]);
}

#[test]
fn volume_fills_an_order_in_parts_and_ioc_cancels_the_rest() {
    let config = SimConfig { volume_share: Some(Ratio::of(0.01)), ..free(FillAt::NextOpen) };
    let mut broker = broker(config);
    broker.submit(order(0, Side::Buy, "25", OrderKind::Market), now()).unwrap();
    let got: Vec<String> = (1..5)
        .flat_map(|day| broker.on_bar(&goog(), &bar(day, ["100", "101", "99", "100"])).unwrap())
        .filter_map(|event| match event.news {
            News::Fill { fill } => Some(format!("{}:{}", fill.nth, fill.qty)),
            _ => None,
        })
        .collect();
    assert_eq!(got, ["0:10", "1:10", "2:5"]);
    let ioc = order(1, Side::Buy, "25", OrderKind::Market);
    let ioc = OrderIntent { time_in_force: TimeInForce::Ioc, ..ioc };
    broker.submit(ioc, now()).unwrap();
    let events = broker.on_bar(&goog(), &bar(5, ["100", "101", "99", "100"])).unwrap();
    assert_eq!(words(&events), ["fill", "canceled"]);
}

#[test]
fn an_order_is_on_its_way_for_the_bars_of_the_delay() {
    for (fill_at, expected) in [(FillAt::NextOpen, "103"), (FillAt::Close, "102.5")] {
        let config = SimConfig { delay_bars: 2, ..free(fill_at) };
        let mut broker = broker(config);
        broker.submit(order(0, Side::Buy, "1", OrderKind::Market), now()).unwrap();
        let days = [["101", "102", "101", "101.5"], ["102", "103", "102", "102.5"]];
        let days = days.into_iter().chain([["103", "104", "103", "103.5"]]);
        let events: Vec<OrderEvent> = (1..)
            .zip(days)
            .flat_map(|(day, prices)| broker.on_bar(&goog(), &bar(day, prices)).unwrap())
            .collect();
        assert_eq!(fills(&events)[0].price, price(expected), "{}", fill_at.name());
    }
}

#[test]
fn a_day_order_expires_with_its_session_and_gtc_stays() {
    let far = OrderKind::Limit { limit: price("50") };
    let mut broker = broker(free(FillAt::NextOpen));
    let day_order =
        OrderIntent { time_in_force: TimeInForce::Day, ..order(0, Side::Buy, "1", far) };
    broker.submit(day_order.clone(), now()).unwrap();
    broker.submit(order(1, Side::Buy, "1", far), now()).unwrap();
    let events = broker.on_bar(&goog(), &bar(1, ["100", "101", "99", "100"])).unwrap();
    assert_eq!(words(&events), ["expired"]);
    assert_eq!(events[0].order, day_order.client_order_id);
    assert_eq!(broker.resting().count(), 1);
}

#[test]
fn within_a_day_an_order_lives_until_the_close_and_sees_no_bar_of_the_extended_hours() {
    let minute = |hour: i64, prices| {
        let day = bar(1, prices);
        let open = day.close_time.ms() + (hour - 21) * HOUR_MS;
        Bar { open_time: Time::from_ms(open), close_time: Time::from_ms(open + 60_000), ..day }
    };
    let flat = ["100", "101", "99", "100"];
    let low = ["100", "101", "40", "100"];
    let far = OrderKind::Limit { limit: price("50") };
    for (extended_hours, expected) in [(false, "expired"), (true, "fill")] {
        let mut broker = broker(free(FillAt::NextOpen));
        let day_order = OrderIntent {
            time_in_force: TimeInForce::Day,
            extended_hours,
            ..order(0, Side::Buy, "1", far)
        };
        broker.submit(day_order, now()).unwrap();
        // 13:00 in UTC is before the opening in New York, 21:00 its close.
        let events: Vec<OrderEvent> = [(13, low), (15, flat), (20, flat), (21, low)]
            .into_iter()
            .flat_map(|(hour, prices)| broker.on_bar(&goog(), &minute(hour, prices)).unwrap())
            .collect();
        assert_eq!(words(&events), [expected]);
    }
}

#[test]
fn chance_rejects_by_seed_and_id_whatever_the_order_of_arrival() {
    let config = |seed| SimConfig { rejection: Ratio::of(0.5), seed, ..free(FillAt::Close) };
    let rejected = |seed, ids: Vec<u32>| {
        let mut broker = broker(config(seed));
        let mut found: Vec<u32> = ids
            .into_iter()
            .filter(|&nth| {
                let intent = order(nth, Side::Buy, "0.001", OrderKind::Market);
                words(&broker.submit(intent, now()).unwrap()) == ["broker.rejected"]
            })
            .collect();
        found.sort_unstable();
        found
    };
    let first = rejected(1, (0..100).collect());
    assert_eq!(first, rejected(1, (0..100).rev().collect()));
    assert_ne!(first, rejected(2, (0..100).collect()));
    assert!((30..70).contains(&first.len()), "{}", first.len());
}

#[test]
fn what_the_account_cannot_pay_for_is_rejected_and_exits_never_are() {
    let mut broker = broker(free(FillAt::NextOpen));
    broker.submit(order(0, Side::Buy, "99", OrderKind::Market), now()).unwrap();
    let events = broker.on_bar(&goog(), &bar(1, ["102", "103", "101", "103"])).unwrap();
    assert_eq!(words(&events), ["broker.funds"]);
    broker.submit(order(1, Side::Sell, "90", OrderKind::Market), now()).unwrap();
    broker.on_bar(&goog(), &bar(2, ["100", "101", "99", "100"])).unwrap();
    let more = order(2, Side::Sell, "20", OrderKind::Market);
    assert_eq!(words(&broker.submit(more, now()).unwrap()), ["broker.funds"]);
    broker.on_bar(&goog(), &bar(3, ["300", "300", "300", "300"])).unwrap();
    assert!(broker.book().is_ruined());
    broker.submit(exit(3, Side::Buy, "90", OrderKind::Market, ExitReason::Person), now()).unwrap();
    let events = broker.on_bar(&goog(), &bar(4, ["310", "310", "310", "310"])).unwrap();
    assert_eq!(words(&events), ["fill"]);
}

#[test]
fn the_units_that_an_amount_pays_for_are_the_most_there_are() {
    for (fee, fixed) in [(0, 0), (20, 0), (20, 1), (9_999, 3)] {
        let config = SimConfig {
            fee: Bp::whole(fee),
            fee_per_trade: Money::from_units(fixed).unwrap(),
            ..SimConfig::default()
        };
        for (amount, at) in [("10000", "33.33"), ("100", "100"), ("100.2", "100"), ("0.5", "1")] {
            let (money, at): (Money, Price) = (amount.parse().unwrap(), at.parse().unwrap());
            let needed = |units: i64| {
                let value = crate::fixed::notional(at, Qty::from_units(units).unwrap()).unwrap();
                value.plus(config.fee_of(value, true).unwrap()).unwrap()
            };
            let units = config.affordable(money, at);
            assert!(units == 0 || needed(units) <= money, "{fee} {fixed} {amount}");
            assert!(needed(units + 1) > money, "{fee} {fixed} {amount}");
        }
    }
}
