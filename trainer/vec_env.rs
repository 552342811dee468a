//! What the trainer asks of a world: many environments in one value, stepped together on flat slices.
//!
//! There is no call per environment, and an observation is never kept: the trainer keeps a small key per
//! step and asks for the observation again when a minibatch needs it.

/// Environments side by side, stepped together.
///
/// Same-step autoreset: an environment whose episode is over has begun a new one when
/// [`VecEnv::step`] returns. What its last state was stands in [`Steps::last`], so that a truncated
/// episode can be valued by the state it was cut off in.
///
/// Everything is deterministic: the same state and the same actions lead to the same bits.
pub trait VecEnv {
    /// What an observation is rebuilt from; kept per step instead of the observation itself.
    type Key: Copy + Default + Send;

    /// Number of environments.
    fn envs(&self) -> usize;

    /// Numbers in one observation.
    fn observation_len(&self) -> usize;

    /// Number of actions; an action is an index below it.
    fn actions(&self) -> usize;

    /// The present state of every environment; `out` has one place for each.
    fn keys(&self, out: &mut [Self::Key]);

    /// Rebuilds normalised observations row by row; `out.len() == keys.len() * observation_len()`.
    ///
    /// A key may be older than the present episode, but not than the environments: what a key was
    /// taken from must not change while a rollout is used.
    fn observe(&self, keys: &[Self::Key], out: &mut [f32]);

    /// Takes one step in all environments, with one action for each, and allocates nothing.
    fn step(&mut self, actions: &[u8], out: &mut Steps<Self::Key>);

    /// Everything that decides what comes next, as bytes for a checkpoint.
    fn save(&self) -> Vec<u8>;

    /// Goes on where [`VecEnv::save`] was called, bit for bit.
    ///
    /// # Errors
    /// [`BadState`] where the bytes are not a state of these environments; nothing has changed then.
    fn restore(&mut self, bytes: &[u8]) -> Result<(), BadState>;
}

/// Bytes that are not a state of the environments that were given them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a state of these environments: {0}")]
pub struct BadState(pub String);

/// What one step of all environments brought; a place for each environment in every vector.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Steps<K> {
    /// The reward of the step.
    pub rewards: Vec<f32>,
    /// Whether the episode ended in a state that has no future.
    pub terminated: Vec<bool>,
    /// Whether the episode was cut off in a state that has one.
    pub truncated: Vec<bool>,
    /// The last state of the episode where it ended or was cut off; else what it was before.
    pub last: Vec<K>,
}

impl<K: Copy + Default> Steps<K> {
    /// Room for so many environments.
    pub fn new(envs: usize) -> Self {
        Self {
            rewards: vec![0.0; envs],
            terminated: vec![false; envs],
            truncated: vec![false; envs],
            last: vec![K::default(); envs],
        }
    }
}
