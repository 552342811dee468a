//! The sink of a repetition: what is written goes to a scratch log, and beside that it is compared
//! with the run's own log, record by record.
//!
//! Nothing is synced but at the end: nobody needs a scratch log after a loss of power.
//!
//! - D-1: only decisions are compared; observations hold wall times and may differ.

use std::sync::Arc;

use conclave_actors::runtime::compare::{Comparing, Difference, Expected, Lines, Standing};
use conclave_actors::runtime::ports::{AuditSink, Batch, Done, Safety};
use conclave_domain::record::{Anchor, Step};

/// What a repetition is compared with. It outlives the sessions of a run; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Comparison {
    with: Arc<Comparing>,
    /// Whether the log ends in the middle, because its process was killed or goes on.
    is_open: bool,
}

impl Comparison {
    /// Compares with these lines of the log that ends at `log`. What comes behind the last of them is
    /// a difference unless the log `is_open`.
    pub(crate) fn new(lines: Lines, log: Anchor, is_open: bool) -> Self {
        let lines = Box::new(lines.map(of_this_version));
        let with = Arc::new(Comparing::new(lines, log, None));
        Self { with, is_open }
    }

    /// How many records were the same so far.
    pub(crate) fn same(&self) -> u64 {
        self.with.compared()
    }

    /// The line that comes next, unless the log is at its end or differs already.
    pub(crate) fn due(&self) -> Option<Expected> {
        self.with.due()
    }

    /// What differs.
    pub(crate) fn difference(&self) -> Option<Difference> {
        let Standing::Differs(difference) = self.with.standing() else { return None };
        // Behind the end of an open log there is nothing to differ from.
        let is_new = self.is_open && difference.expected.is_none();
        (!is_new).then_some(*difference)
    }

    /// Whether there is no use in going on: something differs, or an open log is at its end.
    pub(crate) fn is_settled(&self) -> bool {
        match self.with.standing() {
            Standing::Comparing => false,
            Standing::UsedUp => self.is_open,
            Standing::Differs(_) => true,
        }
    }

    /// The repetition is over: what the log still holds is a difference.
    pub(crate) fn finish(&self) {
        // The difference is asked for by those who tell of it.
        let _ = self.with.finish();
    }
}

/// A header says which version wrote it, which is no part of the record hash: another one is no
/// difference.
fn of_this_version(mut line: Expected) -> Expected {
    if line.step == Step::RunStarted
        && let Ok(mut body) = serde_json::from_str::<serde_json::Value>(&line.body)
        && let Some(version) = body.get_mut("version")
        && *version != env!("CARGO_PKG_VERSION")
    {
        *version = env!("CARGO_PKG_VERSION").into();
        line.body = body.to_string().into();
    }
    line
}

/// The sink of one session of a repetition.
#[derive(Debug)]
pub(crate) struct Scratch {
    inner: Arc<dyn AuditSink>,
    /// What a what-if is compared with: nothing.
    with: Option<Comparison>,
}

impl Scratch {
    /// A sink before a scratch log.
    pub(crate) fn new(inner: Arc<dyn AuditSink>, with: Option<Comparison>) -> Self {
        Self { inner, with }
    }
}

impl AuditSink for Scratch {
    fn submit(&self, mut batch: Batch) {
        if let Some(Comparison { with, .. }) = &self.with {
            let records = batch.records.clone();
            with.submit(Batch { records, safety: Safety::Written, done: Done::new(|_| ()) });
        }
        if batch.safety == Safety::Synced {
            batch.safety = Safety::Written;
        }
        self.inner.submit(batch);
    }
}

#[cfg(test)]
mod tests {
    use conclave_actors::audit::record;
    use conclave_actors::testkit::memory_audit::MemoryAudit;
    use conclave_domain::record::{Chain, Line, Record};
    use conclave_domain::time::Time;
    use serde_json::json;

    use super::*;

    fn digest(nth: i64) -> Record {
        record(Step::SessionDigest, None, Time::from_ms(nth), &nth).unwrap()
    }

    /// The log of these records.
    fn log(records: &[Record]) -> Lines {
        let mut chain = Chain::new(conclave_domain::record::Stream::Decisions);
        let mut lines = Vec::new();
        for record in records {
            let mut text = String::new();
            chain.append(record, None, &mut text);
            lines.push(Expected::from(&Line::read(&text).unwrap()));
        }
        Box::new(lines.into_iter())
    }

    fn comparison(records: &[Record], is_open: bool) -> (Comparison, Arc<MemoryAudit>, Scratch) {
        let inner = Arc::new(MemoryAudit::default());
        let with = Comparison::new(log(records), inner.anchor(), is_open);
        let sink = Scratch::new(inner.clone(), Some(with.clone()));
        (with, inner, sink)
    }

    fn write(scratch: &Scratch, records: Vec<Record>) {
        scratch.submit(Batch { records, safety: Safety::Synced, done: Done::new(|_| ()) });
    }

    #[test]
    fn the_first_record_that_is_not_the_same_is_told_and_everything_is_handed_on() {
        let (with, inner, sink) = comparison(&[digest(1), digest(2), digest(3)], false);
        write(&sink, vec![digest(1)]);
        assert_eq!((with.same(), with.due().map(|line| line.seq)), (1, Some(2)));
        write(&sink, vec![digest(9), digest(3)]);
        let difference = with.difference().unwrap();
        assert_eq!((difference.seq, difference.actual), (2, Some(digest(9))));
        assert_eq!((with.same(), inner.steps().len(), inner.syncs()), (1, 3, 0));
        assert!(with.is_settled() && with.due().is_none());
    }

    #[test]
    fn a_log_that_ends_in_the_middle_differs_from_nothing_that_comes_behind() {
        let (with, _, sink) = comparison(&[digest(1)], true);
        assert!(!with.is_settled());
        write(&sink, vec![digest(1)]);
        assert!(with.is_settled());
        write(&sink, vec![digest(2)]);
        assert_eq!((with.same(), with.difference(), with.is_settled()), (1, None, true));
        let (with, _, sink) = comparison(&[digest(1)], false);
        write(&sink, vec![digest(1), digest(2)]);
        assert_eq!(with.difference().unwrap().expected, None);
    }

    #[test]
    fn a_header_may_be_of_another_version_and_of_nothing_else() {
        let header = |version: &str, seed: u64| {
            let body = json!({"seed": seed, "version": version});
            record(Step::RunStarted, None, Time::EPOCH, &body).unwrap()
        };
        for (seed, same) in [(1, 1), (2, 0)] {
            let (with, _, sink) = comparison(&[header("0.0.9", 1)], false);
            write(&sink, vec![header(env!("CARGO_PKG_VERSION"), seed)]);
            assert_eq!(with.same(), same);
        }
    }
}
