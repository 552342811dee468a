//! The loop of a training run: train to a boundary, look at what was cleared, move it, write it down.
//!
//! - O-1: a lever moves with its clearance only, looked at immediately before; without one the port's
//!   `apply` is never called, so that a run in which nothing was cleared is the run without agents.
//!   Beside it stands one rule, with agents or without: a policy that met a number that is none goes
//!   back to its best checkpoint.
//!
//! The loop runs on the trainer's own thread and awaits nothing but a round of rules brains.

use conclave_domain::brief::training::{Proposed, TrainingLever};
use conclave_domain::clearance::Cleared;
use conclave_domain::code::Code;
use conclave_domain::guidance::{Boundary, Group, LeverPlan, Simulated, groups};
use serde::Serialize;

use super::brakes::stands;
use super::guidance::GuidanceHandle;
use super::port::{TrainerFault, TrainerPort};

/// How a run came to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "ending")]
pub enum Ending {
    /// Its last step was done.
    Done,
    /// The council has halted it.
    Halted,
    /// It waits for a person who looks at the data.
    Paused {
        /// The column that is at fault.
        column: String,
    },
    /// A person has stopped it.
    Stopped,
}

/// What became of levers that were moved together, or were not.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Moved {
    /// What was to be moved.
    pub what: String,
    /// The levers.
    pub levers: Vec<Proposed>,
    /// The cycle they were asked about.
    pub asked_in: u32,
    /// Why they were not moved; `None` where they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Code>,
    /// What the trainer said to that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What they did to a copy, where that was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub simulated: Option<Simulated>,
}

impl Moved {
    /// A part of a plan, before anything became of it.
    pub(super) fn of(group: Group, plan: &LeverPlan) -> Self {
        Self {
            what: group.name,
            levers: group.levers,
            asked_in: plan.asked_in,
            refused: None,
            why: None,
            simulated: None,
        }
    }
}

/// A run that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Driven {
    /// How.
    pub ending: Ending,
    /// Validations in this process.
    pub boundaries: u32,
    /// Changes that were made in this process; a checkpoint is none.
    pub applied: u64,
    /// The hash of the policy's parameters at the end.
    pub fingerprint: [u8; 32],
}

/// Trains to the end of a run; without guidance nobody is asked. `seen` hears of every boundary with
/// what was moved there.
///
/// # Errors
/// When the trainer failed and a rule could not put it right.
pub async fn drive(
    port: &mut dyn TrainerPort,
    guidance: Option<&GuidanceHandle>,
    seen: &mut (dyn FnMut(&Boundary, &[Moved]) + Send),
) -> Result<Driven, TrainerFault> {
    let (mut boundaries, mut applied, mut was_rescued) = (0, 0, false);
    let ending = loop {
        let boundary = match port.advance() {
            Ok(boundary) => boundary,
            Err(TrainerFault::Stopped) => break Ending::Stopped,
            Err(fault) => {
                rescue(port, guidance, fault, &mut was_rescued).await?;
                continue;
            }
        };
        boundaries += 1;
        was_rescued = false;
        let cleared = match guidance {
            Some(guidance) => guidance.reached(&boundary).await,
            None => None,
        };
        let decision = cleared.as_ref().map(|cleared| cleared.item().decision.clone());
        let moved = match (guidance, cleared) {
            (Some(guidance), Some(cleared)) => carry_out(port, guidance, &boundary, cleared),
            _ => Vec::new(),
        };
        if let Some(guidance) = guidance {
            guidance.moved(&boundary, decision.as_ref(), &moved).await;
        }
        let done = moved.iter().filter(|part| part.refused.is_none());
        let levers = || done.clone().flat_map(|part| &part.levers);
        applied += levers().filter(|it| it.lever.is_change()).count() as u64;
        port.keep(guidance.map(GuidanceHandle::guide).as_ref())?;
        seen(&boundary, &moved);
        if let Some(ending) = levers().find_map(ends) {
            break ending;
        }
        if boundary.is_done {
            break Ending::Done;
        }
    };
    if let Some(guidance) = guidance {
        guidance.over().await;
    }
    Ok(Driven { ending, boundaries, applied, fingerprint: port.fingerprint() })
}

/// A policy that met a number that is none goes back to the best checkpoint, once between two
/// boundaries: a fault that comes again is one of the data, and the run ends with it.
async fn rescue(
    port: &mut dyn TrainerPort,
    guidance: Option<&GuidanceHandle>,
    fault: TrainerFault,
    was_rescued: &mut bool,
) -> Result<(), TrainerFault> {
    let is_first = !std::mem::replace(was_rescued, true);
    let can_go_back = is_first && matches!(fault, TrainerFault::Poisoned { .. });
    let back = can_go_back && port.apply(&[TrainingLever::Rollback]).is_ok();
    let remedy = if back { "rolled back to the best checkpoint" } else { "the run ends" };
    tracing::error!(error = &fault as &dyn std::error::Error, remedy, "the trainer faulted");
    if let Some(guidance) = guidance {
        guidance.faulted(&fault.to_string(), remedy).await;
    }
    if back { Ok(()) } else { Err(fault) }
}

/// Moves what is cleared, part by part, each behind its own look at the gate.
pub(super) fn carry_out(
    port: &mut dyn TrainerPort,
    guidance: &GuidanceHandle,
    boundary: &Boundary,
    cleared: Cleared<LeverPlan>,
) -> Vec<Moved> {
    let now = guidance.brief(&boundary.standing);
    let parts = groups(&cleared.item().proposed).into_iter().map(|group| {
        let mut moved = Moved::of(group.clone(), cleared.item());
        let checked = cleared.check(guidance.gate()).map_err(as_of_training);
        if let Err(code) = checked.and_then(|()| stands(&group.levers, &now, boundary.is_done)) {
            moved.refused = Some(code);
            return moved;
        }
        let levers: Vec<_> = group.levers.iter().map(|it| it.lever.clone()).collect();
        if !group.protects() && !group.is_critical() {
            moved.simulated = port.simulate(&levers);
        }
        if moved.simulated.is_some_and(|simulated| simulated.is_harmful()) {
            moved.refused = Some(Code::TrainingSimulation);
        } else if let Err(refused) = port.apply(&levers) {
            moved.refused = Some(Code::TrainingRefused);
            moved.why = Some(refused.why);
        }
        moved
    });
    let moved = parts.collect();
    // A clearance is used once.
    drop(cleared.into_item());
    moved
}

const fn as_of_training(code: Code) -> Code {
    match code {
        Code::SafetyExpired => Code::TrainingStale,
        code => code,
    }
}

/// Whether a lever that was moved ends the run here.
fn ends(proposed: &Proposed) -> Option<Ending> {
    match &proposed.lever {
        TrainingLever::HaltTraining => Some(Ending::Halted),
        TrainingLever::PauseForData { column } => Some(Ending::Paused { column: column.clone() }),
        _ => None,
    }
}
