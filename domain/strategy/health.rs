//! How well a source of signals has called lately: what the gate of model health looks at.
//!
//! A call is judged at its horizon whether or not it was traded, so that a source that is not listened
//! to can still show that it has come right again.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::ratio::Ratio;

/// A source's last calls, over all symbols, in the order in which their outcomes became known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceHealth {
    /// As many as are judged; older ones are forgotten.
    right: VecDeque<bool>,
    /// Of as many of a policy's last opinions, whether it only held.
    held: VecDeque<bool>,
    calls: usize,
}

/// What is known of a source at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SourceRecord {
    /// Share of its last resolved calls whose direction was right; `None` until there are enough.
    pub accuracy: Option<Ratio>,
    /// Share of its last calls that only held. Policies only: a strategy that waits for a cross holds
    /// nearly always and is well.
    pub hold_share: Option<Ratio>,
}

impl SourceHealth {
    /// Nothing is known yet; `calls` is the number that is judged, at least one.
    pub fn new(calls: u32) -> Self {
        let calls = usize::try_from(calls).unwrap_or(usize::MAX).max(1);
        Self { right: VecDeque::new(), held: VecDeque::new(), calls }
    }

    /// The direction of an earlier call has turned out right or wrong.
    pub fn on_resolved(&mut self, right: bool) {
        keep(&mut self.right, right, self.calls);
    }

    /// A policy has said something: whether it only held.
    pub fn on_action(&mut self, holds: bool) {
        keep(&mut self.held, holds, self.calls);
    }

    /// What is known now.
    pub fn record(&self) -> SourceRecord {
        let share = |ring: &VecDeque<bool>| {
            let yes = ring.iter().filter(|one| **one).count();
            #[expect(clippy::cast_precision_loss, reason = "a ring of at most some thousands")]
            let share = yes as f64 / self.calls as f64;
            (ring.len() == self.calls).then(|| Ratio::or_zero(share))
        };
        SourceRecord { accuracy: share(&self.right), hold_share: share(&self.held) }
    }
}

/// Takes the newest into a ring of so many.
fn keep(ring: &mut VecDeque<bool>, newest: bool, calls: usize) {
    ring.push_back(newest);
    while ring.len() > calls {
        ring.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracy_is_unknown_until_the_ring_is_full_and_forgets_what_is_older() {
        let mut health = SourceHealth::new(100);
        for call in 0..100 {
            assert_eq!(health.record(), SourceRecord::default(), "{call} calls");
            health.on_resolved(call >= 70);
        }
        assert_eq!(health.record().accuracy, Some(Ratio::of(0.30)));
        (0..100).for_each(|_| health.on_resolved(true));
        assert_eq!(health.record().accuracy, Some(Ratio::ONE));
        assert_eq!(SourceHealth::new(0).record(), SourceRecord::default());
    }

    #[test]
    fn the_share_of_opinions_that_only_held_is_that_of_the_last_hundred() {
        let mut health = SourceHealth::new(100);
        for opinion in 0..100 {
            assert_eq!(health.record().hold_share, None, "{opinion} opinions");
            health.on_action(opinion < 96);
        }
        let record = health.record();
        assert_eq!((record.hold_share, record.accuracy), (Some(Ratio::of(0.96)), None));
        (0..50).for_each(|_| health.on_action(false));
        assert_eq!(health.record().hold_share, Some(Ratio::of(0.46)));
    }
}
