//! The trainer alone: environment steps per second with updates, and two trainers beside each other.
//!
//! Method: `CartPole`, the settings that published figures are made with: 8 environments × 128 steps, 4
//! epochs, minibatches of 256, two networks of 2 × 64 tanh. A slice is 150 iterations (153,600 steps) of a
//! fresh trainer. Slices of one trainer and of two, each on a thread of its own, alternate; medians over
//! the slices. The second column counts the processor time of the training threads instead of the wall's,
//! which says more on a busy machine. Bounds: 300,000 steps/s on one core; two trainers 1.9 times one,
//! which only two idle cores can show. How that compares with others on the same machine:
//! `benches/trainer_peers.py`.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

#[path = "support/allocator.rs"]
mod allocator;

use std::thread;
use std::time::Instant;

use conclave_trainer::env::cart_pole::CartPole;
use conclave_trainer::ppo::{Ppo, PpoConfig};
use conclave_trainer::vec_env::{Steps, VecEnv as _};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const SLICES: usize = 7;
const ITERATIONS: u32 = 150;
const ENVS: usize = 8;

fn main() -> Result<(), Failure> {
    let (mut one, mut two, mut bare) = (vec![], vec![], vec![]);
    for _ in 0..SLICES {
        one.push(beside(1)?);
        two.push(beside(2)?);
        bare.push((stepping(), 0.0));
    }
    let ((one_wall, one_cpu), (two_wall, two_cpu)) = (median(&one), median(&two));
    let (bare, _) = median(&bare);
    println!("{:<34} {:>10}   {:>10}", "", "wall", "processor");
    println!("CartPole with updates, one trainer {one_wall:>10.0} /s {one_cpu:>10.0} /s");
    println!("two trainers, two threads          {two_wall:>10.0} /s {two_cpu:>10.0} /s");
    println!(
        "two to one                         {:>10.2}   {:>10.2}  (bound 1.9)",
        two_wall / one_wall,
        2.0 * two_cpu / one_cpu
    );
    println!("CartPole alone, fixed actions      {bare:>10.0} /s");
    println!("(bound of the first line 300000)");
    Ok(())
}

/// Steps per second of wall time over all of so many trainers, and per second of a thread's processor
/// time of each.
fn beside(trainers: u64) -> Result<(f64, f64), Failure> {
    let begun = Instant::now();
    let mut slices = Vec::new();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..trainers).map(|seed| scope.spawn(move || slice(seed))).collect();
        slices.extend(threads.into_iter().map(thread::ScopedJoinHandle::join));
    });
    let wall = begun.elapsed().as_secs_f64();
    let (mut steps, mut rate) = (0.0, 0.0);
    for slice in slices {
        let (taken, processor) = slice.map_err(|_| "a trainer panicked")??;
        steps += taken;
        rate += taken / processor;
    }
    let count = if trainers == 2 { 2.0 } else { 1.0 };
    Ok((steps / wall, rate / count))
}

/// Steps of one slice, and the seconds of processor time that they took.
fn slice(seed: u64) -> Result<(f64, f64), Failure> {
    let config = PpoConfig { total_steps: 1 << 18, ..PpoConfig::default() };
    let mut ppo = Ppo::new(config, CartPole::new(ENVS, seed), seed)?;
    let begun = processor_seconds()?;
    let mut steps = 0.0;
    for _ in 0..ITERATIONS {
        ppo.iterate()?;
        steps += 1_024.0;
    }
    Ok((steps, processor_seconds()? - begun))
}

/// Processor time of this thread so far, as the kernel counts it.
fn processor_seconds() -> Result<f64, Failure> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: f64 = text.split(' ').next().ok_or("no figures")?.parse()?;
    Ok(nanoseconds / 1e9)
}

/// Steps per second of the environments without a policy.
fn stepping() -> f64 {
    let mut carts = CartPole::new(ENVS, 1);
    let mut steps = Steps::new(ENVS);
    let begun = Instant::now();
    for nth in 0..200_000_u32 {
        carts.step(&[u8::from(nth % 2 == 0); ENVS], &mut steps);
    }
    200_000.0 * 8.0 / begun.elapsed().as_secs_f64()
}

/// The middle one by its first figure.
fn median(pairs: &[(f64, f64)]) -> (f64, f64) {
    let mut pairs = pairs.to_vec();
    pairs.sort_by(|one, other| one.0.total_cmp(&other.0));
    pairs[pairs.len() / 2]
}
