//! The training team's brief: how a run is going, and what may be changed about it.
//!
//! A round of training has two steps. Agents that are due *propose*: `proposal` is empty. Then the
//! composed proposal is put to the vote of all: `proposal` holds it, and nobody moves a lever.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::trading::TrackRecord;
use crate::advice::Lever;
use crate::ratio::Ratio;
use crate::time::Time;

/// The name of the action that does nothing, as in `action_shares`.
pub const HOLD: &str = "HOLD";
/// The reward part for calling the direction right.
pub const PART_DIRECTION: &str = "direction";
/// The reward part for profit and loss.
pub const PART_PNL: &str = "pnl";
/// The reward part that charges slippage.
pub const PART_SLIPPAGE: &str = "slippage";
/// The reward part of the differential Sharpe ratio.
pub const PART_SHARPE: &str = "differential_sharpe";

/// One validation on an out-of-sample window, measured on account equity, not on reward.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// When it ended.
    pub at: Time,
    /// Its number, from 1.
    pub cycle: u32,
    /// Environment steps by then.
    pub step: u64,
    /// Mean training reward since the validation before it.
    pub training_reward: Ratio,
    /// The run's own measure of success.
    pub fitness: Ratio,
    /// Gross gains over gross losses; `None` without a loss.
    pub profit_factor: Option<Ratio>,
    /// Annualised Sharpe ratio; `None` without variance.
    pub sharpe: Option<Ratio>,
    /// Largest fall from a peak of equity, fraction.
    pub drawdown: Ratio,
    /// Won trades among closed ones, fraction; `None` without a trade.
    pub win_rate: Option<Ratio>,
    /// Trades per step, fraction.
    pub trade_rate: Ratio,
    /// Share of each action among all steps, by the action's name; they sum to one.
    pub action_shares: BTreeMap<String, Ratio>,
    /// Share of calls whose direction was right; `None` without a call.
    pub direction_accuracy: Option<Ratio>,
    /// Share of the windows that ended in profit.
    pub consistency: Ratio,
}

/// What the last policy update looked like. `None` where a figure was undefined or not finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UpdateStats {
    /// Mean reward.
    pub reward_mean: Option<Ratio>,
    /// Standard deviation of the reward.
    pub reward_std: Option<Ratio>,
    /// Approximate KL divergence from the policy before the update, nats.
    pub kl: Option<Ratio>,
    /// The KL divergence at which an update stops early, nats.
    pub kl_target: Ratio,
    /// Mean entropy of the policy, nats.
    pub entropy: Option<Ratio>,
    /// Number of actions of the policy.
    pub actions: u32,
    /// The scheduled learning rate times its multiplier.
    pub learning_rate: Ratio,
    /// Share of samples whose ratio was clipped.
    pub clip_fraction: Option<Ratio>,
    /// Share of the returns' variance that the value function explains; negative is worse than none.
    pub explained_variance: Option<Ratio>,
    /// Norm of the gradient before clipping.
    pub gradient_norm: Option<Ratio>,
}

/// One part of the reward.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RewardPart {
    /// Its name, such as [`PART_PNL`].
    pub name: String,
    /// Its weight; all weights sum to one.
    pub weight: Ratio,
    /// Sum of what agents have changed about the weight in this run.
    pub cumulative_change: Ratio,
    /// Its mean contribution a step.
    pub mean: Ratio,
    /// Its share of the reward's variance: what it weighs in truth.
    pub effective_share: Ratio,
}

/// What is known of one column of the observations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnStats {
    /// The column's name.
    pub name: String,
    /// Its present mean against the normalisation's, in standard deviations.
    pub drift_z: Option<Ratio>,
    /// Whether it has held one value throughout.
    pub is_constant: bool,
    /// Whether it has been zero throughout.
    pub is_zero: bool,
    /// Values that were NaN or infinite.
    pub non_finite_count: u64,
}

/// Products of all multipliers that agents have applied in this run; 1 is untouched.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Multipliers {
    /// On the scheduled learning rate.
    pub learning_rate: Ratio,
    /// On the entropy bonus.
    pub entropy: Ratio,
    /// On the batch size.
    pub batch: Ratio,
}

impl Default for Multipliers {
    fn default() -> Self {
        Self { learning_rate: Ratio::ONE, entropy: Ratio::ONE, batch: Ratio::ONE }
    }
}

/// A lever of training as it stands in proposals and in the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "lever")]
pub enum TrainingLever {
    /// Factor on the scheduled learning rate.
    LearningRate {
        /// The factor.
        value: Ratio,
    },
    /// Factor on the entropy bonus.
    Entropy {
        /// The factor.
        value: Ratio,
    },
    /// Factor on the batch size.
    BatchSize {
        /// The factor.
        value: Ratio,
    },
    /// Change of one reward part's weight.
    RewardWeight {
        /// The part's name.
        part: String,
        /// The change.
        delta: Ratio,
    },
    /// Save a checkpoint.
    Checkpoint,
    /// Go back to the best checkpoint. Critical.
    Rollback,
    /// End the run. Critical.
    HaltTraining,
    /// Stop using one column.
    DropColumn {
        /// The column's name.
        column: String,
    },
    /// Pause until a person has looked at the data.
    PauseForData {
        /// The column that is at fault.
        column: String,
    },
}

impl TrainingLever {
    /// The same lever, where it is one of the training team.
    pub fn of(lever: &Lever) -> Option<Self> {
        Some(match lever {
            Lever::LearningRate { value } => Self::LearningRate { value: value.ratio() },
            Lever::Entropy { value } => Self::Entropy { value: value.ratio() },
            Lever::BatchSize { value } => Self::BatchSize { value: value.ratio() },
            Lever::RewardWeight { part, delta } => {
                Self::RewardWeight { part: part.clone(), delta: delta.ratio() }
            }
            Lever::Checkpoint => Self::Checkpoint,
            Lever::Rollback => Self::Rollback,
            Lever::HaltTraining => Self::HaltTraining,
            Lever::DropColumn { column } => Self::DropColumn { column: column.clone() },
            Lever::PauseForData { column } => Self::PauseForData { column: column.clone() },
            _ => return None,
        })
    }

    /// What is moved, whatever the amount: two uses of the same lever have the same name.
    pub fn name(&self) -> String {
        match self {
            Self::LearningRate { .. } => "learning_rate".to_owned(),
            Self::Entropy { .. } => "entropy".to_owned(),
            Self::BatchSize { .. } => "batch_size".to_owned(),
            Self::RewardWeight { part, .. } => format!("reward_weight.{part}"),
            Self::Checkpoint => "checkpoint".to_owned(),
            Self::Rollback => "rollback".to_owned(),
            Self::HaltTraining => "halt_training".to_owned(),
            Self::DropColumn { column } => format!("drop_column.{column}"),
            Self::PauseForData { column } => format!("pause_for_data.{column}"),
        }
    }

    /// Whether it needs unanimity and a critical permit.
    pub const fn is_critical(&self) -> bool {
        matches!(self, Self::Rollback | Self::HaltTraining)
    }

    /// Whether it changes how the run learns; a checkpoint and a pause do not.
    pub const fn is_change(&self) -> bool {
        !matches!(self, Self::Checkpoint | Self::PauseForData { .. })
    }
}

/// What became of an advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LedgerOutcome {
    /// Applied; the next validation will tell.
    Pending,
    /// Applied, and fitness did not fall.
    Verified,
    /// Applied, and fitness fell.
    Failed,
    /// Not applied: refused, vetoed, stale, or without a majority.
    Dropped,
}

/// One advice of this run and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// When it was given.
    pub at: Time,
    /// After which validation.
    pub cycle: u32,
    /// By whom.
    pub agent: String,
    /// What was asked for.
    pub lever: TrainingLever,
    /// What became of it.
    pub outcome: LedgerOutcome,
    /// Change of fitness by the validation after it.
    pub fitness_change: Option<Ratio>,
}

impl LedgerEntry {
    /// Whether it is known what it was worth: a validation has judged it, or it only protects.
    pub const fn is_judged(&self) -> bool {
        matches!(self.outcome, LedgerOutcome::Verified | LedgerOutcome::Failed)
    }
}

/// What earlier runs have shown of one agent's use of one lever. The rules of the team do not look at
/// it, so that a seed ends in the same policy whatever was trained before; models may.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarlierAdvice {
    /// Who had asked for it.
    pub agent: String,
    /// What was moved, by its name.
    pub lever: String,
    /// Uses that a validation has judged, over all runs.
    pub judged: u64,
    /// Those of them after which fitness did not fall.
    pub helped: u64,
    /// Mean change of fitness by the validation after it.
    pub mean_fitness_change: Ratio,
}

/// One lever of a composed proposal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposed {
    /// Who asked for it.
    pub by: String,
    /// What was asked for, after the clamp.
    pub lever: TrainingLever,
}

/// Everything the training team is told at one validation boundary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingBrief {
    /// Nothing in this brief was known later than this.
    pub as_of: Time,
    /// The run's name.
    pub run: String,
    /// Share of the run's steps that are done, 0 to 1.
    pub progress: Ratio,
    /// How many updates the policy has had.
    pub policy_version: u64,
    /// Environment steps so far.
    pub steps: u64,
    /// Validation cycles in which no lever may move yet: the last change awaits its verification.
    pub grace_cycles_left: u32,
    /// Highest fitness of any validation so far; `None` before the first.
    pub best_fitness: Option<Ratio>,
    /// The last ten validations, oldest first.
    #[serde(rename = "validations_oldest_first")]
    pub validations: Vec<Validation>,
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
    /// Earlier advice of this run, oldest first.
    #[serde(rename = "ledger_oldest_first")]
    pub ledger: Vec<LedgerEntry>,
    /// What earlier runs have shown of each agent's levers, in the order of agents and levers.
    #[serde(default, rename = "earlier_runs", skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<EarlierAdvice>,
    /// The composed proposal that is put to the vote; empty while agents propose.
    pub proposal: Vec<Proposed>,
    /// The asked agent's own record.
    pub track_record: TrackRecord,
}

impl TrainingBrief {
    /// Whether a composed proposal is put to the vote.
    pub fn is_vote(&self) -> bool {
        !self.proposal.is_empty()
    }

    /// The last validation, if there was one.
    pub fn last(&self) -> Option<&Validation> {
        self.validations.last()
    }

    /// How many validations in a row, up to the last, had a lower fitness than the one before.
    pub fn declines(&self) -> usize {
        self.trailing(|before, after| after.fitness < before.fitness)
    }

    /// How many validations in a row, up to the last, had more training reward and less fitness than
    /// the one before: the mark of overfitting.
    pub fn overfits(&self) -> usize {
        self.trailing(|before, after| {
            after.fitness < before.fitness && after.training_reward > before.training_reward
        })
    }

    fn trailing(&self, holds: impl Fn(&Validation, &Validation) -> bool) -> usize {
        self.validations.windows(2).rev().take_while(|pair| holds(&pair[0], &pair[1])).count()
    }

    /// The fall of the last fitness from the highest one, fraction; `None` where the highest is not
    /// above zero, so that a share of it means nothing.
    pub fn fall_from_peak(&self) -> Option<Ratio> {
        let peak = self.best_fitness?.get();
        let last = self.last()?.fitness.get();
        if peak > 0.0 { Ratio::new((peak - last) / peak).ok() } else { None }
    }

    /// Whether the last use of a lever that was verified failed.
    pub fn failed_last_time(&self, lever: &TrainingLever) -> bool {
        let name = lever.name();
        let is_last = |entry: &&LedgerEntry| entry.lever.name() == name && entry.is_judged();
        let judged = self.ledger.iter().rev().find(is_last);
        judged.is_some_and(|entry| entry.outcome == LedgerOutcome::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brief() -> TrainingBrief {
        serde_json::from_str(include_str!("../../tests/briefs/training.json")).unwrap()
    }

    fn with_fitness(values: &[(f64, f64)]) -> TrainingBrief {
        let mut brief = brief();
        let first = brief.validations[0].clone();
        let validation = |&(fitness, reward): &(f64, f64)| Validation {
            fitness: Ratio::of(fitness),
            training_reward: Ratio::of(reward),
            ..first.clone()
        };
        brief.validations = values.iter().map(validation).collect();
        brief
    }

    #[test]
    fn declines_are_counted_up_to_the_last_validation() {
        assert_eq!(with_fitness(&[]).declines(), 0);
        assert_eq!(with_fitness(&[(0.4, 1.0)]).declines(), 0);
        let falling = with_fitness(&[(0.1, 1.0), (0.4, 1.0), (0.3, 2.0), (0.2, 3.0)]);
        assert_eq!((falling.declines(), falling.overfits()), (2, 2));
        let recovered = with_fitness(&[(0.4, 1.0), (0.3, 2.0), (0.35, 3.0)]);
        assert_eq!((recovered.declines(), recovered.overfits()), (0, 0));
    }

    #[test]
    fn a_fall_is_measured_from_a_peak_above_zero_only() {
        let mut brief = with_fitness(&[(0.28, 1.0)]);
        brief.best_fitness = Some(Ratio::of(0.4));
        assert!((brief.fall_from_peak().unwrap().get() - 0.3).abs() < 1e-12);
        brief.best_fitness = Some(Ratio::of(-0.1));
        assert_eq!(brief.fall_from_peak(), None);
    }

    #[test]
    fn only_the_last_judged_use_of_a_lever_counts() {
        let mut brief = brief();
        let entry = |value: f64, outcome| LedgerEntry {
            at: Time::EPOCH,
            cycle: 1,
            agent: "hyperparameter_tuner".to_owned(),
            lever: TrainingLever::LearningRate { value: Ratio::of(value) },
            outcome,
            fitness_change: None,
        };
        let lever = TrainingLever::LearningRate { value: Ratio::ONE };
        brief.ledger = vec![entry(0.7, LedgerOutcome::Verified), entry(1.3, LedgerOutcome::Failed)];
        assert!(brief.failed_last_time(&lever));
        brief.ledger.push(entry(0.7, LedgerOutcome::Dropped));
        assert!(brief.failed_last_time(&lever));
        brief.ledger.push(entry(0.7, LedgerOutcome::Verified));
        assert!(!brief.failed_last_time(&lever));
    }
}
