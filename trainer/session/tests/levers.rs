//! Every lever changes what it is named for at the next update, and none beyond its bounds.

use conclave_domain::brief::training::TrainingLever;
use conclave_domain::policy::observation::MARKET_COLUMNS;
use conclave_domain::policy::reward::{PART_NAMES, WEIGHT_MIN};

use super::*;
use crate::rng::{Draws, Stream};

/// Two runs at the same moment, a lever moved in the second.
fn pair(lever: &TrainingLever) -> (Session, Session) {
    let mut runs = [session(config(8_192)), session(config(8_192))];
    for run in &mut runs {
        for _ in 0..3 {
            run.iterate().unwrap();
        }
    }
    let [plain, mut moved] = runs;
    moved.apply(lever).unwrap();
    assert_eq!(plain.fingerprint(), moved.fingerprint(), "a lever waits for the next update");
    (plain, moved)
}

fn ratio(value: f64) -> Ratio {
    Ratio::of(value)
}

#[test]
fn the_learning_rate_is_that_of_the_schedule_times_the_factor() {
    let (mut plain, mut moved) = pair(&TrainingLever::LearningRate { value: ratio(0.7) });
    for _ in 0..3 {
        let (one, other) = (plain.iterate().unwrap(), moved.iterate().unwrap());
        assert!((other.learning_rate / one.learning_rate - 0.7).abs() < 1e-12);
    }
    assert_ne!(plain.fingerprint(), moved.fingerprint());
    assert_eq!(moved.standing().multipliers.learning_rate, ratio(0.7));
}

#[test]
fn more_entropy_bonus_leaves_more_entropy() {
    let (mut plain, mut moved) = pair(&TrainingLever::Entropy { value: ratio(5.0) });
    let last = |run: &mut Session| (0..16).map(|_| run.iterate().unwrap().entropy).last().unwrap();
    let (one, other) = (last(&mut plain), last(&mut moved));
    assert!(other > one + 1e-4, "{one} {other}");
}

#[test]
fn twice_the_batch_takes_half_the_gradient_steps() {
    let (mut plain, mut moved) = pair(&TrainingLever::BatchSize { value: ratio(2.0) });
    let (one, other) = (plain.iterate().unwrap(), moved.iterate().unwrap());
    assert_eq!(one.minibatches / one.epochs, 2 * (other.minibatches / other.epochs));
}

#[test]
fn a_changed_weight_pays_otherwise_from_the_next_step_on() {
    let part = "slippage".to_owned();
    let (mut plain, mut moved) = pair(&TrainingLever::RewardWeight { part, delta: ratio(0.05) });
    let (one, other) = (plain.iterate().unwrap(), moved.iterate().unwrap());
    assert!((one.reward_mean - other.reward_mean).abs() > 1e-6);
    let parts = moved.standing().reward_parts;
    let sum: f64 = parts.iter().map(|part| part.weight.get()).sum();
    assert!((sum - 1.0).abs() < 1e-9);
    let slippage = parts.iter().find(|part| part.name == "slippage").unwrap();
    assert_eq!(slippage.cumulative_change, ratio(0.05));
    assert!(slippage.weight.get() > 0.09, "0.05 and 0.05, scaled to sum to one");
}

#[test]
fn a_dropped_column_is_not_seen_any_more() {
    let column = "volume".to_owned();
    let (mut plain, mut moved) = pair(&TrainingLever::DropColumn { column: column.clone() });
    let at = MARKET_COLUMNS.iter().position(|name| *name == column).unwrap();
    let seen = |run: &Session| run.ppo.env().view().rows[100][at];
    assert!(seen(&plain).abs() > 0.0 && seen(&moved).abs() <= 0.0);
    assert!(!moved.standing().columns.iter().any(|stats| stats.name == column));
    plain.iterate().unwrap();
    moved.iterate().unwrap();
    assert_ne!(plain.fingerprint(), moved.fingerprint());
    let policy = moved.policy().unwrap();
    assert!(!policy.parts().normalisation.uses(at), "what trades does not see it either");
    assert!(moved.apply(&TrainingLever::DropColumn { column }).is_err(), "not twice");
    let all = MARKET_COLUMNS.iter().filter(|name| {
        moved.apply(&TrainingLever::DropColumn { column: (**name).to_owned() }).is_ok()
    });
    assert_eq!(all.count(), 13, "half of the columns stay");
}

#[test]
fn a_rollback_takes_the_parameters_of_the_best_validation() {
    let mut run = session(TrainConfig { validations: 4, ..config(8_192) });
    assert!(matches!(run.apply(&TrainingLever::Rollback), Err(LeverError::NoBest)));
    let mut best = (Ratio::of(-9.0), [0; 32]);
    for _ in 0..4 {
        let fitness = advance(&mut run).fitness;
        if fitness > best.0 {
            best = (fitness, run.fingerprint());
        }
    }
    let (steps, report) = (run.steps(), run.standing().best_fitness);
    run.apply(&TrainingLever::Rollback).unwrap();
    assert_eq!((run.fingerprint(), run.steps()), (best.1, steps));
    assert_eq!(Some(run.report().unwrap().fitness), report, "and does as well as it did");
}

#[test]
fn a_halt_ends_a_pause_stops_and_a_checkpoint_is_written() {
    let mut run = session(config(8_192));
    let folder = tempfile::tempdir().unwrap();
    run.keep_in(folder.path().to_owned());
    run.apply(&TrainingLever::Checkpoint).unwrap();
    assert!(folder.path().join(LAST).is_file());
    run.apply(&TrainingLever::PauseForData { column: "gap".to_owned() }).unwrap();
    assert!(matches!(run.iterate(), Err(SessionError::Paused { column }) if column == "gap"));
    run.go_on();
    run.apply(&TrainingLever::PauseForData { column: "volume".to_owned() }).unwrap();
    assert_eq!(run.paused_for(), Some("volume"), "no column, and yet a fault of the data");
    run.go_on();
    run.iterate().unwrap();
    run.apply(&TrainingLever::HaltTraining).unwrap();
    assert!(run.is_done() && run.is_boundary() && run.is_halted());
    assert!(matches!(run.iterate(), Err(SessionError::Over)));
    for lever in [
        TrainingLever::PauseForData { column: "nothing".to_owned() },
        TrainingLever::DropColumn { column: "position".to_owned() },
        TrainingLever::RewardWeight { part: "luck".to_owned(), delta: Ratio::ZERO },
    ] {
        assert!(run.apply(&lever).is_err(), "{lever:?}");
    }
    let mut nowhere = session(config(1_024));
    nowhere.keep_in(folder.path().join("gone"));
    let refused = nowhere.apply(&TrainingLever::Checkpoint);
    assert!(matches!(refused, Err(LeverError::Checkpoint(_))), "a failed action is not taken");
}

#[test]
fn levers_of_one_call_move_all_or_none() {
    let mut run = session(config(8_192));
    let weight = |part: &str, delta| TrainingLever::RewardWeight {
        part: part.to_owned(),
        delta: ratio(delta),
    };
    let before = (run.changed, run.ppo.env().weights());
    let too_much = [weight("pnl", 0.03), weight("slippage", 0.05), weight("slippage", 0.06)];
    assert!(matches!(run.apply_all(&too_much), Err(LeverError::Bounds { .. })));
    assert_eq!((run.changed, run.ppo.env().weights()), before);
    run.apply_all(&too_much[..2]).unwrap();
    assert_ne!((run.changed, run.ppo.env().weights()), before);
    let column = "gap".to_owned();
    let mixed = [weight("pnl", 0.01), TrainingLever::DropColumn { column }];
    assert!(matches!(run.apply_all(&mixed), Err(LeverError::Alone)));
    assert!(run.apply_all(&mixed[1..]).is_ok(), "alone it may");
    let pause = TrainingLever::PauseForData { column: "range".to_owned() };
    assert!(run.apply_all(&[pause.clone(), weight("pnl", 0.5)]).is_err());
    assert_eq!(run.paused_for(), None, "nor does it pause then");
    run.apply_all(&[TrainingLever::Checkpoint, TrainingLever::Checkpoint, pause]).unwrap();
    assert_eq!(run.paused_for(), Some("range"));
}

/// B-2: after a thousand hostile suggestions every product and every sum is within its bounds, and
/// what was refused has changed nothing.
#[test]
fn a_thousand_hostile_suggestions_stay_within_the_bounds() {
    let mut run = session(config(8_192));
    let bounds = BoundsTable::default();
    let mut dice = Draws::new(11).sequence(Stream::Environment, 3);
    let (mut applied, mut refused) = (0, 0);
    for _ in 0..1_000 {
        let size = [1.3, 0.7, 5.0, 1e300, -1e300, 0.0, 1.0 + 1e-12, 0.1][dice.below(8) as usize];
        let value = ratio(size * f64::from(dice.uniform()) * 2.0);
        let delta = ratio(value.get() / 40.0);
        let part = PART_NAMES[dice.below(8) as usize].to_owned();
        let lever = match dice.below(4) {
            0 => TrainingLever::LearningRate { value },
            1 => TrainingLever::Entropy { value },
            2 => TrainingLever::BatchSize { value },
            _ => TrainingLever::RewardWeight { part, delta },
        };
        let before = (run.ppo.levers, run.changed, run.ppo.env().weights());
        if run.apply(&lever).is_ok() {
            applied += 1;
        } else {
            refused += 1;
            let after = (run.ppo.levers, run.changed, run.ppo.env().weights());
            assert_eq!(after, before, "{lever:?}");
        }
        let now = run.ppo.levers;
        for (product, bounds) in [
            (now.learning_rate, &bounds.lr_multiplier),
            (now.entropy, &bounds.entropy_multiplier),
            (now.batch, &bounds.batch_multiplier),
        ] {
            assert!((bounds.min()..=bounds.max()).contains(&product.get()), "{lever:?}: {product}");
        }
        assert!(run.changed.iter().all(|sum| sum.get().abs() <= 0.15 + 1e-12), "{lever:?}");
        let weights = run.ppo.env().weights();
        assert!(weights.get().iter().all(|weight| *weight >= WEIGHT_MIN - 1e-12), "{lever:?}");
    }
    assert!(applied > 50 && refused > 50, "{applied} {refused}");
    run.iterate().unwrap();
}
