//! What the readers take, and what they leave with its line.

use super::merged::Prices;
use super::positions::{Positions, read_positions};
use super::*;
use crate::market::symbol::Symbol;
use crate::order::Side;

const OPENING_LINE: &str =
    r#"{"date":"2031-03-03","id":0,"positions":{"AAA":0,"BBB":0,"CASH":1000.0}}"#;

fn why(line: &str) -> String {
    let book = read_positions(line);
    assert_eq!((book.lines.len(), book.skipped.total), (0, 1), "{line}");
    assert_eq!(book.skipped.listed[0].line, 1);
    book.skipped.listed[0].why.clone()
}

fn prices(text: &str) -> Prices {
    let mut prices = Prices::default();
    prices.add("p", text);
    prices
}

fn problems(prices: &Prices) -> Vec<String> {
    prices.skipped[0].1.listed.iter().map(ToString::to_string).collect()
}

#[test]
fn a_stamp_is_a_day_or_a_moment_and_prints_as_it_is_compared() {
    for (text, shown) in [
        ("2031-03-04", "2031-03-04"),
        ("2031-03-04 09:30:00", "2031-03-04 09:30:00"),
        ("2031-03-04 9:30:00", "2031-03-04 09:30:00"),
    ] {
        assert_eq!(text.parse::<Stamp>().unwrap().to_string(), shown);
    }
    for text in [
        "",
        "2031-3-4",
        "20310304",
        "2031-02-30",
        "2031-03-04T09:30:00",
        "2031-03-04 24:00:00",
        "2031-03-04 09:30",
        "2031-03-04 +9:30:00",
        "-031-03-04",
        "2031-03-04 ",
        "2031-03-04-05",
    ] {
        assert!(text.parse::<Stamp>().is_err(), "{text}");
    }
    let [day, moment]: [Stamp; 2] =
        ["2031-03-04", "2031-03-04 09:30:00"].map(|text| text.parse().unwrap());
    assert!(day < moment && moment < day.end() && moment.end() == moment);
}

#[test]
fn a_line_of_a_book_is_read_from_its_digits() {
    let text = format!(
        "\u{feff}{OPENING_LINE}\r\n\n{}\n{}",
        r#"{"positions":{"CASH":699.7000000000001,"AAA":3.0,"BBB":-0.5},"this_action":{"amount":3,"symbol":"AAA","action":"buy","price":100.1,"note":[[]]},"id":1,"date":"2031-03-04 9:30:00"}"#,
        r#"{"date":"2031-03-05","id":2,"this_action":{"action":"no_trade","symbol":"","amount":0},"positions":{"CASH":"1e2"}}"#,
    );
    let Positions { lines, skipped } = read_positions(&text);
    assert_eq!(skipped.total, 0, "{skipped:?}");
    let [opening, bought, quiet] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((opening.number, opening.id, opening.held.len()), (1, 0, 0));
    assert_eq!((bought.number, bought.cash.to_string().as_str()), (3, "699.7"));
    let act = bought.act.as_ref().unwrap();
    assert_eq!(
        (act.side, act.symbol.as_str(), act.qty.to_string()),
        (Side::Buy, "AAA", "3".into())
    );
    assert_eq!(act.price.unwrap().to_string(), "100.1");
    assert_eq!(bought.held[&Symbol::new("BBB").unwrap()].to_string(), "-0.5");
    assert_eq!((quiet.act.as_ref(), quiet.cash.to_string().as_str()), (None, "100"));
}

#[test]
fn what_is_no_line_of_a_book_says_why() {
    let with =
        |positions: &str| format!(r#"{{"date":"2031-03-03","id":0,"positions":{positions}}}"#);
    let act = |action: &str| {
        let positions = r#""positions":{"CASH":1}"#;
        format!(r#"{{"date":"2031-03-03","id":0,"this_action":{action},{positions}}}"#)
    };
    for (line, part) in [
        (OPENING_LINE[..40].to_owned(), "EOF"),
        ("[]".to_owned(), "expected an object"),
        (OPENING_LINE.replace("\"id\":0", "\"id\":0,\"id\":1"), "`id` stands there twice"),
        (OPENING_LINE.replace("\"id\":0", "\"id\":0.5"), "`id`: 0.5 is no whole number"),
        (OPENING_LINE.replace("03-03", "13-03"), "`date`: `2031-13-03` is no date"),
        (OPENING_LINE.replace("1000.0", "NaN"), "expected value"),
        (OPENING_LINE.replace("1000.0", "null"), "`CASH`: there is no number"),
        (OPENING_LINE.replace("1000.0", "\"a lot\""), "`CASH`: \"a lot\" is not a number"),
        (OPENING_LINE.replace("1000.0", "1e99"), "`CASH`"),
        (OPENING_LINE.replace("1000.0", "-92233720368.54775808"), "`CASH`: out of range"),
        (OPENING_LINE.replace("1000.0", &"1".repeat(40)), "`CASH`"),
        (OPENING_LINE.replace("1000.0", "0.12345678901234567890123456789"), "digits"),
        (OPENING_LINE.replace("\"CASH\":1000.0", "\"CASH\":1,\"CASH\":2"), "twice"),
        (OPENING_LINE.replace("AAA", "../etc"), "`../etc` is no symbol"),
        (with(r#"{"AAA":1}"#), "`positions` has no `CASH`"),
        (with("7"), "`positions`: invalid type"),
        (act(r#"{"action":"hodl","symbol":"AAA","amount":1}"#), "`action`: `hodl` is none"),
        (act(r#"{"action":"buy","symbol":"","amount":1}"#), "`` is no symbol"),
        (act(r#"{"action":"buy","symbol":"AAA"}"#), "there is no `amount`"),
        (act(r#"{"action":"buy","symbol":"AAA","amount":1,"price":0}"#), "a price of 0 cannot be"),
        (act(r#"{"action":"buy","symbol":"AAA","amount":1,"price":1e8}"#), "cannot be"),
        (act("3"), "`this_action`"),
    ] {
        let said = why(&line);
        assert!(said.contains(part), "`{part}` is not in `{said}` ({line})");
    }
}

#[test]
fn deep_long_and_many_are_bounded() {
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    assert!(!why(&deep).is_empty());
    let inside = OPENING_LINE.replace("\"id\":0", &format!("\"id\":0,\"x\":{deep}"));
    let book = read_positions(&inside);
    assert_eq!(book.lines.len() + book.skipped.total, 1);
    let long = format!("{{\"x\":\"{}\"}}", "y".repeat(LINE_MAX));
    assert_eq!(why(&long), format!("longer than {LINE_MAX} bytes"));
    let many = "x\n".repeat(LINES_MAX + 7);
    let skipped = read_positions(&many).skipped;
    assert_eq!((skipped.listed.len(), skipped.total), (UNREAD_MAX, LINES_MAX + 1));
    let key = "\u{1b}[2J".repeat(100);
    let said = why(&OPENING_LINE.replace("AAA", &key.replace('\u{1b}', "\\u001b")));
    assert!(said.len() < 100 && !said.contains('\u{1b}'), "{said}");
}

#[test]
fn a_series_is_read_whatever_its_order_and_its_names() {
    let prices = prices(concat!(
        r#"{"Meta Data":{"2. Symbol":"600001.SH","2.1. Name":"*ST One"},"Time Series (Daily)":{"2031-03-05":{"1. buy price":"101.0"},"2031-03-04":{"1. buy price":"100.1000","2. high":"102","3. low":"99.5","4. sell price":"100.9","5. volume":"12000"}}}"#,
        "\n",
        r#"{"Time Series (60min)":{"2031-03-04 10:00:00":{"1. open":5,"4. close":6}},"Meta Data":{"2. Symbol":"BBB"}}"#,
    ));
    assert_eq!(prices.skipped[0].1.total, 0, "{:?}", prices.skipped);
    let [a, b] = ["600001.SH", "BBB"].map(|text| Symbol::new(text).unwrap());
    let at = |text: &str| text.parse::<Stamp>().unwrap();
    assert_eq!(prices.name(&a), Some("*ST One"));
    assert_eq!(prices.bar(&a, at("2031-03-05")).unwrap().mark().to_string(), "101");
    // A series of days answers for any hour of them, one of hours for its own stamps only.
    let bar = prices.bar(&a, at("2031-03-04 10:30:00")).unwrap();
    assert_eq!((bar.open.to_string(), bar.mark().to_string()), ("100.1".into(), "100.9".into()));
    assert!(prices.bar(&b, at("2031-03-04")).is_none());
    assert!(prices.bar(&b, at("2031-03-04 10:00:00")).is_some());
    assert_eq!(prices.last(&b, at("2031-03-04")).unwrap().1.mark().to_string(), "6");
    assert!(prices.last(&b, at("2031-03-04 09:59:59")).is_none());
    let close = |day: &str| prices.previous_close(&a, at(day).date).map(|price| price.to_string());
    assert_eq!((close("2031-03-04"), close("2031-03-06")), (None, Some("100.9".into())));
    assert!(prices.has_day(at("2031-03-05").date) && !prices.has_day(at("2031-03-06").date));
}

#[test]
fn the_first_file_that_has_a_bar_counts() {
    let series = |day: &str, price: u32| {
        format!(
            r#"{{"Meta Data":{{"2. Symbol":"AAA"}},"Time Series (Daily)":{{"{day}":{{"1. buy price":{price}}}}}}}"#
        )
    };
    let mut both = prices(&series("2031-03-04", 1));
    both.add("q", &format!("{}\n{}", series("2031-03-04", 2), series("2031-03-05", 2)));
    let symbol = Symbol::new("AAA").unwrap();
    let open = |day: &str| both.bar(&symbol, day.parse().unwrap()).map(|bar| bar.open.to_string());
    assert_eq!(open("2031-03-04"), Some("1".to_owned()));
    // The second line of a symbol that stands there twice is left and noted.
    assert_eq!((open("2031-03-05"), both.skipped[1].1.total), (None, 1));
    assert_eq!(both.series_count(), 2);
}

#[test]
fn what_is_no_bar_is_left_with_its_line() {
    let line = |bars: &str| {
        format!(r#"{{"Meta Data":{{"2. Symbol":"AAA"}},"Time Series (Daily)":{{{bars}}}}}"#)
    };
    let bad = [
        (r#""2031-03-04":{"2. high":1}"#, "there is no `1. buy price`"),
        (r#""2031-03-04":{"1. buy price":"-1"}"#, "a price of -1 cannot be"),
        (r#""2031-03-04":{"1. buy price":"10000001"}"#, "cannot be"),
        (r#""2031-03-04":{"1. buy price":1,"2. high":1,"3. low":2}"#, "the high is below the low"),
        (r#""2031-13-04":{"1. buy price":1}"#, "is no date"),
        (r#""2031-03-04":[1]"#, "invalid type"),
    ];
    for (bars, part) in bad {
        let good = r#""2031-03-03":{"1. buy price":1}"#;
        let prices = prices(&format!("\n{}", line(&format!("{bars},{good}"))));
        let found = problems(&prices);
        assert!(found.len() == 1 && found[0].starts_with("line 2: AAA, bar of"), "{found:?}");
        assert!(found[0].contains(part), "`{part}` is not in {found:?}");
        assert_eq!(prices.series_count(), 1);
    }
    let none = prices(&line("").replace("Time Series (Daily)", "Prices"));
    assert_eq!(problems(&none), ["line 1: there is no `Time Series`"]);
    // `09:30` and `9:30` are one stamp under two keys.
    let twice = r#""2031-03-04 9:30:00":{"1. open":1},"2031-03-04 09:30:00":{"1. open":2}"#;
    let found = problems(&prices(&line(twice)));
    assert_eq!(found, ["line 1: AAA has two bars of 2031-03-04 09:30:00"]);
}
