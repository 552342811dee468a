//! A row per kind of bad input, and the forms that good input takes.

use jiff::civil::date;

use super::*;
use crate::market::bar::Timeframe;
use crate::market::calendar::Calendar;
use crate::market::door::Warning;
use crate::market::symbol::{AssetClass, Symbol};

const HEADER: &str = "timestamp,open,high,low,close,volume";

fn options() -> CsvOptions {
    CsvOptions::new(Symbol::new("TEST").unwrap())
}

fn read(text: &str) -> Result<CsvRead, CsvFaults> {
    read_csv(text.as_bytes(), &options())
}

/// Reads rows under the usual header and gives the first fault.
#[track_caller]
fn check(rows: &str, expected: &str) {
    let faults = read(&format!("{HEADER}\n{rows}")).unwrap_err();
    assert_eq!(faults.to_string(), expected);
}

#[test]
fn each_kind_of_bad_input_is_named_with_its_line_column_and_value() {
    let good = "2013-03-01,10,11,9,10,100";
    check(
        &format!("{good}\n2013-03-04,10,11,9,NaN,100"),
        "line 3: column `close`: `NaN` is not a decimal number such as 130.31",
    );
    check(
        &format!("{good}\n2013-03-04,10,11,9,10,-5"),
        "line 3: the bar of 2013-03-04T14:30:00Z has volume -5: it must be zero or more",
    );
    check(
        "2013-03-01,10,8,9,10,100",
        "line 2: the bar of 2013-03-01T14:30:00Z has high 8 below open 10",
    );
    check(
        &format!("{good}\n{good}"),
        "line 3: the bar of 2013-03-01T14:30:00Z is there already: times must increase",
    );
    check(
        &format!("{good}\n2013-02-28,10,11,9,10,100"),
        "line 3: the bar of 2013-02-28T14:30:00Z comes after the one of 2013-03-01T14:30:00Z: times must increase",
    );
    check(
        "2013-03-01,10,11,9,123456789012345678901234567890,100",
        "line 2: column `close`: `123456789012345678901234567890` is out of range: its size must be below 92233720368",
    );
    check(
        &format!("{good}\n2013-03-04,10,11"),
        "line 3: the line has 3 fields where the header has 6",
    );
    check(
        &format!("{good}\n2013-03-04,10,11,9,,100"),
        "line 3: column `close` is empty: give a value or drop the line",
    );
    check("2013-03-01,10,11,9,10,\"100", "line 2: a quote is not closed on the line");
    check(
        "2013-03-01,0,11,9,10,1",
        "line 2: the bar of 2013-03-01T14:30:00Z has open 0: a price must be above zero",
    );
    check("", "line 1: there is no row under the header");
}

#[test]
fn files_that_are_no_table_of_bars_are_refused() {
    for empty in ["", "\n\n", "\u{feff}", "\r\n"] {
        assert_eq!(
            read(empty).unwrap_err().to_string(),
            "line 1: the file is empty: the first line must name the columns"
        );
    }
    let faults = read("date,open,high,low\n2013-03-01,1,1,1").unwrap_err();
    assert_eq!(
        faults.to_string(),
        "line 1: column `close` is missing: the header needs one of `close`, `c`\n\
         line 1: column `volume` is missing: the header needs one of `volume`, `vol`, `v`"
    );
    let faults = read("date,time,o,h,l,c,v\n").unwrap_err();
    assert_eq!(
        faults.to_string(),
        "line 1: columns `date` and `time` could both be `timestamp`: keep one"
    );
    let binary = read_csv(b"\xFF\xFE\x00\x01", &options()).unwrap_err();
    assert_eq!(binary.to_string(), "line 1: the line is not UTF-8 text: save the file as UTF-8");
    let long = format!("{HEADER}\n{}\n", "9".repeat(LINE_MAX + 1));
    let faults = read(&long).unwrap_err().to_string();
    assert_eq!(
        faults,
        "line 2: the line has 16385 bytes, over the bound of 16384: is this a CSV file?"
    );
    let mut half = format!("{HEADER}\n2013-03-01,10,11,9,10,100\n").into_bytes();
    half.extend(b"2013-03-04,10,11,9,10,\xC3");
    assert_eq!(read_csv(&half, &options()).unwrap_err().shown[0].line, 3);
}

#[test]
fn all_faults_are_counted_and_the_first_ones_shown_in_order_of_lines() {
    let mut text = format!("{HEADER}\n");
    for index in 0..50 {
        text.push_str(if index % 2 == 0 { "2013-03-01,10,11,9,10,1\n" } else { "x,1,1,1,1,1\n" });
    }
    let faults = read(&text).unwrap_err();
    // 25 times that are none and 24 repetitions of one bar, found in two passes.
    assert_eq!((faults.total, faults.shown.len()), (49, 20));
    assert!(faults.shown.is_sorted_by_key(|fault| fault.line));
    assert_eq!(faults.shown[0].line, 3);
    assert!(faults.to_string().ends_with("\nand 29 more faults"));
}

#[test]
fn headers_line_ends_and_quotes_come_in_many_forms() {
    let plain =
        read(&format!("{HEADER}\n2013-03-01,10,11.5,9,10,100\n2013-03-04,10,11,9,10,100\n"));
    let plain = plain.unwrap();
    for text in [
        "\u{feff}timestamp,open,high,low,close,volume\r\n2013-03-01,10,11.5,9,10,100\r\n2013-03-04,10,11,9,10,100",
        "T,O,H,L,C,V\n\n2013-03-01,10,11.5,9,10,100\n\n2013-03-04,10,11,9,10,1e2\n",
        "volume,Close,Low,High,Open,Date\n100,10,9,11.50,10,2013-03-01\n100,10.0,9,11,10,2013-03-04",
        "\"Date\", \"Open\",High,Low,Close,Vol\n\"2013-03-01\", \"10\",11.5,9,10,100\n2013-03-04,10,11,9,10,100",
        "time,open,high,low,close,volume\n1362096000,10,11.5,9,10,100\n1362355200,10,11,9,10,100",
        "date,open,high,low,close,volume\n2013-03-01T05:00:00Z,10,11.5,9,10,100\n2013-03-04T05:00:00Z,10,11,9,10,100",
    ] {
        let mut options = options();
        options.timeframe = Some(Timeframe::Day);
        assert_eq!(
            read_csv(text.as_bytes(), &options).map(|read| read.series),
            Ok(plain.series.clone()),
            "{text}"
        );
    }
    assert_eq!(plain.series.timeframe, Timeframe::Day);
    let hours = Calendar::Xnys.open_close(date(2013, 3, 1)).unwrap();
    assert_eq!((plain.series.bars[0].open_time, plain.series.bars[0].close_time), hours);
}

#[test]
fn columns_that_are_not_used_are_named() {
    let read = read(
        "Ticker,Date,Open,High,Low,Close,Volume,Adj Close\n\"A,\"\"B\",2013-03-01,1,1,1,1,1,0.9",
    )
    .unwrap();
    assert_eq!(read.ignored, ["ticker", "adj close"]);
}

#[test]
fn what_is_strange_is_a_warning_with_its_line() {
    let read = read(&format!(
        "{HEADER}\n2000-06-20,101,103,100,101,1\n2000-06-21,50,56,50,50,1\n2000-06-26,50,50,50,50,1"
    ))
    .unwrap();
    assert!(matches!(
        read.warnings[..],
        [(3, Warning::Jump { .. }), (4, Warning::Gap { missing: 2, .. })]
    ));
}

#[test]
fn the_timeframe_is_found_from_the_spacing() {
    let minutes = |step: usize| {
        let rows = (0..5).map(|index| {
            let minute = index * step;
            format!("2013-03-01 {:02}:{:02},1,1,1,1,1\n", 15 + minute / 60, minute % 60)
        });
        read(&format!("{HEADER}\n{}", rows.collect::<String>())).map(|read| read.series.timeframe)
    };
    for (step, timeframe) in
        [(1, Timeframe::Minute), (5, Timeframe::FiveMinutes), (60, Timeframe::Hour)]
    {
        assert_eq!(minutes(step), Ok(timeframe));
    }
    assert_eq!(minutes(7).unwrap_err().shown[0].fault, Fault::NoTimeframe { spacing_s: 420 });
    let weekly =
        read(&format!("{HEADER}\n2013-03-04,1,1,1,1,1\n2013-03-11,1,1,1,1,1\n")).unwrap().series;
    assert_eq!(weekly.timeframe, Timeframe::Week);
    assert_eq!(weekly.bars[0].close_time, Calendar::Xnys.open_close(date(2013, 3, 8)).unwrap().1);
}

#[test]
fn an_hour_that_the_close_cuts_ends_with_the_session() {
    let read = read(&format!(
        "{HEADER}\n2013-03-01T19:30:00Z,1,1,1,1,1\n2013-03-01T20:30:00Z,1,1,1,1,1\n"
    ))
    .unwrap();
    assert_eq!(read.series.bars[1].close_time.to_string(), "2013-03-01T21:00:00Z");
}

#[test]
fn what_is_written_reads_back_as_the_same_series() {
    for (class, rows) in [
        (AssetClass::Equity, "2013-03-01,10.25,11,9.5,10,100.5\n2013-03-04,10,11,9,10,0\n"),
        (AssetClass::Crypto, "2013-03-02,0.00000001,11,0.00000001,10,1\n2013-03-03,10,11,9,10,0\n"),
        (AssetClass::Equity, "2013-03-01 15:00,1,1,1,1,1\n2013-03-01 15:01,1,1,1,1,1\n"),
    ] {
        let mut options = options();
        options.class = class;
        let series = read_csv(format!("{HEADER}\n{rows}").as_bytes(), &options).unwrap().series;
        let mut written = String::new();
        write_csv(&series, &mut written).unwrap();
        assert_eq!(read_csv(written.as_bytes(), &options).unwrap().series, series);
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(
        header in proptest::bool::ANY,
        bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400),
    ) {
        let mut text = if header { HEADER.as_bytes().to_vec() } else { Vec::new() };
        text.extend(bytes);
        let _ = read_csv(&text, &options());
    }

    #[test]
    fn no_text_of_csv_characters_makes_the_reader_panic(text in "[0-9,\"\n.:TZ\r -]{0,300}") {
        let _ = read(&format!("{HEADER}\n{text}"));
    }
}
