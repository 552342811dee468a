//! The accounts of a running replay, stored now and then: what `--resume` goes on from after a kill.
//!
//! Stored between chunks only, when every effect of the bars so far is booked, so that what is stored
//! is the account as of a bar's end and the next bar is the first that is played again.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use conclave_actors::broker::Account;
use conclave_actors::council::Council;
use conclave_actors::driver::{Advanced, Played, Stations};
use conclave_actors::pump::PumpError;
use conclave_domain::context::{BookKind, Lasting};
use conclave_domain::market::tape::Chunk;
use conclave_domain::watch::{Raised, Seen};
use tokio::time::Instant;

use super::world::ACCOUNTS;
use crate::cli::error::{CliError, ExitCode};

/// How much wall time a kill may cost: what was played since is played again.
const KEEP_EVERY: Duration = Duration::from_secs(1);
/// A long curve takes long to store: at most one part in this many of the time goes into it.
const KEEP_SHARE: u32 = 20;

/// Stores the accounts; they are on the disk when this returns.
pub(super) async fn keep(
    council: &Council,
    accounts: &BTreeMap<BookKind, Account>,
) -> Result<(), CliError> {
    let kept = council.context.keep(ACCOUNTS, accounts, Lasting::AtOnce).await;
    kept.map_err(|error| {
        CliError::new(ExitCode::Failure, "the accounts were not stored").caused_by(error)
    })
}

/// Stations that store the accounts once in [`KEEP_EVERY`], or more seldom where that takes long.
#[derive(Debug)]
pub(super) struct Keeping<S> {
    stations: S,
    council: Council,
    due: Instant,
}

impl<S> Keeping<S> {
    pub(super) fn new(stations: S, council: Council) -> Self {
        Self { stations, council, due: Instant::now() + KEEP_EVERY }
    }

    async fn keep_if_due(&mut self) {
        if Instant::now() < self.due {
            return;
        }
        let began = Instant::now();
        // A broker that is gone ends the run in the next step.
        let Ok(accounts) = self.council.broker.export().await else { return };
        if let Err(error) = keep(&self.council, &accounts).await {
            tracing::error!(%error, "a kill from here on goes back to the accounts stored before");
        }
        self.due = Instant::now() + KEEP_EVERY.max(began.elapsed() * KEEP_SHARE);
    }
}

impl<S: Stations<Error = PumpError>> Stations for Keeping<S> {
    type Event = S::Event;
    type Error = PumpError;

    async fn watch(&mut self, chunk: &Arc<Chunk>) -> Result<Seen, PumpError> {
        self.keep_if_due().await;
        self.stations.watch(chunk).await
    }

    async fn advance(
        &mut self,
        played: &Played,
        slices: Range<usize>,
    ) -> Result<Advanced<S::Event>, PumpError> {
        self.stations.advance(played, slices).await
    }

    async fn attend(&mut self, event: S::Event) -> Result<(), PumpError> {
        self.stations.attend(event).await
    }

    async fn decide(&mut self, raised: Raised) -> Result<(), PumpError> {
        self.stations.decide(raised).await
    }

    fn is_stopped(&self) -> bool {
        self.stations.is_stopped()
    }
}
