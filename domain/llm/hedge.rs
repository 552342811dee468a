//! When a second provider is asked beside the first: when the first is slower than nearly always, and
//! seldom enough.
//!
//! Each call to a provider is timed. A call that has taken longer than 95 of 100 of those before it
//! may be asked at another provider too, as long as no more than one call in [`ONE_IN`] ever was.

use std::collections::VecDeque;
use std::time::Duration;

/// How many latencies are looked back on.
const WINDOW: usize = 100;
/// How many there must be before anything is said about them.
const SAMPLES_MIN: usize = 20;
/// One call in so many may be hedged.
pub const ONE_IN: u64 = 20;

/// The latencies of one provider, and how often it was hedged.
#[derive(Clone, Debug, Default)]
pub struct Hedging {
    latencies: VecDeque<Duration>,
    calls: u64,
    hedged: u64,
}

impl Hedging {
    /// A call was answered after so long.
    pub fn answered(&mut self, latency: Duration) {
        if self.latencies.len() == WINDOW {
            self.latencies.pop_front();
        }
        self.latencies.push_back(latency);
    }

    /// A call leaves that may be hedged: how long it may take before the other provider is asked too;
    /// `None` while nothing is known of its latency.
    pub fn called(&mut self) -> Option<Duration> {
        self.calls = self.calls.saturating_add(1);
        if self.latencies.len() < SAMPLES_MIN {
            return None;
        }
        let mut sorted: Vec<Duration> = self.latencies.iter().copied().collect();
        sorted.sort_unstable();
        // The smallest latency that at least 95 of 100 do not exceed.
        let rank = (sorted.len() * 95).div_ceil(100);
        sorted.get(rank - 1).copied()
    }

    /// Asks leave to hedge one of the calls that have left.
    pub fn hedge(&mut self) -> bool {
        let may = (self.hedged + 1).saturating_mul(ONE_IN) <= self.calls;
        self.hedged += u64::from(may);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_95th_of_100_is_the_limit_and_nothing_is_said_before_20() {
        let mut hedging = Hedging::default();
        for latency in 1..=19 {
            hedging.answered(ms(latency));
        }
        assert_eq!(hedging.called(), None);
        hedging.answered(ms(20));
        assert_eq!(hedging.called(), Some(ms(19)));
        for latency in 1..=100 {
            hedging.answered(ms(latency));
        }
        assert_eq!(hedging.called(), Some(ms(95)));
        // The first are forgotten.
        for _ in 0..100 {
            hedging.answered(ms(3));
        }
        assert_eq!(hedging.called(), Some(ms(3)));
    }

    #[test]
    fn no_more_than_one_call_in_twenty_is_hedged() {
        let (mut hedging, mut hedged) = (Hedging::default(), 0_u64);
        for call in 1..=1_000_u64 {
            hedging.called();
            hedged += u64::from(hedging.hedge());
            assert!(hedged * ONE_IN <= call, "{hedged} of {call}");
        }
        assert_eq!(hedged, 50);
    }
}
