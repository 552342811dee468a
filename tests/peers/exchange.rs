//! Our exchange judged by the broker's own client and specification.
//!
//! Only with `PEERS=1`; without it each test says that it is skipped. What they show is shown without
//! them in `src/exchange`; here the other side was written by somebody else.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::models::{folder, missing, root};
use crate::rig::{World, wait_for};
use crate::venue::{DAY, Venue};

/// Ended when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An exchange of AAPL and MSFT on the morning of 16 June 2000 that is stepped; its address and keys.
fn exchange() -> (Running, [String; 3]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
    command.args(["exchange", "--symbols", "AAPL,MSFT", "--from", "2000-06-16", "--rate", "0"]);
    command.args(["--speed", "step", "--port", "0", "--format", "json"]);
    command.env_remove("APCA_API_KEY_ID").env_remove("APCA_API_SECRET_KEY");
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary starts");
    let mut line = String::new();
    let out = child.stdout.take().expect("a pipe");
    BufReader::new(out).read_line(&mut line).expect("a line");
    let said: Value = serde_json::from_str(&line).expect("a document");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let key = &said["keys"][0];
    (Running(child), [text(&said["url"]), text(&key["id"]), text(&key["secret"])])
}

/// Runs a script to its end and says what it printed.
fn script(name: &str, args: &[&str]) -> String {
    let mut command = Command::new(folder().join("venv/bin/python"));
    command.arg(root().join("tests/peers").join(name)).args(args);
    let output = command.output().expect("python starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{failed}");
    said
}

#[test]
fn the_brokers_own_client_trades_a_day_at_our_exchange() {
    if let Some(why) = missing("alpaca_py") {
        println!("skipped: {why}");
        return;
    }
    let (_running, [url, key, secret]) = exchange();
    let said = script("exchange_sdk.py", &[&url, &key, &secret]);
    println!("{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("passed: ")).count(), 7, "{said}");
}

/// Goal: our exchange gives whoever comes with the broker's own client a whole day. Method: it hears
/// every minute and every update by its streams, and holds them against what it is told when it asks.
#[test]
fn the_brokers_own_client_hears_and_trades_every_minute_of_a_day() {
    if let Some(why) = missing("alpaca_py") {
        println!("skipped: {why}");
        return;
    }
    let world = World::of(&[], 0);
    let venue = Venue::open(&world, &[]);
    let [(_, key), (_, secret)] = &venue.keys;
    let said = script("exchange_day.py", &[&venue.url, key, secret, DAY]);
    println!("{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("passed: ")).count(), 4, "{said}");
}

/// A proxy in front of an exchange that holds both directions against a specification, and writes what
/// passes and what it violates into a file.
pub(super) struct Judge {
    _running: Running,
    pub(super) url: String,
    log: PathBuf,
}

/// What has passed a judge.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) requests: usize,
    /// How often each was asked, ids left out.
    pub(super) kinds: BTreeMap<String, usize>,
    /// Each violation, with what was asked around it.
    pub(super) violations: Vec<String>,
}

impl Judge {
    pub(super) fn new(log: &Path, spec: &str, url: &str) -> Self {
        let out = fs::File::create(log).expect("a log");
        let (running, url) = prism(spec, url, &[], out.into());
        Self { _running: running, url, log: log.to_owned() }
    }

    pub(super) fn verdict(&self) -> Verdict {
        let log = fs::read_to_string(&self.log).expect("a log");
        let asked = |line: &&str| line.contains("Request received");
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for line in log.lines().filter(asked) {
            let (_, what) = line.split_once("[HTTP SERVER] ").expect("what was asked");
            let mut words = what.split_whitespace().take(2);
            let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            let is_id = |part: &str| part.len() == 36 && part.matches('-').count() == 4;
            let parts = path.split('/').map(|part| if is_id(part) { "{id}" } else { part });
            let parts: Vec<&str> = parts.collect();
            *kinds.entry(format!("{method} {}", parts.join("/"))).or_default() += 1;
        }
        let lines: Vec<&str> = log.lines().collect();
        let found = lines.iter().enumerate().filter(|(_, line)| is_violation(line));
        let around = |nth: usize| lines[nth.saturating_sub(6)..=nth].join("\n");
        let violations = found.map(|(nth, _)| around(nth)).collect();
        Verdict { requests: kinds.values().sum(), kinds, violations }
    }
}

/// What Prism says of a message that is not as specified, and of a path or a method that is not there.
fn is_violation(line: &str) -> bool {
    line.contains("Violation") || line.contains("terminated with error")
}

/// A proxy in front of the exchange that holds both directions against a specification.
fn prism(spec: &str, url: &str, more: &[&str], out: Stdio) -> (Running, String) {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    let port = port.expect("a port").port();
    let mut command = Command::new("node");
    command.arg(folder().join("node_modules/.bin/prism")).arg("proxy").args(more);
    command.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
    command.arg(folder().join("alpaca_mcp_server/specs").join(spec)).arg(url);
    let child = command.stdout(out).stderr(Stdio::null()).spawn().expect("node starts");
    let running = Running(child);
    for _ in 0..600 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return (running, format!("http://127.0.0.1:{port}"));
        }
        wait_for(Duration::from_millis(100));
    }
    panic!("prism does not listen");
}

#[test]
fn the_brokers_own_specification_finds_nothing_wrong_in_either_direction() {
    if let Some(why) = missing("prism") {
        println!("skipped: {why}");
        return;
    }
    let (_running, [url, key, secret]) = exchange();
    let strict = &["--errors"];
    let (_trading, trading) = prism("trading-api.json", &url, strict, Stdio::null());
    let (_data, data) = prism("market-data-api.json", &url, strict, Stdio::null());
    let said = script("exchange_spec.py", &[&trading, &data, &url, &key, &secret]);
    println!("{said}");
    assert!(said.contains("passed: "), "{said}");
}
