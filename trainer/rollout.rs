//! A rollout: so many steps of every environment under one policy, with what an update needs of them.
//!
//! Of an observation only its key is kept. Everything is allocated once.

use crate::actor_critic::{ActorCritic, Room};
use crate::gae::{Trace, advantages};
use crate::math;
use crate::ppo::guard::{Place, Poisoned, Quantity, all_finite};
use crate::rng::{Draws, Stream};
use crate::vec_env::{Steps, VecEnv};

/// What a rollout keeps, time-major: `[steps][envs]`.
#[derive(Debug)]
pub(crate) struct Rollout<K> {
    envs: usize,
    pub(crate) keys: Vec<K>,
    pub(crate) actions: Vec<u8>,
    /// Log-probability of each action when it was taken, nats.
    pub(crate) log_probs: Vec<f32>,
    pub(crate) values: Vec<f32>,
    pub(crate) rewards: Vec<f32>,
    pub(crate) terminated: Vec<bool>,
    pub(crate) truncated: Vec<bool>,
    pub(crate) advantages: Vec<f32>,
    pub(crate) returns: Vec<f32>,
    /// Value of the state in which an episode was cut off, where one was.
    cut_off: Vec<f32>,
    /// Which steps cut an episode off, and in which state.
    cuts: Vec<(usize, K)>,
    cut_keys: Vec<K>,
    /// The state of each environment after the last step, and its value.
    after_keys: Vec<K>,
    after: Vec<f32>,
    /// What one step of all environments needs.
    steps: Steps<K>,
    observations: Vec<f32>,
}

impl<K: Copy + Default> Rollout<K> {
    /// Room for so many steps of so many environments; values are asked `rows` at a time.
    pub(crate) fn new(steps: usize, envs: usize, observation_len: usize, rows: usize) -> Self {
        let count = steps * envs;
        let numbers = || vec![0.0; count];
        Self {
            envs,
            keys: vec![K::default(); count],
            actions: vec![0; count],
            log_probs: numbers(),
            values: numbers(),
            rewards: numbers(),
            terminated: vec![false; count],
            truncated: vec![false; count],
            advantages: numbers(),
            returns: numbers(),
            cut_off: numbers(),
            cuts: Vec::with_capacity(count),
            cut_keys: vec![K::default(); count],
            after_keys: vec![K::default(); envs],
            after: vec![0.0; envs],
            steps: Steps::new(envs),
            observations: vec![0.0; rows.max(envs) * observation_len],
        }
    }

    /// Number of samples.
    pub(crate) const fn len(&self) -> usize {
        self.actions.len()
    }

    /// Plays the policy for one rollout. `first` is the number of the first step, which with the
    /// environment's number decides what is drawn; `ended` is told of every step.
    pub(crate) fn collect<E: VecEnv<Key = K>>(
        &mut self,
        env: &mut E,
        policy: &ActorCritic,
        room: &mut Room,
        draws: Draws,
        first: u64,
        mut ended: impl FnMut(&Steps<K>),
    ) -> Result<(), Poisoned> {
        self.cuts.clear();
        let envs = self.envs;
        for (nth, from) in (0..self.len()).step_by(envs).enumerate() {
            let row = from..from + envs;
            let step = first + nth as u64;
            env.keys(&mut self.keys[row.clone()]);
            let observations = &mut self.observations[..envs * env.observation_len()];
            env.observe(&self.keys[row.clone()], observations);
            all_finite(observations, Quantity::Observation, step, env.observation_len())?;
            let logits = policy.logits(observations, envs, room);
            for (at, logits) in logits.chunks_exact(env.actions()).enumerate() {
                let lane = u32::try_from(at).unwrap_or(u32::MAX);
                let uniform = draws.uniform(Stream::Action, step, lane);
                (self.actions[from + at], self.log_probs[from + at]) = sample(logits, uniform);
            }
            all_finite(&self.log_probs[row.clone()], Quantity::Policy, step, 1)?;
            env.step(&self.actions[row.clone()], &mut self.steps);
            all_finite(&self.steps.rewards, Quantity::Reward, step, 1)?;
            self.rewards[row.clone()].copy_from_slice(&self.steps.rewards);
            self.terminated[row.clone()].copy_from_slice(&self.steps.terminated);
            self.truncated[row].copy_from_slice(&self.steps.truncated);
            for (at, truncated) in self.steps.truncated.iter().enumerate() {
                if *truncated && !self.steps.terminated[at] {
                    self.cuts.push((from + at, self.steps.last[at]));
                }
            }
            ended(&self.steps);
        }
        env.keys(&mut self.after_keys);
        Ok(())
    }

    /// Values every state that was seen, many at a time, and estimates advantages and returns.
    pub(crate) fn estimate<E: VecEnv<Key = K>>(
        &mut self,
        env: &E,
        policy: &ActorCritic,
        room: &mut Room,
        (gamma, lambda): (f32, f32),
        first: u64,
    ) -> Result<(), Poisoned> {
        let scratch = &mut self.observations;
        for (key, (_, cut)) in self.cut_keys.iter_mut().zip(&self.cuts) {
            *key = *cut;
        }
        let cut_keys = &self.cut_keys[..self.cuts.len()];
        value(env, policy, room, scratch, (cut_keys, Place::CutOff), &mut self.returns)?;
        for ((at, _), value) in self.cuts.iter().zip(&self.returns) {
            self.cut_off[*at] = *value;
        }
        value(env, policy, room, scratch, (&self.after_keys, Place::Again), &mut self.after)?;
        value(env, policy, room, scratch, (&self.keys, Place::Again), &mut self.values)?;
        let trace = Trace {
            rewards: &self.rewards,
            values: &self.values,
            terminated: &self.terminated,
            truncated: &self.truncated,
            cut_off: &self.cut_off,
            after: &self.after,
        };
        advantages(&trace, gamma, lambda, &mut self.advantages, &mut self.returns);
        for (from, row) in self.advantages.chunks_exact(self.envs).enumerate() {
            all_finite(row, Quantity::Advantage, first + from as u64, 1)?;
        }
        for (from, row) in self.returns.chunks_exact(self.envs).enumerate() {
            all_finite(row, Quantity::Return, first + from as u64, 1)?;
        }
        Ok(())
    }
}

/// The values of states by their keys. Observations that were not seen when acting are looked at here.
fn value<E: VecEnv>(
    env: &E,
    policy: &ActorCritic,
    room: &mut Room,
    scratch: &mut [f32],
    (keys, place): (&[E::Key], Place),
    out: &mut [f32],
) -> Result<(), Poisoned> {
    let width = env.observation_len();
    for (keys, out) in keys.chunks(room.rows()).zip(out.chunks_mut(room.rows())) {
        let observations = &mut scratch[..keys.len() * width];
        env.observe(keys, observations);
        if !observations.iter().all(|value| value.is_finite()) {
            return Err(Poisoned { what: Quantity::Observation, at: place });
        }
        out[..keys.len()].copy_from_slice(policy.values(observations, keys.len(), room));
    }
    Ok(())
}

/// An action drawn from the softmax of the logits by a uniform number, and its log-probability.
///
/// The log-probability is the same arithmetic, in the same order, as that of the update: before a
/// parameter has moved, the ratio of the two is 1 exactly.
fn sample(logits: &[f32], uniform: f32) -> (u8, f32) {
    let highest = logits.iter().fold(f32::NEG_INFINITY, |highest, logit| highest.max(*logit));
    let mut total = 0.0;
    for logit in logits {
        total += math::exp(logit - highest);
    }
    let mut left = uniform * total;
    let mut chosen = logits.len() - 1;
    for (action, logit) in logits.iter().enumerate() {
        left -= math::exp(logit - highest);
        if left < 0.0 {
            chosen = action;
            break;
        }
    }
    let log_prob = (logits[chosen] - highest) - math::ln(total);
    (u8::try_from(chosen).unwrap_or(u8::MAX), log_prob)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_drawn_as_often_as_they_are_likely() {
        let logits = [0.0, 1.0, -1.0, 2.0];
        let draws = Draws::new(5);
        let mut counts = [0_u32; 4];
        for position in 0..50_000 {
            let (action, log_prob) = sample(&logits, draws.uniform(Stream::Action, position, 0));
            counts[usize::from(action)] += 1;
            let total: f64 = logits.iter().map(|logit| f64::from(*logit).exp()).sum();
            let right = f64::from(logits[usize::from(action)]) - total.ln();
            assert!((f64::from(log_prob) - right).abs() < 1e-6);
        }
        let total: f64 = logits.iter().map(|logit| f64::from(*logit).exp()).sum();
        for (count, logit) in counts.into_iter().zip(logits) {
            let (share, right) = (f64::from(count) / 50_000.0, f64::from(logit).exp() / total);
            assert!((share - right).abs() < 0.01, "{share} for {right}");
        }
    }

    #[test]
    fn the_ends_of_the_uniform_numbers_draw_an_action_that_exists() {
        let one_sided = [-100.0, 100.0];
        assert_eq!(sample(&one_sided, 0.5 * f32::EPSILON).0, 1);
        assert_eq!(sample(&one_sided, 1.0 - 0.5 * f32::EPSILON).0, 1);
        assert_eq!(sample(&[100.0, -100.0], 1.0 - 0.5 * f32::EPSILON).0, 0);
        let (action, log_prob) = sample(&[f32::NAN, 0.0], 0.5);
        assert!(action < 2 && log_prob.is_nan(), "what is not a number is seen by the guard");
    }
}
