//! The scorecard's facts: each run as it was, and once more for everybody who is muted, on all cores.
//!
//! - K-1: an agent that a run never consulted is not muted in it: that changes nothing, to the byte, which
//!   a test of the repetitions shows.
//! - K-3: a run that is handed in twice counts once: it is known by the hash of its records.

pub(crate) mod facts;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use conclave_actors::trading;
use conclave_domain::role::{AgentName, Role};
use conclave_domain::scorecard::{RunFacts, Without};
use metrics_exporter_prometheus::PrometheusHandle;

use super::repeat::{Scored, Source};
use crate::cli::error::{CliError, ExitCode};
use crate::cli::progress::Progress;

/// Whom a scorecard is about.
pub(crate) fn roster() -> Vec<Role> {
    trading::TEAM.iter().map(|entry| entry.role).collect()
}

/// Who is muted together in the repetitions of a run: each agent that it has consulted, and with `grid`
/// each pair of them.
pub(crate) fn mutings(facts: &RunFacts, grid: bool) -> Vec<BTreeSet<AgentName>> {
    let asked: Vec<AgentName> = roster()
        .iter()
        .map(|role| role.name)
        .filter(|name| facts.agents.get(name).is_some_and(|stats| stats.consulted > 0))
        .collect();
    let mut all: Vec<_> = asked.iter().map(|name| BTreeSet::from([*name])).collect();
    if grid {
        for (nth, one) in asked.iter().enumerate() {
            all.extend(asked[nth + 1..].iter().map(|two| BTreeSet::from([*one, *two])));
        }
    }
    all
}

/// What came of one of the runs that were handed in.
#[derive(Clone, Debug)]
pub(crate) enum Gathered {
    /// Its facts.
    Run(Box<Scored>),
    /// It has the records of an earlier one, by its place among them: it counts once.
    SameAs(usize),
}

/// Plays every run as it was and without its agents.
///
/// # Errors
/// The first that a repetition met, in the order of the runs.
pub(crate) fn gather(
    sources: &[Source],
    grid: bool,
    metrics: &PrometheusHandle,
) -> Result<Vec<Gathered>, CliError> {
    let progress = Progress::things(sources.len() as u64, "repetitions");
    let scored = on_all_cores(sources.len(), |nth| {
        let scored = sources[nth].scored(metrics);
        progress.advance(1);
        scored
    })?;
    let mut runs = each_once(scored);
    let of = |run: &Gathered| match run {
        Gathered::Run(run) => mutings(&run.facts, grid),
        Gathered::SameAs(_) => Vec::new(),
    };
    let jobs: Vec<(usize, BTreeSet<AgentName>)> = runs
        .iter()
        .enumerate()
        .flat_map(|(nth, run)| of(run).into_iter().map(move |it| (nth, it)))
        .collect();
    progress.extend_by(jobs.len() as u64);
    let played: Vec<Without> = on_all_cores(jobs.len(), |job| {
        let (nth, muted) = &jobs[job];
        let without = sources[*nth].without(muted, metrics);
        progress.advance(1);
        without
    })?;
    for ((nth, _), without) in jobs.iter().zip(played) {
        if let Gathered::Run(run) = &mut runs[*nth] {
            run.facts.without.push(without);
        }
    }
    progress.finish();
    Ok(runs)
}

/// Runs of which each has records of its own.
fn each_once(scored: Vec<Scored>) -> Vec<Gathered> {
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    let once = |(nth, run): (usize, Scored)| {
        let known = run.record_hash.clone().map(|hash| *first.entry(hash).or_insert(nth));
        known
            .filter(|known| *known != nth)
            .map_or_else(|| Gathered::Run(Box::new(run)), Gathered::SameAs)
    };
    scored.into_iter().enumerate().map(once).collect()
}

/// Does so many jobs on as many threads as there are cores; the results are in the order of the jobs.
fn on_all_cores<T: Send>(
    jobs: usize,
    job: impl Fn(usize) -> Result<T, CliError> + Sync,
) -> Result<Vec<T>, CliError> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<T, CliError>)>> = Mutex::new(Vec::with_capacity(jobs));
    std::thread::scope(|scope| {
        for _ in 0..cores.min(jobs) {
            scope.spawn(|| {
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= jobs {
                        break;
                    }
                    let result = job(nth);
                    // A thread that panicked holds no half-written result: each push is whole.
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((nth, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    // In their order, so that of several errors the same one is told every time.
    done.sort_by_key(|(nth, _)| *nth);
    if done.len() != jobs {
        return Err(CliError::new(ExitCode::Failure, "a part of the repetitions was not played"));
    }
    done.into_iter().map(|(_, result)| result).collect()
}
