//! An audit log in memory, chained like the real one, with a disk that can be made to fail or to stall.

use std::sync::{Mutex, MutexGuard, PoisonError};

use conclave_domain::record::{Anchor, Chain, Place, Stream, verify};

use crate::runtime::ports::{AuditError, AuditSink, Batch, Committed, Safety, Written};

/// The log. It writes on the caller's thread and at once, so that paused time stays exact.
#[derive(Debug)]
pub struct MemoryAudit(Mutex<Log>);

#[derive(Debug)]
struct Log {
    chains: [Chain; 2],
    lines: [Vec<String>; 2],
    synced: Anchor,
    /// The number of decisions' lines at each sync.
    syncs: Vec<u64>,
    failure: Option<AuditError>,
    owed: Vec<Batch>,
    stalls: bool,
    waiting: Vec<Batch>,
}

impl Default for MemoryAudit {
    fn default() -> Self {
        let chains = Stream::ALL.map(Chain::new);
        let synced = anchor(&chains);
        let lines = [Vec::new(), Vec::new()];
        let (owed, waiting) = (Vec::new(), Vec::new());
        let log = Log {
            chains,
            lines,
            synced,
            syncs: Vec::new(),
            failure: None,
            owed,
            stalls: false,
            waiting,
        };
        Self(Mutex::new(log))
    }
}

fn anchor([decisions, observations]: &[Chain; 2]) -> Anchor {
    Anchor {
        decisions: decisions.head(),
        observations: observations.head(),
        record_hash: decisions.record_hash(),
    }
}

impl MemoryAudit {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the disk answers with `failure`; `None` mends it.
    pub fn fail(&self, failure: Option<AuditError>) {
        self.log().failure = failure;
    }

    /// The lines of a stream so far.
    pub fn lines(&self, stream: Stream) -> Vec<String> {
        self.log().lines[index(stream)].clone()
    }

    /// The names of the decisions' steps so far, in order.
    pub fn steps(&self) -> Vec<String> {
        let lines = self.lines(Stream::Decisions);
        let value = |line: &String| serde_json::from_str::<serde_json::Value>(line).ok();
        let step = |line| value(line)?.get("step")?.as_str().map(str::to_owned);
        lines.iter().filter_map(step).collect()
    }

    /// The decisions' records so far, in order.
    pub fn records(&self) -> Vec<serde_json::Value> {
        let lines = self.lines(Stream::Decisions);
        lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// From now on batches wait, in order, as on a disk that hangs.
    pub fn stall(&self) {
        self.log().stalls = true;
    }

    /// Writes the batches that wait, and those to come.
    pub fn go_on(&self) {
        let waiting = {
            let mut log = self.log();
            log.stalls = false;
            std::mem::take(&mut log.waiting)
        };
        for batch in waiting {
            self.submit(batch);
        }
    }

    /// How often it was synced.
    pub fn syncs(&self) -> u64 {
        self.log().syncs.len() as u64
    }

    /// How many lines of decisions were on the disk after each sync.
    pub fn synced(&self) -> Vec<u64> {
        self.log().syncs.clone()
    }

    /// Both streams' ends.
    pub fn anchor(&self) -> Anchor {
        anchor(&self.log().chains)
    }

    /// Whether both chains verify.
    pub fn is_sound(&self) -> bool {
        let anchor = self.anchor();
        Stream::ALL.into_iter().all(|stream| {
            let lines = self.lines(stream);
            let lines = lines.iter().map(|line| (Place::default(), line.as_str()));
            verify(stream, lines, Some(anchor.head(stream))).is_ok()
        })
    }
}

const fn index(stream: Stream) -> usize {
    match stream {
        Stream::Decisions => 0,
        Stream::Observations => 1,
    }
}

impl AuditSink for MemoryAudit {
    fn submit(&self, batch: Batch) {
        let mut answers = Vec::new();
        {
            let mut log = self.log();
            if log.stalls {
                log.waiting.push(batch);
                return;
            }
            if let Some(failure) = log.failure.clone() {
                if batch.safety == Safety::Written {
                    log.owed.push(batch);
                } else {
                    answers.push((batch.done, Err(failure)));
                }
            } else {
                let owed = std::mem::take(&mut log.owed);
                for batch in owed.into_iter().chain([batch]) {
                    let (done, committed) = log.write(batch);
                    answers.push((done, Ok(committed)));
                }
            }
        }
        // Outside of the lock: an answer may look at the log.
        for (done, answer) in answers {
            done.answer(answer);
        }
    }
}

impl Log {
    fn write(
        &mut self,
        batch: Batch,
    ) -> (crate::runtime::ports::Done<Committed, AuditError>, Committed) {
        let mut lines = Vec::new();
        for record in &batch.records {
            let stream = record.step().stream();
            let seq = self.line(stream, record, None, &mut lines);
            if let Some(observation) = record.observation() {
                let of = (stream == Stream::Decisions).then_some(seq);
                self.line(Stream::Observations, &observation, of, &mut lines);
            }
        }
        let head = anchor(&self.chains);
        if batch.safety > Safety::Written && self.synced != head {
            self.syncs.push(head.decisions.count);
            self.synced = head;
        }
        (batch.done, Committed { lines, head, synced: self.synced })
    }

    fn line(
        &mut self,
        stream: Stream,
        record: &conclave_domain::record::Record,
        of: Option<u64>,
        lines: &mut Vec<Written>,
    ) -> u64 {
        let mut text = String::new();
        let seq = self.chains[index(stream)].append(record, of, &mut text);
        lines.push(Written { stream, seq, text: text.as_str().into() });
        self.lines[index(stream)].push(text);
        seq
    }
}
