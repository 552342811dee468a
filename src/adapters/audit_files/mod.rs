//! The audit's log: chained JSON lines in segment files, written by one plain thread.
//!
//! `audit-000001.jsonl`, `audit-000002.jsonl` … hold the decisions, `observations-….jsonl` what was
//! observed beside them. A group of batches that wait at the same moment costs one `fdatasync`;
//! batches nobody waits for are handed to the operating system at once and ride in the next one.
//!
//! - the chain verifies: a log is checked whole before it is opened, against the head that was
//!   written beside it too. A torn last line is cut and recorded (`log.cut`); any other damage
//!   refuses to open.
//!
//! A full disk refuses a batch and brings the log back to its last good record; the thread goes on.
//! A failed `fdatasync` closes the log until a restart has read it again: what the disk holds is
//! not known after one.

mod checked;
mod head;
mod pruned;
mod read;
mod retain;
mod segment;
mod walk;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use conclave_actors::audit;
use conclave_actors::runtime::ports::{AuditError, AuditSink, Batch, Done, Safety};
use conclave_domain::record::{Anchor, Line, Record, Step, Stream};
use conclave_domain::time::Time;
use serde::Serialize;

pub use head::HEAD_FILE;
pub use pruned::PRUNED_FILE;
use read::Anchors;
pub use read::{
    Follower, Lines, LogError, RawLine, Report, first, has_log, last, lines, replay, verify,
};
use retain::{Floor, Ledger};
use segment::Segment;
use walk::{Walk, Wants};
use writer::{Log, Writer};

/// How a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// A segment that would grow over this many bytes is closed and the next one begun.
    pub segment_bytes: u64,
    /// Segments of each stream that are kept, the growing one among them; 0 keeps all.
    pub keep_segments: u32,
    /// Batches that may wait for the writer.
    pub queue: usize,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, keep_segments: 0, queue: 4_096 }
    }
}

/// A log that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The log.
    pub files: AuditFiles,
    /// Its end.
    pub head: Anchor,
    /// Torn tails that were cut.
    pub cut: Vec<CutTail>,
}

/// A torn last line that was cut when a log was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CutTail {
    /// Whose.
    pub stream: Stream,
    /// The segment's file name.
    pub segment: String,
    /// How much was cut.
    pub bytes: u64,
}

/// The log's writer. Dropping the last handle brings everything to the disk and waits for it.
pub struct AuditFiles {
    queue: Option<SyncSender<Vec<Batch>>>,
    thread: Option<JoinHandle<()>>,
    floor: Arc<Floor>,
}

impl fmt::Debug for AuditFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditFiles")
    }
}

impl AuditFiles {
    /// Checks the log in `dir` (made when missing), cuts a torn tail, and starts the writer.
    /// `anchor` is the log's head as it was kept elsewhere: a log that ends before it was cut.
    ///
    /// # Errors
    /// When the log is damaged, cut or rewritten, or cannot be read or written.
    pub fn open(
        dir: &Path,
        anchor: Option<&Anchor>,
        options: LogOptions,
    ) -> Result<Opened, LogError> {
        Self::open_reading(dir, anchor, options, &|_| false, &mut |_| ())
    }

    /// [`AuditFiles::open`] that hands the decisions that `wants` says to `each`, in order and
    /// verified, so that whoever repairs something from the log need not read it again.
    ///
    /// # Errors
    /// As [`AuditFiles::open`].
    pub fn open_reading(
        dir: &Path,
        anchor: Option<&Anchor>,
        options: LogOptions,
        wants: Wants<'_>,
        each: &mut dyn FnMut(&Line<'_>),
    ) -> Result<Opened, LogError> {
        std::fs::create_dir_all(dir).map_err(|source| LogError::io(dir, source))?;
        let found = head::read(dir);
        if let Some((pruned, _)) = pruned::read(dir)? {
            pruned::sweep(dir, &pruned)?;
        }
        let mut cut = Vec::new();
        let anchors = Anchors::of(&found, anchor);
        let parts = (dir, options, &anchors, &found);
        let (decisions, at) = open_stream(parts, Stream::Decisions, wants, each, &mut cut)?;
        let (observations, _) =
            open_stream(parts, Stream::Observations, &|_| false, &mut |_| (), &mut cut)?;
        if let Some(trouble) = &found.trouble {
            tracing::warn!("{trouble}: the end of the log is what the store's anchor says");
        }
        let floor = Arc::new(Floor::default());
        let writer = Writer::open(dir, [decisions, observations], Arc::clone(&floor));
        let writer = writer.map_err(|source| LogError::io(dir, source))?;
        let head = writer.head();
        let (queue, batches) = sync_channel(options.queue.max(1));
        let thread = std::thread::Builder::new()
            .name("audit-writer".to_owned())
            .spawn(move || writer.run(&batches))
            .map_err(|source| LogError::io(dir, source))?;
        let files = Self { queue: Some(queue), thread: Some(thread), floor };
        let head = files.report(&cut, at)?.unwrap_or(head);
        Ok(Opened { files, head, cut })
    }

    /// Whether more segments are there than are kept, and some would be removed if they were released.
    pub fn is_over(&self) -> bool {
        self.floor.is_over()
    }

    /// Says that no record up to `head` is needed to repair anything: whatever was made of them is on
    /// the disk by itself. Retention removes nothing that was not released.
    pub fn release(&self, head: &Anchor) {
        self.floor.release(head);
    }

    /// Records what was cut, before anybody else writes; the log's end behind that.
    fn report(&self, cut: &[CutTail], at: Time) -> Result<Option<Anchor>, LogError> {
        if cut.is_empty() {
            return Ok(None);
        }
        let records: Result<Vec<Record>, _> =
            cut.iter().map(|tail| audit::record(Step::LogCut, None, at, tail)).collect();
        let records = records.map_err(|error| LogError::Write(error.into()))?;
        let (answer, waiting) = std::sync::mpsc::channel();
        let done = Done::new(move |result| drop(answer.send(result)));
        self.submit(Batch { records, safety: Safety::AllSynced, done });
        let result = waiting.recv().unwrap_or(Err(AuditError::Closed));
        result.map(|committed| Some(committed.head)).map_err(LogError::Write)
    }
}

/// Verifies a stream and opens its last segment; also the time of its last record.
fn open_stream(
    (dir, options, anchors, found): (&Path, LogOptions, &Anchors, &head::Found),
    stream: Stream,
    wants: Wants<'_>,
    each: &mut dyn FnMut(&Line<'_>),
    cut: &mut Vec<CutTail>,
) -> Result<(Log, Time), LogError> {
    let walk = Walk { seals: options.keep_segments > 0, ..anchors.walk(dir, stream, wants, each) };
    let walked = walk.run()?;
    // Before anything is cut: a refusal leaves the log as it is.
    if stream == Stream::Decisions {
        anchors.vouch(dir, found, &walked.verified.head)?;
    }
    if let Some(tail) = &walked.torn {
        tracing::warn!(segment = tail.segment, bytes = tail.bytes, "cutting a torn tail");
        cut.push(tail.clone());
    }
    let (number, limit) = (walked.last_segment, options.segment_bytes);
    let segment = Segment::open(dir, stream, number, walked.good_bytes, limit)
        .map_err(|source| LogError::io(dir, source))?;
    let ledger = Ledger::new(walked.sealed, walked.kept, options.keep_segments);
    let at = walked.last.map_or(Time::EPOCH, |(at, _)| at);
    Ok((Log { chain: walked.chain, segment, ledger }, at))
}

impl AuditSink for AuditFiles {
    fn submit(&self, batch: Batch) {
        self.submit_all(vec![batch]);
    }

    fn submit_all(&self, batches: Vec<Batch>) {
        let Some(queue) = &self.queue else { return };
        match queue.try_send(batches) {
            Ok(()) => {}
            Err(TrySendError::Full(batches)) => {
                for batch in batches {
                    batch.done.answer(Err(AuditError::Busy));
                }
            }
            // The writer is gone; dropping the batches says so.
            Err(TrySendError::Disconnected(batches)) => drop(batches),
        }
    }
}

impl Drop for AuditFiles {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the writer was logged by the panic hook; there is nobody to tell here.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod retain_tests;
#[cfg(test)]
mod tests;
