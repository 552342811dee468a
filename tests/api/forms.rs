//! Answers of a running council have the forms that the API's description gives them.

use std::fs;
use std::path::Path;

use axum::body::Body as Sent;
use axum::http::Request;
use conclave::http::auth::Token;
use conclave::http::rate::Rate;
use conclave::http::{Shared, openapi, router};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::schema::faults;
use super::{Body, ask, description, operations, way_in};
use crate::http::Remembering;
use crate::rig::{World, text};

/// The schema of an answer with this status.
fn schema_of(operation: &Value, status: u16) -> Value {
    let content = &operation["responses"][status.to_string()]["content"];
    content["application/json"]["schema"].clone()
}

/// Holds an answer against its description; fails with all that is wrong.
#[track_caller]
fn holds(document: &Value, operation: &Value, what: &str, (status, told): &(u16, Value)) {
    let schema = schema_of(operation, *status);
    assert!(schema.is_object(), "{what}: an answer {status} is not described: {told}");
    let found = faults(document, &schema, told, "");
    assert!(found.is_empty(), "{what}: {found:#?}");
}

/// A question of an outside system, with what it says of its book and its market before, as texts.
fn outside() -> (String, String, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/briefs/trading_entry.json");
    let text = fs::read_to_string(path).expect("the brief");
    let mut brief: Value = serde_json::from_str(&text).expect("json");
    let members = brief.as_object_mut().expect("an object");
    let mut take = |name: &str| members.remove(name).unwrap_or_default().to_string();
    let (book, regime) = (take("book"), take("regime"));
    for ours in
        ["question", "gates", "session", "trading_state", "open_position", "appeal", "track_record"]
    {
        take(ours);
    }
    (brief.to_string(), book, regime)
}

/// Whether there is a risk, and it is what the stops of the positions say.
fn risk_adds_up(told: &Value) -> bool {
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<f64>().ok());
    let lost = told["positions"].as_array().into_iter().flatten().map(|row| {
        let [price, stop, value] = ["price", "stop", "value"].map(|name| number(&row[name]));
        let (price, stop) = (price.expect("a price"), stop.expect("a stop"));
        let sign = if row["side"] == "long" { 1.0 } else { -1.0 };
        value.expect("a value").abs() * (sign * (price - stop) / price).max(0.0)
    });
    let wanted = lost.sum::<f64>() / number(&told["account"]["equity"]).unwrap_or(f64::NAN);
    let risk = told["account"]["open_risk"].as_f64().unwrap_or_default();
    risk > 0.0 && (risk - wanted).abs() < 1e-6
}

/// Goal: whoever reads the description reads the truth: every answer of a run that trades, to every read
/// and every command, refusals among them, has its form, and holds nothing that is not described.
#[test]
fn every_answer_of_a_running_council_has_the_form_that_is_described() {
    let world = World::new();
    let running = world.start("r", &["--out", "r", "--mode", "autonomous", "--pace", "5ms"]);
    let mut running = running;
    running.wait("a position and an order", |running| {
        let rows = |view: &str, name: &str| running.get(view).map(|it| it[name].clone());
        let is_some = |rows: Option<Value>| rows.is_some_and(|it| it != json!([]));
        is_some(rows("positions", "positions")) && is_some(rows("orders", "orders"))
    });
    running.wait("an open risk that adds up", |running| {
        risk_adds_up(&running.get("positions").unwrap_or_default())
    });
    let (document, (address, token)) = (description(&running), way_in(&world));
    let decision = text(&running.get("rounds").expect("rounds")["rounds"][0]["decision"]);
    for (method, path, operation) in operations(&document, false) {
        if schema_of(&operation, 200).is_null() {
            continue; // A text, or a stream.
        }
        let line = format!("{method} {}", path.replace("{id}", &decision));
        let reply = ask(&address, line.as_bytes(), &[], Body::Text(String::new()));
        assert_eq!(reply.0, 200, "{line}: {}", reply.1);
        holds(&document, &operation, &line, &reply);
    }
    let good = [format!("authorization: Bearer {token}")];
    let (question, book, regime) = outside();
    let commands = [
        ("consult/{kind}", "consult/signal", question.clone(), 422),
        ("context/{kind}", "context/portfolio", book, 200),
        ("context/{kind}", "context/regime", regime, 200),
        ("context/{kind}", "context/session", "\"regular\"".to_owned(), 200),
        ("consult/{kind}", "consult/signal", question.clone(), 200),
        ("consult/{kind}", "consult/luck", question, 404),
        ("approvals/{id}/{answer}", "approvals/x/deny", String::new(), 404),
        ("mode", "mode", "{\"mode\":\"supervised\"}".to_owned(), 200),
        ("mode", "mode", "{\"mode\":\"reckless\"}".to_owned(), 422),
        ("flatten", "flatten", String::new(), 200),
        ("reduce", "reduce", String::new(), 200),
        ("halt", "halt", "{\"reason\":\"the end\"}".to_owned(), 200),
        ("reduce", "reduce", String::new(), 409),
        ("resume", "resume", String::new(), 200),
    ];
    for (path, asked, body, status) in commands {
        let operation = &document["paths"][format!("/api/v1/{path}")]["post"];
        let line = format!("POST /api/v1/{asked}");
        let reply = ask(&address, line.as_bytes(), &good, Body::Text(body));
        assert_eq!(reply.0, status, "{line}: {}", reply.1);
        holds(&document, operation, &line, &reply);
    }
    let reply = ask(&address, b"GET /api/v1/rounds/none", &[], Body::Text(String::new()));
    holds(&document, &document["paths"]["/api/v1/rounds/{id}"]["get"], "a stranger", &reply);
}

/// Goal: a proposal that waits has its form too.
#[test]
fn a_proposal_that_waits_has_the_form_that_is_described() {
    let world = World::new();
    let args = ["--out", "r", "--mode", "supervised", "--pace", "300ms"];
    let mut running = world.start("r", &args);
    let mut seen = Value::Null;
    running.wait("a proposal", |running| {
        seen = running.get("approvals").unwrap_or_default();
        seen["approvals"].as_array().is_some_and(|rows| !rows.is_empty())
    });
    let document = description(&running);
    let operation = &document["paths"]["/api/v1/approvals"]["get"];
    holds(&document, operation, "a proposal", &(200, seen));
}

/// Goal: the router has no route that the description does not know, and answers each one that it knows.
/// Method: the pages are the only routes that are made by hand, and can be read alone; every other is
/// asked for.
#[tokio::test]
async fn each_route_is_described_and_each_that_is_described_is_there() {
    let document = serde_json::to_value(openapi::document()).expect("json");
    let mut made_by_hand = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http");
    for name in ["routes.rs", "mod.rs", "read.rs", "act.rs", "logs.rs", "page/mod.rs"] {
        let source = fs::read_to_string(root.join(name)).expect("a source");
        let lines = source.lines().filter(|line| line.contains(".route(")).map(str::trim);
        made_by_hand.extend(lines.map(str::to_owned));
    }
    let is_page = |line: &String| line.contains(", get(page::") && !line.contains("/api/");
    assert!(made_by_hand.len() == 8 && made_by_hand.iter().all(is_page), "{made_by_hand:#?}");
    for are_commands in [false, true] {
        for (method, path, _) in operations(&document, are_commands) {
            let guard = (Token::new("0123456789abcdef").expect("long enough"), false);
            let desk = std::sync::Arc::<Remembering>::default();
            let shared = Shared::new(desk, std::sync::Arc::default(), guard, Rate::default());
            let uri = path.replace("{answer}", "approve").replace(['{', '}'], "");
            let request = Request::builder().method(method.as_str()).uri(uri);
            let request = request.header("authorization", "Bearer 0123456789abcdef");
            let request = request.body(Sent::from("{\"mode\":\"advisory\"}")).expect("a request");
            let answer = router(shared).oneshot(request).await.expect("a router never fails");
            let status = answer.status().as_u16();
            let is_there = status != 405 && (status != 404 || path.contains("rounds/{id}"));
            assert!(is_there, "{method} {path}: {status}");
        }
    }
}
