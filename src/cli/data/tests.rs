//! The verb as scripts use it: exit codes, what is printed, what lies on disk afterwards.

use std::fs;
use std::path::Path;

use clap::Parser;
use serde_json::Value;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    data: DataArgs,
}

/// Runs `data` with arguments; gives what was printed, or the exit code and the text of the error.
fn data(format: Format, args: &[&str]) -> Result<String, (u8, String)> {
    let line = Line::try_parse_from([&["data"], args].concat())
        .map_err(|error| (ExitCode::Usage.number(), error.to_string()))?;
    let mut out = Vec::new();
    run(&line.data, None, format, &mut out)
        .map_err(|error| (error.code.number(), error.chain()))?;
    Ok(String::from_utf8(out).unwrap())
}

fn file(dir: &Path, name: &str, content: &str) -> String {
    let path = dir.join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

const HEADER: &str = "timestamp,open,high,low,close,volume\n";

#[test]
fn the_list_has_every_embedded_series() {
    let text = data(Format::Text, &["list"]).unwrap();
    assert!(text.contains("AAPL    equity  technology     3270"), "{text}");
    assert!(text.contains("2000-06-21 2:1, 2005-02-28 2:1"), "{text}");
    let json: Value = serde_json::from_str(&data(Format::Json, &["list"]).unwrap()).unwrap();
    assert_eq!(json["schema"], "data-list/1");
    assert_eq!(json["series"].as_array().unwrap().len(), 5);
    assert_eq!(json["series"][2]["first"], "2004-08-19");
}

#[test]
fn bad_input_ends_with_eight_and_each_fault_has_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let rows = "2013-03-01,10,11,9,NaN,1\n2013-03-04,10,11,9,10,-1\n2013-03-05,10,9,9,10,1\n";
    let path = file(dir.path(), "bad.csv", &format!("{HEADER}{rows}"));
    let (code, text) = data(Format::Text, &["check", &path]).unwrap_err();
    assert_eq!(code, 8);
    let lines: Vec<&str> = text.lines().skip(1).map(|line| &line[..6]).collect();
    assert_eq!(lines, ["line 2", "line 3", "line 4"], "{text}");
    for (name, content) in [("empty.csv", ""), ("columns.csv", "date,close\n2013-03-01,1\n")] {
        let path = file(dir.path(), name, content);
        assert_eq!(data(Format::Text, &["check", &path]).unwrap_err().0, 8, "{name}");
    }
    assert_eq!(data(Format::Text, &["check", "/nowhere.csv"]).unwrap_err().0, 5);
}

#[test]
fn a_split_is_flagged_until_a_table_explains_it() {
    let dir = tempfile::tempdir().unwrap();
    let rows =
        "2000-06-20,101,103,100,101.25,1\n2000-06-21,50,57,50,55.63,1\n2000-06-23,55,57,53,53,1\n";
    let path = file(dir.path(), "AAPL.csv", &format!("{HEADER}{rows}"));
    let text = data(Format::Text, &["check", &path]).unwrap();
    assert!(text.contains("warning: line 3: split? "), "{text}");
    assert!(text.contains("warning: line 4: gap: 1 bars"), "{text}");
    let splits = file(dir.path(), "splits.csv", "symbol,date,ratio\nAAPL,2000-06-21,2:1\n");
    let text = data(Format::Text, &["check", &path, "--splits", &splits]).unwrap();
    assert!(!text.contains("split?") && text.contains("valid, 1 warnings"), "{text}");
    let wrong = file(dir.path(), "wrong.csv", "symbol,date,ratio\nAAPL,2000-06-23,2:1\n");
    let text = data(Format::Text, &["check", &path, "--splits", &wrong]).unwrap();
    assert!(text.contains("with the splits applied: split? 2000-06-23"), "{text}");
    let json = data(Format::Json, &["check", &path]).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["warnings"][0]["line"], 3);
}

#[test]
fn an_import_is_whole_named_by_its_symbol_and_never_overwrites() {
    let dir = tempfile::tempdir().unwrap();
    let rows = "2013-03-04,10.50,11,9,10,1\n2013-03-02,10,11,9,10,1\n";
    let bad = file(dir.path(), "bad.csv", &format!("{HEADER}{rows}"));
    let rows = "100,0.9,10,9.0,11,10.50,2013-03-01\n";
    let good = file(dir.path(), "good.csv", &format!("vol,adj_close,c,l,h,o,Date\n{rows}"));
    let out = dir.path().join("out");
    let out_text = out.to_str().unwrap();
    let import = |file: &str, symbol: &str, more: &[&str]| {
        data(
            Format::Text,
            &[&["import", file, "--symbol", symbol, "--out", out_text], more].concat(),
        )
    };
    assert_eq!(import(&bad, "X", &[]).unwrap_err().0, 8);
    assert!(!out.exists(), "a refused file leaves nothing");
    for symbol in ["../x", "../X", "/ETC", "a b"] {
        assert_eq!(import(&good, symbol, &[]).unwrap_err().0, 2, "{symbol}");
    }
    import(&good, "BTC/USD", &["--class", "crypto"]).unwrap();
    let written = fs::read_to_string(out.join("BTC_USD.csv")).unwrap();
    assert_eq!(written, format!("{HEADER}2013-03-01,10.5,11,9,10,100\n"));
    assert_eq!(import(&good, "BTC/USD", &[]).unwrap_err().0, 2);
    import(&good, "BTC/USD", &["--force"]).unwrap();
    let names: Vec<_> =
        fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["BTC_USD.csv"], "no temporary file stays");
}

/// D-1: the same seed writes the same files.
#[test]
fn a_synthetic_market_is_written_the_same_twice_and_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let synth = |name: &str, more: &[&str]| {
        let out = dir.path().join(name);
        let base = ["synth", "--seed", "7", "--symbols", "2", "--bars", "60", "--out"];
        let text = data(Format::Json, &[&base[..], &[out.to_str().unwrap()], more].concat())?;
        let all = ["TEC1.csv", "HLT1.csv", "assets.csv", "splits.csv", "regimes.csv", "news.jsonl"]
            .map(|name| fs::read_to_string(out.join(name)).unwrap());
        let hash = serde_json::from_str::<Value>(&text).unwrap()["data_hash"].clone();
        Ok::<_, (u8, String)>((hash, all))
    };
    assert!(synth("a", &["--coins", "1"]) == synth("b", &["--coins", "1"]), "files differ");
    assert_eq!(synth("a", &[]).unwrap_err().0, 2, "it never overwrites");
    let tec = dir.path().join("a/TEC1.csv");
    let text = data(Format::Text, &["check", tec.to_str().unwrap()]).unwrap();
    assert!(text.contains("60 bars of TEC1 (equity, 1d)"), "{text}");
    synth("c", &["--faults", "bad-ticks,halts"]).unwrap();
    let tec = dir.path().join("c/TEC1.csv");
    assert_eq!(data(Format::Text, &["check", tec.to_str().unwrap()]).unwrap_err().0, 8);
    assert_eq!(data(Format::Text, &["synth", "--bars", "0", "--out", "x"]).unwrap_err().0, 2);
}
