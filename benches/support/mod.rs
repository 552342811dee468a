//! What two benchmarks share: a synthetic market of one symbol, and the peak of the memory.

use std::error::Error;
use std::fs;

use conclave_domain::fixed::{Price, Volume};
use conclave_domain::market::bar::{Bar, Timeframe};
use conclave_domain::market::series::Series;
use conclave_domain::market::symbol::{AssetClass, Symbol};
use conclave_domain::time::Time;

/// How many bars the walk has.
pub(crate) const BARS: i64 = 500_000;

/// A seeded walk: steps of up to 5 bp of a price that begins at 100.
pub(crate) fn walk(seed: u64) -> Result<Series, Box<dyn Error>> {
    let mut state = seed;
    let mut next = |bound: i64| {
        // SplitMix64 (G. Steele, D. Lea, C. Flood, OOPSLA 2014).
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        i64::try_from((mixed ^ (mixed >> 31)) >> 1).unwrap_or(0) % bound
    };
    let mut bars = Vec::with_capacity(usize::try_from(BARS)?);
    let mut price = 100_i64 * Price::SCALE;
    for minute in 0..BARS {
        let step = price / 2_000;
        let open = price + next(2 * step / 5 + 1) - step / 5;
        let close = price + next(2 * step + 1) - step;
        let high = open.max(close) + next(step);
        let low = open.min(close) - next(step);
        bars.push(Bar {
            open_time: Time::from_ms(minute * 60_000),
            close_time: Time::from_ms((minute + 1) * 60_000),
            open: Price::from_raw(open),
            high: Price::from_raw(high),
            low: Price::from_raw(low),
            close: Price::from_raw(close),
            volume: Volume::from_units(1_000)?,
        });
        price = close;
    }
    let symbol = Symbol::new("WALK")?;
    Ok(Series { symbol, class: AssetClass::Equity, timeframe: Timeframe::Minute, bars })
}

/// The highest resident memory so far, as the kernel says it.
pub(crate) fn peak_memory() -> Result<String, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(line.map_or_else(|| "unknown".to_owned(), |line| line.trim().to_owned()))
}
