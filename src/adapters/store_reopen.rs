//! A store that is opened again after its engine has failed.
//!
//! Both engines refuse everything once a write has failed, for as long as they are open: a disk that
//! was full for a moment would end the store until a restart. This one closes the engine then and opens
//! it again at the next call. What had been flushed is there; what had not was refused, and whoever
//! wrote it writes it again.
//!
//! - C-1: an acknowledged update survives: only what was flushed is acknowledged, and that is on the
//!   disk whatever the engine remembers.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use conclave_actors::runtime::ports::{Entry, Store, StoreError};

type Open = Box<dyn Fn() -> Result<Box<dyn Store>, StoreError> + Send + Sync>;

/// A store behind its opening.
pub struct ReopeningStore {
    open: Open,
    /// `None` after a failure, until it could be opened again.
    engine: RwLock<Option<Box<dyn Store>>>,
    is_closed: AtomicBool,
}

impl fmt::Debug for ReopeningStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReopeningStore")
    }
}

impl ReopeningStore {
    /// Opens a store that `open` opens, now and whenever it has failed.
    ///
    /// # Errors
    /// As `open`.
    pub fn new<S: Store + 'static>(
        open: impl Fn() -> Result<S, StoreError> + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        let open: Open = Box::new(move || open().map(|store| Box::new(store) as Box<dyn Store>));
        let engine = RwLock::new(Some(open()?));
        Ok(Self { open, engine, is_closed: AtomicBool::new(false) })
    }

    fn with<T>(&self, call: impl Fn(&dyn Store) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        loop {
            let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(store) = engine.as_deref() {
                let result = call(store);
                drop(engine);
                if let Err(StoreError::DiskFull | StoreError::Engine { .. }) = &result {
                    self.engine.write().unwrap_or_else(PoisonError::into_inner).take();
                }
                return result;
            }
            drop(engine);
            self.open_again()?;
        }
    }

    fn open_again(&self) -> Result<(), StoreError> {
        let mut engine = self.engine.write().unwrap_or_else(PoisonError::into_inner);
        if engine.is_none() {
            *engine = Some((self.open)()?);
            tracing::warn!("the store was opened again after a failure");
        }
        Ok(())
    }
}

impl Store for ReopeningStore {
    fn get(&self, tree: &str, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.with(|store| store.get(tree, key))
    }

    fn put(&self, tree: &str, entries: &[Entry]) -> Result<(), StoreError> {
        self.with(|store| store.put(tree, entries))
    }

    fn delete(&self, tree: &str, keys: &[Vec<u8>]) -> Result<(), StoreError> {
        self.with(|store| store.delete(tree, keys))
    }

    fn scan(&self, tree: &str, prefix: &[u8]) -> Result<Vec<Entry>, StoreError> {
        self.with(|store| store.scan(tree, prefix))
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.with(|store| store.flush())
    }

    fn close(&self) -> Result<(), StoreError> {
        self.with(|store| store.close())?;
        self.is_closed.store(true, Ordering::Release);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use conclave_actors::testkit::memory_store::MemoryStore;

    use super::*;

    /// What outlives the engine, and how often it was opened.
    #[derive(Default)]
    struct Disk {
        store: Arc<MemoryStore>,
        is_full: AtomicBool,
        opened: std::sync::atomic::AtomicU32,
    }

    /// An engine as both are: after one failed write it refuses everything.
    #[derive(Debug)]
    struct Brittle {
        store: Arc<MemoryStore>,
        disk_is_full: bool,
        is_broken: AtomicBool,
    }

    impl Brittle {
        fn check(&self) -> Result<(), StoreError> {
            if self.disk_is_full || self.is_broken.load(Ordering::Acquire) {
                self.is_broken.store(true, Ordering::Release);
                return Err(StoreError::DiskFull);
            }
            Ok(())
        }
    }

    impl Store for Brittle {
        fn get(&self, tree: &str, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
            self.store.get(tree, key)
        }
        fn put(&self, tree: &str, entries: &[Entry]) -> Result<(), StoreError> {
            self.check()?;
            self.store.put(tree, entries)
        }
        fn delete(&self, tree: &str, keys: &[Vec<u8>]) -> Result<(), StoreError> {
            self.check()?;
            self.store.delete(tree, keys)
        }
        fn scan(&self, tree: &str, prefix: &[u8]) -> Result<Vec<Entry>, StoreError> {
            self.store.scan(tree, prefix)
        }
        fn flush(&self) -> Result<(), StoreError> {
            self.check()
        }
        fn close(&self) -> Result<(), StoreError> {
            self.check()
        }
    }

    /// C-1: a store whose disk was full for a while goes on by itself, with what had been flushed.
    #[test]
    fn a_store_goes_on_by_itself_once_there_is_room_again() {
        let disk = Arc::new(Disk::default());
        let of = Arc::clone(&disk);
        let store = ReopeningStore::new(move || {
            of.opened.fetch_add(1, Ordering::AcqRel);
            let disk_is_full = of.is_full.load(Ordering::Acquire);
            let is_broken = AtomicBool::new(false);
            Ok(Brittle { store: Arc::clone(&of.store), disk_is_full, is_broken })
        });
        let store = store.unwrap();
        let entry = |key: &str| [(key.as_bytes().to_vec(), b"value".to_vec())];
        store.put("tree", &entry("before")).unwrap();
        store.flush().unwrap();
        disk.is_full.store(true, Ordering::Release);
        // The engine that is open has not noticed yet; the ones after it have.
        store.engine.write().unwrap().take();
        for _ in 0..3 {
            assert_eq!(store.put("tree", &entry("lost")), Err(StoreError::DiskFull));
        }
        assert!(store.get("tree", b"before").unwrap().is_some(), "reading goes on");
        disk.is_full.store(false, Ordering::Release);
        let _ = store.flush();
        store.put("tree", &entry("after")).unwrap();
        store.flush().unwrap();
        assert_eq!(store.scan("tree", b"").unwrap().len(), 2);
        assert!(disk.opened.load(Ordering::Acquire) >= 5);
        store.close().unwrap();
        assert_eq!(store.flush(), Err(StoreError::Closed));
    }
}
