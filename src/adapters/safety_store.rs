//! Budgets, modes and the trading state on the disk.
//!
//! - G-2: a restart gives nothing back.
//!
//! - D-1: same data, same recorded answers: byte-identical records. What counts on wall time stands in
//!   no record.
//!
//! A change of mode or state, the exact figures of a clean stop, and blocks of paid permits go to the
//! store and are flushed. A block of permits for actions goes to the audit: it stands there before the
//! decision that uses it, so that the decision's own flush brings both to the disk and a permit costs
//! none. Blocks in the audit are numbered; the store says behind which of them it was written.

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
pub use conclave_actors::safety::saves::Block;
use conclave_actors::safety::saves::{self, Writes};
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
    Ok(saves::newest(stored, last_block))
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

    /// The number of the last block that was begun.
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
    /// What the disk has taken: what is new is judged by it.
    written: Option<SafetyRecord>,
}

impl Desk {
    fn new(disk: SafetyDisk) -> Self {
        let from = disk.replayed.as_ref().and_then(|replayed| replayed.from.clone());
        let saves = Arc::new(AtomicU64::new(from.as_ref().map_or(0, |block| block.save)));
        let last = from.map(|block| block.record);
        Self { disk, saves, written: last.clone(), last }
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
        let is_again = |replayed: &Replayed| !replayed.until.is_used_up();
        let is_again = self.disk.replayed.as_ref().is_some_and(is_again);
        self.last = Some(record.clone());
        let Writes { is_change, is_paid, block } = Writes::of(self.written.as_ref(), &record);
        let written = match (is_again, is_change || is_paid) {
            // What is made again stands in the store already, but for what is paid.
            (true, _) if is_paid => self.put_wall_time(&record),
            (false, true) => self.put(&record),
            _ => Ok(()),
        };
        if let Err(error) = written {
            // G-3: what did not reach the store is not taken to be there when it is asked for again.
            return done.answer(Err(error));
        }
        self.written = Some(record);
        let Some(block) = block else { return done.answer(Ok(())) };
        let save = self.saves.fetch_add(1, Ordering::SeqCst) + 1;
        self.log_block(&Block { save, record: block }, done);
    }

    fn put(&self, record: &SafetyRecord) -> Result<(), StoreError> {
        put(self.disk.store.as_ref(), self.saves.load(Ordering::SeqCst), record.clone())
    }

    /// Writes what counts on wall time while everything else is made again: of that the store may have
    /// seen more than this record, such as a halt.
    fn put_wall_time(&self, record: &SafetyRecord) -> Result<(), StoreError> {
        let store = self.disk.store.as_ref();
        let Some(Stored { save, record: mut stored, .. }) = get(store)? else {
            return self.put(record);
        };
        stored.budgets = stored.budgets.with_wall_time_of(&record.budgets);
        put(store, save, stored)
    }

    /// Written is enough: the decision that uses the block flushes a later line of the same file before
    /// it acts.
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
        // On a full disk a permit is refused at once; a block that were kept would hang its asker.
        self.disk.log.submit(Batch { records: vec![record], safety: Safety::Offered, done });
    }

    fn load(&mut self) -> Result<Option<SafetyRecord>, StoreError> {
        // G-2: what this process has saved is newer than what it found, blocks in the log included.
        if self.last.is_none() {
            let last = newest(self.disk.store.as_ref(), self.disk.last_block.clone())?;
            if let Some(last) = last {
                self.saves.store(last.save, Ordering::SeqCst);
                self.written = Some(last.record.clone());
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

    use conclave_actors::runtime::roster;
    use conclave_actors::testkit::clock::ManualClock;
    use conclave_actors::testkit::memory_audit::MemoryAudit;
    use conclave_actors::testkit::memory_store::MemoryStore;
    use conclave_domain::brief::trading::TradingState;
    use conclave_domain::budget::{BLOCK, BudgetConfig, Budgets, Now, Paid, Request};
    use conclave_domain::fixed::Money;
    use conclave_domain::time::Time;

    use super::*;

    const NOW: Now = Now { wall: Time::EPOCH, trading: Time::EPOCH };

    fn record(clean: bool) -> SafetyRecord {
        let budgets = Budgets::new(BudgetConfig::default()).unwrap();
        let budgets = if clean { budgets.snapshot() } else { budgets.checkpoint() };
        SafetyRecord { budgets, trading_state: TradingState::Halted, modes: BTreeMap::new() }
    }

    fn same(one: &SafetyRecord, two: &SafetyRecord) {
        assert!(one.budgets.agrees_on_wall_time(&two.budgets));
        assert_eq!(one.budgets.on_trading_clock(), two.budgets.on_trading_clock());
        assert_eq!((one.trading_state, &one.modes), (two.trading_state, &two.modes));
    }

    /// A record behind so many actions and paid consultations.
    fn behind(actions: u32, paid: u32) -> SafetyRecord {
        let mut budgets = Budgets::durable(BudgetConfig::default(), None, NOW).unwrap();
        let role = roster::seat("position_sizer").unwrap().role;
        let ask = || Request::consultation(&role, Some(Paid::one("m", Some(Money::from_raw(5)))));
        let requests = (0..actions).map(|_| Request::entry()).chain((0..paid).map(|_| ask()));
        for request in requests {
            // Each in a block of its own.
            let left = if let Some(reserve) = budgets.reserve(&request, NOW) {
                budgets.reserved(reserve);
                BLOCK
            } else {
                0
            };
            for _ in 0..left {
                let _ = budgets.permit(&request, NOW).unwrap();
            }
        }
        SafetyRecord { budgets: budgets.checkpoint(), ..record(false) }
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
        writer.save(behind(1, 0), Done::new(|saved| assert_eq!(saved, Ok(()))));
        assert_eq!(log.steps(), [Step::BudgetBlock.name()]);
        assert_eq!(get(writer.disk.store.as_ref()).unwrap().unwrap().save, 0);
        let block = Block { save: 9, record: record(false) };
        let mut again = desk(&log, Some(block));
        put(again.disk.store.as_ref(), 4, record(true)).unwrap();
        same(&again.load().unwrap().unwrap(), &record(false));
        assert_eq!(again.saves.load(Ordering::SeqCst), 9);
    }

    /// G-2: safety that fails and starts again within a process finds the blocks of that process.
    #[test]
    fn a_second_load_finds_what_was_saved_since_the_first() {
        let log = Arc::new(MemoryAudit::default());
        let mut writer = desk(&log, None);
        put(writer.disk.store.as_ref(), 4, record(true)).unwrap();
        assert_eq!(writer.load().unwrap(), Some(record(true)));
        writer.save(behind(1, 0), Done::new(|saved| assert_eq!(saved, Ok(()))));
        assert_eq!(log.steps(), [Step::BudgetBlock.name()], "a block: the store has not seen it");
        assert_eq!(writer.load().unwrap(), Some(behind(1, 0)));
    }

    /// G-2: saves that are made again get the same numbers and leave the store as it is.
    #[test]
    fn saves_that_are_made_again_are_numbered_alike_and_written_once() {
        let log = Arc::new(MemoryAudit::default());
        let mut writer = desk(&log, None);
        writer.save(record(false), Done::new(|saved| assert_eq!(saved, Ok(()))));
        writer.save(behind(1, 0), Done::new(|saved| assert_eq!(saved, Ok(()))));
        let texts = log.lines(conclave_domain::record::Stream::Decisions);
        let line = conclave_domain::record::Line::read(&texts[0]).unwrap();
        let lines = Box::new(vec![(&line).into()].into_iter());
        let until = Arc::new(Comparing::new(lines, log.anchor(), Some(log.clone())));
        let mut again = desk(&log, None);
        again.disk.log = until.clone();
        again.disk.replayed = Some(Replayed { from: None, until: until.clone() });
        again.save(record(false), Done::new(|saved| assert_eq!(saved, Ok(()))));
        assert!(get(again.disk.store.as_ref()).unwrap().is_none(), "it stood there already");
        again.save(behind(1, 0), Done::new(|saved| assert_eq!(saved, Ok(()))));
        assert!(until.is_used_up() && log.steps().len() == 1, "the same block, number and all");
        again.save(record(true), Done::new(|saved| assert_eq!(saved, Ok(()))));
        assert_eq!(get(again.disk.store.as_ref()).unwrap().unwrap().save, 1);
    }

    /// D-1, G-2: what is paid for stands in the store before it is spent, and nothing of it in a record.
    #[test]
    fn what_counts_on_wall_time_goes_to_the_store_and_into_no_record() {
        let log = Arc::new(MemoryAudit::default());
        let mut writer = desk(&log, None);
        for (actions, paid) in [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2)] {
            writer.save(behind(actions, paid), Done::new(|saved| assert_eq!(saved, Ok(()))));
        }
        let texts = log.lines(conclave_domain::record::Stream::Decisions);
        let blocks: Vec<Block> = texts
            .iter()
            .map(|text| conclave_domain::record::Line::read(text).unwrap())
            .map(|line| serde_json::from_str(line.body).unwrap())
            .collect();
        let of_actions = |actions| behind(actions, 0).budgets.on_trading_clock();
        assert_eq!(blocks.iter().map(|block| block.save).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(blocks[0].record.budgets, of_actions(1));
        assert_eq!(blocks[1].record.budgets, of_actions(2));
        let last = blocks.into_iter().next_back();
        let found = newest(writer.disk.store.as_ref(), last).unwrap().unwrap();
        assert!(found.record.budgets.agrees_on_wall_time(&behind(2, 2).budgets));
        assert_eq!(found.record.budgets.on_trading_clock(), of_actions(2));
    }

    /// G-3: money that did not reach the store is written when it is asked for once more.
    #[test]
    fn what_a_failing_store_did_not_take_is_written_at_the_next_save() {
        let mut writer = desk(&Arc::new(MemoryAudit::default()), None);
        writer.disk.store.close().unwrap();
        writer.save(behind(0, 1), Done::new(|saved| assert_eq!(saved, Err(StoreError::Closed))));
        writer.disk.store = Arc::new(MemoryStore::default());
        writer.save(behind(0, 1), Done::new(|saved| assert_eq!(saved, Ok(()))));
        let stored = get(writer.disk.store.as_ref()).unwrap().expect("it is in the store");
        assert!(stored.record.budgets.agrees_on_wall_time(&behind(0, 1).budgets));
    }

    /// O-3: while bars are played again, a halt that the store has seen stays there.
    #[test]
    fn what_is_paid_in_a_repetition_does_not_take_back_a_halt() {
        let log = Arc::new(MemoryAudit::default());
        let mut again = desk(&log, None);
        put(again.disk.store.as_ref(), 3, record(false)).unwrap();
        // A record that the repetition has not come to yet.
        let other = Arc::new(MemoryAudit::default());
        let mut former = desk(&other, None);
        former.save(record(false), Done::new(|saved| assert_eq!(saved, Ok(()))));
        former.save(behind(1, 0), Done::new(|saved| assert_eq!(saved, Ok(()))));
        let texts = other.lines(conclave_domain::record::Stream::Decisions);
        let line = conclave_domain::record::Line::read(&texts[0]).unwrap();
        let lines = Box::new(vec![(&line).into()].into_iter());
        let until = Comparing::new(lines, log.anchor(), Some(log.clone()));
        let from = SafetyRecord { trading_state: TradingState::Active, ..behind(0, 0) };
        let from = Some(Block { save: 1, record: from });
        again.disk.replayed = Some(Replayed { from, until: until.into() });
        let mut again = Desk::new(again.disk);
        let paid = SafetyRecord { trading_state: TradingState::Active, ..behind(0, 1) };
        again.save(paid.clone(), Done::new(|saved| assert_eq!(saved, Ok(()))));
        let stored = get(again.disk.store.as_ref()).unwrap().unwrap();
        assert_eq!((stored.save, stored.record.trading_state), (3, TradingState::Halted));
        assert!(stored.record.budgets.agrees_on_wall_time(&paid.budgets), "and it is booked");
    }
}
