//! Clocks that stand still until they are told to go on.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use conclave_domain::time::Time;

use crate::runtime::ports::Clock;

/// Both clocks, set by hand.
#[derive(Debug, Default)]
pub struct ManualClock {
    wall_ms: AtomicI64,
    trading_ms: AtomicI64,
}

impl ManualClock {
    /// Moves both clocks on.
    pub fn advance(&self, by: Duration) {
        self.advance_wall(by);
        self.advance_trading(by);
    }

    /// Moves the wall clock on.
    pub fn advance_wall(&self, by: Duration) {
        self.wall_ms.fetch_add(whole_ms(by), Ordering::SeqCst);
    }

    /// Moves the trading clock on.
    pub fn advance_trading(&self, by: Duration) {
        self.trading_ms.fetch_add(whole_ms(by), Ordering::SeqCst);
    }
}

fn whole_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Clock for ManualClock {
    fn wall(&self) -> Time {
        Time::from_ms(self.wall_ms.load(Ordering::SeqCst))
    }

    fn trading(&self) -> Time {
        Time::from_ms(self.trading_ms.load(Ordering::SeqCst))
    }
}
