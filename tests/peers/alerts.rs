//! A real Prometheus with the rules of `ops/` in front of real runs that something is wrong with: the right
//! alerts fire, and no other. Only with `PEERS=1`, and where Prometheus is installed.
//!
//! Of `ops/prometheus.yml` and `ops/alerts.yml` only the address, the intervals and the time that a state
//! must last (`for:`) are others, so that a test takes seconds.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::provider::{Manner, Plan, Provider};
use crate::rig::{Running, World, request, wait_for};

/// A model's money and counts, more than a run needs.
const ROOM: &str = "[budgets]\nteam_per_hour = 20000\nall_per_hour = 20000\nusd_per_call = \"1\"\n\
                    usd_per_hour = \"900\"\nusd_per_run = \"900\"\nusd_per_day = \"1000\"\n";
/// How often alerts are looked at before they are given up, half a second apart.
const PATIENCE: u32 = 240;
/// Looks behind the last alert that was waited for: whatever else comes of the same cause comes then.
const BEHIND: u32 = 24;

/// A Prometheus in front of one run. Ended when it is dropped.
struct Prometheus {
    child: Child,
    url: String,
    /// Every alert that has fired so far.
    seen: BTreeSet<String>,
    _dir: TempDir,
}

/// Why it cannot be asked.
fn missing() -> Option<&'static str> {
    if std::env::var_os("PEERS").is_none() {
        return Some("PEERS is not set");
    }
    let found = Command::new("prometheus").arg("--version").output();
    found.is_err().then_some("prometheus is not installed")
}

/// A test that says why it does not run.
macro_rules! or_skip {
    () => {
        if let Some(why) = missing() {
            println!("skipped: {why}");
            return;
        }
    };
}

/// The rules, each of which asks for eight seconds where it asks for more.
fn rules() -> String {
    let text = fs::read_to_string(ops("alerts.yml")).expect("the rules");
    let line = |line: &str| match line.trim_start().strip_prefix("for: ") {
        Some("0s") | None => format!("{line}\n"),
        Some(_) => format!("{}for: 8s\n", &line[..line.len() - line.trim_start().len()]),
    };
    text.lines().map(line).collect()
}

fn ops(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("ops").join(name)
}

impl Prometheus {
    /// Watches a run.
    fn before(world: &World, store: &str) -> Self {
        let station: Value =
            serde_json::from_str(&world.file(store, "station.json")).expect("json");
        let address = station["url"].as_str().and_then(|url| url.strip_prefix("http://"));
        let scrape = fs::read_to_string(ops("prometheus.yml")).expect("the scrape configuration");
        let adapted = scrape
            .replace("127.0.0.1:8740", address.expect("an address"))
            .replace("interval: 5s", "interval: 2s");
        assert!(adapted != scrape, "the scrape configuration has another form");
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("prometheus.yml"), adapted).expect("a file");
        fs::write(dir.path().join("alerts.yml"), rules()).expect("a file");
        let bound = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = bound.local_addr().expect("an address").port();
        drop(bound);
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", dir.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("tsdb").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus starts");
        let url = format!("http://127.0.0.1:{port}");
        let mut prometheus = Self { child, url, seen: BTreeSet::new(), _dir: dir };
        let mut looks = 0;
        while !prometheus.is_up() {
            looks += 1;
            assert!(looks < PATIENCE, "the run is not scraped");
            wait_for(Duration::from_millis(500));
        }
        prometheus.seen.clear();
        prometheus
    }

    fn ask(&self, path: &str) -> Option<Value> {
        let (status, body) = request(&self.url, ("GET", path), &[], "")?;
        // It may send its answer in pieces, whose lengths stand between them.
        let json = &body[body.find('{')?..=body.rfind('}')?];
        (status == 200).then(|| serde_json::from_str(json).ok())?
    }

    /// Whether the run was scraped at all.
    fn is_up(&self) -> bool {
        let found = self.ask("/api/v1/query?query=up%7Bjob%3D%22conclave%22%7D");
        found.is_some_and(|found| found.pointer("/data/result/0/value/1") == Some(&"1".into()))
    }

    /// The alerts that fire now.
    fn firing(&mut self) -> BTreeSet<String> {
        let found = self.ask("/api/v1/alerts").unwrap_or_default();
        let all = found.pointer("/data/alerts").and_then(Value::as_array).into_iter().flatten();
        let firing = all.filter(|alert| alert["state"] == "firing");
        let names = firing.filter_map(|alert| alert["labels"]["alertname"].as_str());
        let names: BTreeSet<String> = names.map(str::to_owned).collect();
        self.seen.extend(names.iter().cloned());
        names
    }

    /// Waits until all of these have fired, and looks on for a while: no other has.
    #[track_caller]
    fn fires(&mut self, running: &mut Running<'_>, wanted: &[&str]) {
        let names: BTreeSet<String> = wanted.iter().map(|&name| name.to_owned()).collect();
        let mut looks = 0;
        while !self.seen.is_superset(&names) {
            self.firing();
            looks += 1;
            assert!(
                looks < PATIENCE,
                "{wanted:?} did not come, but {:?}:\n{}",
                self.seen,
                running.metrics()
            );
            wait_for(Duration::from_millis(500));
        }
        for _ in 0..BEHIND {
            self.firing();
            wait_for(Duration::from_millis(500));
        }
        assert_eq!(self.seen, names, "{}", running.metrics());
    }

    /// Waits until somebody says that nobody answers; nothing else is said.
    #[track_caller]
    fn misses_it(&mut self) {
        let mut looks = 0;
        while self.firing().is_empty() {
            looks += 1;
            assert!(looks < PATIENCE, "nobody misses it");
            wait_for(Duration::from_millis(500));
        }
        assert_eq!(self.seen, ["ConclaveDown".to_owned()].into());
    }

    /// Waits until nothing fires any more, and forgets what has.
    #[track_caller]
    fn calms_down(&mut self) {
        let mut looks = 0;
        while !self.firing().is_empty() {
            looks += 1;
            assert!(looks < PATIENCE, "{:?} goes on firing", self.firing());
            wait_for(Duration::from_millis(500));
        }
        self.seen.clear();
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Goal: nobody is woken by a run that is well, nor by a replay that has come to its end and stays.
#[test]
fn a_run_that_is_well_is_quiet_also_behind_its_last_bar() {
    or_skip!();
    let world = World::new();
    let mut running = world.start("r", &["--out", "r", "--pace", "10ms", "--stay"]);
    let mut prometheus = Prometheus::before(&world, "r");
    running.wait("the end of the bars", |_| !world.steps("r", "run.ended").is_empty());
    prometheus.fires(&mut running, &[]);
    running.kill();
}

/// Goal: one restart is told, and is no storm; several within a minute are both.
#[test]
fn an_agent_that_is_killed_once_is_told_and_one_that_is_killed_again_and_again_is_a_storm() {
    or_skip!();
    let world = World::new();
    let once = ["--out", "once", "--pace", "200ms", "--stay", "--fault", "position_sizer=kill@6"];
    let mut running = world.start("once", &once);
    let mut prometheus = Prometheus::before(&world, "once");
    prometheus.fires(&mut running, &["ConclaveRestarts"]);
    running.kill();
    let faults: Vec<String> = (6..11).map(|round| format!("position_sizer=kill@{round}")).collect();
    let mut args = vec!["--out", "storm", "--pace", "200ms", "--stay"];
    args.extend(faults.iter().flat_map(|fault| ["--fault", fault]));
    let mut running = world.start("storm", &args);
    let mut prometheus = Prometheus::before(&world, "storm");
    prometheus.fires(&mut running, &["ConclaveRestarts", "ConclaveRestartStorm"]);
    running.kill();
}

/// Goal: a disk that takes no records is told at its first failure.
#[test]
fn a_log_that_cannot_be_written_is_told() {
    or_skip!();
    let world = World::new();
    let faults: Vec<String> = (60..600).step_by(7).map(|nth| format!("audit.full@{nth}")).collect();
    let mut args = vec!["--out", "r", "--pace", "150ms", "--stay", "--mode", "autonomous"];
    args.extend(faults.iter().flat_map(|fault| ["--fault", fault]));
    let mut running = world.start("r", &args);
    let mut prometheus = Prometheus::before(&world, "r");
    prometheus.fires(&mut running, &["ConclaveAuditFailing"]);
    running.kill();
}

/// Goal: money that is nearly spent is told.
#[test]
fn a_cap_that_is_nearly_reached_is_told() {
    or_skip!();
    let provider = Provider::new(Plan::default());
    let world = World::new();
    world.variable("OPENROUTER_API_KEY", "sk-or-of-a-test");
    let rows = ["haiku", "sonnet", "opus"].map(|tier| {
        let name = format!("anthropic/claude-{tier}-5.5");
        format!("[[model]]\nnames = [\"{name}\"]\ntiers = [{{ in = \"0.01\", out = \"0.05\" }}]\n")
    });
    let prices = format!("date = \"2026-11-21\"\nsource = \"this test\"\n{}", rows.concat());
    fs::write(world.path("prices.toml"), prices).expect("a file");
    let asked =
        provider.as_openrouter().replace("[models]\n", "[models]\nprices = \"prices.toml\"\n");
    // A question costs $0.00036: fifty leave less than a fifth.
    world.config(&format!(
        "{asked}[budgets]\nteam_per_hour = 20000\nall_per_hour = 20000\nusd_per_call = \"0.01\"\n\
         usd_per_run = \"0.02\"\n"
    ));
    let args =
        ["--brains", "model", "--out", "r", "--pace", "100ms", "--stay", "--config", "c.toml"];
    let mut running = world.start("r", &args);
    let mut prometheus = Prometheus::before(&world, "r");
    prometheus.fires(&mut running, &["ConclaveBudgetLow"]);
    running.kill();
}

/// A run whose agents ask a provider.
fn modelled(provider: &Provider) -> World {
    let world = World::new();
    world.variable("OPENROUTER_API_KEY", "sk-or-of-a-test");
    world.config(&format!("{}{ROOM}", provider.as_openrouter()));
    world
}

/// Goal: a guardian that is against everything is told.
#[test]
fn a_council_that_vetoes_nearly_everything_is_told() {
    or_skip!();
    let provider = Provider::new(Plan { manner: Manner::Objecting, ..Plan::default() });
    let world = modelled(&provider);
    let args =
        ["--brains", "model", "--out", "r", "--pace", "100ms", "--stay", "--config", "c.toml"];
    let mut running = world.start("r", &args);
    let mut prometheus = Prometheus::before(&world, "r");
    prometheus.fires(&mut running, &["ConclaveVetoRate"]);
    running.kill();
}

/// Goal: a provider that fails is told, with what comes of it.
#[test]
fn a_provider_that_is_left_alone_is_told() {
    or_skip!();
    let provider = Provider::new(Plan { stops: Some((20, 500)), ..Plan::default() });
    let world = modelled(&provider);
    let args =
        ["--brains", "model", "--out", "r", "--pace", "100ms", "--stay", "--config", "c.toml"];
    let mut running = world.start("r", &args);
    let mut prometheus = Prometheus::before(&world, "r");
    prometheus.fires(&mut running, &["ConclaveBreakerOpen", "ConclaveModelsSilent"]);
    running.kill();
}

/// Goal: a halt is told; so is a process that is stopped, whose sockets are open and which says nothing,
/// and it is quiet again once it goes on; so is one that is gone.
#[test]
fn a_halt_a_stopped_process_and_one_that_is_gone_are_told() {
    or_skip!();
    let world = World::new();
    let mut running = world.start("r", &["--out", "r", "--pace", "100ms", "--stay"]);
    let mut prometheus = Prometheus::before(&world, "r");
    running.verb(&["halt", "--reason", "a drill"]).succeeds();
    prometheus.fires(&mut running, &["ConclaveHalted"]);
    running.verb(&["resume", "--yes", "--reason", "it is over"]).succeeds();
    prometheus.calms_down();
    running.signal("STOP");
    prometheus.misses_it();
    running.signal("CONT");
    prometheus.calms_down();
    running.signal("KILL");
    running.ended();
    prometheus.misses_it();
}
