//! The ports of a guided run: the trainer, and the person of supervised mode.
//!
//! The trainer knows nothing of agents; whatever it is told came through a clearance. Its calls block
//! for as long as training takes, so they are made on a thread of their own and never on a runtime's.

use std::fmt;
use std::pin::Pin;

use conclave_domain::brief::training::TrainingLever;
use conclave_domain::guidance::{Boundary, Guide, LeverPlan, Simulated};
use conclave_domain::mode::Person;

/// A trainer at work on one run.
pub trait TrainerPort: Send {
    /// Trains to the next validation boundary and validates.
    ///
    /// # Errors
    /// When the run cannot get there; the policy is the one before the update that failed.
    fn advance(&mut self) -> Result<Boundary, TrainerFault>;

    /// What these levers do to a copy of the run, where that is cheap; `None` where it is not.
    fn simulate(&mut self, levers: &[TrainingLever]) -> Option<Simulated>;

    /// Moves levers of one kind, all of them or none, from the next update on.
    ///
    /// # Errors
    /// When they are out of the trainer's own bounds, or there is nothing to act on.
    fn apply(&mut self, levers: &[TrainingLever]) -> Result<(), LeverRefused>;

    /// Writes the run down as it stands, with what guidance remembers of it: what a resume goes on
    /// from. Without a guide nobody guides the run.
    ///
    /// # Errors
    /// When it could not be written; the former checkpoint is still there.
    fn keep(&mut self, guide: Option<&Guide>) -> Result<(), TrainerFault>;

    /// The hash of the policy's parameters, bit for bit.
    fn fingerprint(&self) -> [u8; 32];
}

/// Why a trainer did not reach the next boundary.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrainerFault {
    /// A number was NaN or infinite; no parameter was moved by that update.
    #[error("a number was not finite: {what}")]
    Poisoned {
        /// Which, and where.
        what: String,
    },
    /// Somebody has asked the run to end.
    #[error("the run was asked to end")]
    Stopped,
    /// Anything else, such as a full disk.
    #[error("the trainer failed: {what}")]
    Failed {
        /// What it said.
        what: String,
    },
}

/// Why the trainer did not move a lever.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct LeverRefused {
    /// One sentence.
    pub why: String,
}

/// A person's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Who.
    pub person: Person,
    /// Yes or no.
    pub approves: bool,
}

/// An answer that is waited for. Dropping it withdraws the question.
pub type Waiting = Pin<Box<dyn Future<Output = Option<Word>> + Send>>;

/// The person of supervised mode. The run pauses at its boundary until the answer is there.
pub trait Approver: fmt::Debug + Send + Sync {
    /// Asks whether these levers may be moved; nobody there answers nothing, which means no (T-3).
    fn ask(&self, plan: &LeverPlan, reasoning: &str) -> Waiting;
}
