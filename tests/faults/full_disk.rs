//! A disk that is full in the middle of a run: no new risk, exits go on, and everything goes on by
//! itself once there is room.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::rig::{Running, World};

/// A small file system of its own, until it is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// The reason, where nobody may mount one.
    fn at(path: PathBuf) -> Result<Self, String> {
        fs::create_dir(&path).expect("a directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(&path);
        let said = mount.output().map_err(|error| format!("mount: {error}"))?;
        if said.status.success() {
            return Ok(Self(path));
        }
        Err(String::from_utf8_lossy(&said.stderr).into_owned())
    }

    /// Takes what room there is.
    fn fill(&self) {
        let mut file = fs::File::create(self.ballast()).expect("a file");
        for size in [1 << 20, 1 << 12, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn count(running: &Running<'_>, pointer: &str) -> u64 {
    let status = running.get("status").unwrap_or_default();
    status.pointer(pointer).and_then(serde_json::Value::as_u64).unwrap_or(0)
}

/// How often an entry was given up because it could not be written down.
fn denials(running: &Running<'_>) -> u64 {
    count(running, "/denials/safety.store")
}

/// Whether the process says that its audit cannot be written.
fn is_in_trouble(running: &Running<'_>) -> bool {
    let status = running.get("status").unwrap_or_default();
    status.pointer("/audit/trouble").is_some_and(serde_json::Value::is_string)
}

fn stderr(log: &Path) -> String {
    fs::read_to_string(log).expect("a log")
}

/// Goal: O-4, A-1, C-1: while the disk is full no entry is cleared and positions are closed; the status,
/// the metrics and the log say so; with room again trading goes on, and nothing that happened is missing.
/// Method: the run's directory is a file system of 16 MB that another file fills up.
#[test]
fn a_full_disk_stops_entries_and_no_exit_and_is_over_when_there_is_room() {
    let shares = [("AAA", 0.0, 31.0), ("BBB", 1.3, 37.0), ("CCC", 2.6, 43.0)];
    let world = World::of(&shares, 2_000);
    let disk = match SmallDisk::at(world.path("r")) {
        Ok(disk) => disk,
        Err(why) => {
            println!("skipped: {why}");
            return;
        }
    };
    let args = ["--out", "r", "--mode", "autonomous", "--pace", "10ms"];
    let mut running = world.start("r", &args);
    running.wait("an open position", |running| count(running, "/account/positions") > 1);

    disk.fill();
    running.wait("trouble", |running| is_in_trouble(running));
    let ready = |running: &Running<'_>| running.http("GET", "/health/ready", None, "");
    assert!(ready(&running).is_some_and(|(code, _)| code == 503), "no entry could leave");
    assert_eq!(running.get("status").unwrap_or_default()["audit"]["state"], "full");
    assert!(running.metric("conclave_audit_failures_total", "").is_some_and(|count| count > 0.0));
    running.wait("every position closed", |running| count(running, "/account/positions") == 0);
    let (closed, refused) = (count(&running, "/account/trades"), denials(&running));
    running.wait("entries refused", |running| denials(running) > refused + 2);
    assert!(is_in_trouble(&running), "all that while the disk was full");
    assert_eq!(count(&running, "/account/positions"), 0, "no entry leaves");
    assert_eq!(count(&running, "/account/trades"), closed);

    fs::remove_file(disk.ballast()).expect("a file");
    running.wait("trading again", |running| count(running, "/account/positions") > 0);
    assert!(!is_in_trouble(&running));
    assert!(ready(&running).is_some_and(|(code, _)| code == 200));
    assert!(running.terminate().success());
    let said = stderr(&world.path("r.log"));
    for part in ["no new risk is taken until it can, exits go on", "new risk may be taken"] {
        assert!(said.contains(part), "`{part}` is not in:\n{said}");
    }
    world.verify("r");
    world.run(&["--resume", "r"]).succeeds();
    world.verify("r");
    let trades = world.file("r", "trades.csv").lines().count() - 1;
    let closed = world.steps("r", "book.updated");
    let recorded = closed.iter().filter(|record| record["body"]["happened"] == "trade_closed");
    assert!(recorded.count() >= trades, "a trade is not in the log");
}

/// A-1: a disk that is full at one moment and has room at the next loses no verdict: the round whose
/// entry was given up is in the log, with that end.
#[test]
fn a_disk_that_heals_at_once_loses_no_round() {
    let world = World::new();
    let faults: Vec<String> = (20..80).step_by(3).map(|nth| format!("audit.full@{nth}")).collect();
    let mut args = vec!["--out", "r", "--mode", "autonomous"];
    args.extend(faults.iter().flat_map(|fault| ["--fault", fault.as_str()]));
    world.run(&args).succeeds();
    world.verify("r");
    let summary = world.summary("r");
    let held = summary["rounds"].as_u64();
    let closed = world.steps("r", "round.closed").len() as u64;
    assert_eq!(held, Some(closed), "{summary:#}");
    let cleared = world.steps("r", "order.cleared").into_iter();
    let given_up = cleared.filter(|record| record["body"]["denied"] == "safety.store").count();
    assert!(given_up > 0, "no entry met the full disk");
}

/// Goal: A-1, O-3: a process whose log is closed for good does not live on without one: it ends with
/// what to do, halted, and goes on when it is started again. Method: one sync fails.
#[test]
fn a_failed_sync_ends_the_process_halted_and_a_restart_goes_on() {
    let world = World::new();
    let args = ["--out", "r", "--mode", "autonomous", "--fault", "audit.flush@40"];
    let said = world.run(&args);
    said.refuses(1, "the council has fallen: the audit is closed until a restart has checked it");
    said.refuses(1, "start it again with --resume");
    assert!(world.path("r/HALT").exists(), "whoever starts it again does not trade on");
    // The next process has another fault, so that its disk syncs.
    world.run(&["--resume", "r", "--fault", "store.full@99999"]).succeeds();
    world.verify("r");
    assert_eq!(world.steps("r", "run.ended").len(), 1);
}
