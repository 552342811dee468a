//! The matrix of orders as a table, and properties of it.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::time::Time;

fn moment(text: &str) -> Moment {
    Moment::at(text.parse::<Time>().unwrap())
}

/// Within the regular session, before the opening, after the close, over night, and on a Sunday.
const AT: [(&str, &str); 5] = [
    ("regular", "2024-07-10T15:00:00Z"),
    ("pre", "2024-07-10T12:00:00Z"),
    ("after", "2024-07-10T21:00:00Z"),
    ("night", "2024-07-11T01:00:00Z"),
    ("sunday", "2024-07-14T15:00:00Z"),
];

/// Judges an order of one share, or coin, as changed by `change`, while `position` is held.
fn judge(asset: &AssetFlags, at: &str, position: &str, change: &Value) -> String {
    let symbol = if asset.class == AssetClass::Crypto { "BTC/USD" } else { "AAPL" };
    let stays = if asset.class == AssetClass::Crypto { "gtc" } else { "day" };
    let mut order = json!({"symbol": symbol, "qty": "1", "side": "buy", "type": "market",
                           "time_in_force": stays});
    for (key, value) in change.as_object().unwrap() {
        order[key] = value.clone();
    }
    let order: NewOrder = serde_json::from_value(order).unwrap();
    let time = AT.iter().find(|(name, _)| *name == at).unwrap().1;
    match admit(&order, asset, moment(time), position.parse().unwrap()) {
        Ok(()) => "ok".to_owned(),
        Err(refusal) => format!("{} {} {}", refusal.status, refusal.code, refusal.message),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "a table is easier to read without borrows")]
#[track_caller]
fn check(asset: &AssetFlags, at: &str, position: &str, change: Value, expected: &str) {
    let got = judge(asset, at, position, &change);
    assert!(got == expected || (expected != "ok" && got.contains(expected)), "{change}: {got}");
}

#[test]
fn sessions_follow_new_york_through_summer_night_and_early_close() {
    for (text, session, minute, close) in [
        ("2024-07-10T15:00:00Z", SessionKind::Regular, 660, Some(960)),
        ("2024-01-10T15:00:00Z", SessionKind::Regular, 600, Some(960)),
        ("2024-07-11T01:00:00Z", SessionKind::Overnight, 1_260, Some(960)),
        ("2024-07-11T07:59:00Z", SessionKind::Overnight, 239, Some(960)),
        ("2024-07-11T08:00:00Z", SessionKind::Pre, 240, Some(960)),
        ("2024-07-13T01:00:00Z", SessionKind::Closed, 1_260, Some(960)),
        ("2024-07-15T01:00:00Z", SessionKind::Overnight, 1_260, None),
        ("2024-11-29T17:00:00Z", SessionKind::Regular, 720, Some(780)),
        ("2024-12-25T15:00:00Z", SessionKind::Closed, 600, None),
    ] {
        let expected = Moment { session, minute, close_minute: close };
        assert_eq!(moment(text), expected, "{text}");
    }
}

#[test]
fn shares_by_type_time_in_force_and_session() {
    let share = &AssetFlags::SHARE;
    let limit = |stay: &str, extended: bool| {
        json!({"type": "limit", "limit_price": "150.10", "time_in_force": stay,
               "extended_hours": extended})
    };
    for (at, _) in AT {
        for stay in ["day", "gtc"] {
            check(share, at, "0", limit(stay, false), "ok");
            check(share, at, "0", limit(stay, true), "ok");
            for (kind, price) in [("stop", "stop_price"), ("trailing_stop", "trail_percent")] {
                check(
                    share,
                    at,
                    "0",
                    json!({"type": kind, price: "1", "time_in_force": stay}),
                    "ok",
                );
                let early = json!({"type": kind, price: "1", "time_in_force": stay,
                                   "extended_hours": true});
                check(share, at, "0", early, "must be DAY or GTC limit orders");
            }
        }
        for stay in ["ioc", "fok"] {
            let expected = if at == "regular" { "ok" } else { "during the regular session only" };
            check(share, at, "0", limit(stay, false), expected);
            check(share, at, "0", limit(stay, true), "must be DAY or GTC limit orders");
        }
    }
    check(
        &AssetFlags { overnight: false, ..*share },
        "night",
        "0",
        limit("day", true),
        "over night",
    );
    check(
        share,
        "regular",
        "0",
        json!({"type": "trailing_stop", "trail_price": "1",
        "time_in_force": "ioc"}),
        "trailing_stop orders must be",
    );
    check(
        share,
        "regular",
        "0",
        json!({"type": "stop", "stop_price": "1", "time_in_force": "opg"}),
        "opg orders must be simple market or limit",
    );
}

#[test]
fn auctions_close_their_books_and_open_them_again() {
    let at = |text: &str, stay: &str| {
        let order = json!({"symbol": "A", "qty": "1", "side": "buy", "type": "market",
                           "time_in_force": stay});
        let order = serde_json::from_value(order).unwrap();
        admit(&order, &AssetFlags::SHARE, moment(text), Qty::ZERO).is_ok()
    };
    for (stay, text, taken) in [
        ("opg", "2024-07-10T13:27:00Z", true),
        ("opg", "2024-07-10T13:28:00Z", false),
        ("opg", "2024-07-10T22:59:00Z", false),
        ("opg", "2024-07-10T23:00:00Z", true),
        ("opg", "2024-07-13T15:00:00Z", true),
        ("cls", "2024-07-10T19:49:00Z", true),
        ("cls", "2024-07-10T19:50:00Z", false),
        ("cls", "2024-11-29T17:49:00Z", true),
        ("cls", "2024-11-29T17:50:00Z", false),
        ("cls", "2024-07-10T23:00:00Z", true),
    ] {
        assert_eq!(at(text, stay), taken, "{stay} {text}");
    }
}

#[test]
fn prices_belong_to_their_types_and_stand_on_ticks() {
    let share = &AssetFlags::SHARE;
    let kinds = ["market", "limit", "stop", "stop_limit", "trailing_stop"];
    let prices = ["limit_price", "stop_price", "trail_price"];
    for (kind, wanted) in kinds.into_iter().zip([0b000, 0b001, 0b010, 0b011, 0b100]) {
        for given in 0..8 {
            let mut order = json!({"type": kind});
            for (bit, name) in prices.iter().enumerate().filter(|(bit, _)| given & (1 << bit) != 0)
            {
                order[*name] = json!(format!("10.{bit}"));
            }
            let expected = if given == wanted { "ok" } else { "422 40010001" };
            check(share, "regular", "0", order, expected);
        }
    }
    for (price, expected) in [
        ("1", "ok"),
        ("1.01", "ok"),
        ("1.010", "ok"),
        ("0.9999", "ok"),
        ("0.0001", "ok"),
        ("290.123", "sub-penny"),
        ("0.99999", "sub-penny"),
        ("1.0001", "sub-penny"),
        ("0", "must be > 0"),
        ("-1", "must be > 0"),
        ("99999999999999", "must be > 0"),
    ] {
        check(share, "regular", "0", json!({"type": "limit", "limit_price": price}), expected);
        check(share, "regular", "0", json!({"type": "stop", "stop_price": price}), expected);
    }
    let both = json!({"type": "trailing_stop", "trail_price": "1", "trail_percent": "1"});
    check(share, "regular", "0", both, "one of trail_price or trail_percent");
    let coin = AssetFlags { price_step: Some("0.01".parse().unwrap()), ..AssetFlags::COIN };
    for (price, expected) in [("2100.01", "ok"), ("2100.001", "sub-penny")] {
        check(&coin, "sunday", "0", json!({"type": "limit", "limit_price": price}), expected);
    }
}

#[test]
fn amounts_are_positive_whole_or_allowed_to_be_parts() {
    let share = &AssetFlags::SHARE;
    let none = Value::Null;
    for (change, expected) in [
        (json!({"qty": none}), "qty or notional is required"),
        (json!({"notional": "5"}), "only one of qty or notional"),
        (json!({"qty": "0"}), "qty must be > 0"),
        (json!({"qty": "-1"}), "qty must be > 0"),
        (json!({"qty": "0.1234567891"}), "9 decimal places"),
        (json!({"qty": "99999999999"}), "out of range"),
        (json!({"qty": "0.5"}), "ok"),
        (json!({"qty": none, "notional": "500.55"}), "ok"),
        (json!({"qty": "0.5", "time_in_force": "gtc"}), "must be DAY"),
        (json!({"qty": "0.5", "type": "limit", "limit_price": "5"}), "ok"),
        (json!({"qty": "0.5", "type": "stop", "stop_price": "5"}), "ok"),
        (
            json!({"qty": "0.5", "type": "trailing_stop", "trail_price": "5"}),
            "not supported for frac",
        ),
        (
            json!({"qty": none, "notional": "5", "type": "limit", "limit_price": "5"}),
            "not supported",
        ),
        (
            json!({"qty": "0.5", "order_class": "bracket", "take_profit": {"limit_price": "9"},
                "stop_loss": {"stop_price": "5"}}),
            "simple orders",
        ),
        (json!({"qty": "1.000"}), "ok"),
    ] {
        check(share, "regular", "0", change, expected);
    }
    let half_early =
        json!({"qty": "0.5", "type": "limit", "limit_price": "5", "extended_hours": true});
    check(share, "pre", "0", half_early.clone(), "ok");
    let plain = AssetFlags { fractional_extended: false, ..*share };
    check(&plain, "pre", "0", half_early, "no fractional orders in extended hours");
    let whole = AssetFlags { fractionable: false, ..*share };
    check(
        &whole,
        "regular",
        "0",
        json!({"qty": "0.5"}),
        "403 40310000 asset AAPL is not fractionable",
    );
    check(&AssetFlags { tradable: false, ..*share }, "regular", "0", json!({}), "is not active");
}

#[test]
fn nothing_is_sold_that_is_not_there_but_whole_shares_short() {
    let (share, coin) = (&AssetFlags::SHARE, &AssetFlags::COIN);
    let sell = |qty: &str| json!({"side": "sell", "qty": qty});
    check(share, "regular", "0", sell("5"), "ok");
    check(share, "regular", "0", sell("0.5"), "fractional orders cannot be sold short");
    check(
        share,
        "regular",
        "0",
        json!({"side": "sell", "qty": null, "notional": "5"}),
        "sold short",
    );
    check(share, "regular", "5", sell("5"), "ok");
    check(share, "regular", "5", sell("0.5"), "ok");
    check(share, "regular", "5", sell("6"), "403 40310000 insufficient qty available");
    check(share, "regular", "-5", sell("1"), "ok");
    check(share, "regular", "-5", json!({"qty": "5"}), "ok");
    check(share, "regular", "-5", json!({"qty": "6"}), "403 40310000 insufficient qty available");
    let hard = AssetFlags { shortable: false, ..*share };
    check(&hard, "regular", "0", sell("1"), "cannot be sold short");
    check(&hard, "regular", "1", sell("1"), "ok");
    check(coin, "sunday", "0", sell("1"), "403 40310000 insufficient balance");
    check(coin, "sunday", "1", sell("0.5"), "ok");
    check(coin, "sunday", "1", sell("2"), "insufficient qty");
}

#[test]
fn coins_know_few_orders_and_no_legs() {
    let coin = AssetFlags {
        qty_min: Some("0.001".parse().unwrap()),
        qty_step: Some("0.0005".parse().unwrap()),
        ..AssetFlags::COIN
    };
    for (change, expected) in [
        (json!({}), "ok"),
        (json!({"time_in_force": "ioc"}), "ok"),
        (json!({"time_in_force": "day"}), "invalid crypto time_in_force"),
        (json!({"time_in_force": "fok"}), "invalid crypto time_in_force"),
        (json!({"type": "limit", "limit_price": "0.00000812"}), "ok"),
        (json!({"type": "stop_limit", "limit_price": "5", "stop_price": "6"}), "ok"),
        (json!({"type": "stop", "stop_price": "6"}), "invalid order type for crypto"),
        (json!({"type": "trailing_stop", "trail_price": "6"}), "invalid order type for crypto"),
        (json!({"qty": null, "notional": "10"}), "ok"),
        (json!({"qty": "0.0005"}), "minimum order size"),
        (json!({"qty": "0.0012"}), "trade increment"),
        (json!({"type": "limit", "limit_price": "5", "extended_hours": true}), "no extended hours"),
        (
            json!({"order_class": "bracket", "take_profit": {"limit_price": "9"},
                "stop_loss": {"stop_price": "5"}}),
            "crypto orders must be simple",
        ),
    ] {
        check(&coin, "sunday", "0", change, expected);
    }
}

#[test]
fn legs_stand_on_their_sides_of_the_entry() {
    let share = &AssetFlags::SHARE;
    let bracket = |side: &str, limit: &str, target: &str, stop: &str| {
        json!({"side": side, "type": "limit", "limit_price": limit, "order_class": "bracket",
               "take_profit": {"limit_price": target}, "stop_loss": {"stop_price": stop}})
    };
    for (side, limit, target, stop, expected) in [
        ("buy", "10", "12", "9", "ok"),
        ("buy", "10", "9", "12", "take_profit.limit_price must be >"),
        ("buy", "10", "9.5", "9", "must be > base_price"),
        ("buy", "10", "12", "11", "must be < base_price"),
        ("sell", "10", "9", "12", "ok"),
        ("sell", "10", "12", "9", "take_profit.limit_price must be <"),
    ] {
        check(share, "regular", "0", bracket(side, limit, target, stop), expected);
    }
    let with = |key: &str, value: Value| {
        let mut order = bracket("buy", "10", "12", "9");
        order[key] = value;
        order
    };
    for (order, expected) in [
        (with("time_in_force", json!("ioc")), "bracket orders must be DAY or GTC"),
        (with("extended_hours", json!(true)), "not accepted in extended hours"),
        (with("stop_loss", Value::Null), "require take_profit and stop_loss"),
        (with("stop_loss", json!({})), "stop_loss.stop_price is required"),
        (with("order_class", json!("")), "need an order_class"),
        (with("order_class", json!("oto")), "one of take_profit and stop_loss"),
        (with("order_class", json!("mleg")), "not supported"),
        (with("order_class", json!("zoo")), "invalid order_class"),
        (with("take_profit", json!({"limit_price": "12.001"})), "take_profit.limit_price 12.001"),
        (with("client_order_id", json!("x".repeat(129))), "128 characters"),
        (with("client_order_id", json!("x".repeat(128))), "ok"),
        (with("side", json!("hold")), "invalid side"),
        (with("symbol", json!("")), "symbol is required"),
    ] {
        check(share, "regular", "0", order, expected);
    }
    let pair = |side: &str| {
        json!({"side": side, "type": "limit", "order_class": "oco",
               "take_profit": {"limit_price": "12"}, "stop_loss": {"stop_price": "9"}})
    };
    check(share, "regular", "1", pair("sell"), "ok");
    check(share, "regular", "0", pair("sell"), "must be exit orders");
    check(share, "regular", "-1", pair("buy"), "take_profit.limit_price must be <");
    let once = json!({"order_class": "oto", "stop_loss": {"stop_price": "9"}});
    check(share, "regular", "0", once.clone(), "ok");
    check(share, "regular", "-1", once, "oto orders must be entry orders");
    check(share, "regular", "-1", bracket("buy", "10", "12", "9"), "bracket orders must be entry");
    check(share, "regular", "1", bracket("sell", "10", "9", "12"), "bracket orders must be entry");
}

#[test]
fn a_price_is_moved_to_a_step_that_the_venue_takes() {
    for (price, up, expected) in [
        ("10.001", true, "10.01"),
        ("10.001", false, "10"),
        ("10.01", true, "10.01"),
        ("0.12345", true, "0.1235"),
        ("0.12345", false, "0.1234"),
        ("0.99999", true, "1"),
        ("0", true, "0"),
        ("-1.001", true, "-1.001"),
    ] {
        let moved = share_tick(price.parse().unwrap(), up);
        assert_eq!(moved.to_string(), expected, "{price} {up}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// O-4: what only shrinks a position by the market, whole or in part, is refused by no rule.
    #[test]
    fn an_exit_by_the_market_for_the_day_is_always_admitted(
        raw in 1_i64..1_000_000_000_000_000, part in 1_i64..=100, short in any::<bool>(), hour in 0_i64..9_000,
    ) {
        let whole = raw / Qty::SCALE * Qty::SCALE;
        let held = Qty::from_raw(if short { whole.max(Qty::SCALE) } else { raw });
        let qty = if short { held } else { Qty::from_raw((raw / 100 * part).max(1)) };
        let side = if short { Side::Buy } else { Side::Sell };
        let position = if short { held.negated() } else { held };
        let at = Moment::at(Time::from_ms(1_700_000_000_000 + hour * 3_600_000));
        let order = NewOrder {
            symbol: "A".to_owned(), qty: Some(qty.into()), side, kind: OrderType::Market,
            time_in_force: TimeInForce::Day, ..NewOrder::default()
        };
        prop_assert_eq!(admit(&order, &AssetFlags::SHARE, at, position), Ok(()));
        let plain = AssetFlags { shortable: false, fractional_extended: false, ..AssetFlags::SHARE };
        prop_assert_eq!(admit(&order, &plain, at, position), Ok(()));
    }
}
