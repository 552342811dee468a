//! The exchange as its clients see it, without a socket.

mod matrix;
mod streams;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, Response, StatusCode};
use conclave_domain::exchange::faults::{Plan, Planned};
use conclave_domain::exchange::{Exchange, Terms};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tower::ServiceExt as _;

use super::floor::Floor;
use super::journal::{FILE, Journal};
use super::keys::KeyPair;
use super::load::{Source, begins, listings};
use super::serve::{Pace, Setup, router};

/// An exchange of the embedded AAPL and MSFT on Friday, 16 June 2000: AAPL's split of 2 for 1 is on
/// the Wednesday after.
struct Desk {
    floor: Arc<Floor>,
    router: Router,
    keys: KeyPair,
}

impl Desk {
    fn of(rate: Option<u32>, faults: &str, journal: Option<Journal>) -> Self {
        let symbols = ["AAPL", "MSFT"].map(|symbol| symbol.parse().unwrap()).to_vec();
        let source = Source { symbols, ..Source::default() };
        let listings = listings(&source).unwrap();
        let from = begins(&listings, Some("2000-06-16".parse().unwrap())).unwrap();
        let terms = Terms { exchange: 9, ..Terms::default() };
        let exchange = Exchange::new(terms, listings, from);
        let pairs = [("PKFIRST", "one"), ("PKSECOND", "two")];
        let pairs = pairs.map(|(id, secret)| KeyPair::given(id, secret).unwrap());
        let keys = pairs[0].clone();
        let plan = Plan::read(faults, 1).unwrap();
        let floor = Arc::new(Floor::new(exchange, pairs.to_vec(), plan, journal));
        let setup = Setup { floor: Arc::clone(&floor), pace: Pace::Step, rate };
        Self { router: router(&setup), floor, keys }
    }

    fn new() -> Self {
        Self::of(None, "", None)
    }

    async fn send(&self, method: Method, path: &str, body: &str) -> Response<Body> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("APCA-API-KEY-ID", self.keys.id())
            .header("APCA-API-SECRET-KEY", self.keys.reveal())
            .header("content-type", "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Status and body; a body that is empty is null.
    async fn ask(&self, method: Method, path: &str, body: &str) -> (u16, Value) {
        let response = self.send(method, path, body).await;
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), 1 << 24).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(Method::GET, path, "").await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn order(&self, body: Value) -> (u16, Value) {
        self.ask(Method::POST, "/v2/orders", &body.to_string()).await
    }

    /// Goes on to a moment.
    async fn until(&self, time: &str) {
        let body = json!({"until": time}).to_string();
        let (status, _) = self.ask(Method::POST, "/sandbox/step", &body).await;
        assert_eq!(status, 200);
    }
}

fn market(side: &str, qty: &str) -> Value {
    json!({"symbol": "AAPL", "qty": qty, "side": side, "type": "market", "time_in_force": "day"})
}

const OPEN: &str = "2000-06-16T13:30:00Z";

#[tokio::test]
async fn an_order_is_taken_filled_and_found_by_every_name() {
    let desk = Desk::new();
    let mut asked = market("buy", "10");
    asked["client_order_id"] = json!("mine-1");
    let (status, taken) = desk.order(asked.clone()).await;
    assert_eq!((status, &taken["status"]), (200, &json!("accepted")), "{taken}");
    assert_eq!((&taken["qty"], &taken["filled_qty"]), (&json!("10"), &json!("0")));
    desk.until(OPEN).await;
    let id = taken["id"].as_str().unwrap();
    let found = desk.get(&format!("/v2/orders/{id}")).await;
    assert_eq!((&found["status"], &found["filled_qty"]), (&json!("filled"), &json!("10")));
    let by_name = desk.get("/v2/orders:by_client_order_id?client_order_id=mine-1").await;
    assert_eq!(by_name, found);
    let (status, again) = desk.order(asked).await;
    assert_eq!((status, &again["message"]), (422, &json!("client_order_id must be unique")));
    assert_eq!(desk.get("/v2/orders").await, json!([]), "open ones");
    assert_eq!(desk.get("/v2/orders?status=all&symbols=AAPL").await, json!([found]));
    let position = desk.get("/v2/positions/AAPL").await;
    assert_eq!((&position["qty"], &position["side"]), (&json!("10"), &json!("long")));
    let fills = desk.get("/v2/account/activities/FILL").await;
    assert_eq!(fills[0]["order_id"], found["id"]);
    let account = desk.get("/v2/account").await;
    let figure = |text: &Value| text.as_str().unwrap().parse::<f64>().unwrap();
    let spent = figure(&found["filled_avg_price"]) * 10.0;
    assert!((figure(&account["cash"]) - (100_000.0 - spent)).abs() < 0.01);
}

#[tokio::test]
async fn numbers_may_come_as_numbers_and_rules_are_kept() {
    let desk = Desk::new();
    desk.until(OPEN).await;
    let mut asked = market("buy", "0");
    asked["qty"] = json!(2.5);
    let (status, taken) = desk.order(asked).await;
    assert_eq!(
        (status, &taken["qty"], &taken["status"]),
        (200, &json!("2.5"), &json!("pending_new"))
    );
    for (change, status, code) in [
        (json!({"qty": null}), 422, 40_010_001),
        (json!({"notional": "10"}), 422, 40_010_001),
        (json!({"symbol": "ZZZZ"}), 422, 42_210_000),
        (json!({"type": "limit", "limit_price": "90.001"}), 422, 42_210_000),
        (json!({"type": "limit"}), 422, 40_010_001),
        (json!({"time_in_force": "opg"}), 422, 42_210_000),
        (json!({"qty": "100000"}), 403, 40_310_000),
        (json!({"side": "sell", "qty": "3"}), 403, 40_310_000),
    ] {
        let mut asked = market("buy", "1");
        asked.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let (found, body) = desk.order(asked).await;
        assert_eq!((found, &body["code"]), (status, &json!(code)), "{change}: {body}");
    }
    for body in ["", "{", "[]", "{\"qty\": \"many\"}"] {
        let (status, _) = desk.ask(Method::POST, "/v2/orders", body).await;
        assert!(status == 400 || status == 422, "{body}: {status}");
    }
}

#[tokio::test]
async fn strangers_are_turned_away_and_accounts_do_not_see_each_other() {
    let desk = Desk::new();
    let request = Request::builder().uri("/v2/account").body(Body::empty()).unwrap();
    let response = desk.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let (_, taken) = desk.order(market("buy", "1")).await;
    let other = Desk {
        keys: KeyPair::given("PKSECOND", "two").unwrap(),
        floor: Arc::clone(&desk.floor),
        router: desk.router.clone(),
    };
    let path = format!("/v2/orders/{}", taken["id"].as_str().unwrap());
    assert_eq!(other.ask(Method::GET, &path, "").await.0, 404);
    assert_eq!(other.ask(Method::DELETE, &path, "").await.0, 404);
    assert_eq!(other.get("/v2/orders?status=all").await, json!([]));
    assert_eq!(desk.ask(Method::DELETE, &path, "").await.0, 204);
    assert_eq!(desk.ask(Method::DELETE, &path, "").await.0, 422);
    assert_eq!(desk.ask(Method::GET, "/v2/nothing", "").await.0, 404);
}

#[tokio::test]
async fn a_bracket_is_shown_with_its_legs_and_all_of_it_is_closed_at_once() {
    let desk = Desk::new();
    desk.until(OPEN).await;
    let mut asked = market("buy", "10");
    asked["order_class"] = json!("bracket");
    asked["take_profit"] = json!({"limit_price": "150"});
    asked["stop_loss"] = json!({"stop_price": "50"});
    let (status, taken) = desk.order(asked).await;
    assert_eq!((status, taken["legs"].as_array().unwrap().len()), (200, 2), "{taken}");
    assert_eq!(taken["legs"][0]["group_id"], taken["group_id"]);
    let open = desk.get("/v2/orders").await;
    let statuses: Vec<_> = open.as_array().unwrap().iter().map(|it| &it["status"]).collect();
    assert_eq!(statuses, [&json!("held"), &json!("new")], "the newest first");
    let nested = desk.get("/v2/orders?status=all&nested=true").await;
    assert_eq!(nested.as_array().unwrap().len(), 1);
    let (status, bound) = desk.ask(Method::DELETE, "/v2/positions/AAPL", "").await;
    assert_eq!((status, &bound["code"]), (403, &json!(40_310_000)), "{bound}");
    let (status, closed) = desk.ask(Method::DELETE, "/v2/positions?cancel_orders=true", "").await;
    assert_eq!((status, &closed[0]["status"]), (207, &json!(200)), "{closed}");
    assert_eq!(desk.get("/v2/positions").await, json!([]));
    assert_eq!(desk.get("/v2/orders").await, json!([]));
}

#[tokio::test]
async fn a_replacement_is_a_new_order() {
    let desk = Desk::new();
    desk.until(OPEN).await;
    let mut asked = market("buy", "10");
    asked["type"] = json!("limit");
    asked["limit_price"] = json!("20");
    let (_, taken) = desk.order(asked).await;
    let path = format!("/v2/orders/{}", taken["id"].as_str().unwrap());
    let (status, new) = desk.ask(Method::PATCH, &path, r#"{"limit_price":"21.5","qty":"4"}"#).await;
    assert_eq!((status, &new["limit_price"], &new["qty"]), (200, &json!("21.5"), &json!("4")));
    assert_eq!(new["replaces"], taken["id"]);
    let old = desk.get(&path).await;
    assert_eq!((&old["status"], &old["replaced_by"]), (&json!("replaced"), &new["id"]));
    let (status, body) = desk.ask(Method::PATCH, &path, r#"{"limit_price":"22"}"#).await;
    assert_eq!(status, 422, "{body}");
    let path = format!("/v2/orders/{}", new["id"].as_str().unwrap());
    assert_eq!(desk.ask(Method::PATCH, &path, r#"{"limit_price":"22.005"}"#).await.0, 422);
}

/// L-1: the data side shows nothing before its time, and splits only from their day on.
#[tokio::test]
async fn bars_are_shown_once_they_have_closed_and_as_of_now() {
    let desk = Desk::new();
    let path = "/v2/stocks/bars?symbols=AAPL,MSFT&timeframe=1Day&start=2000-06-14&limit=10000";
    let before = desk.get(path).await;
    assert_eq!(before["bars"]["AAPL"].as_array().unwrap().len(), 2);
    assert_eq!(before["bars"]["AAPL"][1]["t"], "2000-06-15T04:00:00Z");
    desk.until("2000-06-16T19:59:00Z").await;
    assert_eq!(desk.get(path).await, before);
    desk.until("2000-06-16T20:00:00Z").await;
    let after = desk.get(path).await;
    assert_eq!(after["bars"]["AAPL"].as_array().unwrap().len(), 3);
    let raw = after["bars"]["AAPL"][0]["c"].as_f64().unwrap();
    let adjusted = desk.get(&format!("{path}&adjustment=split")).await;
    assert!((adjusted["bars"]["AAPL"][0]["c"].as_f64().unwrap() - raw).abs() < 1e-9);
    desk.until("2000-06-21T20:00:00Z").await;
    let adjusted = desk.get(&format!("{path}&adjustment=split")).await;
    assert!((adjusted["bars"]["AAPL"][0]["c"].as_f64().unwrap() - raw / 2.0).abs() < 1e-9);
    let weeks = desk.get("/v2/stocks/AAPL/bars?timeframe=1Week&start=2000-06-12").await;
    assert_eq!(weeks["bars"].as_array().unwrap().len(), 1, "the week that is over: {weeks}");
    let minutes = desk.get("/v2/stocks/AAPL/bars?timeframe=1Min").await;
    assert_eq!(minutes["bars"], json!([]), "there are none in a market of days");
}

/// L-1: a split is told from its day on, in the form that the data side has for it.
#[tokio::test]
async fn corporate_actions_are_told_once_they_are_effective() {
    let desk = Desk::new();
    let path = "/v1/corporate-actions?symbols=AAPL,MSFT&start=2000-06-01&end=2000-12-31";
    assert_eq!(desk.get(path).await["corporate_actions"], json!({}));
    desk.until("2000-06-21T13:30:00Z").await;
    let page = desk.get(path).await;
    let split = &page["corporate_actions"]["forward_splits"][0];
    assert_eq!((&split["symbol"], &split["ex_date"]), (&json!("AAPL"), &json!("2000-06-21")));
    assert_eq!((&split["new_rate"], &split["old_rate"]), (&json!(2), &json!(1)));
    assert_eq!(page["next_page_token"], Value::Null);
    for none in ["&types=reverse_split", "&symbols=MSFT", "&end=2000-06-20", "&page_token=1"] {
        let (name, _) = none[1..].split_once('=').unwrap();
        let rest: Vec<&str> = path.split('&').filter(|part| !part.contains(name)).collect();
        let base = if name == "symbols" {
            "/v1/corporate-actions?start=2000-06-01"
        } else {
            &rest.join("&")
        };
        assert_eq!(
            desk.get(&format!("{base}{none}")).await["corporate_actions"],
            json!({}),
            "{none}"
        );
    }
    // Both ends are today where nobody says.
    let today = desk.get("/v1/corporate-actions?types=forward_split").await;
    assert_eq!(today["corporate_actions"], page["corporate_actions"]);
    assert_eq!(desk.ask(Method::GET, "/v1/corporate-actions?start=soon", "").await.0, 400);
}

#[tokio::test]
async fn pages_of_bars_join_without_a_gap_or_a_repetition() {
    let desk = Desk::new();
    let path = "/v2/stocks/bars?symbols=AAPL,MSFT&timeframe=1Day";
    let whole = desk.get(&format!("{path}&limit=10000")).await;
    let mut joined = std::collections::BTreeMap::<String, Vec<Value>>::new();
    let (mut token, mut pages) = (String::new(), 0);
    loop {
        let page = desk.get(&format!("{path}&limit=7&page_token={token}")).await;
        for (symbol, bars) in page["bars"].as_object().unwrap() {
            joined.entry(symbol.clone()).or_default().extend(bars.as_array().unwrap().clone());
        }
        pages += 1;
        let Some(next) = page["next_page_token"].as_str() else { break };
        token = next.replace('|', "%7C");
    }
    assert_eq!(json!(joined), whole["bars"]);
    assert!(pages > 10, "{pages}");
    for bad in ["timeframe=1Fortnight", "timeframe=1Day&page_token=x", "timeframe=1Day&limit=0"] {
        let (status, _) =
            desk.ask(Method::GET, &format!("/v2/stocks/bars?symbols=AAPL&{bad}"), "").await;
        assert_eq!(status, 400, "{bad}");
    }
}

#[tokio::test]
async fn the_latest_of_everything_and_the_calendar_are_there() {
    let desk = Desk::new();
    desk.until(OPEN).await;
    let trade = desk.get("/v2/stocks/trades/latest?symbols=AAPL").await;
    let quote = desk.get("/v2/stocks/quotes/latest?symbols=AAPL").await;
    let price = trade["trades"]["AAPL"]["p"].as_f64().unwrap();
    let quote = &quote["quotes"]["AAPL"];
    assert!(quote["bp"].as_f64().unwrap() < price && price < quote["ap"].as_f64().unwrap());
    let snapshot = desk.get("/v2/stocks/snapshots?symbols=AAPL").await;
    assert_eq!(snapshot["AAPL"]["latestTrade"], trade["trades"]["AAPL"]);
    let clock = desk.get("/v2/clock").await;
    assert_eq!((&clock["is_open"], &clock["timestamp"]), (&json!(true), &json!(OPEN)));
    assert_eq!(clock["next_close"], "2000-06-16T20:00:00Z");
    let days = desk.get("/v2/calendar?start=2000-07-01&end=2000-07-05").await;
    let shown: Vec<_> =
        days.as_array().unwrap().iter().map(|day| (&day["date"], &day["close"])).collect();
    assert_eq!(
        shown,
        [(&json!("2000-07-03"), &json!("13:00")), (&json!("2000-07-05"), &json!("16:00"))]
    );
    assert_eq!(desk.ask(Method::GET, "/v2/calendar?start=soon", "").await.0, 400);
    assert_eq!(desk.get("/v2/assets").await.as_array().unwrap().len(), 2);
    assert_eq!(desk.get("/v2/assets/AAPL").await["fractionable"], true);
    assert_eq!(desk.ask(Method::GET, "/v2/assets/NOPE", "").await.0, 404);
    assert_eq!(desk.get("/v1beta1/news").await, json!({"news": [], "next_page_token": null}));
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_and_one_too_many_is_told_so_until_the_minute_is_over() {
    let desk = Desk::of(Some(3), "", None);
    let left = |response: &Response<Body>| {
        let header = |name| response.headers()[name].to_str().unwrap().to_owned();
        (response.status().as_u16(), header("x-ratelimit-limit"), header("x-ratelimit-remaining"))
    };
    for expected in ["2", "1", "0"] {
        let response = desk.send(Method::GET, "/v2/account", "").await;
        assert_eq!(left(&response), (200, "3".into(), expected.into()));
    }
    let response = desk.send(Method::GET, "/v2/account", "").await;
    assert_eq!(left(&response), (429, "3".into(), "0".into()));
    assert_eq!(desk.ask(Method::GET, "/v1beta1/news", "").await.0, 200, "the other side");
    tokio::time::advance(Duration::from_mins(1)).await;
    assert_eq!(desk.ask(Method::GET, "/v2/account", "").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_lost_is_done_and_one_that_is_refused_is_not() {
    let plan = "orders.timeout@1:30s\norders.500@2\norders.422@3\norders.403@4\norders.429@5";
    let desk = Desk::of(None, plan, None);
    desk.until(OPEN).await;
    let begun = Instant::now();
    let (status, body) = desk.order(market("buy", "1")).await;
    assert_eq!((status, body), (504, Value::Null));
    assert_eq!(begun.elapsed(), Duration::from_secs(30));
    for expected in [500, 422, 403, 429] {
        assert_eq!(desk.order(market("buy", "1")).await.0, expected);
    }
    let all = desk.get("/v2/orders?status=all").await;
    assert_eq!(all.as_array().unwrap().len(), 1, "only what timed out was done");
    desk.floor.plan(vec![Planned::read("trading.stall@1:200s").unwrap()]);
    let begun = Instant::now();
    assert_eq!(desk.get("/v2/positions/AAPL").await["qty"], "1");
    assert_eq!(begun.elapsed(), Duration::from_secs(200));
}

#[tokio::test]
async fn orders_that_the_market_drops_or_fills_too_late_say_so() {
    let desk = Desk::of(None, "orders.half@1\ncancels.late@1\nclock.skew:-90s", None);
    desk.until(OPEN).await;
    let (status, half) = desk.order(market("buy", "10")).await;
    assert_eq!(status, 200);
    let path = format!("/v2/orders/{}", half["id"].as_str().unwrap());
    let found = desk.get(&path).await;
    // A market order is filled before anybody could drop it; a limit that rests is not.
    assert_eq!(found["status"], "filled");
    desk.floor.plan(vec![Planned::read("orders.half@1").unwrap()]);
    let mut resting = market("buy", "10");
    resting["type"] = json!("limit");
    resting["limit_price"] = json!("20");
    let (_, half) = desk.order(resting.clone()).await;
    let found = desk.get(&format!("/v2/orders/{}", half["id"].as_str().unwrap())).await;
    assert_eq!((&found["status"], &found["filled_qty"]), (&json!("canceled"), &json!("5")));
    let (_, late) = desk.order(resting).await;
    let path = format!("/v2/orders/{}", late["id"].as_str().unwrap());
    assert_eq!(desk.ask(Method::DELETE, &path, "").await.0, 204);
    assert_eq!(desk.get(&path).await["status"], "filled");
    assert_eq!(desk.get("/v2/clock").await["timestamp"], "2000-06-16T13:28:30Z");
    assert_eq!(desk.ask(Method::DELETE, "/sandbox/faults", "").await.0, 200);
    assert_eq!(desk.get("/v2/clock").await["timestamp"], OPEN);
}

#[tokio::test]
async fn the_journal_holds_every_event_of_every_order() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::begin(dir.path()).unwrap();
    assert!(Journal::begin(dir.path()).is_err(), "nothing is written over");
    let desk = Desk::of(None, "", Some(journal));
    desk.until(OPEN).await;
    desk.order(market("buy", "10")).await;
    let text = std::fs::read_to_string(dir.path().join(FILE)).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<_> = lines.iter().map(|line| &line["update"]["event"]).collect();
    assert_eq!(events, [&json!("new"), &json!("fill")]);
    assert_eq!(lines[1]["update"]["qty"], "10");
}

#[tokio::test]
async fn a_halted_share_is_not_traded_and_an_account_can_be_suspended() {
    let desk = Desk::new();
    desk.until(OPEN).await;
    let halt = |halted: bool| json!({"symbol": "AAPL", "halted": halted}).to_string();
    assert_eq!(desk.ask(Method::POST, "/sandbox/halt", &halt(true)).await.0, 200);
    let (_, taken) = desk.order(market("buy", "1")).await;
    assert_eq!(taken["status"], "accepted");
    assert_eq!(desk.ask(Method::POST, "/sandbox/halt", &halt(false)).await.0, 200);
    let found = desk.get(&format!("/v2/orders/{}", taken["id"].as_str().unwrap())).await;
    assert_eq!(found["status"], "filled", "no price went by meanwhile");
    let suspend = r#"{"suspend_trade": true}"#;
    assert_eq!(desk.ask(Method::PATCH, "/v2/account/configurations", suspend).await.0, 200);
    let (status, body) = desk.order(market("buy", "1")).await;
    assert_eq!(
        (status, &body["message"]),
        (403, &json!("new orders are rejected by user request"))
    );
    assert_eq!(desk.get("/v2/account").await["trade_suspended_by_user"], true);
}
