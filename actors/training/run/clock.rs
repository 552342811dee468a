//! The clocks of a training run.
//!
//! Actions and their spacing count on the trading clock. Where every brain is free that clock counts
//! validation cycles, one spacing each, so that the same run takes the same decisions on any machine
//! (D-1). Where somebody is paid, answers depend on wall time anyway and so does the spacing.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use conclave_domain::time::Time;

use crate::runtime::ports::Clock;

/// Wall time, and the run's own.
#[derive(Debug)]
pub(super) struct RunClock {
    wall: Arc<dyn Clock>,
    per_cycle_ms: i64,
    by_wall: bool,
    cycles: AtomicI64,
}

impl RunClock {
    /// A clock at the start of a run; `per_cycle` is what a validation cycle counts.
    pub(super) fn new(wall: Arc<dyn Clock>, per_cycle: Duration, by_wall: bool) -> Self {
        let per_cycle_ms = i64::try_from(per_cycle.as_millis()).unwrap_or(i64::MAX);
        Self { wall, per_cycle_ms, by_wall, cycles: AtomicI64::new(0) }
    }

    /// So many validation cycles have passed.
    pub(super) fn set(&self, cycles: u32) {
        self.cycles.store(i64::from(cycles), Ordering::SeqCst);
    }
}

impl Clock for RunClock {
    fn wall(&self) -> Time {
        self.wall.wall()
    }

    fn trading(&self) -> Time {
        if self.by_wall {
            return self.wall.wall();
        }
        let cycles = self.cycles.load(Ordering::SeqCst);
        Time::from_ms(cycles.saturating_mul(self.per_cycle_ms))
    }
}
