//! Where each tensor of the two networks lies in the one flat vector of parameters.
//!
//! Actor and critic are networks of their own, each with tanh between its layers and nothing after the
//! last. Weights are kept `[inputs, outputs]`, row by row: a layer is `x @ w + b`.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// The widest layer and the longest observation that are accepted.
const WIDEST: usize = 1 << 16;
/// The most hidden layers.
const DEEPEST: usize = 8;

/// The shape of the two networks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Numbers in one observation.
    pub observation: usize,
    /// Units of each hidden layer, the same for actor and critic.
    pub hidden: Vec<usize>,
    /// Number of actions.
    pub actions: usize,
}

/// A shape that no network here can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "networks of {observation} inputs, hidden layers {hidden:?} and {actions} actions cannot be: {why}"
)]
pub struct BadShape {
    observation: usize,
    hidden: Vec<usize>,
    actions: usize,
    why: &'static str,
}

/// One tensor and its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tensor {
    /// Its name, such as `actor.w1` or `critic.b3`.
    pub name: String,
    /// Its lengths: `[inputs, outputs]` of weights, `[outputs]` of a bias.
    pub shape: Vec<usize>,
    /// Where it begins among the parameters.
    pub offset: usize,
}

impl Tensor {
    /// How many numbers it has.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One layer: `x @ w + b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dense {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    weights: usize,
}

impl Dense {
    pub(crate) fn weights<'a>(&self, parameters: &'a [f32]) -> &'a [f32] {
        &parameters[self.weights..self.weights + self.inputs * self.outputs]
    }

    pub(crate) fn bias<'a>(&self, parameters: &'a [f32]) -> &'a [f32] {
        let from = self.weights + self.inputs * self.outputs;
        &parameters[from..from + self.outputs]
    }

    /// Both, to write into: a bias follows its weights.
    pub(crate) fn both<'a>(&self, parameters: &'a mut [f32]) -> (&'a mut [f32], &'a mut [f32]) {
        let weights = self.inputs * self.outputs;
        parameters[self.weights..self.weights + weights + self.outputs].split_at_mut(weights)
    }
}

/// The table of tensors, and the layers of both networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    shape: Shape,
    tensors: Vec<Tensor>,
    pub(crate) actor: Vec<Dense>,
    pub(crate) critic: Vec<Dense>,
    len: usize,
}

impl Layout {
    /// The layout of a shape.
    ///
    /// # Errors
    /// [`BadShape`] where a layer would be empty or beyond all measure, or more than 255 actions.
    pub fn new(shape: &Shape) -> Result<Self, BadShape> {
        let bad = |why| {
            let Shape { observation, hidden, actions } = shape.clone();
            BadShape { observation, hidden, actions, why }
        };
        let widths = shape.hidden.iter().chain([&shape.observation, &shape.actions]);
        if widths.clone().any(|width| *width == 0) {
            return Err(bad("a layer is empty"));
        }
        if widths.clone().any(|width| *width > WIDEST) {
            return Err(bad("a layer is wider than 65536"));
        }
        if shape.hidden.is_empty() || shape.hidden.len() > DEEPEST {
            return Err(bad("there are one to eight hidden layers"));
        }
        if u8::try_from(shape.actions).is_err() {
            return Err(bad("there are at most 255 actions"));
        }
        let mut layout =
            Self { shape: shape.clone(), tensors: vec![], actor: vec![], critic: vec![], len: 0 };
        layout.actor = layout.network("actor", shape.actions);
        layout.critic = layout.network("critic", 1);
        Ok(layout)
    }

    fn network(&mut self, name: &str, outputs: usize) -> Vec<Dense> {
        let mut widths = vec![self.shape.observation];
        widths.extend_from_slice(&self.shape.hidden);
        widths.push(outputs);
        let mut layers = Vec::with_capacity(widths.len() - 1);
        for (nth, pair) in widths.windows(2).enumerate() {
            let (inputs, outputs) = (pair[0], pair[1]);
            layers.push(Dense { inputs, outputs, weights: self.len });
            self.push(format!("{name}.w{}", nth + 1), vec![inputs, outputs]);
            self.push(format!("{name}.b{}", nth + 1), vec![outputs]);
        }
        layers
    }

    fn push(&mut self, name: String, shape: Vec<usize>) {
        let tensor = Tensor { name, shape, offset: self.len };
        self.len += tensor.len();
        self.tensors.push(tensor);
    }

    /// The shape.
    pub const fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Every tensor, in the order of the parameters.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// Number of parameters.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none, which no layout has.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// BLAKE3 over the names, shapes and order of the tensors, in hexadecimal.
    pub fn hash(&self) -> String {
        let mut text = String::from("tanh, x @ w + b\n");
        for tensor in &self.tensors {
            let _ = writeln!(text, "{} {:?} {}", tensor.name, tensor.shape, tensor.offset);
        }
        blake3::hash(text.as_bytes()).to_hex().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(observation: usize, hidden: &[usize], actions: usize) -> Shape {
        Shape { observation, hidden: hidden.to_vec(), actions }
    }

    #[test]
    fn tensors_follow_one_another_without_a_gap() {
        let layout = Layout::new(&shape(4, &[64, 32], 2)).unwrap();
        let mut end = 0;
        for tensor in layout.tensors() {
            assert_eq!(tensor.offset, end, "{}", tensor.name);
            end += tensor.len();
        }
        assert_eq!(end, layout.len());
        let names: Vec<&str> = layout.tensors().iter().map(|tensor| &*tensor.name).collect();
        assert_eq!(names[..3], ["actor.w1", "actor.b1", "actor.w2"]);
        assert_eq!(names[11], "critic.b3");
        assert_eq!(layout.tensors()[4].shape, [32, 2]);
    }

    #[test]
    fn the_hash_tells_shapes_apart() {
        let hash = |shape| Layout::new(&shape).unwrap().hash();
        let ours = hash(shape(4, &[64, 64], 2));
        assert_eq!(ours, hash(shape(4, &[64, 64], 2)));
        for other in [shape(5, &[64, 64], 2), shape(4, &[64], 2), shape(4, &[64, 64], 3)] {
            assert_ne!(ours, hash(other));
        }
    }

    #[test]
    fn shapes_that_cannot_be_are_refused() {
        let bad = [
            shape(0, &[64], 2),
            shape(4, &[], 2),
            shape(4, &[64, 0], 2),
            shape(4, &[64], 0),
            shape(4, &[64], 256),
            shape(usize::MAX, &[64], 2),
            shape(4, &[8; 9], 2),
        ];
        for shape in bad {
            assert!(Layout::new(&shape).is_err(), "{shape:?}");
        }
    }
}
