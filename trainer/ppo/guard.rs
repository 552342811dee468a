//! The one check that no configuration switches off.
//!
//! - N-1: what is not finite moves no parameter of a policy, and stands in no checkpoint.

/// What was not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Quantity {
    /// A number in an observation.
    #[error("an observation")]
    Observation,
    /// The log-probability of an action: the policy's own output.
    #[error("the policy's output")]
    Policy,
    /// A reward.
    #[error("a reward")]
    Reward,
    /// An advantage, and so a value or a sum of rewards.
    #[error("an advantage")]
    Advantage,
    /// A return, and so a value or a sum of rewards.
    #[error("a return")]
    Return,
    /// The norm of the gradient.
    #[error("the gradient")]
    Gradient,
}

/// Where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Place {
    /// At a step of one environment; steps of all environments together count as one.
    #[error("step {step} of environment {env}")]
    Step {
        /// Which step since the run began, from 0.
        step: u64,
        /// Which environment, from 0.
        env: usize,
    },
    /// In the last state of an episode that was cut off.
    #[error("the end of an episode that was cut off")]
    CutOff,
    /// In a state after the last step of a rollout, or in any whose observation was made again.
    #[error("a state that was looked at again")]
    Again,
    /// In an update.
    #[error("minibatch {minibatch} of epoch {epoch}")]
    Minibatch {
        /// Which pass over the samples, from 0.
        epoch: usize,
        /// Which part of it, from 0.
        minibatch: usize,
    },
}

/// Something was not finite. No parameter and no moment has moved since before the iteration that
/// found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is not finite, at {at}")]
pub struct Poisoned {
    /// What it was.
    pub what: Quantity,
    /// Where it was.
    pub at: Place,
}

/// Looks at one step of all environments, `width` numbers for each.
pub(crate) fn all_finite(
    values: &[f32],
    what: Quantity,
    step: u64,
    width: usize,
) -> Result<(), Poisoned> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Poisoned { what, at: Place::Step { step, env: at / width } }),
    }
}
