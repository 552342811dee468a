//! First weights: orthogonal matrices, as in the reference implementations of PPO.

use crate::count::narrow;
use crate::layout::{Dense, Layout};
use crate::rng::{Draws, Stream};

/// Gain of a hidden layer with tanh.
const HIDDEN: f64 = std::f64::consts::SQRT_2;
/// Gain of the actor's last layer: the first policy is almost uniform.
const ACTOR: f64 = 0.01;
/// Gain of the critic's last layer.
const CRITIC: f64 = 1.0;

/// The first parameters of a run with this seed; biases are zero.
pub(crate) fn parameters(layout: &Layout, seed: u64) -> Vec<f32> {
    let mut parameters = vec![0.0; layout.len()];
    let networks = [(&layout.actor, ACTOR), (&layout.critic, CRITIC)];
    let mut nth = 0;
    for (layers, last) in networks {
        for (at, layer) in layers.iter().enumerate() {
            let gain = if at + 1 == layers.len() { last } else { HIDDEN };
            fill(layer, &mut parameters, gain, Draws::new(seed), nth);
            nth += 1;
        }
    }
    parameters
}

fn fill(layer: &Dense, parameters: &mut [f32], gain: f64, draws: Draws, nth: u64) {
    let mut sequence = draws.sequence(Stream::Init, nth);
    let (inputs, outputs) = (layer.inputs, layer.outputs);
    let (short, long) = (inputs.min(outputs), inputs.max(outputs));
    let mut vectors: Vec<Vec<f64>> =
        (0..short).map(|_| (0..long).map(|_| sequence.normal()).collect()).collect();
    orthonormalise(&mut vectors);
    let (weights, _) = layer.both(parameters);
    for (at, weight) in weights.iter_mut().enumerate() {
        let (input, output) = (at / outputs, at % outputs);
        let value = if inputs <= outputs { vectors[input][output] } else { vectors[output][input] };
        *weight = narrow(gain * value);
    }
}

/// Gram and Schmidt, each vector twice: once leaves an error that grows with the condition.
fn orthonormalise(vectors: &mut [Vec<f64>]) {
    for at in 0..vectors.len() {
        let (before, rest) = vectors.split_at_mut(at);
        let vector = &mut rest[0];
        for _ in 0..2 {
            for other in before.iter() {
                let along = dot(vector, other);
                for (value, part) in vector.iter_mut().zip(other) {
                    *value -= along * part;
                }
            }
        }
        let length = dot(vector, vector).sqrt();
        for value in vector.iter_mut() {
            *value /= length;
        }
    }
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Shape;

    #[test]
    fn layers_are_orthogonal_with_their_gain_and_biases_are_zero() {
        let shape = Shape { observation: 4, hidden: vec![64, 32], actions: 3 };
        let layout = Layout::new(&shape).unwrap();
        let parameters = parameters(&layout, 1);
        let gains = [HIDDEN, HIDDEN, ACTOR, HIDDEN, HIDDEN, CRITIC];
        for (layer, gain) in layout.actor.iter().chain(&layout.critic).zip(gains) {
            let weights = layer.weights(&parameters);
            let (inputs, outputs) = (layer.inputs, layer.outputs);
            let at = |vector: usize, place: usize| {
                let index = if inputs <= outputs {
                    vector * outputs + place
                } else {
                    place * outputs + vector
                };
                f64::from(weights[index])
            };
            for one in 0..inputs.min(outputs) {
                for other in 0..inputs.min(outputs) {
                    let product: f64 =
                        (0..inputs.max(outputs)).map(|k| at(one, k) * at(other, k)).sum();
                    let right = if one == other { gain * gain } else { 0.0 };
                    assert!((product - right).abs() < 1e-6, "{product} for {right}");
                }
            }
            assert!(layer.bias(&parameters).iter().all(|bias| bias.to_bits() == 0));
        }
    }

    #[test]
    fn another_seed_gives_other_weights_and_the_same_seed_the_same() {
        let shape = Shape { observation: 4, hidden: vec![8], actions: 2 };
        let layout = Layout::new(&shape).unwrap();
        assert_eq!(parameters(&layout, 1), parameters(&layout, 1));
        assert_ne!(parameters(&layout, 1), parameters(&layout, 2));
    }
}
