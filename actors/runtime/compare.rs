//! A log that is played a second time: every decision is compared with the line that stands there.
//!
//! - the chain verifies: what is equal is acknowledged and not written once more, so that the
//!   stream of decisions holds each record once, however often its process was killed.
//! - D-1: same seed, same data, same recorded answers: the comparison is of bytes.
//!
//! A difference is kept, and from then on every batch is refused: nothing is written that does not
//! follow from what stands in the log. Observations are volatile: while lines are compared they are
//! neither compared nor written.

use std::fmt;
use std::iter::Peekable;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conclave_domain::order::DecisionId;
use conclave_domain::record::{Anchor, Digest, Head, Line, Record, Step, Stream};
use conclave_domain::time::Time;

use super::ports::{AuditError, AuditSink, Batch, Committed};

/// A line of decisions as it stands in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its number.
    pub seq: u64,
    /// What it is about.
    pub step: Step,
    /// The decision that it belongs to.
    pub decision: Option<DecisionId>,
    /// Market time.
    pub at: Time,
    /// The body as JSON text.
    pub body: Box<str>,
    /// The hash of its line.
    pub hash: Digest,
}

impl From<&Line<'_>> for Expected {
    fn from(line: &Line<'_>) -> Self {
        Self {
            seq: line.seq,
            step: line.step,
            decision: line.decision.clone(),
            at: line.at,
            body: line.body.into(),
            hash: line.hash,
        }
    }
}

impl Expected {
    /// Whether a record would make the same line.
    pub fn is(&self, record: &Record) -> bool {
        self.step == record.step()
            && self.decision.as_ref() == record.decision()
            && self.at == record.at()
            && *self.body == *record.body()
    }
}

/// The first record that is not the one in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The number of the line.
    pub seq: u64,
    /// What stands in the log; `None` where the log has ended.
    pub expected: Option<Expected>,
    /// What was written this time; `None` where nothing came any more.
    pub actual: Option<Record>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = self.expected.as_ref().map_or("nothing", |line| line.step.name());
        let actual = self.actual.as_ref().map_or("nothing", |record| record.step().name());
        write!(f, "record {}: the log holds {expected}, and now it is {actual}", self.seq)?;
        match (&self.expected, &self.actual) {
            (Some(line), Some(record)) if line.step == record.step() => {
                f.write_str(" of other content")
            }
            _ => Ok(()),
        }
    }
}

/// How far a comparison has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Lines are left; everything was equal so far.
    Comparing,
    /// Every line was met; what comes now is new.
    UsedUp,
    /// Something was not as it stands in the log; nothing is taken any more.
    Differs(Box<Difference>),
}

/// The lines that are to be met.
pub type Lines = Box<dyn Iterator<Item = Expected> + Send>;

/// The decorator. Everything that is equal to the next line is acknowledged; behind the last line
/// batches go on to the log behind it, if there is one, and otherwise are a difference.
pub struct Comparing {
    state: Mutex<State>,
    then: Option<Arc<dyn AuditSink>>,
}

struct State {
    lines: Peekable<Lines>,
    head: Anchor,
    synced: Anchor,
    compared: u64,
    difference: Option<Box<Difference>>,
}

impl fmt::Debug for Comparing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Comparing")
            .field("compared", &state.compared)
            .field("difference", &state.difference)
            .finish_non_exhaustive()
    }
}

/// What becomes of a batch.
enum Fate {
    Acknowledged(Committed),
    Refused(AuditError),
    Through,
}

impl Comparing {
    /// Compares with `lines`. `log` is the end of the whole log that they come from: until the lines
    /// are used up it is what batches are told to be on the disk.
    pub fn new(lines: Lines, log: Anchor, then: Option<Arc<dyn AuditSink>>) -> Self {
        let lines = lines.peekable();
        let state = State { lines, head: log, synced: log, compared: 0, difference: None };
        Self { state: Mutex::new(state), then }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far it has come.
    pub fn standing(&self) -> Standing {
        let mut state = self.lock();
        let is_left = state.lines.peek().is_some();
        match &state.difference {
            Some(difference) => Standing::Differs(difference.clone()),
            None if is_left => Standing::Comparing,
            None => Standing::UsedUp,
        }
    }

    /// Whether lines are left and everything was equal so far.
    pub fn is_comparing(&self) -> bool {
        let mut state = self.lock();
        state.difference.is_none() && state.lines.peek().is_some()
    }

    /// Whether every line was met: what comes now is new.
    pub fn is_used_up(&self) -> bool {
        let mut state = self.lock();
        state.difference.is_none() && state.lines.peek().is_none()
    }

    /// The line that is to be met next, while everything was equal so far.
    pub fn due(&self) -> Option<Expected> {
        let mut state = self.lock();
        if state.difference.is_some() { None } else { state.lines.peek().cloned() }
    }

    /// Lines that were met.
    pub fn compared(&self) -> u64 {
        self.lock().compared
    }

    /// Ends the comparison: lines that nobody wrote this time are a difference too.
    ///
    /// # Errors
    /// The first difference.
    pub fn finish(&self) -> Result<u64, Box<Difference>> {
        let mut state = self.lock();
        if state.difference.is_none()
            && let Some(line) = state.lines.next()
        {
            let seq = line.seq;
            let missing = Difference { seq, expected: Some(line), actual: None };
            state.difference = Some(Box::new(missing));
        }
        state.difference.clone().map_or(Ok(state.compared), Err)
    }

    /// Takes from the batch what is compared; what is left of it is new.
    fn compare(&self, batch: &mut Batch) -> Fate {
        let mut state = self.lock();
        if let Some(difference) = state.difference.as_ref().filter(|_| !batch.records.is_empty()) {
            return Fate::Refused(AuditError::Differs { seq: difference.seq });
        }
        let was_comparing = state.difference.is_some() || state.lines.peek().is_some();
        if !was_comparing && self.then.is_some() {
            return Fate::Through;
        }
        let mut fresh = Vec::new();
        for record in std::mem::take(&mut batch.records) {
            let is_decision = record.step().stream() == Stream::Decisions;
            let used_up = state.lines.peek().is_none();
            if used_up && self.then.is_some() {
                fresh.push(record);
            } else if is_decision && !state.meet(&record) {
                let seq = state.difference.as_ref().map_or(0, |difference| difference.seq);
                return Fate::Refused(AuditError::Differs { seq });
            }
        }
        if !fresh.is_empty() {
            batch.records = fresh;
            return Fate::Through;
        }
        let (head, synced) = (state.head, state.synced);
        Fate::Acknowledged(Committed { lines: Vec::new(), head, synced })
    }
}

impl State {
    /// Steps over the next line if `record` is what stands there.
    fn meet(&mut self, record: &Record) -> bool {
        let expected = self.lines.next();
        if let Some(line) = expected.as_ref().filter(|line| line.is(record)) {
            self.head.decisions = Head { count: line.seq, hash: line.hash };
            self.compared += 1;
            return true;
        }
        let seq = expected.as_ref().map_or(self.head.decisions.count + 1, |line| line.seq);
        let difference = Difference { seq, expected, actual: Some(record.clone()) };
        self.difference = Some(Box::new(difference));
        false
    }
}

impl AuditSink for Comparing {
    fn submit(&self, batch: Batch) {
        self.submit_all(vec![batch]);
    }

    fn submit_all(&self, batches: Vec<Batch>) {
        let mut through = Vec::with_capacity(batches.len());
        for mut batch in batches {
            // Answered outside of the lock: an answer may look at how far this has come.
            match self.compare(&mut batch) {
                Fate::Acknowledged(committed) => batch.done.answer(Ok(committed)),
                Fate::Refused(error) => batch.done.answer(Err(error)),
                Fate::Through => through.push(batch),
            }
        }
        match &self.then {
            Some(then) if !through.is_empty() => then.submit_all(through),
            Some(_) => {}
            None => {
                for batch in through {
                    batch.done.answer(Err(AuditError::Closed));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::record;
    use crate::runtime::ports::{Done, Safety};
    use crate::testkit::memory_audit::MemoryAudit;

    fn digest(nth: i64) -> Record {
        record(Step::SessionDigest, None, Time::from_ms(nth), &nth).unwrap()
    }

    fn write(sink: &dyn AuditSink, records: Vec<Record>) -> Result<Committed, AuditError> {
        let (answer, answered) = std::sync::mpsc::channel();
        let done = Done::new(move |result| drop(answer.send(result)));
        sink.submit(Batch { records, safety: Safety::Synced, done });
        answered.try_recv().unwrap()
    }

    /// A log with the digests of `1..=count`.
    fn log(count: i64) -> Arc<MemoryAudit> {
        let log = Arc::new(MemoryAudit::default());
        write(log.as_ref(), (1..=count).map(digest).collect()).unwrap();
        log
    }

    fn lines(log: &MemoryAudit) -> Lines {
        let texts = log.lines(Stream::Decisions).into_iter();
        let read = |text: String| Expected::from(&Line::read(&text).unwrap());
        Box::new(texts.map(read).collect::<Vec<_>>().into_iter())
    }

    /// D-1, A-2: what stands there already is acknowledged with its own place, what comes behind it
    /// is written, even where both are in one batch.
    #[test]
    fn what_stands_in_the_log_is_not_written_again_and_what_follows_is() {
        let log = log(3);
        let whole = log.anchor();
        let comparing = Comparing::new(lines(&log), whole, Some(log.clone()));
        let first = write(&comparing, vec![digest(1)]).unwrap();
        assert_eq!((first.head.decisions.count, first.synced), (1, whole));
        assert_eq!(write(&comparing, Vec::new()).unwrap().head.decisions.count, 1);
        assert_eq!(comparing.standing(), Standing::Comparing);
        assert_eq!(comparing.due().map(|line| line.seq), Some(2));
        let mixed = write(&comparing, vec![digest(2), digest(3), digest(4)]).unwrap();
        assert_eq!((mixed.head.decisions.count, mixed.lines.len()), (4, 1));
        assert_eq!((comparing.standing(), comparing.compared()), (Standing::UsedUp, 3));
        assert_eq!(comparing.finish(), Ok(3));
        assert_eq!(log.lines(Stream::Decisions).len(), 4);
        assert!(log.is_sound());
    }

    #[test]
    fn behind_a_difference_nothing_is_taken_any_more() {
        let log = log(2);
        let comparing = Comparing::new(lines(&log), log.anchor(), Some(log.clone()));
        write(&comparing, vec![digest(1)]).unwrap();
        let refused = write(&comparing, vec![digest(7)]).unwrap_err();
        assert_eq!(refused, AuditError::Differs { seq: 2 });
        assert_eq!(write(&comparing, vec![digest(2)]).unwrap_err(), refused);
        assert!(write(&comparing, Vec::new()).is_ok(), "there is nothing to sync");
        assert!(!comparing.is_comparing() && !comparing.is_used_up());
        let Standing::Differs(difference) = comparing.standing() else { panic!("{comparing:?}") };
        assert_eq!(difference.actual, Some(digest(7)));
        assert!(difference.to_string().contains("record 2"), "{difference}");
        assert_eq!(log.lines(Stream::Decisions).len(), 2);
    }

    #[test]
    fn without_a_log_behind_it_more_and_less_than_there_is_are_differences() {
        let log = log(1);
        let end = log.anchor();
        let more = Comparing::new(lines(&log), end, None);
        write(&more, vec![digest(1)]).unwrap();
        assert_eq!(write(&more, vec![digest(2)]).unwrap_err(), AuditError::Differs { seq: 2 });
        assert_eq!(more.finish().unwrap_err().expected, None);
        let less = Comparing::new(lines(&log), end, None);
        assert_eq!(less.finish().unwrap_err().actual, None);
    }

    #[test]
    fn observations_are_neither_compared_nor_written() {
        let log = log(1);
        let comparing = Comparing::new(lines(&log), log.anchor(), Some(log.clone()));
        let seen = record(Step::AgentRestarted, None, Time::EPOCH, &1).unwrap();
        write(&comparing, vec![seen.clone()]).unwrap();
        assert!(log.lines(Stream::Observations).is_empty());
        write(&comparing, vec![digest(1)]).unwrap();
        write(&comparing, vec![seen]).unwrap();
        assert_eq!(log.lines(Stream::Observations).len(), 1);
    }
}
