//! Bars per second of the in-process back-test: one core, full ledger and equity.
//!
//! Method: 500,000 minute bars of a seeded random walk in memory (no CSV parsing), an SMA cross that
//! computes only the averages and ranges that it declares, all-in, long and short, 1 bp of fees;
//! eleven runs after one to warm up, the median and the range of bars per second; then the peak of
//! the resident memory from `/proc/self/status`, which holds the bars, the equity curve, all orders
//! and all trades. `cargo bench --bench backtest`.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

#[path = "support/allocator.rs"]
mod allocator;

use std::error::Error;

use conclave_domain::engine::{Directions, EngineResult, RawTerms, Size, run_raw};
use conclave_domain::fixed::{Bp, Money};
use conclave_domain::market::series::Series;
use conclave_domain::sim_broker::{FillAt, SimConfig};
use conclave_domain::strategy::StrategyConfig;
use support::{BARS, peak_memory, walk};

mod support;

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
