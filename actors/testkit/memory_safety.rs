//! A safety store in memory, with a disk that can be made to fail or to stall.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::runtime::ports::{Done, SafetyStore, StoreError};
use crate::safety::SafetyRecord;

/// The store. It saves on the caller's thread and at once, so that paused time stays exact.
#[derive(Debug, Default)]
pub struct MemorySafety(Mutex<Disk>);

#[derive(Debug, Default)]
struct Disk {
    record: Option<SafetyRecord>,
    saves: u64,
    failure: Option<StoreError>,
    stalls: bool,
    owed: Vec<(SafetyRecord, Done<(), StoreError>)>,
}

impl MemorySafety {
    /// What a process that starts now would find.
    pub fn record(&self) -> Option<SafetyRecord> {
        self.disk().record.clone()
    }

    /// Puts a record there.
    pub fn put(&self, record: Option<SafetyRecord>) {
        self.disk().record = record;
    }

    /// How often it was saved to.
    pub fn saves(&self) -> u64 {
        self.disk().saves
    }

    /// From now on every save fails with this, or works again.
    pub fn fail_with(&self, failure: Option<StoreError>) {
        self.disk().failure = failure;
    }

    /// From now on saves wait.
    pub fn stall(&self) {
        self.disk().stalls = true;
    }

    /// Carries out the saves that wait, and those to come.
    pub fn go_on(&self) {
        let owed = {
            let mut disk = self.disk();
            disk.stalls = false;
            std::mem::take(&mut disk.owed)
        };
        for (record, done) in owed {
            self.save(record, done);
        }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SafetyStore for MemorySafety {
    fn save(&self, record: SafetyRecord, done: Done<(), StoreError>) {
        let mut disk = self.disk();
        if disk.stalls {
            disk.owed.push((record, done));
            return;
        }
        let result = disk.failure.clone().map_or(Ok(()), Err);
        if result.is_ok() {
            disk.record = Some(record);
            disk.saves += 1;
        }
        drop(disk);
        done.answer(result);
    }

    fn load(&self, done: Done<Option<SafetyRecord>, StoreError>) {
        let record = self.record();
        done.answer(Ok(record));
    }
}
