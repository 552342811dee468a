//! What is not finite is found in the iteration that it happens in, and no parameter moves.

use super::world::{Fault, Table};
use crate::ppo::{Place, Poisoned, Ppo, PpoConfig, Quantity};

fn config() -> PpoConfig {
    PpoConfig { rollout_steps: 32, minibatch: 32, ..PpoConfig::default() }
}

/// The bits of the parameters and of both moments.
fn bits(ppo: &Ppo<Table>) -> Vec<u32> {
    let state = ppo.state();
    let vectors = [state.parameters, state.adam_means, state.adam_squares];
    vectors.concat().into_iter().map(f32::to_bits).collect()
}

/// What the second iteration says with this fault, after the first has gone well.
fn struck(fault: Fault) -> Poisoned {
    let mut ppo = Ppo::new(config(), Table::new(4, 6, 3), 1).unwrap();
    ppo.iterate().unwrap();
    let (before, steps) = (bits(&ppo), ppo.state().counters.adam_steps);
    ppo.env_mut().fault = Some(fault);
    let poisoned = ppo.iterate().unwrap_err();
    assert_eq!(bits(&ppo), before, "{fault:?} has moved a parameter");
    assert_eq!(ppo.state().counters.adam_steps, steps);
    ppo.env_mut().fault = None;
    ppo.iterate().unwrap();
    assert_ne!(bits(&ppo), before, "what is healthy again learns again");
    poisoned
}

const BROKEN: [f32; 3] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];

/// N-1: nor does it move a moment, or a count of steps.
#[test]
fn an_observation_that_is_not_finite_moves_nothing() {
    for value in BROKEN {
        let at = Place::Step { step: 40, env: 1 };
        let poisoned = struck(Fault::Observation { step: 40, value });
        assert_eq!(poisoned, Poisoned { what: Quantity::Observation, at });
        assert_eq!(
            poisoned.to_string(),
            "an observation is not finite, at step 40 of environment 1"
        );
    }
}

#[test]
fn a_reward_that_is_not_finite_moves_nothing() {
    for value in BROKEN {
        let at = Place::Step { step: 63, env: 2 };
        let poisoned = struck(Fault::Reward { step: 63, value });
        assert_eq!(poisoned, Poisoned { what: Quantity::Reward, at });
    }
}

#[test]
fn rewards_that_are_finite_and_whose_sum_is_not_move_nothing() {
    let poisoned = struck(Fault::Rewards { step: 40, value: f32::MAX });
    assert_eq!(poisoned.what, Quantity::Advantage);
}

#[test]
fn an_observation_that_turns_bad_when_it_is_looked_at_again_moves_nothing() {
    for value in BROKEN {
        let first = calls(&config()) + 32;
        for (call, at) in (first..).zip([Place::CutOff, Place::Again, Place::Again]) {
            let poisoned = struck(Fault::Call { call, value });
            assert_eq!(poisoned, Poisoned { what: Quantity::Observation, at });
        }
    }
}

#[test]
fn a_gradient_that_is_not_finite_takes_back_what_the_update_had_moved() {
    for value in BROKEN {
        // 32 looks to act, one for the cut-off ends, one for what comes after, one to value; then three
        // minibatches are healthy.
        let call = calls(&config()) + 32 + 3 + 3;
        let at = Place::Minibatch { epoch: 0, minibatch: 3 };
        let poisoned = struck(Fault::Call { call, value });
        assert_eq!(poisoned, Poisoned { what: Quantity::Gradient, at });
    }
}

/// How often one iteration looks: to act, at the cut-off ends, at what comes after, to value, to learn.
fn calls(config: &PpoConfig) -> u64 {
    (config.rollout_steps + 3 + config.epochs * 4) as u64
}

#[test]
fn a_policy_that_is_not_finite_acts_but_does_not_learn() {
    let mut ppo = Ppo::new(config(), Table::new(4, 6, 3), 1).unwrap();
    ppo.net.parameters[0] = f32::NAN;
    let before = bits(&ppo);
    let poisoned = ppo.iterate().unwrap_err();
    assert_eq!(poisoned.what, Quantity::Policy);
    assert_eq!(bits(&ppo), before);
}
