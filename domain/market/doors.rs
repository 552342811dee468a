//! The doors of all symbols of a tape: what comes through is what a market could have said.
//!
//! A file's bars were checked when it was read. A feed that may repeat itself or go back is checked
//! here, bar by bar, before anybody decides on it.

use super::bar::Timeframe;
use super::door::{BarError, Door};
use super::symbol::Symbol;
use super::tape::{Chunk, Instrument};

/// One door per instrument of a tape.
#[derive(Clone, Debug)]
pub struct Doors {
    doors: Vec<(Symbol, Door)>,
}

/// A bar that was turned away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its symbol.
    pub symbol: Symbol,
    /// Why.
    pub error: BarError,
}

impl Doors {
    /// Doors that have seen no bar.
    pub fn new(instruments: &[Instrument], timeframe: Timeframe) -> Self {
        let door = |of: &Instrument| (of.symbol.clone(), Door::new(of.class, timeframe));
        Self { doors: instruments.iter().map(door).collect() }
    }

    /// The bars of a chunk that may pass, slice by slice; the others are named. A slice of which
    /// nothing is left is gone, and so is a bar of an instrument that nobody knows.
    pub fn admit(&mut self, chunk: &Chunk) -> (Chunk, Vec<Refused>) {
        let (mut admitted, mut refused) = (Chunk::default(), Vec::new());
        for slice in 0..chunk.len() {
            let mut ticks = Vec::with_capacity(chunk.slice(slice).len());
            for tick in chunk.slice(slice) {
                let place = self.doors.get_mut(usize::from(tick.instrument));
                let Some((symbol, door)) = place else { continue };
                match door.admit(&tick.bar) {
                    Ok(_) => ticks.push(*tick),
                    Err(error) => refused.push(Refused { symbol: symbol.clone(), error }),
                }
            }
            if !ticks.is_empty() {
                admitted.push_slice(&ticks);
            }
        }
        (admitted, refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::synth::{Preset, SynthConfig, generate};
    use crate::market::tape::Tape;

    #[test]
    fn a_slice_that_comes_again_or_too_late_does_not_pass() {
        let config = SynthConfig { symbols: 2, bars: 6, ..SynthConfig::of(Preset::Calm) };
        let market = generate(&config, 1).unwrap();
        let mut tape = Tape::new(market.series).unwrap();
        let slices: Vec<Chunk> = std::iter::from_fn(|| tape.next_chunk(1)).collect();
        let mut doors = Doors::new(tape.instruments(), Timeframe::Day);
        for slice in &slices[..3] {
            let (admitted, refused) = doors.admit(slice);
            assert_eq!((&admitted, refused.len()), (slice, 0));
        }
        for old in [2, 0] {
            let (admitted, refused) = doors.admit(&slices[old]);
            assert_eq!((admitted.is_empty(), refused.len()), (true, 2), "slice {old}");
        }
        assert!(doors.admit(&slices[3]).1.is_empty(), "a refused bar leaves no trace");
    }
}
