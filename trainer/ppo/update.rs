//! An update: some passes over a rollout in shuffled minibatches.

use super::PpoConfig;
use super::guard::{Place, Poisoned, Quantity};
use super::loss::{PolicyLoss, Sums, ValueLoss};
use crate::actor_critic::{ActorCritic, Room};
use crate::adam::Adam;
use crate::count::{length, narrow, single};
use crate::kernel::{LANES, SumOfSquares, vectorised};
use crate::rng::{Draws, Stream};
use crate::rollout::Rollout;
use crate::vec_env::VecEnv;

/// Samples that go through the networks at once. A minibatch of any size goes in chunks of so many, so
/// that memory is bounded and activations stay in the processor's cache.
pub(crate) const CHUNK: usize = 256;

/// Room for an update; nothing is allocated in one.
#[derive(Debug)]
pub(crate) struct Updater<K> {
    order: Vec<u32>,
    keys: Vec<K>,
    observations: Vec<f32>,
    actions: Vec<u8>,
    log_probs: Vec<f32>,
    advantages: Vec<f32>,
    returns: Vec<f32>,
    values: Vec<f32>,
    columns: Vec<f32>,
    pub(crate) gradient: Vec<f32>,
    /// Parameters and moments as they were before the update.
    before: [Vec<f32>; 3],
}

/// What decides an update beside its samples.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) config: &'a PpoConfig,
    pub(crate) learning_rate: f64,
    /// Weight of the entropy bonus.
    pub(crate) entropy: f64,
    /// Samples of a minibatch.
    pub(crate) minibatch: usize,
    pub(crate) draws: Draws,
    /// Which iteration of the run it belongs to, from 0.
    pub(crate) iteration: u64,
}

/// What an update did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Done {
    /// Means over all samples of all passes, but for `kl`.
    pub(crate) means: Sums,
    /// Mean KL divergence over the last pass.
    pub(crate) kl: f64,
    /// Mean norm of the gradients before they were shortened.
    pub(crate) gradient_norm: f64,
    pub(crate) epochs: usize,
    pub(crate) minibatches: usize,
}

impl<K: Copy + Default> Updater<K> {
    pub(crate) fn new(samples: usize, observation_len: usize, net: &ActorCritic) -> Self {
        let numbers = || vec![0.0; CHUNK];
        let parameters = || vec![0.0; net.parameters.len()];
        Self {
            order: (0..u32::try_from(samples).unwrap_or(u32::MAX)).collect(),
            keys: vec![K::default(); CHUNK],
            observations: vec![0.0; CHUNK * observation_len],
            actions: vec![0; CHUNK],
            log_probs: numbers(),
            advantages: numbers(),
            returns: numbers(),
            values: numbers(),
            columns: vec![0.0; net.layout.shape().actions * LANES],
            gradient: parameters(),
            before: [parameters(), parameters(), parameters()],
        }
    }

    /// Improves the networks by a rollout; where something is not finite, they are as before.
    pub(crate) fn update<E: VecEnv<Key = K>>(
        &mut self,
        env: &E,
        rollout: &Rollout<K>,
        (net, adam, room): (&mut ActorCritic, &mut Adam, &mut Room),
        plan: &Plan<'_>,
    ) -> Result<Done, Poisoned> {
        let steps = adam.steps();
        for (before, now) in
            self.before.iter_mut().zip([&net.parameters, &adam.means, &adam.squares])
        {
            before.copy_from_slice(now);
        }
        let done = self.passes(env, rollout, (net, adam, room), plan);
        if done.is_err() {
            let now = [&mut net.parameters, &mut adam.means, &mut adam.squares];
            for (before, now) in self.before.iter().zip(now) {
                now.copy_from_slice(before);
            }
            adam.set_steps(steps);
        }
        done
    }

    fn passes<E: VecEnv<Key = K>>(
        &mut self,
        env: &E,
        rollout: &Rollout<K>,
        (net, adam, room): (&mut ActorCritic, &mut Adam, &mut Room),
        plan: &Plan<'_>,
    ) -> Result<Done, Poisoned> {
        let samples = rollout.len();
        // Parts differ by one sample at most, whatever the multiplier of the batch makes of the size.
        let parts = (samples / plan.minibatch.max(1)).max(1);
        let mut done = Done::default();
        let mut order = std::mem::take(&mut self.order);
        order.iter_mut().zip(0..).for_each(|(place, number)| *place = number);
        for epoch in 0..plan.config.epochs {
            let nth = plan.iteration * plan.config.epochs as u64 + epoch as u64;
            plan.draws.sequence(Stream::Shuffle, nth).shuffle(&mut order);
            let mut pass = Sums::default();
            for part in 0..parts {
                let picked = &order[samples * part / parts..samples * (part + 1) / parts];
                let sums = self.gradient(env, rollout, picked, (net, room), plan);
                let norm = vectorised(SumOfSquares(&self.gradient)).sqrt();
                if !norm.is_finite() {
                    self.order = order;
                    let at = Place::Minibatch { epoch, minibatch: part };
                    return Err(Poisoned { what: Quantity::Gradient, at });
                }
                let scale = (plan.config.gradient_norm / (norm + 1e-6)).min(1.0);
                let rate = plan.learning_rate;
                adam.step(&mut net.parameters, &self.gradient, rate, narrow(scale));
                pass.add(&sums);
                done.gradient_norm += norm;
                done.minibatches += 1;
            }
            done.epochs += 1;
            done.kl = pass.kl / length(samples);
            done.means.add(&pass);
            if plan.config.target_kl.is_some_and(|target| done.kl > target) {
                break;
            }
        }
        self.order = order;
        done.finish(samples);
        Ok(done)
    }

    /// The gradient of the loss over the picked samples, into `self.gradient`.
    pub(crate) fn gradient<E: VecEnv<Key = K>>(
        &mut self,
        env: &E,
        rollout: &Rollout<K>,
        picked: &[u32],
        (net, room): (&ActorCritic, &mut Room),
        plan: &Plan<'_>,
    ) -> Sums {
        self.gradient.fill(0.0);
        let (mean, deviation) = moments(picked, &rollout.advantages);
        let scale = 1.0 / single(picked.len());
        let mut sums = Sums::default();
        for picked in picked.chunks(CHUNK) {
            let rows = picked.len();
            for (at, sample) in picked.iter().enumerate() {
                let sample = *sample as usize;
                self.keys[at] = rollout.keys[sample];
                self.actions[at] = rollout.actions[sample];
                self.log_probs[at] = rollout.log_probs[sample];
                self.advantages[at] = (rollout.advantages[sample] - mean) / (deviation + 1e-8);
                self.returns[at] = rollout.returns[sample];
                self.values[at] = rollout.values[sample];
            }
            let observations = &mut self.observations[..rows * env.observation_len()];
            env.observe(&self.keys[..rows], observations);
            net.learn_actor((observations, rows), room, &mut self.gradient, |logits, flow| {
                let part = vectorised(PolicyLoss {
                    logits,
                    actions: &self.actions[..rows],
                    old: &self.log_probs[..rows],
                    advantages: &self.advantages[..rows],
                    flow,
                    columns: &mut self.columns,
                    clip: narrow(plan.config.clip),
                    entropy: narrow(plan.entropy),
                    scale,
                });
                sums.add(&part);
            });
            net.learn_critic((observations, rows), room, &mut self.gradient, |values, flow| {
                sums.value += vectorised(ValueLoss {
                    values,
                    old: &self.values[..rows],
                    returns: &self.returns[..rows],
                    flow,
                    clip: plan.config.clip_value.map_or(f32::INFINITY, narrow),
                    scale: narrow(plan.config.value) * scale,
                });
            });
        }
        sums
    }
}

impl Done {
    /// Makes means of the sums.
    fn finish(&mut self, samples: usize) {
        let count = length(samples * self.epochs);
        let Sums { policy, value, entropy, kl, clipped } = self.means;
        self.means = Sums {
            policy: policy / count,
            value: value / count,
            entropy: entropy / count,
            kl: kl / count,
            clipped: clipped / count,
        };
        self.gradient_norm /= length(self.minibatches);
    }
}

/// Mean and standard deviation of the picked numbers; one number alone is left as it is.
fn moments(picked: &[u32], numbers: &[f32]) -> (f32, f32) {
    if picked.len() < 2 {
        return (0.0, 1.0);
    }
    let picked = picked.iter().map(|at| f64::from(numbers[*at as usize]));
    let count = length(picked.len());
    let mean = picked.clone().sum::<f64>() / count;
    let squares: f64 = picked.map(|number| (number - mean) * (number - mean)).sum();
    (narrow(mean), narrow((squares / (count - 1.0)).sqrt()))
}
