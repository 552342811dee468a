//! The built binary as a script sees it: what it prints, and the number it exits with.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Starts the binary in `dir`, without the configuration of whoever runs the tests.
fn conclave(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
    let ours = std::env::vars_os().map(|(name, _)| name);
    for name in ours.filter(|name| name.to_string_lossy().starts_with("CONCLAVE")) {
        command.env_remove(name);
    }
    command.current_dir(dir).args(args).output().expect("the binary starts")
}

fn dir() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Exits with `code` and names each of `parts` on stderr.
#[track_caller]
fn refuses(output: &Output, code: i32, parts: &[&str]) {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

#[test]
fn a_configuration_with_five_errors_names_all_five_and_exits_with_3() {
    let dir = dir();
    let text = "[run]\nmode = \"reckless\"\ncash = \"-1\"\n[risk]\nposition_max = 0.9\n\
                exposure_max = nan\n[consensus]\nquorum_min = 0\n";
    fs::write(dir.path().join("bad.toml"), text).expect("a file");
    let output = conclave(dir.path(), &["config", "check", "--config", "bad.toml"]);
    let keys = [
        "5 errors",
        "`run.mode`",
        "`run.cash`",
        "`risk.position_max`",
        "`risk.exposure_max`",
        "`consensus.quorum_min`",
        "bad.toml",
    ];
    refuses(&output, 3, &keys);
}

/// What a verb printed for a script.
#[track_caller]
fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("one document of json")
}

#[test]
fn a_configuration_is_refused_as_a_document_too_with_every_error() {
    let dir = dir();
    let text = "[strategy]\nfast = 50\nslow = 20\n[risk]\ndrawdown_half = 0.10\n\
                drawdown_halt = 0.05\n[bounds]\nsize_multiplier = [1.5, 0.5]\n\
                lr_multiplier = [0.5, nan]\n[agents.risk_guardian]\nenabled = false\n";
    fs::write(dir.path().join("bad.toml"), text).expect("a file");
    let keys = [
        "agents.risk_guardian.enabled",
        "bounds.lr_multiplier",
        "bounds.size_multiplier",
        "risk.drawdown_half",
        "strategy.fast",
    ];
    for format in ["json", "jsonl"] {
        let args = ["config", "check", "--config", "bad.toml", "--format", format];
        let output = conclave(dir.path(), &args);
        refuses(&output, 3, &keys);
        let document = document(&output);
        assert_eq!(
            (&document["schema"], &document["ok"]),
            (&"config-check/1".into(), &false.into())
        );
        let errors = document["errors"].as_array().expect("errors");
        let named: Vec<&str> = errors.iter().filter_map(|error| error["key"].as_str()).collect();
        assert_eq!(named, keys);
    }
    for verb in [&["metrics", "a.csv"][..], &["data", "list"], &["backtest"]] {
        let output = conclave(dir.path(), &[verb, &["--config", "bad.toml"]].concat());
        refuses(&output, 3, &keys);
    }
}

#[test]
fn jsonl_is_one_line_and_json_a_document_with_a_schema() {
    let dir = dir();
    for (verb, schema) in [
        (&["config", "show"][..], "config/1"),
        (&["config", "schema"], "config-schema/1"),
        (&["config", "check"], "config-check/1"),
        (&["data", "list"], "data-list/1"),
        (&["agents"], "agents/1"),
        (&["version"], "version/1"),
    ] {
        for format in ["json", "jsonl"] {
            let output = conclave(dir.path(), &[verb, &["--format", format]].concat());
            assert!(output.status.success(), "{verb:?}: {}", stderr(&output));
            assert_eq!(document(&output)["schema"], schema, "{verb:?}");
            let lines = String::from_utf8_lossy(&output.stdout).lines().count();
            assert_eq!(lines == 1, format == "jsonl", "{verb:?} as {format}: {lines} lines");
        }
    }
    let output = conclave(dir.path(), &["config", "init", "--format", "jsonl"]);
    assert_eq!(document(&output)["file"], "conclave.toml");
}

#[test]
fn a_file_of_bad_bars_is_a_document_too_that_names_line_and_column() {
    let dir = dir();
    let text = "timestamp,open,high,low,close,volume\n2013-02-28,10,11,9,10,100\n\
                2013-03-01,10.0000000000000000000000000001,11,9,NaN,100\n2013-03-04,10,9,11,10,1\n";
    fs::write(dir.path().join("bad.csv"), text).expect("a file");
    let output = conclave(dir.path(), &["data", "check", "bad.csv", "--format", "json"]);
    refuses(&output, 8, &["line 3: column `open`", "28"]);
    let document = document(&output);
    assert_eq!((&document["schema"], &document["ok"]), (&"data-check/1".into(), &false.into()));
    let bad = document["bad"].as_array().expect("faults");
    let places: Vec<_> = bad.iter().map(|bad| (&bad["line"], &bad["column"])).collect();
    assert_eq!(places[0], (&3.into(), &"open".into()));
    assert_eq!(document["faults"], places.len());
    assert!(bad[0]["why"].as_str().is_some_and(|why| why.contains("30 significant digits")));
}

#[test]
fn a_key_that_nobody_knows_is_refused_with_its_neighbours() {
    let dir = dir();
    fs::write(dir.path().join("bad.toml"), "[risk]\nbypass_all_gates = true\n").expect("a file");
    let output = conclave(dir.path(), &["config", "show", "--config", "bad.toml"]);
    refuses(&output, 3, &["`risk.bypass_all_gates`", "a known key such as", "risk.position_max"]);
}

#[test]
fn a_configuration_that_is_not_there_is_refused() {
    refuses(&conclave(dir().path(), &["config", "check", "--config", "no.toml"]), 3, &["no.toml"]);
}

#[test]
fn the_shipped_configuration_is_valid_and_init_never_overwrites() {
    let dir = dir();
    assert!(conclave(dir.path(), &["config", "init"]).status.success());
    let output = conclave(dir.path(), &["config", "check", "--config", "conclave.toml"]);
    assert!(output.status.success(), "{}", stderr(&output));
    refuses(&conclave(dir.path(), &["config", "init"]), 1, &["conclave.toml was not written"]);
}

#[test]
fn verbs_of_a_running_process_exit_with_4_where_none_runs() {
    let dir = dir();
    let store = dir.path().to_str().expect("a path");
    for verb in ["status", "budgets", "positions", "orders", "universe", "rounds"] {
        refuses(&conclave(dir.path(), &[verb]), 4, &["nothing has run here"]);
        refuses(&conclave(dir.path(), &[verb, "--store", store]), 4, &["no process serves"]);
    }
}

#[test]
fn a_command_line_that_makes_no_sense_exits_with_2() {
    for args in [&["fly"][..], &["status", "--fast"], &["--format", "yaml", "version"]] {
        refuses(&conclave(dir().path(), args), 2, &["error:"]);
    }
}

#[test]
fn every_bad_file_of_bars_exits_with_8_and_names_the_line() {
    let dir = dir();
    let header = "timestamp,open,high,low,close,volume\n";
    let good = "2013-02-28,10,11,9,10,100\n";
    let huge = "1".repeat(30);
    let cases: [(&str, String, &str); 10] = [
        ("nan", format!("{header}{good}2013-03-01,10,11,9,NaN,100\n"), "line 3: column `close`"),
        ("negative", format!("{header}{good}2013-03-01,10,11,9,10,-1\n"), "line 3: "),
        ("inverted", format!("{header}{good}2013-03-01,10,9,11,10,100\n"), "line 3: "),
        ("double", format!("{header}{good}{good}"), "line 3: "),
        ("backwards", format!("{header}{good}2013-02-27,10,11,9,10,100\n"), "line 3: "),
        ("empty", String::new(), "line 1: the file is empty"),
        ("narrow", format!("timestamp,open,high,low,volume\n{good}"), "line 1: column `close`"),
        ("huge", format!("{header}2013-02-28,10,{huge},9,10,100\n"), "line 2: column `high`"),
        (
            "precise",
            format!("{header}2013-02-28,10.0000000000000000000000000001,11,9,10,100\n"),
            "line 2: column `open`",
        ),
        ("torn", format!("{header}{good}2013-03-01,10,1"), "line 3: the line has 3 fields"),
    ];
    for (name, text, said) in cases {
        let file = format!("{name}.csv");
        fs::write(dir.path().join(&file), text).expect("a file");
        refuses(&conclave(dir.path(), &["data", "check", &file]), 8, &[&file, said]);
    }
}

#[test]
fn every_fault_of_a_file_of_bars_is_named_at_once() {
    let dir = dir();
    let text = "timestamp,open,high,low,close,volume\n2013-02-27,x,11,9,10,100\n\
                2013-02-28,10,11,9,10,100\n2013-03-01,10,11,9,inf,100\n";
    fs::write(dir.path().join("bad.csv"), text).expect("a file");
    refuses(&conclave(dir.path(), &["data", "check", "bad.csv"]), 8, &["line 2:", "line 4:"]);
}

#[test]
fn a_symbol_is_never_a_path() {
    let dir = dir();
    let text = "timestamp,open,high,low,close,volume\n2013-03-01,10,11,9,10,100\n";
    fs::write(dir.path().join("a.csv"), text).expect("a file");
    for symbol in ["../x", "/etc/passwd", "A/../../B", "", "A B"] {
        let args = ["data", "import", "a.csv", "--symbol", symbol, "--out", "out"];
        refuses(&conclave(dir.path(), &args), 2, &["--symbol"]);
    }
    assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 1, "nothing was written");
}

#[test]
fn the_doctor_finds_a_fresh_directory_well_and_says_so_as_json() {
    let dir = dir();
    fs::write(dir.path().join("c.toml"), "[http]\nport = 0\n").expect("a file");
    let args = ["doctor", "--config", "c.toml", "--format", "json"];
    let output = conclave(dir.path(), &args);
    assert!(output.status.success(), "{}", stderr(&output));
    let document: Value = serde_json::from_slice(&output.stdout).expect("json");
    assert_eq!(document["schema"], "doctor/1");
    assert_eq!(document["ok"], true);
    let checks = document["checks"].as_array().expect("checks");
    assert!(checks.iter().all(|check| check["state"] != "fail"), "{document}");
    assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 1, "it left nothing");
}

#[test]
fn the_doctor_names_what_is_wrong_and_what_to_do_and_exits_with_1() {
    let dir = dir();
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = taken.local_addr().expect("an address").port();
    fs::write(dir.path().join("c.toml"), format!("[http]\nport = {port}\n")).expect("a file");
    let output = conclave(dir.path(), &["doctor", "--config", "c.toml"]);
    refuses(&output, 1, &["1 check failed"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("FAIL  port") && text.contains("→ give another"), "{text}");

    fs::write(dir.path().join("c.toml"), "[http]\nport = 0\nwings = 2\n").expect("a file");
    let output = conclave(dir.path(), &["doctor", "--config", "c.toml"]);
    refuses(&output, 1, &["1 check failed"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("`http.wings`"));
}

/// A script that asks for documents reads one of every failure: where a verb has printed none of its own.
#[test]
fn whoever_asks_for_a_document_has_one_of_a_failure_too() {
    let dir = dir();
    fs::write(dir.path().join("c.toml"), "[http]\nwings = 2\n").expect("a file");
    for (args, exit, word) in [
        (["run", "--config", "c.toml", "--format", "json"], 3, "http.wings"),
        (["status", "--store", ".", "--format", "jsonl"], 4, "no process serves"),
    ] {
        let output = conclave(dir.path(), &args);
        refuses(&output, exit, &[word]);
        let document: Value = serde_json::from_slice(&output.stdout).expect("json");
        assert_eq!((&document["schema"], &document["exit"]), (&json!("failure/1"), &json!(exit)));
        assert!(document["message"].to_string().contains(word), "{document}");
    }
}

#[test]
fn an_audit_that_is_not_there_exits_with_5() {
    refuses(&conclave(dir().path(), &["audit", "verify", "."]), 5, &["no audit log"]);
}

#[test]
fn the_version_is_a_document_too() {
    let output = conclave(dir().path(), &["version", "--format", "jsonl"]);
    assert!(output.status.success());
    let document: Value = serde_json::from_slice(&output.stdout).expect("json");
    assert_eq!(document["schema"], "version/1");
}

#[test]
fn the_manual_has_a_page_for_every_verb() {
    let dir = dir();
    let first = conclave(dir.path(), &["man"]);
    assert!(first.status.success(), "{}", stderr(&first));
    let text = String::from_utf8(first.stdout).expect("text");
    assert!(text.contains(".TH conclave 1") && text.contains("council of AI agents"), "{text}");
    let written = conclave(dir.path(), &["man", "--out", "pages"]);
    assert!(written.status.success() && written.stdout.is_empty(), "{}", stderr(&written));
    let page = |name: &str| fs::read_to_string(dir.path().join("pages").join(name));
    assert_eq!(page("conclave.1").expect("the first page"), text);
    for (verb, option) in [("run", "stay"), ("halt", "reason"), ("arena-run", "out")] {
        let text = page(&format!("conclave-{verb}.1")).expect("a page");
        assert!(text.contains(option), "{verb}: {text}");
    }
    fs::write(dir.path().join("file"), "").expect("a file");
    refuses(&conclave(dir.path(), &["man", "--out", "file"]), 1, &["`file`"]);
}

#[test]
fn the_api_is_described_on_stdout() {
    let described = document(&conclave(dir().path(), &["openapi"]));
    assert!(described["openapi"].as_str().expect("a version").starts_with("3.1"));
    assert!(described.pointer("/paths/~1api~1v1~1halt/post").is_some());
}

/// Goal: a flag that another one leaves nothing to do is refused, and not passed over. Method: what was passed
/// over once; `src/cli/app/flags.rs` has the pairs that clap itself knows.
#[test]
fn a_flag_that_another_one_leaves_nothing_to_do_is_refused() {
    let dir = dir();
    for (args, named) in [
        ("run --pace 1ms --symbols AAPL", ["--pace", "--symbols"]),
        ("run --data AAPL.csv --until-close", ["--data", "--until-close"]),
        ("run --synth default --splits s.csv", ["--synth", "--splits"]),
        ("run --no-http --port 0", ["--no-http", "--port"]),
        ("run --resume r --track t.json", ["--resume", "--track"]),
        ("run --brains rules --tape t.jsonl --no-http", ["--brains rules", "--tape"]),
        (
            "run --brains recorded --tape t.jsonl --replay-first",
            ["--brains recorded", "--replay-first"],
        ),
        ("select --assets a.csv", ["--data", "--alpaca"]),
        ("train --agents off --mode advisory", ["--mode", "agents"]),
        ("train --agents off --brains rules", ["--brains", "agents"]),
        ("train --agents off --no-earlier", ["--no-earlier", "agents"]),
        ("arena run --data AAPL.csv --seed 2", ["--data", "--seed"]),
        ("exchange --synth calm --splits s.csv", ["--synth", "--splits"]),
    ] {
        let words: Vec<&str> = args.split(' ').collect();
        refuses(&conclave(dir.path(), &words), 2, &named);
        let left = fs::read_dir(dir.path()).expect("a directory").count();
        assert_eq!(left, 0, "{args} left something behind");
    }
}

/// Goal: what a person has put into an address is shown nowhere: neither by `config show`, in either form, nor
/// in an error about that key.
#[test]
fn no_address_of_the_configuration_shows_a_secret() {
    let dir = dir();
    let file = |text: &str| fs::write(dir.path().join("c.toml"), text).expect("a file");
    file("[notify]\nwebhook_url = \"https://me:s3cr3t@a.example/s3cr3t\"\n");
    for format in ["text", "json"] {
        let args = ["config", "show", "--config", "c.toml", "--format", format];
        let output = conclave(dir.path(), &args);
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output);
        assert!(text.contains("https://a.example/…") && !text.contains("s3cr3t"), "{text}");
    }
    file("[alpaca]\nspeed = \"https://me:s3cr3t@a.example/x\"\n");
    let output = conclave(dir.path(), &["config", "check", "--config", "c.toml"]);
    refuses(&output, 3, &["`alpaca.speed`", "https://a.example/…"]);
    assert!(!stderr(&output).contains("s3cr3t"), "{}", stderr(&output));
}
