//! Round trips that add up, those that do not, and books made of them.

use serde_json::{Value, json};

use super::*;
use crate::arena::foreign::trades::{RoundTrips, read_trades};

/// A short of two from 10.5 to 10, with a cent of commission each way.
fn trip() -> Value {
    json!({
        "id": "m1_a", "trade_id": "1_X_2_m1", "model_id": "m1", "symbol": "X", "side": "short",
        "quantity": -2, "entry_price": 10.5, "exit_price": 10, "entry_time": 1_900_000_000.5,
        "exit_time": 1_900_003_600, "leverage": 1, "entry_commission_dollars": 0.01,
        "exit_commission_dollars": 0.01, "total_commission_dollars": 0.02,
        "entry_closed_pnl": -0.01, "exit_closed_pnl": 0.99, "realized_gross_pnl": 1.0,
        "realized_net_pnl": 0.98, "exit_plan": {"stop": [1]}, "entry_liquidation": null,
    })
}

fn with(changes: &Value) -> Value {
    let mut trip = trip();
    for (key, value) in changes.as_object().unwrap() {
        trip[key] = value.clone();
    }
    trip
}

fn open(id: &str, symbol: &str, qty: i64) -> Value {
    with(&json!({"id": id, "symbol": symbol, "quantity": qty, "exit_time": null,
        "side": if qty < 0 { "short" } else { "long" }}))
}

fn read(trips: &[Value]) -> RoundTrips {
    read_trades(&json!({"trades": trips, "serverTime": 1}).to_string()).unwrap()
}

fn books(trips: &[Value], prices: Option<&Prices>, terms: Terms) -> Vec<Replayed> {
    let start = Money::from_units(100).unwrap();
    round_trips(&read(trips), prices, MarketKind::Crypto, &terms, start)
}

fn one(trips: &[Value], terms: Terms) -> Verdict {
    let mut books = books(trips, None, terms);
    assert_eq!(books.len(), 1);
    books.remove(0).verdict
}

#[test]
fn a_round_trip_that_adds_up_is_reconciled_and_its_profit_is_the_cash() {
    let verdict = one(&[trip()], STRICT);
    assert!(verdict.holds && verdict.findings.is_empty(), "{verdict:?}");
    assert_eq!((counts(&verdict), verdict.model.as_deref()), ([1, 0, 0, 0], Some("m1")));
    let money = (verdict.final_cash, verdict.fees, verdict.final_nav.unwrap());
    assert_eq!(money.0.to_string(), "100.98");
    assert_eq!((money.1.to_string(), money.2), ("0.02".into(), money.0));
    assert!(verdict.holdings.is_empty());
}

#[test]
fn the_three_shapes_of_a_file_are_one_book() {
    let other = with(&json!({"id": "m1_b"}));
    let whole = json!({"trades": [trip(), other]});
    let lines = format!("{}\n\n{}\n", trip(), other);
    let shapes = [
        whole.to_string(),
        serde_json::to_string_pretty(&whole).unwrap(),
        whole["trades"].to_string(),
        lines,
    ];
    let read = shapes.map(|text| {
        let found = read_trades(&text).unwrap();
        assert_eq!((found.trips.len(), found.skipped.total), (2, 0), "{text}");
        found.trips.into_iter().map(|trip| trip.id).collect::<Vec<_>>()
    });
    assert!(read.iter().all(|ids| *ids == ["m1_a", "m1_b"]), "{read:?}");
    assert_eq!(read_trades(&trip().to_string()).unwrap().trips.len(), 1);
    for text in ["", "[", "{\"trades\":7}", "{\"trades\":[],\"trades\":[]}", "nothing"] {
        assert!(read_trades(text).is_err(), "{text}");
    }
}

#[test]
fn what_is_no_round_trip_is_left_with_its_number() {
    for (changes, part) in [
        (json!({"side": "up"}), "`side`: `up` is neither"),
        (json!({"quantity": "many"}), "`quantity`"),
        (json!({"quantity": null}), "there is no `quantity`"),
        (json!({"symbol": "x"}), "`x` is no symbol"),
        (json!({"exit_price": 0}), "a price of 0 cannot be"),
        (json!({"exit_price": null}), "there is no `exit_price`"),
        (json!({"exit_time": -1}), "`exit_time`: -1 are no seconds"),
        (json!({"exit_time": 253_402_300_800_i64}), "no seconds before the year 10000"),
        (json!({"realized_net_pnl": null}), "there is no `realized_net_pnl`"),
        (json!({"model_id": 7}), "`model_id`: 7 is no short text"),
    ] {
        let found = read(&[trip(), with(&changes)]);
        assert_eq!((found.trips.len(), found.skipped.total), (1, 1), "{changes}");
        let place = &found.skipped.listed[0];
        assert!(place.line == 2 && place.why.contains(part), "{place} for {changes}");
    }
    let verdict = one(&[trip(), json!({})], STRICT);
    assert_eq!((verdict.holds, verdict.unreadable), (false, 1));
    assert!(one(&[trip(), json!({})], LENIENT).holds);
}

#[test]
fn every_figure_that_contradicts_another_is_found() {
    for (changes, figure) in [
        (json!({"side": "long"}), "side"),
        (json!({"realized_gross_pnl": 1.01}), "gross"),
        (json!({"total_commission_dollars": 0.03}), "commission"),
        (json!({"exit_closed_pnl": 0.98}), "net"),
        (json!({"entry_price": 10.6, "realized_gross_pnl": 1.2}), "net of gross"),
        (json!({"exit_price": 10.1}), "gross"),
    ] {
        for terms in [STRICT, LENIENT] {
            let verdict = one(&[with(&changes)], terms);
            assert_eq!(counts(&verdict), [0, 0, 1, 0], "{changes}");
            assert!(verdict.findings[0].expected.contains_key(figure), "{:?}", verdict.findings);
        }
    }
    // A millionth is the end of what sums may differ by.
    assert!(one(&[with(&json!({"realized_gross_pnl": 1.000_001}))], STRICT).holds);
    assert!(!one(&[with(&json!({"realized_gross_pnl": 1.000_001_1}))], STRICT).holds);
}

#[test]
fn a_profit_that_rounded_prices_do_not_give_is_forgiven_up_to_two_basis_points() {
    // Of 21 dollars two basis points are 0.0042.
    let off = |by: f64| with(&json!({"exit_closed_pnl": 0.99 + by, "realized_net_pnl": 0.98 + by}));
    assert!(!one(&[off(0.004)], STRICT).holds);
    assert!(one(&[off(0.004)], LENIENT).holds);
    assert!(!one(&[off(0.0043)], LENIENT).holds);
}

#[test]
fn a_round_trip_without_its_beginning_or_told_twice_is_orphaned() {
    let headless = with(&json!({"id": "m1_b", "entry_price": null}));
    let timeless = with(&json!({"id": "m1_c", "entry_time": null}));
    let verdict = one(&[trip(), headless, timeless, trip()], LENIENT);
    assert_eq!((counts(&verdict), verdict.holds), ([1, 3, 0, 0], false));
    // What is orphaned brings nothing.
    assert_eq!(verdict.final_cash.to_string(), "100.98");
}

#[test]
fn rules_are_judged_on_round_trips_too() {
    for (changes, rule) in [
        (json!({"leverage": 40}), None),
        (json!({"leverage": 41}), Some(Refusal::Leverage)),
        (json!({"leverage": 0.5}), Some(Refusal::Leverage)),
        (json!({"exit_time": 1_900_000_000}), Some(Refusal::Time)),
    ] {
        let [strict, lenient] = [STRICT, LENIENT].map(|terms| one(&[with(&changes)], terms));
        assert_eq!(strict.refused.keys().next().copied(), rule, "{changes}");
        assert_eq!((strict.holds, lenient.holds), (rule.is_none(), true), "{changes}");
    }
}

#[test]
fn prices_hold_the_price_of_a_round_trip_to_its_bar() {
    // 1900000000 is 2030-03-17 17:46:40, the exit an hour later.
    let bars = |first: &str, second: &str| {
        let mut prices = Prices::default();
        let bar = |range: &str| {
            let (low, high) = range.split_once('-').unwrap();
            format!(r#"{{"1. open":{low},"2. high":{high},"3. low":{low},"4. close":9.5}}"#)
        };
        let series = format!(
            r#""2030-03-17 17:00:00":{},"2030-03-17 18:00:00":{}"#,
            bar(first),
            bar(second)
        );
        let meta = r#""Meta Data":{"2. Symbol":"X-USDT"}"#;
        prices.add("p", &format!(r#"{{{meta},"Time Series (60min)":{{{series}}}}}"#));
        prices
    };
    let judged =
        |trips: &[Value], prices: &Prices| books(trips, Some(prices), STRICT).remove(0).verdict;
    assert!(judged(&[trip()], &bars("10-11", "9-10")).holds);
    for prices in [bars("10-10.4", "9-10"), bars("10-11", "10.1-11")] {
        assert_eq!(judged(&[trip()], &prices).refused, [(Refusal::Price, 1)].into());
    }
    let unknown = with(&json!({"symbol": "Y"}));
    assert_eq!(judged(&[unknown], &bars("1-2", "1-2")).refused, [(Refusal::NoPrice, 1)].into());
    // An open short of two from 10.5 has gained two at 9.5.
    let verdict = judged(&[trip(), open("m1_b", "X", -2)], &bars("10-11", "9-10"));
    assert_eq!(verdict.final_nav.unwrap().to_string(), "102.98");
    assert_eq!(verdict.holdings.values().next().unwrap().to_string(), "-2");
}

#[test]
fn what_is_open_without_a_price_is_held_and_not_valued() {
    let verdict = one(&[trip(), open("m1_b", "X", 3), open("m1_c", "X", -1)], STRICT);
    assert_eq!((counts(&verdict), verdict.holds, verdict.final_nav), ([3, 0, 0, 0], true, None));
    assert_eq!(verdict.holdings.values().next().unwrap().to_string(), "2");
    assert_eq!(kinds(&verdict), [FindingKind::NoMark; 2]);
}

#[test]
fn each_model_has_a_book_of_its_own() {
    let other = with(&json!({"id": "m2_a", "model_id": "m2", "exit_closed_pnl": 0.5}));
    let found = books(&[trip(), other], None, STRICT);
    let holds: Vec<(Option<&str>, bool)> =
        found.iter().map(|book| (book.verdict.model.as_deref(), book.verdict.holds)).collect();
    assert_eq!(holds, [(Some("m1"), true), (Some("m2"), false)]);
}

#[test]
fn a_book_is_played_in_the_order_of_time_whatever_the_files() {
    let day = |id: &str, from: i64| {
        with(&json!({"id": id, "entry_time": from, "exit_time": from + 100_000}))
    };
    let trips = [day("late", 1_900_200_000), day("early", 1_900_000_000)];
    let book = books(&trips, None, STRICT).remove(0);
    let lines: Vec<usize> = book.steps.iter().map(|step| step.line).collect();
    assert_eq!(lines, [2, 2, 1, 1]);
    let imported = ImportedBook::realised("m1".to_owned(), Vec::new(), book);
    let equity: Vec<(String, String)> =
        imported.equity.iter().map(|it| (it.day.to_string(), it.value.to_string())).collect();
    let expected = [("2030-03-17", "100"), ("2030-03-18", "100.98"), ("2030-03-20", "100.98")];
    assert_eq!(equity[..3], expected.map(|(day, value)| (day.to_owned(), value.to_owned())));
    assert_eq!(equity.last().unwrap().1, "101.96");
}

#[test]
fn an_imported_book_has_its_lines_its_trades_and_its_value_day_by_day() {
    let mut lines = plain();
    lines.push(line("2031-03-07", 4, "sell 9", r#""AAA":2,"#, "979.98"));
    let replayed = replayed(&lines, MarketKind::Us, STRICT);
    let source = Source { file: "position.jsonl".to_owned(), hash: crate::record::Digest::of(b"") };
    let prices = prices(["AAA", "BBB"]);
    let book = ImportedBook::marked("us".to_owned(), vec![source], replayed, &prices);
    let document = serde_json::to_value(&book).unwrap();
    assert_eq!(
        (&document["schema"], &document["imported"]),
        (&json!("arena-book/1"), &json!(true))
    );
    let trade = |line: usize| document["lines"][line]["trade"].clone();
    assert_eq!(trade(1)["price"], "11.01");
    assert_eq!((&trade(1)["success"], &trade(1)["reason"]), (&json!(true), &Value::Null));
    assert_eq!((&trade(4)["success"], &trade(4)["reason"]), (&json!(false), &json!("position")));
    assert_eq!(document["lines"][2]["holdings"], json!({"AAA": "3"}));
    let equity: Vec<&str> = document["equity"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it["value"].as_str())
        .collect();
    // 966.97 and three at 11.51, 12.51; 979.98 and two at 13.51, 14.51.
    assert_eq!(equity, ["1000", "1001.5", "1004.5", "1007", "1009"]);
    assert_eq!(document["verdict"]["holds"], true);
}
