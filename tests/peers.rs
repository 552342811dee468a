//! Programs of others read what we write: a real Prometheus scrapes a real run, a Postgres keeps a season; others play providers and chats.

mod alerts;
mod api;
mod bodies;
mod contest;
mod day;
mod exchange;
mod models;
mod noise;
mod postgres;
mod runs;
mod telegram;
#[cfg(feature = "otlp-tests")]
mod traces;
mod weights;

use std::path::Path;
use std::process::Command;

/// Goal: what `/metrics` says is what Prometheus understands, and it moves when an agent is killed.
/// Method: the script starts both; it skips with a printed reason where Prometheus is not installed.
#[test]
fn a_real_prometheus_scrapes_a_run_and_sees_an_agent_restart() {
    let binary = env!("CARGO_BIN_EXE_conclave");
    let help = Command::new(binary).args(["run", "--help"]).output().expect("the binary starts");
    let text = String::from_utf8_lossy(&help.stdout);
    if let Some(missing) = ["--stay", "--port", "--out", "--fault"]
        .into_iter()
        .find(|flag| !help.status.success() || !text.contains(flag))
    {
        println!("skipped: this binary has no `run {missing}`");
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/prometheus.sh");
    let output = Command::new("bash").arg(script).arg(binary).output().expect("bash starts");
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    assert!(text.contains("passed: ") || text.contains("skipped: "), "{text}");
}
