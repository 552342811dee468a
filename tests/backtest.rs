//! `backtest` from the built binary, raw and with the council, on a file and on the embedded bars.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// The keys that a summary has of every run: the metrics' names, then the counts of the council.
const KEYS: [&str; 44] = [
    "total_return",
    "cagr",
    "annual_volatility",
    "sharpe",
    "sortino",
    "calmar",
    "max_drawdown",
    "max_drawdown_duration_s",
    "avg_drawdown",
    "omega",
    "ulcer_index",
    "value_at_risk_95",
    "cvar_95",
    "skew",
    "kurtosis",
    "tail_ratio",
    "alpha",
    "beta",
    "information_ratio",
    "exposure_time",
    "turnover",
    "trades",
    "win_rate",
    "profit_factor",
    "payoff_ratio",
    "expectancy",
    "sqn",
    "kelly",
    "avg_trade",
    "best_trade",
    "worst_trade",
    "avg_trade_duration_s",
    "max_consecutive_wins",
    "max_consecutive_losses",
    "fees_paid",
    "start_equity",
    "end_equity",
    "benchmark_return",
    "rounds",
    "vetoes",
    "clamps",
    "denials",
    "consultations",
    "schema",
];

const FILES: [&str; 6] =
    ["summary.json", "run.json", "trades.csv", "equity.csv", "orders.csv", "report.html"];

fn backtest(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
    command.current_dir(dir).arg("backtest").args(args).output().expect("the binary starts")
}

/// Runs it into `out`, looks at what every run leaves, and returns summary and identity.
#[track_caller]
fn summary(dir: &Path, args: &[&str]) -> (Value, Value) {
    let output = backtest(dir, &[args, &["--out", "out"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let out = dir.join("out");
    for file in FILES {
        assert!(out.join(file).metadata().is_ok_and(|meta| meta.len() > 0), "{file}");
    }
    let read = |file| {
        let text = fs::read_to_string(out.join(file)).expect("a file");
        serde_json::from_str::<Value>(&text).expect("json")
    };
    let (summary, run) = (read("summary.json"), read("run.json"));
    for key in KEYS {
        assert!(summary.get(key).is_some(), "{key}");
    }
    // The books explain the result: cash at the start and the profit of every trade.
    let trades = fs::read_to_string(out.join("trades.csv")).expect("a file");
    let profit = |line: &str| line.split(',').nth(7).and_then(|pnl| pnl.parse::<f64>().ok());
    let profits: f64 = trades.lines().skip(1).map(|line| profit(line).expect("a profit")).sum();
    let start = summary["start_equity"].as_f64().expect("a number");
    let end = summary["end_equity"].as_f64().expect("a number");
    assert!((end - start - profits).abs() < 1e-5, "{start} {end} {profits}");
    assert_eq!(summary["open_positions"], 0);
    assert_eq!(trades.lines().count() as u64, summary["trades"].as_u64().expect("a count") + 1);
    (summary, run)
}

fn sum(map: &Value) -> u64 {
    map.as_object().expect("a map").values().filter_map(Value::as_u64).sum()
}

/// The council's own figures agree with each other.
#[track_caller]
fn adds_up(summary: &Value) {
    let count = |key: &str| summary[key].as_u64().expect("a count");
    assert!(count("rounds") > 0 && count("consultations") > count("rounds"), "{summary}");
    assert_eq!(sum(&summary["verdicts"]), count("rounds"));
    assert_eq!(sum(&summary["vetoes"]), summary["verdicts"]["vetoed"].as_u64().unwrap_or(0));
    assert_eq!(sum(&summary["outcomes"]), count("consultations"));
    let agents = summary["agents"].as_array().expect("rows");
    assert_eq!(agents.len(), 5);
    let of = |key: &str| agents.iter().filter_map(|row| row[key].as_u64()).sum::<u64>();
    assert_eq!(of("consultations"), count("consultations"));
    assert_eq!(of("vetoes"), sum(&summary["vetoes"]));
    assert_eq!(of("clamps"), sum(&summary["clamps"]));
    let gates = summary["gates"].as_array().expect("rows");
    assert!(gates.iter().any(|gate| gate["gate"] == "gate.confidence"), "{gates:?}");
}

fn goog(dir: &Path) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join("GOOG.csv");
    fs::copy(file, dir.join("goog.csv")).expect("a copy");
}

#[test]
fn a_raw_run_leaves_a_whole_report_from_a_file_and_from_the_embedded_bars() {
    let dir = tempfile::tempdir().expect("a directory");
    goog(dir.path());
    for args in [&["--data", "goog.csv", "--fees", "2.5"][..], &["--strategy", "momentum"]] {
        let (summary, run) = summary(dir.path(), args);
        assert_eq!(summary["rounds"], 0);
        assert_eq!(summary["consultations"], 0);
        assert_eq!(run["mode"], "none");
    }
}

#[test]
fn a_council_leaves_a_whole_report_from_a_file_and_from_the_embedded_bars() {
    let dir = tempfile::tempdir().expect("a directory");
    goog(dir.path());
    let (from_file, run) = summary(dir.path(), &["--council", "--data", "goog.csv"]);
    adds_up(&from_file);
    assert_eq!(run["symbols"], serde_json::json!(["GOOG"]));
    assert_eq!((&run["mode"], &run["bars"]), (&"autonomous".into(), &2_148.into()));
    let (embedded, run) = summary(dir.path(), &["--council"]);
    adds_up(&embedded);
    assert_eq!(run["symbols"].as_array().map(Vec::len), Some(5));
    // Protective exits are what only a council's account has.
    let trades = fs::read_to_string(dir.path().join("out").join("trades.csv")).expect("a file");
    assert!(trades.lines().any(|line| line.ends_with("stop")), "{trades}");
}

/// D-1: the same command leaves the same files.
#[test]
fn a_council_repeats_itself_to_the_byte() {
    let dir = tempfile::tempdir().expect("a directory");
    for out in ["one", "two"] {
        assert!(backtest(dir.path(), &["--council", "--out", out]).status.success());
    }
    for file in FILES {
        let of = |out: &str| fs::read(dir.path().join(out).join(file)).expect("a file");
        assert_eq!(of("one"), of("two"), "{file}");
    }
}

/// Trades of the last run that were entered when a session opened.
fn entered_at_an_open(dir: &Path) -> usize {
    let trades = fs::read_to_string(dir.join("out").join("trades.csv")).expect("a file");
    let is_open = |time: &str| time.ends_with("T13:30:00Z") || time.ends_with("T14:30:00Z");
    trades.lines().filter(|line| line.split(',').nth(3).is_some_and(is_open)).count()
}

#[test]
fn the_terms_of_the_command_line_are_the_councils_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let (plain, _) = summary(dir.path(), &["--council"]);
    let fees = |of: &Value| of["fees_paid"].as_f64().expect("a number");

    let (dear, run) = summary(dir.path(), &["--council", "--fees", "20"]);
    assert!(fees(&dear) > fees(&plain) * 2.0, "{} {}", fees(&dear), fees(&plain));
    assert!(run["costs"].as_str().is_some_and(|costs| costs.contains("fees 20 bp")), "{run}");

    let (_, run) = summary(dir.path(), &["--council", "--fill", "close"]);
    assert_eq!(run["fill_rule"], "close");
    let at_close = entered_at_an_open(dir.path());
    summary(dir.path(), &["--council"]);
    let at_open = entered_at_an_open(dir.path());
    // Limits fill at an open in both; market orders only under next-open.
    assert!(at_close * 2 < at_open, "{at_close} against {at_open}");

    let (long, _) = summary(dir.path(), &["--council", "--direction", "long", "--cash", "50000"]);
    assert_eq!(long["start_equity"].as_f64(), Some(50_000.0));
    let trades = fs::read_to_string(dir.path().join("out").join("trades.csv")).expect("a file");
    assert!(trades.lines().skip(1).all(|line| line.contains(",long,")), "{trades}");

    for refused in [&["--size", "3"][..], &["--grid", "fast=5,slow=20"]] {
        let output = backtest(dir.path(), &[&["--council"], refused].concat());
        assert_eq!(output.status.code(), Some(2), "{refused:?}");
    }
}

#[test]
fn a_council_prints_its_figures_as_a_document() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
    command.current_dir(dir.path()).args(["backtest", "--council", "--format", "json"]);
    let output = command.output().expect("the binary starts");
    let document: Value = serde_json::from_slice(&output.stdout).expect("json");
    assert_eq!((&document["schema"], &document["size"]), (&"backtest/1".into(), &"council".into()));
    assert!(document["rounds"].as_u64() > Some(0) && document["sharpe"].is_number(), "{document}");
    assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 0, "it leaves nothing");
}

/// D-1: `run`, `backtest --council` and the same through actors leave the same trades.
#[test]
fn a_run_trades_what_its_back_test_trades() {
    let dir = tempfile::tempdir().expect("a directory");
    let played = |verb: &[&str], out: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
        let output = command.current_dir(dir.path()).args(verb).args(["--out", out]).output();
        let output = output.expect("the binary starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read_to_string(dir.path().join(out).join("trades.csv")).expect("a file")
    };
    let run = played(&["run", "--no-http", "--mode", "autonomous"], "run");
    assert!(run.lines().count() > 40, "{run}");
    assert_eq!(played(&["backtest", "--council"], "inline"), run);
    assert_eq!(played(&["backtest", "--council", "--actors"], "actors"), run);
}
