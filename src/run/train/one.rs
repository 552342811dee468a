//! One training run: with a council around it and its log on the disk, or alone.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use conclave_actors::audit::record;
use conclave_actors::council::World;
use conclave_actors::runtime::faults::FaultPlan;
use conclave_actors::runtime::fence::Fence;
use conclave_actors::runtime::ports::SpendLedger;
use conclave_actors::safety::ModeRequest;
use conclave_actors::training::run::port::{Approver, TrainerFault, TrainerPort};
use conclave_actors::training::run::{
    Driven, GuidanceHandle, Moved, TrainingRun, TrainingSetup, drive_on_thread,
};
use conclave_domain::brief::training::EarlierAdvice;
use conclave_domain::guidance::{Boundary, Guide};
use conclave_domain::mode::{AdvisoryRecord, By, Mode, Person};
use conclave_domain::record::Step;
use conclave_domain::role::{AgentName, Team as Job};
use conclave_domain::time::Time;
use serde_json::{Value, json};
use tokio::runtime::{Handle, Runtime};

use super::super::world::{self, Opened};
use super::super::{runtime, spend};
use super::history::History;
use super::listen::Listen;
use super::team::Team;
use super::trainers::{Resumed, Trainers, Watch};
use crate::adapters::clock::SystemClock;
use crate::adapters::spend_ledger::SpendFile;
use crate::brains::{Minds, TAPE_FILE};
use crate::cli::error::{CliError, ExitCode};
use crate::config::Config;
use crate::report::training::Point;

/// What one run is made of.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    /// The configuration in force.
    pub(super) config: &'a Config,
    /// Who guides it; nobody where it is empty.
    pub(super) names: &'a [AgentName],
    /// The seed.
    pub(super) seed: u64,
    /// Where everything of it goes.
    pub(super) dir: &'a Path,
    /// Its name.
    pub(super) id: &'a str,
    /// Whether it goes on with what lies there.
    pub(super) resume: bool,
    /// The mode that its levers are moved in, where one was asked for.
    pub(super) mode: Option<Mode>,
    /// The person of supervised mode.
    pub(super) approver: Option<Arc<dyn Approver>>,
    /// Who watches.
    pub(super) watch: Watch,
    /// What identifies it, for the header of its log.
    pub(super) header: Value,
    /// What its agents are told of earlier runs.
    pub(super) earlier: &'a [EarlierAdvice],
    /// Where it listens, if it does.
    pub(super) listen: Option<&'a Listen>,
}

/// A run that has ended.
#[derive(Debug)]
pub(super) struct Ended<T> {
    /// The trainer, at its end.
    pub(super) trainer: T,
    /// How it ended.
    pub(super) driven: Driven,
    /// What guidance remembers of it; `None` where nobody guided it.
    pub(super) guide: Option<Guide>,
    /// Its curve.
    pub(super) points: Vec<Point>,
}

/// Trains to the end of a run, or to where it is stopped.
///
/// # Errors
/// When its agents could never be asked, its directory or its models cannot be used, or the trainer
/// failed.
pub(super) fn train<T: Trainers>(
    trainers: &T,
    plan: &Plan<'_>,
) -> Result<Ended<T::Trainer>, CliError> {
    let runtime = runtime()?;
    if plan.names.is_empty() {
        let (trainer, history, _) = trainer(trainers, plan)?;
        let (trainer, driven) = runtime.block_on(drive(trainer, None, (&history, &plan.watch)))?;
        return Ok(Ended { trainer, driven, guide: None, points: points(&history) });
    }
    let mut minds = runtime.block_on(Minds::live(plan.config))?;
    // Before anything is written: a run whose agents could never be asked leaves nothing behind.
    let seat = |minds: &Minds| Team::seat(plan.names, minds, plan.config, &trainers.job());
    seat(&minds)?;
    let (trainer, history, guide) = trainer(trainers, plan)?;
    minds.record(&plan.dir.join(TAPE_FILE), plan.config)?;
    let team = seat(&minds)?;
    let opened =
        world::open(plan.dir, &stored(plan.config, plan.dir), plan.resume, Arc::new(SystemClock))?;
    let ledger = if team.is_free() { None } else { spend::open(plan.config, plan.id)? };
    let fresh = || Guide::new(&name(plan.seed, &trainers.data_hash()));
    let guide = guide.unwrap_or_else(|| fresh().with_earlier(plan.earlier.to_vec()));
    let ended =
        guided(&runtime, plan, (team, guide), (&opened, ledger.clone()), (trainer, history));
    if let Some(Err(error)) = ledger.map(|ledger| ledger.finish()) {
        let error = &error as &dyn std::error::Error;
        tracing::error!(error, "what was not settled in the ledger counts in full for a day");
    }
    drop(runtime);
    ended
}

/// Proves that everybody who is named can be asked in a run of this size; writes nothing.
///
/// # Errors
/// With exit code 3 where not.
pub(super) fn prove<T: Trainers>(trainers: &T, plan: &Plan<'_>) -> Result<(), CliError> {
    if plan.names.is_empty() {
        return Ok(());
    }
    let minds = runtime()?.block_on(Minds::live(plan.config))?;
    let team = Team::seat(plan.names, &minds, plan.config, &trainers.job())?;
    team.tell(plan.config);
    Ok(())
}

/// What a run is called in its briefs and records: the same for the same seed and bars, wherever its
/// directory lies (D-1).
fn name(seed: u64, data_hash: &str) -> String {
    let bars: String = data_hash.chars().take(8).collect();
    format!("bars-{bars}-seed-{seed}")
}

/// The same with redb for the context. What a training run keeps there is a few kilobytes, for which
/// sled takes thirty megabytes of memory; a run that was begun with sled goes on with it.
fn stored(config: &Config, dir: &Path) -> Config {
    let mut own = config.clone();
    if !dir.join("context").exists() {
        "redb".clone_into(&mut own.store.engine);
    }
    own
}

/// The trainer, its curve so far and what guidance remembered.
type Begun<T> = (T, Arc<Mutex<History>>, Option<Guide>);

fn trainer<T: Trainers>(trainers: &T, plan: &Plan<'_>) -> Result<Begun<T::Trainer>, CliError> {
    let watch = plan.watch.clone();
    let Resumed { trainer, guide, validations } = if plan.resume {
        trainers.resume(plan.dir, watch)?
    } else {
        let trainer = trainers.begin(plan.seed, plan.dir, watch)?;
        Resumed { trainer, guide: None, validations: 0 }
    };
    let history = History::open(plan.dir, validations)?;
    Ok((trainer, Arc::new(Mutex::new(history)), guide))
}

fn points(history: &Mutex<History>) -> Vec<Point> {
    history.lock().unwrap_or_else(PoisonError::into_inner).points().to_vec()
}

async fn drive<P: TrainerPort + 'static>(
    trainer: P,
    guidance: Option<GuidanceHandle>,
    (history, watch): (&Arc<Mutex<History>>, &Watch),
) -> Result<(P, Driven), CliError> {
    let (history, watch) = (Arc::clone(history), watch.clone());
    let seen = move |boundary: &Boundary, moved: &[Moved]| {
        let mut history = history.lock().unwrap_or_else(PoisonError::into_inner);
        let point = Point::of(history.next_cycle(), boundary, moved);
        (watch.validated)(&point);
        history.push(point);
    };
    drive_on_thread(trainer, guidance, seen).await.map_err(|fault| {
        let code = match fault {
            TrainerFault::Poisoned { .. } => ExitCode::Data,
            TrainerFault::Stopped | TrainerFault::Failed { .. } => ExitCode::Failure,
        };
        CliError::new(code, "the training run could not go on").caused_by(fault)
    })
}

fn guided<P: TrainerPort + 'static>(
    runtime: &Runtime,
    plan: &Plan<'_>,
    (team, guide): (Team, Guide),
    (opened, ledger): (&Opened, Option<Arc<SpendFile>>),
    (trainer, history): (P, Arc<Mutex<History>>),
) -> Result<Ended<P>, CliError> {
    let safety = Arc::new(opened.safety(None)?);
    runtime.block_on(async {
        let world = World {
            audit: Arc::clone(&opened.sink),
            head: opened.head,
            store: opened.store.clone(),
            context: opened.context.clone(),
            journal: None,
            safety,
            ledger: ledger.map(|ledger| ledger as Arc<dyn SpendLedger>),
            clock: Arc::new(SystemClock),
            fence: Fence::new(world::stop_flag(plan.dir)),
            events: Arc::new(|_| {}),
            runtime: Handle::current(),
            witness: None,
            outside: None,
        };
        let setup = TrainingSetup {
            guide,
            limits: Arc::new(plan.config.limits.clone()),
            budgets: plan.config.budgets.clone(),
            agents: team.agents,
            faults: Arc::new(FaultPlan::default()),
            patience: team.patience,
            approver: plan.approver.clone(),
            approval_expiry: plan.config.approvals.expiry,
        };
        let council = TrainingRun::start(setup, world).await;
        let council = Arc::new(council.map_err(|error| failed(&error))?);
        let open = match plan.listen {
            Some(listen) => listen.open(plan, &council).await.map(Some),
            None => Ok(None),
        };
        let driven = match open {
            Ok(open) => {
                let driven = lead(plan, &council, trainer, &history).await;
                if let Some(open) = open {
                    open.close().await;
                }
                driven
            }
            Err(error) => Err(error),
        };
        let guide = council.guidance.guide();
        council.stop().await;
        let (trainer, driven) = driven?;
        Ok(Ended { trainer, driven, guide: Some(guide), points: points(&history) })
    })
}

/// The header, the run, and the end of its log.
async fn lead<P: TrainerPort + 'static>(
    plan: &Plan<'_>,
    council: &TrainingRun,
    trainer: P,
    history: &Arc<Mutex<History>>,
) -> Result<(P, Driven), CliError> {
    council.safety.begin_run(plan.id);
    note(council, Step::RunStarted, &plan.header).await?;
    set_mode(plan, council).await?;
    let guidance = Some(council.guidance.clone());
    let driven = drive(trainer, guidance, (history, &plan.watch)).await;
    if let Ok((_, driven)) = &driven {
        let guide = council.guidance.guide();
        let body = json!({
            "end": driven.ending, "validations": guide.cycle(), "counts": guide.counts(),
            "fingerprint": hex(&driven.fingerprint),
        });
        note(council, Step::RunEnded, &body).await?;
    }
    council.audit.finish().await.map_err(|error| failed(&error))?;
    if let Some(why) = council.fallen() {
        tracing::error!(why, "the council fell; from there on nobody guided the run");
    }
    driven
}

async fn note(council: &TrainingRun, step: Step, body: &Value) -> Result<(), CliError> {
    let header = record(step, None, Time::EPOCH, body).map_err(|error| failed(&error))?;
    council.audit.append(vec![header]).await.map(drop).map_err(|error| failed(&error))
}

async fn set_mode(plan: &Plan<'_>, council: &TrainingRun) -> Result<(), CliError> {
    let Some(to) = plan.mode.filter(|to| council.safety.mode(Job::Training) != *to) else {
        return Ok(());
    };
    let request = ModeRequest {
        job: Job::Training,
        to,
        by: By::Person(Person::authenticated("operator", "cli")),
        record: AdvisoryRecord::default(),
        override_reason: None,
    };
    let set = council.safety.set_mode(request).await;
    set.map(drop)
        .map_err(|code| CliError::new(ExitCode::Denied, format!("{code}: {}", code.cause())))
}

fn failed(error: &dyn std::error::Error) -> CliError {
    CliError::new(ExitCode::Failure, error.to_string())
}

/// Bytes as hexadecimal text.
pub(super) fn hex(bytes: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*bytes).to_hex().to_string()
}
