//! Tests of the context's actor on paused time.

use conclave_domain::brief::trading::TradingState;
use conclave_domain::context::{BookKind, Lasting};
use conclave_domain::fixed::Money;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::record::{Step, Stream};
use conclave_domain::time::Time;
use tokio::time::Instant;

use super::*;
use crate::audit::{self, Audit};
use crate::testkit::memory_audit::MemoryAudit;
use crate::testkit::memory_store::MemoryContext;

#[expect(clippy::disallowed_methods, reason = "a test is its own supervisor")]
async fn started() -> (Arc<MemoryContext>, ContextHandle, ContextArgs, ActorRef<ContextMsg>) {
    let store = Arc::new(MemoryContext::default());
    let (handle, args) = context(Context::default(), store.clone(), None, 64);
    let (actor, _) = Actor::spawn(None, ContextActor, args.clone()).await.unwrap();
    (store, handle, args, actor)
}

fn opened() -> Update {
    Update::BookOpened { book: BookKind::Real, cash: Money::from_units(1_000).unwrap() }
}

fn halted() -> Update {
    Update::StateSet { state: TradingState::Halted, reason: "a test".into(), at: Time::EPOCH }
}

fn mark(price: i64) -> Update {
    let price = conclave_domain::fixed::Price::from_units(price).unwrap();
    Update::Marked { symbol: Symbol::new("AAPL").unwrap(), price }
}

/// C-1: what must last is in the store when it is acknowledged; the rest follows within a second.
#[tokio::test(start_paused = true)]
async fn what_must_last_is_written_before_it_is_acknowledged() {
    let (store, handle, ..) = started().await;
    let begun = Instant::now();
    handle.apply(vec![opened()], Some(1)).await.unwrap();
    assert_eq!(store.commits(), 0);
    handle.apply(vec![halted()], Some(2)).await.unwrap();
    assert_eq!(store.restore().control.state, TradingState::Halted);
    assert_eq!(begun.elapsed(), Duration::ZERO, "nobody waited for a timer");
    tokio::time::sleep(FLUSH_EVERY * 2).await;
    assert!(store.restore().book(BookKind::Real).is_some());
    assert_eq!(store.restore().applied(&PartKey::Book(BookKind::Real)), 1);
}

/// C-1: a store that fails is told to whoever waits, and the part is written once it works again.
#[tokio::test(start_paused = true)]
async fn a_failing_store_is_told_and_tried_again() {
    let (store, handle, ..) = started().await;
    store.fail(Some(StoreError::DiskFull));
    let refused = handle.apply(vec![halted()], None).await;
    assert_eq!(refused, Err(Refusal::Store(StoreError::DiskFull)));
    assert_eq!(handle.snapshot().control.state, TradingState::Halted, "a halt holds all the same");
    assert_eq!(handle.flush().await, Err(StoreError::DiskFull));
    store.fail(None);
    tokio::time::sleep(FLUSH_EVERY * 3).await;
    assert_eq!(store.restore().control.state, TradingState::Halted);
}

#[tokio::test(start_paused = true)]
async fn readers_get_snapshots_and_marks_are_published_in_groups() {
    let (_, handle, ..) = started().await;
    handle.apply(vec![opened()], None).await.unwrap();
    let mut watch = handle.watch();
    watch.borrow_and_update();
    for price in 1..100 {
        handle.tell(vec![mark(price), mark(price + 1)]).await.unwrap();
    }
    assert_eq!(handle.snapshot().version, 1);
    assert_eq!(handle.fresh().await.unwrap().version, 199);
    handle.tell(vec![mark(7)]).await.unwrap();
    watch.borrow_and_update();
    watch.changed().await.unwrap();
    assert_eq!(watch.borrow().version, 200, "published after a while without being asked");
}

#[tokio::test(start_paused = true)]
async fn a_refused_update_ends_its_message_and_a_stale_one_is_refused() {
    let (_, handle, ..) = started().await;
    let reset = Update::WindowReset { book: BookKind::Shadow };
    let refused = handle.apply(vec![opened(), reset, halted()], None).await;
    let expected = ContextError::NoBook { book: BookKind::Shadow };
    assert_eq!(refused, Err(Refusal::Context(expected)));
    assert_eq!(handle.snapshot().version, 1);
    let stale = handle.apply_at(0, vec![halted()], None).await;
    assert!(matches!(stale, Err(Refusal::Context(ContextError::Stale { .. }))));
    assert_eq!(handle.apply_at(1, vec![halted()], None).await, Ok(2));
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "a test is its own supervisor")]
async fn a_restart_goes_on_from_the_snapshot_and_a_stop_writes_everything() {
    let (store, handle, args, actor) = started().await;
    handle.apply(vec![opened()], Some(1)).await.unwrap();
    handle.keep("budgets", &vec![1, 2], Lasting::AtOnce).await.unwrap();
    actor.kill();
    actor.wait(None).await.unwrap();
    assert_eq!(handle.apply(vec![halted()], None).await, Err(Refusal::Closed));
    let (actor, _) = Actor::spawn(None, ContextActor, args).await.unwrap();
    assert_eq!(handle.document::<Vec<i32>>("budgets").unwrap(), Some(vec![1, 2]));
    assert!(handle.document::<bool>("budgets").is_err());
    actor.stop(None);
    actor.wait(None).await.unwrap();
    let restored = store.restore();
    assert!(restored.book(BookKind::Real).is_some());
    assert_eq!(restored.documents.get("budgets").map(|json| &**json), Some("[1,2]"));
}

/// Goal: C-1: the audit is the write-ahead log: the store is never ahead of it, and a store that is
/// behind is repaired from the records.
/// Method: an update goes into a record and into the context; the disk of the audit is full when
/// the context wants to flush, then works again; a second context is repaired from the lines.
#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "a test is its own supervisor")]
async fn the_audit_goes_first_and_repairs_what_the_store_has_not_seen() {
    let log = Arc::new(MemoryAudit::default());
    let (audit, audit_args) = audit::audit(log.clone(), log.anchor(), 64);
    Actor::spawn(None, Audit, audit_args).await.unwrap();
    let store = Arc::new(MemoryContext::default());
    let (handle, args) = context(Context::default(), store.clone(), Some(audit.clone()), 64);
    Actor::spawn(None, ContextActor, args).await.unwrap();

    let updates = vec![opened()];
    let body = serde_json::json!({ "updates": updates });
    let record = audit::record(Step::BookUpdated, None, Time::EPOCH, &body).unwrap();
    let seq = audit.append(vec![record]).await.unwrap().seq;
    handle.apply(updates, Some(seq)).await.unwrap();
    log.fail(Some(crate::runtime::ports::AuditError::DiskFull));
    tokio::time::sleep(FLUSH_EVERY * 2).await;
    assert_eq!(store.commits(), 0, "nothing may overtake the audit");

    let mut repaired = store.restore();
    for text in log.lines(Stream::Decisions) {
        repair(&mut repaired, &Line::read(&text).unwrap()).unwrap();
    }
    assert_eq!(repaired.book(BookKind::Real), handle.snapshot().book(BookKind::Real));
    log.fail(None);
    tokio::time::sleep(FLUSH_EVERY * 3).await;
    assert_eq!(store.anchor(), Some(log.anchor()));
}
