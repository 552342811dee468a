//! Budgets, modes and the trading state on the disk.
//!
//! - G-2: a restart gives nothing back.
//!
//! A change of mode or state, and the exact figures of a clean stop, go to the store and are flushed.
//! A block of permits that is reserved ahead goes to the audit: it stands there before the decision
//! that uses it, so that the decision's own flush brings both to the disk and a permit costs none.
//! Each save is numbered; the one with the highest number is the last.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use conclave_actors::audit;
use conclave_actors::runtime::compare::Comparing;
use conclave_actors::runtime::ports::{
    AuditSink, Batch, Clock, Done, Safety, SafetyStore, Store, StoreError,
};
use conclave_actors::safety::SafetyRecord;
use conclave_domain::record::Step;
use serde::{Deserialize, Serialize};

/// The tree and the key of the one record.
const TREE: &str = "safety";
const KEY: &[u8] = b"record";
/// The schema that is written; it is named in the record, so that a newer one is refused.
const SCHEMA: u16 = 1;
/// Saves that may wait.
const QUEUE: usize = 256;

#[derive(Serialize, Deserialize)]
struct Stored {
    schema: u16,
    save: u64,
    record: SafetyRecord,
}

/// A block of permits as its record in the audit holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The number of the save.
    pub save: u64,
    /// Everything as it stood, the block included.
    pub record: SafetyRecord,
}

enum Job {
    Save(Box<SafetyRecord>, Done<(), StoreError>),
    Load(Done<Option<SafetyRecord>, StoreError>),
}

/// Where the writer writes.
#[derive(Debug)]
pub struct SafetyDisk {
    /// Changes and exact figures.
    pub store: Arc<dyn Store>,
    /// Blocks.
    pub log: Arc<dyn AuditSink>,
    /// The last block that the log holds.
    pub last_block: Option<Block>,
    /// Stamps the records of blocks.
    pub clock: Arc<dyn Clock>,
    /// Where the saves begin, if those since then are made a second time.
    pub replayed: Option<Replayed>,
}

/// Saves that are made a second time: what they wrote stands in the store and in the log already.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// The last save before them; `None` where there was none.
    pub from: Option<Block>,
    /// Tells when they are over: the log that is compared.
    pub until: Arc<Comparing>,
}

/// The last save that the store or the log holds.
///
/// # Errors
/// When the store cannot be read, is damaged, or was written by a newer version.
pub fn newest(store: &dyn Store, last_block: Option<Block>) -> Result<Option<Block>, StoreError> {
    let stored = get(store)?.map(|stored| Block { save: stored.save, record: stored.record });
    Ok([stored, last_block].into_iter().flatten().max_by_key(|block| block.save))
}

/// The writer: one plain thread, so that no runtime thread waits for a disk.
pub struct SafetyWriter {
    saves: Arc<AtomicU64>,
    queue: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for SafetyWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SafetyWriter")
    }
}

impl SafetyWriter {
    /// Starts the writer's thread.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(disk: SafetyDisk) -> Result<Self, StoreError> {
        let (queue, jobs) = sync_channel(QUEUE);
        let writer = Desk::new(disk);
        let saves = Arc::clone(&writer.saves);
        let thread = std::thread::Builder::new()
            .name("safety-writer".to_owned())
            .spawn(move || writer.work(&jobs))
            .map_err(|error| StoreError::Engine { what: error.to_string() })?;
        Ok(Self { saves, queue: Some(queue), thread: Some(thread) })
    }

    /// The number of the last save that was begun.
    pub fn saves(&self) -> u64 {
        self.saves.load(Ordering::SeqCst)
    }

    fn submit(&self, job: Job) {
        // A job that cannot be queued is dropped, and its `Done` says that nobody is there: new
        // risk stops, which is right when safety cannot be written down.
        let _ = self.queue.as_ref().map(|queue| queue.try_send(job));
    }
}

impl SafetyStore for SafetyWriter {
    fn save(&self, record: SafetyRecord, done: Done<(), StoreError>) {
        self.submit(Job::Save(Box::new(record), done));
    }

    fn load(&self, done: Done<Option<SafetyRecord>, StoreError>) {
        self.submit(Job::Load(done));
    }
}

impl Drop for SafetyWriter {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the writer was logged by the panic hook; there is nobody to tell here.
            let _ = thread.join();
        }
    }
}

/// The writer's thread and what it remembers.
struct Desk {
    disk: SafetyDisk,
    saves: Arc<AtomicU64>,
    /// The last record that was saved or loaded, whether or not the disk has taken it.
    last: Option<SafetyRecord>,
}

impl Desk {
    fn new(disk: SafetyDisk) -> Self {
        let from = disk.replayed.as_ref().and_then(|replayed| replayed.from.clone());
        let saves = Arc::new(AtomicU64::new(from.as_ref().map_or(0, |block| block.save)));
        Self { disk, saves, last: from.map(|block| block.record) }
    }

    fn work(mut self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            match job {
                Job::Save(record, done) => self.save(*record, done),
                Job::Load(done) => {
                    let loaded = self.load();
                    done.answer(loaded);
                }
            }
        }
    }

    fn save(&mut self, record: SafetyRecord, done: Done<(), StoreError>) {
        let save = self.saves.fetch_add(1, Ordering::SeqCst) + 1;
        let is_block = !record.budgets.is_clean()
            && self.last.as_ref().is_some_and(|last| {
                last.trading_state == record.trading_state && last.modes == record.modes
            });
        self.last = Some(record.clone());
        let is_again = |replayed: &Replayed| !replayed.until.is_used_up();
        if is_block {
            self.log_block(&Block { save, record }, done);
        } else if self.disk.replayed.as_ref().is_some_and(is_again) {
            done.answer(Ok(()));
        } else {
            done.answer(put(self.disk.store.as_ref(), save, record));
        }
    }

    /// Written is enough for actions: the decision that uses the block flushes a later line of the
    /// same file before it acts. A paid call leaves earlier, so its block is flushed by itself.
    fn log_block(&self, block: &Block, done: Done<(), StoreError>) {
        let at = self.disk.clock.trading();
        let record = match audit::record(Step::BudgetBlock, None, at, block) {
            Ok(record) => record,
            Err(error) => return done.answer(Err(StoreError::Engine { what: error.to_string() })),
        };
        let done =
            Done::new(move |written: Result<_, conclave_actors::runtime::ports::AuditError>| {
                let written = written.map(|_| ());
                done.answer(
                    written.map_err(|error| StoreError::Engine { what: error.to_string() }),
                );
            });
        let paid = block.record.budgets.reserves_paid();
        // On a full disk a permit is refused at once; a block that were kept would hang its asker.
        let safety = if paid { Safety::Synced } else { Safety::Offered };
        self.disk.log.submit(Batch { records: vec![record], safety, done });
    }

    fn load(&mut self) -> Result<Option<SafetyRecord>, StoreError> {
        // G-2: what this process has saved is newer than what it found, blocks in the log included.
        if self.last.is_none() {
            let last = newest(self.disk.store.as_ref(), self.disk.last_block.clone())?;
            if let Some(last) = last {
                self.saves.store(last.save, Ordering::SeqCst);
                self.last = Some(last.record);
            }
        }
        Ok(self.last.clone())
    }
}

fn put(store: &dyn Store, save: u64, record: SafetyRecord) -> Result<(), StoreError> {
    let stored = Stored { schema: SCHEMA, save, record };
    let bytes = serde_json::to_vec(&stored).map_err(|error| StoreError::Unwritable {
        what: "the safety record",
        why: error.to_string(),
    })?;
    store.put(TREE, &[(KEY.to_vec(), bytes)])?;
    store.flush()
}

fn get(store: &dyn Store) -> Result<Option<Stored>, StoreError> {
    let Some(bytes) = store.get(TREE, KEY)? else { return Ok(None) };
    let damaged = |error: serde_json::Error| StoreError::Damaged {
        what: format!("the safety record is unreadable: {error}"),
    };
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(damaged)?;
    let found = value.get("schema").and_then(serde_json::Value::as_u64).unwrap_or(0);
    if found > u64::from(SCHEMA) {
        let found = u16::try_from(found).unwrap_or(u16::MAX);
        return Err(StoreError::Newer { what: "the safety record", found, known: SCHEMA });
    }
    serde_json::from_value(value).map(Some).map_err(damaged)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use conclave_actors::testkit::clock::ManualClock;
    use conclave_actors::testkit::memory_audit::MemoryAudit;
    use conclave_actors::testkit::memory_store::MemoryStore;
    use conclave_domain::brief::trading::TradingState;
    use conclave_domain::budget::{BudgetConfig, Budgets};

    use super::*;

    fn record(clean: bool) -> SafetyRecord {
        let budgets = Budgets::new(BudgetConfig::default()).unwrap();
        let budgets = if clean { budgets.snapshot() } else { budgets.checkpoint() };
        SafetyRecord { budgets, trading_state: TradingState::Halted, modes: BTreeMap::new() }
    }

    fn desk(log: &Arc<MemoryAudit>, last_block: Option<Block>) -> Desk {
        let disk = SafetyDisk {
            store: Arc::new(MemoryStore::default()),
            log: log.clone(),
            last_block,
            clock: Arc::new(ManualClock::default()),
            replayed: None,
        };
        Desk::new(disk)
    }

    #[test]
    fn what_was_saved_is_loaded_and_a_newer_schema_is_refused() {
        let store = MemoryStore::default();
        assert!(get(&store).unwrap().is_none());
        put(&store, 3, record(true)).unwrap();
        let stored = get(&store).unwrap().unwrap();
        assert_eq!((stored.save, stored.record), (3, record(true)));
        let newer = br#"{"schema": 9, "record": {}}"#.to_vec();
        store.put(TREE, &[(KEY.to_vec(), newer)]).unwrap();
        assert!(matches!(get(&store), Err(StoreError::Newer { found: 9, .. })));
        store.put(TREE, &[(KEY.to_vec(), b"no json".to_vec())]).unwrap();
        assert!(matches!(get(&store), Err(StoreError::Damaged { .. })));
    }

    /// G-2: a block stands in the audit, a change in the store, and the last of them counts.
    #[test]
    fn a_block_goes_to_the_audit_and_the_last_save_counts() {
        let log = Arc::new(MemoryAudit::default());
        let mut writer = desk(&log, None);
        assert_eq!(writer.load().unwrap(), None);
        writer.save(record(false), Done::new(|saved| assert_eq!(saved, Ok(()))));
        assert!(log.steps().is_empty(), "the first save is a change");
        writer.save(record(false), Done::new(|saved| assert_eq!(saved, Ok(()))));
        assert_eq!(log.steps(), [Step::BudgetBlock.name()]);
        assert_eq!(get(writer.disk.store.as_ref()).unwrap().unwrap().save, 1);
        let block = Block { save: 9, record: record(false) };
        let mut again = desk(&log, Some(block));
        put(again.disk.store.as_ref(), 4, record(true)).unwrap();
        assert_eq!(again.load().unwrap(), Some(record(false)));
        assert_eq!(again.saves.load(Ordering::SeqCst), 9);
    }

    /// G-2: safety that fails and starts again within a process finds the blocks of that process.
    #[test]
    fn a_second_load_finds_what_was_saved_since_the_first() {
        let log = Arc::new(MemoryAudit::default());
        let mut writer = desk(&log, None);
        put(writer.disk.store.as_ref(), 4, record(true)).unwrap();
        assert_eq!(writer.load().unwrap(), Some(record(true)));
        writer.save(record(false), Done::new(|saved| assert_eq!(saved, Ok(()))));
        assert_eq!(log.steps(), [Step::BudgetBlock.name()], "a block: the store has not seen it");
        assert_eq!(writer.load().unwrap(), Some(record(false)));
    }

    /// G-2: saves that are made again get the same numbers and leave the store as it is.
    #[test]
    fn saves_that_are_made_again_are_numbered_alike_and_written_once() {
        let log = Arc::new(MemoryAudit::default());
        let mut writer = desk(&log, None);
        writer.save(record(false), Done::new(|saved| assert_eq!(saved, Ok(()))));
        writer.save(record(false), Done::new(|saved| assert_eq!(saved, Ok(()))));
        let texts = log.lines(conclave_domain::record::Stream::Decisions);
        let line = conclave_domain::record::Line::read(&texts[0]).unwrap();
        let lines = Box::new(vec![(&line).into()].into_iter());
        let until = Arc::new(Comparing::new(lines, log.anchor(), Some(log.clone())));
        let mut again = desk(&log, None);
        again.disk.log = until.clone();
        again.disk.replayed = Some(Replayed { from: None, until: until.clone() });
        again.save(record(false), Done::new(|saved| assert_eq!(saved, Ok(()))));
        assert!(get(again.disk.store.as_ref()).unwrap().is_none(), "it stood there already");
        again.save(record(false), Done::new(|saved| assert_eq!(saved, Ok(()))));
        assert!(until.is_used_up() && log.steps().len() == 1, "the same block, number and all");
        again.save(record(true), Done::new(|saved| assert_eq!(saved, Ok(()))));
        assert_eq!(get(again.disk.store.as_ref()).unwrap().unwrap().save, 3);
    }
}
