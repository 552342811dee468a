//! Documents that are written from the code equal their files. `UPDATE=1` writes the files.

use std::fs;
use std::path::Path;
use std::process::Command;

use conclave::docs;
use conclave::http::openapi;
use serde_json::Value;

use crate::rig::World;

/// Compares, or writes when the environment says `UPDATE=1`.
fn settle(file: &str, expected: impl FnOnce(&str) -> String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let found = fs::read_to_string(&path).unwrap_or_default();
    let expected = expected(&found);
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        fs::write(&path, expected).expect("a writable document");
        return;
    }
    assert!(found == expected, "{file} is out of date; UPDATE=1 writes it anew:\n{expected}");
}

#[test]
fn the_refusals_are_the_catalogue_of_codes() {
    settle("docs/REFUSALS.md", |_| docs::refusals_md());
}

#[test]
fn the_metrics_are_the_catalogue() {
    settle("docs/METRICS.md", |_| docs::metrics_md());
}

/// Goal: a change of what others read is seen where it is reviewed. Within `v1` nothing of it is renamed or
/// taken away.
#[test]
fn the_api_is_the_one_that_was_agreed_on() {
    let mut document = serde_json::to_value(openapi::document()).expect("json");
    document.as_object_mut().expect("an object").remove("info");
    let text = serde_json::to_string_pretty(&document).expect("json") + "\n";
    settle("tests/golden/openapi.json", |_| text);
}

#[test]
fn the_readme_shows_the_roster_and_the_verbs_of_the_command_line() {
    settle("README.md", |page| {
        let sections = [("org-chart", docs::org_chart_md()), ("verbs", docs::verbs_md())];
        sections.iter().fold(page.to_owned(), |page, (name, content)| {
            let with = docs::with_section(&page, name, content);
            with.unwrap_or_else(|| panic!("README.md has no section `{name}`"))
        })
    });
}

#[test]
fn the_readme_begins_with_the_command_that_runs_and_the_command_that_tests() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let page = fs::read_to_string(path).expect("README.md");
    let blocks = page.split("```").skip(1).step_by(2);
    let lines = blocks.flat_map(str::lines).filter(|line| line.starts_with("cargo "));
    let first: Vec<&str> = lines.take(2).collect();
    assert_eq!(first, ["cargo run --release", "cargo test --workspace"]);
}

/// Goal: who repeats the README's run sees the README's figures. Method: the run without arguments to its
/// end, its summary and the count and hash of its records beside the page.
#[test]
fn the_figures_of_the_readme_are_those_of_its_run() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let page = fs::read_to_string(page).expect("README.md");
    let world = World::new();
    let said = world.verb(&["run", "--out", "r", "--no-http"]);
    let shown = String::from_utf8_lossy(&said.succeeds().0.stdout).into_owned();
    // What comes behind the figures names the directory.
    let (figures, _) = shown.split_once("\naudit chain verified").expect("a summary");
    assert!(page.contains(figures), "README.md shows other figures than these:\n{figures}");
    let said = world.verb(&["audit", "verify", "r", "--format", "json"]);
    let read: Value = serde_json::from_slice(&said.succeeds().0.stdout).expect("json");
    let decisions = &read["report"]["decisions"];
    let (count, hash) = (&decisions["head"]["count"], decisions["record_hash"].as_str());
    let same = format!("identical: {count} records, record hash {}", hash.expect("a hash"));
    assert!(page.contains(&same), "README.md has another line than `{same}`");
}

/// Goal: nobody is sent to an option or a file that is not there. Method: each command of the worked
/// examples is held against the help of its verb.
#[test]
fn the_commands_of_the_worked_examples_are_those_of_the_command_line() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/EXAMPLES.md")).expect("docs/EXAMPLES.md");
    let blocks = page.split("```").skip(1).step_by(2).filter_map(|it| it.strip_prefix("sh\n"));
    let commands: Vec<&str> =
        blocks.flat_map(str::lines).filter_map(|line| line.strip_prefix("conclave ")).collect();
    assert!(commands.len() >= 6, "a job has no example: {commands:?}");
    for command in commands {
        let words: Vec<&str> =
            command.split(['>', '&', '#']).next().unwrap_or_default().split(' ').collect();
        let verbs = words.iter().take_while(|word| !word.starts_with('-') && !word.is_empty());
        let said = Command::new(env!("CARGO_BIN_EXE_conclave")).args(verbs).arg("--help").output();
        let said = said.expect("the binary starts");
        let help = String::from_utf8_lossy(&said.stdout);
        assert!(said.status.success(), "`{command}` has no such verb");
        for option in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(*option), "`{command}`: no {option} in\n{help}");
        }
    }
    let links = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    for link in links.filter(|link| !link.starts_with("http")) {
        assert!(root.join("docs").join(link).exists(), "{link} is not there");
    }
}
