//! A trained policy with frozen weights: one observation in, one action out. Pure, without a library.
//!
//! Two networks of tanh layers that share nothing, one for the logits of the actions and one for the
//! value. Loops run over outputs, so that they vectorise; every output is one chain of products and
//! sums in the order of its inputs, so that every processor comes to the same bits.

use super::action::{Action, ActionSet, decode};
use super::normalisation::Normalisation;
use super::observation::{ACCOUNT_COLUMNS, AccountView, COLUMNS, MARKET, MARKET_COLUMNS, columns};
use crate::ratio::Ratio;
use crate::record::Digest;

/// Widest layer that a policy may have, in outputs.
pub const WIDEST: usize = 4_096;
/// Most layers of one network.
pub const DEEPEST: usize = 8;

/// One dense layer: `out[o] = bias[o] + Σ in[i] · weights[i · outputs + o]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    inputs: usize,
    weights: Vec<f32>,
    bias: Vec<f32>,
}

/// Why weights are no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A layer's numbers do not fill it.
    #[error("a layer of {inputs} inputs has {weights} weights and {bias} biases")]
    Layer {
        /// Its inputs.
        inputs: usize,
        /// Its weights.
        weights: usize,
        /// Its biases.
        bias: usize,
    },
    /// The layers do not follow one another from the observation to what is asked for.
    #[error("the {network} does not lead from {from} columns to {to} outputs")]
    Shape {
        /// `actor` or `critic`.
        network: &'static str,
        /// Numbers in an observation.
        from: usize,
        /// Numbers that must come out.
        to: usize,
    },
    /// A weight is NaN or infinite.
    #[error("a weight of the {network} is not finite")]
    NotFinite {
        /// `actor` or `critic`.
        network: &'static str,
    },
    /// It was trained with other columns than there are.
    #[error("trained with other columns: {found} where {wanted} is, at column {at}")]
    Columns {
        /// Which column, from 0.
        at: usize,
        /// What it was trained with.
        found: String,
        /// What there is now.
        wanted: String,
    },
}

impl Layer {
    /// A layer; `weights` go input by input.
    ///
    /// # Errors
    /// When the numbers do not fill it.
    pub fn new(inputs: usize, weights: Vec<f32>, bias: Vec<f32>) -> Result<Self, PolicyError> {
        let fills = inputs.checked_mul(bias.len()) == Some(weights.len());
        if inputs == 0 || bias.is_empty() || bias.len() > WIDEST || !fills {
            let (weights, bias) = (weights.len(), bias.len());
            return Err(PolicyError::Layer { inputs, weights, bias });
        }
        Ok(Self { inputs, weights, bias })
    }

    /// Numbers that come out.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    fn is_finite(&self) -> bool {
        self.weights.iter().chain(&self.bias).all(|weight| weight.is_finite())
    }

    fn forward(&self, input: &[f32]) -> Vec<f32> {
        let mut out = self.bias.clone();
        for (value, weights) in input.iter().zip(self.weights.chunks_exact(self.outputs())) {
            for (sum, weight) in out.iter_mut().zip(weights) {
                *sum += value * weight;
            }
        }
        out
    }
}

/// What a policy is made of, as a checkpoint holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyParts {
    /// The names of the columns that it was trained with.
    pub columns: Vec<String>,
    /// What its outputs mean.
    pub actions: ActionSet,
    /// How its inputs were brought to one size.
    pub normalisation: Normalisation,
    /// From the observation to the logits; all but the last go through tanh.
    pub actor: Vec<Layer>,
    /// From the observation to the value, likewise; empty where it was left out.
    pub critic: Vec<Layer>,
}

/// A policy whose shapes and numbers have been checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    parts: PolicyParts,
}

/// What a policy says at one bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Opinion {
    /// The likeliest action; of equals the first.
    pub action: Action,
    /// Its probability.
    pub probability: Ratio,
    /// The probabilities of all actions, in the order of the set; they sum to one.
    pub probabilities: Vec<Ratio>,
}

/// What a policy was given or computed is not finite, so that it has no opinion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the policy's numbers are not finite")]
pub struct NoOpinion;

impl Policy {
    /// Checks what a policy is made of.
    ///
    /// # Errors
    /// See [`PolicyError`].
    pub fn new(parts: PolicyParts) -> Result<Self, PolicyError> {
        let names: Vec<&str> = columns().collect();
        for at in 0..names.len().max(parts.columns.len()) {
            let wanted = names.get(at).copied().unwrap_or("nothing");
            let found = parts.columns.get(at).map_or("nothing", String::as_str);
            if wanted != found {
                let found = found.chars().take(40).collect();
                return Err(PolicyError::Columns { at, found, wanted: wanted.to_owned() });
            }
        }
        leads("actor", &parts.actor, parts.actions.count())?;
        if !parts.critic.is_empty() {
            leads("critic", &parts.critic, 1)?;
        }
        Ok(Self { parts })
    }

    /// What it is made of.
    pub fn parts(&self) -> &PolicyParts {
        &self.parts
    }

    /// What its outputs mean.
    pub fn actions(&self) -> ActionSet {
        self.parts.actions
    }

    /// BLAKE3 in hexadecimal over the names of columns and actions and the shapes of all layers: two
    /// policies of one layout can be compared weight by weight.
    pub fn layout_hash(&self) -> String {
        let shape = |layer: &Layer| format!("{}x{}", layer.inputs, layer.outputs());
        let shapes = |layers: &[Layer]| layers.iter().map(shape).collect::<Vec<_>>().join(",");
        layout_hash(self.parts.actions, &shapes(&self.parts.actor), &shapes(&self.parts.critic))
    }

    /// BLAKE3 over what decides its words: layout, normalisation and weights, each number as four bytes
    /// with the lowest first.
    pub fn hash(&self) -> Digest {
        let PolicyParts { normalisation, actor, critic, .. } = &self.parts;
        let mut bytes = self.layout_hash().into_bytes();
        let layers = actor.iter().chain(critic).flat_map(|layer| [&layer.weights, &layer.bias]);
        let norms = [normalisation.means(), normalisation.factors()];
        for numbers in norms.into_iter().chain(layers.map(Vec::as_slice)) {
            bytes.extend(numbers.iter().flat_map(|number| number.to_bits().to_le_bytes()));
        }
        Digest::of(&bytes)
    }

    /// The logits of a normalised observation of [`COLUMNS`] numbers.
    pub fn logits(&self, observation: &[f32]) -> Vec<f32> {
        forward(&self.parts.actor, observation)
    }

    /// The value of a normalised observation; `None` where the critic was left out.
    pub fn value(&self, observation: &[f32]) -> Option<f32> {
        if self.parts.critic.is_empty() {
            return None;
        }
        forward(&self.parts.critic, observation).first().copied()
    }

    /// The normalised observation of market columns as they come from the feature engine and an
    /// account.
    pub fn observe(&self, market: &[f32; MARKET], account: &AccountView) -> [f32; COLUMNS] {
        let normalisation = &self.parts.normalisation;
        let mut row = [0.0; COLUMNS];
        let (first, second) = row.split_at_mut(MARKET);
        first.copy_from_slice(&normalisation.market(market));
        second.copy_from_slice(&normalisation.account(&account.columns()));
        row
    }

    /// What the policy says.
    ///
    /// # Errors
    /// When a column or a logit is not finite.
    pub fn opinion(
        &self,
        market: &[f32; MARKET],
        account: &AccountView,
    ) -> Result<Opinion, NoOpinion> {
        let observation = self.observe(market, account);
        let logits = self.logits(&observation);
        if !observation.iter().chain(&logits).all(|value| value.is_finite()) {
            return Err(NoOpinion);
        }
        let best = argmax(&logits);
        let highest = f64::from(logits[best]);
        let shares: Vec<f64> = logits.iter().map(|&x| (f64::from(x) - highest).exp()).collect();
        let sum: f64 = shares.iter().sum();
        let probabilities: Vec<Ratio> =
            shares.iter().map(|share| Ratio::within_unit(share / sum)).collect();
        let action = decode(self.parts.actions, best).ok_or(NoOpinion)?;
        Ok(Opinion { action, probability: probabilities[best], probabilities })
    }
}

/// BLAKE3 in hexadecimal over names and shapes; `actor` and `critic` are written as `32x64,64x8`.
pub fn layout_hash(actions: ActionSet, actor: &str, critic: &str) -> String {
    let columns = [&MARKET_COLUMNS[..], &ACCOUNT_COLUMNS].concat().join(",");
    let actions: Vec<&str> = actions.actions().iter().map(|action| action.name()).collect();
    let text = format!("conclave-policy/1\n{columns}\n{}\n{actor}\n{critic}\n", actions.join(","));
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// Whether layers lead from an observation to `to` finite numbers.
fn leads(network: &'static str, layers: &[Layer], to: usize) -> Result<(), PolicyError> {
    let mut width = Some(COLUMNS).filter(|_| !layers.is_empty() && layers.len() <= DEEPEST);
    for layer in layers {
        width = width.filter(|&width| width == layer.inputs).map(|_| layer.outputs());
    }
    if width != Some(to) {
        return Err(PolicyError::Shape { network, from: COLUMNS, to });
    }
    if layers.iter().all(Layer::is_finite) {
        Ok(())
    } else {
        Err(PolicyError::NotFinite { network })
    }
}

fn forward(layers: &[Layer], observation: &[f32]) -> Vec<f32> {
    let mut values = observation.to_vec();
    for (at, layer) in layers.iter().enumerate() {
        values = layer.forward(&values);
        if at + 1 < layers.len() {
            for value in &mut values {
                *value = tanh(*value);
            }
        }
    }
    values
}

/// The place of the largest of some finite values, the first of equals; 0 without any.
pub fn argmax(values: &[f32]) -> usize {
    let mut best = 0;
    for (at, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = at;
        }
    }
    best
}

/// Hyperbolic tangent to 3e-7, by arithmetic alone: the same bits whatever C library there is.
///
/// tanh x = (1 − t) ÷ (1 + t) with t = exp(−2·|x|); the exponential is 2ⁿ times a series over ±½ ln 2.
pub fn tanh(x: f32) -> f32 {
    // Beyond 10 the result rounds to one; NaN goes through.
    let size = if x.abs() > 10.0 { 10.0 } else { x.abs() };
    let steps = size * -2.0 * std::f32::consts::LOG2_E;
    let whole = steps.round_ties_even();
    let rest = (steps - whole) * std::f32::consts::LN_2;
    let mut series = 1.0_f32;
    for n in [7.0_f32, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0] {
        series = series * (rest / n) + 1.0;
    }
    #[expect(clippy::cast_possible_truncation, reason = "between -29 and 0; NaN becomes 0")]
    let t = series * 2.0_f32.powi(whole as i32);
    ((1.0 - t) / (1.0 + t)).copysign(x)
}

#[cfg(test)]
mod tests;
