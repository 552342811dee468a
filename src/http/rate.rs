//! How many requests are answered: one token bucket for the whole server, whose limits may change.

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

/// The bucket. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Rate(Arc<Mutex<Bucket>>);

#[derive(Debug, Default)]
struct Bucket {
    limits: RateLimits,
    /// Requests that may still come at once, and since when; full before the first.
    left: Option<(f64, Instant)>,
}

impl Rate {
    /// A full bucket.
    pub fn new(limits: RateLimits) -> Self {
        Self(Arc::new(Mutex::new(Bucket { limits, left: None })))
    }

    /// Changes the limits; what was used stays used.
    pub fn set(&self, limits: RateLimits) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).limits = limits;
    }

    /// Takes one request out of the bucket, or says no.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let burst = f64::from(bucket.limits.burst);
        let left = bucket.left.map_or(burst, |(left, at)| {
            let passed = now.saturating_duration_since(at).as_secs_f64();
            (left + passed * f64::from(bucket.limits.per_second)).min(burst)
        });
        let is_admitted = left >= 1.0;
        bucket.left = Some((if is_admitted { left - 1.0 } else { left }, now));
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
        let admitted = |at: Instant| (0..100).filter(|_| rate.admits(at)).count();
        assert_eq!(admitted(start), 10);
        assert_eq!(admitted(start + Duration::from_secs(2)), 4);
        assert_eq!(admitted(start), 0, "a clock that goes back gives nothing");
        rate.clone().set(RateLimits { burst: 20, per_second: 100 });
        assert_eq!(admitted(start + Duration::from_mins(1)), 20);
    }
}
