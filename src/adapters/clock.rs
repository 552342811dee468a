//! The system's clock: the one place that reads wall time.

use std::time::SystemTime;

use conclave_actors::runtime::ports::Clock;
use conclave_domain::time::Time;
use jiff::Timestamp;

/// Wall time now. A clock before 1970 or beyond the year 9999 is shown as the end it is beyond.
#[expect(clippy::disallowed_methods, reason = "this is the adapter that the rule points to")]
pub fn now() -> Time {
    let now = SystemTime::now();
    let beyond = if now < SystemTime::UNIX_EPOCH { Timestamp::MIN } else { Timestamp::MAX };
    Time::from(Timestamp::try_from(now).unwrap_or(beyond))
}

/// The clock of paper and live runs: market time is wall time.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall(&self) -> Time {
        now()
    }

    fn trading(&self) -> Time {
        now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_tells_a_time_of_this_century() {
        let now = now().to_string();
        assert!(("2025".."2100").contains(&now.as_str()), "{now}");
    }
}
