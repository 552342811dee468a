//! Runs over worlds whose truth is known, levers whose effect is measured, and runs that go on.

mod learning;
mod levers;
mod planted;

use conclave_domain::market::series::Series;
use conclave_domain::policy::action::ActionSet;

use super::*;
use crate::checkpoint::Checkpoint;
use crate::testing::{World, series};

/// A short run over a world; its networks are small, so that a test costs little.
fn config(steps: u64) -> TrainConfig {
    let mut config = TrainConfig { envs: 4, windows: 4, ..TrainConfig::with_steps(steps) };
    config.ppo.hidden = vec![16];
    config.ppo.rollout_steps = 64;
    config.ppo.minibatch = 64;
    config
}

fn data(world: World, bars: usize, seed: u64) -> Arc<MarketData> {
    Arc::new(MarketData::new(&[series("S", world, bars, seed)]).unwrap())
}

fn session(config: TrainConfig) -> Session {
    Session::new(config, data(World::PLANTED, 1_200, 7), BoundsTable::default()).unwrap()
}

/// Trains to the next boundary and validates.
fn advance(session: &mut Session) -> Validation {
    while !session.is_boundary() {
        session.iterate().unwrap();
    }
    session.validate(Time::EPOCH).unwrap()
}

#[test]
fn validations_come_after_equal_parts_of_the_steps_and_the_best_is_kept() {
    let mut run = session(TrainConfig { validations: 5, ..config(5_120) });
    assert!(!run.is_boundary() && run.standing().best_fitness.is_none());
    let mut fitness = Vec::new();
    for cycle in 1..=5 {
        let validation = advance(&mut run);
        assert_eq!((validation.cycle, validation.step), (cycle, u64::from(cycle) * 1_024));
        fitness.push(validation.fitness);
    }
    assert!(run.is_done() && run.progress() == Ratio::ONE);
    assert!(matches!(run.iterate(), Err(SessionError::Over)));
    let best =
        fitness.iter().copied().fold(fitness[0], |best, one| if one > best { one } else { best });
    let standing = run.standing();
    assert_eq!(standing.best_fitness, Some(best));
    assert_eq!((standing.steps, standing.policy_version), (5_120, 20));
    assert_eq!((run.validations().len(), run.population().total()), (5, 5));
    let parts: f64 = standing.reward_parts.iter().map(|part| part.weight.get()).sum();
    assert!((parts - 1.0).abs() < 1e-9 && standing.columns.len() == 28);
    let shares: f64 = standing.reward_parts.iter().map(|part| part.effective_share.get()).sum();
    assert!((shares - 1.0).abs() < 1e-6, "{shares}");
    assert_eq!(run.policy().unwrap().actions(), ActionSet::Eight);
    assert_eq!(run.benchmarks().unwrap().len(), 6);
}

/// Nothing that looks at a run moves it: a run that was looked at, simulated on, written down and that
/// nobody applied anything to ends in the same bits.
#[test]
fn a_run_without_applied_levers_ends_in_the_same_bits() {
    use conclave_domain::brief::training::TrainingLever;
    let mut plain = session(config(4_096));
    while !plain.is_done() {
        plain.iterate().unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let mut watched = session(config(4_096));
    watched.keep_in(folder.path().to_owned());
    let lever = TrainingLever::LearningRate { value: Ratio::of(2.0) };
    while !watched.is_done() {
        if watched.is_boundary() {
            watched.validate(Time::EPOCH).unwrap();
            watched.standing();
            let simulated = watched.simulate(std::slice::from_ref(&lever), 2).unwrap();
            assert_eq!(simulated.iterations, 2);
            watched.try_out(std::slice::from_ref(&lever));
            watched.write_last().unwrap();
        }
        watched.iterate().unwrap();
    }
    assert_eq!(watched.fingerprint(), plain.fingerprint());
    let mut other = session(TrainConfig { seed: 1, ..config(4_096) });
    while !other.is_done() {
        other.iterate().unwrap();
    }
    assert_ne!(other.fingerprint(), plain.fingerprint(), "and another seed in others");
}

#[test]
fn a_resumed_run_goes_on_bit_for_bit() {
    use conclave_domain::brief::training::TrainingLever;
    let folder = tempfile::tempdir().unwrap();
    let mut whole = session(config(6_144));
    whole.keep_in(folder.path().to_owned());
    for _ in 0..3 {
        advance(&mut whole);
    }
    for lever in [
        TrainingLever::Entropy { value: Ratio::of(1.5) },
        TrainingLever::RewardWeight { part: "pnl".to_owned(), delta: Ratio::of(0.03) },
        TrainingLever::DropColumn { column: "gap".to_owned() },
    ] {
        whole.apply(&lever).unwrap();
    }
    whole.iterate().unwrap();
    whole.note = serde_json::json!({"asked": 3});
    whole.tried = 5;
    whole.write_last().unwrap();
    let bounds = BoundsTable::default();
    let mut resumed =
        Session::resume(folder.path(), data(World::PLANTED, 1_200, 7), bounds.clone()).unwrap();
    assert_eq!(resumed.standing(), whole.standing());
    assert_eq!((resumed.note.clone(), resumed.cycle()), (whole.note.clone(), 3));
    assert_eq!(resumed.tried, 5, "what was tried is not tried anew");
    while !whole.is_done() {
        assert_eq!(resumed.iterate().unwrap(), whole.iterate().unwrap());
        if whole.is_boundary() {
            let at = Time::EPOCH;
            assert_eq!(resumed.validate(at).unwrap(), whole.validate(at).unwrap());
        }
    }
    assert_eq!(resumed.fingerprint(), whole.fingerprint());
    let other = Session::resume(folder.path(), data(World::PLANTED, 1_200, 8), bounds).unwrap_err();
    assert!(matches!(other, SessionError::Mismatch(Problem::Mismatch { what: "data", .. })));
}

/// C-1: a kill behind a better validation and before the checkpoint that knows it goes on with the best
/// of that checkpoint: a way back before the next validation leads to the same bits.
#[test]
fn a_kill_between_the_best_and_the_last_takes_the_best_back() {
    use conclave_domain::brief::training::TrainingLever::Rollback;
    let folder = tempfile::tempdir().unwrap();
    let mut run = session(config(8_192));
    run.keep_in(folder.path().to_owned());
    advance(&mut run);
    // Whatever comes next is better.
    run.best.as_mut().unwrap().fitness = Ratio::of(-9.0);
    run.write_last().unwrap();
    let known = run.standing();
    let again = || {
        Session::resume(folder.path(), data(World::PLANTED, 1_200, 7), BoundsTable::default())
            .unwrap()
    };
    run.iterate().unwrap();
    let whole = {
        let mut whole = again();
        whole.iterate().unwrap();
        whole.apply(&Rollback).unwrap();
        whole.fingerprint()
    };
    let before = std::fs::read(folder.path().join(BEST)).unwrap();
    advance(&mut run);
    assert_ne!(
        std::fs::read(folder.path().join(BEST)).unwrap(),
        before,
        "the best is a better one"
    );
    drop(run);
    for _ in 0..2 {
        let mut resumed = again();
        assert_eq!(resumed.standing(), known);
        assert_eq!(std::fs::read(folder.path().join(BEST)).unwrap(), before, "and is taken back");
        resumed.iterate().unwrap();
        resumed.apply(&Rollback).unwrap();
        assert_eq!(resumed.fingerprint(), whole);
    }
    let mut on = again();
    advance(&mut on);
    on.write_last().unwrap();
    let names = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 2, "the last knows the best again");
    assert_eq!(again().standing(), on.standing());
    std::fs::write(folder.path().join(BEST), &before).unwrap();
    let strange =
        Session::resume(folder.path(), data(World::PLANTED, 1_200, 7), BoundsTable::default());
    let strange = strange.unwrap_err();
    assert!(strange.to_string().contains("best validations differ"), "{strange}");
}

#[test]
fn a_checkpoint_trades_as_the_run_that_wrote_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = session(config(1_024));
    run.keep_in(folder.path().to_owned());
    while !run.is_done() {
        run.iterate().unwrap();
    }
    run.write_last().unwrap();
    let trained = export::read_policy(&folder.path().join(LAST)).unwrap();
    assert_eq!(trained.policy, run.policy().unwrap());
    assert_eq!((trained.steps, &*trained.data_hash), (1_024, run.data().hash()));
    assert_eq!(trained.config, *run.config());
    let learned = trained.learned.unwrap();
    let last = *run.data().times().last().unwrap();
    assert_eq!((learned.symbols[0].as_str(), learned.until), ("S", last));
    std::fs::write(folder.path().join("empty"), b"").unwrap();
    assert!(export::read_policy(&folder.path().join("empty")).is_err());
    assert!(export::read_policy(&folder.path().join("nowhere")).is_err());
}

/// Goal: a checkpoint that somebody else has made ends nothing but its own reading. Method: figures that
/// no run leaves, each under a hash that is right.
#[test]
fn a_hostile_story_is_refused_or_harmless() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = session(config(1_024));
    run.keep_in(folder.path().to_owned());
    run.write_last().unwrap();
    let last = folder.path().join(LAST);
    let good = Checkpoint::read(&last).unwrap();
    let resumed = |change: &dyn Fn(&mut Checkpoint)| {
        let mut hostile = good.clone();
        change(&mut hostile);
        hostile.about.config_hash =
            serde_json::from_value::<TrainConfig>(hostile.about.extra["config"].clone())
                .map_or_else(|_| String::new(), |config| config.hash());
        hostile.write(&last).unwrap();
        let _ = export::read_policy(&last);
        let data = data(World::PLANTED, 1_200, 7);
        Session::resume(folder.path(), data, BoundsTable::default())
    };
    let refused = |change: &dyn Fn(&mut Checkpoint)| resumed(change).unwrap_err().to_string();
    let wide = |it: &mut Checkpoint| {
        it.about.extra["config"]["ppo"]["hidden"] = serde_json::json!([65_536, 65_536]);
    };
    assert!(refused(&wide).contains("networks are not those"), "{}", refused(&wide));
    for columns in [serde_json::json!([28]), serde_json::json!([1, 1])] {
        let told = refused(&|it| it.about.extra["dropped"] = columns.clone());
        assert!(told.contains("dropped columns"), "{told}");
    }
    let mut old = resumed(&|it| {
        it.state.counters.steps = u64::MAX;
        it.about.extra["cycle"] = serde_json::json!(u32::MAX);
    })
    .unwrap();
    assert!(old.is_done() && old.is_boundary());
    assert_eq!(old.validate(Time::EPOCH).unwrap().cycle, u32::MAX);
    old.standing();
}

#[test]
fn a_run_that_cannot_be_is_refused_by_name() {
    let refused = |change: fn(&mut TrainConfig)| {
        let mut config = config(1_024);
        change(&mut config);
        let run = Session::new(config, data(World::NULL, 400, 1), BoundsTable::default());
        run.unwrap_err().to_string()
    };
    assert!(refused(|config| config.test_share = Ratio::ZERO).contains("`test_share`"));
    assert!(refused(|config| config.windows = 0).contains("`windows`"));
    assert!(refused(|config| config.validations = 0).contains("`validations`"));
    assert!(refused(|config| config.ppo.total_steps = 0).contains("`total_steps`"));
    assert!(refused(|config| config.terms.broker.delay_bars = 1).contains("`broker`"));
    assert!(refused(|config| config.envs = 0).contains("0 environments"));
    assert!(refused(|config| config.ppo.gamma = 2.0).contains("gamma"));
    assert!(refused(|config| config.test_share = Ratio::of(0.999_99)).contains("no rows"));
    let empty: [Series; 0] = [];
    assert!(MarketData::new(&empty).is_err());
}
