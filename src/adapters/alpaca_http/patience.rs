//! How long somebody goes on asking: pauses with jitter, within one deadline.

use std::time::Duration;

use conclave_domain::alpaca::Remedy;
use conclave_domain::llm::backoff::Jitter;
use tokio::time::Instant;

use super::rate::Rate;

/// The shortest pause before something is tried again.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// The most attempts within one deadline.
const ATTEMPTS_MAX: u32 = 16;

/// What is left of it.
#[derive(Debug)]
pub(super) struct Patience {
    /// When it ends.
    pub(super) until: Instant,
    jitter: Jitter,
    nth: u32,
}

impl Patience {
    /// Patience for one thing; two that wait for the same draw different pauses.
    pub(super) fn new(deadline: Duration, words: &[&str]) -> Self {
        Self { until: Instant::now() + deadline, jitter: Jitter::of(words), nth: 0 }
    }

    /// Pauses as a remedy says. Whether it is worth trying again.
    pub(super) async fn again(&mut self, remedy: Remedy, rate: &Rate) -> bool {
        let pause = match remedy {
            Remedy::Retry | Remedy::Reconcile => self.jitter.pause(self.nth).max(PAUSE_MIN),
            Remedy::WaitUntilReset => rate.closed_for().max(PAUSE_MIN),
            Remedy::AdoptOrFix | Remedy::GiveUp | Remedy::Fix | Remedy::Operator => return false,
        };
        self.pause(pause).await
    }

    /// Pauses for as long as is said. Whether there is time for anything afterwards.
    pub(super) async fn pause(&mut self, pause: Duration) -> bool {
        self.nth += 1;
        let wakes = Instant::now() + pause;
        if ATTEMPTS_MAX <= self.nth || self.until <= wakes {
            return false;
        }
        tokio::time::sleep_until(wakes).await;
        true
    }
}
