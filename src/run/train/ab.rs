//! `train ab`: the same seeds with the agents and without, and what the difference is worth.
//!
//! Every run of both arms is a run of its own, several side by side, each on the same bars and steps.
//! A treated run in which nothing was moved must be its baseline bit for bit; where nothing was moved
//! at all there was no treatment, and nothing is compared.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use conclave_domain::brief::training::EarlierAdvice;
use conclave_domain::code::Code;
use conclave_domain::experiment::{Measure, SEEDS_MIN, Tested, Verdict, tested, verdict};
use conclave_domain::ratio::Ratio;
use conclave_domain::role::AgentName;
use serde::Serialize;
use serde_json::{Value, json};

use super::advice;
use super::one::{Plan, hex, train};
use super::trainers::{Judgement, Trainers, Watch};
use crate::cli::error::{CliError, ExitCode};
use crate::config::Config;

/// What both arms share.
#[derive(Debug)]
pub(super) struct Experiment<'a> {
    /// The configuration in force.
    pub(super) config: &'a Config,
    /// Who guides the treated arm.
    pub(super) names: &'a [AgentName],
    /// The seeds of both arms.
    pub(super) seeds: &'a [u64],
    /// Where the runs go, a directory each.
    pub(super) dir: &'a Path,
    /// Who watches, and who stops it.
    pub(super) watch: Watch,
    /// What identifies it.
    pub(super) header: Value,
    /// What the agents of every treated run are told of earlier runs.
    pub(super) earlier: &'a [EarlierAdvice],
    /// Whose advice it is that they leave.
    pub(super) of: advice::Of<'a>,
    /// How many runs go side by side.
    pub(super) threads: usize,
}

/// One run of an arm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Run {
    /// Its seed.
    pub(super) seed: u64,
    /// Whether the agents guided it.
    pub(super) is_treated: bool,
    /// Times agents were asked to propose.
    pub(super) asked: u64,
    /// Changes that were made; a checkpoint is none.
    pub(super) applied: u64,
    /// Levers that were not, by the reason.
    pub(super) refused: BTreeMap<Code, u64>,
    /// The hash of the bars it was trained on.
    pub(super) data_hash: String,
    /// The hash of its policy's parameters.
    pub(super) fingerprint: String,
    /// What it was measured by.
    #[serde(serialize_with = "by_name")]
    pub(super) measures: Vec<(&'static str, bool, Option<Ratio>)>,
}

fn by_name<S: serde::Serializer>(
    measures: &[(&'static str, bool, Option<Ratio>)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(measures.iter().map(|(name, _, value)| (name, value)))
}

/// What the experiment says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Outcome {
    /// Every run, baseline before treated, by seed.
    pub(super) runs: Vec<Run>,
    /// Every measure with its test; nothing where there was no treatment.
    pub(super) measures: Vec<Tested>,
    /// The verdict.
    pub(super) verdict: Verdict,
    /// The verdict in words.
    pub(super) words: String,
}

/// Trains both arms and compares them.
///
/// # Errors
/// When there are fewer than five seeds, two of them are the same, a run fails, the arms were trained
/// on different bars, or a run in which nothing was moved differs from its baseline.
pub(super) fn compare<T: Trainers>(
    trainers: &T,
    experiment: &Experiment<'_>,
) -> Result<Outcome, CliError> {
    refuse_few(experiment.seeds)?;
    let arms = experiment.seeds.iter().flat_map(|&seed| [(seed, false), (seed, true)]);
    let arms: Vec<(u64, bool)> = arms.collect();
    let runs = side_by_side(&arms, experiment.threads, |&arm| run(trainers, experiment, arm))?;
    judge(runs)
}

/// Does all of a list, so many at a time. The order of what comes out is that of the list.
///
/// # Errors
/// The first error in the order of the list, whichever came first.
pub(super) fn side_by_side<I: Sync, O: Send>(
    items: &[I],
    threads: usize,
    work: impl Fn(&I) -> Result<O, CliError> + Sync,
) -> Result<Vec<O>, CliError> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<O, CliError>)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1).min(items.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { break };
                    let outcome = work(item);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((at, outcome));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Refuses too few seeds, and the same one twice.
///
/// # Errors
/// With exit code 2.
pub(super) fn refuse_few(seeds: &[u64]) -> Result<(), CliError> {
    let mut distinct = seeds.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() == seeds.len() && seeds.len() >= SEEDS_MIN {
        return Ok(());
    }
    let text = format!(
        "{} different seeds say nothing about the agents: a comparison takes at least {SEEDS_MIN}, \
         each once",
        distinct.len()
    );
    Err(CliError::new(ExitCode::Usage, text))
}

fn run<T: Trainers>(
    trainers: &T,
    experiment: &Experiment<'_>,
    (seed, is_treated): (u64, bool),
) -> Result<Run, CliError> {
    let id = format!("seed-{seed}-{}", if is_treated { "agents" } else { "baseline" });
    let dir: PathBuf = experiment.dir.join(&id);
    std::fs::create_dir_all(&dir)?;
    let mut header = experiment.header.clone();
    header["seed"] = json!(seed);
    let plan = Plan {
        config: experiment.config,
        names: if is_treated { experiment.names } else { &[] },
        seed,
        dir: &dir,
        id: &id,
        resume: false,
        mode: None,
        approver: None,
        watch: experiment.watch.clone(),
        header,
        earlier: experiment.earlier,
        listen: None,
    };
    let mut ended = train(trainers, &plan)?;
    if experiment.watch.is_stopped() {
        let text = "the comparison was stopped before all of its runs had ended";
        return Err(CliError::new(ExitCode::Interrupted, text));
    }
    let Judgement { measures, .. } = trainers.judge(&mut ended.trainer)?;
    if let Some(guide) = &ended.guide {
        advice::remember(advice::Of { seed, ..experiment.of }, guide);
    }
    let counts = ended.guide.map(|guide| guide.counts().clone()).unwrap_or_default();
    Ok(Run {
        seed,
        is_treated,
        asked: counts.asked.values().sum(),
        applied: counts.applied,
        refused: counts.dropped,
        data_hash: trainers.data_hash(),
        fingerprint: hex(&ended.driven.fingerprint),
        measures,
    })
}

/// What the runs of both arms say.
///
/// # Errors
/// As [`compare`].
pub(super) fn judge(runs: Vec<Run>) -> Result<Outcome, CliError> {
    refuse_mixed(&runs)?;
    let applied = runs.iter().map(|run| run.applied).sum();
    let measures = if applied == 0 { Vec::new() } else { tested(measures(&runs)) };
    let verdict = verdict(&measures, applied);
    let words = words(verdict, &measures, &runs);
    Ok(Outcome { runs, measures, verdict, words })
}

/// Refuses arms that cannot be compared.
fn refuse_mixed(runs: &[Run]) -> Result<(), CliError> {
    let hashes: Vec<&str> = runs.iter().map(|run| run.data_hash.as_str()).collect();
    if let Some([one, other]) = hashes.windows(2).find(|pair| pair[0] != pair[1]) {
        let text = format!(
            "the arms were trained on different bars (hash {one} and {other}): whatever differs is not \
             the agents' doing"
        );
        return Err(CliError::new(ExitCode::Data, text));
    }
    for run in runs.iter().filter(|run| run.is_treated && run.applied == 0) {
        let is_its = |other: &&Run| !other.is_treated && other.seed == run.seed;
        let baseline = runs.iter().find(is_its).map(|other| other.fingerprint.as_str());
        if baseline.is_some_and(|fingerprint| fingerprint != run.fingerprint) {
            let text = format!(
                "in the run of seed {} nothing was moved, and yet it is not its baseline bit for bit: \
                 guidance has touched what it may not",
                run.seed
            );
            return Err(CliError::new(ExitCode::Failure, text));
        }
    }
    Ok(())
}

fn measures(runs: &[Run]) -> Vec<Measure> {
    let Some(first) = runs.first() else { return Vec::new() };
    let of = |name: &str, is_treated: bool| -> Vec<Ratio> {
        let arm = runs.iter().filter(|run| run.is_treated == is_treated);
        arm.filter_map(|run| run.measures.iter().find(|(of, ..)| *of == name)?.2).collect()
    };
    let measure = |(name, more_is_better, _): &(&'static str, bool, _)| Measure {
        name,
        more_is_better: *more_is_better,
        baseline: of(name, false),
        treated: of(name, true),
    };
    first.measures.iter().map(measure).collect()
}

/// The verdict in words that claim no more than the figures.
fn words(verdict: Verdict, measures: &[Tested], runs: &[Run]) -> String {
    use conclave_domain::experiment::Finding;
    let seeds = runs.iter().filter(|run| run.is_treated).count();
    let applied: u64 = runs.iter().map(|run| run.applied).sum();
    let treated = runs.iter().filter(|run| run.applied > 0).count();
    let named = |finding: Finding| {
        let of = measures.iter().filter(|it| it.finding == finding);
        let shown = of.filter_map(|it| {
            let test = it.test.ok()?;
            let p = it.corrected_p?;
            let (name, by) = (it.measure.name, test.difference.get());
            Some(format!("{name} {by:+.4} (p = {:.4})", p.get()))
        });
        shown.collect::<Vec<_>>().join(", ")
    };
    let basis = format!(
        "{seeds} seeds, {applied} changes in {treated} of them; Welch's t, p corrected for {} \
         measures",
        measures.len()
    );
    match verdict {
        Verdict::NoTreatment => format!(
            "no treatment: in none of {seeds} runs did the agents change anything, so both arms are the \
             same to the bit and there is nothing to compare"
        ),
        Verdict::Helped => format!("the agents helped: {} ({basis})", named(Finding::Better)),
        Verdict::Harmed => format!("the agents did harm: {} ({basis})", named(Finding::Worse)),
        Verdict::Mixed => format!(
            "mixed: better in {}, worse in {} ({basis})",
            named(Finding::Better),
            named(Finding::Worse)
        ),
        Verdict::Unclear => format!(
            "no difference that chance would not make: what the agents did neither helped nor harmed \
             measurably ({basis})"
        ),
    }
}

/// Threads for the runs: as many as there are cores.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

#[cfg(test)]
mod tests;
