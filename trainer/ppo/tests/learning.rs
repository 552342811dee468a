//! What is learned: worlds whose answer is known, and the one that everybody is measured in.

use crate::env::cart_pole::CartPole;
use crate::env::probe::{Probe, Question};
use crate::mutants::{Mutant, with};
use crate::ppo::{Ppo, PpoConfig};
use crate::schedule::Schedule;
use crate::vec_env::{Steps, VecEnv as _};

/// Probabilities of action 1 and values in the states 0, −1 and 1, after so many steps of a probe.
struct Learned {
    chance: [f32; 3],
    value: [f32; 3],
}

fn learned(question: Question, total_steps: u64) -> Learned {
    let config = PpoConfig {
        rollout_steps: 64,
        epochs: 8,
        minibatch: 128,
        gamma: 0.9,
        entropy: 0.0,
        learning_rate: Schedule::with_peak(2e-3),
        total_steps,
        ..PpoConfig::default()
    };
    let mut ppo = Ppo::new(config, Probe::new(question, 8, 1), 1).unwrap();
    while ppo.taken() < total_steps {
        ppo.iterate().unwrap();
    }
    let net = ppo.actor_critic();
    let (mut room, seen) = (net.room(3), [0.0, -1.0, 1.0]);
    let logits = net.logits(&seen, 3, &mut room).to_vec();
    let chance = |row: usize| 1.0 / (1.0 + (logits[2 * row] - logits[2 * row + 1]).exp());
    let value = net.values(&seen, 3, &mut room).try_into().unwrap();
    Learned { chance: std::array::from_fn(chance), value }
}

fn near(found: f32, wanted: f32, tolerance: f32) {
    assert!((found - wanted).abs() <= tolerance, "{found} for {wanted}");
}

#[test]
fn the_value_of_a_constant_is_the_constant() {
    near(learned(Question::Constant, 20_000).value[0], 1.0, 1e-3);
}

#[test]
fn the_value_sees_the_observation() {
    let Learned { value: [_, minus, plus], .. } = learned(Question::State, 20_000);
    near(minus, -1.0, 1e-3);
    near(plus, 1.0, 1e-3);
}

#[test]
fn the_value_of_a_late_reward_is_discounted() {
    let Learned { value: [first, _, second], .. } = learned(Question::Late, 40_000);
    near(second, 1.0, 1e-3);
    near(first, 0.9, 1e-3);
}

#[test]
fn the_policy_takes_the_action_that_pays() {
    let Learned { chance, value } = learned(Question::Action, 40_000);
    near(chance[0], 1.0, 5e-3);
    near(value[0], 1.0, 1e-2);
}

#[test]
fn the_policy_sees_the_observation() {
    let Learned { chance: [_, minus, plus], .. } = learned(Question::Fit, 40_000);
    near(minus, 0.0, 5e-3);
    near(plus, 1.0, 5e-3);
}

#[test]
fn the_value_of_an_episode_that_is_cut_off_is_that_of_its_future() {
    near(learned(Question::CutOff, 200_000).value[0], 10.0, 5e-2);
}

#[test]
fn a_missing_value_at_the_cut_off_is_found() {
    let learned = with(Mutant::ForgetsTheCutOff, || learned(Question::CutOff, 200_000));
    assert!(learned.value[0] < 7.0, "the broken bootstrap passed: {}", learned.value[0]);
}

/// Steps until the last hundred episodes had a mean return of 475, and what a hundred fresh episodes of
/// the best actions earn then.
fn cart_pole(seed: u64) -> (u64, f64) {
    let config = PpoConfig {
        epochs: 10,
        minibatch: 128,
        entropy: 0.0,
        learning_rate: Schedule::with_peak(1e-3),
        total_steps: 100_000,
        ..PpoConfig::default()
    };
    let mut ppo = Ppo::new(config, CartPole::new(8, seed), seed).unwrap();
    let mut reached = u64::MAX;
    while ppo.taken() + 1_024 <= 100_000 {
        let told = ppo.iterate().unwrap();
        let full = ppo.episodes().count() >= 100;
        if full && told.episode_return.is_some_and(|mean| mean >= 475.0) {
            reached = told.steps;
            break;
        }
    }
    (reached, greedy(&ppo, seed))
}

/// Mean return of a hundred episodes, each from a state of its own.
fn greedy(ppo: &Ppo<CartPole>, seed: u64) -> f64 {
    let envs = 100;
    let mut carts = CartPole::new(envs, seed + 1_000);
    let (net, mut steps) = (ppo.actor_critic(), Steps::new(envs));
    let (mut room, mut keys) = (net.room(envs), vec![[0.0; 4]; envs]);
    let (mut rows, mut actions) = (vec![0.0; 4 * envs], vec![0; envs]);
    let (mut lengths, mut over) = (vec![0_u32; envs], vec![false; envs]);
    while over.iter().any(|over| !over) {
        carts.keys(&mut keys);
        carts.observe(&keys, &mut rows);
        for (action, logits) in
            actions.iter_mut().zip(net.logits(&rows, envs, &mut room).chunks_exact(2))
        {
            *action = u8::from(logits[1] > logits[0]);
        }
        carts.step(&actions, &mut steps);
        for env in 0..envs {
            lengths[env] += u32::from(!over[env]);
            over[env] |= steps.terminated[env] || steps.truncated[env];
        }
    }
    lengths.into_iter().map(f64::from).sum::<f64>() / 100.0
}

#[test]
fn cart_pole_is_solved_within_100_000_steps_on_ten_of_ten_seeds() {
    for seed in 1..=10 {
        let (steps, greedy) = cart_pole(seed);
        println!("seed {seed}: 475 after {steps} steps, best actions earn {greedy}");
        assert!(steps <= 100_000, "seed {seed} did not reach 475");
        assert!(greedy >= 475.0, "seed {seed}: the best actions earn {greedy}");
    }
}
