//! The vendors' client against servers on loopback that answer, throttle, cut off, lie and flood. No vendor
//! was ever asked.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};

use super::*;
use crate::adapters::model_http::tests::serve;

const KEY: &str = "hush-marked-51c2";
const CHART: &str = r#"{"chart":{"result":[{"timestamp":[1704205800],"indicators":{"quote":[{"open":[187.1],
    "high":[188.4],"low":[183.8],"close":[185.6],"volume":[82488700]}]}}],"error":null}}"#;

async fn web(status: u16, body: impl Into<String>) -> (Web, tokio::task::JoinSet<()>) {
    let body: String = body.into();
    let answer = move |request: Request<Body>| async move {
        let said = body.replace("[path]", &request.uri().to_string());
        let status = StatusCode::from_u16(status).unwrap();
        Response::builder().status(status).body(Body::from(said)).unwrap()
    };
    let (base, served) = serve(Router::new().fallback(answer)).await;
    let key = Some(Key::new("k", KEY).unwrap());
    (Web::new(&base, key, Duration::from_secs(10)).unwrap(), served)
}

fn symbol() -> Symbol {
    Symbol::new("AAPL").unwrap()
}

fn wanted(symbol: &Symbol) -> Wanted<'_> {
    let (from, to) = ("2024-01-01T00:00:00Z", "2024-01-04T00:00:00Z");
    Wanted {
        symbol,
        class: AssetClass::Equity,
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
        now: to.parse().unwrap(),
    }
}

#[tokio::test]
async fn a_chart_is_fetched_and_what_is_outside_the_days_is_left_out() {
    let symbol = symbol();
    let (web, _served) = web(200, CHART).await;
    let bars = Vendor::Yahoo(web.clone()).bars(&wanted(&symbol)).await.unwrap().bars;
    assert_eq!(bars.len(), 1);
    let early = Wanted { to: "2024-01-02T20:59:59Z".parse().unwrap(), ..wanted(&symbol) };
    let nothing = Vendor::Yahoo(web.clone()).bars(&early).await;
    assert!(matches!(nothing, Err(FetchError::Nothing)), "{nothing:?}");
    let none = Vendor::Yahoo(web).statements(&wanted(&symbol)).await;
    assert!(matches!(none, Err(FetchError::HasNone("statements"))));
}

#[tokio::test]
async fn whatever_goes_wrong_has_its_name_and_holds_no_key() {
    let symbol = symbol();
    let huge = "x".repeat(ANSWER_MAX + 1);
    let echo = format!(r#"{{"Information":"your key {KEY} has 25 requests a day, [path]"}}"#);
    for (status, body, said) in [
        (429, String::new(), "too many questions"),
        (500, String::new(), "status 500"),
        (200, echo, "gives nothing now"),
        (200, r#"{"Note":"slower"}"#.to_owned(), "slower"),
        (200, CHART[..80].to_owned(), "ends too early"),
        (200, r#"{"Time Series (Daily)":{"2024-01-02":{"1. open":NaN}}}"#.to_owned(), "no json"),
        (200, huge, "longer than"),
    ] {
        let (web, _served) = web(status, body).await;
        let error = Vendor::AlphaVantage(web).bars(&wanted(&symbol)).await.unwrap_err().to_string();
        assert!(error.contains(said), "{said}: {error}");
        assert!(!error.contains(KEY) && !error.contains("127.0.0.1"), "{error}");
    }
    let nobody = Web::new("http://127.0.0.1:9", None, Duration::from_secs(2)).unwrap();
    let error = Vendor::Yahoo(nobody).bars(&wanted(&symbol)).await.unwrap_err();
    assert!(matches!(error, FetchError::Unheard(_)), "{error}");
}
