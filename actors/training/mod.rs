//! The training team: five advisers on a training run, one file each, and the brakes they share.
//!
//! # Invariants
//!
//! - B-2: cumulative lever changes stay within their bounds: [`within_total`] for multipliers, the
//!   Reward Engineer's own intervals for reward weights.

use conclave_domain::advice::Lever;
pub use conclave_domain::bounds::within_total;
use conclave_domain::brief::training::TrainingBrief;

use crate::runtime::agent::Entry;
use crate::runtime::answer::Ballot;

pub mod backtest_validator;
pub mod data_monitor;
pub mod hyperparameter_tuner;
pub mod reward_engineer;
pub mod risk_analyst;
pub mod run;

/// The team, in the order in which it is asked and listed.
pub const TEAM: &[Entry<TrainingBrief>] = &[
    Entry::of::<hyperparameter_tuner::HyperparameterTuner>(),
    Entry::of::<risk_analyst::RiskAnalyst>(),
    Entry::of::<reward_engineer::RewardEngineer>(),
    Entry::of::<data_monitor::DataMonitor>(),
    Entry::of::<backtest_validator::BacktestValidator>(),
];

/// Before this share of a run a halt becomes a checkpoint.
pub const HALT_FROM_PROGRESS: f64 = 0.25;
/// Declining validations in a row that a halt or a rollback takes.
pub const CRITICAL_DECLINES: usize = 3;
/// Declining validations in a row that a change of reward weights takes.
pub const REWARD_DECLINES: usize = 2;
/// Fall from the peak of fitness that also permits a change of reward weights, fraction.
pub const REWARD_FALL: f64 = 0.30;

/// A critical wish as the brakes allow it: early in a run, or without enough declining validations,
/// it becomes a checkpoint. Also says why, when it was lowered.
pub fn braked(wish: Lever, brief: &TrainingBrief) -> (Lever, Option<String>) {
    let is_early = brief.progress.get() < HALT_FROM_PROGRESS;
    match wish {
        Lever::HaltTraining if is_early => {
            (Lever::Checkpoint, Some("too early in the run to halt, a checkpoint instead".into()))
        }
        Lever::HaltTraining | Lever::Rollback if brief.declines() < CRITICAL_DECLINES => {
            let why = format!(
                "{} declining validations are too few, a checkpoint instead",
                brief.declines()
            );
            (Lever::Checkpoint, Some(why))
        }
        wish => (wish, None),
    }
}

/// Whether reward weights may move: validations decline, or fitness is far below its peak.
pub fn reward_may_move(brief: &TrainingBrief) -> bool {
    brief.declines() >= REWARD_DECLINES
        || brief.fall_from_peak().is_some_and(|fall| fall.get() >= REWARD_FALL)
}

/// Why a proposal must not pass, as far as every agent of the team can see: a critical lever without
/// the declining validations that it takes.
pub fn reason_against(brief: &TrainingBrief) -> Option<String> {
    let critical = brief.proposal.iter().find(|proposed| proposed.lever.is_critical())?;
    let (declines, name) = (brief.declines(), critical.lever.name());
    (declines < CRITICAL_DECLINES)
        .then(|| format!("{name} after only {declines} declining validations"))
}

/// The reasoning with a remark that the brakes left.
fn with_remarks(reasoning: &str, remarks: &[String]) -> String {
    let mut all = vec![reasoning.trim().to_owned()];
    all.extend(remarks.iter().cloned());
    if all[0].is_empty() { String::new() } else { all.join("; ") }
}

/// The ballot of an agent that proposes: for its own levers, an abstention without any.
const fn ballot_for(proposes: bool) -> Ballot {
    if proposes { Ballot::For } else { Ballot::Abstain }
}

#[cfg(test)]
pub(crate) mod sample {
    //! The example briefs of `tests/briefs/`, for the tests of this team.

    use conclave_domain::ratio::Ratio;

    use super::TrainingBrief;

    /// A run that goes well; agents propose.
    pub(crate) fn proposing() -> TrainingBrief {
        serde_json::from_str(include_str!("../../tests/briefs/training.json")).unwrap()
    }

    /// The same run; a proposal is put to the vote.
    pub(crate) fn voting() -> TrainingBrief {
        serde_json::from_str(include_str!("../../tests/briefs/training_vote.json")).unwrap()
    }

    /// The same run with other fitness values, oldest first, and rising training reward.
    pub(crate) fn with_fitness(brief: &TrainingBrief, fitness: &[f64]) -> TrainingBrief {
        let mut brief = brief.clone();
        let first = brief.validations[0].clone();
        brief.validations.clear();
        for (index, &fitness) in fitness.iter().enumerate() {
            let mut validation = first.clone();
            validation.fitness = Ratio::of(fitness);
            validation.training_reward = Ratio::of(f64::from(u32::try_from(index).unwrap()));
            brief.validations.push(validation);
        }
        brief
    }
}

#[cfg(test)]
mod tests {
    use conclave_domain::bounds::BoundsTable;
    use conclave_domain::brief::training::{Proposed, TrainingLever};
    use conclave_domain::limits::Limits;
    use conclave_domain::ratio::Ratio;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_critical_wish_takes_time_and_three_declines() {
        let brief = sample::proposing();
        let falling = sample::with_fitness(&brief, &[0.4, 0.3, 0.2, 0.1]);
        assert_eq!(braked(Lever::HaltTraining, &falling).0, Lever::HaltTraining);
        assert_eq!(braked(Lever::Rollback, &falling).0, Lever::Rollback);
        let two = sample::with_fitness(&brief, &[0.4, 0.3, 0.2]);
        assert_eq!(braked(Lever::HaltTraining, &two).0, Lever::Checkpoint);
        assert_eq!(braked(Lever::Rollback, &two).0, Lever::Checkpoint);
        let mut early = falling;
        early.progress = Ratio::of(0.24);
        assert_eq!(braked(Lever::HaltTraining, &early).0, Lever::Checkpoint);
        assert_eq!(braked(Lever::Rollback, &early).0, Lever::Rollback);
    }

    #[test]
    fn reward_weights_move_after_two_declines_or_a_deep_fall() {
        let brief = sample::proposing();
        assert!(!reward_may_move(&brief));
        assert!(reward_may_move(&sample::with_fitness(&brief, &[0.4, 0.3, 0.2])));
        let mut fallen = sample::with_fitness(&brief, &[0.2, 0.28]);
        fallen.best_fitness = Some(Ratio::of(0.4));
        assert!(reward_may_move(&fallen), "30 % below the peak");
        fallen.best_fitness = Some(Ratio::of(0.39));
        assert!(!reward_may_move(&fallen));
    }

    #[test]
    fn everybody_votes_against_a_rollback_without_declines() {
        let mut brief = sample::voting();
        assert_eq!(reason_against(&brief), None);
        let by = "risk_analyst".to_owned();
        brief.proposal.push(Proposed { by, lever: TrainingLever::Rollback });
        for entry in TEAM {
            let raw = (entry.rules)(&brief, &Limits::default());
            assert_eq!(raw["vote"], "against", "{}: {raw}", entry.role.name);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// B-2: cumulative lever changes stay within their bounds, however many steps there are.
        #[test]
        fn small_steps_do_not_compound_past_the_bounds(
            steps in proptest::collection::vec(0.0f64..4.0, 1..40),
        ) {
            for bounds in [BoundsTable::default().lr_multiplier, BoundsTable::HARD.batch_multiplier] {
                let mut product = 1.0;
                for &step in &steps {
                    let allowed = within_total(&bounds, Ratio::of(product)).unwrap();
                    product *= allowed.admit(step, &mut Vec::new()).unwrap().get();
                    prop_assert!(product >= bounds.min() - 1e-9, "{product}");
                    prop_assert!(product <= bounds.max() + 1e-9, "{product}");
                }
            }
        }
    }
}
