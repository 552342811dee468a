//! Answers of vendors: good, refused, cut off, and with figures that are none. Written after their
//! documentation; nothing here was ever said by a vendor.

use super::{VendorError, alpha_vantage, yahoo};
use crate::market::symbol::AssetClass;
use crate::time::Time;

fn now() -> Time {
    "2024-01-04T15:00:00Z".parse().unwrap()
}

const CHART: &str = r#"{"chart":{"result":[{"meta":{"symbol":"AAPL"},
    "timestamp":[1704205800,1704292200,1704378600],
    "indicators":{"quote":[{"open":[187.14999389648438,184.22000122070312,182.0],
    "high":[188.44,185.88,183.0],"low":[183.89,183.43,181.0],
    "close":[185.63999938964844,184.25,182.5],"volume":[82488700,58414500,1000]}]}}],"error":null}}"#;

#[test]
fn a_chart_is_its_closed_bars_in_four_places() {
    let bars = yahoo::daily(CHART, AssetClass::Equity, now()).unwrap();
    // The third session is still open.
    assert_eq!(bars.len(), 2);
    assert_eq!(
        (bars[0].open.to_string(), bars[0].close.to_string()),
        ("187.15".into(), "185.64".into())
    );
    assert_eq!(bars[0].close_time.to_string(), "2024-01-02T21:00:00Z");
    let hole = CHART.replace("184.25", "null");
    assert_eq!(yahoo::daily(&hole, AssetClass::Equity, now()).unwrap().len(), 1);
}

#[test]
fn charts_that_are_none_say_why() {
    let read = |text: &str| yahoo::daily(text, AssetClass::Equity, now());
    for wrong in [
        &CHART[..200],
        &CHART.replace("188.44", "NaN"),
        &CHART.replace("188.44", "\"Infinity\""),
        &CHART.replace("188.44", "1e400"),
        &CHART.replace("[188.44,", "["),
        "{\"chart\":{\"result\":[],\"error\":null}}",
        "<html>Too Many Requests</html>",
        "",
    ] {
        assert!(matches!(read(wrong), Err(VendorError::Unreadable { .. })), "{wrong:.60}");
    }
    let refused = r#"{"chart":{"result":null,"error":{"code":"Not Found","description":"No data <b>found</b>"}}}"#;
    assert_eq!(read(refused), Err(VendorError::Refused { why: "No data found".to_owned() }));
}

#[test]
fn the_series_of_days_is_oldest_first_and_closed() {
    let row = |open: &str| {
        format!(
            r#"{{"1. open":"{open}","2. high":"188.44","3. low":"183.89","4. close":"185.64","5. volume":"82488700"}}"#
        )
    };
    let text = |open: &str| {
        format!(
            r#"{{"Meta Data":{{}},"Time Series (Daily)":{{"2024-01-04":{},"2024-01-03":{},"2024-01-02":{}}}}}"#,
            row("187"),
            row(open),
            row("187.15")
        )
    };
    let bars = alpha_vantage::daily(&text("184.22"), now()).unwrap();
    let closes: Vec<String> = bars.iter().map(|bar| bar.close_time.to_string()).collect();
    assert_eq!(closes, ["2024-01-02T21:00:00Z", "2024-01-03T21:00:00Z"]);
    for wrong in ["NaN", "", "1e40", "up"] {
        let read = alpha_vantage::daily(&text(wrong), now());
        assert!(matches!(read, Err(VendorError::Unreadable { .. })), "{wrong}: {read:?}");
    }
}

#[test]
fn a_refusal_with_status_200_is_a_refusal() {
    let held = r#"{"Note":"Thank you for using Alpha Vantage! 5 calls per minute."}"#;
    assert!(matches!(alpha_vantage::daily(held, now()), Err(VendorError::Held { .. })));
    let held = r#"{"Information":"The rate limit is 25 requests per day."}"#;
    assert!(matches!(alpha_vantage::news(held), Err(VendorError::Held { .. })));
    let refused = r#"{"Error Message":"Invalid API call."}"#;
    let symbol = crate::testing::symbol("AAPL");
    assert!(matches!(alpha_vantage::income(refused, &symbol), Err(VendorError::Refused { .. })));
    assert!(matches!(alpha_vantage::news("{}"), Err(VendorError::Unreadable { .. })));
}

/// L-1: a statement is known from what the vendor says, and from nothing where it says nothing.
#[test]
fn news_and_statements_are_stamped_by_what_is_said_of_them() {
    let feed = r#"{"items":"2","feed":[{"title":"AAPL up","url":"u1","time_published":"20240102T130501",
        "summary":"It rose.","ticker_sentiment":[{"ticker":"AAPL"},{"ticker":"CRYPTO:BTC"}]},
        {"title":"AAPL down","url":"u2","time_published":"yesterday"}]}"#;
    let items = alpha_vantage::news(feed).unwrap();
    assert_eq!(items[0].known_at, Some("2024-01-02T13:05:01Z".parse().unwrap()));
    assert_eq!((items[1].known_at, items[0].symbols.len()), (None, 2));
    let symbol = crate::testing::symbol("AAPL");
    let reports = r#"{"symbol":"AAPL","annualReports":[],"quarterlyReports":[{"fiscalDateEnding":"2023-12-31",
        "reportedCurrency":"USD","totalRevenue":"119575000000","netIncome":"33916000000","ebitda":"None"}]}"#;
    let income = alpha_vantage::income(reports, &symbol).unwrap();
    assert_eq!((income[0].filed_at, income[0].figures.len()), (None, 2));
    let earnings = r#"{"quarterlyEarnings":[
        {"fiscalDateEnding":"2023-12-31","reportedDate":"2024-02-01","reportedEPS":"2.18"},
        {"fiscalDateEnding":"2023-09-30","reportedEPS":"None"}]}"#;
    let earnings = alpha_vantage::earnings(earnings, &symbol).unwrap();
    assert_eq!(earnings.len(), 1);
    assert_eq!(earnings[0].filed_at, Some("2024-02-02T05:00:00Z".parse().unwrap()));
    assert_eq!(earnings[0].figures["eps"].to_string(), "2.18");
}
