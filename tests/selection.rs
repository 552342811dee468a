//! `select` through the built binary: the list, the reasons, the files and the exit codes.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::rig::World;
use crate::venue::Venue;

fn select(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
    let ours = std::env::vars_os().map(|(name, _)| name);
    for name in ours.filter(|name| name.to_string_lossy().starts_with("CONCLAVE")) {
        command.env_remove(name);
    }
    command.current_dir(dir).arg("select").args(args).output().expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Goal: out of a market on the disk with coins, a list that satisfies its own correlations and sectors, as
/// a stranger would check it from the JSON alone. Method: `data synth`, then `select` on its directory.
#[test]
fn a_market_on_the_disk_is_selected_from_and_the_document_proves_itself() {
    let dir = tempfile::tempdir().expect("a directory");
    let synth = Command::new(env!("CARGO_BIN_EXE_conclave"))
        .current_dir(dir.path())
        .args(["data", "synth", "--out", "market", "--symbols", "18", "--bars", "700"])
        .output()
        .expect("the binary starts");
    assert!(synth.status.success(), "{}", text(&synth.stderr));
    let args = ["--data", "market", "--format", "json", "--out", "report", "--count", "6"];
    let output = select(dir.path(), &args);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).expect("one document");
    assert_eq!(document["universe"], 18);
    let list: Vec<&str> =
        document["selected"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert!(!list.is_empty() && list.len() <= 6, "{list:?}");
    let sector = |symbol: &str| {
        let all = document["candidates"].as_array().expect("candidates");
        let found = all.iter().find(|known| known["symbol"] == symbol).expect("a candidate");
        assert_eq!(found["excluded"].as_array().map(Vec::len), Some(0), "{found}");
        found["sector"].as_str().expect("a sector").to_owned()
    };
    for (at, a) in list.iter().enumerate() {
        let same = list.iter().filter(|b| sector(b) == sector(a)).count();
        assert!(same <= (list.len() * 2 / 5).max(1), "{same} of {}", sector(a));
        for b in &list[at + 1..] {
            let pairs = document["correlations"].as_array().expect("pairs");
            let is_it = |pair: &&Value| {
                (pair["a"] == **a && pair["b"] == **b) || (pair["a"] == **b && pair["b"] == **a)
            };
            let found = pairs.iter().find(is_it).and_then(|pair| pair["correlation"].as_f64());
            assert!(found.is_some_and(|found| found <= 0.60), "{a} and {b}: {found:?}");
        }
    }
    let page = fs::read_to_string(dir.path().join("report/report.html")).expect("a report");
    assert!(page.contains("Correlations") && list.iter().all(|symbol| page.contains(symbol)));
    assert!(dir.path().join("report/selection.json").is_file());
    let audit = Command::new(env!("CARGO_BIN_EXE_conclave"))
        .current_dir(dir.path())
        .args(["audit", "verify", "report"])
        .output()
        .expect("the binary starts");
    assert!(audit.status.success(), "{}", text(&audit.stderr));
    let scorecard = Command::new(env!("CARGO_BIN_EXE_conclave"))
        .current_dir(dir.path())
        .args(["scorecard", "report"])
        .output()
        .expect("the binary starts");
    assert_eq!(scorecard.status.code(), Some(5));
    assert!(text(&scorecard.stderr).contains("the directory of a selection"), "{scorecard:?}");
    assert_eq!(document["council"]["votes"].as_array().map(Vec::len), Some(4));
}

#[test]
fn what_cannot_be_selected_from_has_an_exit_code_and_says_why() {
    let dir = tempfile::tempdir().expect("a directory");
    for (args, code, part) in [
        (&["--synthetic", "4", "--bars", "60"][..], 8, "no symbol passes all filters"),
        (&["--data", "nowhere.csv"], 8, "nowhere is in no table of assets"),
        (&["--explain", "NONE"], 5, "NONE, which is not in the universe"),
        (&["--count", "0"], 2, "a number from 1 to 100 is"),
        (&["--synthetic", "9", "--data", "x.csv"], 2, "cannot be used with"),
    ] {
        let output = select(dir.path(), args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(part), "{args:?}: {}", text(&output.stderr));
    }
    let output = select(dir.path(), &["--explain", "MSFT"]);
    assert!(output.status.success());
    assert!(text(&output.stdout).contains("not on the list: at most 1 of technology"));
}

/// Goal: a universe from a venue that speaks Alpaca's language: assets, a first look by snapshots, days, a
/// list, as of the venue's own time. Method: the local exchange with the bars that ship, in June of 2012.
#[test]
fn a_venue_is_selected_from_by_its_assets_snapshots_and_days() {
    let world = World::new();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let mut files = Vec::new();
    for name in ["AAPL", "FB", "GOOG", "IBM", "MSFT"] {
        let file = format!("{name}.csv");
        fs::copy(data.join(&file), world.path(&file)).expect("a copy");
        files.push(file);
    }
    for table in ["assets.csv", "splits.csv"] {
        fs::copy(data.join(table), world.path(table)).expect("a copy");
    }
    let tables = ["--assets", "assets.csv", "--splits", "splits.csv"];
    let venue = Venue::of(&world, "2012-06-29", &files, &tables);
    let said = world.verb(&["select", "--alpaca", "--assets", "assets.csv", "--format", "json"]);
    said.succeeds();
    let document: Value = serde_json::from_slice(&said.0.stdout).expect("one document");
    assert_eq!(document["universe"], 5);
    assert!(document["as_of"].as_str().expect("a time").starts_with("2012-06-29T"), "{document}");
    let candidates = document["candidates"].as_array().expect("candidates");
    for candidate in candidates {
        let last = candidate["last_bar_at"].as_str().expect("a time");
        assert!(last.starts_with("2012-06-28T20:00"), "{last}: this day is still open");
    }
    let find = |symbol: &str| {
        let found = candidates.iter().find(|known| known["symbol"] == symbol);
        found.expect("a candidate").clone()
    };
    assert_eq!(find("IBM")["sector"], "technology");
    assert_eq!(find("FB")["excluded"][0], "bars: 29 bars, 500 needed");
    let seen = |filter: &str| {
        let all = document["filters"].as_array().expect("filters");
        all.iter().find(|line| line["filter"] == filter).expect("a filter")["seen"].clone()
    };
    assert_eq!((seen("tradable"), seen("most_traded")), (Value::from(5), Value::from(5)));
    let said = world.verb(&["select", "--alpaca", "--keep", "1", "--explain", "FB"]);
    assert!(text(&said.0.stdout).starts_with("FB: excluded: most_traded: place "));
    world.verb(&["select", "--alpaca", "--symbols", "NONE"]).refuses(5, "Alpaca does not list");
    drop(venue);
}
