//! The writer's thread: takes what waits, writes it as one group, syncs once, answers everybody.

use std::io;
use std::mem;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use conclave_actors::runtime::ports::{AuditError, Batch, Committed, Safety, Written};
use conclave_domain::record::{Anchor, Chain, Record, Stream};

use super::head::{End, HeadFile};
use super::retain::{Floor, Ledger, Page, Retention};
use super::segment::{Mark, Segment};
use crate::adapters::clock::now;

/// Batches that are written as one group.
const GROUP_MAX: usize = 256;

/// A stream's chain, its last segment, and what retention knows of the others.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) chain: Chain,
    pub(super) segment: Segment,
    pub(super) ledger: Ledger,
}

/// Owns both streams.
#[derive(Debug)]
pub(super) struct Writer {
    decisions: Log,
    observations: Log,
    /// What is known to be on the disk.
    synced: Anchor,
    /// Says beside the log where it ends.
    head_file: HeadFile,
    retention: Retention,
    /// Batches nobody waits for that could not be written yet.
    owed: Vec<Batch>,
    /// Why nothing is written any more.
    broken: Option<String>,
    /// The line being written; kept to save allocations.
    line: String,
}

impl Writer {
    /// A writer behind what is there, all of which is on the disk.
    pub(super) fn open(
        dir: &Path,
        [decisions, observations]: [Log; 2],
        floor: Arc<Floor>,
    ) -> io::Result<Self> {
        let synced = ends(&decisions, &observations);
        let head_file = HeadFile::open(dir, &synced, files(&decisions, &observations))?;
        Ok(Self {
            decisions,
            observations,
            synced,
            head_file,
            retention: Retention::new(dir, floor, now),
            owed: Vec::new(),
            broken: None,
            line: String::new(),
        })
    }

    pub(super) fn head(&self) -> Anchor {
        ends(&self.decisions, &self.observations)
    }

    /// Writes until every sender is gone, then brings everything to the disk.
    pub(super) fn run(mut self, batches: &Receiver<Vec<Batch>>) {
        while let Ok(first) = batches.recv() {
            let mut group = mem::take(&mut self.owed);
            group.extend(first);
            while group.len() < GROUP_MAX
                && let Ok(more) = batches.try_recv()
            {
                group.extend(more);
            }
            self.commit(group);
        }
        let owed = mem::take(&mut self.owed);
        self.commit(owed);
        if self.broken.is_none()
            && let Err(error) = self.sync(Safety::AllSynced)
        {
            tracing::error!(error = &error as &dyn std::error::Error, "the audit was not synced");
        }
        self.tell_head();
    }

    /// Writes beside the log where it ends.
    fn tell_head(&mut self) {
        if self.broken.is_none() {
            let files = files(&self.decisions, &self.observations);
            self.head_file.put(&self.head(), &self.synced, files);
        }
    }

    /// Writes a group and answers each of its batches.
    fn commit(&mut self, group: Vec<Batch>) {
        if let Some(what) = &self.broken {
            let broken = AuditError::Broken { what: what.clone() };
            for batch in group {
                batch.done.answer(Err(broken.clone()));
            }
            return;
        }
        let marks = (self.decisions.mark(), self.observations.mark());
        let mut lines = Vec::new();
        let safety = group.iter().map(|batch| batch.safety).max().unwrap_or(Safety::Offered);
        match self.write(&group, &mut lines) {
            Ok(parts) => match self.sync(safety) {
                Ok(()) => {
                    // After the sync, so that the head is never ahead of the log; before the answers, so
                    // that what somebody was told of is missed where it is cut.
                    self.tell_head();
                    self.answer(group, lines, parts);
                    let ledgers = [&mut self.decisions.ledger, &mut self.observations.ledger];
                    self.retention.run(ledgers);
                }
                // What the disk holds after a failed sync is not known, so nothing is kept.
                Err(error) => self.break_off(group, &error),
            },
            Err(error) => {
                let back = self.decisions.go_back(marks.0);
                match back.and_then(|()| self.observations.go_back(marks.1)) {
                    Ok(()) => self.refuse(group, &error),
                    Err(error) => self.break_off(group, &error),
                }
            }
        }
    }

    /// Writes every record of the group into the segments; says which lines belong to which batch.
    fn write(
        &mut self,
        group: &[Batch],
        lines: &mut Vec<Written>,
    ) -> io::Result<Vec<(Range<usize>, Anchor)>> {
        let mut parts = Vec::with_capacity(group.len());
        for batch in group {
            let start = lines.len();
            for record in &batch.records {
                let stream = record.step().stream();
                let seq = self.push(stream, record, None, lines)?;
                if let Some(observation) = record.observation() {
                    let of = (stream == Stream::Decisions).then_some(seq);
                    self.push(Stream::Observations, &observation, of, lines)?;
                }
            }
            parts.push((start..lines.len(), self.head()));
        }
        self.decisions.segment.write()?;
        self.observations.segment.write()?;
        Ok(parts)
    }

    fn push(
        &mut self,
        stream: Stream,
        record: &Record,
        of: Option<u64>,
        lines: &mut Vec<Written>,
    ) -> io::Result<u64> {
        let log = match stream {
            Stream::Decisions => &mut self.decisions,
            Stream::Observations => &mut self.observations,
        };
        let before = log.ledger.prunes().then(|| (log.segment.end(), log.chain.clone()));
        let seq = log.chain.append(record, of, &mut self.line);
        let full = log.segment.push(&self.line)?;
        if let (Some(bytes), Some((end, chain))) = (full, before) {
            log.ledger.seal(end.segment, bytes, chain);
        }
        log.ledger.see(record.step(), &self.line);
        lines.push(Written { stream, seq, text: self.line.as_str().into() });
        Ok(seq)
    }

    fn sync(&mut self, safety: Safety) -> io::Result<()> {
        let head = self.head();
        if safety >= Safety::Synced {
            self.decisions.segment.sync()?;
            self.synced.decisions = head.decisions;
            self.synced.record_hash = head.record_hash;
        }
        if safety >= Safety::AllSynced {
            self.observations.segment.sync()?;
            self.synced.observations = head.observations;
        }
        Ok(())
    }

    fn answer(&self, group: Vec<Batch>, lines: Vec<Written>, parts: Vec<(Range<usize>, Anchor)>) {
        let mut lines = lines.into_iter();
        let (plain, written): (Vec<_>, Vec<_>) =
            group.into_iter().zip(parts).partition(|(batch, _)| batch.records.is_empty());
        // Whoever waits for a sync alone goes on while the others' lines are told to whoever watches.
        for (batch, (range, head)) in plain.into_iter().chain(written) {
            let lines = lines.by_ref().take(range.len()).collect();
            batch.done.answer(Ok(Committed { lines, head, synced: self.synced }));
        }
    }

    /// The log is where it was before the group: whoever waits hears why, the rest is kept.
    fn refuse(&mut self, group: Vec<Batch>, error: &io::Error) {
        let refused = match error.kind() {
            // The last is a limit of the process (`ulimit -f`), which can be raised as well.
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => AuditError::DiskFull,
            _ => AuditError::Disk { what: error.to_string() },
        };
        for batch in group {
            if batch.safety == Safety::Written {
                self.owed.push(batch);
            } else {
                batch.done.answer(Err(refused.clone()));
            }
        }
    }

    fn break_off(&mut self, group: Vec<Batch>, error: &io::Error) {
        let what = error.to_string();
        tracing::error!(error = error as &dyn std::error::Error, "the audit is closed");
        let broken = AuditError::Broken { what: what.clone() };
        self.broken = Some(what);
        for batch in group {
            batch.done.answer(Err(broken.clone()));
        }
    }
}

impl Log {
    fn mark(&self) -> (Chain, Mark, Page) {
        (self.chain.clone(), self.segment.mark(), self.ledger.page())
    }

    /// Forgets what came behind a mark.
    fn go_back(&mut self, (chain, mark, page): (Chain, Mark, Page)) -> io::Result<()> {
        self.chain = chain;
        self.ledger.go_back(page);
        self.segment.go_back(mark)
    }
}

fn files(decisions: &Log, observations: &Log) -> [End; 2] {
    [decisions.segment.end(), observations.segment.end()]
}

fn ends(decisions: &Log, observations: &Log) -> Anchor {
    Anchor {
        decisions: decisions.chain.head(),
        observations: observations.chain.head(),
        record_hash: decisions.chain.record_hash(),
    }
}
