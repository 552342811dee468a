//! Questions: what is asked, how often, what is read, and where lists end.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::Query;
use axum::routing::get;
use conclave_domain::alpaca::{Remedy, Trouble};
use conclave_domain::market::bar::Timeframe;
use conclave_domain::market::symbol::AssetClass;
use futures_util::stream;

use super::*;

/// An account as the documents show it.
const ACCOUNT: &str = r#"{"account_blocked":false,"account_number":"010203ABCD",
    "buying_power":"262113.632","cash":"-23140.2","created_at":"2019-06-12T22:47:07.99658Z",
    "currency":"USD","equity":"103820.56","id":"e6fe16f3-64a4-4921-8928-cadf02f92f98",
    "last_equity":"103529.24","multiplier":"4","options_trading_level":1,"status":"ACTIVE",
    "shorting_enabled":true,"trade_suspended_by_user":false,"trading_blocked":false}"#;

#[tokio::test]
async fn an_account_is_read_as_the_documents_show_it() {
    let (alpaca, fake, _served) = venue().await;
    fake.answers("/v2/account", 200, ACCOUNT);
    let account = alpaca.account().await.unwrap();
    assert_eq!(account.buying_power.to_string(), "262113.632");
    assert_eq!(account.block(), None);
    fake.answers("/v2/clock", 200, "{\"timestamp\":");
    let error = alpaca.clock().await.unwrap_err();
    assert_eq!((error.trouble(), fake.count("GET /v2/clock")), (Some(&Trouble::Malformed), 1));
    assert_eq!(alpaca.asset("NONE").await, Ok(None));
}

#[tokio::test]
async fn a_question_is_asked_again_where_it_may_help_and_not_where_it_does_not() {
    for (status, is_again, remedy) in [
        (500, true, Remedy::Retry),
        (429, true, Remedy::WaitUntilReset),
        (403, false, Remedy::GiveUp),
        (401, false, Remedy::Operator),
        (302, false, Remedy::Fix),
    ] {
        let (alpaca, fake, _served) = venue().await;
        fake.answers("/v2/account", status, "");
        let quick = AlpacaSettings { deadline: Duration::from_millis(1_500), ..alpaca.settings };
        let alpaca = Alpaca::new(quick, &keys()).unwrap();
        let error = alpaca.account().await.unwrap_err();
        assert_eq!(error.remedy(), remedy, "{status}: {error}");
        assert_eq!(fake.count("GET /v2/account") > 1, is_again, "{status}");
    }
}

/// Goal: a reply that is too long is refused, and not asked for again: it would be the same, and the deadline
/// that ends the last of many attempts would be told in the place of the reason. Method: one that says how
/// long it is, and one that never ends.
#[tokio::test]
async fn a_reply_without_an_end_is_not_read_to_it() {
    let (alpaca, fake, _served) = venue().await;
    fake.answers("/v2/positions", 200, &format!("[{}]", " ".repeat(17 << 20)));
    let slow = AlpacaSettings { timeout: Duration::from_secs(8), ..alpaca.settings };
    let alpaca = Alpaca::new(slow.clone(), &keys()).unwrap();
    let error = alpaca.positions().await.unwrap_err();
    assert!(error.to_string().contains("longer than"), "{error}");
    assert_eq!(fake.count("GET /v2/positions"), 1);

    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let endless = move || async move {
        counted.fetch_add(1, Ordering::SeqCst);
        let blanks = || Ok::<_, std::convert::Infallible>(" ".repeat(1 << 16));
        Body::from_stream(stream::repeat_with(blanks))
    };
    let (base, _served) = serve(Router::new().fallback(endless)).await;
    let slow = AlpacaSettings { trading_url: base.clone(), data_url: base, ..slow };
    let error = Alpaca::new(slow, &keys()).unwrap().positions().await.unwrap_err();
    assert!(error.to_string().contains("longer than"), "{error}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn keys_are_shown_only_where_they_belong() {
    let open = |id: &str, trading: &str, data: &str| {
        let urls = [trading, data].map(|url| match url {
            "here" => "http://127.0.0.1:9".to_owned(),
            host => format!("https://{host}"),
        });
        let [trading_url, data_url] = urls;
        let settings = AlpacaSettings { trading_url, data_url, ..AlpacaSettings::default() };
        Alpaca::new(settings, &Keys::new(id, SECRET).unwrap()).map(|alpaca| alpaca.venue())
    };
    let (paper, live) = ("paper-api.alpaca.markets", "api.alpaca.markets");
    let data = "data.alpaca.markets";
    for (id, trading, from, expected) in [
        ("PK1", paper, data, Some(Venue::Paper)),
        ("AK1", live, data, Some(Venue::Live)),
        ("PK1", "here", "here", Some(Venue::Here)),
        ("local", "here", "here", Some(Venue::Here)),
        ("AK1", paper, data, None),
        ("PK1", live, data, None),
        ("XX1", live, data, None),
        ("AK1", "here", data, None),
        ("AK1", live, "here", None),
        ("AK1", "api.alpaca.markets.example.com", data, None),
        ("é", paper, data, None),
    ] {
        let Ok(keys) = Keys::new(id, SECRET) else {
            assert_eq!(expected, None, "{id}");
            continue;
        };
        assert!(!format!("{keys:?}").contains(id));
        assert_eq!(open(id, trading, from).ok(), expected, "{id} {trading} {from}");
    }
    let refused = open("AK1", paper, data).unwrap_err();
    assert_eq!(refused.remedy(), Remedy::Operator);
    let settings = |url: &str| AlpacaSettings { trading_url: url.to_owned(), ..Default::default() };
    for url in ["http://paper-api.alpaca.markets", "ftp://x", "https://me:pass@x.com", "x"] {
        let error = Alpaca::new(settings(url), &keys()).unwrap_err();
        assert!(matches!(error, AlpacaError::Address { key: "alpaca.trading_url", .. }), "{url}");
    }
}

/// 1,201 orders in groups of three that were sent at one moment.
async fn orders_page(Query(query): Query<Vec<(String, String)>>) -> String {
    let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, it)| it.as_str());
    assert_eq!((value("direction"), value("limit")), (Some("asc"), Some("500")));
    let after: Option<jiff::Timestamp> = value("after").map(|text| text.parse().unwrap());
    let all = (0..1_201_i64).map(|nth| {
        let sent =
            jiff::Timestamp::from_nanosecond(i128::from(nth / 3) + 1_700_000_000_000_000_000);
        (nth, sent.unwrap())
    });
    let page = all.filter(|(_, sent)| after.is_none_or(|after| after < *sent)).take(500);
    let page: Vec<Value> = page
        .map(|(nth, sent)| {
            let mut order = taken(&serde_json::to_value(order(&format!("cv-{nth}"))).unwrap(), 0);
            order["id"] = json!(format!("venue-{nth}"));
            order["submitted_at"] = json!(sent.to_string());
            order
        })
        .collect();
    Value::from(page).to_string()
}

#[tokio::test]
async fn a_page_that_cuts_a_bracket_in_two_loses_none_of_its_orders() {
    let (base, _served) = serve(Router::new().route("/v2/orders", get(orders_page))).await;
    let slow = AlpacaSettings { timeout: Duration::from_secs(8), ..settings(&base) };
    let alpaca = Alpaca::new(slow, &keys()).unwrap();
    let orders = alpaca.orders(&OrdersQuery { all: true, ..OrdersQuery::default() }).await.unwrap();
    let ids: Vec<String> = (0..1_201).map(|nth| format!("venue-{nth}")).collect();
    assert_eq!(orders.into_iter().map(|order| order.id).collect::<Vec<_>>(), ids);
}

/// Two pages, or the same for ever where the symbol is `LOOP`.
async fn bars_page(Query(query): Query<Vec<(String, String)>>) -> String {
    let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, it)| it.as_str());
    let symbol = value("symbols").unwrap();
    assert_eq!((value("timeframe"), value("feed")), (Some("1Min"), Some("iex")));
    let (minute, next) = match value("page_token") {
        None => (30, json!("two")),
        Some(_) if symbol == "LOOP" => (31, json!("two")),
        Some("two") => (31, Value::Null),
        Some(other) => panic!("{other}"),
    };
    let at = format!("2022-01-03T14:{minute}:00Z");
    let bar = format!(r#"{{"t":"{at}","o":1.1,"h":1.2,"l":1.0,"c":1.15,"v":100,"n":2,"vw":1.1}}"#);
    format!(r#"{{"bars":{{"{symbol}":[{bar}]}},"next_page_token":{next}}}"#)
}

#[tokio::test]
async fn pages_are_put_together_and_a_list_that_goes_in_circles_ends() {
    let (base, _served) = serve(Router::new().route("/v2/stocks/bars", get(bars_page))).await;
    let alpaca = Alpaca::new(settings(&base), &keys()).unwrap();
    let query = |symbol: &str| BarsQuery {
        symbols: vec![symbol.to_owned()],
        class: AssetClass::Equity,
        timeframe: Timeframe::Minute,
        from: "2022-01-03T00:00:00Z".parse().unwrap(),
        to: "2022-01-04T00:00:00Z".parse().unwrap(),
        adjustment: "raw",
    };
    let bars = alpaca.bars(&query("AAPL")).await.unwrap();
    let minutes: Vec<String> = bars["AAPL"].iter().map(|bar| bar.at.to_string()).collect();
    assert_eq!(minutes, ["2022-01-03T14:30:00Z", "2022-01-03T14:31:00Z"]);
    let error = alpaca.bars(&query("LOOP")).await.unwrap_err();
    assert!(matches!(error, AlpacaError::TooMuch { .. }), "{error}");
}

/// Splits on two pages, out of order, and of one symbol a ratio that is none.
async fn actions_page(Query(query): Query<Vec<(String, String)>>) -> String {
    let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, it)| it.as_str());
    let symbol = value("symbols").unwrap();
    assert_eq!((value("start"), value("end")), (Some("2014-01-01"), Some("2024-12-31")));
    let split = |new: &str, old: &str, day: &str| {
        format!(r#"{{"symbol":"{symbol}","new_rate":{new},"old_rate":{old},"ex_date":"{day}"}}"#)
    };
    match (symbol, value("page_token")) {
        ("AAPL", None) => format!(
            r#"{{"corporate_actions":{{"forward_splits":[{}],"reverse_splits":null}},"next_page_token":"two"}}"#,
            split("4", "1", "2020-08-31")
        ),
        ("AAPL", Some("two")) => format!(
            r#"{{"corporate_actions":{{"forward_splits":[{}],"reverse_splits":[{}],"spin_offs":[{{}}]}}}}"#,
            split("7.0", "1.0", "2014-06-09"),
            split("1", "12.5", "2021-01-04")
        ),
        ("LOOP", _) => r#"{"corporate_actions":{},"next_page_token":"two"}"#.to_owned(),
        _ => format!(
            r#"{{"corporate_actions":{{"forward_splits":[{}]}}}}"#,
            split("0", "1", "2020-08-31")
        ),
    }
}

#[tokio::test]
async fn splits_are_read_by_day_and_one_that_is_no_ratio_is_not_passed_over() {
    let routes = Router::new().route("/v1/corporate-actions", get(actions_page));
    let (base, _served) = serve(routes).await;
    let alpaca = Alpaca::new(settings(&base), &keys()).unwrap();
    let days = ("2014-01-01".parse().unwrap(), "2024-12-31".parse().unwrap());
    let splits = alpaca.splits(&["AAPL"], days).await.unwrap();
    let told: Vec<String> =
        splits.iter().map(|it| format!("{} {}:{}", it.date, it.new, it.old)).collect();
    assert_eq!(told, ["2014-06-09 7:1", "2020-08-31 4:1", "2021-01-04 2:25"]);
    let error = alpaca.splits(&["LOOP"], days).await.unwrap_err();
    assert!(matches!(error, AlpacaError::TooMuch { .. }), "{error}");
    let error = alpaca.splits(&["ZERO"], days).await.unwrap_err();
    assert!(error.to_string().contains("0 for 1 of `ZERO` on 2020-08-31"), "{error}");
}

/// Goal: what is missing of a snapshot is missing, and many symbols are asked for in parts.
#[tokio::test]
async fn snapshots_are_read_as_the_documents_show_them_in_parts() {
    let (alpaca, fake, _served) = venue().await;
    let body = r#"{"AAPL":{"dailyBar":{"c":155.9,"h":156.1,"l":154.0,"n":500000,"o":154.2,
        "t":"2022-04-01T04:00:00Z","v":60000000,"vw":155.2},
        "latestQuote":{"ap":0,"as":0,"ax":"V","bp":155.5,"bs":2,"bx":"V","c":["R"],
        "t":"2022-04-01T20:00:00.123456789Z","z":"C"},
        "latestTrade":{"c":["@"],"i":1,"p":155.71,"s":100,"t":"2022-04-01T19:59:59.9Z","x":"V","z":"C"},
        "minuteBar":{"c":1,"h":1,"l":1,"n":1,"o":1,"t":"2022-04-01T19:59:00Z","v":1,"vw":1},
        "prevDailyBar":{"c":174.61,"h":178.0,"l":174.4,"n":1,"o":177.8,"t":"2022-03-31T04:00:00Z",
        "v":10,"vw":175.5}},
        "BARE":{"latestTrade":null},"GONE":null}"#;
    fake.answers("/v2/stocks/snapshots", 200, body);
    let names: Vec<String> = (0..401).map(|nth| format!("S{nth}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let found = alpaca.snapshots(&names).await.unwrap();
    assert_eq!(fake.count("GET /v2/stocks/snapshots"), 2);
    assert_eq!(found.len(), 2);
    let apple = found["AAPL"];
    assert_eq!(apple.price().unwrap().to_string(), "155.71");
    // Ten shares at their mean price: the day that is whole, not the one that goes on.
    assert_eq!(apple.day_value().unwrap().to_string(), "1755");
    assert_eq!((found["BARE"].price(), found["BARE"].day_value()), (None, None));
    assert!(alpaca.snapshots(&[]).await.unwrap().is_empty());
    fake.answers(
        "/v2/assets",
        200,
        r#"[{"id":"a","class":"us_equity","symbol":"AAPL","name":null}]"#,
    );
    let assets = alpaca.assets(AssetClass::Equity).await.unwrap();
    assert_eq!((assets.len(), assets[0].tradable), (1, false));
    assert_eq!(fake.count("GET /v2/assets?status=active&asset_class=us_equity"), 1);
}

/// Takes no name that ends with `X`.
async fn picky_snapshots(Query(query): Query<Vec<(String, String)>>) -> Response<Body> {
    let symbols = query.iter().find(|(key, _)| key == "symbols").map(|(_, it)| it.as_str());
    let symbols: Vec<&str> = symbols.unwrap().split(',').collect();
    if symbols.iter().any(|symbol| symbol.ends_with('X')) {
        return reply(400, r#"{"message":"invalid symbol"}"#.to_owned());
    }
    let all: serde_json::Map<String, Value> =
        symbols.iter().map(|symbol| ((*symbol).to_owned(), json!({}))).collect();
    reply(200, Value::Object(all).to_string())
}

#[tokio::test]
async fn a_name_that_the_data_side_does_not_take_costs_nobody_else() {
    let router = Router::new().route("/v2/stocks/snapshots", get(picky_snapshots));
    let (base, _served) = serve(router).await;
    let slow = AlpacaSettings { timeout: Duration::from_secs(8), ..settings(&base) };
    let alpaca = Alpaca::new(slow, &keys()).unwrap();
    let names = |end: fn(usize) -> &'static str| {
        (0..500).map(|nth| format!("S{nth}{}", end(nth))).collect::<Vec<String>>()
    };
    let few = names(|nth| if nth == 7 || nth == 450 { "X" } else { "" });
    let found = alpaca.snapshots(&few.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(found.unwrap().len(), 498);
    let all = names(|_| "X");
    let refused = alpaca.snapshots(&all.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert!(matches!(refused.unwrap_err().trouble(), Some(Trouble::BadRequest { .. })));
}
