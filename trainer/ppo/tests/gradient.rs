//! The gradient against finite differences of a loss written anew, in double precision.

use super::world::Table;
use crate::actor_critic::ActorCritic;
use crate::count::{length, narrow};
use crate::layout::{Layout, Shape};
use crate::mutants::{Mutant, with};
use crate::ppo::PpoConfig;
use crate::ppo::update::{Plan, Updater};
use crate::rng::{Draws, Stream};
use crate::rollout::Rollout;
use crate::vec_env::VecEnv;

const SAMPLES: usize = 300;

/// A problem: networks, and samples whose old probabilities and values are off so far that clips bind.
struct Problem {
    env: Table,
    net: ActorCritic,
    rollout: Rollout<(u64, u32)>,
    config: PpoConfig,
}

impl Problem {
    fn new(width: usize, actions: usize, clip_value: Option<f64>) -> Self {
        let env = Table::new(1, width, actions);
        let shape = Shape { observation: width, hidden: vec![16, 24], actions };
        let mut net = ActorCritic::new(Layout::new(&shape).unwrap(), 3);
        let mut random = Draws::new(5).sequence(Stream::Environment, 1);
        // Larger weights than the first ones, so that probabilities are far from uniform.
        for parameter in &mut net.parameters {
            *parameter += narrow(0.2 * random.normal());
        }
        let mut rollout = Rollout::new(SAMPLES, 1, width, SAMPLES);
        let parameters = doubled(&net);
        for at in 0..SAMPLES {
            rollout.keys[at] = (at as u64, 0);
            rollout.actions[at] =
                u8::try_from(random.below(u32::try_from(actions).unwrap())).unwrap();
            let input = observed(&env, at);
            let log_prob = log_probs(&net, &parameters, &input)[usize::from(rollout.actions[at])];
            rollout.log_probs[at] = narrow(log_prob + 0.4 * random.normal());
            let value = through(&net, &parameters, &input, "critic")[0];
            rollout.values[at] = narrow(value + 0.3 * random.normal());
            rollout.returns[at] = narrow(value + random.normal());
            rollout.advantages[at] = narrow(3.0 * random.normal() + 1.0);
        }
        let config = PpoConfig { clip_value, entropy: 0.03, ..PpoConfig::default() };
        Self { env, net, rollout, config }
    }

    /// Ours, and how many samples were clipped.
    fn gradient(&self) -> (Vec<f32>, f64) {
        let mut updater = Updater::new(SAMPLES, self.env.observation_len(), &self.net);
        let plan = Plan {
            config: &self.config,
            learning_rate: 1e-3,
            entropy: self.config.entropy,
            minibatch: SAMPLES,
            draws: Draws::new(1),
            iteration: 0,
        };
        let picked: Vec<u32> = (0..u32::try_from(SAMPLES).unwrap()).rev().collect();
        let room = &mut self.net.room(SAMPLES);
        let net = (&self.net, room);
        let sums = updater.gradient(&self.env, &self.rollout, &picked, net, &plan);
        (updater.gradient, sums.clipped / length(SAMPLES))
    }

    /// The loss as it is defined.
    fn loss(&self, parameters: &[f64]) -> f64 {
        let rollout = &self.rollout;
        let advantages: Vec<f64> = rollout.advantages.iter().map(|a| f64::from(*a)).collect();
        let mean = advantages.iter().sum::<f64>() / length(SAMPLES);
        let squares: f64 = advantages.iter().map(|a| (a - mean).powi(2)).sum();
        let deviation = (squares / length(SAMPLES - 1)).sqrt();
        let mut loss = 0.0;
        for (at, advantage) in advantages.iter().enumerate() {
            let advantage = (advantage - mean) / (deviation + 1e-8);
            let input = observed(&self.env, at);
            let log_probs = log_probs(&self.net, parameters, &input);
            let log_prob = log_probs[usize::from(rollout.actions[at])];
            let ratio = (log_prob - f64::from(rollout.log_probs[at])).exp();
            let held = ratio.max(1.0 - self.config.clip).min(1.0 + self.config.clip);
            let policy = -(ratio * advantage).min(held * advantage);
            let entropy: f64 = -log_probs.iter().map(|log| log.exp() * log).sum::<f64>();
            let value = through(&self.net, parameters, &input, "critic")[0];
            let (old, aim) = (f64::from(rollout.values[at]), f64::from(rollout.returns[at]));
            let mut error = (value - aim).powi(2);
            if let Some(clip) = self.config.clip_value {
                let held = old + (value - old).max(-clip).min(clip);
                error = error.max((held - aim).powi(2));
            }
            loss += policy - self.config.entropy * entropy + self.config.value * 0.5 * error;
        }
        loss / length(SAMPLES)
    }

    /// The length of the difference of both gradients over that of the right one, and the share of
    /// samples that were clipped.
    fn relative_error(&self) -> (f64, f64) {
        let (ours, clipped) = self.gradient();
        let mut parameters = doubled(&self.net);
        let (mut off, mut length) = (0.0, 0.0);
        // Every seventh parameter: it meets every tensor, at every remainder of its columns.
        for at in (0..parameters.len()).step_by(7) {
            let here = parameters[at];
            let mut beside = |step: f64| {
                parameters[at] = here + step;
                let loss = self.loss(&parameters);
                parameters[at] = here;
                loss
            };
            let right = (beside(1e-5) - beside(-1e-5)) / 2e-5;
            off += (f64::from(ours[at]) - right).powi(2);
            length += right.powi(2);
        }
        ((off / length).sqrt(), clipped)
    }
}

fn doubled(net: &ActorCritic) -> Vec<f64> {
    net.parameters.iter().map(|parameter| f64::from(*parameter)).collect()
}

fn observed(env: &Table, at: usize) -> Vec<f64> {
    let mut row = vec![0.0; env.observation_len()];
    env.observe(&[(at as u64, 0)], &mut row);
    row.into_iter().map(f64::from).collect()
}

/// The output of a network, by the table of tensors alone.
fn through(net: &ActorCritic, parameters: &[f64], input: &[f64], name: &str) -> Vec<f64> {
    let tensors = net.layout.tensors().iter().filter(|tensor| tensor.name.starts_with(name));
    let tensors: Vec<_> = tensors.collect();
    let mut values = input.to_vec();
    for (nth, pair) in tensors.chunks(2).enumerate() {
        let (weights, bias) = (&parameters[pair[0].offset..], &parameters[pair[1].offset..]);
        let outputs = pair[0].shape[1];
        let layer = (0..outputs).map(|output| {
            let products = values.iter().enumerate();
            let sum: f64 = products.map(|(k, value)| value * weights[k * outputs + output]).sum();
            if nth + 1 < tensors.len() / 2 {
                (sum + bias[output]).tanh()
            } else {
                sum + bias[output]
            }
        });
        values = layer.collect();
    }
    values
}

fn log_probs(net: &ActorCritic, parameters: &[f64], input: &[f64]) -> Vec<f64> {
    let logits = through(net, parameters, input, "actor");
    let total: f64 = logits.iter().map(|logit| logit.exp()).sum();
    logits.iter().map(|logit| logit - total.ln()).collect()
}

#[test]
fn the_gradient_is_that_of_finite_differences_with_and_without_value_clipping() {
    for (width, actions, clip_value) in [(4, 2, None), (32, 3, None), (32, 8, Some(0.2))] {
        let (error, clipped) = Problem::new(width, actions, clip_value).relative_error();
        assert!(error <= 1e-6, "{width} inputs, {actions} actions: {error:e}");
        assert!(clipped > 0.3 && clipped < 0.9, "clips bind for some: {clipped}");
    }
}

#[test]
fn a_clip_on_the_wrong_side_is_found() {
    let problem = Problem::new(4, 2, None);
    let (error, _) = with(Mutant::ClipsTheWrongSide, || problem.relative_error());
    assert!(error > 1e-2, "the broken clip passed: {error:e}");
}
