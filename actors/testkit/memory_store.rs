//! Stores in memory: bytes for the adapters' common tests, parts for councils on paused time.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use conclave_domain::context::{Context, Part, PartKey};
use conclave_domain::record::Anchor;

use crate::runtime::ports::{Commit, ContextSink, Entry, Store, StoreError};

/// A key-value store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Trees>);

type Tree = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Debug, Default)]
struct Trees {
    trees: BTreeMap<String, Tree>,
    is_closed: bool,
}

impl MemoryStore {
    fn open(&self) -> Result<MutexGuard<'_, Trees>, StoreError> {
        let trees = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if trees.is_closed { Err(StoreError::Closed) } else { Ok(trees) }
    }
}

impl Store for MemoryStore {
    fn get(&self, tree: &str, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.open()?.trees.get(tree).and_then(|tree| tree.get(key)).cloned())
    }

    fn put(&self, tree: &str, entries: &[Entry]) -> Result<(), StoreError> {
        let mut open = self.open()?;
        open.trees.entry(tree.to_owned()).or_default().extend(entries.iter().cloned());
        Ok(())
    }

    fn delete(&self, tree: &str, keys: &[Vec<u8>]) -> Result<(), StoreError> {
        if let Some(tree) = self.open()?.trees.get_mut(tree) {
            tree.retain(|key, _| !keys.contains(key));
        }
        Ok(())
    }

    fn scan(&self, tree: &str, prefix: &[u8]) -> Result<Vec<Entry>, StoreError> {
        let open = self.open()?;
        let Some(tree) = open.trees.get(tree) else { return Ok(Vec::new()) };
        let from = tree.range(prefix.to_vec()..);
        let found = from.take_while(|(key, _)| key.starts_with(prefix));
        Ok(found.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.open().map(drop)
    }

    fn close(&self) -> Result<(), StoreError> {
        self.open()?.is_closed = true;
        Ok(())
    }
}

/// Keeps the context's parts in memory; writes on the caller's thread, so that paused time stays
/// exact. The disk can be made to fail.
#[derive(Debug, Default)]
pub struct MemoryContext(Mutex<Parts>);

#[derive(Debug, Default)]
struct Parts {
    kept: BTreeMap<PartKey, Part>,
    anchor: Option<Anchor>,
    commits: u64,
    failure: Option<StoreError>,
}

impl MemoryContext {
    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the disk answers with `failure`; `None` mends it.
    pub fn fail(&self, failure: Option<StoreError>) {
        self.parts().failure = failure;
    }

    /// How often something was written.
    pub fn commits(&self) -> u64 {
        self.parts().commits
    }

    /// The context as a new process would find it.
    pub fn restore(&self) -> Context {
        Context::restore(self.parts().kept.values().cloned())
    }

    /// The audit's end as it was last written down.
    pub fn anchor(&self) -> Option<Anchor> {
        self.parts().anchor
    }
}

impl ContextSink for MemoryContext {
    fn submit(&self, commit: Commit) {
        let result = {
            let mut store = self.parts();
            if let Some(failure) = store.failure.clone() {
                Err(failure)
            } else {
                store.commits += 1;
                store.anchor = commit.anchor.or(store.anchor);
                let parts = commit.parts.into_iter().map(|part| (part.key.clone(), part));
                store.kept.extend(parts);
                Ok(())
            }
        };
        commit.done.answer(result);
    }
}
