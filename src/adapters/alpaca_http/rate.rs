//! How many requests leave for one address: at most so many a minute, and none while the venue says
//! that there is no room.
//!
//! Orders have a lane of their own beside questions; what takes risk away waits for nobody but the
//! venue itself.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use conclave_domain::alpaca::Ask;
use conclave_domain::llm::bucket::{Bucket, Lane};
use conclave_domain::time::Time;
use tokio::time::Instant;

use crate::adapters::clock;

/// The longest patience that the venue can ask for: its windows have a minute. Beyond it, and where
/// the clocks differ, this is what is waited.
const RESET_MAX: Duration = Duration::from_secs(65);
/// The shortest: a reset that lies in the past says that the clocks differ.
const RESET_MIN: Duration = Duration::from_millis(500);

/// How far behind what takes risk away everything else leaves, once there is room again.
const BEHIND: Duration = Duration::from_millis(100);

/// The rate at one address, shared by all who ask there.
#[derive(Debug)]
pub(super) struct Rate {
    start: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    bucket: Bucket,
    /// Until when the venue takes nothing.
    closed_until: Option<Instant>,
}

impl Rate {
    /// So many requests a minute.
    pub(super) fn new(per_minute: NonZeroU32) -> Self {
        let state = State { bucket: Bucket::new(per_minute), closed_until: None };
        Self { start: Instant::now(), state: Mutex::new(state) }
    }

    /// From when on a request may leave.
    ///
    /// # Errors
    /// When that would be after `latest`: the moment.
    pub(super) fn take(&self, ask: Ask, latest: Instant) -> Result<Instant, Instant> {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let hurries = matches!(ask, Ask::Cancel | Ask::Close);
        let closed = state.closed_until.filter(|until| now < *until);
        let closed = closed.map(|until| if hurries { until } else { until + BEHIND });
        let open = closed.unwrap_or(now);
        if latest < open {
            return Err(open);
        }
        let lane = match ask {
            Ask::Read => Lane::Common,
            Ask::Place | Ask::Replace => Lane::Guardian,
            Ask::Cancel | Ask::Close => return Ok(open),
        };
        let since = |at: Instant| at.saturating_duration_since(self.start);
        let taken = state.bucket.take(lane, since(open), since(latest));
        taken.map(|at| self.start + at).map_err(|at| self.start + at)
    }

    /// What the venue said about its room: how many requests are left, and when there is room again.
    pub(super) fn told(&self, remaining: Option<u64>, reset_s: Option<i64>) {
        if remaining == Some(0) && reset_s.is_some() {
            self.close(reset_s);
        }
    }

    /// The venue takes nothing until a moment, in seconds since 1970; for a while where it does not
    /// say.
    pub(super) fn close(&self, reset_s: Option<i64>) {
        let until = Instant::now() + pause(reset_s, clock::now());
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.closed_until = Some(state.closed_until.map_or(until, |known| known.max(until)));
    }

    /// How long it is until there is room.
    pub(super) fn closed_for(&self) -> Duration {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.closed_until.map_or(Duration::ZERO, |it| it.saturating_duration_since(Instant::now()))
    }
}

/// How long it is until a reset by the wall clock.
fn pause(reset_s: Option<i64>, now: Time) -> Duration {
    let until = reset_s.map(|reset| Time::from_ms(reset.saturating_mul(1_000)).since(now));
    until.unwrap_or(RESET_MIN * 2).max(RESET_MIN).min(RESET_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(per_minute: u32) -> Rate {
        Rate::new(NonZeroU32::new(per_minute).unwrap())
    }

    #[test]
    fn a_reset_is_waited_for_within_a_minute_whatever_the_clocks_say() {
        let now: Time = "2026-11-20T12:00:00Z".parse().unwrap();
        let at = |seconds: i64| pause(Some(now.ms() / 1_000 + seconds), now);
        assert_eq!(at(7), Duration::from_secs(7));
        assert_eq!((at(-7), at(3_600)), (RESET_MIN, RESET_MAX));
        assert_eq!(pause(Some(i64::MAX), now), RESET_MAX);
        assert_eq!(pause(None, now), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn questions_are_spaced_orders_pass_them_and_exits_pass_all() {
        let rate = rate(60);
        let (now, far) = (Instant::now(), Instant::now() + Duration::from_mins(5));
        let mut last = now;
        for _ in 0..60 {
            last = rate.take(Ask::Read, far).unwrap();
        }
        assert!(now + Duration::from_secs(55) < last, "{:?}", last - now);
        assert_eq!(rate.take(Ask::Place, far), Ok(now));
        assert_eq!(rate.take(Ask::Close, now), Ok(now));
        assert!(rate.take(Ask::Read, now).is_err());
        rate.close(None);
        let open = now + rate.closed_for();
        assert_eq!(rate.take(Ask::Close, far), Ok(open), "the venue's word counts for all");
        assert_eq!(rate.take(Ask::Cancel, now), Err(open));
    }

    /// O-4: exits are never blocked: when there is room again they leave before anything else.
    #[tokio::test(start_paused = true)]
    async fn what_takes_risk_away_leaves_first_when_there_is_room_again() {
        let (rate, far) = (rate(200), Instant::now() + Duration::from_mins(5));
        rate.close(None);
        let open = Instant::now() + rate.closed_for();
        assert_eq!(rate.take(Ask::Place, far), Ok(open + BEHIND));
        assert_eq!(rate.take(Ask::Close, far), Ok(open));
        assert_eq!(rate.take(Ask::Close, open), Ok(open), "and need no more time than that");
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_that_is_used_up_closes_before_the_venue_refuses() {
        let rate = rate(200);
        let reset = clock::now().ms() / 1_000 + 30;
        rate.told(Some(1), Some(reset));
        assert_eq!(rate.closed_for(), Duration::ZERO);
        rate.told(Some(0), Some(reset));
        assert!(rate.closed_for() > Duration::from_secs(20));
    }
}
