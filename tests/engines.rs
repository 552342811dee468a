//! `run` in autonomous mode and `backtest --council` are one council: the actors and the one thread.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

#[track_caller]
fn conclave(dir: &Path, fill: &str, args: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
    let ours = std::env::vars_os().map(|(name, _)| name);
    for name in ours.filter(|name| name.to_string_lossy().starts_with("CONCLAVE")) {
        command.env_remove(name);
    }
    command.env("CONCLAVE__RUN__FILL", fill).current_dir(dir).args(args);
    let output = command.output().expect("the binary starts");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn read(dir: &Path, out: &str, file: &str) -> String {
    fs::read_to_string(dir.join(out).join(file)).expect("a file")
}

/// D-1: the same bars and settings are the same trades, whichever engine plays them.
#[test]
fn a_run_and_a_back_test_of_the_council_trade_the_same() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let synth =
        ["data", "synth", "--symbols", "1", "--bars", "700", "--seed", "8", "--out", "bars"];
    conclave(dir, "close", &synth);
    let bars = fs::read_dir(dir.join("bars")).expect("a folder").map(|entry| entry.expect("one"));
    let csv = |name: &String| name.contains(".csv") && !name.contains("split");
    let file = bars.map(|entry| entry.file_name().to_string_lossy().into_owned()).find(csv);
    let file = format!("bars/{}", file.expect("a series"));
    for fill in ["close", "next-open"] {
        for data in [&[][..], &["--data", file.as_str()]] {
            let name = format!("{fill}-{}", data.len());
            let (run, test) = (format!("run-{name}"), format!("test-{name}"));
            let acts = ["run", "--mode", "autonomous", "--no-http", "--out", run.as_str()];
            conclave(dir, fill, &[&acts, data].concat());
            let back = ["backtest", "--council", "--fill", fill, "--out", test.as_str()];
            conclave(dir, fill, &[&back, data].concat());
            let trades = read(dir, &run, "trades.csv");
            assert!(trades.lines().count() > 5, "{name}: {trades}");
            assert_eq!(trades, read(dir, &test, "trades.csv"), "{name}");
            assert_eq!(read(dir, &run, "orders.csv"), read(dir, &test, "orders.csv"), "{name}");
            let summary = |out: &str| -> Value {
                serde_json::from_str(&read(dir, out, "summary.json")).expect("a document")
            };
            let (one, other) = (summary(&run), summary(&test));
            for key in ["rounds", "vetoes", "denials", "clamps", "consultations", "end_equity"] {
                assert_eq!(one[key], other[key], "{name}: {key}");
            }
        }
    }
}
