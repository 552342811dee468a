//! The file behind the ledger: locked, read on from where it was read to, appended to, written anew.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use conclave_domain::budget::ledger::{Ledger, LedgerLine};
use conclave_domain::time::Time;

/// The longest line, bytes; what is longer is none of ours.
const LINE_MAX: u64 = 4_096;
/// How old the first line may be before the file is written anew: an hour longer than a line counts, so
/// that it happens once an hour at most.
const AGE_MAX: Duration = Duration::from_hours(25);
/// How often a file that was replaced meanwhile is opened again before it is given up.
const TRIES: usize = 64;

/// The file as one process sees it.
#[derive(Debug)]
pub(super) struct Shared {
    path: PathBuf,
    open: Option<Open>,
    sums: Ledger,
    /// Whether an unreadable line was told of.
    has_told: bool,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Bytes that were read and count.
    read: u64,
    /// Whether there is something behind them: a line without its end.
    is_torn: bool,
    /// When its first line was written.
    oldest: Option<Time>,
}

impl Shared {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), open: None, sums: Ledger::default(), has_told: false }
    }

    /// The sums of every line, as of the last lock.
    pub(super) const fn sums(&mut self) -> &mut Ledger {
        &mut self.sums
    }

    /// Locks the file and reads what others have appended. It stays locked until [`Shared::append`].
    ///
    /// # Errors
    /// When it cannot be made, read or locked; it is not locked then.
    pub(super) fn lock(&mut self, now: Time) -> io::Result<()> {
        let locked = self.locked().and_then(|()| self.read_on());
        let locked = locked.and_then(|()| if self.is_old(now) { self.renew(now) } else { Ok(()) });
        locked.inspect_err(|_| self.forget())
    }

    /// Appends whole lines and lets go of the lock.
    ///
    /// # Errors
    /// When they could not be written; what was written of them is cut off, or is torn.
    pub(super) fn append(&mut self, text: &str) -> io::Result<()> {
        let written = self.write(text);
        let unlocked = self.open.as_ref().map_or(Ok(()), |open| open.file.unlock());
        written.and(unlocked).inspect_err(|_| self.forget())
    }

    /// Brings what was appended to the disk.
    ///
    /// # Errors
    /// When it is not known to be there.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let synced = self.open.as_ref().map_or(Ok(()), |open| open.file.sync_data());
        synced.inspect_err(|_| self.forget())
    }

    /// What was taken in memory may not be in the file: it is read anew. Closing it lets go of the lock.
    fn forget(&mut self) {
        self.open = None;
        self.sums = Ledger::default();
    }

    /// Holds the lock of the file that bears the name now, and not of one that it has replaced.
    fn locked(&mut self) -> io::Result<()> {
        for _ in 0..TRIES {
            if self.open.is_none() {
                self.open = Some(open(&self.path)?);
                self.sums = Ledger::default();
            }
            let Some(open) = &self.open else { continue };
            open.file.lock()?;
            let (ours, named) = (open.file.metadata()?, fs::metadata(&self.path));
            match named {
                Ok(named)
                    if (named.dev(), named.ino()) == (ours.dev(), ours.ino())
                        && named.len() >= open.read =>
                {
                    return Ok(());
                }
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                // Replaced, removed or cut: from its beginning once more.
                _ => self.forget(),
            }
        }
        Err(io::Error::other("the file is replaced again and again"))
    }

    /// Takes the lines that stand behind what was read.
    fn read_on(&mut self) -> io::Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        open.file.seek(SeekFrom::Start(open.read))?;
        let mut reader = BufReader::new(&open.file);
        let mut bytes = Vec::new();
        let mut unreadable = 0_u64;
        open.is_torn = false;
        loop {
            bytes.clear();
            let length = reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut bytes)? as u64;
            if length == 0 {
                break;
            }
            if bytes.last() != Some(&b'\n') && length < LINE_MAX {
                open.is_torn = true;
                break;
            }
            open.read += length;
            match line(&bytes) {
                Some(line) => {
                    open.oldest.get_or_insert(line.at);
                    self.sums.take(&line);
                }
                None => unreadable += 1,
            }
        }
        if unreadable > 0 && !self.has_told {
            self.has_told = true;
            let ledger = self.path.display();
            tracing::warn!(%ledger, unreadable, "lines of the ledger are unreadable and passed over");
        }
        Ok(())
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        if text.is_empty() {
            return Ok(());
        }
        let before = open.file.metadata()?.len();
        let closing = if open.is_torn { "\n" } else { "" };
        let whole = format!("{closing}{text}");
        if let Err(error) = open.file.write_all(whole.as_bytes()) {
            // Nobody else has written meanwhile. Where it cannot be cut, the next one closes it.
            let _ = open.file.set_len(before);
            return Err(error);
        }
        open.read = before + whole.len() as u64;
        open.is_torn = false;
        Ok(())
    }

    fn is_old(&self, now: Time) -> bool {
        let oldest = self.open.as_ref().and_then(|open| open.oldest);
        oldest.is_some_and(|oldest| now.since(oldest) >= AGE_MAX)
    }

    /// Puts a file in its place that holds what still counts, and locks that one.
    fn renew(&mut self, now: Time) -> io::Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        // Another lock may fall on the new file before this one does; both read it from its beginning.
        if let Err(error) = rewrite(&open.file, &self.path, now) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the ledger keeps lines that count no more");
            // Tried again in an hour.
            open.oldest = Some(now);
            return Ok(());
        }
        self.forget();
        self.locked()?;
        self.read_on()
    }
}

/// A line that this version can read.
fn line(bytes: &[u8]) -> Option<LedgerLine> {
    serde_json::from_slice::<LedgerLine>(bytes).ok().filter(LedgerLine::is_known)
}

fn open(path: &Path) -> io::Result<Open> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    Ok(Open { file, read: 0, is_torn: false, oldest: None })
}

/// Writes the lines that still count under another name, syncs, and renames.
fn rewrite(mut from: &File, path: &Path, now: Time) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    let to =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    let mut to = BufWriter::new(to);
    from.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::new(from);
    let mut bytes = Vec::new();
    while reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut bytes)? > 0 {
        if bytes.ends_with(b"\n") && line(&bytes).is_some_and(|line| !line.is_over(now)) {
            to.write_all(&bytes)?;
        }
        bytes.clear();
    }
    to.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    fs::rename(&beside, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
