//! The market that is trained on: steps with updates, validations, folds, and how soon it begins.
//!
//! Method: a synthetic market of daily bars and the embedded one; the usual settings of a run. Each line
//! is the median of seven slices, in processor time of the one thread that there is, because a busy
//! machine would be measured otherwise. Bounds: 10,000 bars × 16 episodes of a validation in 100 ms, so that a
//! validation is affordable at every boundary; a fold of 253 bars in 50 ms; the first step 50 ms after
//! the bars are there; 64 MB of memory with the embedded bars.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "support/allocator.rs"]
mod allocator;

use std::sync::Arc;
use std::time::Duration;

use conclave::data;
use conclave_domain::bounds::BoundsTable;
use conclave_domain::market::synth::{Preset as Market, SynthConfig, generate};
use conclave_domain::policy::action::ActionSet;
use conclave_trainer::actor_critic::ActorCritic;
use conclave_trainer::env::trade::{MarketData, Span, Terms, View};
use conclave_trainer::layout::{Layout, Shape};
use conclave_trainer::session::{Session, TrainConfig};
use conclave_trainer::validate::{Greedy, Trial, windows};

type Failure = Box<dyn std::error::Error>;

const SLICES: usize = 7;
/// Folds in one slice.
const FOLDS: u32 = 50;

fn main() -> Result<(), Failure> {
    let series = data::embedded()?;
    let mut begun = Vec::new();
    let mut rates = Vec::new();
    for _ in 0..SLICES {
        let start = processor()?;
        let market = Arc::new(MarketData::new(&series)?);
        let config = TrainConfig::with_steps(1 << 20);
        let mut run = Session::new(config, market, BoundsTable::default())?;
        begun.push(since(start)?);
        run.iterate()?;
        let (start, before) = (processor()?, run.steps());
        for _ in 0..50 {
            run.iterate()?;
        }
        let steps = Duration::from_secs(run.steps() - before).as_secs_f64();
        rates.push(Duration::from_secs_f64(since(start)?.as_secs_f64() / steps));
    }
    let per_step = median(&mut rates);
    println!("embedded bars, with updates        {:>10.0} steps/s", 1.0 / per_step.as_secs_f64());
    println!("from bars to the first step        {:>10.1?}  (bound 50 ms)", median(&mut begun));
    println!("memory after all of it             {:>10}  (bound 64 MB)", memory()?);
    let synth = SynthConfig { symbols: 16, bars: 10_061, ..SynthConfig::of(Market::Calm) };
    let long = validation(&MarketData::new(&generate(&synth, 1)?.series)?, 1)?;
    println!("validation, 10,000 bars × 16       {long:>10.1?}  (bound 100 ms)");
    let synth = SynthConfig { symbols: 1, bars: 253, ..SynthConfig::of(Market::Calm) };
    let bars = generate(&synth, 1)?.series;
    let mut folds = Vec::new();
    for _ in 0..SLICES {
        let start = processor()?;
        // The kernel's clock of processor time ticks every few milliseconds.
        for _ in 0..FOLDS {
            validation(&MarketData::new(&bars)?, SLICES)?;
        }
        folds.push(since(start)? / FOLDS);
    }
    println!("a fold of 253 bars, with features  {:>10.1?}  (bound 50 ms)", median(&mut folds));
    Ok(())
}

/// The time that a fresh network takes to play every span as one window.
fn validation(data: &MarketData, repeats: usize) -> Result<Duration, Failure> {
    let data = Arc::new(data.clone());
    let spans = data.spans().to_vec();
    let view = View::fitted(data, &spans)?;
    let net = ActorCritic::new(
        Layout::new(&Shape { observation: 32, hidden: vec![64, 64], actions: 8 })?,
        1,
    );
    let terms = Terms::default();
    let whole: Vec<Span> = windows(&spans, spans.len());
    let trial = Trial { view: &view, windows: &whole, terms: &terms };
    let mut times = Vec::new();
    for _ in 0..SLICES.div_ceil(repeats) {
        let start = processor()?;
        let report = trial.run(&mut Greedy::new(&net, ActionSet::Eight))?;
        times.push(since(start)?);
        assert!(report.steps > 0, "nothing was played");
    }
    Ok(median(&mut times))
}

/// Processor time of this thread so far, as the kernel counts it.
fn processor() -> Result<Duration, Failure> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split(' ').next().ok_or("no figures")?.parse()?;
    Ok(Duration::from_nanos(nanoseconds))
}

/// Processor time of this thread since a moment of it.
fn since(start: Duration) -> Result<Duration, Failure> {
    Ok(processor()?.saturating_sub(start))
}

/// The largest resident memory so far, as the kernel says it.
fn memory() -> Result<String, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(peak.ok_or("no figure")?.trim().to_owned())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
