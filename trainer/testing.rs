//! Worlds for tests: prices whose truth is known.

use std::time::Duration;

use conclave_domain::fixed::{Price, Volume};
use conclave_domain::market::bar::{Bar, Timeframe};
use conclave_domain::market::series::Series;
use conclave_domain::market::symbol::{AssetClass, Symbol};
use conclave_domain::time::Time;

use crate::rng::{Draws, Stream};

/// How prices move: r' = drift + x', x' = persistence · x + shock, r += noise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct World {
    /// Mean log return of a bar.
    pub(crate) drift: f64,
    /// How much of the hidden drift is left a bar later; 0 is a random walk.
    pub(crate) persistence: f64,
    /// Standard deviation of the hidden drift's shocks.
    pub(crate) shock: f64,
    /// Standard deviation of what nobody can know.
    pub(crate) noise: f64,
}

impl World {
    /// Nothing to be known: costs are all there is to lose.
    pub(crate) const NULL: Self = Self { drift: 0.0, persistence: 0.0, shock: 0.0, noise: 0.01 };
    /// A hidden drift that lasts for about twenty bars, half as large as the noise.
    pub(crate) const PLANTED: Self =
        Self { drift: 0.0, persistence: 0.95, shock: 0.0017, noise: 0.01 };
    /// Prices that rise more often than not.
    pub(crate) const RISING: Self =
        Self { drift: 0.002, persistence: 0.0, shock: 0.0, noise: 0.008 };
}

/// Daily bars of a world.
pub(crate) fn series(name: &str, world: World, bars: usize, seed: u64) -> Series {
    let mut sequence = Draws::new(seed).sequence(Stream::Environment, 1 << 40);
    let (mut hidden, mut close) = (0.0, 100.0_f64);
    let day = |n: usize| Time::EPOCH + Duration::from_hours(24) * u32::try_from(n).unwrap();
    let price = |value: f64| Price::from_f64((value * 100.0).round() / 100.0).unwrap();
    let bar = |n: usize| {
        hidden = world.persistence * hidden + world.shock * sequence.normal();
        let open = close * (0.2 * world.noise * sequence.normal()).exp();
        let moved = world.drift + hidden + world.noise * sequence.normal();
        close = (close * moved.exp()).max(1.0);
        assert!(close < 100_000.0, "a world within the ledger's range");
        let reach = 1.0 + world.noise * sequence.uniform_double();
        let (high, low) = (open.max(close) * reach, open.min(close) / reach);
        let volume = Volume::from_units(1_000 + i64::from(sequence.below(1_000))).unwrap();
        let (open_time, close_time) = (day(n), day(n) + Duration::from_hours(7));
        let (open, high, low) = (price(open), price(high), price(low));
        Bar { open_time, close_time, open, high, low, close: price(close), volume }
    };
    let bars = (0..bars).map(bar).collect();
    let symbol = Symbol::new(name).unwrap();
    Series { symbol, class: AssetClass::Equity, timeframe: Timeframe::Day, bars }
}
