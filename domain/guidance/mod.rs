//! Guidance of a training run, as far as it is a matter of rules: who is due, what all advice comes to,
//! how long an answer counts, and whether what was done has helped. Pure.
//!
//! Everything here counts validation cycles. An answer of a model may take as long as a million steps
//! of training, so it is stamped with the cycle that it was asked in; [`moment`] makes a cycle a moment
//! of the run's own clock, which is what a clearance expires by.

mod compose;
mod guide;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use compose::{Composed, Group, LeftOut, compose, groups};
pub use guide::{Advised, Counts, GRACE_CYCLES, Guide, Judged};

use crate::brief::training::{
    ColumnStats, Multipliers, Proposed, RewardPart, UpdateStats, Validation,
};
use crate::clearance::{Decided, Validity};
use crate::order::DecisionId;
use crate::ratio::Ratio;
use crate::time::Time;

/// Cycles after the one that it was asked in, for which an answer counts. It may be applied at the
/// boundary it was asked at or at the next one; later the run is another one.
pub const FRESH_CYCLES: u32 = 1;

/// How a run stands at a validation boundary, beside the validation itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Share of the run's steps that are done, 0 to 1.
    pub progress: Ratio,
    /// Environment steps so far.
    pub steps: u64,
    /// How many updates the policy has had.
    pub policy_version: u64,
    /// Highest fitness of any validation so far; `None` before the first.
    pub best_fitness: Option<Ratio>,
    /// The last policy update.
    pub update: UpdateStats,
    /// The parts of the reward.
    pub reward_parts: Vec<RewardPart>,
    /// The columns of the observations.
    pub columns: Vec<ColumnStats>,
    /// Share of bars without volume.
    pub zero_volume_share: Ratio,
    /// Where the multipliers stand.
    pub multipliers: Multipliers,
}

/// A moment at which levers may move: a validation has just ended and the next update has not begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Boundary {
    /// How the run stands.
    pub standing: Standing,
    /// The validation that has just ended.
    pub validation: Validation,
    /// Whether the run has come to its last step.
    pub is_done: bool,
}

/// What a lever did to a copy of the run, before it was moved for good.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Simulated {
    /// Updates that the copies were trained for.
    pub iterations: u32,
    /// Fitness of the copy without the lever.
    pub before: Ratio,
    /// Fitness of the copy with it.
    pub after: Ratio,
}

impl Simulated {
    /// Whether it did harm by more than the noise of a short simulation: a tenth of the level without
    /// it, and at least a hundredth.
    pub fn is_harmful(&self) -> bool {
        let (before, after) = (self.before.get(), self.after.get());
        after < before - (0.1 * before.abs()).max(0.01)
    }
}

/// A validation cycle as a moment of the run's own clock: it counts cycles.
pub fn moment(cycle: u32) -> Time {
    Time::from_ms(i64::from(cycle))
}

/// How long what was asked for in a cycle may be carried out, in an epoch of the fence.
pub fn validity(asked_in: u32, epoch: u64) -> Validity {
    let expires_at = moment(asked_in.saturating_add(FRESH_CYCLES).saturating_add(1));
    Validity { epoch, expires_at }
}

/// Levers that a round has cleared, with the stamp of what they were asked about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeverPlan {
    /// The decision.
    pub decision: DecisionId,
    /// The validation cycle that it was asked in.
    pub asked_in: u32,
    /// The policy that it was asked about.
    pub policy_version: u64,
    /// What is to be done, in the order in which it is done.
    pub proposed: Vec<Proposed>,
}

impl Decided for LeverPlan {
    fn decision(&self) -> &DecisionId {
        &self.decision
    }

    /// A checkpoint and a pause change nothing that is learned, so nothing stops them.
    fn adds_risk(&self) -> bool {
        self.proposed.iter().any(|proposed| proposed.lever.is_change())
    }
}
