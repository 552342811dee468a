//! Budgets, modes and the trading state in the store: one record, written over, flushed each time.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use conclave_actors::runtime::ports::{Done, SafetyStore, Store, StoreError};
use conclave_actors::safety::SafetyRecord;
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
    record: SafetyRecord,
}

enum Job {
    Save(Box<SafetyRecord>, Done<(), StoreError>),
    Load(Done<Option<SafetyRecord>, StoreError>),
}

/// The writer: one plain thread, so that no runtime thread waits for a disk.
pub struct SafetyWriter {
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
    pub fn start(store: Arc<dyn Store>) -> Result<Self, StoreError> {
        let (queue, jobs) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("safety-writer".to_owned())
            .spawn(move || work(store.as_ref(), &jobs))
            .map_err(|error| StoreError::Engine { what: error.to_string() })?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
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

fn work(store: &dyn Store, jobs: &Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Save(record, done) => done.answer(save(store, *record)),
            Job::Load(done) => done.answer(load(store)),
        }
    }
}

fn save(store: &dyn Store, record: SafetyRecord) -> Result<(), StoreError> {
    let stored = Stored { schema: SCHEMA, record };
    let bytes = serde_json::to_vec(&stored).map_err(|error| StoreError::Unwritable {
        what: "the safety record",
        why: error.to_string(),
    })?;
    store.put(TREE, &[(KEY.to_vec(), bytes)])?;
    store.flush()
}

fn load(store: &dyn Store) -> Result<Option<SafetyRecord>, StoreError> {
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
    let stored: Stored = serde_json::from_value(value).map_err(damaged)?;
    Ok(Some(stored.record))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use conclave_actors::testkit::memory_store::MemoryStore;
    use conclave_domain::brief::trading::TradingState;
    use conclave_domain::budget::{BudgetConfig, Budgets};

    use super::*;

    fn record() -> SafetyRecord {
        let budgets = Budgets::new(BudgetConfig::default()).unwrap().snapshot();
        SafetyRecord { budgets, trading_state: TradingState::Halted, modes: BTreeMap::new() }
    }

    #[test]
    fn what_was_saved_is_loaded_and_a_newer_schema_is_refused() {
        let store = MemoryStore::default();
        assert_eq!(load(&store).unwrap(), None);
        save(&store, record()).unwrap();
        assert_eq!(load(&store).unwrap(), Some(record()));
        let newer = br#"{"schema": 9, "record": {}}"#.to_vec();
        store.put(TREE, &[(KEY.to_vec(), newer)]).unwrap();
        assert!(matches!(load(&store), Err(StoreError::Newer { found: 9, .. })));
        store.put(TREE, &[(KEY.to_vec(), b"no json".to_vec())]).unwrap();
        assert!(matches!(load(&store), Err(StoreError::Damaged { .. })));
    }
}
