//! Forward and backward through a stack of layers, over many rows at once, allocating nothing.
#![expect(
    clippy::inline_always,
    reason = "part of the loop that was compiled for wide vectors, or useless"
)]

use crate::kernel::{Into, LANES, Loop, Matrix, multiply, vectorised};
use crate::layout::Dense;
use crate::math;

/// Room for the activations of one network, and for what flows back through it.
#[derive(Clone, Debug)]
pub(crate) struct Tape {
    /// What each layer gave, row by row; the last is the network's output.
    outputs: Vec<Vec<f32>>,
    /// What flows back into a layer, and into the one before it.
    flow: [Vec<f32>; 2],
    rows: usize,
}

impl Tape {
    /// Room for so many rows.
    pub(crate) fn new(layers: &[Dense], rows: usize) -> Self {
        let widest = layers.iter().map(|layer| layer.outputs).max().unwrap_or(0);
        let flow = vec![0.0; rows * widest];
        let outputs = layers.iter().map(|layer| vec![0.0; rows * layer.outputs]).collect();
        Self { outputs, flow: [flow.clone(), flow], rows }
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
        let weights = Matrix::new(layer.weights(parameters), layer.inputs, layer.outputs);
        multiply(out, Matrix::new(from, rows, layer.inputs), weights, Into::Place);
        let bias = layer.bias(parameters);
        if nth < last {
            vectorised(BiasAndTanh { out, bias });
        } else {
            vectorised(Bias { out, bias });
        }
    }
    &tape.outputs[last][..rows * layers[last].outputs]
}

/// Adds to `gradient` what `tape`'s flow into the output means for every parameter; `input` and `rows` are
/// those of the [`forward`] before it.
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
    let Tape { outputs, flow: [into, before], .. } = tape;
    for (nth, layer) in layers.iter().enumerate().rev() {
        let flow = &mut into[..rows * layer.outputs];
        let (weights, bias) = layer.both(gradient);
        if nth + 1 < layers.len() {
            let outputs = &outputs[nth][..rows * layer.outputs];
            vectorised(BackThroughTanh { flow, outputs });
        }
        vectorised(ColumnSums { flow, sums: bias });
        let from = if nth == 0 { input } else { &outputs[nth - 1][..rows * layer.inputs] };
        let from = Matrix::new(from, rows, layer.inputs);
        let flow = Matrix::new(flow, rows, layer.outputs);
        multiply(weights, from.transposed(), flow, Into::Sum);
        if nth > 0 {
            let weights = Matrix::new(layer.weights(parameters), layer.inputs, layer.outputs);
            let out = &mut before[..rows * layer.inputs];
            multiply(out, flow, weights.transposed(), Into::Place);
            std::mem::swap(into, before);
        }
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

struct BiasAndTanh<'a> {
    out: &'a mut [f32],
    bias: &'a [f32],
}

impl Loop for BiasAndTanh<'_> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        for row in self.out.chunks_exact_mut(self.bias.len()) {
            for (value, bias) in row.iter_mut().zip(self.bias) {
                *value = math::tanh(*value + bias);
            }
        }
    }
}

struct BackThroughTanh<'a> {
    flow: &'a mut [f32],
    outputs: &'a [f32],
}

impl Loop for BackThroughTanh<'_> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        for (flow, output) in self.flow.iter_mut().zip(self.outputs) {
            *flow *= 1.0 - output * output;
        }
    }
}

/// Adds to each sum its column, one row after the other: the order of additions is that of the rows.
struct ColumnSums<'a> {
    flow: &'a [f32],
    sums: &'a mut [f32],
}

impl Loop for ColumnSums<'_> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        let columns = self.sums.len();
        let whole = columns / LANES * LANES;
        for from in (0..whole).step_by(LANES) {
            let mut lanes = [0.0_f32; LANES];
            for row in self.flow.chunks_exact(columns) {
                for (lane, value) in lanes.iter_mut().zip(&row[from..from + LANES]) {
                    *lane += value;
                }
            }
            for (sum, lane) in self.sums[from..from + LANES].iter_mut().zip(lanes) {
                *sum += lane;
            }
        }
        for column in whole..columns {
            let sum: f32 = self.flow.iter().skip(column).step_by(columns).sum();
            self.sums[column] += sum;
        }
    }
}
