//! Bars per second of the in-process back-test: one core, full ledger and equity.
//!
//! Method: 500,000 minute bars of a seeded random walk in memory (no CSV parsing), an SMA cross that
//! computes only the averages and ranges that it declares, all-in, long and short, 1 bp of fees;
//! eleven runs after one to warm up, the median and the range of bars per second; then the peak of
//! the resident memory from `/proc/self/status`, which holds the bars, the equity curve, all orders
//! and all trades. `cargo bench --bench backtest`.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::error::Error;
use std::fs;

use conclave_domain::engine::{Directions, EngineResult, RawTerms, Size, run_raw};
use conclave_domain::fixed::{Bp, Money, Price, Volume};
use conclave_domain::market::bar::{Bar, Timeframe};
use conclave_domain::market::series::Series;
use conclave_domain::market::symbol::{AssetClass, Symbol};
use conclave_domain::sim_broker::{FillAt, SimConfig};
use conclave_domain::strategy::StrategyConfig;
use conclave_domain::time::Time;

const BARS: i64 = 500_000;
const RUNS: usize = 11;

fn main() -> Result<(), Box<dyn Error>> {
    let series = walk(20_120_301)?;
    println!("in-process back-test, one core, {BARS} synthetic minute bars, median of {RUNS} runs");
    for (fast, slow) in [(10, 20), (20, 50), (50, 200)] {
        for fill_at in [FillAt::NextOpen, FillAt::Close] {
            measure(&series, fast, slow, fill_at)?;
        }
    }
    println!("peak resident memory: {}", peak_memory()?);
    Ok(())
}

/// Runs one strategy and prints its line.
fn measure(series: &Series, fast: u16, slow: u16, fill_at: FillAt) -> Result<(), Box<dyn Error>> {
    let strategy = StrategyConfig::SmaCross { fast, slow };
    let terms = RawTerms {
        size: Size::AllIn,
        directions: Directions::LongShort,
        broker: SimConfig::raw(fill_at, Bp::whole(1)),
        cash: Money::from_units(1_000_000)?,
    };
    let mut rates = Vec::with_capacity(RUNS);
    let mut trades = 0;
    for run in 0..=RUNS {
        #[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
        let started_at = std::time::Instant::now();
        let result: EngineResult = run_raw(std::slice::from_ref(series), &strategy, &terms)?;
        let seconds = started_at.elapsed().as_secs_f64();
        trades = std::hint::black_box(result).book.trades().len();
        if run > 0 {
            #[expect(clippy::cast_precision_loss, reason = "half a million is exact")]
            rates.push(BARS as f64 / seconds / 1e6);
        }
    }
    rates.sort_by(f64::total_cmp);
    let fill = fill_at.name();
    let (low, median, high) = (rates[0], rates[RUNS / 2], rates[RUNS - 1]);
    println!(
        "sma-cross {fast}/{slow} {fill}: {median:.2} M bars/s ({low:.2} to {high:.2}), {trades} trades"
    );
    Ok(())
}

/// A seeded walk: steps of up to 5 bp of a price that begins at 100.
fn walk(seed: u64) -> Result<Series, Box<dyn Error>> {
    let mut state = seed;
    let mut next = |bound: i64| {
        // SplitMix64 (G. Steele, D. Lea, C. Flood, OOPSLA 2014).
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        i64::try_from((mixed ^ (mixed >> 31)) >> 1).unwrap_or(0) % bound
    };
    let mut bars = Vec::new();
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
fn peak_memory() -> Result<String, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(line.map_or_else(|| "unknown".to_owned(), |line| line.trim().to_owned()))
}
