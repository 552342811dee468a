//! The last segment file of a stream: grows by whole lines, or goes back to where it was.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use conclave_domain::record::Stream;

use super::head::End;

/// The name of a stream's nth segment.
pub(super) fn file_name(stream: Stream, number: u32) -> String {
    format!("{}-{number:06}.jsonl", stream.prefix())
}

/// A place to go back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    number: u32,
    len: u64,
}

/// The segment that grows.
#[derive(Debug)]
pub(super) struct Segment {
    dir: PathBuf,
    stream: Stream,
    number: u32,
    file: File,
    /// Bytes in the file.
    len: u64,
    /// Lines that are not yet in the file.
    pending: Vec<u8>,
    /// Whether the file has bytes that were not synced.
    is_dirty: bool,
    limit: u64,
}

impl Segment {
    /// Opens segment `number` and cuts it to `len` bytes; number 0 begins a stream.
    pub(super) fn open(
        dir: &Path,
        stream: Stream,
        number: u32,
        len: u64,
        limit: u64,
    ) -> io::Result<Self> {
        let file = if number == 0 {
            create(dir, stream, 1)?
        } else {
            let path = dir.join(file_name(stream, number));
            let file = OpenOptions::new().append(true).open(path)?;
            if file.metadata()?.len() != len {
                file.set_len(len)?;
            }
            // What an earlier process wrote last may not be on the disk yet.
            file.sync_all()?;
            file
        };
        let (dir, number) = (dir.to_owned(), number.max(1));
        let pending = Vec::with_capacity(1 << 16);
        Ok(Self { dir, stream, number, file, len, pending, is_dirty: false, limit })
    }

    /// Where the stream ends now.
    pub(super) const fn end(&self) -> End {
        End { segment: self.number, bytes: self.len }
    }

    /// Where the file ends now.
    pub(super) const fn mark(&self) -> Mark {
        Mark { number: self.number, len: self.len }
    }

    /// Adds a line; it is in the file after the next [`Segment::write`]. Where it begins a new
    /// segment, returns how many bytes the full one has.
    pub(super) fn push(&mut self, line: &str) -> io::Result<Option<u64>> {
        let grown = self.len + self.pending.len() as u64;
        let is_full = grown > 0 && grown + line.len() as u64 + 1 > self.limit;
        if is_full {
            self.write()?;
            self.rotate()?;
        }
        self.pending.extend_from_slice(line.as_bytes());
        self.pending.push(b'\n');
        Ok(is_full.then_some(grown))
    }

    /// Hands the pending lines to the operating system.
    pub(super) fn write(&mut self) -> io::Result<()> {
        if !self.pending.is_empty() {
            self.is_dirty = true;
            self.file.write_all(&self.pending)?;
            self.len += self.pending.len() as u64;
            self.pending.clear();
        }
        Ok(())
    }

    /// Brings the file's bytes to the disk: one `fdatasync`, or none where nothing is new.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.is_dirty {
            self.file.sync_data()?;
            self.is_dirty = false;
        }
        Ok(())
    }

    /// Forgets what is pending and what was written behind `mark`.
    pub(super) fn go_back(&mut self, mark: Mark) -> io::Result<()> {
        self.pending.clear();
        while self.number > mark.number {
            let path = self.dir.join(file_name(self.stream, self.number));
            fs::remove_file(path)?;
            self.number -= 1;
            let path = self.dir.join(file_name(self.stream, self.number));
            self.file = OpenOptions::new().append(true).open(path)?;
        }
        self.file.set_len(mark.len)?;
        self.len = mark.len;
        self.is_dirty = true;
        Ok(())
    }

    /// Ends this segment, on the disk, and begins the next.
    fn rotate(&mut self) -> io::Result<()> {
        self.sync()?;
        self.file = create(&self.dir, self.stream, self.number + 1)?;
        self.number += 1;
        self.len = 0;
        Ok(())
    }
}

/// Makes a new segment whose name survives the loss of power.
fn create(dir: &Path, stream: Stream, number: u32) -> io::Result<File> {
    let path = dir.join(file_name(stream, number));
    let file = OpenOptions::new().append(true).create_new(true).open(&path)?;
    if let Err(error) = file.sync_all().and_then(|()| File::open(dir)?.sync_all()) {
        fs::remove_file(path)?;
        return Err(error);
    }
    Ok(file)
}
