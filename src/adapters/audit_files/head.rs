//! The log's end, written beside it after every group: what shows that a tail was cut.
//!
//! `head.json` has a fixed size and is written in place by one positioned write, after the group's
//! own write and sync and without a sync of its own. The end of a process cannot lose it; the loss of
//! power can only leave an older one. So it is never ahead of the log, with one exception that it
//! tells itself: what was written and not synced counts only until the machine is started anew.
//!
//! - the chain verifies: a log that ends before its head was cut.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use conclave_domain::record::Anchor;
use serde::{Deserialize, Serialize};

use super::checked;

/// The file's name.
pub const HEAD_FILE: &str = "head.json";
/// Its size in bytes, so that it never needs new room on the disk; what is not used is white space.
const SIZE: usize = 2_048;
/// The schema that is written, and the only one that is read.
const SCHEMA: &str = "audit-head/1";
/// Where Linux tells one start of the machine from the next.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";
/// How often a file is read that changes meanwhile.
const LOOKS: usize = 5;

/// Where a stream's file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct End {
    /// The number of the last segment.
    pub(super) segment: u32,
    /// Its bytes.
    pub(super) bytes: u64,
}

/// Everything in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ends {
    schema: String,
    /// Handed to the operating system.
    written: Anchor,
    /// On the disk.
    synced: Anchor,
    /// The ends of both streams' files, as written: decisions, observations.
    files: [End; 2],
    /// The start of the machine that it was written in.
    boot: Option<String>,
}

/// What a directory's head file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// The head that is on the disk: the log must have reached it.
    pub(super) synced: Option<Anchor>,
    /// The head that was handed to the operating system, if the machine was not started anew since:
    /// the log must have reached it but for a last line that is torn.
    pub(super) written: Option<Anchor>,
    /// Why it says nothing although it is there.
    pub(super) trouble: Option<String>,
}

/// Reads what there is. A file that is torn or none of ours is no reason to stop: whoever asked
/// falls back to the other anchors, and says so.
pub(super) fn read(dir: &Path) -> Found {
    let path = dir.join(HEAD_FILE);
    let mut trouble = String::new();
    for _ in 0..LOOKS {
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::default(),
            Err(error) => trouble = error.to_string(),
            Ok(bytes) => match parse(&bytes) {
                Ok(ends) => {
                    let is_same = ends.boot.is_some() && ends.boot == boot();
                    let written = is_same.then_some(ends.written);
                    return Found { synced: Some(ends.synced), written, trouble: None };
                }
                Err(why) => trouble = why,
            },
        }
        // A running process may be writing it at this moment.
        std::thread::yield_now();
    }
    let trouble = Some(format!("{HEAD_FILE} is unreadable ({trouble})"));
    Found { trouble, ..Found::default() }
}

fn parse(bytes: &[u8]) -> Result<Ends, String> {
    let bytes = bytes.get(..SIZE).ok_or("it is torn")?;
    let (ends, _): (Ends, _) = checked::open(bytes)?;
    if ends.schema == SCHEMA { Ok(ends) } else { Err(format!("its schema is {}", ends.schema)) }
}

/// This start of the machine; `None` where the system does not tell.
fn boot() -> Option<String> {
    fs::read_to_string(BOOT).ok().map(|id| id.trim().to_owned())
}

/// The file of an opened log.
#[derive(Debug)]
pub(super) struct HeadFile {
    file: File,
    boot: Option<String>,
    is_failing: bool,
}

impl HeadFile {
    /// Opens the file, or makes it, and writes where the log ends now; its name and place are on the
    /// disk when this returns.
    pub(super) fn open(dir: &Path, head: &Anchor, files: [End; 2]) -> io::Result<Self> {
        let path = dir.join(HEAD_FILE);
        let is_new = !path.try_exists()?;
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        let mut head_file = Self { file, boot: boot(), is_failing: false };
        // What an opened log holds was synced when its segments were opened.
        head_file.write(head, head, files)?;
        head_file.file.set_len(SIZE as u64)?;
        if is_new {
            head_file.file.sync_all()?;
            File::open(dir)?.sync_all()?;
        }
        Ok(head_file)
    }

    /// Writes where the log ends. A failure is logged and leaves an older head, which is no harm.
    pub(super) fn put(&mut self, written: &Anchor, synced: &Anchor, files: [End; 2]) {
        let result = self.write(written, synced, files);
        if let Err(error) = &result
            && !self.is_failing
        {
            tracing::warn!(error = error as &dyn std::error::Error, "{HEAD_FILE} is not written");
        }
        self.is_failing = result.is_err();
    }

    fn write(&mut self, written: &Anchor, synced: &Anchor, files: [End; 2]) -> io::Result<()> {
        let (schema, boot) = (SCHEMA.to_owned(), self.boot.clone());
        let ends = Ends { schema, written: *written, synced: *synced, files, boot };
        let mut text = checked::seal(&ends)?;
        let free = SIZE.checked_sub(text.len() + 1);
        let free = free.ok_or_else(|| io::Error::other("the head is larger than its file"))?;
        text.extend(std::iter::repeat_n(' ', free));
        text.push('\n');
        self.file.write_all_at(text.as_bytes(), 0)
    }
}

#[cfg(test)]
mod tests {
    use conclave_domain::record::{Digest, Head};
    use tempfile::TempDir;

    use super::*;

    fn anchor(count: u64) -> Anchor {
        let head = Head { count, hash: Digest::of(&count.to_le_bytes()) };
        Anchor { decisions: head, observations: head, record_hash: head.hash }
    }

    const FILES: [End; 2] =
        [End { segment: u32::MAX, bytes: u64::MAX }, End { segment: 1, bytes: 0 }];

    #[test]
    fn what_was_put_last_is_found_and_what_was_only_written_counts_in_the_same_boot() {
        let dir = TempDir::new().unwrap();
        assert_eq!(read(dir.path()), Found::default());
        let mut file = HeadFile::open(dir.path(), &anchor(3), FILES).unwrap();
        file.put(&anchor(u64::MAX), &anchor(7), FILES);
        assert_eq!(fs::metadata(dir.path().join(HEAD_FILE)).unwrap().len(), SIZE as u64);
        let synced = Some(anchor(7));
        let written = boot().map(|_| anchor(u64::MAX));
        assert_eq!(read(dir.path()), Found { synced, written, trouble: None });
        // Power may have been lost since, or nobody can say.
        for other in [Some("another start".to_owned()), None] {
            file.boot = other;
            file.put(&anchor(u64::MAX), &anchor(7), FILES);
            assert_eq!(read(dir.path()), Found { synced, written: None, trouble: None });
        }
    }

    #[test]
    fn a_torn_or_changed_file_says_nothing_and_why() {
        let dir = TempDir::new().unwrap();
        drop(HeadFile::open(dir.path(), &anchor(3), FILES).unwrap());
        let path = dir.path().join(HEAD_FILE);
        let good = fs::read(&path).unwrap();
        let used = good.iter().rposition(|&byte| byte == b'}').unwrap();
        for at in (0..used).step_by(7) {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, bad).unwrap();
            let found = read(dir.path());
            assert!(found.synced.is_none() && found.trouble.is_some(), "byte {at}");
        }
        for bad in [vec![], vec![0; SIZE], good[..700].to_vec(), vec![0xff; 9 * SIZE]] {
            fs::write(&path, bad).unwrap();
            assert!(read(dir.path()).trouble.unwrap().contains("head.json is unreadable"));
        }
        // The next start writes it anew.
        drop(HeadFile::open(dir.path(), &anchor(4), FILES).unwrap());
        assert_eq!(read(dir.path()).synced, Some(anchor(4)));
    }
}
