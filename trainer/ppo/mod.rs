//! Proximal policy optimisation (J. Schulman and others, 2017), with what implementations have found to
//! matter: truncation is not termination, one gradient norm over both networks, advantages normalised per
//! minibatch, a schedule that agents' multipliers compose with, and a guard that nothing switches off.

mod config;
mod episodes;
pub mod guard;
mod loss;
mod state;
#[cfg(test)]
mod tests;
mod update;

use conclave_domain::brief::training::{Multipliers, UpdateStats};
use conclave_domain::ratio::Ratio;

pub use config::{BadConfig, PpoConfig};
pub use episodes::Episodes;
pub use guard::{Place, Poisoned, Quantity};
pub use state::{BadRestore, Counters, State};

use crate::actor_critic::{ActorCritic, Room};
use crate::adam::Adam;
use crate::count::{double, length, narrow};
use crate::layout::{BadShape, Layout, Shape};
use crate::rng::Draws;
use crate::rollout::Rollout;
use crate::vec_env::VecEnv;
use update::{CHUNK, Done, Plan, Updater};

/// A run of PPO over its environments.
#[derive(Debug)]
pub struct Ppo<E: VecEnv> {
    /// What agents have multiplied; read when an iteration begins, and only then.
    pub levers: Multipliers,
    config: PpoConfig,
    seed: u64,
    env: E,
    net: ActorCritic,
    adam: Adam,
    room: Room,
    rollout: Rollout<E::Key>,
    updater: Updater<E::Key>,
    episodes: Episodes,
    iterations: u64,
    /// Steps of each environment.
    steps: u64,
}

/// Why a run cannot begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRun {
    /// A setting is out of range.
    #[error(transparent)]
    Config(#[from] BadConfig),
    /// The networks cannot be.
    #[error(transparent)]
    Shape(#[from] BadShape),
    /// A rollout would be empty or beyond all measure.
    #[error("{envs} environments of {steps} steps are no rollout: 1 to 16777216 samples are")]
    Rollout {
        /// Environments there are.
        envs: usize,
        /// Steps of each.
        steps: usize,
    },
}

/// What one iteration, a rollout and its update, was like.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Iteration {
    /// Environment steps of the run, with those of this iteration.
    pub steps: u64,
    /// Mean reward of a step.
    pub reward_mean: f64,
    /// Standard deviation of the reward of a step.
    pub reward_std: f64,
    /// Mean KL divergence from the old policy over the last pass, nats.
    pub kl: f64,
    /// Mean entropy of the policy, nats.
    pub entropy: f64,
    /// The scheduled learning rate times its multiplier.
    pub learning_rate: f64,
    /// Share of samples whose ratio was beyond the clip.
    pub clip_fraction: f64,
    /// Share of the returns' variance that the values explained; `None` where the returns had none.
    pub explained_variance: Option<f64>,
    /// Mean norm of the gradients before they were shortened.
    pub gradient_norm: f64,
    /// Mean clipped surrogate loss.
    pub policy_loss: f64,
    /// Mean of half the squared error of the values.
    pub value_loss: f64,
    /// Passes over the samples.
    pub epochs: usize,
    /// Gradient steps of all passes.
    pub minibatches: usize,
    /// Mean sum of rewards of the last hundred finished episodes; `None` before the first.
    pub episode_return: Option<f64>,
}

impl<E: VecEnv> Ppo<E> {
    /// A run that has taken no step.
    ///
    /// # Errors
    /// [`BadRun`] where the configuration does not make sense.
    pub fn new(config: PpoConfig, env: E, seed: u64) -> Result<Self, BadRun> {
        config.check()?;
        let (envs, steps) = (env.envs(), config.rollout_steps);
        let samples = envs.checked_mul(steps).filter(|count| (1..=1 << 24).contains(count));
        let samples = samples.ok_or(BadRun::Rollout { envs, steps })?;
        let observation = env.observation_len();
        let (hidden, actions) = (config.hidden.clone(), env.actions());
        let net = ActorCritic::new(Layout::new(&Shape { observation, hidden, actions })?, seed);
        let rows = CHUNK.max(envs);
        Ok(Self {
            levers: Multipliers::default(),
            seed,
            adam: Adam::new(net.parameters.len()),
            room: net.room(rows),
            rollout: Rollout::new(steps, envs, observation, rows),
            updater: Updater::new(samples, observation, &net),
            episodes: Episodes::new(envs),
            iterations: 0,
            steps: 0,
            config,
            env,
            net,
        })
    }

    /// One rollout and its update.
    ///
    /// # Errors
    /// [`Poisoned`] where something was not finite. The parameters and all moments are then those of
    /// before; the environments have gone on, so that another iteration meets other samples.
    pub fn iterate(&mut self) -> Result<Iteration, Poisoned> {
        let first = self.steps;
        let learning_rate = self.config.learning_rate.at(self.taken(), self.config.total_steps)
            * self.levers.learning_rate.get();
        let (net, room, draws) = (&self.net, &mut self.room, Draws::new(self.seed));
        let (episodes, steps) = (&mut self.episodes, &mut self.steps);
        self.rollout.collect(&mut self.env, net, room, draws, first, |step| {
            *steps += 1;
            episodes.add(step);
        })?;
        let discount = (narrow(self.config.gamma), narrow(self.config.lambda));
        self.rollout.estimate(&self.env, net, room, discount, first)?;
        let plan = Plan {
            config: &self.config,
            learning_rate,
            entropy: self.config.entropy * self.levers.entropy.get(),
            minibatch: self.minibatch(),
            draws,
            iteration: self.iterations,
        };
        let learner = (&mut self.net, &mut self.adam, &mut self.room);
        let done = self.updater.update(&self.env, &self.rollout, learner, &plan)?;
        self.iterations += 1;
        Ok(self.told(&done, learning_rate))
    }

    /// Samples of a minibatch now.
    fn minibatch(&self) -> usize {
        let wanted = length(self.config.minibatch) * self.levers.batch.get();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "held within a length, and a cast of NaN is zero"
        )]
        let wanted = wanted.round().min(length(self.rollout.len())) as usize;
        wanted.max(1)
    }

    fn told(&self, done: &Done, learning_rate: f64) -> Iteration {
        let (reward_mean, reward_variance) = moments(self.rollout.rewards.iter().copied());
        let (_, spread) = moments(self.rollout.returns.iter().copied());
        // A return is its value and an advantage: what the values left unexplained are the advantages.
        let (_, left) = moments(self.rollout.advantages.iter().copied());
        Iteration {
            steps: self.taken(),
            reward_mean,
            reward_std: reward_variance.sqrt(),
            kl: done.kl,
            entropy: done.means.entropy,
            learning_rate,
            clip_fraction: done.means.clipped,
            explained_variance: (spread > 0.0).then(|| 1.0 - left / spread),
            gradient_norm: done.gradient_norm,
            policy_loss: done.means.policy,
            value_loss: done.means.value,
            epochs: done.epochs,
            minibatches: done.minibatches,
            episode_return: self.episodes.mean(),
        }
    }

    /// Environment steps taken, over all environments.
    pub fn taken(&self) -> u64 {
        self.steps.saturating_mul(self.env.envs() as u64)
    }

    /// Iterations that have updated the policy: its version.
    pub const fn version(&self) -> u64 {
        self.iterations
    }

    /// The configuration.
    pub const fn config(&self) -> &PpoConfig {
        &self.config
    }

    /// The seed.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The environments.
    pub const fn env(&self) -> &E {
        &self.env
    }

    /// The environments, to change what they pay or show; what an iteration needs of them is read anew
    /// by each.
    pub const fn env_mut(&mut self) -> &mut E {
        &mut self.env
    }

    /// The networks, for a validation.
    pub const fn actor_critic(&self) -> &ActorCritic {
        &self.net
    }

    /// The episodes that were finished.
    pub const fn episodes(&self) -> &Episodes {
        &self.episodes
    }

    /// BLAKE3 over the bits of the parameters.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.net.fingerprint()
    }
}

impl Iteration {
    /// The same for the briefs of agents; what is not finite is left out.
    pub fn update_stats(&self, config: &PpoConfig, actions: u32) -> UpdateStats {
        let ratio = |value: f64| Ratio::new(value).ok();
        UpdateStats {
            reward_mean: ratio(self.reward_mean),
            reward_std: ratio(self.reward_std),
            kl: ratio(self.kl),
            kl_target: Ratio::or_zero(config.target_kl.unwrap_or_default()),
            entropy: ratio(self.entropy),
            actions,
            learning_rate: Ratio::or_zero(self.learning_rate),
            clip_fraction: ratio(self.clip_fraction),
            explained_variance: self.explained_variance.and_then(ratio),
            gradient_norm: ratio(self.gradient_norm),
        }
    }
}

/// Mean and population variance.
fn moments(numbers: impl Iterator<Item = f32> + Clone) -> (f64, f64) {
    let count = double(numbers.clone().count() as u64);
    let mean = numbers.clone().map(f64::from).sum::<f64>() / count;
    let squares: f64 = numbers.map(|number| (f64::from(number) - mean).powi(2)).sum();
    (mean, squares / count)
}
