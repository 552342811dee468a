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
    run(&line(words).unwrap(), format, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
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
        let rows = grid::rows(&grid, &series, &args.terms(), threads).unwrap();
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
    ] {
        assert!(line(words).is_err(), "{words}");
    }
    for words in ["--fast 20 --slow 10", "--strategy momentum --fast 3", "--fast 6000 --slow 7000"]
    {
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
