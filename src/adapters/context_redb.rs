//! The second store: redb, which syncs by itself. Same port, same tests as the first.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use conclave_actors::runtime::ports::{Entry, Store, StoreError};
use redb::{
    Database, Durability, ReadableDatabase as _, TableDefinition, TableError, WriteTransaction,
};

/// Pages kept in memory.
const CACHE_BYTES: usize = 16 << 20;

type Table<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;

/// A redb database in one file.
#[derive(Debug)]
pub struct RedbStore {
    db: Database,
    is_closed: AtomicBool,
}

impl RedbStore {
    /// Opens the database file, or makes it.
    ///
    /// # Errors
    /// When the file cannot be used or is damaged.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let db = Database::builder().set_cache_size(CACHE_BYTES).create(path).map_err(failed)?;
        Ok(Self { db, is_closed: AtomicBool::new(false) })
    }

    fn check_open(&self) -> Result<(), StoreError> {
        if self.is_closed.load(Ordering::Acquire) { Err(StoreError::Closed) } else { Ok(()) }
    }

    fn write(
        &self,
        durability: Durability,
        change: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), StoreError> {
        self.check_open()?;
        let mut transaction = self.db.begin_write().map_err(failed)?;
        transaction.set_durability(durability).map_err(failed)?;
        change(&transaction).map_err(failed)?;
        transaction.commit().map_err(failed)
    }
}

impl Store for RedbStore {
    fn get(&self, tree: &str, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.check_open()?;
        let transaction = self.db.begin_read().map_err(failed)?;
        match transaction.open_table(Table::new(tree)) {
            Ok(table) => {
                let found = table.get(key).map_err(failed)?;
                Ok(found.map(|value| value.value().to_vec()))
            }
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    fn put(&self, tree: &str, entries: &[Entry]) -> Result<(), StoreError> {
        self.write(Durability::None, |transaction| {
            let mut table = transaction.open_table(Table::new(tree))?;
            for (key, value) in entries {
                table.insert(key.as_slice(), value.as_slice())?;
            }
            Ok(())
        })
    }

    fn delete(&self, tree: &str, keys: &[Vec<u8>]) -> Result<(), StoreError> {
        self.write(Durability::None, |transaction| {
            let mut table = transaction.open_table(Table::new(tree))?;
            for key in keys {
                table.remove(key.as_slice())?;
            }
            Ok(())
        })
    }

    fn scan(&self, tree: &str, prefix: &[u8]) -> Result<Vec<Entry>, StoreError> {
        self.check_open()?;
        let transaction = self.db.begin_read().map_err(failed)?;
        let table = match transaction.open_table(Table::new(tree)) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut found = Vec::new();
        for entry in table.range(prefix..).map_err(failed)? {
            let (key, value) = entry.map_err(failed)?;
            if !key.value().starts_with(prefix) {
                break;
            }
            found.push((key.value().to_vec(), value.value().to_vec()));
        }
        Ok(found)
    }

    /// A durable commit carries every former one that was not.
    fn flush(&self) -> Result<(), StoreError> {
        self.write(Durability::Immediate, |_| Ok(()))
    }

    fn close(&self) -> Result<(), StoreError> {
        self.flush()?;
        self.is_closed.store(true, Ordering::Release);
        Ok(())
    }
}

fn failed(error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        redb::Error::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => {
            StoreError::DiskFull
        }
        redb::Error::Corrupted(what) => StoreError::Damaged { what },
        other => StoreError::Engine { what: other.to_string() },
    }
}
