//! Tests of the log on a real file system.

use std::fs;
use std::sync::mpsc::channel;

use conclave_actors::runtime::ports::Committed;
use conclave_domain::record::Fault;
use tempfile::TempDir;

use super::*;

pub(super) fn digest(nth: i64) -> Record {
    audit::record(Step::SessionDigest, None, Time::from_ms(nth), &nth).unwrap()
}

pub(super) fn append(
    files: &AuditFiles,
    records: Vec<Record>,
    safety: Safety,
) -> Result<Committed, AuditError> {
    let (answer, waiting) = channel();
    let done = Done::new(move |result| drop(answer.send(result)));
    files.submit(Batch { records, safety, done });
    waiting.recv().unwrap()
}

pub(super) fn small() -> LogOptions {
    LogOptions { segment_bytes: 700, keep_segments: 0, queue: 64 }
}

/// A closed log of `count` records, three in a batch, and its end.
pub(super) fn written(count: i64) -> (TempDir, Anchor) {
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

pub(super) fn segment(dir: &TempDir, number: u32) -> std::path::PathBuf {
    dir.path().join(format!("audit-{number:06}.jsonl"))
}

/// Changes one segment as text.
pub(super) fn damage(dir: &TempDir, number: u32, change: impl FnOnce(&mut Vec<String>)) {
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
    assert_eq!(bad(&dir, None).0, Fault::Cut { anchored: 20, found: 19 }, "by head.json alone");
    fs::remove_file(dir.path().join(HEAD_FILE)).unwrap();
    assert_eq!(bad(&dir, Some(&head)).0, Fault::Cut { anchored: 20, found: 19 }, "without it");
    let unvouched = verify(dir.path(), None).unwrap_err();
    assert!(matches!(unvouched, LogError::Unvouched { .. }), "without an anchor: {unvouched}");

    let (dir, head) = written(20);
    fs::remove_file(segment(&dir, 3)).unwrap();
    let (fault, name, line, _) = bad(&dir, None);
    assert_eq!((fault, name.as_str(), line), (Fault::Missing, "audit-000003.jsonl", 0));

    let empty = TempDir::new().unwrap();
    assert!(matches!(verify(empty.path(), None), Err(LogError::Missing { .. })));
    assert_eq!(bad(&empty, Some(&head)).0, Fault::Cut { anchored: 20, found: 0 });
}

/// Lines of a full segment of a small log.
const LINES: u64 = 4;

/// A file whose last line has no end for 100 MB: a hole, so that no disk is written.
fn lengthen(path: &std::path::Path) {
    fs::OpenOptions::new().append(true).open(path).unwrap().set_len(100 << 20).unwrap();
}

/// A-2: what no writer of ours leaves is named and refused, whatever its size: zeros, a line without
/// an end, bytes that are no text, a segment cut short.
#[test]
fn what_no_writer_leaves_is_named_and_refused() {
    let check = |number: u32, change: fn(&mut Vec<u8>), line: u64| {
        let (dir, head) = written(20);
        let path = segment(&dir, number);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
        if line > LINES {
            lengthen(&path);
        }
        let (fault, name, found, _) = bad(&dir, Some(&head));
        let file = path.file_name().unwrap().to_str().unwrap();
        assert_eq!((name.as_str(), found), (file, line), "{fault}");
        // By the anchor beside it alone, and where it is the last segment without any.
        assert!(verify(dir.path(), None).is_err());
    };
    check(2, |bytes| bytes.fill(0), 1);
    check(2, |bytes| bytes.push(b'{'), LINES + 1);
    check(2, |bytes| *bytes = vec![b'\n'; 9], 1);
    check(2, |bytes| bytes[30] = 0xff, 1);
    check(2, |bytes| bytes.truncate(bytes.len() - 9), LINES);
    check(2, |bytes| bytes.splice(0..0, *b"\xef\xbb\xbf").for_each(drop), 1);
    let last = (1..99).take_while(|&number| segment(&written(20).0, number).exists()).count();
    let last = u32::try_from(last).unwrap();
    let (dir, _) = written(20);
    fs::remove_file(dir.path().join(HEAD_FILE)).unwrap();
    fs::write(segment(&dir, last), "").unwrap();
    lengthen(&segment(&dir, last));
    assert!(matches!(bad(&dir, None).0, Fault::Unreadable(_)), "too long to be a torn record");
}

/// What is left of a file when its last bytes are gone.
fn tear(path: &std::path::Path, bytes: u64) {
    let len = fs::metadata(path).unwrap().len();
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(len - bytes).unwrap();
}

/// A-2: a torn last line is damage to `verify`, and is cut and recorded by the next start, where nobody
/// had been told of it: by the head file, or without one by the store's anchor. Where neither says so
/// the start is refused, and leaves the log as it is.
#[test]
fn a_torn_tail_is_cut_and_recorded() {
    for bytes in [1, 10, 100] {
        let (dir, _) = written(4);
        let path = segment(&dir, 1);
        if bytes == 10 {
            // The last line was written and not synced when the process died.
            let opened = AuditFiles::open(dir.path(), None, LogOptions::default()).unwrap();
            append(&opened.files, vec![digest(4)], Safety::Written).unwrap();
            std::mem::forget(opened);
        } else {
            fs::remove_file(dir.path().join(HEAD_FILE)).unwrap();
        }
        tear(&path, bytes);
        assert!(verify(dir.path(), None).is_err(), "{bytes}");
        let (_, told) = written(3);
        let anchor = (bytes != 10).then_some(&told);
        if anchor.is_some() {
            let before = fs::read(&path).unwrap();
            let refused = AuditFiles::open(dir.path(), None, small()).unwrap_err();
            assert!(matches!(refused, LogError::Unvouched { .. }), "{refused}");
            assert_eq!(fs::read(&path).unwrap(), before);
        }
        let opened = AuditFiles::open(dir.path(), anchor, small()).unwrap();
        assert_eq!((opened.cut.len(), opened.head.observations.count), (1, 1));
        append(&opened.files, vec![digest(9)], Safety::Synced).unwrap();
        drop(opened);
        let count = verify(dir.path(), None).unwrap().decisions.head.count;
        assert_eq!(count, if bytes == 10 { 5 } else { 4 });
        let observed = fs::read_to_string(dir.path().join("observations-000001.jsonl")).unwrap();
        assert!(observed.contains(r#""step":"log.cut""#), "{observed}");
    }
}

/// A-2: a record that is torn although it had been acknowledged is no torn tail but a loss.
#[test]
fn a_torn_record_that_was_acknowledged_refuses_to_open() {
    let (dir, _) = written(4);
    tear(&segment(&dir, 1), 10);
    let refused = AuditFiles::open(dir.path(), None, small()).unwrap_err();
    assert!(refused.to_string().contains("record 4: the log ends at record 3"), "{refused}");
    // Half a line behind what was acknowledged is what a killed writer leaves.
    let (dir, head) = written(4);
    let mut text = fs::read(segment(&dir, 1)).unwrap();
    text.extend_from_slice(b"{\"seq\":5,\"step\":\"round");
    fs::write(segment(&dir, 1), text).unwrap();
    let opened = AuditFiles::open(dir.path(), Some(&head), small()).unwrap();
    assert_eq!((opened.cut.len(), opened.head.decisions.count), (1, 4));
}

/// A-2: lines that were written and not synced are missed too, as long as the machine runs on.
#[test]
fn a_tail_that_was_only_written_is_missed_when_it_is_cut() {
    let (dir, _) = written(4);
    let opened = AuditFiles::open(dir.path(), None, LogOptions::default()).unwrap();
    append(&opened.files, vec![digest(4), digest(5)], Safety::Written).unwrap();
    std::mem::forget(opened);
    assert_eq!(verify(dir.path(), None).unwrap().decisions.head.count, 6);
    damage(&dir, 1, |lines| lines.truncate(5));
    if fs::exists("/proc/sys/kernel/random/boot_id").unwrap() {
        assert_eq!(bad(&dir, None).0, Fault::Cut { anchored: 6, found: 5 });
    }
}

/// A-2, A-1: the head is never ahead of the log: at any moment a copy of the files verifies.
#[test]
fn a_copy_taken_at_any_moment_verifies() {
    let (dir, _) = written(1);
    let opened = AuditFiles::open(dir.path(), None, small()).unwrap();
    for nth in 1..40 {
        let safety = if nth % 3 == 0 { Safety::Synced } else { Safety::Written };
        append(&opened.files, vec![digest(nth)], safety).unwrap();
        let report = verify(dir.path(), None).unwrap();
        assert_eq!(
            (report.decisions.head.count, report.head_file),
            (nth.cast_unsigned() + 1, true)
        );
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

#[test]
fn a_run_is_over_with_its_end_until_the_next_one_starts() {
    let dir = TempDir::new().unwrap();
    let opened = AuditFiles::open(dir.path(), None, small()).unwrap();
    let steps = [
        (Step::RunStarted, false),
        (Step::SessionDigest, false),
        (Step::RunEnded, true),
        // What a person orders while a run that is over stays to be looked at.
        (Step::HaltRaised, true),
        (Step::RunStarted, false),
    ];
    for (step, is_over) in steps {
        let record = audit::record(step, None, Time::EPOCH, &"text").unwrap();
        append(&opened.files, vec![record], Safety::AllSynced).unwrap();
        assert_eq!(verify(dir.path(), None).unwrap().ended, is_over, "{step}");
    }
}
