//! The store's directory: one process at a time, one kind of money for ever, nobody else's eyes.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Which money a store belongs to; paper and live never share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoneyKind {
    /// Simulated, or a broker's paper account.
    Paper,
    /// Real money.
    Live,
}

impl MoneyKind {
    /// The word in the marker and in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Live => "live",
        }
    }
}

/// The file that names the money.
const MARKER: &str = "money";

/// Why a store's directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process uses it.
    #[error(
        "the store `{}` is in use by process {pid}; stop that process, or choose another store",
        dir.display()
    )]
    Held {
        /// The directory.
        dir: PathBuf,
        /// The process, as it wrote itself down.
        pid: String,
    },
    /// It belongs to the other kind of money.
    #[error(
        "the store `{}` was made for {found} money, not for {wanted}; choose another store",
        dir.display()
    )]
    OtherMoney {
        /// The directory.
        dir: PathBuf,
        /// What it was made for.
        found: String,
        /// What was asked for.
        wanted: &'static str,
    },
    /// It cannot be made, read or locked.
    #[error("the store `{}` cannot be used", dir.display())]
    Io {
        /// The directory.
        dir: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// The kind of money that a directory was made for; `None` where it was made for none yet.
fn marked(dir: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(dir.join(MARKER)) {
        Ok(found) => Ok(Some(found.trim().chars().take(20).collect())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Refuses a directory that belongs to the other kind of money, without making or locking anything.
///
/// # Errors
/// As [`StoreDir::open`], but for the lock.
pub fn agree(dir: &Path, money: MoneyKind) -> Result<(), LockError> {
    let (wanted, dir) = (money.name(), dir.to_owned());
    match marked(&dir) {
        Ok(None) => Ok(()),
        Ok(Some(found)) if found == wanted => Ok(()),
        Ok(Some(found)) => Err(LockError::OtherMoney { dir, found, wanted }),
        Err(source) => Err(LockError::Io { dir, source }),
    }
}

/// Whether some process uses the directory; `None` where none ever did, or nobody can tell.
pub fn is_held(path: &Path) -> Option<bool> {
    let lock = File::open(path.join("lock")).ok()?;
    match lock.try_lock_shared() {
        Ok(()) => Some(false),
        Err(TryLockError::WouldBlock) => Some(true),
        Err(TryLockError::Error(_)) => None,
    }
}

/// A directory that this process alone uses, until it is dropped or the process ends.
#[derive(Debug)]
pub struct StoreDir {
    path: PathBuf,
    /// The lock is the open file's.
    _lock: File,
}

impl StoreDir {
    /// Makes the directory (mode 0700) where it is missing, locks it, and checks or writes the kind
    /// of money that it belongs to.
    ///
    /// # Errors
    /// When another process holds it, it belongs to the other money, or it cannot be used.
    pub fn open(path: &Path, money: MoneyKind) -> Result<Self, LockError> {
        let io = |source| LockError::Io { dir: path.to_owned(), source };
        if !path.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io)?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(io)?;
        let pid_file = path.join("pid");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = fs::read_to_string(pid_file).unwrap_or_default();
                let pid = if pid.is_empty() { "(unknown)".to_owned() } else { pid };
                return Err(LockError::Held { dir: path.to_owned(), pid });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        fs::write(pid_file, std::process::id().to_string()).map_err(io)?;
        agree(path, money)?;
        let marker = path.join(MARKER);
        if !marker.exists() {
            let mut file = File::create(marker).map_err(io)?;
            file.write_all(money.name().as_bytes()).map_err(io)?;
            file.sync_all().and_then(|()| File::open(path)?.sync_all()).map_err(io)?;
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// [`StoreDir::open`] for whatever money it was made for: for those who only look.
    ///
    /// # Errors
    /// When another process holds it, or it cannot be used.
    pub fn open_as_it_is(path: &Path) -> Result<Self, LockError> {
        let io = |source| LockError::Io { dir: path.to_owned(), source };
        let is_live = marked(path).map_err(io)?.as_deref() == Some(MoneyKind::Live.name());
        Self::open(path, if is_live { MoneyKind::Live } else { MoneyKind::Paper })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_store_is_used_by_one_process_and_its_holder_is_named() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("store");
        let held = StoreDir::open(&path, MoneyKind::Paper).unwrap();
        let mode = fs::metadata(held.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let refused = StoreDir::open(&path, MoneyKind::Paper).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {};", std::process::id())), "{refused}");
        assert_eq!(is_held(&path), Some(true));
        drop(held);
        assert_eq!(is_held(&path), Some(false));
        assert_eq!(is_held(dir.path()), None, "nobody ever used it");
        StoreDir::open(&path, MoneyKind::Paper).unwrap();
    }

    #[test]
    fn paper_and_live_never_share_a_store() {
        let dir = TempDir::new().unwrap();
        agree(&dir.path().join("none yet"), MoneyKind::Live).unwrap();
        for (first, other) in
            [(MoneyKind::Paper, MoneyKind::Live), (MoneyKind::Live, MoneyKind::Paper)]
        {
            let path = dir.path().join(first.name());
            drop(StoreDir::open(&path, first).unwrap());
            let refused = StoreDir::open(&path, other).unwrap_err();
            assert!(matches!(refused, LockError::OtherMoney { .. }), "{refused}");
            agree(&path, first).unwrap();
            let refused = agree(&path, other).unwrap_err().to_string();
            assert!(refused.contains(&format!("made for {} money", first.name())), "{refused}");
            drop(StoreDir::open_as_it_is(&path).unwrap());
            StoreDir::open(&path, first).unwrap();
        }
    }
}
