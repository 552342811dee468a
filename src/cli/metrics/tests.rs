//! The verb from file to text and JSON, with good and bad files.

use std::fs;

use super::*;

const PRICES: &str = "Date,Open,Close\n2000-01-03,1,100\n2000-01-04,1,110\n2000-01-05,1,99\n";

/// Runs the verb on these contents.
fn verb(text: &str, benchmark: Option<&str>, format: Format) -> Result<String, CliError> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("series.csv");
    fs::write(&file, text).unwrap();
    let benchmark = benchmark.map(|text| {
        let file = dir.path().join("benchmark.csv");
        fs::write(&file, text).unwrap();
        file
    });
    let args = MetricsArgs {
        file,
        column: "close".to_owned(),
        periods: Ratio::of(252.0),
        rf: Ratio::ZERO,
        benchmark,
    };
    let mut out = Vec::new();
    run(&args, format, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

fn json(text: &str, benchmark: Option<&str>) -> serde_json::Value {
    serde_json::from_str(&verb(text, benchmark, Format::Jsonl).unwrap()).unwrap()
}

/// The exit code and the text after the file's name.
#[track_caller]
fn refused(text: &str, benchmark: Option<&str>, ending: &str) {
    let error = verb(text, benchmark, Format::Text).unwrap_err();
    assert_eq!(error.code, ExitCode::Data, "{text:?}");
    assert!(error.message.ends_with(ending), "{text:?}: {}", error.message);
}

#[test]
fn the_document_has_its_schema_the_metrics_and_a_reason_for_each_null() {
    let json = json(PRICES, None);
    assert_eq!(json["schema"], "metrics/1");
    assert_eq!(json["column"], "Close");
    assert_eq!(json["from"], "2000-01-03T00:00:00Z");
    assert!((json["max_drawdown"].as_f64().unwrap() + 0.1).abs() < 1e-12);
    assert!(json["beta"].is_null());
    assert_eq!(json["reasons"]["beta"], "no_benchmark");
    assert_eq!(json["basis"]["observations"], 2);
}

#[test]
fn the_text_has_the_basis_beside_a_ratio_and_leaves_out_what_no_file_can_know() {
    let text = verb(PRICES, None, Format::Text).unwrap();
    assert!(text.contains("(per row, rf 0, 252/yr, n=2)"), "{text}");
    assert!(text.contains("-10.00 %") && !text.contains("Win Rate"), "{text}");
}

#[test]
fn files_of_other_habits_are_read() {
    let wanted = json(PRICES, None)["sharpe"].clone();
    for text in [
        "close\n100\n110\n99\n",
        "\u{feff}\"Date\",\"CLOSE\"\r\n\"2000-01-03\",\"100\"\r\n2000-01-04 00:00:00,1.1e2\r\n\r\n2000-01-05T00:00:00Z, 99 \r\n",
        ",close\n0,100\n1,110\n2,99\n",
        "x,close\n2000-01-03,100\n2000-01-04,110\n2000-01-05,99",
    ] {
        assert_eq!(json(text, None)["sharpe"], wanted, "{text:?}");
    }
}

#[test]
fn bad_files_are_refused_with_their_line() {
    refused("", None, "no rows");
    refused("Date,Close\n", None, "no rows");
    refused("Date,Price\n2000-01-03,1\n", None, "no column `close`; there are: `Date`, `Price`");
    refused("close,Close\n1,1\n", None, "two columns are called `close`");
    for bad in ["NaN", "inf", "-Infinity", "", "abc", "0x10", "1_000"] {
        let text = format!("n,close\n1,100\n2,{bad}\n");
        refused(&text, None, &format!("line 3: `{bad}` is not a number"));
    }
    refused("close\n100\n1e400\n", None, "line 3: 1e400 is too large");
    let digits = "123456789012345678901234567890";
    refused(&format!("close\n{digits}\n"), None, &format!("line 2: {digits} is too large"));
    refused("close\n0\n1\n", None, "line 2: a series cannot begin at 0");
    refused("close\n-3\n1\n", None, "line 2: a series cannot begin at -3");
    refused("a,close\n1,2\n1,2,3\n", None, "line 3: 3 fields instead of 2");
    let twice = "date,close\n2000-01-03,1\n2000-01-03,2\n";
    refused(twice, None, "line 3: 2000-01-03 is not after the time above");
    let back = "date,close\n2000-01-03,1\n2000-01-02,2\n";
    refused(back, None, "line 3: 2000-01-02 is not after the time above");
    let no_date = "date,close\n03/01/2000,1\n";
    refused(no_date, None, "nor an rfc 3339 time");
}

#[test]
fn a_file_that_does_not_exist_is_not_found() {
    let args = MetricsArgs {
        file: "no/such/file.csv".into(),
        column: "close".to_owned(),
        periods: Ratio::of(252.0),
        rf: Ratio::ZERO,
        benchmark: None,
    };
    let error = run(&args, Format::Text, &mut Vec::new()).unwrap_err();
    assert_eq!(error.code, ExitCode::NotFound);
}

#[test]
fn a_benchmark_is_matched_by_time_by_day_or_by_row() {
    let more = "date,close\n1999-12-31,7\n2000-01-03,50\n2000-01-04,55\n2000-01-05,49.5\n";
    let closes =
        "time,close\n2000-01-03T21:00:00Z,50\n2000-01-04T21:00:00Z,55\n2000-01-05T21:00:00Z,49.5\n";
    for benchmark in [more, closes, "close\n50\n55\n49.5\n"] {
        let json = json(PRICES, Some(benchmark));
        assert!((json["beta"].as_f64().unwrap() - 1.0).abs() < 1e-12, "{benchmark}");
    }
    let gap = "date,close\n2000-01-03,50\n2000-01-05,49.5\n";
    refused(PRICES, Some(gap), "no value at 2000-01-04T00:00:00Z, which the series has");
    refused(PRICES, Some("close\n1\n2\n"), "not both have times to match by");
    let hourly = "t,close\n2000-01-03T20:00:00Z,50\n2000-01-03T21:00:00Z,55\n";
    refused(PRICES, Some(hourly), "and the other file has only dates");
}

#[test]
fn the_options_take_only_what_makes_sense() {
    assert!(periods("0").is_err() && periods("NaN").is_err() && periods("52").is_ok());
    assert!(riskless("-1").is_err() && riskless("inf").is_err() && riskless("-0.005").is_ok());
}
