//! Answers of vendors: good, refused, cut off, and with figures that are none. Written after their
//! documentation; nothing here was ever said by a vendor.

use super::{History, VendorError, alpha_vantage, yahoo};
use crate::market::splits::write_splits;
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

fn chart(text: &str) -> Result<History, VendorError> {
    yahoo::daily(text, (&crate::testing::symbol("AAPL"), AssetClass::Equity), now())
}

#[test]
fn a_chart_is_its_closed_bars_in_four_places() {
    let bars = chart(CHART).unwrap().bars;
    // The third session is still open.
    assert_eq!(bars.len(), 2);
    assert_eq!(
        (bars[0].open.to_string(), bars[0].close.to_string()),
        ("187.15".into(), "185.64".into())
    );
    assert_eq!(bars[0].close_time.to_string(), "2024-01-02T21:00:00Z");
    let hole = CHART.replace("184.25", "null");
    assert_eq!(chart(&hole).unwrap().bars.len(), 1);
}

/// L-1: a price tells nothing of a later split, not even of one behind the last bar that was asked for.
#[test]
fn a_chart_in_shares_of_today_is_told_as_it_was_paid() {
    let events = r#""events":{"splits":{
        "1720000000":{"date":1720013400,"numerator":4.0,"denominator":1.0,"splitRatio":"4:1"},
        "1704292200":{"date":1704292200,"numerator":1,"denominator":2,"splitRatio":"1:2"}}},"indicators""#;
    let split = CHART.replace("\"indicators\"", events);
    let History { bars, splits } = chart(&split).unwrap();
    let closes: Vec<String> =
        bars.iter().map(|bar| format!("{}x{}", bar.close, bar.volume)).collect();
    assert_eq!(closes, ["371.28x41244350", "737x14603625"]);
    assert_eq!(
        write_splits(&splits),
        "symbol,date,ratio\nAAPL,2024-01-03,1:2\nAAPL,2024-07-03,4:1\n"
    );
    for wrong in ["0", "-4", "1e-20", "1e20", "null"] {
        let text = split.replace("\"numerator\":4.0", &format!("\"numerator\":{wrong}"));
        assert!(matches!(chart(&text), Err(VendorError::Unreadable { .. })), "{wrong}");
    }
}

#[test]
fn charts_that_are_none_say_why() {
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
        assert!(matches!(chart(wrong), Err(VendorError::Unreadable { .. })), "{wrong:.60}");
    }
    let refused = r#"{"chart":{"result":null,"error":{"code":"Not Found","description":"No data <b>found</b>"}}}"#;
    assert_eq!(chart(refused), Err(VendorError::Refused { why: "No data found".to_owned() }));
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
fn a_table_of_splits_is_read_by_day_and_its_factors_are_ratios() {
    let symbol = crate::testing::symbol("AAPL");
    let text = r#"{"symbol":"AAPL","data":[{"effective_date":"2020-08-31","split_factor":"4.0000"},
        {"effective_date":"2014-06-09","split_factor":"7.0000"},
        {"effective_date":"2005-02-28","split_factor":"0.0667"},
        {"effective_date":"2004-02-27","split_factor":"1.1"}]}"#;
    let splits = alpha_vantage::splits(text, &symbol).unwrap();
    let told =
        "AAPL,2004-02-27,11:10\nAAPL,2005-02-28,1:15\nAAPL,2014-06-09,7:1\nAAPL,2020-08-31,4:1\n";
    assert_eq!(write_splits(&splits), format!("symbol,date,ratio\n{told}"));
    for wrong in ["0", "0.0000", "-4", "20000", "1e-27", "NaN"] {
        let text = text.replace("7.0000", wrong);
        let read = alpha_vantage::splits(&text, &symbol);
        assert!(matches!(read, Err(VendorError::Unreadable { .. })), "{wrong}: {read:?}");
    }
    let held = alpha_vantage::splits(r#"{"Information":"25 requests"}"#, &symbol);
    assert!(matches!(held, Err(VendorError::Held { .. })));
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
