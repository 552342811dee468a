//! Tests of retention on a real file system.

use std::fs;

use conclave_domain::record::Fault;
use tempfile::TempDir;

use super::tests::{append, damage, digest, segment, small, written};
use super::*;

const KEEP: u32 = 2;

fn keeping() -> LogOptions {
    LogOptions { keep_segments: KEEP, ..small() }
}

fn header(nth: i64) -> Record {
    audit::record(Step::RunStarted, None, Time::from_ms(nth), &format!("header {nth}")).unwrap()
}

fn block(nth: i64) -> Record {
    audit::record(Step::BudgetBlock, None, Time::from_ms(nth), &format!("block {nth}")).unwrap()
}

/// What a log without retention would hold.
fn records() -> Vec<Record> {
    let mut all = vec![header(0)];
    all.extend((1..12).map(digest));
    all.extend([block(12), header(13), block(14)]);
    all.extend((15..40).map(digest));
    all
}

/// A log that was written record by record, and where it ended; everything is released.
fn pruned() -> (TempDir, Anchor) {
    let dir = TempDir::new().unwrap();
    let opened = AuditFiles::open(dir.path(), None, keeping()).unwrap();
    let mut head = opened.head;
    for record in records() {
        head = append(&opened.files, vec![record], Safety::Synced).unwrap().head;
        opened.files.release(&head);
    }
    append(&opened.files, vec![], Safety::AllSynced).unwrap();
    drop(opened);
    (dir, head)
}

fn segments(dir: &TempDir) -> Vec<u32> {
    (1..99).filter(|&number| segment(dir, number).exists()).collect()
}

/// Steps and bodies of the decisions that an opening shows.
fn shown(dir: &TempDir) -> Vec<String> {
    let mut shown = Vec::new();
    let wants = |line: &Line<'_>| line.step != Step::SessionDigest;
    AuditFiles::open_reading(dir.path(), None, keeping(), &wants, &mut |line| {
        shown.push(line.body.to_owned());
    })
    .unwrap();
    shown
}

/// A-2: what is left of a pruned log verifies, says what is gone, has the record hash of the whole, and
/// goes on; what a start needs of the rest is shown to it.
#[test]
fn a_pruned_log_verifies_and_goes_on_with_the_hash_of_the_whole() {
    let (dir, head) = pruned();
    let left = segments(&dir);
    assert!(left.len() == KEEP as usize && left[0] > 5, "{left:?}");
    let report = verify(dir.path(), Some(&head)).unwrap();
    assert_eq!((report.anchor(), report.segments), (head, KEEP + 1));
    assert_eq!(report.notes.len(), 1, "observations have none: {:?}", report.notes);
    assert!(report.notes[0].starts_with("decisions 1 to "), "{:?}", report.notes);
    assert_eq!(shown(&dir), [r#""header 0""#, r#""header 13""#, r#""block 14""#]);
    assert_eq!(first(dir.path(), Step::RunStarted).unwrap().unwrap(), r#""header 0""#);

    let whole = TempDir::new().unwrap();
    let opened = AuditFiles::open(whole.path(), None, small()).unwrap();
    let mut all = records();
    all.push(digest(40));
    let unpruned = append(&opened.files, all, Safety::Synced).unwrap().head;
    let opened = AuditFiles::open(dir.path(), Some(&head), keeping()).unwrap();
    let again = append(&opened.files, vec![digest(40)], Safety::Synced).unwrap().head;
    assert_eq!(again, unpruned, "D-1: retention changes no record and no hash");
    opened.files.release(&again);
    for nth in 41..50 {
        append(&opened.files, vec![digest(nth)], Safety::Synced).unwrap();
    }
    assert!(segments(&dir)[0] > left[0], "an opened log is pruned on");
}

/// A-2: nothing is removed that was not released, and what waits says so.
#[test]
fn what_was_not_released_stays() {
    let dir = TempDir::new().unwrap();
    let opened = AuditFiles::open(dir.path(), None, keeping()).unwrap();
    let mut heads = Vec::new();
    for record in records() {
        heads.push(append(&opened.files, vec![record], Safety::Synced).unwrap().head);
    }
    assert_eq!(segments(&dir)[0], 1);
    assert!(opened.files.is_over());
    opened.files.release(&heads[7]);
    // Removed behind the answer, so it is over once the next one is there.
    for nth in 98..100 {
        append(&opened.files, vec![digest(nth)], Safety::Synced).unwrap();
    }
    let mut seqs = Vec::new();
    replay(dir.path(), 0, |line| seqs.push(line.seq)).unwrap();
    let from = seqs.iter().position(|&seq| seq > 1).unwrap();
    assert!((4..=8).contains(&(seqs[from] - 1)), "up to the eighth at most: {seqs:?}");
    assert!(opened.files.is_over(), "some still wait");
}

/// A-2: a missing segment is damage whatever was pruned, and so is a summary that is gone or changed.
#[test]
fn only_retention_may_remove_a_segment() {
    let refused = |change: fn(&TempDir)| {
        let (dir, _) = pruned();
        change(&dir);
        let error = verify(dir.path(), None).unwrap_err();
        assert!(AuditFiles::open(dir.path(), None, keeping()).is_err());
        error
    };
    let error = refused(|dir| fs::remove_file(segment(dir, segments(dir)[0])).unwrap());
    assert!(matches!(&error, LogError::Bad(bad) if bad.fault == Fault::Missing), "{error}");
    let error = refused(|dir| fs::remove_file(dir.path().join(PRUNED_FILE)).unwrap());
    assert!(error.to_string().starts_with("audit-000001.jsonl line 0, decisions record 1: "));
    let error = refused(|dir| {
        let path = dir.path().join(PRUNED_FILE);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text.replace("\"count\":", "\"count\":1")).unwrap();
    });
    assert!(matches!(error, LogError::Summary { .. }), "{error}");
    let error = refused(|dir| damage(dir, segments(dir)[0], |lines| drop(lines.remove(0))));
    assert!(matches!(error, LogError::Bad(_)), "{error}");
}

/// A-2: a process that dies between the summary and the removal leaves a log that verifies, and the
/// next start ends what was begun.
#[test]
fn a_removal_that_was_interrupted_is_ended_by_the_next_start() {
    let (dir, head) = pruned();
    let (whole, _) = written(20);
    for number in [1, 3] {
        fs::copy(segment(&whole, number), segment(&dir, number)).unwrap();
    }
    assert_eq!(verify(dir.path(), Some(&head)).unwrap().anchor(), head);
    drop(AuditFiles::open(dir.path(), Some(&head), keeping()).unwrap());
    assert!(!segments(&dir).contains(&1) && !segments(&dir).contains(&3));
    assert_eq!(verify(dir.path(), Some(&head)).unwrap().anchor(), head);
}

/// A-2: a group that fails leaves retention where the log is: at the group's beginning.
#[test]
fn a_refused_group_is_no_part_of_what_retention_knows() {
    let dir = TempDir::new().unwrap();
    let opened = AuditFiles::open(dir.path(), None, keeping()).unwrap();
    fs::write(segment(&dir, 3), "in the way").unwrap();
    assert!(append(&opened.files, records(), Safety::Synced).is_err());
    fs::remove_file(segment(&dir, 3)).unwrap();
    let mut head = opened.head;
    for record in records() {
        head = append(&opened.files, vec![record], Safety::Synced).unwrap().head;
        opened.files.release(&head);
    }
    drop(opened);
    assert_eq!(verify(dir.path(), Some(&head)).unwrap().anchor(), head);
    assert_eq!(head, pruned().1);
    assert_eq!(shown(&dir).len(), 3);
}

/// G-2: the last block of permits is found whether or not its segment is still there.
#[test]
fn the_last_block_is_found_behind_what_was_removed() {
    let (dir, _) = pruned();
    let shown = |nth| Some(format!("\"block {nth}\""));
    assert_eq!(last(dir.path(), Step::BudgetBlock).unwrap(), shown(14));
    let opened = AuditFiles::open(dir.path(), None, keeping()).unwrap();
    append(&opened.files, vec![block(50)], Safety::Synced).unwrap();
    assert_eq!(last(dir.path(), Step::BudgetBlock).unwrap(), shown(50));
    assert_eq!(last(dir.path(), Step::HaltRaised).unwrap(), None);
}
