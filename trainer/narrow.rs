//! Layers with few outputs, such as logits and values: products so narrow that a general kernel would
//! leave most of each vector empty. Every output of a row depends on that row alone, in one fixed order.
#![expect(
    clippy::inline_always,
    reason = "part of the loop that was compiled for wide vectors, or useless"
)]

use crate::kernel::{LANES, Loop};

/// The most outputs of a narrow layer.
pub(crate) const NARROW: usize = 16;
/// Columns that are summed side by side, so that one addition need not wait for another.
pub(crate) const WIDE: usize = 4 * LANES;

/// Writes the weights `[inputs, outputs]` as `[outputs, inputs]`.
pub(crate) fn transpose(weights: &[f32], outputs: usize, out: &mut [f32]) {
    let inputs = weights.len() / outputs;
    for (output, row) in out.chunks_exact_mut(inputs).enumerate() {
        for (value, weight) in row.iter_mut().zip(weights.iter().skip(output).step_by(outputs)) {
            *value = *weight;
        }
    }
}

/// `out = input × weights + bias`.
#[derive(Debug)]
pub(crate) struct Forward<'a> {
    pub(crate) out: &'a mut [f32],
    pub(crate) input: &'a [f32],
    /// `[outputs, inputs]`.
    pub(crate) weights: &'a [f32],
    pub(crate) bias: &'a [f32],
}

impl Loop for Forward<'_> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        let inputs = self.weights.len() / self.bias.len();
        let rows = self.out.chunks_exact_mut(self.bias.len()).zip(self.input.chunks_exact(inputs));
        for (out, row) in rows {
            let weights = self.weights.chunks_exact(inputs);
            for ((value, weights), bias) in out.iter_mut().zip(weights).zip(self.bias) {
                *value = dot(row, weights) + bias;
            }
        }
    }
}

/// The sum of products in [`LANES`] lanes, which are then added in halves.
#[inline(always)]
fn dot(one: &[f32], other: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let ((ones, rest), (others, other_rest)) =
        (one.as_chunks::<LANES>(), other.as_chunks::<LANES>());
    for (one, other) in ones.iter().zip(others) {
        for lane in 0..LANES {
            lanes[lane] += one[lane] * other[lane];
        }
    }
    for ((lane, one), other) in lanes.iter_mut().zip(rest).zip(other_rest) {
        *lane += one * other;
    }
    let eight: [f32; 8] = std::array::from_fn(|lane| lanes[lane] + lanes[lane + 8]);
    let four: [f32; 4] = std::array::from_fn(|lane| eight[lane] + eight[lane + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}

/// `gradient += inputᵀ × flow`, with the gradient as `[inputs, outputs]`.
#[derive(Debug)]
pub(crate) struct WeightGradient<'a> {
    pub(crate) gradient: &'a mut [f32],
    pub(crate) input: &'a [f32],
    pub(crate) flow: &'a [f32],
    pub(crate) outputs: usize,
}

impl Loop for WeightGradient<'_> {
    type Out = ();

    #[inline(always)]
    fn run(mut self) {
        let inputs = self.gradient.len() / self.outputs;
        let wide = inputs / WIDE * WIDE;
        let whole = inputs / LANES * LANES;
        for output in 0..self.outputs {
            for from in (0..wide).step_by(WIDE) {
                self.columns::<WIDE>(inputs, from, output);
            }
            for from in (wide..whole).step_by(LANES) {
                self.columns::<LANES>(inputs, from, output);
            }
            for from in whole..inputs {
                self.columns::<1>(inputs, from, output);
            }
        }
    }
}

impl WeightGradient<'_> {
    /// So many inputs from one on, for one output.
    #[inline(always)]
    fn columns<const COUNT: usize>(&mut self, inputs: usize, from: usize, output: usize) {
        let mut sums = [0.0_f32; COUNT];
        let flows = self.flow.iter().skip(output).step_by(self.outputs);
        for (row, flow) in self.input.chunks_exact(inputs).zip(flows) {
            if let Some(values) = row[from..].first_chunk::<COUNT>() {
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum += value * flow;
                }
            }
        }
        for (at, sum) in sums.iter().enumerate() {
            self.gradient[(from + at) * self.outputs + output] += sum;
        }
    }
}

/// `out = flow × weightsᵀ`.
#[derive(Debug)]
pub(crate) struct Back<'a> {
    pub(crate) out: &'a mut [f32],
    pub(crate) flow: &'a [f32],
    /// `[outputs, inputs]`.
    pub(crate) weights: &'a [f32],
    pub(crate) outputs: usize,
}

impl Loop for Back<'_> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        let inputs = self.weights.len() / self.outputs;
        let rows = self.out.chunks_exact_mut(inputs).zip(self.flow.chunks_exact(self.outputs));
        for (out, flow) in rows {
            out.fill(0.0);
            for (weights, flow) in self.weights.chunks_exact(inputs).zip(flow) {
                for (value, weight) in out.iter_mut().zip(weights) {
                    *value += weight * flow;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Into, Matrix, multiply, vectorised};
    use crate::rng::{Draws, Stream};

    fn numbers(count: usize, seed: u64) -> Vec<f32> {
        let mut sequence = Draws::new(seed).sequence(Stream::Init, 0);
        (0..count).map(|_| sequence.uniform() - 0.5).collect()
    }

    fn near(ours: &[f32], theirs: &[f32], what: &str) {
        assert!(ours.iter().any(|value| value.abs() > 1e-3));
        for (one, other) in ours.iter().zip(theirs) {
            assert!((one - other).abs() < 2e-5, "{what}: {one} for {other}");
        }
    }

    #[test]
    fn narrow_products_agree_with_general_ones_at_every_width() {
        for (rows, inputs, outputs) in
            [(1, 1, 1), (8, 64, 2), (256, 64, 1), (33, 100, 8), (5, 17, 3), (40, 150, 16)]
        {
            let (input, weights) = (numbers(rows * inputs, 1), numbers(inputs * outputs, 2));
            let (flow, bias) = (numbers(rows * outputs, 3), numbers(outputs, 4));
            let mut turned = vec![0.0; weights.len()];
            transpose(&weights, outputs, &mut turned);
            let (mut ours, mut theirs) = (vec![0.0; rows * outputs], vec![0.0; rows * outputs]);
            let forward = Forward { out: &mut ours, input: &input, weights: &turned, bias: &bias };
            vectorised(forward);
            let matrix = Matrix::new(&input, rows, inputs);
            multiply(&mut theirs, matrix, Matrix::new(&weights, inputs, outputs), Into::Place);
            for row in theirs.chunks_exact_mut(outputs) {
                row.iter_mut().zip(&bias).for_each(|(value, bias)| *value += bias);
            }
            near(&ours, &theirs, "forward");
            let mut ours = numbers(inputs * outputs, 5);
            let mut theirs = ours.clone();
            let (gradient, flows) = (&mut ours, Matrix::new(&flow, rows, outputs));
            vectorised(WeightGradient { gradient, input: &input, flow: &flow, outputs });
            multiply(&mut theirs, matrix.transposed(), flows, Into::Sum);
            near(&ours, &theirs, "gradient");
            let (mut ours, mut theirs) = (vec![9.0; rows * inputs], vec![0.0; rows * inputs]);
            vectorised(Back { out: &mut ours, flow: &flow, weights: &turned, outputs });
            let weights = Matrix::new(&weights, inputs, outputs).transposed();
            multiply(&mut theirs, flows, weights, Into::Place);
            near(&ours, &theirs, "back");
        }
    }
}
