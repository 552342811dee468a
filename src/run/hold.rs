//! The context's disk while bars are played a second time: nothing reaches it before the first record
//! that is new.
//!
//! - C-1: an acknowledged context update survives `kill -9`: what is held back stands in the log or in
//!   the store already, from the first time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use conclave_actors::runtime::compare::Comparing;
use conclave_actors::runtime::ports::{Commit, ContextSink};
use conclave_domain::context::{Part, PartKey};

/// A sink that keeps commits back until everything in the log was met again; where something differs,
/// they are never written.
#[derive(Debug)]
pub(super) struct Holding {
    disk: Arc<dyn ContextSink>,
    until: Arc<Comparing>,
    held: Mutex<BTreeMap<PartKey, Part>>,
}

impl Holding {
    pub(super) fn new(disk: Arc<dyn ContextSink>, until: Arc<Comparing>) -> Self {
        Self { disk, until, held: Mutex::default() }
    }
}

impl ContextSink for Holding {
    fn submit(&self, mut commit: Commit) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if self.until.is_used_up() {
            for part in std::mem::take(&mut commit.parts) {
                held.insert(part.key.clone(), part);
            }
            commit.parts = std::mem::take(&mut *held).into_values().collect();
            // Under the lock, so that no later commit overtakes this one; it never blocks.
            self.disk.submit(commit);
            return;
        }
        for part in commit.parts {
            held.insert(part.key.clone(), part);
        }
        drop(held);
        commit.done.answer(Ok(()));
    }
}
