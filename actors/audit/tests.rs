//! The audit in front of a disk that fails, and of one that does not.

use conclave_domain::record::Stream;

use super::*;
use crate::testkit::memory_audit::MemoryAudit;

fn digest(nth: i64) -> Record {
    record(Step::SessionDigest, None, Time::from_ms(nth), &nth).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a test is its own supervisor")]
async fn started(capacity: usize) -> (Arc<MemoryAudit>, AuditHandle, ActorRef<AuditMsg>) {
    let log = Arc::new(MemoryAudit::default());
    let (handle, args) = audit(log.clone(), log.anchor(), capacity);
    let (actor, _) = Actor::spawn(None, Audit, args).await.unwrap();
    (log, handle, actor)
}

/// A-1: the steps of a decision are one batch with one sync, in the order they were given.
#[tokio::test(start_paused = true)]
async fn a_batch_is_synced_once_and_what_was_noted_rides_along() {
    let (log, handle, _) = started(8).await;
    handle.note(digest(1)).await.unwrap();
    let ack = handle.append(vec![digest(2), digest(3)]).await.unwrap();
    assert_eq!((ack.seq, log.syncs()), (3, 1));
    assert_eq!(handle.head(), handle.synced());
    assert_eq!(handle.sync().await.unwrap().seq, 3);
    assert_eq!(log.syncs(), 1, "there was nothing to sync");
    assert!(log.is_sound());
}

#[tokio::test(start_paused = true)]
async fn volatile_fields_go_to_the_other_stream() {
    let (log, handle, _) = started(8).await;
    let noted = volatile(digest(1), &serde_json::json!({ "wall_ms": 7 })).unwrap();
    handle.append(vec![noted]).await.unwrap();
    assert!(!log.lines(Stream::Decisions)[0].contains("wall_ms"));
    let observed = log.lines(Stream::Observations);
    assert!(observed[0].starts_with(r#"{"seq":1,"of":1,"step":"session.digest""#), "{observed:?}");
    assert!(log.is_sound());
}

/// Goal: a full disk refuses decisions, loses no record of what has happened, and goes on.
/// Method: the disk fails between two appends; a note falls into the gap.
#[tokio::test(start_paused = true)]
async fn a_full_disk_refuses_appends_and_keeps_notes() {
    let (log, handle, _) = started(1).await;
    log.fail(Some(AuditError::DiskFull));
    assert_eq!(handle.trouble(), None);
    assert_eq!(handle.append(vec![digest(1)]).await, Err(AuditError::DiskFull));
    assert_eq!(handle.trouble(), Some(AuditError::DiskFull));
    handle.note(digest(2)).await.unwrap();
    assert_eq!(handle.append(vec![digest(3)]).await, Err(AuditError::DiskFull));
    log.fail(None);
    assert_eq!(handle.append(vec![digest(5)]).await.unwrap().seq, 2);
    assert_eq!(handle.trouble(), None);
    let lines = log.lines(Stream::Decisions);
    assert!(lines[0].contains(r#""body":2"#) && lines[1].contains(r#""body":5"#), "{lines:?}");
    assert_eq!((handle.depth(), handle.lost()), (0, 0));
}

/// Goal: a disk that stays full holds up whoever notes more than there is room for, and nothing is lost.
/// Method: room for one; a second note waits for minutes, nobody else writes, then the disk has room.
#[tokio::test(start_paused = true)]
async fn a_note_waits_for_room_as_long_as_it_takes() {
    let (log, handle, _) = started(1).await;
    log.fail(Some(AuditError::DiskFull));
    handle.note(digest(1)).await.unwrap();
    let noted = handle.note(digest(2));
    let waited = async {
        tokio::time::sleep(Duration::from_mins(10)).await;
        assert_eq!(log.steps().len(), 0);
        log.fail(None);
    };
    let (noted, ()) = tokio::join!(noted, waited);
    noted.unwrap();
    handle.sync().await.unwrap();
    assert_eq!((log.steps().len(), handle.lost()), (2, 0));
    assert!(log.is_sound());
}

/// Goal: what safety tells of while the disk is full (a halt, above all) is in the log afterwards, in
/// its place. Method: the disk is full for two tellings and a note.
#[tokio::test(start_paused = true)]
async fn what_is_told_to_a_full_disk_is_kept() {
    let (log, handle, _) = started(8).await;
    log.fail(Some(AuditError::DiskFull));
    handle.tell(vec![digest(1)]).unwrap();
    handle.note(digest(2)).await.unwrap();
    handle.tell(vec![digest(3)]).unwrap();
    assert_eq!(handle.sync().await, Err(AuditError::DiskFull));
    log.fail(None);
    assert_eq!(handle.sync().await.unwrap().seq, 3);
    let lines = log.lines(Stream::Decisions);
    let is_in_order =
        (1..=3).zip(&lines).all(|(nth, line)| line.contains(&format!("\"body\":{nth}")));
    assert!(is_in_order, "{lines:?}");
}

/// A-1: a log that is closed for good is known as such from then on, and what it lacks is counted.
#[tokio::test(start_paused = true)]
async fn a_log_that_is_closed_for_good_stays_so_and_what_it_lacks_is_counted() {
    let (log, handle, _) = started(8).await;
    let broken = AuditError::Broken { what: "a sync failed".to_owned() };
    let closed = handle.closed_for_good();
    log.fail(Some(AuditError::DiskFull));
    assert_eq!(handle.sync().await, Err(AuditError::DiskFull));
    log.fail(Some(broken.clone()));
    assert_eq!(handle.append(vec![digest(1)]).await, Err(broken.clone()));
    log.fail(Some(AuditError::Busy));
    assert_eq!(handle.append(vec![digest(2)]).await, Err(AuditError::Busy));
    assert_eq!(handle.trouble(), Some(broken));
    assert!(closed.await.contains("until a restart has checked it"));
    assert_eq!(handle.lost(), 0, "whoever waited has heard of it");
}

#[tokio::test(start_paused = true)]
async fn a_watcher_sees_each_line_and_hears_how_many_it_missed() {
    let (_, handle, _) = started(8).await;
    let mut lines = handle.subscribe();
    handle.append((0..2_000).map(digest).collect()).await.unwrap();
    let missed = broadcast::error::RecvError::Lagged(2_000 - WATCHERS_LAG as u64);
    assert_eq!(lines.recv().await, Err(missed));
    assert_eq!(lines.recv().await.unwrap().seq, 977);
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "a test is its own supervisor")]
async fn a_restart_forgets_nothing_and_the_handle_survives_it() {
    let log = Arc::new(MemoryAudit::default());
    let (handle, args) = audit(log.clone(), log.anchor(), 8);
    assert_eq!(handle.append(vec![digest(0)]).await, Err(AuditError::Closed));
    let (actor, _) = Actor::spawn(None, Audit, args.clone()).await.unwrap();
    handle.append(vec![digest(1)]).await.unwrap();
    actor.kill();
    actor.wait(None).await.unwrap();
    assert_eq!(handle.append(vec![digest(2)]).await, Err(AuditError::Closed));
    Actor::spawn(None, Audit, args).await.unwrap();
    assert_eq!(handle.append(vec![digest(2)]).await.unwrap().seq, 2);
    assert!(log.is_sound());
}
