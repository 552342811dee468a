//! A selection over thousands of symbols: time and memory.
//!
//! Method: 2,000 synthetic shares of 1,500 days in memory (made before the clock starts, by the market of
//! `domain/market/synth`), then everything that `select` does with them: checks, metrics, filters, the
//! matrix of correlations, scores, the list, the last look; on as many threads as there are cores, once to
//! warm up and three times on the clock, the median told. The peak of the resident memory holds the bars.
//! Then a first look at 12,000 symbols out of the JSON of their snapshots and the table of assets.
//! `cargo bench --bench select`; an argument is the number of shares instead of 2,000.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

#[path = "support/allocator.rs"]
mod allocator;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;

use conclave::run::select::{Source, Synthetic, Universe, cores, load, rank};
use conclave_domain::alpaca::data::Snapshot;
use conclave_domain::brief::selection::Constraints;
use conclave_domain::market::asset::Asset;
use conclave_domain::market::symbol::{AssetClass, Symbol};
use conclave_domain::selection::prefilter::{Glance, prefilter};
use conclave_domain::selection::score::default_weights;

const SYMBOLS: usize = 2_000;
const BARS: usize = 1_500;
const GLANCES: usize = 12_000;
const RUNS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let asked = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let symbols = asked.unwrap_or(SYMBOLS);
    let source =
        Source::Synthetic(Synthetic { symbols, coins: 0, bars: BARS, seed: 1, labelled: false });
    let (universe, making) = timed(|| load(&source, &[], None));
    let universe = universe?;
    let threads = cores();
    println!("{symbols} shares of {BARS} days, made in {making:.1} s; {threads} threads");
    let mut seconds = Vec::with_capacity(RUNS);
    for run in 0..=RUNS {
        let (picked, took) = timed(|| select(&universe, threads));
        if run == 0 {
            println!("{}", picked?);
        } else {
            seconds.push(took);
        }
    }
    seconds.sort_by(f64::total_cmp);
    let (low, median, high) = (seconds[0], seconds[RUNS / 2], seconds[RUNS - 1]);
    println!("a selection: {median:.2} s ({low:.2} to {high:.2})");
    println!("peak resident memory: {}", peak_memory()?);
    drop(universe);
    first_look()
}

/// Everything from bars to a list, and what came of it.
fn select(universe: &Universe, threads: usize) -> Result<String, Box<dyn Error>> {
    let as_of = universe.end().ok_or("there are no bars")?;
    let scored = rank(universe, as_of, &Constraints::default(), default_weights(), threads)?;
    let diverse = scored.diverse(10);
    let selected = scored.selected(diverse.list)?;
    let (passed, pairs) = (scored.ranked().len(), scored.matrix().len());
    Ok(format!(
        "{passed} pass the filters, {} correlations, {} picked",
        pairs * pairs.saturating_sub(1) / 2,
        selected.symbols().len()
    ))
}

/// Seconds that something takes.
fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    #[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
    let started_at = std::time::Instant::now();
    let result = work();
    (result, started_at.elapsed().as_secs_f64())
}

/// The highest resident memory so far, as the kernel says it.
fn peak_memory() -> Result<String, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(line.map_or_else(|| "unknown".to_owned(), |line| line.trim().to_owned()))
}

/// Reads the snapshots of 12,000 symbols as a venue says them, and keeps the most traded.
fn first_look() -> Result<(), Box<dyn Error>> {
    let mut text = String::from("{");
    for nth in 0..GLANCES {
        let (price, volume) = (1 + nth % 300, 1_000 + 997 * nth % 9_000_000);
        let comma = if nth == 0 { "" } else { "," };
        write!(
            text,
            "{comma}\"S{nth}\":{{\"latestTrade\":{{\"t\":\"2026-11-20T20:59:59.123456789Z\",\
             \"p\":{price}.37,\"s\":100}},\"prevDailyBar\":{{\"t\":\"2026-11-19T05:00:00Z\",\
             \"o\":{price}.1,\"h\":{price}.9,\"l\":{price}.05,\"c\":{price}.5,\"v\":{volume},\
             \"n\":1000,\"vw\":{price}.4}}}}"
        )?;
    }
    text.push('}');
    let (kept, took) = timed(|| {
        let snapshots: BTreeMap<String, Snapshot> = serde_json::from_str(&text)?;
        let glances: Result<Vec<Glance>, Box<dyn Error>> = snapshots
            .iter()
            .map(|(name, snapshot)| {
                let symbol = Symbol::new(name)?;
                let (sector, name) = (String::new(), name.clone());
                Ok(snapshot.glance(Asset { symbol, class: AssetClass::Equity, sector, name }, true))
            })
            .collect();
        let glances = glances?;
        Ok::<_, Box<dyn Error>>(prefilter(&glances, &Constraints::default(), 500).0)
    });
    let kept = kept?;
    let (kept, refused) = (kept.assets.len(), kept.refused.len());
    println!("a first look at {GLANCES} snapshots: {took:.2} s, {kept} kept, {refused} refused");
    Ok(())
}
