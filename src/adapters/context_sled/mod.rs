//! The default store: sled 0.34, made to survive the loss of power.
//!
//! sled's own `flush` never calls `fsync`, neither on its log nor on the files of large values, and
//! its `flush_async` deadlocks at seven concurrent calls: so one writer's thread calls the blocking
//! `flush`, then syncs those files and the database file. A damaged log can come back as an empty
//! database without a word; a sentinel key and a file written after it tell that from a store that
//! is new, and such a store is refused.
//!
//! - C-1: an acknowledged context update survives `kill -9`.

mod blobs;
mod codec;

use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use conclave_actors::runtime::ports::{Entry, Store, StoreError};

use blobs::Blobs;
pub use codec::{decode_anchor, decode_part, encode_anchor, encode_part};

/// Pages that sled keeps in memory; its default is a gigabyte.
const CACHE_BYTES: u64 = 16 << 20;
/// The tree and key that every store of ours has.
const SENTINEL: (&str, &[u8]) = ("meta", b"sentinel");
/// A file beside the database that is written once the sentinel is on the disk.
const READY: &str = "ready";

/// A sled database in a directory of its own.
#[derive(Debug)]
pub struct SledStore {
    db: sled::Db,
    /// Another descriptor of the database file: syncing it syncs the file.
    file: File,
    /// Where its large values are.
    blobs: Blobs,
    is_closed: AtomicBool,
}

impl SledStore {
    /// Opens the database in `dir`, or makes it.
    ///
    /// # Errors
    /// When the directory cannot be used, the database is damaged, or it came back empty although
    /// it was not.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(dir).map_err(|error| engine(&error))?;
        let was_ready = dir.join(READY).exists();
        let config = sled::Config::new()
            .path(dir)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None)
            .mode(sled::Mode::HighThroughput);
        // On a damaged log sled may panic instead of returning an error.
        let opened = catch_unwind(AssertUnwindSafe(|| open_when_free(&config)));
        let damaged = |what: &str| StoreError::Damaged {
            what: format!("`{}`: {what}; restore a backup, or move it away", dir.display()),
        };
        let db = opened.map_err(|_| damaged("the database cannot be opened"))?.map_err(failed)?;
        let file = File::open(dir.join("db")).map_err(|error| engine(&error))?;
        let blobs = Blobs::new(dir.join("blobs"));
        let store = Self { db, file, blobs, is_closed: AtomicBool::new(false) };
        let has_sentinel = store.get(SENTINEL.0, SENTINEL.1)?.is_some();
        if was_ready && !(store.db.was_recovered() && has_sentinel) {
            return Err(damaged("the database came back empty"));
        }
        if !has_sentinel {
            store.put(SENTINEL.0, &[(SENTINEL.1.to_vec(), b"1".to_vec())])?;
        }
        if !was_ready {
            store.flush()?;
            make_ready(dir).map_err(|error| engine(&error))?;
        }
        Ok(store)
    }

    fn tree(&self, name: &str) -> Result<sled::Tree, StoreError> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        self.db.open_tree(name).map_err(failed)
    }
}

/// Opens the database, waiting a little for a former one of this process: sled lets go of its lock
/// on a thread of its own, a moment after the last handle was dropped.
#[expect(clippy::disallowed_methods, reason = "a store is opened before any mailbox exists")]
fn open_when_free(config: &sled::Config) -> sled::Result<sled::Db> {
    for _ in 0..100 {
        match config.open() {
            Err(sled::Error::Io(error)) if error.to_string().contains("acquire lock") => {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            opened => return opened,
        }
    }
    config.open()
}

/// Brings the names and the configuration of a new database to the disk, then says so.
fn make_ready(dir: &Path) -> std::io::Result<()> {
    File::open(dir.join("conf"))?.sync_all()?;
    File::open(dir.join("db"))?.sync_all()?;
    File::open(dir)?.sync_all()?;
    File::create(dir.join(READY))?.sync_all()?;
    File::open(dir)?.sync_all()
}

impl Store for SledStore {
    fn get(&self, tree: &str, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.tree(tree)?.get(key).map_err(failed)?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn put(&self, tree: &str, entries: &[Entry]) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for (key, value) in entries {
            batch.insert(key.as_slice(), value.as_slice());
        }
        self.tree(tree)?.apply_batch(batch).map_err(failed)
    }

    fn delete(&self, tree: &str, keys: &[Vec<u8>]) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for key in keys {
            batch.remove(key.as_slice());
        }
        self.tree(tree)?.apply_batch(batch).map_err(failed)
    }

    fn scan(&self, tree: &str, prefix: &[u8]) -> Result<Vec<Entry>, StoreError> {
        let found = self.tree(tree)?.scan_prefix(prefix);
        let entry = |(key, value): (sled::IVec, sled::IVec)| (key.to_vec(), value.to_vec());
        found.map(|found| found.map(entry).map_err(failed)).collect()
    }

    fn flush(&self) -> Result<(), StoreError> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        self.db.flush().map_err(failed)?;
        self.blobs.sync().map_err(|error| engine(&error))?;
        self.file.sync_data().map_err(|error| engine(&error))
    }

    fn close(&self) -> Result<(), StoreError> {
        self.flush()?;
        self.is_closed.store(true, Ordering::Release);
        Ok(())
    }
}

fn engine(error: &std::io::Error) -> StoreError {
    match error.kind() {
        std::io::ErrorKind::StorageFull
        | std::io::ErrorKind::QuotaExceeded
        | std::io::ErrorKind::FileTooLarge => StoreError::DiskFull,
        _ => StoreError::Engine { what: error.to_string() },
    }
}

fn failed(error: sled::Error) -> StoreError {
    match error {
        sled::Error::Io(error) => engine(&error),
        sled::Error::Corruption { .. } => {
            StoreError::Damaged { what: "sled found a damaged page".to_owned() }
        }
        other => StoreError::Engine { what: other.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// C-1: what is acknowledged is on the disk, the files of large values included.
    ///
    /// `tests/power_loss` has shown what happens otherwise: everything behind such a value was gone.
    #[test]
    fn a_flush_brings_the_files_of_large_values_to_the_disk() {
        let dir = TempDir::new().unwrap();
        let store = SledStore::open(dir.path()).unwrap();
        let files = || fs::read_dir(dir.path().join("blobs")).unwrap().count();
        for nth in 1..=3 {
            let large = vec![nth; 1 << 20];
            store.put("big", &[(vec![nth], large)]).unwrap();
            assert!(files() > 0, "sled keeps a mebibyte in a file of its own");
            store.flush().unwrap();
            assert_eq!(store.blobs.synced(), files());
        }
    }

    /// C-1: a database that comes back empty although it was not is refused, not begun anew.
    #[test]
    fn a_store_that_comes_back_empty_is_refused() {
        let dir = TempDir::new().unwrap();
        drop(SledStore::open(dir.path()).unwrap());
        drop(SledStore::open(dir.path()).unwrap());
        fs::remove_file(dir.path().join("db")).unwrap();
        let error = SledStore::open(dir.path()).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    }
}
