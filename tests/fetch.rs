//! `arena fetch` by the built binary against servers of our own that speak as the vendors' documents say: what
//! it writes is what a season reads. No vendor was ever asked.

use std::fs;

use axum::Router;
use axum::extract::Query;
use axum::http::Uri;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::rig::{World, offered};

/// A key that must stand nowhere.
const KEY: &str = "av-marked-key-90d1";
/// 2024-01-02T14:30:00Z, an opening of the exchange, in seconds.
const FIRST_OPEN: i64 = 1_704_205_800;

/// Both vendors at one address, until it is dropped.
struct Vendors {
    url: String,
    _runtime: Runtime,
}

impl Vendors {
    fn new() -> Self {
        let routes = Router::new()
            .route("/v8/finance/chart/{symbol}", get(|uri: Uri| async move { chart(uri.path()) }))
            .route(
                "/query",
                get(|Query(asked): Query<Vec<(String, String)>>| async move { query(&asked) }),
            );
        let (url, runtime) = offered(routes);
        Self { url, _runtime: runtime }
    }
}

/// Four sessions of a share, of which nobody has any but AAPL.
fn chart(path: &str) -> String {
    if !path.ends_with("/AAPL") {
        let error = json!({"code": "Not Found", "description": "No data found"});
        return json!({"chart": {"result": null, "error": error}}).to_string();
    }
    let opens: Vec<i64> = (0..4).map(|day| FIRST_OPEN + day * 86_400).collect();
    let quote = json!({"open": [187.15, 184.22, 182.15, 181.99], "high": [188.44, 185.88, 183.09, 182.76],
        "low": [183.89, 183.43, 180.88, 180.17], "close": [185.64, 184.25, 181.91, 181.18],
        "volume": [82_488_700, 58_414_500, 71_983_600, 62_303_300]});
    let result = json!([{"timestamp": opens, "indicators": {"quote": [quote]}}]);
    json!({"chart": {"result": result, "error": null}}).to_string()
}

/// Alpha Vantage: no bars today, news, and statements of which one says when it was reported.
fn query(asked: &[(String, String)]) -> String {
    let of =
        |name: &str| asked.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    if of("apikey") != Some(KEY) {
        return json!({"Error Message": "the key is wrong"}).to_string();
    }
    match of("function") {
        Some("NEWS_SENTIMENT") => json!({"items": "1", "feed": [{"title": "AAPL opens a factory",
            "url": "https://example.com/1", "time_published": "20240103T130501",
            "summary": "It is large.", "ticker_sentiment": [{"ticker": "AAPL"}]}]})
        .to_string(),
        Some("INCOME_STATEMENT") => {
            json!({"symbol": "AAPL", "annualReports": [], "quarterlyReports": [
            {"fiscalDateEnding": "2023-09-30", "reportedCurrency": "USD",
             "totalRevenue": "89498000000", "netIncome": "22956000000"}]})
            .to_string()
        }
        Some("EARNINGS") => json!({"quarterlyEarnings": [{"fiscalDateEnding": "2023-09-30",
            "reportedDate": "2023-11-02", "reportedEPS": "1.46"}]})
        .to_string(),
        _ => json!({"Information": format!("your key {KEY} has no more questions today")})
            .to_string(),
    }
}

/// Goal: whoever has vendors has a season on real forms of data. Method: bars of the second vendor in a chain
/// whose first one throttles, news and statements of the first; then a season of a desk on what was written.
#[test]
fn what_is_fetched_from_a_chain_of_vendors_is_what_a_season_is_played_on() {
    let vendors = Vendors::new();
    let world = World::new();
    world.variable("ALPHAVANTAGE_API_KEY", KEY);
    let fetch = |symbol: &str, out: &str| {
        let mut args: Vec<&str> = "arena fetch --from 2024-01-01 --to 2024-01-05 \
            --bars alpha-vantage,yahoo --news alpha-vantage --statements alpha-vantage"
            .split_whitespace()
            .collect();
        args.extend(["--yahoo-url", &vendors.url, "--alpha-vantage-url", &vendors.url]);
        args.extend(["--symbols", symbol, "--out", out]);
        world.verb(&args)
    };
    let said = fetch("AAPL", "d");
    said.succeeds();
    let said = String::from_utf8_lossy(&said.0.stdout).into_owned();
    for part in ["4 daily bars of yahoo", "1 items of news of alpha-vantage", "2 statements of"] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
    let bars = world.file("d", "AAPL.csv");
    assert_eq!(bars.lines().count(), 1 + 4, "{bars}");
    assert!(bars.contains("185.64"), "{bars}");
    let news: Value = serde_json::from_str(world.file("d", "news.jsonl").trim()).expect("a text");
    assert_eq!(news["known_at"], "2024-01-03T13:05:01Z");

    let args =
        "arena run --data d --news d/news.jsonl --statements d/statements.jsonl --last 2 --out s";
    world.verb(&args.split_whitespace().collect::<Vec<_>>()).succeeds();
    let board: Value = serde_json::from_str(&world.file("s", "board.json")).expect("a board");
    assert_eq!(board["tick"]["at"], "2024-01-05T21:00:00Z", "{board}");
    let page = world.file("s", "report.html");
    assert!(page.contains("texts and statements"), "the library is not on the page");

    // What nobody has is told by vendor, nothing is written, and no key is in it.
    let refused = fetch("MSFT", "none");
    refused.refuses(8, "no bars of MSFT");
    let mut told = refused.stderr();
    told.push_str(&said);
    assert!(told.contains("alpha-vantage: ") && told.contains("yahoo: "), "{told}");
    assert!(!told.contains(KEY) && !world.path("none").exists(), "{told}");
    for file in ["AAPL.csv", "assets.csv", "news.jsonl", "statements.jsonl"] {
        let text = fs::read_to_string(world.path("d").join(file)).expect("a file");
        assert!(!text.contains(KEY), "{file}");
    }
}
