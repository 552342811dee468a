//! The four selection agents around a list: their brains, a directory for their log, and the deliberation.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use conclave_actors::audit::record;
use conclave_actors::consensus::Patience;
use conclave_actors::council::World;
use conclave_actors::runtime::faults::FaultPlan;
use conclave_actors::runtime::fence::Fence;
use conclave_actors::runtime::ports::{Clock, SpendLedger};
use conclave_actors::selection::TEAM;
use conclave_actors::selection::run::{SelectionAgent, SelectionRun, SelectionSetup};
use conclave_domain::record::Step;
use conclave_domain::role::AgentName;
use conclave_domain::selection::Scored;
use conclave_domain::selection::advised::{Council, Made};
use conclave_domain::time::Time;
use serde_json::{Value, json};
use tokio::runtime::{Handle, Runtime};

use super::super::clock::ReplayClock;
use super::super::inside::Room;
use super::super::world::{self, Opened};
use super::super::{runtime, spend};
use crate::adapters::audit_files::has_log;
use crate::adapters::clock::SystemClock;
use crate::adapters::spend_ledger::SpendFile;
use crate::brains::{Minds, REST_MAX, RULES, TAPE_FILE};
use crate::cli::error::{CliError, ExitCode};
use crate::config::Config;

/// How long a round of rules brains may take before nothing comes of it: they take milliseconds.
const WATCHDOG: Duration = Duration::from_mins(1);

/// A list to be advised on.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The ranking.
    pub scored: &'a Scored,
    /// Symbols on the list at most.
    pub count: usize,
    /// Where the symbols come from, in words.
    pub source: &'a str,
}

/// Those who are asked.
struct Seated {
    agents: BTreeMap<AgentName, SelectionAgent>,
    patience: Patience,
}

/// Asks the agents that the configuration enables about a list. Their log lies in `dir`; without one, in a
/// directory that is gone afterwards.
///
/// # Errors
/// When models cannot be asked as the configuration wants (3), or the directory holds a run already or
/// cannot be written.
pub fn advise(
    question: Question<'_>,
    config: &Config,
    dir: Option<&Path>,
) -> Result<(Made, Council), CliError> {
    let config = own(config);
    let runtime = runtime()?;
    let mut minds = runtime.block_on(Minds::live(&config))?;
    if let Some(dir) = dir.filter(|dir| has_log(dir)) {
        let text = format!(
            "{} holds a log already: choose another --out, or ask nobody by --agents off",
            dir.display()
        );
        return Err(CliError::new(ExitCode::Failure, text));
    }
    // Before anything is written: agents that could never be asked leave nothing behind.
    seat(&minds, &config)?;
    let room = if dir.is_none() { Some(Room::new()?) } else { None };
    let dir = dir.or(room.as_ref().map(Room::path)).unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir)?;
    minds.record(&dir.join(TAPE_FILE), &config)?;
    let seated = seat(&minds, &config)?;
    let are_free = seated.agents.values().all(|agent| agent.brain.is_free());
    let clock: Arc<dyn Clock> =
        if are_free { standing_at(question.scored.as_of()) } else { Arc::new(SystemClock) };
    let opened = world::open(dir, &config, false, Arc::clone(&clock))?;
    let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let ledger = if are_free { None } else { spend::open(&config, &name)? };
    let told = ask(&runtime, question, (&config, seated), (&opened, clock, ledger.clone()));
    if let Some(Err(error)) = ledger.map(|ledger| ledger.finish()) {
        let error = &error as &dyn std::error::Error;
        tracing::error!(error, "what was not settled in the ledger counts in full for a day");
    }
    drop(runtime);
    told
}

/// The configuration as this job needs it: no other team is asked, so none of its models is; and a store
/// that is small, since hardly anything is kept.
fn own(config: &Config) -> Config {
    let mut own = config.clone();
    for (name, agent) in &mut own.agents {
        agent.enabled &= TEAM.iter().any(|entry| entry.role.name == *name);
    }
    RULES.clone_into(&mut own.models.news_reader);
    "redb".clone_into(&mut own.store.engine);
    own
}

/// Market time that stands at one moment, so that nothing of a decision depends on this machine.
fn standing_at(time: Time) -> Arc<dyn Clock> {
    let clock = ReplayClock::default();
    clock.set(time);
    Arc::new(clock)
}

fn seat(minds: &Minds, config: &Config) -> Result<Seated, CliError> {
    let mut agents = BTreeMap::new();
    let mut slowest = Duration::ZERO;
    for entry in TEAM {
        let Some(settings) = config.agents.get(entry.role.name).filter(|it| it.enabled) else {
            continue;
        };
        let brain = minds.brain(*entry, config)?;
        if !brain.is_free() {
            slowest = slowest.max(REST_MAX + config.models.deadline(settings.tier));
        }
        let permits = usize::try_from(settings.permits).unwrap_or(usize::MAX);
        agents.insert(entry.role.name, SelectionAgent { brain, permits });
    }
    let patience = match slowest {
        Duration::ZERO => Patience::Watchdog(WATCHDOG),
        slowest => Patience::Deadline(slowest),
    };
    Ok(Seated { agents, patience })
}

fn ask(
    runtime: &Runtime,
    question: Question<'_>,
    (config, seated): (&Config, Seated),
    (opened, clock, ledger): (&Opened, Arc<dyn Clock>, Option<Arc<SpendFile>>),
) -> Result<(Made, Council), CliError> {
    let safety = Arc::new(opened.safety(None)?);
    runtime.block_on(async {
        let names: Vec<AgentName> = seated.agents.keys().copied().collect();
        let world = World {
            audit: Arc::clone(&opened.sink),
            head: opened.head,
            store: opened.store.clone(),
            context: opened.context.clone(),
            journal: None,
            safety,
            ledger: ledger.map(|ledger| ledger as Arc<dyn SpendLedger>),
            clock,
            fence: Fence::new(world::stop_flag(&opened.dir)),
            events: Arc::new(|_| {}),
            runtime: Handle::current(),
            witness: None,
            outside: None,
        };
        let setup = SelectionSetup {
            limits: Arc::new(config.limits.clone()),
            budgets: config.budgets.clone(),
            agents: seated.agents,
            faults: Arc::new(FaultPlan::default()),
            patience: seated.patience,
        };
        let council = SelectionRun::start(setup, world).await.map_err(|error| failed(&error))?;
        let told = lead(&council, question, &names).await;
        council.stop().await;
        told
    })
}

/// The header, the deliberation, and the end of the log.
async fn lead(
    council: &SelectionRun,
    question: Question<'_>,
    names: &[AgentName],
) -> Result<(Made, Council), CliError> {
    let Question { scored, count, source } = question;
    let as_of = scored.as_of();
    let header = json!({
        "verb": "select", "version": env!("CARGO_PKG_VERSION"), "as_of": as_of, "count": count,
        "source": source, "symbols": scored.candidates().len(), "agents": names,
    });
    note(council, Step::RunStarted, as_of, &header).await?;
    let told = council
        .deliberate(scored, count)
        .await
        .map_err(|violations| CliError::new(ExitCode::Denied, violations.to_string()))?;
    let (made, advice) = &told;
    let body = json!({"list": made.selected.symbols(), "code": advice.code});
    note(council, Step::RunEnded, as_of, &body).await?;
    council.audit.finish().await.map_err(|error| failed(&error))?;
    if let Some(why) = council.fallen() {
        tracing::error!(why, "the council fell; the list is the one without it");
    }
    Ok(told)
}

async fn note(council: &SelectionRun, step: Step, at: Time, body: &Value) -> Result<(), CliError> {
    let made = record(step, None, at, body).map_err(|error| failed(&error))?;
    council.audit.append(vec![made]).await.map(drop).map_err(|error| failed(&error))
}

fn failed(error: &dyn std::error::Error) -> CliError {
    CliError::new(ExitCode::Failure, error.to_string())
}
