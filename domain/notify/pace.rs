//! How fast one chat may be spoken to: a message a second, and twenty in any minute.

use std::collections::VecDeque;
use std::time::Duration;

/// The least time between two messages.
const SPACING: Duration = Duration::from_secs(1);
/// Messages within [`WINDOW`].
const WITHIN: usize = 20;
/// The window that [`WITHIN`] counts in.
const WINDOW: Duration = Duration::from_mins(1);

/// When messages went out; times count from any fixed moment.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    sent: VecDeque<Duration>,
    held_until: Duration,
}

impl Pace {
    /// How long to wait from `now` until the next message may leave.
    pub fn wait(&self, now: Duration) -> Duration {
        let spaced = self.sent.back().map_or(Duration::ZERO, |last| *last + SPACING);
        let earliest = match self.sent.len().checked_sub(WITHIN) {
            Some(at) => self.sent.get(at).map_or(spaced, |first| spaced.max(*first + WINDOW)),
            None => spaced,
        };
        earliest.max(self.held_until).saturating_sub(now)
    }

    /// A message leaves at `now`.
    pub fn sent(&mut self, now: Duration) {
        self.sent.push_back(now);
        if self.sent.len() > WITHIN {
            self.sent.pop_front();
        }
    }

    /// The other side has asked for quiet until then.
    pub fn hold(&mut self, until: Duration) {
        self.held_until = self.held_until.max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_hears_at_most_one_a_second_and_twenty_a_minute() {
        let mut pace = Pace::default();
        let mut now = Duration::from_secs(5);
        let mut times = Vec::new();
        for _ in 0..45 {
            now += pace.wait(now);
            pace.sent(now);
            times.push(now);
        }
        assert!(times.windows(2).all(|pair| pair[0] + SPACING <= pair[1]));
        assert!(times.windows(WITHIN + 1).all(|some| some[0] + WINDOW <= some[WITHIN]));
        assert_eq!(times[19], times[0] + Duration::from_secs(19), "no slower than it must be");
        assert_eq!(times[20], times[0] + WINDOW);
    }

    #[test]
    fn a_wish_for_quiet_is_honoured() {
        let mut pace = Pace::default();
        pace.hold(Duration::from_secs(30));
        pace.hold(Duration::from_secs(10));
        assert_eq!(pace.wait(Duration::from_secs(4)), Duration::from_secs(26));
        assert_eq!(pace.wait(Duration::from_secs(31)), Duration::ZERO);
    }
}
