//! What is asked, heard and stated, as tables.

use serde_json::{Value, json};

use super::*;
use crate::order::{DecisionId, ExitReason};

const OURS_ID: &str = "cv-0123456789abcdef0123456789abcdef";

fn symbol(name: &str) -> Symbol {
    Symbol::new(name).unwrap()
}

fn intent(name: &str, side: order::Side, kind: OrderKind) -> OrderIntent {
    let symbol = symbol(name);
    let decision = DecisionId::new(&symbol, Time::EPOCH, "entry");
    OrderIntent {
        client_order_id: ClientOrderId::derive(&decision, side, 0),
        decision,
        symbol,
        side,
        qty: "2.5".parse().unwrap(),
        kind,
        time_in_force: order::TimeInForce::Day,
        extended_hours: false,
        purpose: Purpose::Entry,
        at: Time::EPOCH,
        reference: "100".parse().unwrap(),
        exits: None,
    }
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

/// O-2: one intent, at most one live order: whatever it is, the order carries the intent's id, its size
/// and its side.
#[test]
fn an_intent_is_asked_for_as_it_is() {
    let (limit, stop) = (price("101.25"), price("98.5"));
    let exit = Purpose::Exit { reason: ExitReason::Stop };
    for (kind, word, wanted) in [
        (OrderKind::Market, OrderType::Market, [None, None, None]),
        (OrderKind::Limit { limit }, OrderType::Limit, [Some("101.25"), None, None]),
        (OrderKind::Stop { stop }, OrderType::Stop, [None, Some("98.5"), None]),
        (
            OrderKind::StopLimit { stop, limit },
            OrderType::StopLimit,
            [Some("101.25"), Some("98.5"), None],
        ),
        (
            OrderKind::TrailingStop { trail: price("0.5") },
            OrderType::TrailingStop,
            [None, None, Some("0.5")],
        ),
    ] {
        for (purpose, side, ours, meant) in [
            (Purpose::Entry, order::Side::Buy, Side::Buy, PositionIntent::BuyToOpen),
            (Purpose::Entry, order::Side::Sell, Side::Sell, PositionIntent::SellToOpen),
            (exit, order::Side::Buy, Side::Buy, PositionIntent::BuyToClose),
            (exit, order::Side::Sell, Side::Sell, PositionIntent::SellToClose),
        ] {
            let intent = OrderIntent { purpose, ..intent("AAPL", side, kind) };
            let order = asked(&intent, AssetClass::Equity);
            assert_eq!(order.client_order_id.as_deref(), Some(intent.client_order_id.as_str()));
            assert_eq!(our_id(intent.client_order_id.as_str()), Some(intent.client_order_id));
            assert_eq!((order.kind, order.side), (word.clone(), ours));
            assert_eq!(order.position_intent, Some(meant));
            assert_eq!(order.qty.unwrap().to_string(), "2.5");
            let prices = [order.limit_price, order.stop_price, order.trail_price];
            let prices = prices.map(|it| it.map(|it| it.to_string()));
            assert_eq!(prices, wanted.map(|it| it.map(str::to_owned)), "{kind:?}");
        }
    }
}

#[test]
fn a_coin_knows_no_day_and_everything_else_stays_as_long_as_it_is_meant_to() {
    use order::TimeInForce as Meant;
    for (class, meant, wanted) in [
        (AssetClass::Equity, Meant::Day, TimeInForce::Day),
        (AssetClass::Equity, Meant::Gtc, TimeInForce::Gtc),
        (AssetClass::Equity, Meant::Ioc, TimeInForce::Ioc),
        (AssetClass::Crypto, Meant::Day, TimeInForce::Gtc),
        (AssetClass::Crypto, Meant::Gtc, TimeInForce::Gtc),
        (AssetClass::Crypto, Meant::Ioc, TimeInForce::Ioc),
    ] {
        let of = intent("BTC/USD", order::Side::Buy, OrderKind::Market);
        let of = OrderIntent { time_in_force: meant, extended_hours: true, ..of };
        let order = asked(&of, class);
        assert_eq!((order.time_in_force, order.extended_hours), (wanted, true), "{class:?}");
        assert_eq!(order.symbol, "BTC/USD");
    }
}

/// An update of an order of ten of which so many are filled.
fn update(event: &str, id: &str, filled: &str, more: &Value) -> TradeUpdate {
    let average = if filled == "0" { Value::Null } else { json!("100.5") };
    let mut text = json!({
        "event": event, "timestamp": "2024-02-08T15:00:00Z",
        "order": {
            "id": "venue-1", "client_order_id": id, "symbol": "AAPL", "qty": "10", "side": "buy",
            "type": "market", "time_in_force": "day", "status": "new", "filled_qty": filled,
            "filled_avg_price": average,
        },
    });
    for (name, value) in more.as_object().unwrap() {
        text[name] = value.clone();
    }
    serde_json::from_value(text).unwrap()
}

fn words(reports: &[Report]) -> Vec<String> {
    let word = |report: &Report| match &report.said {
        Said::Executed { execution: it } => {
            format!("{} {} at {} of {}", it.id, it.qty, it.price, it.filled)
        }
        Said::Total { filled, average } => format!("total {filled} at {average}"),
        Said::Rejected { code, .. } => code.as_str().to_owned(),
        other => serde_json::to_value(other).unwrap()["said"].as_str().unwrap().to_owned(),
    };
    reports.iter().map(word).collect()
}

/// P-1: an end that overtakes its fills says what it ended at, and a later execution what came before.
#[test]
fn an_update_says_what_happened_and_what_must_have_happened_before() {
    let execution = json!({"execution_id": "e1", "qty": "4", "price": "101"});
    let unnamed = json!({"qty": "4", "price": "101"});
    let none = json!({});
    for (event, filled, more, wanted) in [
        ("new", "0", &none, vec!["accepted"]),
        ("accepted", "0", &none, vec!["accepted"]),
        ("pending_new", "0", &none, vec!["accepted"]),
        ("partial_fill", "4", &execution, vec!["e1 4 at 101 of 4"]),
        ("partial_fill", "7", &execution, vec!["e1 4 at 101 of 7", "total 7 at 100.5"]),
        ("fill", "10", &execution, vec!["e1 4 at 101 of 10", "total 10 at 100.5"]),
        ("fill", "10", &unnamed, vec!["total 10 at 100.5"]),
        ("fill", "0", &none, vec![]),
        ("canceled", "0", &none, vec!["canceled"]),
        ("canceled", "4", &none, vec!["total 4 at 100.5", "canceled"]),
        ("expired", "4", &none, vec!["total 4 at 100.5", "expired"]),
        ("replaced", "4", &none, vec!["total 4 at 100.5", "replaced"]),
        ("rejected", "0", &none, vec!["broker.rejected"]),
        ("order_cancel_rejected", "0", &none, vec!["cancel_rejected"]),
        ("pending_cancel", "0", &none, vec![]),
        ("restated", "4", &none, vec![]),
        ("a word of next year", "4", &none, vec![]),
    ] {
        let reports = heard(&update(event, OURS_ID, filled, more), Time::EPOCH);
        assert_eq!(words(&reports), wanted, "{event} {filled}");
        let at: Time = "2024-02-08T15:00:00Z".parse().unwrap();
        assert!(reports.iter().all(|it| it.at == at && it.order.as_str() == OURS_ID));
    }
    let mut timeless = update("new", OURS_ID, "0", &none);
    timeless.timestamp = None;
    assert_eq!(heard(&timeless, Time::from_ms(7))[0].at, Time::from_ms(7));
}

/// What makes the account another one than ours says is a reason to compare it.
#[test]
fn strangers_fills_corrections_and_half_a_fill_are_doubtful() {
    let execution = json!({"execution_id": "e1", "qty": "4", "price": "101"});
    let none = json!({});
    for (event, id, filled, more, wanted) in [
        ("fill", OURS_ID, "4", &execution, false),
        ("fill", OURS_ID, "4", &none, false),
        ("fill", OURS_ID, "0", &none, true),
        ("fill", "by-hand", "4", &execution, true),
        ("partial_fill", "", "4", &execution, true),
        ("new", "by-hand", "0", &none, false),
        ("canceled", "by-hand", "0", &none, false),
        ("restated", OURS_ID, "4", &none, true),
        ("restated", "by-hand", "4", &none, true),
    ] {
        let update = update(event, id, filled, more);
        assert_eq!(is_doubtful(&update), wanted, "{event} of `{id}`, {filled}");
        assert!(id == OURS_ID || heard(&update, Time::EPOCH).is_empty());
    }
}

#[test]
fn an_id_that_is_not_ours_is_none() {
    for id in ["", "cv", "CV-0123456789abcdef0123456789abcdef", "r42-entry", " cv-1"] {
        assert_eq!(our_id(id), None, "{id}");
    }
    let long = format!("cv-{}", "0".repeat(500));
    assert_eq!(our_id(&long), None);
    assert_eq!(our_id(OURS_ID).unwrap().as_str(), OURS_ID);
}

#[test]
fn an_order_is_stated_as_it_stands() {
    let order = |status: &str, filled: &str| {
        let mut order = update("new", OURS_ID, filled, &json!({})).order;
        order.status = serde_json::from_value(json!(status)).unwrap();
        order.updated_at = Some(serde_json::from_value(json!("2024-02-08T15:01:00Z")).unwrap());
        order
    };
    let rejected = StatedState::Rejected { text: Code::BrokerRejected.cause().to_owned() };
    for (status, wanted) in [
        ("new", StatedState::Open),
        ("accepted", StatedState::Open),
        ("partially_filled", StatedState::Open),
        ("pending_cancel", StatedState::Open),
        ("held", StatedState::Open),
        ("done_for_day", StatedState::Open),
        ("a word of next year", StatedState::Open),
        ("filled", StatedState::Filled),
        ("canceled", StatedState::Canceled),
        ("expired", StatedState::Expired),
        ("replaced", StatedState::Replaced),
        ("rejected", rejected),
    ] {
        let told = stated(&order(status, "4"), Time::EPOCH).unwrap();
        assert_eq!((&told.state, told.order.as_str()), (&wanted, OURS_ID), "{status}");
        assert_eq!((told.filled.to_string(), told.average), ("4".to_owned(), Some(price("100.5"))));
        assert_eq!(told.venue_order_id.as_deref(), Some("venue-1"));
        assert_eq!(told.at.to_string(), "2024-02-08T15:01:00Z");
    }
    let mut foreign = order("new", "0");
    foreign.client_order_id = "by-hand".to_owned();
    assert_eq!(stated(&foreign, Time::EPOCH), None);
    let mut timeless = order("new", "0");
    timeless.updated_at = None;
    assert_eq!(stated(&timeless, Time::from_ms(7)).unwrap().at, Time::from_ms(7));
}

fn position(name: &str, class: &str, qty: &str, more: &Value) -> Position {
    let mut text = json!({
        "asset_id": "a", "symbol": name, "asset_class": class, "qty": qty, "side": "long",
        "avg_entry_price": "10", "current_price": "11",
    });
    for (key, value) in more.as_object().unwrap() {
        text[key] = value.clone();
    }
    serde_json::from_value(text).unwrap()
}

fn account() -> Account {
    let account = json!({
        "id": "a", "account_number": "1", "status": "ACTIVE", "currency": "USD", "cash": "900",
        "equity": "1000", "last_equity": "1000", "buying_power": "2000", "portfolio_value": "1000",
    });
    serde_json::from_value(account).unwrap()
}

fn state(positions: &[Position]) -> Result<Statement, UnstatedError> {
    let known = ["BTC/USD", "AAPL", "BRK.B"].map(symbol);
    statement((3, Time::from_ms(9)), &account(), positions, (Vec::new(), 2), &known)
}

#[test]
fn positions_are_told_by_our_names_with_their_sign_and_a_price() {
    let short = json!({"side": "short"});
    let unpriced = json!({"current_price": null, "market_value": "-25"});
    for (name, class, qty, more, wanted) in [
        ("AAPL", "us_equity", "3", json!({}), ("AAPL", "3", "11")),
        ("AAPL", "us_equity", "-3", short.clone(), ("AAPL", "-3", "11")),
        ("AAPL", "us_equity", "3", short, ("AAPL", "-3", "11")),
        ("BTCUSD", "crypto", "0.5", json!({}), ("BTC/USD", "0.5", "11")),
        ("BTC/USD", "crypto", "0.5", json!({}), ("BTC/USD", "0.5", "11")),
        ("DOGEUSD", "crypto", "7", json!({}), ("DOGE/USD", "7", "11")),
        ("AAPL", "us_equity", "-2", unpriced, ("AAPL", "-2", "12.5")),
    ] {
        let told = state(&[position(name, class, qty, &more)]).unwrap();
        let [held] = &told.positions[..] else { panic!("{told:?}") };
        let found = (held.symbol.as_str(), held.qty.to_string(), held.price.to_string());
        assert_eq!((found.0, &*found.1, &*found.2), wanted, "{name} {qty}");
        let is_coin = class == "crypto";
        assert_eq!(held.class == AssetClass::Crypto, is_coin);
        assert_eq!(held.average, price("10"));
    }
    let told = state(&[]).unwrap();
    assert_eq!((told.changes, told.at, told.foreign_orders), (3, Time::from_ms(9), 2));
    assert_eq!((told.cash, told.equity), (account().cash, Some(account().equity)));
}

#[test]
fn a_position_that_cannot_be_told_has_the_whole_statement_refused() {
    let bare = json!({"current_price": null, "market_value": null});
    let nothing = json!({"current_price": null, "market_value": "5"});
    let huge = json!({"current_price": null, "market_value": "90000000000"});
    for (of, part) in [
        (position("AAPL", "us_equity", "3", &bare), "says no price"),
        (position("AAPL", "us_equity", "0", &nothing), "says no price"),
        (position("AAPL", "us_equity", "0.000000001", &huge), "out of range"),
        (position("no such thing at all", "us_equity", "1", &json!({})), "no symbol here"),
        (position("", "us_equity", "1", &json!({})), "no symbol here"),
    ] {
        let said = state(&[position("AAPL", "us_equity", "1", &json!({})), of]).unwrap_err();
        assert!(said.to_string().contains(part), "{said}");
    }
}
