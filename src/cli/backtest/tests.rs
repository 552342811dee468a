//! Tests of the back-test verb: what it prints, writes and refuses.

use clap::Parser;
use conclave_domain::ratio::Ratio;
use serde_json::Value;

use super::*;

#[derive(Parser, Debug)]
struct Line {
    #[command(flatten)]
    args: BacktestArgs,
}

fn line(words: &str) -> Result<BacktestArgs, clap::Error> {
    let words = std::iter::once("backtest").chain(words.split_whitespace());
    Line::try_parse_from(words).map(|line| line.args)
}

fn printed(words: &str, format: Format) -> Result<String, CliError> {
    let mut out = Vec::new();
    run(&line(words).unwrap(), None, format, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

/// The document of a run under a configuration.
fn configured(text: &str, words: &str) -> Result<Value, CliError> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.toml");
    std::fs::write(&file, text).unwrap();
    let mut out = Vec::new();
    run(&line(words).unwrap(), Some(&file), Format::Json, &mut out)?;
    Ok(serde_json::from_slice(&out).unwrap())
}

/// The embedded bars of GOOG as a file.
fn goog(dir: &Path) -> PathBuf {
    let path = dir.join("goog.csv");
    std::fs::write(&path, include_str!("../../../data/GOOG.csv")).unwrap();
    path
}

#[test]
fn a_run_on_a_file_prints_its_metrics_and_leaves_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (goog(dir.path()), dir.path().join("out"));
    let words = format!(
        "--data {} --strategy sma-cross --fast 10 --slow 20 --fill close --size 1 --fees 20 \
         --direction long-short --out {}",
        data.display(),
        out.display()
    );
    let json: Value = serde_json::from_str(&printed(&words, Format::Json).unwrap()).unwrap();
    assert_eq!(json["schema"], "backtest/1");
    assert_eq!(json["fill"], "close");
    assert_eq!(json["bars"], 2_148);
    let trades = std::fs::read_to_string(out.join("trades.csv")).unwrap();
    let mut lines = trades.lines();
    let header = "symbol,side,qty,entry_time,entry_price,exit_time,exit_price,pnl,fees,exit_reason";
    assert!(lines.next().unwrap().starts_with(header));
    let first: Vec<&str> = lines.next().unwrap().split(',').collect();
    assert_eq!((first[0], first[2], first[9]), ("GOOG", "1", "signal_flip"));
    let profit: f64 = trades
        .lines()
        .skip(1)
        .map(|row| row.split(',').nth(7).unwrap().parse::<f64>().unwrap())
        .sum();
    let end = json["end_equity"].as_f64().unwrap();
    assert!((end - 100_000.0 - profit).abs() < 1e-6, "{end} {profit}");
    assert!(trades.trim_end().ends_with("end_of_data"), "{trades}");
    for file in ["summary.json", "equity.csv", "orders.csv", "run.json", "report.html"] {
        assert!(out.join(file).is_file(), "{file}");
    }
}

#[test]
fn without_a_file_it_runs_on_the_embedded_bars() {
    let text = printed("--strategy momentum --direction long", Format::Text).unwrap();
    assert!(text.starts_with("momentum 20 at 0.05 on AAPL FB GOOG IBM MSFT: 12154 bars"), "{text}");
    assert!(text.contains("Sharpe"), "{text}");
}

#[test]
fn a_grid_has_the_same_rows_in_the_same_order_on_any_number_of_threads() {
    let grid: grid::Grid = "fast=5:15:5,slow=10:30:10".parse().unwrap();
    let args = line("--fees 2.5").unwrap();
    let series = args.series().unwrap();
    let pairs = |threads| {
        let terms = terms::terms(&args, &crate::cli::config::load(None, &[]).unwrap());
        let rows = grid::rows(&grid, &series, &terms, threads).unwrap();
        let sharpe: Vec<f64> =
            rows.iter().filter_map(|row| row.metrics.sharpe.ok()).map(Ratio::get).collect();
        assert!(sharpe.windows(2).all(|pair| pair[1] <= pair[0]), "{sharpe:?}");
        rows.into_iter().map(|row| (row.fast, row.slow)).collect::<Vec<_>>()
    };
    let one = pairs(1);
    assert_eq!(one.len(), 7);
    assert_eq!(one, pairs(3));
    let text = printed("--grid fast=10,slow=20:30:10", Format::Text).unwrap();
    assert_eq!(text.lines().count(), 6, "{text}");
}

#[test]
fn an_undefined_sharpe_ratio_comes_last() {
    let dir = tempfile::tempdir().unwrap();
    let data = goog(dir.path());
    let text = std::fs::read_to_string(&data).unwrap();
    let short: Vec<&str> = text.lines().take(60).collect();
    std::fs::write(&data, short.join("\n") + "\n").unwrap();
    let words = format!("--data {} --grid fast=2:4,slow=5:5000:2000", data.display());
    let json: Value = serde_json::from_str(&printed(&words, Format::Json).unwrap()).unwrap();
    let rows = json["rows"].as_array().unwrap();
    let defined: Vec<bool> = rows.iter().map(|row| !row["sharpe"].is_null()).collect();
    assert!(defined[0] && !defined[rows.len() - 1], "{defined:?}");
    assert!(defined.windows(2).all(|pair| pair[1] <= pair[0]), "{defined:?}");
}

#[test]
fn what_makes_no_sense_is_a_usage_error() {
    for words in [
        "--size 0",
        "--fees -1",
        "--fees 0.001",
        "--fees NaN",
        "--cash 0",
        "--strategy luck",
        "--splits x.csv",
        "--grid fast=5",
        "--grid fast=5:1,slow=20",
        "--grid fast=0,slow=20",
        "--grid fast=30,slow=20",
        "--grid fast=1:5000,slow=1:5000",
        "--grid fast=5,slow=20 --fast 3",
        "--grid fast=5,slow=20 --actors",
        "--grid fast=5,slow=20 --lookback 9",
        "--threshold NaN",
    ] {
        assert!(line(words).is_err(), "{words}");
    }
    for words in [
        "--fast 20 --slow 10",
        "--strategy momentum --fast 3",
        "--fast 6000 --slow 7000",
        "--lookback 9",
        "--strategy momentum --lookback 0",
        "--strategy momentum --threshold 11",
        "--strategy momentum --rearm 1",
        "--strategy mean-reversion --lookback 1001",
        "--strategy mean-reversion --entry 1 --rearm 2",
        "--strategy momentum --grid fast=5,slow=20",
    ] {
        assert_eq!(printed(words, Format::Text).unwrap_err().code, ExitCode::Usage, "{words}");
    }
}

#[test]
fn bad_bars_are_refused_with_their_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("BAD.csv");
    let bars =
        "date,open,high,low,close,volume\n2012-03-01,1,2,0.5,1,10\n2012-03-02,1,NaN,1,1,10\n";
    std::fs::write(&path, bars).unwrap();
    let error = printed(&format!("--data {}", path.display()), Format::Text).unwrap_err();
    assert_eq!(error.code, ExitCode::Data);
    assert!(error.chain().contains("line 3"), "{}", error.chain());
    let error = printed("--data /nowhere/GOOG.csv", Format::Text).unwrap_err();
    assert_eq!(error.code, ExitCode::NotFound);
}

#[test]
fn the_parameters_of_every_strategy_can_be_given() {
    for (words, told) in [
        ("--strategy momentum --lookback 7 --threshold 0.1", "momentum 7 at 0.1 on"),
        (
            "--strategy mean-reversion --lookback 30 --entry 1.5 --rearm 0.25",
            "mean-reversion 30 at 1.5, again under 0.25 on",
        ),
    ] {
        let text = printed(words, Format::Text).unwrap();
        assert!(text.starts_with(told), "{text}");
    }
}

#[test]
fn a_configuration_counts_where_no_flag_does_and_costs_are_those_that_somebody_set() {
    let text = "[run]\nfill = \"close\"\ndirection = \"long\"\ncash = \"50000\"\n\
                [strategy]\nfast = 5\nslow = 50\n";
    let told = configured(text, "").unwrap();
    assert_eq!((&told["strategy"], &told["fill"]), (&"sma-cross 5/50".into(), &"close".into()));
    assert_eq!(told["direction"], "long");
    assert_eq!(told["start_equity"].as_f64(), Some(50_000.0));
    assert_eq!(told["costs"], "fees 0 bp, no slippage", "nobody has asked for any");
    let flags = "--fast 10 --fill next-open --direction long-short --cash 70000 --fees 3";
    let told = configured(text, flags).unwrap();
    assert_eq!(told["strategy"], "sma-cross 10/50");
    assert_eq!((&told["fill"], &told["direction"]), (&"next-open".into(), &"long-short".into()));
    assert_eq!(told["start_equity"].as_f64(), Some(70_000.0));
    assert_eq!(told["costs"], "fees 3 bp, no slippage");

    let costs = "[costs]\nfee_per_trade = \"2\"\nslippage_bp = 7.0\nrejection = 0.5\n\
                 [risk]\nposition_max = 0.1\n";
    let told = configured(costs, "--size 1").unwrap();
    assert_eq!(told["costs"], "$2 a trade, fees 0 bp, slippage 7 bp (coins 0 bp)");
    let fees = told["fees_paid"].as_f64().unwrap();
    let trades = told["trades"].as_f64().unwrap();
    assert!((fees - trades * 4.0).abs() < 1e-6, "in and out, two dollars each: {fees}");
    let note = told["notes"][0].as_str().unwrap();
    assert!(note.contains("[risk]") && note.contains("costs.rejection"), "{note}");
    assert!(!note.contains("costs.fee_per_trade"), "{note}");
}

#[test]
fn a_council_is_asked_under_the_configuration() {
    let plain = configured("", "--council").unwrap();
    let text = "[risk]\nposition_max = 0.01\n[costs]\nfee_per_trade = \"9\"\n";
    let strict = configured(text, "--council").unwrap();
    assert!(strict["costs"].as_str().unwrap().starts_with("$9 a trade"), "{strict}");
    let exposure = |told: &Value| told["turnover"].as_f64().unwrap();
    assert!(exposure(&strict) < exposure(&plain) / 2.0, "{strict}");
    let error = configured("[consensus]\nquorum_min = 14\n", "--council").unwrap_err();
    assert_eq!(error.code, ExitCode::Config, "{}", error.chain());
}

#[test]
fn an_invalid_configuration_is_refused_with_all_its_errors() {
    let text = "[strategy]\nfast = 50\nslow = 20\n[risk]\nposition_max = 0.9\n";
    let error = configured(text, "--strategy momentum").unwrap_err();
    assert_eq!(error.code, ExitCode::Config);
    assert!(error.chain().contains("2 errors"), "{}", error.chain());
    let window = "[strategy]\nname = \"mean-reversion\"\nlookback = 3000\n";
    assert_eq!(configured(window, "").unwrap_err().code, ExitCode::Config);
}

#[test]
fn a_grid_leaves_its_table() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("grid");
    let words = format!("--grid fast=5:15:5,slow=10:30:10 --out {}", out.display());
    let said: Value = serde_json::from_str(&printed(&words, Format::Json).unwrap()).unwrap();
    let left = std::fs::read_to_string(out.join("grid.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&left).unwrap(), said);
    let csv = std::fs::read_to_string(out.join("grid.csv")).unwrap();
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), 8, "a header and seven rows");
    assert_eq!(&lines[0][..3], ["fast", "slow", "total_return"]);
    let at = lines[0].iter().position(|&name| name == "sharpe").unwrap();
    for (line, row) in lines[1..].iter().zip(said["rows"].as_array().unwrap()) {
        assert_eq!(line.len(), lines[0].len());
        assert_eq!(line[0], row["fast"].to_string());
        assert_eq!(line[at].parse::<f64>().ok(), row["sharpe"].as_f64());
    }
}

/// The rows of a run's trades.
fn trades(words: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    printed(&format!("{words} --out {}", dir.path().display()), Format::Text).unwrap();
    std::fs::read_to_string(dir.path().join("trades.csv")).unwrap()
}

/// D-1: the raw strategy through the actors gives the engine's trades.
#[test]
fn a_raw_strategy_trades_the_same_through_actors() {
    let dir = tempfile::tempdir().unwrap();
    let data = goog(dir.path());
    for fill in ["close", "next-open"] {
        for direction in ["long", "long-short"] {
            for size in ["1", "all-in"] {
                let words = format!(
                    "--data {} --fast 10 --slow 20 --fill {fill} --direction {direction} \
                     --size {size} --fees 2.5",
                    data.display()
                );
                let engine = trades(&words);
                assert!(engine.lines().count() > 40, "{engine}");
                assert_eq!(trades(&format!("{words} --actors")), engine, "{words}");
            }
        }
    }
    let all = "--strategy momentum --fees 2.5";
    assert_eq!(trades(&format!("{all} --actors")), trades(all));
}

/// D-1: the council through the actors of `run` gives the trades of the council in one thread.
#[test]
fn a_council_trades_the_same_through_actors() {
    let other = "--council --direction long --fill close --fees 2.5 --cash 50000";
    for words in ["--council", other] {
        let inline = trades(words);
        assert!(inline.lines().count() > 40, "{inline}");
        assert_eq!(trades(&format!("{words} --actors")), inline, "{words}");
    }
}
