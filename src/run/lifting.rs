//! The lifting of a drawdown halt in a replay.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use conclave_actors::driver::{Advanced, Played, Stations};
use conclave_actors::inline::Attend;
use conclave_actors::pump::{Pump, PumpError};
use conclave_domain::brief::trading::TradingState;
use conclave_domain::context::BookKind;
use conclave_domain::market::tape::Chunk;
use conclave_domain::mode::{By, Person};
use conclave_domain::policy::caller::Look;
use conclave_domain::time::Time;
use conclave_domain::watch::{Raised, Seen};

use super::clock::Replay;

/// A pump that lifts a drawdown halt after some market time, as if a person had ordered it, if that
/// was asked for.
#[derive(Debug)]
pub(super) struct Lifting {
    pump: Pump<Replay>,
    after: Option<Duration>,
    halted_at: Option<Time>,
}

impl Lifting {
    /// `halted_at` is since when there has been a halt, where a run goes on within one.
    pub(super) const fn new(
        pump: Pump<Replay>,
        after: Option<Duration>,
        halted_at: Option<Time>,
    ) -> Self {
        Self { pump, after, halted_at }
    }

    /// Since when there has been a halt.
    pub(super) const fn halted_at(&self) -> Option<Time> {
        self.halted_at
    }
}

impl Stations for Lifting {
    type Event = (BookKind, Attend);
    type Error = PumpError;

    async fn watch(&mut self, chunk: &Arc<Chunk>) -> Result<Seen, PumpError> {
        self.pump.watch(chunk).await
    }

    async fn advance(
        &mut self,
        played: &Played,
        slices: Range<usize>,
    ) -> Result<Advanced<Self::Event>, PumpError> {
        let advanced = self.pump.advance(played, slices).await?;
        let Some(after) = self.after else { return Ok(advanced) };
        let council = &self.pump.council;
        let now = council.broker.view().at;
        if council.safety.standing().trading_state != TradingState::Halted {
            self.halted_at = None;
        } else if now.since(*self.halted_at.get_or_insert(now)) >= after {
            let by = By::Person(Person::authenticated("operator", "--lift-halt-after"));
            let set = council.safety.set_state(TradingState::Active, by, "--lift-halt-after").await;
            if set.is_ok() {
                council.broker.halt_lifted();
                self.halted_at = None;
            }
        }
        Ok(advanced)
    }

    async fn attend(&mut self, event: Self::Event) -> Result<(), PumpError> {
        self.pump.attend(event).await
    }

    async fn decide(&mut self, raised: Raised) -> Result<(), PumpError> {
        self.pump.decide(raised).await
    }

    async fn consider(&mut self, look: Look) -> Result<(), PumpError> {
        self.pump.consider(look).await
    }

    fn reviews(&mut self, chunk: &Arc<Chunk>) -> Vec<usize> {
        self.pump.reviews(chunk)
    }

    async fn review(&mut self, at: Time) -> Result<(), PumpError> {
        self.pump.review(at).await
    }

    fn rest(&mut self) {
        self.pump.rest();
    }

    fn is_stopped(&self) -> bool {
        self.pump.is_stopped()
    }
}
