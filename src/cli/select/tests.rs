//! The verb from bars to text, JSON and report.

use clap::Parser;
use serde_json::Value;

use super::*;
use crate::cli::app::{App, Verb};

/// Runs `select` with these flags.
fn verb(flags: &str, format: Format) -> (Result<(), CliError>, String) {
    let line = ["conclave", "select"].into_iter().chain(flags.split_whitespace());
    let app = App::try_parse_from(line).unwrap();
    let Some(Verb::Select(args)) = app.verb else { panic!("not select") };
    let mut out = Vec::new();
    let done = run(&args, None, format, &mut out);
    (done, String::from_utf8(out).unwrap())
}

#[track_caller]
fn document(flags: &str) -> Value {
    let (done, text) = verb(flags, Format::Json);
    done.unwrap();
    serde_json::from_str(&text).unwrap()
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().filter_map(Value::as_str).collect()
}

/// Goal: the first thing a newcomer types has an answer, and every symbol of five has its place or reason.
#[test]
fn the_embedded_bars_have_a_list_and_a_reason_for_each_other() {
    let document = document("");
    assert_eq!(document["schema"], "selection/1");
    let list = names(&document["selected"]);
    assert!(!list.is_empty() && !list.contains(&"FB"), "{list:?}");
    let candidates = document["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 5);
    for candidate in candidates {
        let symbol = candidate["symbol"].as_str().unwrap();
        let is_excluded = !candidate["excluded"].as_array().unwrap().is_empty();
        let is_passed_over = document["passed_over"].get(symbol).is_some();
        let places = [list.contains(&symbol), is_excluded, is_passed_over];
        assert_eq!(places.iter().filter(|is| **is).count(), 1, "{symbol}: {document}");
    }
    let short = candidates.iter().find(|known| known["symbol"] == "FB").unwrap();
    assert_eq!(short["excluded"][0], "bars: 196 bars, 500 needed");
}

/// T-3: the agents are asked, say what they changed for each symbol, and without them nothing is said of them.
#[test]
fn the_agents_say_what_they_changed_and_off_is_the_pipeline_alone() {
    let alone = document("--agents off");
    assert!(alone.get("council").is_none());
    let half = |document: &Value| document["weights"]["hurst_short"].as_f64().unwrap();
    assert!((half(&alone) - 0.2).abs() < 1e-12);
    let with = document("");
    let council = &with["council"];
    assert_eq!(council["votes"].as_array().map(Vec::len), Some(4), "{council}");
    assert!(council.get("code").is_none(), "{council}");
    assert_eq!(council["mode"], "advisory");
    assert!((half(&with) - half(&alone)).abs() > 1e-6, "{council}");
    let shifts = council["shifts"].as_array().unwrap();
    for name in names(&with["selected"]).iter().chain(&names(&alone["selected"])) {
        assert!(shifts.iter().any(|shift| shift["symbol"] == *name), "{name}: {council}");
    }
    let (done, text) = verb("", Format::Text);
    done.unwrap();
    assert!(text.contains("weight optimizer for") && text.contains("the list is theirs"), "{text}");
    assert!(text.contains("by the agents"), "{text}");
    assert!(!verb("--agents off", Format::Text).1.contains("by the agents"));
}

/// what the agents said lies beside the report, and a directory holds one log.
#[test]
fn the_agents_log_lies_beside_the_report() {
    let dir = tempfile::tempdir().unwrap();
    let flags = format!("--out {}", dir.path().display());
    verb(&flags, Format::Text).0.unwrap();
    let html = std::fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(html.contains("Agents") && html.contains("weight optimizer"));
    assert!(crate::adapters::audit_files::has_log(dir.path()));
    let refused = verb(&flags, Format::Text).0.unwrap_err();
    assert!(refused.message.contains("holds a run already"), "{}", refused.message);
    let report = dir.path().join("report.html");
    std::fs::write(&report, "of a run").unwrap();
    // Nor does a list without agents take the place of what a run has left, even if that has no log yet.
    let off = |dir: &Path| verb(&format!("--out {} --agents off", dir.display()), Format::Text).0;
    assert!(off(dir.path()).unwrap_err().message.contains("holds a run already"));
    assert_eq!(std::fs::read_to_string(&report).unwrap(), "of a run");
    for file in ["recipe.json", "run.json"] {
        let begun = tempfile::tempdir().unwrap();
        std::fs::write(begun.path().join(file), "{}").unwrap();
        assert!(off(begun.path()).unwrap_err().message.contains("holds a run already"), "{file}");
    }
    let alone = tempfile::tempdir().unwrap();
    off(alone.path()).unwrap();
    off(alone.path()).unwrap();
}

/// Goal: a slip of the pen costs nothing. Method: a symbol to be explained that is not there, with agents
/// and a directory; nobody was asked, so there is no directory.
#[test]
fn a_symbol_that_is_not_there_is_told_before_anybody_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let (done, _) = verb(&format!("--explain NONE --out {}", out.display()), Format::Text);
    assert_eq!(done.unwrap_err().code, ExitCode::NotFound);
    assert!(!out.exists());
}

#[test]
fn the_result_does_not_depend_on_threads() {
    let with = |threads: &str| {
        verb(&format!("--synthetic 40 --bars 700 --coins 3 --threads {threads}"), Format::Json).1
    };
    let alone = with("1");
    assert!(alone.len() > 10_000);
    assert_eq!(alone, with("3"));
}

#[test]
fn labelled_series_show_what_they_are_and_walks_are_not_picked() {
    let (done, text) = verb("--synthetic 24 --labelled --bars 1100", Format::Text);
    done.unwrap();
    let list: Vec<&str> = text.lines().take_while(|line| !line.starts_with("not on it")).collect();
    let count = |word: &str| list.iter().filter(|line| line.ends_with(word)).count();
    let foreseen = ["reverting", "trending", "turning"].map(count);
    assert!(foreseen.iter().sum::<usize>() >= 4 && count("random") == 0, "{text}");
    // What turns back at once leads; of the trends the half-life lets one in three through.
    assert!(foreseen[2] >= 3 && foreseen[1] <= 1, "{text}");
    // Who was excluded is named, with the filter that did it.
    let excluded = text.lines().skip_while(|line| !line.starts_with("excluded"));
    assert!(excluded.take(12).any(|line| line.contains("half_life: ")), "{text}");
    assert!(text.contains('█') && text.contains("half_life"), "{text}");
}

#[test]
fn one_symbol_is_explained_to_the_last_figure() {
    let (done, text) = verb("--explain FB", Format::Text);
    done.unwrap();
    assert!(text.starts_with("FB: excluded: bars: 196 bars, 500 needed"), "{text}");
    let (done, text) = verb("--explain GOOG", Format::Text);
    done.unwrap();
    for part in ["hurst short", "Anis–Lloyd", "Ljung–Box", "without it", "google"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let json = document("--explain GOOG");
    assert_eq!((&json["schema"], &json["symbol"]), (&"selection-symbol/1".into(), &"GOOG".into()));
    let (done, _) = verb("--explain NONE", Format::Text);
    assert_eq!(done.unwrap_err().code, ExitCode::NotFound);
}

/// L-1: what is selected as of a day does not know of a later split: AAPL's of 2005 halves every price.
#[test]
fn an_earlier_time_sees_earlier_prices() {
    let json = document("--as-of 2004-12-31T21:00:00Z --explain AAPL");
    assert_eq!(json["candidate"]["price"], "64.4");
    assert_eq!(json["candidate"]["last_bar_at"], "2004-12-31T21:00:00Z");
    let (done, _) = verb("--as-of 1999-01-01T00:00:00Z", Format::Text);
    assert_eq!(done.unwrap_err().code, ExitCode::Data);
}

#[test]
fn a_universe_in_which_nobody_passes_is_an_error_that_shows_the_filters() {
    let (done, text) = verb("--synthetic 6 --bars 100", Format::Text);
    let error = done.unwrap_err();
    assert_eq!(error.code, ExitCode::Data);
    assert!(text.contains("0 of 6 symbols") && text.contains("bars"), "{text}");
    let (done, _) = verb("--symbols AAPL,NONE", Format::Text);
    assert_eq!(done.unwrap_err().code, ExitCode::NotFound);
    let (done, _) = verb("--synthetic 0", Format::Text);
    assert_eq!(done.unwrap_err().code, ExitCode::Usage);
}

#[test]
fn a_directory_of_files_needs_a_table_that_says_what_each_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let write = |name: &str, text: &str| std::fs::write(path.join(name), text).unwrap();
    write("GOOG.csv", include_str!("../../../data/GOOG.csv"));
    write("IBM.csv", include_str!("../../../data/IBM.csv"));
    let flags = format!("--data {}", path.display());
    let (done, _) = verb(&flags, Format::Text);
    let error = done.unwrap_err();
    assert_eq!(error.code, ExitCode::Data);
    assert!(error.message.starts_with("GOOG is in no table of assets"), "{}", error.message);
    write("assets.csv", include_str!("../../../data/assets.csv"));
    let json = document(&flags);
    assert_eq!(json["candidates"].as_array().unwrap().len(), 2);
    write("assets.csv", "symbol,class,sector,name\nGOOG,equity,,Google\nIBM,equity,,IBM Corp.\n");
    let (done, text) = verb(&format!("{flags} --agents off"), Format::Text);
    done.unwrap();
    let told = "2 of the list have no known sector: they do not count against the share of one";
    assert!(text.contains(told), "{text}");
    // Not among the bars.
    std::fs::create_dir(path.join("tables")).unwrap();
    write(
        "tables/again.csv",
        "symbol,class,sector,name\nGOOG,equity,,G\nIBM,equity,,I\nIBM,crypto,coins,I\n",
    );
    let at = |name: &str| path.join(name).display().to_string();
    let again =
        format!("--data {} {} --assets {}", at("GOOG.csv"), at("IBM.csv"), at("tables/again.csv"));
    let error = verb(&again, Format::Text).0.unwrap_err();
    assert_eq!(error.code, ExitCode::Data);
    assert!(error.message.contains("say of IBM both"), "{}", error.message);
    let (done, _) = verb(&format!("{flags} {}", path.join("IBM.csv").display()), Format::Text);
    assert_eq!(done.unwrap_err().code, ExitCode::Usage);
}

#[test]
fn the_report_is_whole_and_carries_no_script() {
    let dir = tempfile::tempdir().unwrap();
    let flags = format!("--synthetic 24 --bars 700 --out {}", dir.path().display());
    verb(&flags, Format::Text).0.unwrap();
    let html = std::fs::read_to_string(dir.path().join("report.html")).unwrap();
    for part in ["Correlations", "Weights", "Filters", "<rect", "hurst short"] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("<script") && !html.contains("http://"));
    let json = std::fs::read_to_string(dir.path().join("selection.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["schema"], "selection/1");
}
