//! A breaker in front of a family of models: what keeps failing is left alone for a while.
//!
//! Time is an argument: how long ago the process began to count. Nothing here waits.
//!
//! It opens after [`IN_A_ROW`] failures in a row, or when half of the last [`WINDOW`] outcomes are
//! failures. While it is open nobody asks. When its rest is over one single probe is let through: its
//! success closes the breaker, its failure opens it again for twice as long.

use std::collections::VecDeque;
use std::time::Duration;

/// Failures in a row that open it.
pub const IN_A_ROW: u32 = 5;
/// How many outcomes are looked back on.
pub const WINDOW: usize = 20;
/// How many failures among those open it.
const FAILURES_MAX: usize = WINDOW / 2;
/// How long it rests when it opens for the first time.
pub const REST_FIRST: Duration = Duration::from_secs(10);
/// How long it rests at most.
pub const REST_MAX: Duration = Duration::from_mins(5);

/// What a request is let through as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// As one of many.
    Usual,
    /// As the one that finds out whether the provider is back.
    Probe,
}

/// Why a request is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shut {
    /// It rests; not before this moment.
    Until(Duration),
    /// A probe is on its way, and nobody knows for how long.
    Probing,
}

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Everything passes.
    Closed,
    /// Nothing passes before this moment.
    Open(Duration),
    /// One probe is on its way.
    Probing,
}

/// The breaker of one family of models at one provider.
#[derive(Clone, Debug)]
pub struct Breaker {
    state: State,
    /// Whether each of the last outcomes was a failure.
    outcomes: VecDeque<bool>,
    failures_in_a_row: u32,
    /// How long it rests when it opens next.
    rest: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            state: State::Closed,
            outcomes: VecDeque::with_capacity(WINDOW),
            failures_in_a_row: 0,
            rest: REST_FIRST,
        }
    }
}

impl Breaker {
    /// How it stands; an open one whose rest is over stays open until somebody asks.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Asks to let a request through. Whoever is let through as a probe must say what came of it:
    /// [`Self::succeeded`], [`Self::failed`] or [`Self::forgotten`].
    ///
    /// # Errors
    /// While it is open, and while a probe is on its way.
    pub fn admit(&mut self, now: Duration) -> Result<Pass, Shut> {
        match self.state {
            State::Closed => Ok(Pass::Usual),
            State::Open(until) if now < until => Err(Shut::Until(until)),
            State::Open(_) => {
                self.state = State::Probing;
                Ok(Pass::Probe)
            }
            State::Probing => Err(Shut::Probing),
        }
    }

    /// A request was answered.
    pub fn succeeded(&mut self, pass: Pass) {
        match (self.state, pass) {
            (State::Probing, Pass::Probe) => *self = Self::default(),
            (State::Closed, _) => {
                self.failures_in_a_row = 0;
                self.remember(false);
            }
            // What had left before it opened says nothing about how it stands now.
            (State::Open(_) | State::Probing, _) => {}
        }
    }

    /// A request failed in a way that is the provider's.
    pub fn failed(&mut self, pass: Pass, now: Duration) {
        match (self.state, pass) {
            (State::Probing, Pass::Probe) => self.open(now),
            (State::Closed, _) => {
                self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
                self.remember(true);
                let failures = self.outcomes.iter().filter(|failed| **failed).count();
                if self.failures_in_a_row >= IN_A_ROW || failures >= FAILURES_MAX {
                    self.open(now);
                }
            }
            (State::Open(_) | State::Probing, _) => {}
        }
    }

    /// A request was dropped, or failed in a way that says nothing about the provider: the next one
    /// that asks may be the probe.
    pub fn forgotten(&mut self, pass: Pass, now: Duration) {
        if self.state == State::Probing && pass == Pass::Probe {
            self.state = State::Open(now);
        }
    }

    fn open(&mut self, now: Duration) {
        self.state = State::Open(now.saturating_add(self.rest));
        self.rest = self.rest.saturating_mul(2).min(REST_MAX);
        self.outcomes.clear();
        self.failures_in_a_row = 0;
    }

    fn remember(&mut self, failed: bool) {
        if self.outcomes.len() == WINDOW {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back(failed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    /// Reports outcomes one after the other, `x` for a failure; says how it stands then.
    fn after(outcomes: &str) -> State {
        let mut breaker = Breaker::default();
        for outcome in outcomes.chars() {
            match outcome {
                'x' => breaker.failed(Pass::Usual, at(0)),
                _ => breaker.succeeded(Pass::Usual),
            }
        }
        breaker.state()
    }

    #[test]
    fn five_in_a_row_or_half_of_the_last_twenty_open_it() {
        let open = State::Open(REST_FIRST);
        for (outcomes, expected) in [
            ("", State::Closed),
            ("xxxx", State::Closed),
            ("xxxxx", open),
            ("xxxx.xxxx.", State::Closed),
            ("xxxx.xxxx.xx", open),
            ("x.x.x.x.x.x.x.x.x.", State::Closed),
            ("x.x.x.x.x.x.x.x.x.x", open),
            // The first failures are forgotten when twenty have come after them.
            ("xxxx....................xxxx.xxxx.", State::Closed),
        ] {
            assert_eq!(after(outcomes), expected, "{outcomes}");
        }
    }

    #[test]
    fn one_probe_finds_out_and_each_failure_doubles_the_rest() {
        let mut breaker = Breaker::default();
        for _ in 0..IN_A_ROW {
            breaker.failed(Pass::Usual, at(0));
        }
        assert_eq!(breaker.admit(at(9)), Err(Shut::Until(at(10))));
        assert_eq!(breaker.admit(at(10)), Ok(Pass::Probe));
        assert_eq!(breaker.admit(at(10)), Err(Shut::Probing));
        breaker.failed(Pass::Probe, at(11));
        assert_eq!(breaker.admit(at(30)), Err(Shut::Until(at(31))));
        assert_eq!(breaker.admit(at(31)), Ok(Pass::Probe));
        breaker.succeeded(Pass::Probe);
        assert_eq!(breaker.admit(at(31)), Ok(Pass::Usual));
        assert_eq!(after("xxxxx"), State::Open(REST_FIRST));
    }

    #[test]
    fn a_probe_that_was_dropped_makes_room_for_another() {
        let mut breaker = Breaker::default();
        for _ in 0..IN_A_ROW {
            breaker.failed(Pass::Usual, at(0));
        }
        assert_eq!(breaker.admit(at(10)), Ok(Pass::Probe));
        breaker.forgotten(Pass::Probe, at(10));
        assert_eq!(breaker.admit(at(10)), Ok(Pass::Probe));
    }

    #[test]
    fn what_had_left_before_it_opened_changes_nothing() {
        let mut breaker = Breaker::default();
        for _ in 0..IN_A_ROW {
            breaker.failed(Pass::Usual, at(0));
        }
        breaker.succeeded(Pass::Usual);
        breaker.failed(Pass::Usual, at(5));
        breaker.forgotten(Pass::Usual, at(5));
        assert_eq!(breaker.state(), State::Open(REST_FIRST));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// Whatever happens: never two probes at once, never shut for ever, no rest over the longest.
        #[test]
        fn it_never_lets_two_probes_through_and_never_stays_shut(
            steps in prop::collection::vec((0u8..4, 0u64..400), 1..80),
        ) {
            let (mut breaker, mut now) = (Breaker::default(), Duration::ZERO);
            let mut probe = None;
            for (what, secs) in steps {
                now += at(secs);
                match (what, probe) {
                    (0, _) => match breaker.admit(now) {
                        Ok(Pass::Probe) => {
                            prop_assert!(probe.is_none());
                            probe = Some(Pass::Probe);
                        }
                        Ok(Pass::Usual) => prop_assert!(probe.is_none()),
                        Err(Shut::Until(until)) => {
                            prop_assert!(until > now && until <= now + REST_MAX);
                        }
                        Err(Shut::Probing) => prop_assert!(probe.is_some()),
                    },
                    (1, _) => breaker.failed(probe.take().unwrap_or(Pass::Usual), now),
                    (2, _) => breaker.succeeded(probe.take().unwrap_or(Pass::Usual)),
                    (_, _) => breaker.forgotten(probe.take().unwrap_or(Pass::Usual), now),
                }
            }
            if probe.is_none() {
                prop_assert!(breaker.admit(now + REST_MAX).is_ok());
            }
        }
    }
}
