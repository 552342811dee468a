//! How many requests are answered: a bucket for whoever holds the token and one for everybody else, so that
//! no flood of strangers keeps an operator's halt out. Their limits are the same and may change.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

/// The limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// Requests that may come at once.
    pub burst: u32,
    /// Requests a second in the long run.
    pub per_second: u32,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self { burst: 200, per_second: 100 }
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// Whoever holds the token.
    Operator,
    /// Everybody else.
    Anybody,
}

/// The buckets. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Rate(Arc<Mutex<Buckets>>);

#[derive(Debug, Default)]
struct Buckets {
    limits: RateLimits,
    operator: Left,
    anybody: Left,
}

/// Requests that may still come at once, and since when; full before the first.
type Left = Option<(f64, Instant)>;

impl Rate {
    /// Full buckets.
    pub fn new(limits: RateLimits) -> Self {
        Self(Arc::new(Mutex::new(Buckets { limits, operator: None, anybody: None })))
    }

    /// Changes the limits; what was used stays used.
    pub fn set(&self, limits: RateLimits) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).limits = limits;
    }

    /// Takes one request out of the asker's bucket, or says no.
    pub(super) fn admits(&self, asker: Asker, now: Instant) -> bool {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let RateLimits { burst, per_second } = buckets.limits;
        let bucket = match asker {
            Asker::Operator => &mut buckets.operator,
            Asker::Anybody => &mut buckets.anybody,
        };
        let burst = f64::from(burst);
        let left = bucket.map_or(burst, |(left, at)| {
            let passed = now.saturating_duration_since(at).as_secs_f64();
            (left + passed * f64::from(per_second)).min(burst)
        });
        let is_admitted = left >= 1.0;
        *bucket = Some((if is_admitted { left - 1.0 } else { left }, now));
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bucket_refills_and_takes_new_limits() {
        let rate = Rate::new(RateLimits { burst: 10, per_second: 2 });
        let start = Instant::now();
        let admitted = |at: Instant| (0..100).filter(|_| rate.admits(Asker::Anybody, at)).count();
        assert_eq!(admitted(start), 10);
        assert_eq!(admitted(start + Duration::from_secs(2)), 4);
        assert_eq!(admitted(start), 0, "a clock that goes back gives nothing");
        rate.clone().set(RateLimits { burst: 20, per_second: 100 });
        assert_eq!(admitted(start + Duration::from_mins(1)), 20);
        assert!(rate.admits(Asker::Operator, start), "nobody else has taken from it");
    }
}
