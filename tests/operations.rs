//! What an operator is given in `ops/`: dashboard, alerts, back-up.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use conclave::catalogue::{Kind, METRICS};
use serde_json::Value;

use crate::rig::World;

fn ops(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("ops").join(name)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of metrics in a text, without the endings that a histogram has.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
    let words = text.split(|c| !is_part(c)).filter(|word| word.starts_with("conclave_"));
    let histograms: Vec<&str> = METRICS
        .iter()
        .filter(|metric| metric.kind == Kind::Histogram)
        .map(|metric| metric.name)
        .collect();
    let whole = |word: &str| {
        let of = histograms.iter().find(|name| {
            ["_bucket", "_count", "_sum"].iter().any(|end| word.strip_suffix(end) == Some(**name))
        });
        of.map_or(word, |name| name).to_owned()
    };
    words.map(whole).collect()
}

/// Goal: nobody looks at a figure that is not there, and none is forgotten: the dashboard shows every metric
/// of the catalogue, dashboard and alerts no other, and by labels that it has.
#[test]
fn dashboard_and_alerts_speak_of_the_catalogue_and_the_dashboard_of_all_of_it() {
    let (dashboard, alerts) = (read(&ops("grafana.json")), read(&ops("alerts.yml")));
    let listed: BTreeSet<String> = METRICS.iter().map(|metric| metric.name.to_owned()).collect();
    assert_eq!(metrics_in(&dashboard), listed);
    let strangers: Vec<String> =
        metrics_in(&alerts).into_iter().filter(|name| !listed.contains(name)).collect();
    assert!(strangers.is_empty(), "no such metric: {strangers:?}");
    let read: Value = serde_json::from_str(&dashboard).expect("json");
    let panels = read["panels"].as_array().expect("panels");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    for target in targets {
        let (query, legend) = (&target["expr"], target["legendFormat"].as_str().expect("a text"));
        let names = metrics_in(query.as_str().expect("a query"));
        for label in legend.split("{{").skip(1).filter_map(|part| part.split("}}").next()) {
            let has = METRICS
                .iter()
                .any(|metric| names.contains(metric.name) && metric.labels.contains(&label));
            assert!(has, "{query} has no label {label}");
        }
    }
}

/// The selectors of an expression: the name of a metric, and the labels that it is asked for by.
fn selectors(query: &str) -> Vec<(String, Vec<String>)> {
    let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
    let starts = query.match_indices("conclave_").map(|(at, _)| at);
    let one = |at: usize| {
        let word: String = query[at..].chars().take_while(|c| is_part(*c)).collect();
        let rest = &query[at + word.len()..];
        let inside = rest.strip_prefix('{').and_then(|rest| rest.split('}').next());
        // No value of ours has a comma or a sign of comparison in it.
        let parts = inside.unwrap_or_default().split(',').filter(|part| !part.is_empty());
        let label = |part: &str| part.trim().chars().take_while(|c| is_part(*c)).collect();
        let name = metrics_in(&word).into_iter().next().expect("a metric");
        (name, parts.map(label).collect())
    };
    starts.map(one).collect()
}

/// The labels that an expression keeps apart.
fn kept_apart(query: &str) -> Vec<String> {
    let lists = query.split("by (").skip(1).filter_map(|rest| rest.split(')').next());
    lists.flat_map(|list| list.split(',')).map(|label| label.trim().to_owned()).collect()
}

fn labels_of(name: &str) -> BTreeSet<&'static str> {
    let metric = METRICS.iter().find(|metric| metric.name == name);
    metric.map(|metric| metric.labels.iter().copied().collect()).unwrap_or_default()
}

/// Goal: no alert waits for a label that no metric has, and no case of the judge's is made of series that
/// the process never shows. Method: selectors and groups of the rules, of the dashboard and of the cases
/// beside the catalogue.
#[test]
fn alerts_dashboard_and_cases_ask_by_labels_that_their_metrics_have() {
    let (rules, cases) = (read(&ops("alerts.yml")), read(&ops("alerts_test.yml")));
    let dashboard: Value = serde_json::from_str(&read(&ops("grafana.json"))).expect("json");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let shown = targets.map(|target| target["expr"].as_str().expect("a query").to_owned());
    let asked = rules.lines().filter_map(|line| line.trim_start().strip_prefix("expr: "));
    let asked = asked.map(|query| query.replace("\\\"", "\"")).chain(shown);
    let (mut seen, mut wrong) = (0, Vec::new());
    for query in asked {
        let found = selectors(&query);
        let known: BTreeSet<&str> = found.iter().flat_map(|(name, _)| labels_of(name)).collect();
        for (name, labels) in &found {
            seen += labels.len();
            let has = labels_of(name);
            wrong.extend(labels.iter().filter(|label| !has.contains(label.as_str())).cloned());
        }
        let apart = kept_apart(&query).into_iter();
        wrong.extend(apart.filter(|label| label != "le" && !known.contains(label.as_str())));
    }
    assert!(seen > 5, "{seen} labels are few: the rules have another form");
    assert!(wrong.is_empty(), "no metric has these labels: {wrong:?}");
    let series =
        cases.lines().filter_map(|line| line.split("series: '").nth(1)?.split('\'').next());
    let ours: Vec<&str> = series.filter(|series| series.starts_with("conclave_")).collect();
    assert!(ours.len() > 20, "the cases have another form");
    for series in ours {
        for (name, labels) in selectors(series) {
            let labels: BTreeSet<&str> = labels.iter().map(String::as_str).collect();
            assert_eq!(labels, labels_of(&name), "{series} is not as the process shows it");
        }
    }
}

/// Goal: an operator who is woken finds the alert, what it means and what to do in the handbook, in the
/// same words.
#[test]
fn every_alert_stands_in_the_handbook_in_the_same_words() {
    let alerts = read(&ops("alerts.yml"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let handbook = read(&root.join("docs/OPERATIONS.md"));
    let field = |name: &str| -> Vec<String> {
        let of = alerts
            .lines()
            .filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix(name));
        of.map(|text| text.trim().trim_matches('"').to_owned()).collect()
    };
    let (names, meanings, remedies) = (field("alert:"), field("summary:"), field("remedy:"));
    assert!(names.len() > 10 && names.len() == meanings.len() && names.len() == remedies.len());
    for ((name, meaning), remedy) in names.iter().zip(&meanings).zip(&remedies) {
        let line = handbook.lines().find(|line| line.starts_with(&format!("| `{name}`")));
        let line = line.unwrap_or_else(|| panic!("{name} is not in the handbook"));
        assert!(line.contains(meaning) && line.contains(remedy), "{name}: {line}");
    }
    let rows = handbook.lines().filter(|line| line.starts_with("| `Conclave")).count();
    assert_eq!(rows, names.len(), "an alert that is in the handbook alone");
}

/// Goal: the rules fire when they should and are quiet when all is well, by Prometheus's own judge.
#[test]
fn the_alerts_fire_in_front_of_their_cases_and_are_quiet_otherwise() {
    for args in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]] {
        let run = Command::new("promtool").args(args).current_dir(ops("")).output();
        let Ok(output) = run else {
            println!("skipped: promtool is not installed");
            return;
        };
        let said =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {said}");
    }
}

/// `ops/backup.sh` in the world's directory, with this binary.
fn backup(world: &World, args: &[&str]) -> Output {
    let mut command = Command::new("bash");
    command.arg(ops("backup.sh")).args(args).current_dir(world.path(""));
    command.env("CONCLAVE", env!("CARGO_BIN_EXE_conclave")).output().expect("bash starts")
}

/// The names of what lies in the world's directory.
fn names(world: &World) -> BTreeSet<OsString> {
    let entries = fs::read_dir(world.path("")).expect("a directory");
    entries.map(|entry| entry.expect("an entry").file_name()).collect()
}

/// Goal: what was saved can be put back, verifies, and goes on to the same end; a copy of a run that is at
/// work verifies too; nothing is overwritten, and no secret is in it or shown to others.
#[test]
fn a_backup_verifies_and_goes_on_to_the_same_records() {
    let world = World::new();
    let mut running = world.start("r", &["--out", "r", "--pace", "5ms"]);
    running.wait("some rounds", |_| world.steps("r", "round.closed").len() > 3);
    running.terminate();
    // A process of this number lives always; the one that held the run does not.
    fs::write(world.path("r/pid"), "1").expect("a file");
    let done = backup(&world, &["save", "r", "b.tar.gz"]);
    assert!(done.status.success(), "{done:?}");
    let mode = fs::metadata(world.path("b.tar.gz")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o077, 0, "others can read it: {mode:o}");
    assert!(!backup(&world, &["save", "r", "b.tar.gz"]).status.success(), "it was overwritten");
    let done = backup(&world, &["restore", "b.tar.gz", "again"]);
    assert!(done.status.success(), "{done:?}");
    let done = backup(&world, &["restore", "b.tar.gz", "again"]);
    assert!(!done.status.success(), "it was overwritten");
    assert!(!world.path("again/token").exists(), "a secret was saved");
    assert_eq!(world.audit("again").len(), world.audit("r").len());
    let hash = |store: &str| {
        world.verb(&["run", "--resume", store, "--no-http"]).succeeds();
        let said = world.verb(&["audit", "verify", store, "--format", "json"]);
        let read: Value = serde_json::from_slice(&said.succeeds().0.stdout).expect("json");
        read.pointer("/report/decisions/record_hash")
            .and_then(Value::as_str)
            .expect("a hash")
            .to_owned()
    };
    assert_eq!(hash("again"), hash("r"));
    let running = world.start("live", &["--out", "live", "--pace", "20ms"]);
    let done = backup(&world, &["save", "live", "live.tar.gz"]);
    assert!(done.status.success(), "{done:?}");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(said.contains("its store is left out"), "{said}");
    let done = backup(&world, &["restore", "live.tar.gz", "copy"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(!world.path("copy/context").exists(), "the store of a run at work was saved");
    running.kill();
}

/// Goal: nobody believes in a back-up that is not whole. Method: a segment that cannot be copied, an archive
/// that was cut, a run that was changed, a binary that is not there: each is said, and leaves nothing that
/// stands in the way of the next attempt.
#[test]
fn a_backup_that_cannot_be_taken_or_put_back_is_said_and_leaves_nothing() {
    let world = World::new();
    world.run(&["--out", "r"]).succeeds();
    let fails = |done: &Output, part: &str| {
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(!done.status.success() && said.contains(part), "`{part}` is not in:\n{said}");
    };
    let lost = world.path("r/observations-000009.jsonl");
    symlink("nowhere", &lost).expect("a link");
    let before = names(&world);
    fails(&backup(&world, &["save", "r", "b.tar.gz"]), "observations-000009.jsonl");
    assert_eq!(names(&world), before);
    fs::remove_file(&lost).expect("the link");
    // What stands before a colon is no machine.
    let done = backup(&world, &["save", "r/", "at:10.tar.gz"]);
    assert!(done.status.success(), "{done:?}");
    let whole = fs::read(world.path("at:10.tar.gz")).expect("an archive");
    fs::write(world.path("cut.tar.gz"), &whole[..whole.len() / 2]).expect("a file");
    let segment = world.path("r/audit-000001.jsonl");
    let text = fs::read_to_string(&segment).expect("a segment");
    fs::write(&segment, text.replacen("\"seq\":3,", "\"seq\":4,", 1)).expect("a segment");
    let done = backup(&world, &["save", "r", "changed.tar.gz"]);
    assert!(done.status.success(), "{done:?}");
    let before = names(&world);
    fails(&backup(&world, &["restore", "cut.tar.gz", "again"]), "gzip");
    fails(&backup(&world, &["restore", "changed.tar.gz", "again"]), "does not verify");
    let mut command = Command::new("bash");
    command.arg(ops("backup.sh")).args(["restore", "at:10.tar.gz", "again"]);
    command.current_dir(world.path("")).env("CONCLAVE", "/nowhere/conclave");
    fails(&command.output().expect("bash starts"), "/nowhere/conclave is not there");
    assert_eq!(names(&world), before);
    let done = backup(&world, &["restore", "at:10.tar.gz", "again/"]);
    assert!(done.status.success(), "{done:?}");
    world.verify("again");
}

/// Goal: no run and no token gets into the layers of an image, whatever directory it was put into. Method:
/// everything is left out but what is named, and what is named is what the manifest needs.
#[test]
fn the_build_of_the_image_is_given_the_sources_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = read(&root.join(".dockerignore"));
    let rules: Vec<&str> =
        text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let (first, named) = rules.split_first().expect("rules");
    assert_eq!(*first, "*", "it does not begin by leaving everything out");
    let named: BTreeSet<&str> = named.iter().filter_map(|rule| rule.strip_prefix('!')).collect();
    assert_eq!(named.len() + 1, rules.len(), "another one than `!PATH`: {rules:?}");
    for path in &named {
        assert!(root.join(path).exists(), "{path} is not there");
    }
    let manifest = read(&root.join("Cargo.toml"));
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = ["));
    let members = members.expect("the members of the workspace").trim_end_matches(']').split(", ");
    let paths = manifest.lines().filter_map(|line| line.strip_prefix("path = \""));
    let needed = members.map(|member| member.trim_matches('"')).filter(|member| *member != ".");
    for path in needed.chain(paths.filter_map(|path| path.split(['/', '"']).next())) {
        assert!(named.contains(path), "the build needs {path}");
    }
}
