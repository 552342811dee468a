//! The clock and the rhythm of a replay: market time follows the bars, wall time stays the system's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use conclave_actors::pump::Rhythm;
use conclave_actors::runtime::compare::Comparing;
use conclave_actors::runtime::ports::Clock;
use conclave_domain::market::tape::Chunk;
use conclave_domain::time::Time;

use crate::adapters::clock::now;
use crate::cli::progress::Progress;

/// Market time: of a replay the last bar's, of an open market that of the wall.
#[derive(Debug, Default)]
pub(super) struct ReplayClock {
    trading: AtomicI64,
    /// How late the market itself says that it is, where it was asked.
    market: AtomicI64,
    /// Market time goes on without bars.
    is_live: AtomicBool,
    /// Wall time that stands still, in a repetition; zero follows the system's.
    still: AtomicI64,
}

impl ReplayClock {
    /// From now on market time is that of the wall: a bar that does not come must not hold up what
    /// expires.
    pub(super) fn follow_the_wall(&self) {
        self.is_live.store(true, Ordering::SeqCst);
    }

    /// Goes on from this market time.
    pub(super) fn set(&self, time: Time) {
        self.trading.store(time.ms(), Ordering::SeqCst);
    }

    /// The market says that it is so late.
    pub(super) fn see_market(&self, time: Time) {
        self.market.fetch_max(time.ms(), Ordering::SeqCst);
    }

    /// Wall time stands at this moment until it is set again: nothing of a repetition expires because
    /// it was slow, and what expired then expires where it did.
    pub(super) fn stand(&self, wall: Time) {
        self.still.store(wall.ms(), Ordering::SeqCst);
    }
}

impl Clock for ReplayClock {
    fn wall(&self) -> Time {
        match self.still.load(Ordering::SeqCst) {
            0 => now(),
            still => Time::from_ms(still),
        }
    }

    fn trading(&self) -> Time {
        let last = Time::from_ms(self.trading.load(Ordering::SeqCst));
        if self.is_live.load(Ordering::SeqCst) { last.max(self.wall()) } else { last }
    }

    fn market(&self) -> Time {
        self.trading().max(Time::from_ms(self.market.load(Ordering::SeqCst)))
    }
}

/// What goes with the bars of a replay.
#[derive(Debug)]
pub(super) struct Replay {
    pub(super) clock: Arc<ReplayClock>,
    pub(super) progress: Progress,
    /// Wall time per slice; zero plays as fast as it can.
    pub(super) pace: Duration,
    /// What is played a second time is played as fast as it can.
    pub(super) again: Option<Arc<Comparing>>,
}

impl Rhythm for Replay {
    async fn before(&mut self, chunk: &Chunk) {
        let is_again = self.again.as_ref().is_some_and(|again| again.is_comparing());
        if self.pace > Duration::ZERO && !is_again {
            let slices = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
            tokio::time::sleep(self.pace.saturating_mul(slices)).await;
        }
        self.progress.advance(chunk.bars() as u64);
        metrics::gauge!("conclave_feed_age_seconds").set(0.0);
    }

    fn at(&mut self, time: Time) {
        self.clock.set(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T-3: what expires must not wait for a bar where the market is a real one; at an exchange with a
    /// time of its own it must not be hurried by ours.
    #[test]
    fn market_time_is_the_last_bars_until_it_follows_the_wall() {
        let clock = ReplayClock::default();
        let bar = Time::from_ms(1_000);
        clock.set(bar);
        clock.stand(Time::from_ms(400_000));
        assert_eq!(clock.trading(), bar);
        clock.follow_the_wall();
        assert_eq!(clock.trading(), Time::from_ms(400_000), "no bar came, and time went on");
        // A bar that closes a moment ahead of our clock is not of the future.
        clock.set(Time::from_ms(400_500));
        assert_eq!(clock.trading(), Time::from_ms(400_500));
    }
}
