//! When segments are removed: as many are kept as was asked for, and whatever a start may still need.
//!
//! A segment may go once it is full, more than the kept ones follow it, and every record in it has been
//! released: whatever is repaired from the log (the context, a checkpoint) has it on the disk by itself.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use conclave_domain::record::{Anchor, Chain, Step, Stream};
use conclave_domain::time::Time;

use super::pruned::{Kept, Sealed, prune};
use super::read::LogError;

/// What the writer and whoever releases records tell each other.
#[derive(Debug, Default)]
pub(super) struct Floor {
    decisions: AtomicU64,
    observations: AtomicU64,
    /// Whether segments wait to be released.
    is_over: AtomicBool,
}

impl Floor {
    /// Nothing up to `head` is needed any more.
    pub(super) fn release(&self, head: &Anchor) {
        self.decisions.fetch_max(head.decisions.count, Ordering::AcqRel);
        self.observations.fetch_max(head.observations.count, Ordering::AcqRel);
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    fn of(&self, stream: Stream) -> u64 {
        let floor = match stream {
            Stream::Decisions => &self.decisions,
            Stream::Observations => &self.observations,
        };
        floor.load(Ordering::Acquire)
    }
}

/// The full segments of one stream, oldest first, and what has to be kept of the growing one.
#[derive(Debug)]
pub(super) struct Ledger {
    sealed: VecDeque<Sealed>,
    kept: Kept,
    /// Segments to keep, the growing one among them; 0 keeps all.
    keep: usize,
}

/// A place to go back to.
#[derive(Debug)]
pub(super) struct Page {
    sealed: usize,
    kept: Kept,
}

impl Ledger {
    pub(super) fn new(sealed: Vec<Sealed>, kept: Kept, keep: u32) -> Self {
        let keep = usize::try_from(keep).unwrap_or(usize::MAX);
        Self { sealed: sealed.into(), kept, keep }
    }

    /// Whether anything is ever removed.
    pub(super) const fn prunes(&self) -> bool {
        self.keep > 0
    }

    /// Takes notice of a line that is in the growing segment now.
    pub(super) fn see(&mut self, step: Step, text: &str) {
        if self.prunes() {
            self.kept.see(step, text);
        }
    }

    /// The growing segment is full: `end` is the chain behind its last line.
    pub(super) fn seal(&mut self, number: u32, bytes: u64, end: Chain) {
        let kept = std::mem::take(&mut self.kept);
        self.sealed.push_back(Sealed { number, bytes, end, kept });
    }

    pub(super) fn page(&self) -> Page {
        Page { sealed: self.sealed.len(), kept: self.kept.clone() }
    }

    /// Forgets what came behind `page`.
    pub(super) fn go_back(&mut self, page: Page) {
        self.sealed.truncate(page.sealed);
        self.kept = page.kept;
    }

    /// How many segments are more than the kept ones.
    fn over(&self) -> usize {
        if self.prunes() { (self.sealed.len() + 1).saturating_sub(self.keep) } else { 0 }
    }

    /// How many of them are released.
    fn free(&self, floor: u64) -> usize {
        let over = self.sealed.iter().take(self.over());
        over.take_while(|sealed| sealed.end.head().count <= floor).count()
    }
}

/// Removes what may go. A failure is logged, and it is tried again behind the next group.
#[derive(Debug)]
pub(super) struct Retention {
    dir: PathBuf,
    floor: std::sync::Arc<Floor>,
    now: fn() -> Time,
    is_failing: bool,
}

impl Retention {
    pub(super) fn new(dir: &Path, floor: std::sync::Arc<Floor>, now: fn() -> Time) -> Self {
        Self { dir: dir.to_owned(), floor, now, is_failing: false }
    }

    pub(super) fn run(&mut self, ledgers: [&mut Ledger; 2]) {
        let [decisions, observations] = ledgers;
        let free = [
            decisions.free(self.floor.of(Stream::Decisions)),
            observations.free(self.floor.of(Stream::Observations)),
        ];
        if free != [0, 0] {
            let full = [decisions.sealed.make_contiguous(), observations.sealed.make_contiguous()];
            let done = prune(&self.dir, [&full[0][..free[0]], &full[1][..free[1]]], (self.now)());
            self.tell(&done, free);
            // A summary that stands is gone on with even where a file could not be removed.
            if done.is_ok() {
                decisions.sealed.drain(..free[0]);
                observations.sealed.drain(..free[1]);
            }
        }
        let is_over = decisions.over() + observations.over() > 0;
        self.floor.is_over.store(is_over, Ordering::Release);
    }

    fn tell(&mut self, done: &Result<(), LogError>, [decisions, observations]: [usize; 2]) {
        match done {
            Ok(()) => tracing::info!(decisions, observations, "segments removed by retention"),
            Err(error) if !self.is_failing => {
                tracing::warn!(error = error as &dyn std::error::Error, "retention has failed");
            }
            Err(_) => {}
        }
        self.is_failing = done.is_err();
    }
}
