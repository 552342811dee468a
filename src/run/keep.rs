//! The checkpoints of a running replay: what `--resume` goes on from after a kill.
//!
//! Taken between chunks only, when every effect of the bars so far is booked, so that what is stored
//! is the run as of a bar's end and the next bar is the first that is played again.
//!
//! - the chain verifies: while bars are played a second time no checkpoint is taken, and the first
//!   difference to the log ends the try.

use std::ops::Range;
use std::sync::{Arc, Weak};
use std::time::Duration;

use conclave_actors::checkpoint::NoMoment;
use conclave_actors::council::Council;
use conclave_actors::driver::{Advanced, Played, Stations};
use conclave_actors::inline::Attend;
use conclave_actors::pump::PumpError;
use conclave_actors::runtime::compare::{Comparing, Standing};
use conclave_domain::context::BookKind;
use conclave_domain::market::tape::Chunk;
use conclave_domain::policy::caller::Look;
use conclave_domain::record::Anchor;
use conclave_domain::time::Time;
use conclave_domain::watch::{Raised, Seen};
use tokio::time::Instant;

use super::checkpoint::{Taker, Untaken};
use super::lifting::Lifting;
use crate::adapters::audit_files::AuditFiles;

/// How much wall time a kill may cost: what was played since is played again.
const KEEP_EVERY: Duration = Duration::from_millis(250);
/// A large account takes long to store: at most one part in this many of the time goes into it.
const KEEP_SHARE: u32 = 20;

/// When checkpoints are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Before the next chunk: a replay has no idle moment.
    BeforeBars,
    /// Whenever somebody says so: in an open market the time before a bar is the time that counts.
    WhenIdle,
}

/// Stations that take a checkpoint once in [`KEEP_EVERY`], or more seldom where that takes long, and
/// at once where somebody wishes for it.
#[derive(Debug)]
pub(super) struct Keeping {
    kept: Kept,
    stations: Lifting,
    taker: Taker,
    log: Weak<AuditFiles>,
    due: Instant,
    /// The log that is compared, as long as bars are played a second time.
    again: Option<Arc<Comparing>>,
}

impl Keeping {
    pub(super) fn new(
        (stations, kept): (Lifting, Kept),
        taker: Taker,
        again: Option<Arc<Comparing>>,
        log: Weak<AuditFiles>,
    ) -> Self {
        Self { kept, stations, taker, log, due: Instant::now(), again }
    }

    /// From here on bars are new.
    pub(super) fn caught_up(&mut self) {
        self.again = None;
    }

    /// Since when there has been a halt.
    pub(super) const fn halted_at(&self) -> Option<Time> {
        self.stations.halted_at()
    }

    /// Takes a checkpoint, if one is due or wished for.
    pub(super) async fn keep_if_due(&mut self) {
        let is_hurried = self.taker.council.hurry.is_wished();
        if self.again.is_some() || (!is_hurried && Instant::now() < self.due) {
            return;
        }
        let began = Instant::now();
        // Before it is taken: a wish from now on is for another one.
        self.taker.council.hurry.granted();
        let head = self.taker.council.audit.head();
        let taken = self.taker.take(self.stations.halted_at(), None).await;
        if taken.is_ok() {
            release(&self.taker.council, &self.log, &head).await;
        }
        if let Err(error) = taken {
            let source = &error as &dyn std::error::Error;
            if matches!(error, Untaken::No(NoMoment::Busy)) {
                tracing::debug!(error = source, "no checkpoint at this bar");
            } else {
                let text = "a kill from here on goes back to the checkpoint before";
                tracing::error!(error = source, "{text}");
            }
            if is_hurried {
                self.taker.council.hurry.wish();
            }
        }
        self.due = Instant::now() + KEEP_EVERY.max(began.elapsed() * KEEP_SHARE);
    }

    /// Ends a try whose records differ from the log's before it does anything else.
    fn compare(&self) -> Result<(), PumpError> {
        match self.again.as_ref().map(|again| again.standing()) {
            Some(Standing::Differs(difference)) => Err(PumpError::Differs(difference)),
            _ => Ok(()),
        }
    }
}

/// Lets retention remove what nothing is repaired from any more: a checkpoint that stands behind `head`
/// has been stored, and every effect of the records up to there is in the context that is flushed here.
async fn release(council: &Council, log: &Weak<AuditFiles>, head: &Anchor) {
    if let Some(log) = log.upgrade()
        && log.is_over()
        && council.context.flush().await.is_ok()
    {
        log.release(head);
    }
}

impl Stations for Keeping {
    type Event = (BookKind, Attend);
    type Error = PumpError;

    async fn watch(&mut self, chunk: &Arc<Chunk>) -> Result<Seen, PumpError> {
        if self.kept == Kept::BeforeBars {
            self.keep_if_due().await;
        }
        self.stations.watch(chunk).await
    }

    async fn advance(
        &mut self,
        played: &Played,
        slices: Range<usize>,
    ) -> Result<Advanced<Self::Event>, PumpError> {
        self.compare()?;
        self.stations.advance(played, slices).await
    }

    async fn attend(&mut self, event: Self::Event) -> Result<(), PumpError> {
        self.compare()?;
        self.stations.attend(event).await
    }

    async fn decide(&mut self, raised: Raised) -> Result<(), PumpError> {
        self.compare()?;
        self.stations.decide(raised).await
    }

    async fn consider(&mut self, look: Look) -> Result<(), PumpError> {
        self.compare()?;
        self.stations.consider(look).await
    }

    fn reviews(&mut self, chunk: &Arc<Chunk>) -> Vec<usize> {
        self.stations.reviews(chunk)
    }

    async fn review(&mut self, at: Time) -> Result<(), PumpError> {
        self.compare()?;
        self.stations.review(at).await
    }

    fn rest(&mut self) {
        self.stations.rest();
    }

    fn is_stopped(&self) -> bool {
        let is_over = self.again.as_ref().is_some_and(|again| !again.is_comparing());
        is_over || self.stations.is_stopped()
    }
}
