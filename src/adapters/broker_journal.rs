//! What the simulated broker has seen, in a file beside the run: one JSON line per order and fill.
//!
//! An instrument of tests, apart from the audit and sharing no code with it: whoever kills a run can
//! compare the two. Lines are appended as they happen and never taken back, so that an order which a
//! resumed run brings about a second time stands there twice.
//!
//! - O-2: one intent, at most one live order: what this file shows can be checked by anybody.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use conclave_actors::runtime::ports::BrokerWitness;
use conclave_domain::context::BookKind;
use conclave_domain::custody::Happening;
use serde::Serialize;

/// The file. Cheap: a line is one short write, which waits for no disk.
#[derive(Debug)]
pub struct BrokerJournal(Mutex<File>);

#[derive(Serialize)]
struct Seen<'a> {
    book: BookKind,
    #[serde(flatten)]
    what: &'a Happening,
}

impl BrokerJournal {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self(Mutex::new(file)))
    }
}

impl BrokerWitness for BrokerJournal {
    fn saw(&self, book: BookKind, happened: &[Happening]) {
        let is_seen = |what: &&Happening| {
            matches!(what, Happening::Submitted { .. } | Happening::Filled { .. })
        };
        let mut lines = Vec::new();
        for what in happened.iter().filter(is_seen) {
            if let Err(error) = serde_json::to_writer(&mut lines, &Seen { book, what }) {
                tracing::error!(%error, "the broker's journal has no words for this");
            }
            lines.push(b'\n');
        }
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(&lines) {
            tracing::error!(%error, "the broker's journal was not written");
        }
    }
}

#[cfg(test)]
mod tests {
    use conclave_domain::fixed::Money;
    use conclave_domain::ratio::Ratio;
    use conclave_domain::time::Time;

    use super::*;

    #[test]
    fn marks_are_not_written_and_a_second_process_appends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        std::fs::write(&path, "{}\n").unwrap();
        let journal = BrokerJournal::open(&path).unwrap();
        let point = conclave_domain::custody::EquityPoint {
            at: Time::EPOCH,
            equity: Money::ZERO,
            cash: Money::ZERO,
            exposure: Ratio::ZERO,
            drawdown: Ratio::ZERO,
        };
        journal.saw(BookKind::Shadow, &[Happening::Marked(point)]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{}\n");
    }
}
