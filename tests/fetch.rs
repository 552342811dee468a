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

/// All vendors at one address, until it is dropped.
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
            )
            .route("/v2/stocks/bars", get(|uri: Uri| async move { alpaca_bars(&uri) }))
            .route("/v1/corporate-actions", get(|uri: Uri| async move { alpaca_split(&uri) }));
        let (url, runtime) = offered(routes);
        Self { url, _runtime: runtime }
    }
}

/// Four sessions of a share, of which nobody has any but AAPL.
fn chart(path: &str) -> String {
    if path.ends_with("/SPLT") {
        return chart_of_a_split().to_string();
    }
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

/// Prices of a share that is split 4 for 1 on its third day, and 2 for 1 long after: all in shares of today.
fn chart_of_a_split() -> Value {
    let opens: Vec<i64> = (0..4).map(|day| FIRST_OPEN + day * 86_400).collect();
    let quote = json!({"open": [12.5, 12.625, 12.75, 13.0], "high": [12.75, 12.75, 13.0, 13.125],
        "low": [12.375, 12.5, 12.625, 12.875], "close": [12.625, 12.75, 13.0, 13.0],
        "volume": [8_000, 8_000, 8_000, 8_000]});
    let split = |day: i64, shares: u32| json!({"date": FIRST_OPEN + day * 86_400, "numerator": shares, "denominator": 1});
    let splits = json!({"a": split(2, 4), "b": split(200, 2)});
    let result = json!([{"timestamp": opens, "events": {"splits": splits}, "indicators": {"quote": [quote]}}]);
    json!({"chart": {"result": result, "error": null}})
}

/// The same share as it was paid.
fn alpaca_bars(uri: &Uri) -> String {
    let asked = uri.query().unwrap_or_default();
    if !asked.contains("symbols=SPLT") || !asked.contains("adjustment=raw") {
        return json!({"bars": {}, "next_page_token": null}).to_string();
    }
    let bar = |day: u32, prices: [f64; 4], volume: u32| {
        let [open, high, low, close] = prices;
        json!({"t": format!("2024-01-{day:02}T05:00:00Z"), "o": open, "h": high, "l": low, "c": close,
            "v": volume, "n": 9, "vw": close})
    };
    let bars = [
        bar(2, [100.0, 102.0, 99.0, 101.0], 1_000),
        bar(3, [101.0, 102.0, 100.0, 102.0], 1_000),
        bar(4, [25.5, 26.0, 25.25, 26.0], 4_000),
        bar(5, [26.0, 26.25, 25.75, 26.0], 4_000),
    ];
    json!({"bars": {"SPLT": bars}, "next_page_token": null}).to_string()
}

fn alpaca_split(uri: &Uri) -> String {
    let asked = uri.query().unwrap_or_default();
    assert!(asked.contains("symbols=SPLT") && asked.contains("types=forward_split"), "{asked}");
    let split = json!({"id": "d1b5c3a0-0000-4000-8000-000000000001", "symbol": "SPLT", "cusip": "1",
        "new_rate": 4, "old_rate": 1, "process_date": "2024-01-04", "ex_date": "2024-01-04"});
    // Told twice, and one of somebody else: neither may change a price.
    let mut other = split.clone();
    other["symbol"] = "ELSE".into();
    let actions = json!({"forward_splits": [split, split, other], "name_changes": []});
    json!({"corporate_actions": actions, "next_page_token": null}).to_string()
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
    // Statements are asked for by name, the others by the season's file.
    let vendors_of = "vendors = { bars = [\"alpha-vantage\", \"yahoo\"], news = [\"alpha-vantage\"], \
        statements = [\"yahoo\"] }";
    let spec = format!(
        "[season]\nname = \"s\"\nslot = 0.2\nshorts = false\ndeadline_s = 60\n{vendors_of}\n\
         [[contestant]]\nsignature = \"hold\"\ninitial_cash = \"10000\"\n\
         rule = {{ kind = \"buy-and-hold\" }}\n"
    );
    fs::write(world.path("s.toml"), spec).expect("a file");
    let fetch = |symbol: &str, out: &str| {
        let mut args: Vec<&str> = "arena fetch --from 2024-01-01 --to 2024-01-05 \
            --spec s.toml --statements alpha-vantage"
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

/// L-1. Goal: a price tells nothing of a split that comes later. Method: a share that is split within the
/// days that are fetched and once more behind them, from a vendor that adjusts until today and from one that
/// does not; both must leave the same files, and a season may begin behind the split and not before it.
#[test]
fn fetched_bars_are_as_they_were_paid_with_a_table_of_splits_beside_them() {
    let vendors = Vendors::new();
    let world = World::new();
    world.variable("APCA_API_KEY_ID", "PK-marked");
    world.variable("APCA_API_SECRET_KEY", "alpaca-marked-secret");
    for url in ["TRADING_URL", "DATA_URL"] {
        world.variable(&format!("CONCLAVE__ALPACA__{url}"), &vendors.url);
    }
    for vendor in ["yahoo", "alpaca"] {
        let args = "arena fetch --from 2024-01-01 --to 2024-01-05 --symbols SPLT --yahoo-url";
        let mut args: Vec<&str> = args.split_whitespace().collect();
        args.extend([&vendors.url, "--bars", vendor, "--out", vendor]);
        world.verb(&args).succeeds();
        let rows = "2024-01-02,100,102,99,101,1000\n2024-01-03,101,102,100,102,1000\n\
            2024-01-04,25.5,26,25.25,26,4000\n2024-01-05,26,26.25,25.75,26,4000\n";
        let whole = format!("timestamp,open,high,low,close,volume\n{rows}");
        assert_eq!(world.file(vendor, "SPLT.csv"), whole, "{vendor}");
        let table = "symbol,date,ratio\nSPLT,2024-01-04,4:1\n";
        assert_eq!(world.file(vendor, "splits.csv"), table, "{vendor}");
    }
    let season = |last: &str, out: &str| {
        world.verb(&["arena", "run", "--data", "yahoo", "--last", last, "--out", out])
    };
    season("2", "behind").succeeds();
    season("3", "across").refuses(8, "SPLT is split during the season");
    assert!(!world.path("across").exists());
}
