//! The verbs that speak to Alpaca, on the built binary against a venue on loopback.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::rig::{Said, World, offered};

const SECRET: &str = "hush-marked-9b2e51";

/// What the venue was asked, in order.
type Asked = Arc<Mutex<Vec<String>>>;

/// A venue with an account, two positions, an order and three days of one share.
struct Venue {
    url: String,
    asked: Asked,
    _runtime: Runtime,
}

impl Venue {
    fn new() -> Self {
        let asked = Asked::default();
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&asked));
        let (url, runtime) = offered(routes);
        Self { url, asked, _runtime: runtime }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A world whose verbs ask this venue.
    fn world(&self) -> World {
        let world = World::new();
        world.variable("APCA_API_KEY_ID", "PK-marked");
        world.variable("APCA_API_SECRET_KEY", SECRET);
        for name in ["TRADING_URL", "DATA_URL"] {
            world.variable(&format!("CONCLAVE__ALPACA__{name}"), &self.url);
        }
        world
    }
}

fn order(symbol: &str) -> Value {
    json!({"id": "venue-1", "client_order_id": "cv-1", "symbol": symbol, "qty": "10",
        "submitted_at": "2026-11-20T15:00:00Z", "filled_qty": "4", "filled_avg_price": "10.5",
        "type": "limit", "limit_price": "10.50", "side": "buy", "time_in_force": "day",
        "status": "partially_filled"})
}

fn bar(day: &str, close: &str) -> Value {
    let text = format!(
        r#"{{"t":"{day}T05:00:00Z","o":10.10,"h":11.123456,"l":9.9,"c":{close},"v":1200,"n":9}}"#
    );
    serde_json::from_str(&text).expect("a bar")
}

/// The sessions that our own calendar knows.
fn calendar(query: &str) -> Value {
    let day = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let found = pairs.find(|(key, _)| *key == name).expect("a day");
        // The specification asks for a moment, and the day is what counts.
        found.1[..10].parse::<jiff::civil::Date>().expect("a day")
    };
    let days = day("start").series(jiff::Span::new().days(1)).take_while(|it| *it <= day("end"));
    let hours = |day| conclave_domain::alpaca::CalendarDay::of(day).map(|it| json!(it));
    Value::Array(days.filter_map(hours).collect())
}

async fn answer(State(asked): State<Asked>, request: Request) -> (StatusCode, String) {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let query = request.uri().query().unwrap_or_default().to_owned();
    asked.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{method} {path}"));
    let positions = json!([
        {"symbol": "AAPL", "qty": "10", "side": "long", "avg_entry_price": "10.25",
         "current_price": "11", "market_value": "110", "unrealized_pl": "7.5"},
        {"symbol": "BTCUSD", "qty": "0.5", "side": "long", "avg_entry_price": "29000"}]);
    let body = match (method.as_str(), path.as_str()) {
        ("GET", "/v2/account") => json!({"id": "x", "account_number": "PA1", "status": "ACTIVE",
            "cash": "1000.50", "equity": "1110.50", "buying_power": "2001", "shorting_enabled": true}),
        ("GET", "/v2/clock") => {
            let now = jiff::Timestamp::now().to_string();
            json!({"timestamp": now, "is_open": true, "next_open": now, "next_close": now})
        }
        ("GET", "/v2/calendar") => calendar(&query),
        ("GET", "/v2/positions") => positions,
        ("GET", "/v2/orders") => json!([order("AAPL")]),
        ("DELETE", "/v2/positions") => json!([
            {"symbol": "AAPL", "status": 200, "body": order("AAPL")},
            {"symbol": "BTCUSD", "status": 403, "body": {"code": 40_310_000, "message": "halted"}}]),
        ("DELETE", "/v2/positions/BTC%2FUSD") if query == "qty=0.25" => order("BTC/USD"),
        ("DELETE", "/v2/orders") => json!([{"id": "venue-1", "status": 200}]),
        ("GET", "/v2/stocks/bars") if query.contains("symbols=BAD") => {
            json!({"bars": {"BAD": [bar("2024-01-03", "99")]}, "next_page_token": null})
        }
        ("GET", "/v2/stocks/bars") => {
            let days =
                [bar("2024-01-03", "10.55"), bar("2024-01-04", "10.60"), bar("2099-01-05", "10.7")];
            json!({"bars": {"AAPL": days}, "next_page_token": null})
        }
        ("GET", "/v2/stocks/bars/latest") => json!({"bars": {"SPY": bar("2024-01-03", "10.55")}}),
        ("GET", "/v1beta3/crypto/us/latest/bars") => {
            return (StatusCode::FORBIDDEN, r#"{"message":"subscription"}"#.to_owned());
        }
        _ => return (StatusCode::NOT_FOUND, String::new()),
    };
    (StatusCode::OK, body.to_string())
}

/// Ends with `code` and prints each of `parts`.
#[track_caller]
fn says(said: &Said, code: i32, parts: &[&str]) {
    let text = format!("{}{}", String::from_utf8_lossy(&said.0.stdout), said.stderr());
    assert_eq!(said.code(), Some(code), "{text}");
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    assert!(!text.contains(SECRET) && !text.contains("panicked"), "{text}");
}

fn document(said: &Said) -> Value {
    serde_json::from_slice(&said.0.stdout).expect("a document")
}

#[test]
fn the_account_is_looked_at_without_a_process() {
    let venue = Venue::new();
    let world = venue.world();
    let account = world.verb(&["alpaca", "account"]);
    says(&account, 0, &["PA1", "this machine", "1110.50", "2001.00"]);
    says(&world.verb(&["alpaca", "clock"]), 0, &["the market of shares is open", "ahead by"]);
    says(&world.verb(&["alpaca", "positions"]), 0, &["AAPL", "10.25", "7.50", "BTCUSD", "0.5"]);
    says(&world.verb(&["alpaca", "orders"]), 0, &["cv-1", "partially_filled", "10.5"]);
    let orders = world.verb(&["alpaca", "orders", "--days", "3", "--format", "json"]);
    let orders = document(&orders);
    assert_eq!(orders["schema"], "alpaca-orders/1");
    assert_eq!(orders["orders"][0]["limit_price"], "10.5");
    assert!(venue.asked().iter().all(|asked| asked.starts_with("GET ")));
}

/// Whoever waits sees each try and why it failed, and at the end what to look at.
#[test]
fn a_venue_that_is_not_there_is_named_at_every_try_and_at_the_end() {
    let world = Venue::new().world();
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let gone = format!("http://{}", free.local_addr().expect("an address"));
    drop(free);
    world.variable("CONCLAVE__ALPACA__TRADING_URL", &gone);
    world.variable("CONCLAVE__ALPACA__DEADLINE", "2s");
    let said = world.verb(&["alpaca", "account"]);
    says(&said, 9, &["WARN", "asked again", "unreached", "nobody was there", "`[alpaca]`"]);
}

#[test]
fn what_cannot_be_undone_is_confirmed_and_what_was_refused_is_a_failure() {
    let venue = Venue::new();
    let world = venue.world();
    for verb in ["close-all", "cancel-all"] {
        says(&world.verb(&["alpaca", verb]), 2, &["simulated money", "--yes"]);
    }
    assert_eq!(venue.asked(), Vec::<String>::new(), "nothing was asked");
    let part = world.verb(&["alpaca", "close", "BTC/USD", "--qty", "0.25", "--yes"]);
    says(&part, 0, &["BTC/USD", "partially_filled"]);
    says(&world.verb(&["alpaca", "cancel-all", "--yes"]), 0, &["being canceled", "1 orders"]);
    let closed = world.verb(&["alpaca", "close-all", "--yes"]);
    says(&closed, 9, &["AAPL", "order venue-1", "refused (403) halted", "1 positions are not"]);
    let part = "DELETE /v2/positions/BTC%2FUSD";
    assert_eq!(venue.asked(), [part, "DELETE /v2/orders", "DELETE /v2/positions"]);
}

#[test]
fn keys_of_another_kind_of_money_are_shown_to_nobody() {
    let venue = Venue::new();
    let world = venue.world();
    world.variable("APCA_API_KEY_ID", "AK-marked");
    let refused = world.verb(&["alpaca", "account"]);
    says(&refused, 3, &["live keys", "this machine", "nothing was asked"]);
    world.variable("APCA_API_KEY_ID", "");
    says(&world.verb(&["alpaca", "account"]), 3, &["APCA_API_KEY_ID"]);
    assert_eq!(venue.asked(), Vec::<String>::new());
}

#[test]
fn history_comes_through_the_door_into_a_file_of_our_form() {
    let venue = Venue::new();
    let world = venue.world();
    let fetch = |symbol: &str, more: &[&str]| {
        let base = ["data", "fetch", "--symbols", symbol, "--from", "2024-01-03", "--out", "got"];
        world.verb(&[&base[..], more].concat())
    };
    says(&fetch("AAPL", &[]), 0, &["AAPL.csv: 2 bars of AAPL", "data hash"]);
    let text = std::fs::read_to_string(world.path("got/AAPL.csv")).expect("a file");
    let rows =
        "2024-01-03,10.1,11.123456,9.9,10.55,1200\n2024-01-04,10.1,11.123456,9.9,10.6,1200\n";
    assert_eq!(text, format!("timestamp,open,high,low,close,volume\n{rows}"), "no bar is open");
    says(&world.verb(&["data", "check", "got/AAPL.csv"]), 0, &["2 bars of AAPL"]);
    says(&fetch("AAPL", &[]), 2, &["--force"]);
    says(&fetch("AAPL", &["--force", "--to", "2024-01-03"]), 0, &["1 bars of AAPL"]);
    says(&fetch("BAD", &[]), 8, &["1 bars of BAD cannot be true", "high"]);
    assert!(!world.path("got/BAD.csv").exists(), "a refused history leaves nothing");
    says(&fetch("NONE", &[]), 5, &["no closed bars of NONE"]);
}

#[test]
fn doctor_live_asks_questions_only_and_says_what_is_missing() {
    let venue = Venue::new();
    let world = venue.world();
    let looked = world.verb(&["doctor", "--live", "--format", "json"]);
    let document = document(&looked);
    let checks = document["checks"].as_array().expect("checks");
    let alpaca: Vec<(&str, &str)> = checks
        .iter()
        .map(|check| (check["name"].as_str().unwrap_or(""), check["state"].as_str().unwrap_or("")))
        .filter(|(name, _)| name.starts_with("alpaca"))
        .collect();
    let expected = [
        ("alpaca keys", "ok"),
        ("alpaca clock", "ok"),
        ("alpaca hours", "ok"),
        ("alpaca account", "ok"),
        ("alpaca money", "ok"),
        ("alpaca book", "ok"),
        ("alpaca data", "ok"),
        ("alpaca data", "fail"),
    ];
    assert_eq!(alpaca, expected);
    assert!(!document.to_string().contains(SECRET));
    assert!(venue.asked().iter().all(|asked| asked.starts_with("GET ")));
}
