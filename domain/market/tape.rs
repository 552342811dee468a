//! Bars of many symbols as one tape: time order, and within one time the order of the symbols.
//!
//! A slice is all bars that close at one time. A chunk is a run of slices; work on it may be batched,
//! but nothing may look past the slice it is deciding on.

use std::sync::Arc;

use super::bar::Bar;
use super::series::Series;
use super::symbol::{AssetClass, Symbol};
use crate::time::Time;

/// One bar on the tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Index into the tape's instruments.
    pub instrument: u16,
    /// The bar.
    pub bar: Bar,
}

/// What the tape carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instrument {
    /// The symbol.
    pub symbol: Symbol,
    /// What kind of thing it is.
    pub class: AssetClass,
}

/// A run of slices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    ticks: Vec<Tick>,
    /// For each slice, the index just past its last tick.
    ends: Vec<u32>,
}

impl Chunk {
    /// Number of slices.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no slice.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Number of bars.
    pub fn bars(&self) -> usize {
        self.ticks.len()
    }

    /// All bars in order.
    pub fn ticks(&self) -> &[Tick] {
        &self.ticks
    }

    /// The bars of one slice; empty past the end.
    pub fn slice(&self, index: usize) -> &[Tick] {
        self.range(index).and_then(|range| self.ticks.get(range)).unwrap_or(&[])
    }

    /// Where the bars of one slice stand in [`Chunk::ticks`].
    pub fn range(&self, index: usize) -> Option<std::ops::Range<usize>> {
        let end = *self.ends.get(index)? as usize;
        let start = if index == 0 { 0 } else { *self.ends.get(index - 1)? as usize };
        Some(start..end)
    }

    /// Adds a slice behind the others.
    pub fn push_slice(&mut self, ticks: &[Tick]) {
        self.ticks.extend_from_slice(ticks);
        self.ends.push(u32::try_from(self.ticks.len()).unwrap_or(u32::MAX));
    }

    /// A chunk of one slice, for live feeds.
    pub fn of_slice(ticks: Vec<Tick>) -> Self {
        let end = u32::try_from(ticks.len()).unwrap_or(u32::MAX);
        Self { ticks, ends: vec![end] }
    }
}

/// Series merged in time order; each series keeps its own order.
#[derive(Clone, Debug)]
pub struct Tape {
    instruments: Arc<[Instrument]>,
    series: Vec<Arc<[Bar]>>,
    next: Vec<usize>,
}

/// More series than a tape can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tape carries at most 65535 series, not {0}")]
pub struct TapeError(usize);

impl Tape {
    /// A tape over series; they are put into symbol order.
    ///
    /// # Errors
    /// With more than 65,535 series.
    pub fn new(mut series: Vec<Series>) -> Result<Self, TapeError> {
        if series.len() > usize::from(u16::MAX) {
            return Err(TapeError(series.len()));
        }
        series.sort_by(|a, b| a.symbol.cmp(&b.symbol));
        let instruments = series
            .iter()
            .map(|series| Instrument { symbol: series.symbol.clone(), class: series.class })
            .collect();
        let next = vec![0; series.len()];
        let series = series.into_iter().map(|series| series.bars.into()).collect();
        Ok(Self { instruments, series, next })
    }

    /// Each symbol with all of its bars, played or not, in symbol order.
    pub fn series(&self) -> impl Iterator<Item = (&Symbol, &[Bar])> {
        let bars = self.series.iter().map(|bars| &bars[..]);
        self.instruments.iter().map(|instrument| &instrument.symbol).zip(bars)
    }

    /// What the tape carries, in symbol order.
    pub fn instruments(&self) -> &Arc<[Instrument]> {
        &self.instruments
    }

    /// All bars of the tape, played or not.
    pub fn bars(&self) -> usize {
        self.series.iter().map(|bars| bars.len()).sum()
    }

    /// The bars of the longest series: as many moments at least, and all of them where the series
    /// share their times.
    pub fn longest(&self) -> usize {
        self.series.iter().map(|bars| bars.len()).max().unwrap_or(0)
    }

    /// Skips every bar that closes at or before `time`; returns how many.
    pub fn skip_through(&mut self, time: Time) -> usize {
        let mut skipped = 0;
        for (bars, next) in self.series.iter().zip(&mut self.next) {
            let from = *next;
            *next = bars.partition_point(|bar| bar.close_time <= time).max(from);
            skipped += *next - from;
        }
        skipped
    }

    /// The next slices, at most `slices` of them; `None` at the end.
    pub fn next_chunk(&mut self, slices: usize) -> Option<Chunk> {
        let mut chunk = Chunk::default();
        for _ in 0..slices {
            let Some(time) = self.next_time() else { break };
            for (index, (bars, next)) in self.series.iter().zip(&mut self.next).enumerate() {
                while let Some(bar) = bars.get(*next).filter(|bar| bar.close_time == time) {
                    let instrument = u16::try_from(index).unwrap_or(u16::MAX);
                    chunk.ticks.push(Tick { instrument, bar: *bar });
                    *next += 1;
                }
            }
            chunk.ends.push(u32::try_from(chunk.ticks.len()).unwrap_or(u32::MAX));
        }
        (!chunk.is_empty()).then_some(chunk)
    }

    fn next_time(&self) -> Option<Time> {
        let heads = self.series.iter().zip(&self.next);
        heads.filter_map(|(bars, &next)| bars.get(next)).map(|bar| bar.close_time).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixed::{Price, Volume};
    use crate::market::bar::Timeframe;

    fn series(symbol: &str, closes_at: &[i64]) -> Series {
        let price = Price::from_units(10).unwrap();
        let bar = |&at: &i64| Bar {
            open_time: Time::from_ms(at - 1),
            close_time: Time::from_ms(at),
            open: price,
            high: price,
            low: price,
            close: price,
            volume: Volume::ZERO,
        };
        Series {
            symbol: Symbol::new(symbol).unwrap(),
            class: AssetClass::Equity,
            timeframe: Timeframe::Minute,
            bars: closes_at.iter().map(bar).collect(),
        }
    }

    fn played(tape: &mut Tape, slices: usize) -> Vec<(i64, u16)> {
        let mut order = Vec::new();
        while let Some(chunk) = tape.next_chunk(slices) {
            order.extend(chunk.ticks().iter().map(|t| (t.bar.close_time.ms(), t.instrument)));
        }
        order
    }

    #[test]
    fn bars_come_in_time_order_and_then_in_symbol_order_whatever_the_chunk() {
        let all = vec![series("B", &[1, 2, 4]), series("A", &[2, 3, 4])];
        let expected = vec![(1, 1), (2, 0), (2, 1), (3, 0), (4, 0), (4, 1)];
        for slices in [1, 2, 100] {
            assert_eq!(played(&mut Tape::new(all.clone()).unwrap(), slices), expected);
        }
    }

    #[test]
    fn a_slice_holds_what_closes_at_one_time() {
        let mut tape = Tape::new(vec![series("A", &[1, 2]), series("B", &[2])]).unwrap();
        let chunk = tape.next_chunk(10).unwrap();
        assert_eq!((chunk.len(), chunk.bars()), (2, 3));
        assert_eq!((chunk.slice(0).len(), chunk.slice(1).len(), chunk.slice(2).len()), (1, 2, 0));
    }

    #[test]
    fn a_resumed_tape_starts_after_the_last_booked_time() {
        let mut tape = Tape::new(vec![series("A", &[1, 2, 3]), series("B", &[2, 3])]).unwrap();
        assert_eq!(tape.skip_through(Time::from_ms(2)), 3);
        assert_eq!(played(&mut tape, 10), vec![(3, 0), (3, 1)]);
    }
}
