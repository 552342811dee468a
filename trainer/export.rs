//! From what the trainer learns to what trades: frozen weights for the domain's forward pass.

use std::path::Path;

use conclave_domain::policy::action::ActionSet;
use conclave_domain::policy::network::{Layer, Policy, PolicyError, PolicyParts};
use conclave_domain::policy::normalisation::Normalisation;
use conclave_domain::policy::observation::columns;

use crate::actor_critic::ActorCritic;
use crate::checkpoint::Checkpoint;
use crate::env::trade::LearnedFrom;
use crate::layout::{Dense, Layout};
use crate::session::{SessionError, TrainConfig, belongs};

/// The policy of some networks.
///
/// # Errors
/// Where the networks are not of these actions, or a weight is not finite.
pub fn policy(
    net: &ActorCritic,
    actions: ActionSet,
    normalisation: &Normalisation,
) -> Result<Policy, PolicyError> {
    let parameters = net.parameters();
    let layer = |dense: &Dense| {
        let (weights, bias) = (dense.weights(parameters), dense.bias(parameters));
        Layer::new(dense.inputs, weights.to_vec(), bias.to_vec())
    };
    Policy::new(PolicyParts {
        columns: columns().map(str::to_owned).collect(),
        actions,
        normalisation: normalisation.clone(),
        actor: net.layout().actor.iter().map(layer).collect::<Result<_, _>>()?,
        critic: net.layout().critic.iter().map(layer).collect::<Result<_, _>>()?,
    })
}

/// A policy from a checkpoint, with what it was trained on.
#[derive(Clone, Debug)]
pub struct Trained {
    /// What trades.
    pub policy: Policy,
    /// Hash of the data that it was trained on.
    pub data_hash: String,
    /// How it was trained.
    pub config: TrainConfig,
    /// Environment steps that it was trained for.
    pub steps: u64,
    /// The market that it has learned from; `None` of a checkpoint that does not say.
    pub learned: Option<LearnedFrom>,
}

/// Reads what trades out of a checkpoint of a training run.
///
/// # Errors
/// Where the file is damaged, or was trained with other columns or actions than there are.
pub fn read_policy(path: &Path) -> Result<Trained, SessionError> {
    let checkpoint = Checkpoint::read(path)?;
    let (story, normalisation) = belongs(&checkpoint)?;
    let wrong = |error: &dyn std::fmt::Display| SessionError::Story(error.to_string());
    let layout = Layout::new(&checkpoint.shape).map_err(|error| wrong(&error))?;
    let state = checkpoint.state;
    let steps = state.counters.steps.saturating_mul(story.config.envs as u64);
    let net = ActorCritic { layout, parameters: state.parameters };
    let policy =
        policy(&net, story.config.actions, &normalisation).map_err(|error| wrong(&error))?;
    let data_hash = checkpoint.about.data_hash;
    Ok(Trained { policy, data_hash, config: story.config, steps, learned: story.learned })
}
