//! Tests of the log on a real file system.

use std::fs;
use std::sync::mpsc::channel;

use conclave_actors::runtime::ports::Committed;
use conclave_domain::record::Fault;
use tempfile::TempDir;

use super::*;

fn digest(nth: i64) -> Record {
    audit::record(Step::SessionDigest, None, Time::from_ms(nth), &nth).unwrap()
}

fn append(
    files: &AuditFiles,
    records: Vec<Record>,
    safety: Safety,
) -> Result<Committed, AuditError> {
    let (answer, waiting) = channel();
    let done = Done::new(move |result| drop(answer.send(result)));
    files.submit(Batch { records, safety, done });
    waiting.recv().unwrap()
}

fn small() -> LogOptions {
    LogOptions { segment_bytes: 700, queue: 64 }
}

/// A closed log of `count` records, three in a batch, and its end.
fn written(count: i64) -> (TempDir, Anchor) {
    let dir = TempDir::new().unwrap();
    let opened = AuditFiles::open(dir.path(), None, small()).unwrap();
    for nth in (0..count).step_by(3) {
        let records = (nth..count.min(nth + 3)).map(digest).collect();
        append(&opened.files, records, Safety::Synced).unwrap();
    }
    let head = append(&opened.files, vec![], Safety::AllSynced).unwrap().head;
    drop(opened);
    (dir, head)
}

fn segment(dir: &TempDir, number: u32) -> std::path::PathBuf {
    dir.path().join(format!("audit-{number:06}.jsonl"))
}

/// Changes one segment as text.
fn damage(dir: &TempDir, number: u32, change: impl FnOnce(&mut Vec<String>)) {
    let path = segment(dir, number);
    let mut lines: Vec<String> =
        fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
    change(&mut lines);
    lines.push(String::new());
    fs::write(path, lines.join("\n")).unwrap();
}

/// The fault, its segment and line, and the record's number.
fn bad(dir: &TempDir, anchor: Option<&Anchor>) -> (Fault, String, u64, u64) {
    let LogError::Bad(bad) = verify(dir.path(), anchor).unwrap_err() else {
        panic!("another error");
    };
    let open = AuditFiles::open(dir.path(), anchor, small());
    assert!(open.is_err(), "what does not verify does not open");
    (bad.fault, bad.place.segment, bad.place.line, bad.seq)
}

/// A-2: what was written verifies over several segments, and a reopened log goes on where it ended.
#[test]
fn a_log_verifies_and_goes_on_after_a_restart() {
    let (dir, head) = written(20);
    assert!(segment(&dir, 5).exists(), "several segments");
    let report = verify(dir.path(), Some(&head)).unwrap();
    assert_eq!((report.anchor(), report.decisions.head.count), (head, 20));
    let opened = AuditFiles::open(dir.path(), Some(&head), small()).unwrap();
    assert_eq!((opened.head, opened.cut.len()), (head, 0));
    append(&opened.files, vec![digest(20)], Safety::Synced).unwrap();
    drop(opened);

    let (whole, whole_head) = written(21);
    let report = verify(dir.path(), Some(&head)).unwrap();
    assert_eq!(report.anchor(), whole_head, "a restart leaves no trace in the decisions");
    let bytes = |dir: &TempDir| fs::read(segment(dir, 5)).unwrap();
    assert_eq!(bytes(&dir), bytes(&whole), "D-1: byte for byte");
}

/// A-2: one changed byte, a missing, a swapped and a doubled record are named with file and line.
#[test]
fn every_kind_of_damage_is_named_and_refuses_to_open() {
    let damaged = |number, change: fn(&mut Vec<String>)| {
        let (dir, head) = written(20);
        damage(&dir, number, change);
        bad(&dir, Some(&head))
    };
    let lines = fs::read_to_string(segment(&written(20).0, 1)).unwrap().lines().count() as u64;
    let first = lines + 1;
    let at = |fault, line, seq| (fault, "audit-000002.jsonl".to_owned(), line, seq);
    let flip = |lines: &mut Vec<String>| lines[1] = lines[1].replace("\"body\":", "\"body\":1");
    assert_eq!(damaged(2, flip), at(Fault::Changed, 2, first + 1));
    let order = |expected, found| Fault::Order { expected, found };
    let gap = damaged(2, |lines| drop(lines.remove(1)));
    assert_eq!(gap, at(order(first + 1, first + 2), 2, first + 1));
    let swap = damaged(2, |lines| lines.swap(0, 1));
    assert_eq!(swap, at(order(first, first + 1), 1, first));
}

/// A-2: a cut tail, a cut log and a missing segment are found.
#[test]
fn a_cut_log_is_found_by_its_anchor() {
    let (dir, head) = written(20);
    let last = (1..99).take_while(|&number| segment(&dir, number).exists()).last().unwrap();
    damage(&dir, last, |lines| drop(lines.pop()));
    assert_eq!(bad(&dir, Some(&head)).0, Fault::Cut { anchored: 20, found: 19 });
    assert!(verify(dir.path(), None).is_ok(), "nobody can know without an anchor");

    let (dir, head) = written(20);
    fs::remove_file(segment(&dir, 3)).unwrap();
    let (fault, name, line, _) = bad(&dir, None);
    assert_eq!((fault, name.as_str(), line), (Fault::Missing, "audit-000003.jsonl", 0));

    let empty = TempDir::new().unwrap();
    assert!(matches!(verify(empty.path(), None), Err(LogError::Missing { .. })));
    assert_eq!(bad(&empty, Some(&head)).0, Fault::Cut { anchored: 20, found: 0 });
}

/// A-2: a torn last line is damage to `verify`, and is cut and recorded by the next start.
#[test]
fn a_torn_tail_is_cut_and_recorded() {
    for tear in [1, 10, 100] {
        let (dir, _) = written(4);
        let path = segment(&dir, 1);
        let len = fs::metadata(&path).unwrap().len();
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(len - tear).unwrap();
        assert!(verify(dir.path(), None).is_err(), "{tear}");
        let opened = AuditFiles::open(dir.path(), None, small()).unwrap();
        assert_eq!((opened.cut.len(), opened.head.observations.count), (1, 1));
        append(&opened.files, vec![digest(9)], Safety::Synced).unwrap();
        drop(opened);
        assert_eq!(verify(dir.path(), None).unwrap().decisions.head.count, 4);
        let observed = fs::read_to_string(dir.path().join("observations-000001.jsonl")).unwrap();
        assert!(observed.contains(r#""step":"log.cut""#), "{observed}");
    }
}

/// Goal: a disk that refuses is a typed error, loses nothing that was noted, and the log goes on.
/// Method: a file stands where the next segment would be made.
#[test]
fn a_refusing_disk_brings_the_log_back_and_it_goes_on() {
    let dir = TempDir::new().unwrap();
    let opened = AuditFiles::open(dir.path(), None, small()).unwrap();
    append(&opened.files, vec![digest(0)], Safety::Synced).unwrap();
    fs::write(segment(&dir, 2), "in the way").unwrap();
    let many = || (1..9).map(digest).collect();
    let refused = append(&opened.files, many(), Safety::Synced);
    assert!(matches!(refused, Err(AuditError::Disk { .. })), "{refused:?}");
    let (answer, noted) = channel();
    let done = Done::new(move |result| drop(answer.send(result)));
    opened.files.submit(Batch { records: many(), safety: Safety::Written, done });
    assert!(append(&opened.files, vec![digest(77)], Safety::Synced).is_err());
    fs::remove_file(segment(&dir, 2)).unwrap();
    let committed = append(&opened.files, vec![digest(9)], Safety::Synced).unwrap();
    assert_eq!(committed.head.decisions.count, 10, "what was noted came first");
    assert_eq!(noted.recv().unwrap().unwrap().head.decisions.count, 9);
    drop(opened);
    assert_eq!(verify(dir.path(), None).unwrap().decisions.head.count, 10);
}

#[test]
fn a_tail_is_replayed_from_where_a_projection_stands() {
    let (dir, _) = written(10);
    let mut seen = Vec::new();
    replay(dir.path(), 7, |line| seen.push((line.seq, line.body.to_owned()))).unwrap();
    assert_eq!(seen, [(8, "7".into()), (9, "8".into()), (10, "9".into())]);
}

#[test]
fn many_callers_at_once_each_get_their_place() {
    let dir = TempDir::new().unwrap();
    let opened = AuditFiles::open(dir.path(), None, LogOptions::default()).unwrap();
    std::thread::scope(|scope| {
        for caller in 0..16 {
            let files = &opened.files;
            scope.spawn(move || {
                for nth in 0..20 {
                    append(files, vec![digest(caller * 100 + nth)], Safety::Synced).unwrap();
                }
            });
        }
    });
    drop(opened);
    assert_eq!(verify(dir.path(), None).unwrap().decisions.head.count, 320);
}
