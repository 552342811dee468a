//! `chaos --seeds`: many small worlds on all cores, one table, and the way back to a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::thread;

use conclave_actors::sim::{self, Outcome};
use conclave_actors::trading;
use conclave_domain::faults::{Fault, Item, Place, Schedule};
use conclave_domain::role::AgentName;
use serde::Serialize;
use tokio::time::Instant;

use super::Seeds;
use crate::cli::error::{CliError, ExitCode};
use crate::cli::format::{Align, Format, Table, write_json};
use crate::cli::progress::Progress;

/// Runs that shrinking a schedule may cost.
const SHRINK_TRIES: usize = 400;
/// Failures that are shrunk and told; behind them the seeds only count.
const FAILURES_TOLD: usize = 5;

/// One seed whose world broke an invariant.
#[derive(Clone, Debug, Serialize)]
struct Failure {
    seed: u64,
    violations: Vec<String>,
    /// What it takes to break it, shrunk.
    schedule: String,
    /// What repeats it.
    command: String,
}

/// What came of all seeds; the document of `--format json`.
#[derive(Debug, Serialize)]
struct Summary {
    schema: &'static str,
    first: u64,
    last: u64,
    seeds: u64,
    failed: u64,
    seconds: f64,
    /// Rounds, entries, exits, fills, lives, crashes, restarts of actors, torn lines.
    worlds: BTreeMap<&'static str, u64>,
    /// Faults that were injected, by what they are.
    faults: BTreeMap<&'static str, u64>,
    /// How often each invariant was checked.
    checks: BTreeMap<&'static str, u64>,
    /// What the schedule has planned and no world has come to.
    never_reached: Vec<String>,
    failures: Vec<Failure>,
}

impl Summary {
    fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        for (id, count) in &outcome.checks {
            *self.checks.entry(id).or_default() += count;
        }
        let of_process = [
            ("lives", outcome.lives),
            ("crashes", outcome.crashes),
            ("actor restarts", outcome.restarts),
            ("torn lines", outcome.torn),
        ];
        for (name, count) in
            outcome.tallied.iter().map(|(name, count)| (*name, *count)).chain(of_process)
        {
            *self.worlds.entry(name).or_default() += count;
        }
        for item in outcome.schedule.items() {
            *self.faults.entry(item.fault.name()).or_default() += 1;
        }
        self.failed += u64::from(!outcome.is_good());
    }
}

/// Runs the seeds.
///
/// # Errors
/// With exit code 1 when one of them broke an invariant.
pub(super) fn run(
    seeds: Seeds,
    schedule: Option<&Schedule>,
    format: Format,
    out: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    let schedule = schedule.map(known).transpose()?;
    let schedule = schedule.as_ref();
    let began = Instant::now();
    let progress = Progress::things((seeds.last - seeds.first).saturating_add(1), "seeds");
    let (summary, failed) = all(seeds, schedule, &progress);
    progress.finish();
    let mut summary = summary;
    for outcome in failed.iter().take(FAILURES_TOLD) {
        summary.failures.push(shrunk(outcome));
    }
    summary.seconds = began.elapsed().as_secs_f64();
    if format == Format::Text {
        write!(out, "{}", text(&summary))?;
    } else {
        write_json(&summary, format, out)?;
    }
    if summary.failed > 0 {
        let text = format!("{} of {} seeds broke an invariant", summary.failed, summary.seeds);
        return Err(CliError::new(ExitCode::Failure, text));
    }
    Ok(())
}

/// The schedule with its agents' names as the team spells them.
///
/// # Errors
/// When it names an agent that is on no team that is simulated.
fn known(schedule: &Schedule) -> Result<Schedule, CliError> {
    let names = || trading::TEAM.iter().map(|entry| entry.role.name);
    let spelt = |item: &Item| {
        let Place::Agent(agent) = &item.place else { return Ok(item.clone()) };
        let name = agent.replace('-', "_");
        if names().any(|known| known == name) {
            return Ok(Item::of_agent(&name, item.fault, item.nth));
        }
        let team: Vec<AgentName> = names().collect();
        let text = format!("--schedule names `{agent}`, but the team is {}", team.join(", "));
        Err(CliError::new(ExitCode::Usage, text))
    };
    Ok(Schedule::new(schedule.items().iter().map(spelt).collect::<Result<Vec<_>, _>>()?))
}

/// Every seed once, spread over the cores; the failures in the order of their seeds.
fn all(seeds: Seeds, schedule: Option<&Schedule>, progress: &Progress) -> (Summary, Vec<Outcome>) {
    let summary = Summary {
        schema: "chaos-seeds/1",
        first: seeds.first,
        last: seeds.last,
        seeds: 0,
        failed: 0,
        seconds: 0.0,
        worlds: BTreeMap::new(),
        faults: BTreeMap::new(),
        checks: BTreeMap::new(),
        never_reached: Vec::new(),
        failures: Vec::new(),
    };
    let planned: BTreeSet<&Item> = schedule.iter().flat_map(|it| it.items()).collect();
    let (next, shared) = (Mutex::new(seeds.first..=seeds.last), Mutex::new((summary, Vec::new())));
    let unreached = Mutex::new(planned);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(seed) = seed else { return };
                    let outcome = sim::run(seed, schedule);
                    let mut planned = unreached.lock().unwrap_or_else(PoisonError::into_inner);
                    planned.retain(|item| !outcome.schedule.items().contains(item));
                    drop(planned);
                    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
                    shared.0.add(&outcome);
                    if !outcome.is_good() {
                        shared.1.push(outcome);
                    }
                    drop(shared);
                    progress.advance(1);
                }
            });
        }
    });
    let (mut summary, mut failed) = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    let unreached = unreached.into_inner().unwrap_or_else(PoisonError::into_inner);
    summary.never_reached = unreached.into_iter().map(ToString::to_string).collect();
    failed.sort_by_key(|outcome| outcome.seed);
    (summary, failed)
}

/// The name of the invariant that a violation begins with.
fn invariant(violation: &str) -> &str {
    violation.split_once(':').map_or(violation, |(id, _)| id)
}

/// The fewest faults with which the seed still breaks the same invariant.
fn shrunk(outcome: &Outcome) -> Failure {
    let wanted: Vec<&str> = outcome.violations.iter().map(|it| invariant(it)).collect();
    let schedule = sim::shrink(&outcome.schedule, SHRINK_TRIES, |schedule| {
        let again = sim::run(outcome.seed, Some(schedule));
        again.violations.iter().any(|violation| wanted.contains(&invariant(violation)))
    });
    let again = sim::run(outcome.seed, Some(&schedule));
    // What cannot be shown by a list alone is shown by all that the seed has drawn.
    let (violations, schedule) = if again.is_good() {
        (outcome.violations.clone(), outcome.schedule.to_string())
    } else {
        (again.violations, schedule.to_string())
    };
    let command = format!("conclave chaos --seeds {} --schedule '{schedule}'", outcome.seed);
    Failure { seed: outcome.seed, violations, schedule, command }
}

fn text(summary: &Summary) -> String {
    let mut told = String::new();
    let mut counts = Table::pairs();
    counts.row(["seeds".to_owned(), summary.seeds.to_string()]);
    counts.row(["broken".to_owned(), summary.failed.to_string()]);
    counts.row(["seconds".to_owned(), format!("{:.1}", summary.seconds)]);
    for (name, count) in &summary.worlds {
        counts.row([(*name).to_owned(), count.to_string()]);
    }
    told.push_str(&counts.to_string());
    let mut faults = Table::new([("fault", Align::Left), ("injected", Align::Right)]);
    for name in Fault::ALL.iter().map(|fault| fault.name()) {
        let count = summary.faults.get(name).copied().unwrap_or(0);
        faults.row([name.to_owned(), count.to_string()]);
    }
    told.extend(["\n".to_owned(), faults.to_string()]);
    let mut checks = Table::new([("invariant", Align::Left), ("checked", Align::Right)]);
    for (id, count) in &summary.checks {
        checks.row([(*id).to_owned(), count.to_string()]);
    }
    told.extend(["\n".to_owned(), checks.to_string()]);
    if !summary.never_reached.is_empty() {
        let items = summary.never_reached.join(", ");
        told.extend([format!("\nplanned and never reached: {items}\n")]);
    }
    for Failure { seed, violations, command, .. } in &summary.failures {
        told.extend([format!("\nseed {seed} broke an invariant:\n")]);
        told.extend(violations.iter().map(|violation| format!("  {violation}\n")));
        told.extend([format!("repeat it: {command}\n")]);
    }
    told
}
