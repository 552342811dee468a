//! House rules as tests: what a reviewer would otherwise have to look for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use conclave_actors::runtime::roster;
use conclave_domain::role::Team;

/// Every invariant in the catalogue of docs/ARCHITECTURE.md that exists in the code by now.
const INVARIANTS: &[&str] = &[
    "B-1", "T-1", "T-2", "T-3", "T-4", "G-1", "G-2", "G-3", "O-1", "O-2", "O-3", "O-4", "A-1",
    "A-2", "C-1", "P-1", "L-1", "D-1", "F-1", "F-2", "B-2", "N-1", "K-1", "K-2", "K-3", "U-1",
    "U-2", "V-1",
];

/// Where an outside library may be used; everything else must go through our own types.
const HOMES: &[(&str, &[&str])] = &[
    (
        "reqwest",
        &[
            "src/adapters/alpaca_http",
            "src/adapters/anthropic_http.rs",
            "src/adapters/control_http.rs",
            "src/adapters/model_http.rs",
            "src/adapters/openai_http.rs",
            "src/adapters/slack_http.rs",
            "src/adapters/telegram_http.rs",
            "src/adapters/vendors.rs",
            "src/adapters/webhook_http.rs",
        ],
    ),
    ("sled", &["src/adapters/context_sled"]),
    ("bincode", &["src/adapters/context_sled"]),
    ("redb", &["src/adapters/context_redb"]),
    ("ring", &["src/adapters"]),
    ("humantime", &["src/config"]),
    ("dashmap", &["actors/runtime/directory.rs"]),
    ("plotters", &["src/report"]),
    ("indicatif", &["src/cli/progress.rs"]),
    ("axum", &["src/exchange", "src/http"]),
    ("hyper", &["src/http"]),
    ("utoipa", &["src/http"]),
    ("utoipa_axum", &["src/http"]),
    ("hyper_util", &["src/http"]),
    ("tokio_tungstenite", &["src/adapters/alpaca_stream"]),
    ("unicode_normalization", &["domain/news/clean.rs"]),
    ("gemm", &["trainer/kernel.rs"]),
    ("tokio_postgres", &["src/adapters/arena_store/postgres"]),
    ("tokio_rustls", &["src/adapters/arena_store/postgres"]),
    ("opentelemetry", &["src/adapters/otlp"]),
    ("opentelemetry_otlp", &["src/adapters/otlp"]),
    ("opentelemetry_sdk", &["src/adapters/otlp"]),
    ("tracing_opentelemetry", &["src/adapters/otlp"]),
    ("rustls_native_certs", &["src/adapters/arena_store/postgres"]),
];

/// Direct dependencies beside the card's, and why each is here.
const REASONS: &[(&str, &str)] = &[
    ("axum", "the HTTP API; hand-written HTTP would be a security risk"),
    ("blake3", "the audit's hash chain"),
    ("clap", "the command line"),
    ("clap_complete", "`completions`"),
    ("clap_mangen", "`man`"),
    ("gemm", "matrix products of the trainer, nine tenths as fast as a kernel of our own"),
    ("hyper", "closes connections that say nothing, which axum's own server cannot"),
    ("hyper-util", "joins hyper to tokio and to axum's router"),
    ("futures-util", "the event stream that axum asks for"),
    ("indicatif", "progress bars"),
    ("jiff", "time zones and calendars"),
    ("mimalloc", "an allocator for threads that free what others allocated"),
    ("maud", "HTML that escapes what it shows"),
    ("metrics-exporter-prometheus", "/metrics"),
    ("opentelemetry", "spans for a collector, behind the feature `otlp`"),
    ("opentelemetry-otlp", "their form and their way, behind the same feature"),
    ("opentelemetry-proto", "what a collector reads, in the tests of that feature"),
    ("opentelemetry_sdk", "the tracer, behind the same feature"),
    ("plotters", "charts as SVG"),
    ("proptest", "properties in tests"),
    ("prost", "protobuf, in the tests of that feature; the exporter brings it anyway"),
    ("rand_chacha", "seeded randomness that is the same on every machine"),
    ("rand_distr", "distributions of the synthetic market"),
    ("redb", "the second store adapter"),
    (
        "ring",
        "nonces of the system, signed webhooks and the hash of the page's style; the TLS provider brings it anyway",
    ),
    ("rust_decimal", "decimal text into fixed point"),
    ("rustls", "the TLS provider of reqwest"),
    (
        "rustls-native-certs",
        "the system's certificates, for the database; the streams bring it anyway",
    ),
    ("schemars", "JSON schemas of the agents' answers"),
    ("serde_json", "records, reports and the API"),
    ("tempfile", "directories in tests"),
    ("thiserror", "error types"),
    ("tokio-postgres", "the arena's record in Postgres"),
    (
        "tokio-rustls",
        "joins the database's connection to the TLS provider; reqwest brings it anyway",
    ),
    ("tokio-tungstenite", "the streams of a broker; the same that axum speaks them with"),
    ("toml", "the configuration file"),
    ("tower", "asks the router of the API in tests, without a socket"),
    ("tracing-opentelemetry", "our spans as its spans, behind the same feature"),
    ("tracing-subscriber", "logs to stderr"),
    (
        "unicode-normalization",
        "one form for texts from outside; a table of our own would miss some",
    ),
    (
        "utoipa",
        "the API's description out of its handlers; with its macros 12 s of a cold build's work",
    ),
    ("utoipa-axum", "routes and their description from one list, so that neither forgets one"),
];

/// The packages of the card.
const CARD: &[&str] = &[
    "ractor",
    "tokio",
    "serde",
    "reqwest",
    "tracing",
    "dashmap",
    "bincode",
    "sled",
    "humantime",
    "metrics",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file of the project with its path relative to the root.
fn sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for folder in ["domain", "actors", "trainer", "src", "tests", "benches", "examples"] {
        collect(&root().join(folder), &mut files);
    }
    files.sort();
    assert!(files.len() > 40, "only {} sources found", files.len());
    files
}

fn collect(folder: &Path, files: &mut Vec<(String, String)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.map(|entry| entry.expect("a readable folder").path()) {
        if entry.is_dir() {
            collect(&entry, files);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            let name = relative(&entry);
            files.push((name, fs::read_to_string(&entry).expect("a readable source")));
        }
    }
}

fn relative(path: &Path) -> String {
    let path: PathBuf = path.strip_prefix(root()).expect("a path below the root").to_owned();
    path.to_string_lossy().replace('\\', "/")
}

/// The part of a file before its tests.
fn production(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

fn is_test_file(name: &str) -> bool {
    name.starts_with("tests/") || name.ends_with("/tests.rs") || name.contains("/tests/")
}

fn complain(what: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{what}:\n  {}", findings.join("\n  "));
}

#[test]
fn every_file_begins_with_what_it_is() {
    let bare: Vec<String> = sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(name, _)| name)
        .collect();
    complain("files without a `//!` header", &bare);
}

#[test]
fn no_file_is_longer_than_500_lines_and_no_function_longer_than_60() {
    let mut long = Vec::new();
    for (name, text) in sources() {
        let lines = text.lines().count();
        if lines > 500 {
            long.push(format!("{name} has {lines} lines"));
        }
        long.extend(long_functions(&name, &text));
    }
    complain("too long", &long);
}

/// Functions over 60 lines, by indentation: rustfmt closes a function where it opened it.
fn long_functions(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Vec<(usize, usize, String)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let bare = line.trim_start();
        let starts =
            ["fn ", "pub fn ", "pub(crate) fn ", "pub(super) fn ", "async fn ", "const fn "];
        let starts_more = ["pub async fn ", "pub const fn ", "pub(crate) async fn "];
        if starts.iter().chain(&starts_more).any(|start| bare.starts_with(start)) {
            open.push((indent, number, bare.to_owned()));
        }
        if bare.starts_with('}')
            && open.last().is_some_and(|(opened, _, _)| *opened == indent)
            && let Some((_, from, head)) = open.pop()
            && number - from + 1 > 60
        {
            found.push(format!("{name}:{} has {} lines: {head}", from + 1, number - from + 1));
        }
        if bare.ends_with(';')
            && open.last().is_some_and(|(opened, at, _)| *opened == indent && *at == number)
        {
            open.pop();
        }
    }
    found
}

#[test]
fn the_roster_and_the_files_of_the_teams_are_the_same_agents() {
    let mut files = BTreeSet::new();
    for team in Team::ALL {
        let folder = root().join("actors").join(team.name());
        let entries = fs::read_dir(&folder).expect("a folder per team");
        for entry in entries.map(|entry| entry.expect("a readable folder").path()) {
            let name = entry.file_stem().expect("a name").to_string_lossy().into_owned();
            // `run` is the training run that the team guides.
            if !["mod", "run", "sample", "tests"].contains(&name.as_str()) {
                files.insert((team.name(), name));
            }
        }
    }
    let seats = roster::roster().into_iter().map(|seat| seat.role);
    let seats: BTreeSet<_> = seats.map(|role| (role.team.name(), role.name.to_owned())).collect();
    assert_eq!(seats, files, "an agent is one file of its name and one line in its team");
}

#[test]
fn each_outside_library_stays_in_its_home() {
    let mut strays = Vec::new();
    for (name, text) in sources() {
        if is_test_file(&name) || name.starts_with("benches/") {
            continue;
        }
        for (library, homes) in HOMES {
            let path = format!("{library}::");
            let used = production(&text)
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .any(|line| uses(line, &path));
            if used && !homes.iter().any(|home| name.starts_with(home)) {
                strays.push(format!("{name} uses {library}, whose home is {}", homes.join(", ")));
            }
        }
    }
    complain("libraries away from home", &strays);
}

/// Whether `line` names `path` as a whole word.
fn uses(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

#[test]
fn the_domain_is_pure() {
    // A hash map's order must never reach an output.
    let banned =
        ["std::fs", "std::net", "std::env", "tokio", "ractor", "std::thread", "HashMap", "HashSet"];
    let mut found = Vec::new();
    for (name, text) in sources() {
        if !name.starts_with("domain/") || is_test_file(&name) {
            continue;
        }
        for line in production(&text).lines().filter(|line| !line.trim_start().starts_with("//")) {
            if let Some(word) = banned.iter().find(|word| line.contains(**word)) {
                found.push(format!("{name} uses {word}"));
            }
        }
    }
    complain("the domain touches the world, or depends on an order that nobody chose", &found);
}

#[test]
fn the_actors_reach_the_world_through_ports_only() {
    let banned = ["std::fs", "std::net::", "reqwest", "sled::", "bincode"];
    let mut found = Vec::new();
    for (name, text) in sources() {
        if !name.starts_with("actors/") || is_test_file(&name) {
            continue;
        }
        for line in production(&text).lines().filter(|line| !line.trim_start().starts_with("//")) {
            if let Some(word) = banned.iter().find(|word| line.contains(**word)) {
                found.push(format!("{name} uses {word}"));
            }
        }
    }
    complain("an actor touches the world", &found);
}

#[test]
fn the_trainer_knows_no_agents_and_no_clock() {
    // A run is a function of its configuration, its data and its seed.
    let banned =
        ["tokio", "ractor", "conclave_actors", "std::net", "std::env", "HashMap", "async "];
    let mut found = Vec::new();
    for (name, text) in sources() {
        if !name.starts_with("trainer/") || is_test_file(&name) {
            continue;
        }
        for line in production(&text).lines().filter(|line| !line.trim_start().starts_with("//")) {
            if let Some(word) = banned.iter().find(|word| line.contains(**word)) {
                found.push(format!("{name} uses {word}"));
            }
        }
    }
    complain("the trainer is not a function of its inputs", &found);
}

#[test]
fn the_kernel_of_the_trainer_alone_is_unsafe() {
    let words = [concat!("unsafe", " {"), concat!("unsafe", " fn"), concat!("unsafe", "_code")];
    let found: Vec<String> = sources()
        .into_iter()
        .filter(|(name, _)| name != "trainer/kernel.rs")
        .filter(|(_, text)| words.iter().any(|word| text.contains(word)))
        .map(|(name, _)| name)
        .collect();
    complain("unsafe code outside of trainer/kernel.rs", &found);
}

#[test]
fn nothing_is_left_for_later_without_an_entry_in_the_gaps() {
    let gaps = fs::read_to_string(root().join("docs/GAPS.md")).expect("docs/GAPS.md");
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("un", "implemented!")];
    let mut found = Vec::new();
    for (name, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) && !gaps.contains(&name) {
                found.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    complain("left for later", &found);
}

#[test]
fn error_texts_are_lowercase_without_a_full_stop() {
    let mut found = Vec::new();
    for (name, text) in sources() {
        for line in production(&text).lines() {
            let bare = line.trim_start();
            let Some(rest) = bare.strip_prefix("#[error(\"") else { continue };
            let Some(message) = rest.split("\")]").next() else { continue };
            let is_capital = message.chars().next().is_some_and(char::is_uppercase);
            if is_capital || message.ends_with('.') {
                found.push(format!("{name}: {message}"));
            }
        }
    }
    complain("error texts", &found);
}

#[test]
fn every_invariant_is_cited_by_a_test() {
    let mut cited: BTreeSet<&str> = BTreeSet::new();
    for (_, text) in sources() {
        for doc in docs_of_tests(&text) {
            let mentioned = INVARIANTS.iter().copied().filter(|id| names_invariant(&doc, id));
            cited.extend(mentioned);
        }
    }
    let missing: Vec<String> =
        INVARIANTS.iter().filter(|id| !cited.contains(**id)).map(ToString::to_string).collect();
    complain("invariants that no test cites", &missing);
}

/// The doc comments that stand directly above a `#[test]`: no other can say what a test checks.
fn docs_of_tests(text: &str) -> Vec<String> {
    let (mut docs, mut above) = (Vec::new(), String::new());
    for line in text.lines().map(str::trim_start) {
        if let Some(doc) = line.strip_prefix("///") {
            above.push_str(doc);
        } else {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                docs.push(std::mem::take(&mut above));
            }
            above.clear();
        }
    }
    docs
}

fn names_invariant(line: &str, id: &str) -> bool {
    line.match_indices(id).any(|(at, _)| {
        let after = line[at + id.len()..].chars().next();
        !after.is_some_and(|c| c.is_ascii_digit())
    })
}

#[test]
fn every_direct_dependency_has_a_reason() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    let table: toml::Table = manifest.parse().expect("a manifest");
    let dependencies = table["workspace"]["dependencies"].as_table().expect("dependencies");
    let reasons: BTreeMap<&str, &str> = REASONS.iter().copied().collect();
    let known = |name: &str| {
        CARD.contains(&name) || name.starts_with("conclave-") || reasons.contains_key(name)
    };
    let unknown: Vec<String> = dependencies.keys().filter(|name| !known(name)).cloned().collect();
    complain("dependencies without a reason in tests/tidy.rs", &unknown);
    let gone: Vec<String> = reasons
        .keys()
        .chain(CARD.iter())
        .filter(|name| !dependencies.contains_key(**name))
        .map(ToString::to_string)
        .collect();
    complain("reasons for dependencies that are gone", &gone);
}

#[test]
fn no_file_names_a_machine_or_a_registry() {
    let hosts = [concat!("crates", ".io"), concat!("pypi", ".org"), concat!("registry", ".npmjs")];
    let paths = [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/ho", "me/")];
    let mut found = Vec::new();
    let mut names: Vec<(String, String)> = sources();
    for extra in ["README.md", "CHANGELOG.md", "docs/ARCHITECTURE.md", "docs/GAPS.md", ".ci/run"] {
        let text = fs::read_to_string(root().join(extra)).unwrap_or_else(|_| panic!("{extra}"));
        names.push((extra.to_owned(), text));
    }
    for (name, text) in names {
        for word in hosts.iter().chain(&paths) {
            if text.contains(word) {
                found.push(format!("{name} names {word}"));
            }
        }
    }
    complain("machines or registries", &found);
}

#[test]
fn every_key_of_the_default_configuration_says_why_above_it() {
    let text = fs::read_to_string(root().join("config/default.toml")).expect("config/default.toml");
    let mut bare = Vec::new();
    let mut above_is_comment = false;
    for line in text.lines() {
        if line.contains(" = ") && !line.starts_with('#') && !above_is_comment {
            bare.push(line.to_owned());
        }
        above_is_comment = line.starts_with('#') || (line.contains(" = ") && above_is_comment);
        if line.is_empty() {
            above_is_comment = false;
        }
    }
    complain("keys without a comment above them", &bare);
}
