//! A feed that stalls, repeats itself or goes back on request, and the door that sees to it.
//!
//! Faults go by the number of the slice that is asked for. What was repeated or is older is turned
//! away by the bar door, so that nobody decides on it.

use std::collections::VecDeque;

use conclave_domain::faults::{Fault, Port};
use conclave_domain::market::bar::Timeframe;
use conclave_domain::market::doors::{Doors, Refused};
use conclave_domain::market::tape::{Chunk, Instrument};

use super::FaultPlan;
use crate::driver::Feed;

/// Slices that are remembered, to be sent again.
const REMEMBERED: usize = 8;
/// Faults in a row behind which the feed goes on, so that it always comes to its end.
const ROW_MAX: u32 = 3;

/// A feed around another one.
#[derive(Debug)]
pub struct FaultyFeed<F> {
    inner: F,
    faults: FaultPlan,
    doors: Doors,
    sent: VecDeque<Chunk>,
    refused: u64,
    row: u32,
}

impl<F: Feed> FaultyFeed<F> {
    /// A feed around `inner`, which carries these instruments.
    pub fn new(
        inner: F,
        instruments: &[Instrument],
        timeframe: Timeframe,
        faults: FaultPlan,
    ) -> Self {
        let doors = Doors::new(instruments, timeframe);
        Self { inner, faults, doors, sent: VecDeque::new(), refused: 0, row: 0 }
    }

    /// Bars that the door turned away.
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// What the feed says next: one slice, nothing yet, or something that it has said before.
    fn next(&mut self) -> Option<Chunk> {
        let fault = if self.row < ROW_MAX { self.faults.call(Port::Feed) } else { None };
        self.row = if fault.is_some() { self.row + 1 } else { 0 };
        match fault {
            Some(Fault::Stall) => Some(Chunk::default()),
            Some(Fault::Repeat) => Some(self.sent.back().cloned().unwrap_or_default()),
            Some(Fault::Older) => Some(self.sent.front().cloned().unwrap_or_default()),
            _ => {
                let chunk = self.inner.next_chunk(1)?;
                if self.sent.len() == REMEMBERED {
                    self.sent.pop_front();
                }
                self.sent.push_back(chunk.clone());
                Some(chunk)
            }
        }
    }

    fn turn_away(&mut self, refused: &[Refused]) {
        self.refused += refused.len() as u64;
        for Refused { symbol, error } in refused {
            metrics::counter!("conclave_bars_refused_total").increment(1);
            tracing::warn!(%symbol, %error, "bar refused at the door");
        }
    }
}

impl<F: Feed> Feed for FaultyFeed<F> {
    fn next_chunk(&mut self, slices: usize) -> Option<Chunk> {
        if self.faults.is_off() {
            return self.inner.next_chunk(slices);
        }
        let mut whole = Chunk::default();
        for nth in 0..slices.max(1) {
            let Some(said) = self.next() else {
                return (nth > 0).then_some(whole);
            };
            let (admitted, refused) = self.doors.admit(&said);
            self.turn_away(&refused);
            for slice in 0..admitted.len() {
                whole.push_slice(admitted.slice(slice));
            }
        }
        Some(whole)
    }
}

#[cfg(test)]
mod tests {
    use conclave_domain::faults::FaultSource;
    use conclave_domain::market::synth::{Preset, SynthConfig, generate};
    use conclave_domain::market::tape::Tape;

    use super::*;

    /// The close times that come out of a feed.
    fn heard(schedule: &str, slices: usize) -> (Vec<i64>, u64) {
        let config = SynthConfig { symbols: 2, bars: 12, ..SynthConfig::of(Preset::Calm) };
        let tape = Tape::new(generate(&config, 1).unwrap().series).unwrap();
        let instruments = std::sync::Arc::clone(tape.instruments());
        let faults = FaultPlan::of(FaultSource::listed(schedule.parse().unwrap()));
        let mut feed = FaultyFeed::new(tape, &instruments, Timeframe::Day, faults);
        let mut times = Vec::new();
        while let Some(chunk) = feed.next_chunk(slices) {
            times.extend(chunk.ticks().iter().map(|tick| tick.bar.close_time.ms()));
        }
        (times, feed.refused())
    }

    #[test]
    fn whatever_the_feed_does_each_bar_is_heard_once_and_in_order() {
        let calm = heard("", 1);
        assert_eq!((calm.0.len(), calm.1), (24, 0));
        for slices in [1, 5] {
            for (schedule, refused) in [
                ("feed.stall@1,feed.stall@4", 0),
                ("feed.repeat@1,feed.repeat@5,feed.repeat@6", 4),
                ("feed.older@7,feed.older@13", 4),
            ] {
                assert_eq!(heard(schedule, slices), (calm.0.clone(), refused), "{schedule}");
            }
        }
    }
}
