//! Everything that decides how a run goes on, out of it and into it again.

use conclave_domain::brief::training::Multipliers;
use serde::{Deserialize, Serialize};

use super::{Episodes, Ppo};
use crate::actor_critic::fingerprint;
use crate::vec_env::{BadState, VecEnv};

/// Everything that decides how a run goes on, but for its configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Every parameter, as the layout says.
    pub parameters: Vec<f32>,
    /// Adam's first moment of each.
    pub adam_means: Vec<f32>,
    /// Adam's second moment of each.
    pub adam_squares: Vec<f32>,
    /// The environments' own state.
    pub env: Vec<u8>,
    /// How far the run is.
    pub counters: Counters,
}

/// How far a run is. Random numbers are functions of these counts and the seed, so that they are all that
/// has to be kept of a generator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counters {
    /// The seed.
    pub seed: u64,
    /// Iterations that have updated the policy.
    pub iterations: u64,
    /// Steps of each environment.
    pub steps: u64,
    /// Gradient steps that the moments stand for.
    pub adam_steps: u64,
    /// What agents have multiplied.
    pub levers: Multipliers,
    /// Returns of the episodes.
    pub episodes: Episodes,
}

/// A state that a run cannot go on from; nothing of the run has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRestore {
    /// There are as many parameters as the layout says, and as many of each moment.
    #[error("{what} has {found} numbers for {wanted} parameters")]
    Length {
        /// What of the state.
        what: &'static str,
        /// Numbers there are.
        found: usize,
        /// Numbers there have to be.
        wanted: usize,
    },
    /// A number is not finite, or a second moment is negative.
    #[error("{0} holds a number that no run leaves behind")]
    Number(&'static str),
    /// The episodes are not those of these environments.
    #[error("the returns of episodes are not those of these environments")]
    Episodes,
    /// The environments do not know their state.
    #[error(transparent)]
    Env(#[from] BadState),
}

impl State {
    /// BLAKE3 over the bits of the parameters, as [`Ppo::fingerprint`].
    pub fn fingerprint(&self) -> [u8; 32] {
        fingerprint(&self.parameters)
    }
}

impl<E: VecEnv> Ppo<E> {
    /// Everything that decides how the run goes on.
    pub fn state(&self) -> State {
        State {
            parameters: self.net.parameters.clone(),
            adam_means: self.adam.means.clone(),
            adam_squares: self.adam.squares.clone(),
            env: self.env.save(),
            counters: Counters {
                seed: self.seed,
                iterations: self.iterations,
                steps: self.steps,
                adam_steps: self.adam.steps(),
                levers: self.levers,
                episodes: self.episodes.clone(),
            },
        }
    }

    /// Goes on where [`Ppo::state`] was called, bit for bit.
    ///
    /// # Errors
    /// [`BadRestore`] where the state is not one of a run like this; nothing has changed then.
    pub fn restore(&mut self, state: &State) -> Result<(), BadRestore> {
        self.accepts(state)?;
        if !state.counters.episodes.fits(self.env.envs()) {
            return Err(BadRestore::Episodes);
        }
        self.env.restore(&state.env)?;
        self.put(state);
        let Counters { seed, iterations, steps, levers, episodes, .. } = state.counters.clone();
        self.seed = seed;
        self.iterations = iterations;
        self.steps = steps;
        self.levers = levers;
        self.episodes = episodes;
        Ok(())
    }

    /// Takes the parameters and moments of an earlier state, and goes on from here with them: steps,
    /// schedule and environments stay as they are.
    ///
    /// # Errors
    /// As [`Ppo::restore`].
    pub fn roll_back(&mut self, state: &State) -> Result<(), BadRestore> {
        self.accepts(state)?;
        self.put(state);
        Ok(())
    }

    fn put(&mut self, state: &State) {
        self.net.parameters.copy_from_slice(&state.parameters);
        self.adam.means.copy_from_slice(&state.adam_means);
        self.adam.squares.copy_from_slice(&state.adam_squares);
        self.adam.set_steps(state.counters.adam_steps);
    }

    fn accepts(&self, state: &State) -> Result<(), BadRestore> {
        let wanted = self.net.parameters.len();
        let vectors = [
            ("the networks", &state.parameters),
            ("the first moment", &state.adam_means),
            ("the second moment", &state.adam_squares),
        ];
        for (what, numbers) in vectors {
            if numbers.len() != wanted {
                return Err(BadRestore::Length { what, found: numbers.len(), wanted });
            }
            if !numbers.iter().all(|number| number.is_finite()) {
                return Err(BadRestore::Number(what));
            }
        }
        if state.adam_squares.iter().any(|square| *square < 0.0) {
            return Err(BadRestore::Number("the second moment"));
        }
        Ok(())
    }
}
