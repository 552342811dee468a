//! The same seed ends in the same bits, also over a stop; levers change what they are for.

use conclave_domain::brief::training::Multipliers;
use conclave_domain::ratio::Ratio;

use super::world::Table;
use crate::env::cart_pole::CartPole;
use crate::kernel::{Width, no_wider_than};
use crate::ppo::{BadRestore, BadRun, Ppo, PpoConfig, State};
use crate::vec_env::VecEnv;

fn run(seed: u64) -> Ppo<CartPole> {
    Ppo::new(PpoConfig::default(), CartPole::new(8, seed), seed).unwrap()
}

fn iterated<E: VecEnv>(ppo: &mut Ppo<E>, times: u32) -> [u8; 32] {
    for _ in 0..times {
        ppo.iterate().unwrap();
    }
    ppo.fingerprint()
}

#[test]
fn the_same_seed_ends_in_the_same_bits_and_another_in_others() {
    let fingerprint = iterated(&mut run(1), 6);
    assert_eq!(fingerprint, iterated(&mut run(1), 6));
    assert_ne!(fingerprint, iterated(&mut run(2), 6));
}

/// Goal: a narrower processor comes to the same bits as far as our own loops go. Method: the same
/// iterations with the loops compiled for each width; the matrix products are the same in all of them.
#[test]
fn the_same_seed_ends_in_the_same_bits_at_every_width_of_vectors() {
    let clipped = PpoConfig { hidden: vec![70, 33], clip_value: Some(0.1), ..PpoConfig::default() };
    for (config, actions) in [(PpoConfig::default(), 3), (clipped, 8)] {
        let ended = |width| {
            no_wider_than(width, || {
                let env = Table::new(5, 19, actions);
                iterated(&mut Ppo::new(config.clone(), env, 1).unwrap(), 2)
            })
        };
        let widest = ended(Width::Widest);
        assert_eq!(ended(Width::Avx2), widest, "AVX2");
        assert_eq!(ended(Width::Plain), widest, "what every processor has");
    }
}

#[test]
fn a_run_that_was_stopped_and_restored_ends_in_the_same_bits() {
    let mut whole = run(1);
    let half = Ratio::new(0.5).unwrap();
    whole.levers = Multipliers { entropy: half, ..Multipliers::default() };
    iterated(&mut whole, 3);
    let state = whole.state();
    let after = iterated(&mut whole, 4);
    // Another seed and other first weights: all of it has to come from the state.
    let mut resumed = run(77);
    iterated(&mut resumed, 1);
    resumed.restore(&state).unwrap();
    assert_eq!(resumed.state(), state);
    assert_eq!(iterated(&mut resumed, 4), after);
    assert_eq!(resumed.state(), whole.state());
}

#[test]
fn a_run_that_is_rolled_back_has_the_weights_of_then_and_the_steps_of_now() {
    let mut ppo = run(1);
    iterated(&mut ppo, 2);
    let (then, fingerprint) = (ppo.state(), ppo.fingerprint());
    iterated(&mut ppo, 2);
    let now = ppo.taken();
    ppo.roll_back(&then).unwrap();
    assert_eq!((ppo.fingerprint(), ppo.taken()), (fingerprint, now));
    assert_eq!(ppo.state().adam_means, then.adam_means);
}

#[test]
fn a_state_of_another_run_is_refused_and_changes_nothing() {
    let mut ppo = run(1);
    iterated(&mut ppo, 1);
    let good = ppo.state();
    let mut check = |change: fn(&mut State)| {
        let mut state = good.clone();
        change(&mut state);
        let refused = ppo.restore(&state).unwrap_err();
        assert_eq!(ppo.state(), good, "{refused}");
        refused
    };
    let short = check(|state| state.parameters.truncate(7));
    assert_eq!(short.to_string(), "the networks has 7 numbers for 9155 parameters");
    assert_eq!(
        check(|state| state.adam_means[3] = f32::NAN),
        BadRestore::Number("the first moment")
    );
    assert_eq!(
        check(|state| state.adam_squares[3] = -1.0),
        BadRestore::Number("the second moment")
    );
    assert!(matches!(check(|state| state.env.truncate(5)), BadRestore::Env(_)));
    assert_eq!(
        check(|state| state.counters.episodes = crate::ppo::Episodes::new(3)),
        BadRestore::Episodes
    );
}

#[test]
fn before_a_parameter_has_moved_the_ratio_is_one_and_the_divergence_zero() {
    // One pass over one minibatch of everything: what it measures is measured before its own step.
    let config = PpoConfig { epochs: 1, minibatch: 1 << 20, ..PpoConfig::default() };
    for envs in [1, 3, 8, 64] {
        let mut ppo = Ppo::new(config.clone(), Table::new(envs, 28, 8), 1).unwrap();
        let first = ppo.iterate().unwrap();
        assert_eq!((first.minibatches, first.kl.to_bits()), (1, 0), "{envs} environments");
        assert_eq!(first.clip_fraction.to_bits(), 0);
        let second = ppo.iterate().unwrap();
        assert_eq!(second.kl.to_bits(), 0, "{envs} environments");
    }
}

#[test]
fn an_update_ends_after_the_pass_that_goes_too_far() {
    let config = |target_kl| PpoConfig { target_kl, epochs: 10, ..PpoConfig::default() };
    let epochs = |target_kl| {
        let mut ppo = Ppo::new(config(target_kl), Table::new(8, 6, 3), 1).unwrap();
        ppo.iterate().unwrap().epochs
    };
    assert_eq!(epochs(None), 10);
    assert_eq!(epochs(Some(1e-9)), 1);
}

#[test]
fn each_multiplier_changes_what_it_is_for_at_the_next_iteration() {
    let next = |levers| {
        let mut ppo = Ppo::new(PpoConfig::default(), Table::new(8, 6, 3), 1).unwrap();
        ppo.iterate().unwrap();
        ppo.levers = levers;
        (ppo.iterate().unwrap(), ppo.fingerprint())
    };
    let (half, double) = (Ratio::new(0.5).unwrap(), Ratio::new(2.0).unwrap());
    let (plain, fingerprint) = next(Multipliers::default());
    let (slow, _) = next(Multipliers { learning_rate: half, ..Multipliers::default() });
    assert!((slow.learning_rate / plain.learning_rate - 0.5).abs() < 1e-12);
    assert!(slow.kl < plain.kl, "smaller steps go less far");
    let (_, bonus) = next(Multipliers { entropy: double, ..Multipliers::default() });
    assert_ne!(bonus, fingerprint);
    let (large, _) = next(Multipliers { batch: double, ..Multipliers::default() });
    let (small, _) = next(Multipliers { batch: half, ..Multipliers::default() });
    assert_eq!((plain.minibatches, large.minibatches, small.minibatches), (16, 8, 32));
    let odd = Ratio::new(0.7).unwrap();
    let (odd, _) = next(Multipliers { batch: odd, ..Multipliers::default() });
    assert_eq!(odd.minibatches, 20);
    assert_eq!(next(Multipliers::default()).1, fingerprint);
}

#[test]
fn a_run_that_makes_no_sense_does_not_begin() {
    let none = Ppo::new(PpoConfig::default(), CartPole::new(0, 1), 1).map(|_| ());
    assert_eq!(none, Err(BadRun::Rollout { envs: 0, steps: 128 }));
    let bad = PpoConfig { epochs: 0, ..PpoConfig::default() };
    assert!(matches!(Ppo::new(bad, CartPole::new(1, 1), 1), Err(BadRun::Config(_))));
    let bad = PpoConfig { hidden: vec![], ..PpoConfig::default() };
    assert!(matches!(Ppo::new(bad, CartPole::new(1, 1), 1), Err(BadRun::Shape(_))));
}
