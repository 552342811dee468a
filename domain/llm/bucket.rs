//! How many requests may leave for a provider in a minute.
//!
//! Whoever wants to ask takes a ticket that says from when on its request may leave; tickets are
//! spaced evenly, after a first few at once. Time is an argument: how long ago the process began to
//! count. A part of the rate is a lane of its own for the guardian, so that a crowd of others that
//! wait for their tickets never stands in its way.
//!
//! In no stretch of a minute do more requests leave than the rate says.

use std::num::NonZeroU32;
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);
/// The share of the rate that may leave at once: one in so many.
const BURST: u32 = 10;
/// The share of the rate that is kept for the guardian: one in so many.
const RESERVED: u32 = 5;

/// Whose request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Anybody's.
    Common,
    /// The guardian's: it has a lane of its own beside the common one.
    Guardian,
}

/// The rate at one provider.
#[derive(Clone, Debug)]
pub struct Bucket {
    common: Rate,
    reserved: Option<Rate>,
}

/// Evenly spaced tickets, the first of them at once.
#[derive(Clone, Debug)]
struct Rate {
    /// Between two tickets.
    interval: Duration,
    /// How far tickets may run ahead of their spacing.
    ahead: Duration,
    /// When the next ticket would be due if all were evenly spaced.
    due: Duration,
}

impl Rate {
    fn new(per_minute: u32) -> Self {
        let per_minute = per_minute.max(1);
        let burst = (per_minute / BURST).max(1);
        // The burst counts against the minute that it falls into.
        let spaced = u64::from(per_minute - burst + 1);
        let nanos = u64::try_from(MINUTE.as_nanos()).unwrap_or(u64::MAX).div_ceil(spaced);
        let interval = Duration::from_nanos(nanos);
        Self { interval, ahead: interval.saturating_mul(burst - 1), due: Duration::ZERO }
    }

    /// From when on the next request may leave.
    fn next(&self, now: Duration) -> Duration {
        self.due.saturating_sub(self.ahead).max(now)
    }

    fn take(&mut self, now: Duration) -> Duration {
        let leaves = self.next(now);
        self.due = self.due.max(now).saturating_add(self.interval);
        leaves
    }
}

impl Bucket {
    /// A bucket of so many requests a minute.
    pub fn new(per_minute: NonZeroU32) -> Self {
        let reserved = per_minute.get() / RESERVED;
        Self {
            common: Rate::new(per_minute.get() - reserved),
            reserved: (reserved > 0).then(|| Rate::new(reserved)),
        }
    }

    /// Takes a ticket: the moment from which on the request may leave. A ticket that is not used is
    /// lost, which errs to the side of asking less.
    ///
    /// # Errors
    /// When that would be after `latest`: the moment. Nothing is taken.
    pub fn take(
        &mut self,
        lane: Lane,
        now: Duration,
        latest: Duration,
    ) -> Result<Duration, Duration> {
        let rate = match (lane, &mut self.reserved) {
            (Lane::Guardian, Some(own)) if own.next(now) < self.common.next(now) => own,
            _ => &mut self.common,
        };
        let leaves = rate.next(now);
        if latest < leaves { Err(leaves) } else { Ok(rate.take(now)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bucket(per_minute: u32) -> Bucket {
        Bucket::new(NonZeroU32::new(per_minute).unwrap())
    }

    const fn at(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    const EVER: Duration = Duration::MAX;

    #[test]
    fn a_rate_of_one_is_one_a_minute() {
        let mut bucket = bucket(1);
        assert_eq!(bucket.take(Lane::Common, at(0), EVER), Ok(at(0)));
        assert_eq!(bucket.take(Lane::Guardian, at(1), at(59)), Err(at(60)));
        assert_eq!(bucket.take(Lane::Guardian, at(1), at(60)), Ok(at(60)));
        assert_eq!(bucket.take(Lane::Common, at(500), EVER), Ok(at(500)));
    }

    #[test]
    fn a_round_of_five_leaves_at_once_at_fifty_a_minute() {
        let mut bucket = bucket(50);
        for _ in 0..4 {
            assert_eq!(bucket.take(Lane::Common, at(0), at(0)), Ok(at(0)));
        }
        assert!(bucket.take(Lane::Common, at(0), at(0)).is_err());
        assert_eq!(bucket.take(Lane::Guardian, at(0), at(0)), Ok(at(0)));
    }

    #[test]
    fn a_crowd_that_waits_does_not_stand_in_the_guardians_way() {
        let mut bucket = bucket(50);
        for _ in 0..500 {
            bucket.take(Lane::Common, at(0), EVER).unwrap();
        }
        let own = bucket.take(Lane::Guardian, at(0), EVER).unwrap();
        let next = bucket.take(Lane::Guardian, at(0), EVER).unwrap();
        assert_eq!(own, at(0));
        assert!(next <= at(6), "{next:?}");
    }

    #[test]
    fn what_would_leave_too_late_takes_nothing() {
        let mut bucket = bucket(4);
        bucket.take(Lane::Common, at(0), EVER).unwrap();
        let later = bucket.take(Lane::Common, at(0), at(1)).unwrap_err();
        for _ in 0..100 {
            assert_eq!(bucket.take(Lane::Common, at(0), at(1)), Err(later));
        }
        assert_eq!(bucket.take(Lane::Common, at(0), EVER), Ok(later));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// However the requests come, no minute sees more than the rate, and no ticket is in the past.
        #[test]
        fn no_minute_sees_more_than_the_rate(
            per_minute in 1u32..200,
            requests in prop::collection::vec((any::<bool>(), 0u64..4_000), 1..400),
        ) {
            let (mut bucket, mut now) = (bucket(per_minute), Duration::ZERO);
            let mut left = Vec::new();
            for (urgent, pause_ms) in requests {
                now += Duration::from_millis(pause_ms);
                let lane = if urgent { Lane::Guardian } else { Lane::Common };
                let leaves = bucket.take(lane, now, EVER).unwrap();
                prop_assert!(leaves >= now);
                left.push(leaves);
            }
            left.sort();
            for (index, first) in left.iter().enumerate() {
                let within = left[index..].iter().take_while(|it| **it < *first + MINUTE).count();
                prop_assert!(within <= per_minute as usize, "{within} of {per_minute}");
            }
        }
    }
}
