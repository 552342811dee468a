//! The client against a venue on loopback that takes orders, loses answers and refuses on request.

mod orders;
mod questions;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use conclave_domain::alpaca::{NewOrder, OrderType, Side, TimeInForce};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::*;
use crate::adapters::clock;
use crate::adapters::model_http::tests::serve;

const ID: &str = "PK-marked-4d1c77";
const SECRET: &str = "hush-marked-9b2e51";

fn keys() -> Keys {
    Keys::new(ID, SECRET).unwrap()
}

fn settings(base: &str) -> AlpacaSettings {
    AlpacaSettings {
        trading_url: base.to_owned(),
        data_url: base.to_owned(),
        requests_per_minute: 100_000,
        timeout: Duration::from_millis(300),
        deadline: Duration::from_secs(8),
        ..AlpacaSettings::default()
    }
}

/// What the venue does with the next request that changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Takes it and answers.
    Take,
    /// Takes it and answers with this status and no body.
    TakeAndFail(u16),
    /// Takes it and says nothing.
    TakeAndStall,
    /// Takes it and answers what nobody can read.
    TakeAndGarble,
    /// Takes it, says nothing, and shows it only when the next order comes.
    TakeLater,
    /// Takes nothing and answers with this status and no body.
    Fail(u16),
    /// Takes nothing, and has room again in a second.
    Full,
    /// Takes nothing, and says why.
    Refuse(u16, i64),
}

#[derive(Debug, Default)]
struct Book {
    acts: VecDeque<Act>,
    orders: Vec<Value>,
    /// Orders that are taken and not shown yet.
    hidden: Vec<Value>,
    asked: Vec<String>,
    /// Answers to questions, by path; a question that has none is answered by the book.
    answers: Vec<(&'static str, u16, String)>,
}

#[derive(Clone, Debug, Default)]
struct Fake(Arc<Mutex<Book>>);

impl Fake {
    fn plan(&self, acts: &[Act]) {
        self.0.lock().unwrap().acts.extend(acts);
    }

    fn answers(&self, path: &'static str, status: u16, body: &str) {
        self.0.lock().unwrap().answers.push((path, status, body.to_owned()));
    }

    /// How often something was asked that begins so.
    fn count(&self, asked: &str) -> usize {
        self.0.lock().unwrap().asked.iter().filter(|it| it.starts_with(asked)).count()
    }

    fn orders(&self) -> Vec<Value> {
        self.0.lock().unwrap().orders.clone()
    }
}

async fn answer(State(fake): State<Fake>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let (method, path) = (parts.method.as_str().to_owned(), parts.uri.path().to_owned());
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let header = |name: &str| parts.headers.get(name).map(|it| it.to_str().unwrap().to_owned());
    assert_eq!(header("apca-api-key-id").as_deref(), Some(ID));
    assert_eq!(header("apca-api-secret-key").as_deref(), Some(SECRET));
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let act = {
        let mut book = fake.0.lock().unwrap();
        book.asked.push(format!("{method} {path}?{query}"));
        if method == "GET" {
            return question(&book, &path, &query);
        }
        let act = book.acts.pop_front().unwrap_or(Act::Take);
        let shown = std::mem::take(&mut book.hidden);
        book.orders.extend(shown);
        let is_taken = !matches!(act, Act::Fail(_) | Act::Full | Act::Refuse(..));
        if is_taken && method == "POST" {
            let order = taken(&serde_json::from_slice(&body).unwrap(), book.orders.len());
            let shelf = if act == Act::TakeLater { &mut book.hidden } else { &mut book.orders };
            shelf.push(order);
        }
        act
    };
    let last = fake.orders().pop().unwrap_or_default();
    match act {
        Act::Take if method == "DELETE" => reply(204, String::new()),
        Act::Take => reply(200, last.to_string()),
        Act::TakeAndFail(status) | Act::Fail(status) => reply(status, String::new()),
        Act::TakeAndGarble => reply(200, "{\"id\":".to_owned()),
        Act::TakeAndStall | Act::TakeLater => {
            tokio::time::sleep(Duration::from_mins(1)).await;
            reply(200, last.to_string())
        }
        Act::Full => {
            let reset = clock::now().ms() / 1_000 + 1;
            let mut full = reply(429, "{\"message\":\"too many requests\"}".to_owned());
            full.headers_mut().insert("x-ratelimit-reset", reset.to_string().parse().unwrap());
            full
        }
        Act::Refuse(status, code) => {
            let text = format!("no, {ID} with {SECRET}");
            reply(status, json!({"code": code, "message": text}).to_string())
        }
    }
}

fn question(book: &Book, path: &str, query: &str) -> Response<Body> {
    if let Some((_, status, body)) = book.answers.iter().find(|(known, ..)| *known == path) {
        return reply(*status, body.clone());
    }
    let found = book.orders.iter().find(|order| {
        query == format!("client_order_id={}", order["client_order_id"].as_str().unwrap())
            || path.ends_with(order["id"].as_str().unwrap())
    });
    match found {
        Some(order) => reply(200, order.to_string()),
        None => reply(404, json!({"code": 40_410_000, "message": "order not found"}).to_string()),
    }
}

fn taken(asked: &Value, nth: usize) -> Value {
    let mut order = asked.clone();
    order["id"] = json!(format!("venue-{nth}"));
    order["status"] = json!("accepted");
    order["filled_qty"] = json!("0");
    order
}

fn reply(status: u16, body: String) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap();
    Response::builder().status(status).body(Body::from(body)).unwrap()
}

/// A venue, and a client of it.
async fn venue() -> (Alpaca, Fake, JoinSet<()>) {
    let fake = Fake::default();
    let (base, served) = serve(Router::new().fallback(answer).with_state(fake.clone())).await;
    (Alpaca::new(settings(&base), &keys()).unwrap(), fake, served)
}

fn order(id: &str) -> NewOrder {
    NewOrder {
        symbol: "AAPL".to_owned(),
        qty: Some("10".parse().unwrap()),
        side: Side::Buy,
        kind: OrderType::Limit,
        time_in_force: TimeInForce::Day,
        limit_price: Some("150.10".parse().unwrap()),
        client_order_id: Some(id.to_owned()),
        ..NewOrder::default()
    }
}
