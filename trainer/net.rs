//! Forward and backward through a stack of layers, over many rows at once, allocating nothing.
#![expect(
    clippy::inline_always,
    reason = "part of the loop that was compiled for wide vectors, or useless"
)]

use crate::kernel::{Into, LANES, Loop, Matrix, multiply, vectorised};
use crate::layout::Dense;
use crate::math;
use crate::narrow::{self, NARROW, WIDE};

/// Room for the activations of one network, and for what flows back through it.
#[derive(Clone, Debug)]
pub(crate) struct Tape {
    /// What each layer gave, row by row; the last is the network's output.
    outputs: Vec<Vec<f32>>,
    /// What flows back into a layer, and into the one before it.
    flow: [Vec<f32>; 2],
    /// The weights of the last layer, `[outputs, inputs]`, where it is narrow.
    turned: Vec<f32>,
    rows: usize,
}

impl Tape {
    /// Room for so many rows.
    pub(crate) fn new(layers: &[Dense], rows: usize) -> Self {
        let widest = layers.iter().map(|layer| layer.outputs).max().unwrap_or(0);
        let flow = vec![0.0; rows * widest];
        let outputs = layers.iter().map(|layer| vec![0.0; rows * layer.outputs]).collect();
        let last = layers.last().filter(|layer| layer.outputs <= NARROW);
        let turned = vec![0.0; last.map_or(0, |layer| layer.inputs * layer.outputs)];
        Self { outputs, flow: [flow.clone(), flow], turned, rows }
    }

    /// How many rows fit.
    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }

    /// The output of the last [`forward`], and what is to flow back from it before [`backward`].
    pub(crate) fn output_and_flow(&mut self, rows: usize) -> (&[f32], &mut [f32]) {
        let len = self.outputs.last().map_or(0, |outputs| outputs.len() / self.rows.max(1)) * rows;
        (self.outputs.last().map_or(&[], |outputs| &outputs[..len]), &mut self.flow[0][..len])
    }
}

/// The output of a network for so many rows of `input`.
///
/// # Panics
/// Where the rows do not fit the tape, or `input` is not that many rows.
pub(crate) fn forward<'a>(
    layers: &[Dense],
    parameters: &[f32],
    input: &[f32],
    rows: usize,
    tape: &'a mut Tape,
) -> &'a [f32] {
    assert!(rows <= tape.rows, "the rows do not fit the tape");
    let last = layers.len() - 1;
    for (nth, layer) in layers.iter().enumerate() {
        let (before, rest) = tape.outputs.split_at_mut(nth);
        let from = before.last().map_or(input, |outputs| &outputs[..rows * layer.inputs]);
        let out = &mut rest[0][..rows * layer.outputs];
        let (weights, bias) = (layer.weights(parameters), layer.bias(parameters));
        if nth == last && !tape.turned.is_empty() {
            narrow::transpose(weights, layer.outputs, &mut tape.turned);
            vectorised(narrow::Forward { out, input: from, weights: &tape.turned, bias });
            continue;
        }
        let weights = Matrix::new(weights, layer.inputs, layer.outputs);
        multiply(out, Matrix::new(from, rows, layer.inputs), weights, Into::Place);
        if nth < last {
            vectorised(BiasAndTanh { out, bias });
        } else {
            vectorised(Bias { out, bias });
        }
    }
    &tape.outputs[last][..rows * layers[last].outputs]
}

/// Adds to `gradient` what `tape`'s flow into the output means for every parameter; `input` and `rows` are
/// those of the [`forward`] before it, and no parameter has changed since.
///
/// # Panics
/// As [`forward`].
pub(crate) fn backward(
    layers: &[Dense],
    parameters: &[f32],
    input: &[f32],
    rows: usize,
    tape: &mut Tape,
    gradient: &mut [f32],
) {
    let Tape { outputs, flow: [into, before], turned, .. } = tape;
    for (nth, layer) in layers.iter().enumerate().rev() {
        let flow = &mut into[..rows * layer.outputs];
        let (weights, bias) = layer.both(gradient);
        let out = &mut before[..if nth == 0 { 0 } else { rows * layer.inputs }];
        let from = if nth == 0 { input } else { &outputs[nth - 1][..rows * layer.inputs] };
        if nth + 1 < layers.len() {
            let outputs = &outputs[nth][..rows * layer.outputs];
            vectorised(BackThroughTanh { flow, outputs, sums: bias });
        } else {
            vectorised(ColumnSums { flow, sums: bias });
        }
        if nth + 1 == layers.len() && !turned.is_empty() {
            let (flow, outputs) = (&*flow, layer.outputs);
            vectorised(narrow::WeightGradient { gradient: weights, input: from, flow, outputs });
            vectorised(narrow::Back { out, flow, weights: turned, outputs });
        } else {
            let from = Matrix::new(from, rows, layer.inputs);
            let flow = Matrix::new(flow, rows, layer.outputs);
            multiply(weights, from.transposed(), flow, Into::Sum);
            if nth > 0 {
                let weights = Matrix::new(layer.weights(parameters), layer.inputs, layer.outputs);
                multiply(out, flow, weights.transposed(), Into::Place);
            }
        }
        std::mem::swap(into, before);
    }
}

struct Bias<'a> {
    out: &'a mut [f32],
    bias: &'a [f32],
}

impl Loop for Bias<'_> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        for row in self.out.chunks_exact_mut(self.bias.len()) {
            for (value, bias) in row.iter_mut().zip(self.bias) {
                *value += bias;
            }
        }
    }
}

/// Two tanh share a division, one of each half of so many columns.
const PAIR: usize = 2 * LANES;

struct BiasAndTanh<'a> {
    out: &'a mut [f32],
    bias: &'a [f32],
}

impl Loop for BiasAndTanh<'_> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        for row in self.out.chunks_exact_mut(self.bias.len()) {
            let (blocks, rest) = row.as_chunks_mut::<PAIR>();
            let (biases, rest_biases) = self.bias.as_chunks::<PAIR>();
            for (block, bias) in blocks.iter_mut().zip(biases) {
                let (left, right) = block.split_at_mut(LANES);
                for lane in 0..LANES {
                    (left[lane], right[lane]) = math::tanh_of_two(
                        left[lane] + bias[lane],
                        right[lane] + bias[lane + LANES],
                    );
                }
            }
            for (value, bias) in rest.iter_mut().zip(rest_biases) {
                (*value, _) = math::tanh_of_two(*value + bias, 0.0);
            }
        }
    }
}

/// Takes the flow back through tanh, and adds to each sum its column, one row after the other: the order
/// of additions is that of the rows.
struct BackThroughTanh<'a> {
    flow: &'a mut [f32],
    outputs: &'a [f32],
    sums: &'a mut [f32],
}

impl Loop for BackThroughTanh<'_> {
    type Out = ();

    #[inline(always)]
    fn run(mut self) {
        let columns = self.sums.len();
        let (wide, whole) = (columns / WIDE * WIDE, columns / LANES * LANES);
        for from in (0..wide).step_by(WIDE) {
            self.columns::<WIDE>(from);
        }
        for from in (wide..whole).step_by(LANES) {
            self.columns::<LANES>(from);
        }
        for from in whole..columns {
            self.columns::<1>(from);
        }
    }
}

impl BackThroughTanh<'_> {
    /// So many columns from one on.
    #[inline(always)]
    fn columns<const COUNT: usize>(&mut self, from: usize) {
        let columns = self.sums.len();
        let mut sums = [0.0_f32; COUNT];
        let rows = self.flow.chunks_exact_mut(columns).zip(self.outputs.chunks_exact(columns));
        for (flow, output) in rows {
            let flow = flow[from..].first_chunk_mut::<COUNT>();
            let output = output[from..].first_chunk::<COUNT>();
            if let (Some(flow), Some(output)) = (flow, output) {
                *flow = std::array::from_fn(|at| flow[at] * (1.0 - output[at] * output[at]));
                sums = std::array::from_fn(|at| sums[at] + flow[at]);
            }
        }
        for (total, sum) in self.sums[from..].iter_mut().zip(sums) {
            *total += sum;
        }
    }
}

/// Adds to each sum its column, one row after the other. Of few columns only: those of an output.
struct ColumnSums<'a> {
    flow: &'a [f32],
    sums: &'a mut [f32],
}

impl Loop for ColumnSums<'_> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        for row in self.flow.chunks_exact(self.sums.len()) {
            for (sum, value) in self.sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
    }
}
