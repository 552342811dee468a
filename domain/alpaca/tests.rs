//! The wire as the documents show it, and as hostile servers might.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::stream::{Channels, DataMessage, DataRequest, Login, TradingMessage, TradingRequest};
use super::trouble::{StreamRemedy, StreamTrouble};
use super::*;
use crate::fixed::Price;
use crate::market::bar::Timeframe;
use crate::market::symbol::AssetClass;

fn order() -> Value {
    json!({
        "id": "f7f25e89-939a-4587-aaf6-414a6b3c341d", "client_order_id": "cv-1",
        "created_at": "2022-02-04T16:53:29.53427917Z", "updated_at": "2022-02-04T16:53:29.53427917Z",
        "submitted_at": "2022-02-04T16:53:29.533738219Z", "filled_at": null, "expired_at": null,
        "canceled_at": null, "failed_at": null, "replaced_at": null, "replaced_by": null,
        "replaces": null, "asset_id": "b0b6dd9d-8b9b-48a9-ba46-b9d54906e415", "symbol": "AAPL",
        "asset_class": "us_equity", "notional": null, "qty": "2.5", "filled_qty": "1",
        "filled_avg_price": "174.7833333333333333333333333333333", "order_class": "",
        "order_type": "limit", "type": "limit", "side": "buy", "time_in_force": "day",
        "limit_price": "175.10", "stop_price": null, "status": "partially_filled",
        "extended_hours": false, "legs": null, "trail_percent": null, "trail_price": null, "hwm": null
    })
}

#[test]
fn an_order_is_read_exactly_and_written_as_the_contract_has_it() {
    let read: Order = serde_json::from_value(order()).unwrap();
    assert_eq!(read.status, OrderStatus::PartiallyFilled);
    assert_eq!(read.open_qty(), Some("1.5".parse().unwrap()));
    assert_eq!(read.filled_avg_price.unwrap().to_string(), "174.78333333");
    assert_eq!(read.submitted_at.unwrap().to_string(), "2022-02-04T16:53:29.533738219Z");
    assert_eq!(read.submitted_at.unwrap().time().to_string(), "2022-02-04T16:53:29.533Z");
    let written = serde_json::to_value(&read).unwrap();
    for (key, value) in order().as_object().unwrap() {
        let expected = match key.as_str() {
            "filled_avg_price" => &json!("174.78333333"),
            "limit_price" => &json!("175.1"),
            _ => value,
        };
        assert_eq!(&written[key], expected, "{key}");
    }
}

#[test]
fn what_is_not_known_fails_nothing_and_what_is_not_readable_is_not_guessed() {
    let with = |key: &str, value: Value| {
        let mut order = order();
        order[key] = value;
        serde_json::from_value::<Order>(order)
    };
    assert_eq!(with("status", json!("lost")).unwrap().status.name(), "lost");
    assert!(!with("status", json!("lost")).unwrap().status.is_final());
    assert!(with("a_new_field", json!({"x": [1]})).is_ok());
    assert_eq!(with("asset_class", Value::Null).unwrap().asset_class.name(), "");
    assert_eq!(with("qty", json!(2.5)).unwrap().qty, Some("2.5".parse().unwrap()));
    for bad in
        [json!("NaN"), json!("inf"), json!("1e400"), json!("--1"), json!([]), json!("\u{31}x")]
    {
        assert!(with("filled_qty", bad.clone()).is_err(), "{bad}");
    }
    let lowest = "-9223372036.854775808";
    assert!(with("filled_qty", json!(lowest)).is_err(), "a number without a size");
    assert!(with("filled_qty", Value::Null).is_err(), "how much is filled is never guessed");
    assert!(with("qty", json!("9".repeat(65))).is_err(), "a long text is no number");
    assert!(with("submitted_at", json!("yesterday")).is_err());
    let long = with("status", json!("x".repeat(5_000))).unwrap();
    assert_eq!(long.status.name().len(), 40);
}

#[test]
fn a_request_is_written_with_strings_and_without_what_it_does_not_say() {
    let order = NewOrder {
        symbol: "AAPL".to_owned(),
        qty: Some("10".parse().unwrap()),
        side: Side::Buy,
        kind: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        limit_price: Some("150.10".parse().unwrap()),
        client_order_id: Some("r42-entry".to_owned()),
        order_class: OrderClass::Bracket,
        take_profit: Some(TakeProfit { limit_price: Some("170".parse().unwrap()) }),
        stop_loss: Some(StopLoss { stop_price: Some("140".parse().unwrap()), limit_price: None }),
        ..NewOrder::default()
    };
    let expected = json!({
        "symbol": "AAPL", "qty": "10", "side": "buy", "type": "limit", "limit_price": "150.1",
        "time_in_force": "gtc", "order_class": "bracket", "take_profit": {"limit_price": "170"},
        "stop_loss": {"stop_price": "140"}, "client_order_id": "r42-entry"
    });
    assert_eq!(serde_json::to_value(&order).unwrap(), expected);
    assert_eq!(serde_json::from_value::<NewOrder>(expected).unwrap(), order);
    // The official client of Python sends floats.
    let text =
        r#"{"symbol":"SPY","qty":2.0,"limit_price":0.1,"extended_hours":null,"type":"limit"}"#;
    let floats: NewOrder = serde_json::from_str(text).unwrap();
    assert_eq!(
        (floats.qty.unwrap().places(), floats.limit_price.unwrap().to_string()),
        (0, "0.1".into())
    );
}

#[test]
fn an_order_that_is_found_is_compared_with_the_one_that_was_asked_for() {
    let found: Order = serde_json::from_value(order()).unwrap();
    let asked = NewOrder {
        symbol: "AAPL".to_owned(),
        qty: Some("2.5".parse().unwrap()),
        side: Side::Buy,
        kind: OrderType::Limit,
        time_in_force: TimeInForce::Day,
        limit_price: Some("175.10".parse().unwrap()),
        ..NewOrder::default()
    };
    assert!(found.is_what_was_asked(&asked));
    for other in [
        NewOrder { symbol: "MSFT".to_owned(), ..asked.clone() },
        NewOrder { qty: Some("2".parse().unwrap()), ..asked.clone() },
        NewOrder { side: Side::Sell, ..asked.clone() },
        NewOrder { limit_price: Some("175".parse().unwrap()), ..asked.clone() },
    ] {
        assert!(!found.is_what_was_asked(&other), "{other:?}");
    }
    assert!(is_same_symbol("BTC/USD", "BTCUSD") && !is_same_symbol("BTC/USD", "BTCUSDT"));
}

#[test]
fn a_price_of_the_data_side_never_passes_through_a_float() {
    let text = r#"{"t":"2022-01-03T05:00:00Z","o":178.26,"h":90071992547.40993,"l":1.2e-7,
                   "c":178.21,"v":1118,"n":65,"vw":178.235733123456789}"#;
    let bar: Bar = serde_json::from_str(text).unwrap();
    assert_eq!(bar.high.raw(), 9_007_199_254_740_993_000, "a float would end in 992");
    assert_eq!((bar.low.raw(), bar.mean.unwrap().to_string()), (12, "178.23573312".to_owned()));
    let written = serde_json::to_string(&bar).unwrap();
    assert!(written.contains(r#""h":90071992547.40993,"#), "{written}");
    assert_eq!(serde_json::from_str::<Bar>(&written).unwrap(), bar);
    for page in [r#"{"bars":null,"next_page_token":null}"#, "{}"] {
        assert_eq!(serde_json::from_str::<BarsPage>(page).unwrap(), BarsPage::default());
    }
}

/// The stamp of a bar, its length, its class, and the hours that it gets.
const HOURS: &str = "
    2022-01-03T05:00:00Z day    equity 2022-01-03T14:30:00Z 2022-01-03T21:00:00Z
    2022-07-01T04:00:00Z day    equity 2022-07-01T13:30:00Z 2022-07-01T20:00:00Z
    2022-11-25T05:00:00Z day    equity 2022-11-25T14:30:00Z 2022-11-25T18:00:00Z
    2022-11-21T05:00:00Z week   equity 2022-11-21T14:30:00Z 2022-11-25T18:00:00Z
    2022-01-03T00:00:00Z day    crypto 2022-01-03T00:00:00Z 2022-01-04T00:00:00Z
    2022-01-03T20:59:00Z minute equity 2022-01-03T20:59:00Z 2022-01-03T21:00:00Z
    2022-01-03T20:00:00Z four   equity 2022-01-03T20:00:00Z 2022-01-03T21:00:00Z";

#[test]
fn bars_get_the_hours_of_their_session() {
    for row in HOURS.trim().lines() {
        let words: Vec<&str> = row.split_whitespace().collect();
        let timeframe = match words[1] {
            "day" => Timeframe::Day,
            "week" => Timeframe::Week,
            "four" => Timeframe::FourHours,
            _ => Timeframe::Minute,
        };
        let is_share = words[2] == "equity";
        let class = if is_share { AssetClass::Equity } else { AssetClass::Crypto };
        let text = format!(r#"{{"t":"{}","o":1,"h":1,"l":1,"c":1,"v":0}}"#, words[0]);
        let ours = serde_json::from_str::<Bar>(&text).unwrap().closed(timeframe, class);
        let hours = [ours.open_time.to_string(), ours.close_time.to_string()];
        assert_eq!(hours, words[3..], "{row}");
    }
}

#[test]
fn an_error_is_read_from_a_body_a_half_body_and_none() {
    let error = ApiError::read(r#"{"buying_power":"5","code":40310000,"message":"insufficient"}"#);
    assert_eq!((error.code, error.message.as_str()), (Some(ApiError::FORBIDDEN), "insufficient"));
    assert_eq!(error.more["buying_power"], "5");
    assert_eq!(ApiError::read(""), ApiError::default());
    assert_eq!(ApiError::read("<html>\u{1b}[2J").message, "<html> [2J");
    assert_eq!(ApiError::read(&"x".repeat(9_999)).message.len(), 300);
    let text = serde_json::to_string(&ApiError::new(42_210_000, "no")).unwrap();
    assert_eq!(text, r#"{"code":42210000,"message":"no"}"#);
}

/// O-2: an order of which nobody knows is looked for, and not sent again as it is.
#[test]
fn every_trouble_has_its_remedy() {
    use Remedy as R;
    use StreamRemedy as S;
    // In the order of `Ask::ALL`: read, place, replace, cancel, close.
    for (status, remedies) in [
        (400, [R::Fix, R::AdoptOrFix, R::Fix, R::Fix, R::Fix]),
        (401, [R::Operator; 5]),
        (403, [R::GiveUp; 5]),
        (404, [R::GiveUp, R::GiveUp, R::Reconcile, R::Reconcile, R::GiveUp]),
        (409, [R::Retry, R::Reconcile, R::Reconcile, R::Retry, R::Reconcile]),
        (422, [R::Fix, R::AdoptOrFix, R::Reconcile, R::Reconcile, R::Fix]),
        (429, [R::WaitUntilReset; 5]),
        (500, [R::Retry, R::Reconcile, R::Reconcile, R::Retry, R::Reconcile]),
        (504, [R::Retry, R::Reconcile, R::Reconcile, R::Retry, R::Reconcile]),
        (302, [R::Fix, R::AdoptOrFix, R::Fix, R::Fix, R::Fix]),
    ] {
        let trouble = Trouble::of(status, None, None);
        assert_eq!(Ask::ALL.map(|ask| trouble.remedy(ask)), remedies, "{status}");
    }
    let unknown = Trouble::Unknown { status: 0 };
    assert_eq!(unknown.remedy(Ask::Place), R::Reconcile);
    assert_eq!(Trouble::Unreached.remedy(Ask::Place), R::Retry);
    assert_eq!(Trouble::Malformed.remedy(Ask::Place), R::Reconcile);
    for (code, remedy) in [
        (400, S::Operator),
        (401, S::Reconnect),
        (402, S::Operator),
        (403, S::GoOn),
        (404, S::Reconnect),
        (405, S::Operator),
        (406, S::WaitForOther),
        (407, S::Reconnect),
        (409, S::Operator),
        (410, S::Operator),
        (500, S::Reconnect),
        (999, S::Reconnect),
    ] {
        assert_eq!(StreamTrouble::of(code).remedy(), remedy, "{code}");
    }
}

#[test]
fn the_stream_of_orders_is_spoken_on_both_sides() {
    let update = json!({"stream": "trade_updates", "data": {
        "event": "fill", "execution_id": "e-1", "price": "174.78", "qty": "1",
        "position_qty": "1", "timestamp": "2022-02-04T16:53:30Z", "order": order()}});
    let message = TradingMessage::read(update.to_string().as_bytes()).unwrap();
    let TradingMessage::Update(read) = &message else { panic!("{message:?}") };
    assert!(read.event.is_fill() && read.price == Some("174.78".parse().unwrap()));
    let written = message.write().unwrap();
    assert_eq!(TradingMessage::read(written.as_bytes()).unwrap(), message);
    for (text, expected) in [
        (
            r#"{"stream":"authorization","data":{"status":"unauthorized","action":"authenticate"}}"#,
            TradingMessage::Authorization { authorized: false },
        ),
        (
            r#"{"stream":"listening","data":{"streams":["trade_updates"]}}"#,
            TradingMessage::Listening { streams: vec!["trade_updates".to_owned()] },
        ),
        (r#"{"stream":"weather","data":[1]}"#, TradingMessage::Other("weather".to_owned())),
    ] {
        assert_eq!(TradingMessage::read(text.as_bytes()).unwrap(), expected);
    }
    let login = Login { key: "PK1".to_owned(), secret: "hush".to_owned() };
    let asked = TradingRequest::Authenticate(login.clone());
    assert_eq!(TradingRequest::read(asked.write().as_bytes()).unwrap(), asked);
    let newer = r#"{"action":"auth","key":"PK1","secret":"hush"}"#;
    assert_eq!(TradingRequest::read(newer.as_bytes()).unwrap(), asked);
    let secret = br#"{"action":"authenticate","data":{"secret_key":hush}}"#;
    let error = TradingRequest::read(secret).unwrap_err();
    assert!(!format!("{error} {error:?} {login:?} {asked:?}").contains("hush"));
}

#[test]
fn a_bad_message_takes_no_other_of_its_frame_with_it() {
    let frame = r#"[{"T":"success","msg":"authenticated"},
        {"T":"b","S":"AAPL","t":"2022-01-03T14:30:00Z","o":1,"h":2,"l":1,"c":2,"v":10,"n":1,"vw":1.5},
        {"T":"b","S":"AAPL","t":"2022-01-03T14:30:00Z","o":"NaN","h":2,"l":1,"c":2,"v":10},
        {"T":"b","t":"2022-01-03T14:30:00Z","o":1,"h":2,"l":1,"c":2,"v":10},
        {"T":"q","S":"BTC/USD","t":"2022-01-03T14:30:00Z","bp":0,"bs":0,"ap":29059,"as":3.252},
        {"T":"error","code":406,"msg":"connection limit exceeded"}, {"T":"z"}, 7,
        {"T":"subscription","bars":["AAPL"],"updatedBars":null}]"#;
    let read = DataMessage::read(frame.as_bytes()).unwrap();
    assert_eq!(read.len(), 9);
    assert!(matches!(&read[1], DataMessage::Bar { symbol, .. } if symbol == "AAPL"));
    for (index, letter) in [(2, "b"), (3, "b"), (7, "?")] {
        assert_eq!(read[index], DataMessage::Unreadable(letter.to_owned()), "{index}");
    }
    let DataMessage::Quote { quote, .. } = &read[4] else { panic!("{:?}", read[4]) };
    assert_eq!((quote.bid(), quote.ask()), (None, Some(Price::from_units(29_059).unwrap())));
    assert_eq!(
        read[5],
        DataMessage::Error { code: 406, msg: "connection limit exceeded".to_owned() }
    );
    assert_eq!(read[6], DataMessage::Other("z".to_owned()));
    let bars = Channels { bars: vec!["AAPL".to_owned()], ..Channels::default() };
    assert_eq!(read[8], DataMessage::Subscription(bars.clone()));
    let again = DataMessage::read(DataMessage::write(&read).unwrap().as_bytes()).unwrap();
    let known: Vec<_> = [0, 1, 4, 5, 8].map(|index: usize| read[index].clone()).into();
    assert_eq!(again, known);
    assert!(DataMessage::read(b"{}").is_err());
    let asked = DataRequest::Subscribe(bars);
    let text = asked.write().unwrap();
    assert_eq!(text, r#"{"action":"subscribe","bars":["AAPL"]}"#);
    assert_eq!(DataRequest::read(text.as_bytes()).unwrap(), asked);
    let auth = DataRequest::Auth(Login { key: "a".to_owned(), secret: "b".to_owned() });
    assert_eq!(DataRequest::read(auth.write().unwrap().as_bytes()).unwrap(), auth);
}

#[test]
fn an_account_says_why_it_may_not_trade() {
    let mut account = json!({
        "id": "x", "account_number": "PA1", "status": "ACTIVE", "currency": "USD", "cash": "-23140.2",
        "equity": "103820.56", "buying_power": "262113.632", "multiplier": "4",
        "trading_blocked": false, "account_blocked": false, "trade_suspended_by_user": false,
        "shorting_enabled": true, "created_at": "2019-06-12T22:47:07.99658Z"
    });
    let read = |value: &Value| serde_json::from_value::<Account>(value.clone()).unwrap();
    assert_eq!(read(&account).block(), None);
    assert_eq!(read(&account).cash.to_string(), "-23140.2");
    account["trading_blocked"] = json!(true);
    assert_eq!(read(&account).block(), Some("its trading is blocked"));
    account["status"] = json!("ONBOARDING");
    assert_eq!(read(&account).block(), Some("its status is not ACTIVE"));
    let short =
        json!({"symbol": "BTCUSD", "qty": "5", "side": "short", "avg_entry_price": "100.0"});
    let short: Position = serde_json::from_value(short).unwrap();
    assert_eq!(short.signed_qty().to_string(), "-5");
    let closed = json!([{"symbol": "A", "status": 200, "body": order()},
                        {"symbol": "B", "status": 422, "body": {"code": 1, "message": "no"}}]);
    let closed: Vec<ClosedPosition> = serde_json::from_value(closed).unwrap();
    assert!(closed[0].order().is_some() && closed[0].problem().is_none());
    assert!(closed[1].order().is_none() && closed[1].problem() == Some("no"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn hostile_frames_are_errors_and_never_a_panic(
        noise in proptest::collection::vec(any::<u8>(), 0..200),
        at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(),
    ) {
        let update = json!({"stream": "trade_updates", "data": {"event": "fill", "price": "1e2",
            "qty": "1", "timestamp": "2022-02-04T16:53:30Z", "order": order()}});
        let bar = r#"[{"T":"b","S":"A","t":"2022-01-03T14:30:00Z","o":1,"h":2,"l":1,"c":2,"v":1e1}]"#;
        for sound in [update.to_string().into_bytes(), bar.as_bytes().to_vec()] {
            let mut torn = sound.clone();
            torn[at.index(sound.len())] = byte;
            torn.truncate(cut.index(sound.len()) + 1);
            for frame in [&torn, &noise] {
                if let Ok(TradingMessage::Update(update)) = TradingMessage::read(frame) {
                    prop_assert!(update.order.open_qty().is_none_or(|open| open.raw() > i64::MIN));
                }
                let _ = DataMessage::read(frame);
                let (_, _) = (TradingRequest::read(frame), DataRequest::read(frame));
                prop_assert!(ApiError::read(&String::from_utf8_lossy(frame)).message.len() <= 1_200);
            }
        }
    }
}
