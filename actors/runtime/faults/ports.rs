//! Ports that fail on request, each around the real one.
//!
//! They keep the promises of the ports that they stand for: a batch that nobody waits for is kept
//! while the log is full, and a log whose sync failed is closed until a restart.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use conclave_domain::faults::{Fault, Port};
use conclave_domain::time::Time;

use super::FaultPlan;
use crate::runtime::ports::{
    AuditError, AuditSink, Batch, Clock, Commit, ContextSink, Done, Safety, SafetyStore, StoreError,
};
use crate::safety::SafetyRecord;

/// How far the clock jumps, milliseconds.
const JUMP_MS: i64 = 3_600_000;

/// What a sync that failed on request says.
fn not_flushed() -> StoreError {
    StoreError::Engine { what: "the flush failed on request".to_owned() }
}

/// A log that is full at times, and that may break for good.
#[derive(Debug)]
pub struct FaultyAudit {
    inner: Arc<dyn AuditSink>,
    faults: FaultPlan,
    state: Mutex<AuditState>,
}

#[derive(Debug, Default)]
struct AuditState {
    owed: Vec<Batch>,
    is_broken: bool,
}

impl FaultyAudit {
    /// A log around `inner`.
    pub fn new(inner: Arc<dyn AuditSink>, faults: FaultPlan) -> Self {
        Self { inner, faults, state: Mutex::default() }
    }
}

impl AuditSink for FaultyAudit {
    fn submit(&self, batch: Batch) {
        let fault = self.faults.call(Port::Audit);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_broken |= fault == Some(Fault::Flush);
        if state.is_broken {
            let refused: Vec<Batch> = state.owed.drain(..).chain([batch]).collect();
            drop(state);
            let what = "its sync failed on request".to_owned();
            for batch in refused {
                batch.done.answer(Err(AuditError::Broken { what: what.clone() }));
            }
        } else if fault == Some(Fault::Full) {
            if batch.safety == Safety::Written {
                state.owed.push(batch);
            } else {
                drop(state);
                batch.done.answer(Err(AuditError::DiskFull));
            }
        } else {
            let batches: Vec<Batch> = state.owed.drain(..).chain([batch]).collect();
            drop(state);
            for batch in batches {
                self.inner.submit(batch);
            }
        }
    }
}

/// A store of the context that is full at times, or does not know whether it has written.
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn ContextSink>,
    faults: FaultPlan,
}

impl FaultyStore {
    /// A store around `inner`.
    pub fn new(inner: Arc<dyn ContextSink>, faults: FaultPlan) -> Self {
        Self { inner, faults }
    }
}

impl ContextSink for FaultyStore {
    fn submit(&self, commit: Commit) {
        match self.faults.call(Port::Store) {
            Some(Fault::Full) => commit.done.answer(Err(StoreError::DiskFull)),
            Some(Fault::Flush) => {
                let Commit { parts, anchor, done } = commit;
                let done = Done::new(move |_| done.answer(Err(not_flushed())));
                self.inner.submit(Commit { parts, anchor, done });
            }
            _ => self.inner.submit(commit),
        }
    }
}

/// A store of safety's record that is full at times, cannot be read, or does not know whether it
/// has written.
#[derive(Debug)]
pub struct FaultySafety {
    inner: Arc<dyn SafetyStore>,
    faults: FaultPlan,
}

impl FaultySafety {
    /// A store around `inner`.
    pub fn new(inner: Arc<dyn SafetyStore>, faults: FaultPlan) -> Self {
        Self { inner, faults }
    }
}

impl SafetyStore for FaultySafety {
    fn save(&self, record: SafetyRecord, done: Done<(), StoreError>) {
        match self.faults.call(Port::Safety) {
            Some(Fault::Full) => done.answer(Err(StoreError::DiskFull)),
            Some(Fault::Flush) => {
                let done = Done::new(move |_| done.answer(Err(not_flushed())));
                self.inner.save(record, done);
            }
            _ => self.inner.save(record, done),
        }
    }

    fn load(&self, done: Done<Option<SafetyRecord>, StoreError>) {
        if self.faults.call(Port::Safety) == Some(Fault::Read) {
            let what = "it could not be read, on request".to_owned();
            return done.answer(Err(StoreError::Engine { what }));
        }
        self.inner.load(done);
    }
}

/// A wall clock that jumps. Market time is the bars' and stays.
#[derive(Debug)]
pub struct FaultyClock {
    inner: Arc<dyn Clock>,
    faults: FaultPlan,
    offset_ms: AtomicI64,
}

impl FaultyClock {
    /// A clock around `inner`.
    pub fn new(inner: Arc<dyn Clock>, faults: FaultPlan) -> Self {
        Self { inner, faults, offset_ms: AtomicI64::new(0) }
    }

    /// The wall time as it was last shifted, without a reading that a fault could befall.
    pub fn reading(&self) -> Time {
        let offset = self.offset_ms.load(Ordering::SeqCst);
        Time::from_ms(self.inner.wall().ms().saturating_add(offset))
    }
}

impl Clock for FaultyClock {
    fn wall(&self) -> Time {
        let jump = match self.faults.call(Port::Clock) {
            Some(Fault::Forward) => JUMP_MS,
            Some(Fault::Back) => -JUMP_MS,
            _ => 0,
        };
        let offset = self.offset_ms.fetch_add(jump, Ordering::SeqCst).saturating_add(jump);
        Time::from_ms(self.inner.wall().ms().saturating_add(offset))
    }

    fn trading(&self) -> Time {
        self.inner.trading()
    }

    fn market(&self) -> Time {
        self.inner.market()
    }
}

#[cfg(test)]
mod tests {
    use conclave_domain::faults::FaultSource;
    use conclave_domain::record::{Record, Step};

    use super::*;
    use crate::testkit::clock::ManualClock;
    use crate::testkit::memory_audit::MemoryAudit;
    use crate::testkit::memory_safety::MemorySafety;
    use crate::testkit::memory_store::MemoryContext;

    fn plan(text: &str) -> FaultPlan {
        FaultPlan::of(FaultSource::listed(text.parse().unwrap()))
    }

    /// Submits a record; what was answered, if anything was.
    fn write(sink: &FaultyAudit, safety: Safety) -> Option<Result<(), AuditError>> {
        let record = Record::from_json(Step::RunEnded, None, Time::EPOCH, "{}".to_owned()).unwrap();
        let (answer, heard) = std::sync::mpsc::channel();
        let done = Done::new(move |result: Result<_, AuditError>| {
            // Nobody listens any more where the batch was kept for later.
            let _ = answer.send(result.map(drop));
        });
        sink.submit(Batch { records: vec![record], safety, done });
        heard.try_recv().ok()
    }

    #[test]
    fn a_full_log_refuses_who_waits_and_keeps_what_nobody_waits_for() {
        let log = Arc::new(MemoryAudit::default());
        let sink = FaultyAudit::new(log.clone(), plan("audit.full@1,audit.full@2"));
        assert_eq!(write(&sink, Safety::Written), None);
        assert_eq!(write(&sink, Safety::Synced), Some(Err(AuditError::DiskFull)));
        assert_eq!(log.steps().len(), 0);
        assert_eq!(write(&sink, Safety::Synced), Some(Ok(())));
        assert_eq!(log.steps().len(), 2, "what was kept came first");
    }

    #[test]
    fn a_log_whose_sync_failed_stays_closed() {
        let log = Arc::new(MemoryAudit::default());
        let sink = FaultyAudit::new(log.clone(), plan("audit.flush@2"));
        assert_eq!(write(&sink, Safety::Synced), Some(Ok(())));
        for _ in 0..2 {
            let answer = write(&sink, Safety::Synced);
            assert!(matches!(answer, Some(Err(AuditError::Broken { .. }))), "{answer:?}");
        }
        assert_eq!(log.steps().len(), 1);
    }

    #[test]
    fn a_store_that_cannot_flush_has_written_and_does_not_say_so() {
        let disk = Arc::new(MemoryContext::default());
        let store = FaultyStore::new(disk.clone(), plan("store.full@1,store.flush@2"));
        for (commits, error) in
            [(0, Some(StoreError::DiskFull)), (1, Some(not_flushed())), (2, None)]
        {
            let (answer, heard) = std::sync::mpsc::channel();
            let done = Done::new(move |result: Result<(), _>| answer.send(result.err()).unwrap());
            store.submit(Commit { parts: Vec::new(), anchor: None, done });
            assert_eq!((heard.recv().unwrap(), disk.commits()), (error, commits));
        }
    }

    #[test]
    fn a_store_of_safety_can_be_unreadable_for_once() {
        let disk = Arc::new(MemorySafety::default());
        let store = FaultySafety::new(disk, plan("safety.read@1"));
        for is_readable in [false, true] {
            let (answer, heard) = std::sync::mpsc::channel();
            store.load(Done::new(move |result| answer.send(result).unwrap()));
            assert_eq!(heard.recv().unwrap().is_ok(), is_readable);
        }
    }

    #[test]
    fn the_wall_clock_jumps_and_market_time_does_not() {
        let clock = Arc::new(ManualClock::default());
        clock.advance(std::time::Duration::from_hours(10));
        let faulty = FaultyClock::new(clock.clone(), plan("clock.forward@2,clock.back@3"));
        let hours = [10, 11, 10, 10].map(|hours| Time::from_ms(hours * JUMP_MS));
        assert_eq!(hours, [0; 4].map(|_| faulty.wall()));
        assert_eq!(faulty.trading(), clock.trading());
    }
}
