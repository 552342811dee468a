//! The files in which sled keeps large values, and never syncs.
//!
//! Its log holds a pointer to each. After the loss of power a pointer whose file did not reach the
//! disk ends the recovery of the log right there, and whatever was acknowledged behind it is gone.
//! So they are synced before the log is.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, DirEntry, File};
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// The folder of these files.
#[derive(Debug)]
pub(super) struct Blobs {
    dir: PathBuf,
    /// How much of each is on the disk. A flush may come upon a file that another thread is still
    /// writing: its name alone would say that all of it is there.
    synced: Mutex<BTreeMap<OsString, u64>>,
}

impl Blobs {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, synced: Mutex::default() }
    }

    /// Brings what is new of them to the disk, and their names.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.sync_by(File::sync_all)
    }

    fn sync_by(&self, sync: impl Fn(&File) -> io::Result<()>) -> io::Result<()> {
        // The other writer's flush needs them as well: it waits for them here.
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = BTreeMap::new();
        let mut is_new = false;
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let (name, was) = (entry.file_name(), synced.get(&entry.file_name()).copied());
            match bring(&entry, was, &sync) {
                Ok(length) => {
                    is_new |= was != Some(length);
                    found.insert(name, length);
                }
                // A value that was replaced meanwhile takes its file with it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        if is_new {
            sync(&File::open(&self.dir)?)?;
        }
        *synced = found;
        Ok(())
    }

    /// How many are on the disk.
    #[cfg(test)]
    pub(super) fn synced(&self) -> usize {
        self.synced.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Brings a file to the disk of which that much `was` there; how much of it is there now.
fn bring(
    entry: &DirEntry,
    was: Option<u64>,
    sync: impl Fn(&File) -> io::Result<()>,
) -> io::Result<u64> {
    // Before the sync: what is written during it is not taken to be on the disk.
    let length = entry.metadata()?.len();
    if was != Some(length) {
        sync(&File::open(entry.path())?)?;
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::Write as _;

    use tempfile::TempDir;

    use super::*;

    /// C-1: the loss of power took an acknowledged state back where a flush had met a file that was
    /// half written: no later flush synced the other half.
    #[test]
    fn a_file_that_a_flush_met_half_written_is_synced_again() {
        let dir = TempDir::new().unwrap();
        let blobs = Blobs::new(dir.path().to_owned());
        let mut file = File::create(dir.path().join("40")).unwrap();
        let synced = || {
            let lengths = RefCell::new(Vec::new());
            let sync = |file: &File| {
                let metadata = file.metadata()?;
                lengths.borrow_mut().extend(metadata.is_file().then_some(metadata.len()));
                file.sync_all()
            };
            blobs.sync_by(sync).unwrap();
            lengths.into_inner()
        };
        file.write_all(&[1; 8]).unwrap();
        assert_eq!(synced(), [8]);
        file.write_all(&[2; 8]).unwrap();
        assert_eq!(synced(), [16]);
        assert_eq!(synced(), [0; 0], "nothing was written");
    }
}
