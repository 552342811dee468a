//! The files in which sled keeps large values, and never syncs.
//!
//! Its log holds a pointer to each. After the loss of power a pointer whose file did not reach the
//! disk ends the recovery of the log right there, and whatever was acknowledged behind it is gone.
//! So they are synced before the log is.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// The folder of these files.
#[derive(Debug)]
pub(super) struct Blobs {
    dir: PathBuf,
    /// Those that are on the disk; sled never writes to one a second time.
    synced: Mutex<BTreeSet<OsString>>,
}

impl Blobs {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, synced: Mutex::default() }
    }

    /// Brings those that are new to the disk, and their names.
    pub(super) fn sync(&self) -> io::Result<()> {
        // The other writer's flush needs them as well: it waits for them here.
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        let names = fs::read_dir(&self.dir)?.map(|entry| entry.map(|entry| entry.file_name()));
        let names: BTreeSet<OsString> = names.collect::<io::Result<_>>()?;
        let mut is_new = false;
        for name in names.difference(&synced) {
            match File::open(self.dir.join(name)) {
                Ok(file) => file.sync_all()?,
                // A value that was replaced meanwhile takes its file with it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            }
            is_new = true;
        }
        if is_new {
            File::open(&self.dir)?.sync_all()?;
        }
        *synced = names;
        Ok(())
    }

    /// How many are on the disk.
    #[cfg(test)]
    pub(super) fn synced(&self) -> usize {
        self.synced.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
