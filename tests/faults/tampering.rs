//! A log that was changed, thinned, reordered or cut: `audit verify` names the first bad record, and
//! the next start refuses it.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;

use crate::rig::{World, wait_for};

/// The files of a small real log, and what is in them.
struct Log {
    world: World,
    files: Vec<(&'static str, PathBuf, Vec<u8>)>,
}

impl Log {
    /// Of a run that has ended.
    fn ended() -> Self {
        let world = World::of(&[("AAA", 0.0, 31.0)], 200);
        world.run(&["--out", "r", "--fault", "signal_analyst=panic@2"]).succeeds();
        Self::of(world)
    }

    /// Of a run that was killed, between two groups of records: within one, while the disk syncs, the
    /// head file names an older end.
    fn killed() -> Self {
        for _ in 0..20 {
            let world = World::new();
            let mut running = world.start("r", &["--out", "r", "--pace", "15ms"]);
            running.wait("a decision", |_| world.steps("r", "round.closed").len() > 3);
            // Long enough for records that are written and not yet synced.
            wait_for(Duration::from_millis(300));
            running.kill();
            let log = Self::of(world);
            if log.is_named_whole() {
                return log;
            }
        }
        panic!("every kill came while a group was written");
    }

    /// Whether the head file names the last record of each stream.
    fn is_named_whole(&self) -> bool {
        let head: Value = serde_json::from_str(&self.world.file("r", "head.json")).expect("json");
        let named = |stream: &str| head["body"]["written"][stream]["count"].as_u64();
        (0..self.files.len())
            .all(|file| named(self.files[file].0) == Some(self.lines(file).len() as u64))
    }

    fn of(world: World) -> Self {
        world.verify("r");
        let names =
            [("decisions", "audit-000001.jsonl"), ("observations", "observations-000001.jsonl")];
        let read = |(stream, name): (&'static str, &str)| {
            let path = world.path("r").join(name);
            let bytes = fs::read(&path).expect("a segment");
            (stream, path, bytes)
        };
        let files = names.into_iter().map(read).filter(|(.., bytes)| !bytes.is_empty()).collect();
        Self { world, files }
    }

    /// Writes `bytes` over a file: `audit verify` exits with 8 and names `record`; then all is well.
    #[track_caller]
    fn names(&self, file: usize, bytes: &[u8], record: usize) {
        let (stream, path, good) = &self.files[file];
        fs::write(path, bytes).expect("a file");
        let named = format!("{stream} record {record}: ");
        self.world.verb(&["audit", "verify", "r"]).refuses(8, &named);
        fs::write(path, good).expect("a file");
    }

    /// The lines of a file with their line feeds.
    fn lines(&self, file: usize) -> Vec<&[u8]> {
        self.files[file].2.split_inclusive(|&byte| byte == b'\n').collect()
    }
}

/// A-2: one byte flipped anywhere, one record deleted, two swapped: the first bad record is named, in
/// both streams of a real log.
#[test]
fn a_flipped_byte_a_deleted_and_a_swapped_record_are_named() {
    let log = Log::ended();
    assert_eq!(log.files.len(), 2, "a restart is observed");
    let strategy = (0..2_usize, any::<prop::sample::Index>(), 0..8_u8);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(30));
    let run = runner.run(&strategy, |(file, at, bit)| {
        let (lines, mut bytes) = (log.lines(file), log.files[file].2.clone());
        let byte = at.index(bytes.len());
        let line = bytes[..byte].split(|&byte| byte == b'\n').count() - 1;
        bytes[byte] ^= 1 << bit;
        log.names(file, &bytes, line + 1);

        let mut thinned = lines.clone();
        thinned.remove(line);
        log.names(file, &thinned.concat(), line + 1);

        let mut swapped = lines;
        if line + 1 < swapped.len() {
            swapped.swap(line, line + 1);
            log.names(file, &swapped.concat(), line + 1);
        }
        Ok(())
    });
    run.expect("each is named");
    log.world.verify("r");
}

/// A-2: whole lines cut from the end are missed, after an end and after a kill, and without `run.json`.
#[test]
fn a_cut_tail_is_named_after_an_end_and_after_a_kill() {
    for log in [Log::ended(), Log::killed()] {
        let _ = fs::remove_file(log.world.path("r").join("run.json"));
        for file in 0..log.files.len() {
            let lines = log.lines(file);
            for cut in [1, 2, lines.len() / 2, lines.len()] {
                let left = lines.len().saturating_sub(cut);
                log.names(file, &lines[..left].concat(), left + 1);
            }
        }
    }
}

/// A-2: a start after a kill cuts half a record and says so; any other damage stops it with exit 8 and
/// says what to do.
#[test]
fn half_a_record_is_cut_and_other_damage_stops_the_start() {
    let log = Log::killed();
    let (_, path, good) = &log.files[0];
    let count = log.lines(0).len();
    let resume = || log.world.run(&["--resume", "r"]);
    let mut changed = good.clone();
    let last = changed.len() - 100;
    changed[last] ^= 1;
    for (bytes, record) in [(changed, count), (log.lines(0)[..count - 1].concat(), count)] {
        fs::write(path, bytes).expect("a file");
        let said = resume();
        said.refuses(8, &format!("decisions record {record}: "));
        said.refuses(8, "restore the directory from a backup, or start another run");
    }
    let half = [good.as_slice(), b"{\"seq\":99,\"step\":\"round.cl"].concat();
    fs::write(path, half).expect("a file");
    let said = resume();
    said.succeeds();
    assert!(said.stderr().contains("torn tail"), "{}", said.stderr());
    let cut = log.world.steps("r", "log.cut");
    assert_eq!((cut.len(), &cut[0]["body"]["bytes"]), (1, &26.into()));
    log.world.verify("r");
}

/// A-2: a log whose head file is gone or damaged passes only where something else names its last record:
/// `run.json`, or the store's anchor. A start wants the store's.
#[test]
fn an_end_that_nothing_vouches_for_is_refused() {
    let Log { world, files } = Log::ended();
    let (head, run, path) = (world.path("r/head.json"), world.path("r/run.json"), &files[0].1);
    let (good_head, good_run) = (fs::read(&head).expect("a head"), fs::read(&run).expect("a run"));
    let lines: Vec<&[u8]> = files[0].2.split_inclusive(|&byte| byte == b'\n').collect();
    let cut = lines[..lines.len() - 3].concat();
    let mut torn = good_head.clone();
    torn[40] ^= 1;
    let verify = || world.verb(&["audit", "verify", "r"]);
    for damage in [None, Some(&torn)] {
        match damage {
            None => fs::remove_file(&head).expect("a head"),
            Some(bytes) => fs::write(&head, bytes).expect("a head"),
        }
        verify().succeeds();
        fs::remove_file(&run).expect("a run");
        let said = String::from_utf8_lossy(&verify().succeeds().0.stdout).into_owned();
        assert!(said.contains("the store's anchor names its last record"), "{said}");
        fs::write(path, &cut).expect("a segment");
        verify().refuses(8, "decisions record ");
        world.run(&["--resume", "r"]).refuses(8, "decisions record ");
        fs::write(path, &files[0].2).expect("a segment");
        fs::write(&run, &good_run).expect("a run");
        fs::write(&head, &good_head).expect("a head");
    }

    // Without a store there is nothing left that knows.
    fs::remove_file(&head).expect("a head");
    fs::remove_file(&run).expect("a run");
    fs::rename(world.path("r/context"), world.path("elsewhere")).expect("a store");
    verify().refuses(8, "is not vouched for: head.json is missing");
}

/// A-2: after a kill the store's anchor is older than the log: without its head file it does not go on.
#[test]
fn a_killed_run_without_its_head_file_does_not_go_on() {
    let Log { world, .. } = Log::killed();
    let head = world.path("r/head.json");
    let good = fs::read(&head).expect("a head");
    fs::write(&head, "torn").expect("a head");
    world.verb(&["audit", "verify", "r"]).refuses(8, "head.json is unreadable (it is torn)");
    let said = world.run(&["--resume", "r"]);
    said.refuses(8, "is not vouched for");
    said.refuses(8, "restore the directory from a backup, or start another run");
    fs::write(&head, good).expect("a head");
    world.run(&["--resume", "r"]).succeeds();
    world.verify("r");
}

/// A process that cannot start again is missed: the end of the one before it is not taken for its own.
#[test]
fn whoever_watches_hears_of_a_restart_that_fails() {
    let world = World::of(&[("AAA", 0.0, 31.0)], 120);
    world.run(&["--out", "r"]).succeeds();
    let looks = ["watch", "r", "--once", "--stale", "1s"];
    world.verb(&looks).refuses(4, "the process has ended in order");
    let path = world.path("r/audit-000001.jsonl");
    let log = fs::read_to_string(&path).expect("a segment");
    fs::write(&path, log.replacen("session", "sessi0n", 1)).expect("a segment");
    assert_eq!(world.run(&["--resume", "r"]).code(), Some(8));
    wait_for(Duration::from_millis(1_100));
    world.verb(&looks).refuses(7, "no heartbeat for");
}
