//! Adam (D. Kingma and J. Ba, ICLR 2015) over one flat vector of parameters.
#![expect(
    clippy::inline_always,
    reason = "part of the loop that was compiled for wide vectors, or useless"
)]

use crate::count::narrow;
use crate::kernel::{Loop, vectorised};
use crate::mutants::{self, Mutant};

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
/// Added to the root of the second moment; larger than Adam's own default, as PPO is usually run.
const EPSILON: f32 = 1e-5;

/// The moments of every parameter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Adam {
    /// Running means of the gradient.
    pub(crate) means: Vec<f32>,
    /// Running means of its square.
    pub(crate) squares: Vec<f32>,
    steps: u64,
    /// `beta^steps`, kept as products: no power function stands between two runs of the same steps.
    powers: [f64; 2],
}

impl Adam {
    /// No steps taken, for so many parameters.
    pub(crate) fn new(parameters: usize) -> Self {
        let zeros = vec![0.0; parameters];
        Self { means: zeros.clone(), squares: zeros, steps: 0, powers: [1.0; 2] }
    }

    /// Steps taken.
    pub(crate) const fn steps(&self) -> u64 {
        self.steps
    }

    /// Says how many steps the moments stand for.
    pub(crate) fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
        self.powers = [1.0; 2];
        for _ in 0..steps {
            if self.powers.iter().all(|power| *power < f64::MIN_POSITIVE) {
                break;
            }
            self.grow_older();
        }
    }

    fn grow_older(&mut self) {
        self.powers[0] *= f64::from(BETA_1);
        self.powers[1] *= f64::from(BETA_2);
    }

    /// One step along `gradient × scale`.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub(crate) fn step(&mut self, parameters: &mut [f32], gradient: &[f32], rate: f64, scale: f32) {
        let count = self.means.len();
        assert!(parameters.len() == count && gradient.len() == count, "lengths differ");
        self.steps += 1;
        self.grow_older();
        let [first, second] = if mutants::is(Mutant::TrustsYoungMoments) {
            [1.0, 1.0]
        } else {
            self.powers.map(|power| 1.0 - power)
        };
        vectorised(Step {
            parameters,
            gradient,
            means: &mut self.means,
            squares: &mut self.squares,
            scale,
            // rate × (m / c1) / (√(v / c2) + ε)
            rate: narrow(rate / first),
            root: narrow((1.0 / second).sqrt()),
        });
    }
}

#[derive(Debug)]
struct Step<'a> {
    parameters: &'a mut [f32],
    gradient: &'a [f32],
    means: &'a mut [f32],
    squares: &'a mut [f32],
    scale: f32,
    rate: f32,
    root: f32,
}

impl Loop for Step<'_> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        let Self { scale, rate, root, .. } = self;
        let moments = self.means.iter_mut().zip(self.squares.iter_mut());
        let all = self.parameters.iter_mut().zip(self.gradient).zip(moments);
        for ((parameter, gradient), (mean, square)) in all {
            let gradient = gradient * scale;
            *mean = BETA_1 * *mean + (1.0 - BETA_1) * gradient;
            *square = BETA_2 * *square + (1.0 - BETA_2) * (gradient * gradient);
            *parameter -= rate * *mean / (square.sqrt() * root + EPSILON);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutants::with;

    /// The largest difference from the definition in double precision over some steps.
    fn off_the_definition() -> f64 {
        let mut adam = Adam::new(3);
        let mut parameters = [0.5_f32, -1.0, 2.0];
        let mut exact = parameters.map(f64::from);
        let (mut m, mut v) = ([0.0; 3], [0.0; 3]);
        let mut worst = 0.0_f64;
        for step in 1..=200_i32 {
            let gradient: [f32; 3] =
                std::array::from_fn(|at| parameters[at] * 0.3 + narrow(f64::from(step).sin()));
            adam.step(&mut parameters, &gradient, 1e-2, 0.5);
            for at in 0..3 {
                let g = f64::from(gradient[at]) * 0.5;
                m[at] = 0.9 * m[at] + 0.1 * g;
                v[at] = 0.999 * v[at] + 0.001 * g * g;
                let mean = m[at] / (1.0 - 0.9_f64.powi(step));
                let square: f64 = v[at] / (1.0 - 0.999_f64.powi(step));
                exact[at] -= 1e-2 * mean / (square.sqrt() + 1e-5);
                worst = worst.max((exact[at] - f64::from(parameters[at])).abs());
            }
        }
        worst
    }

    #[test]
    fn two_hundred_steps_are_those_of_the_definition() {
        let off = off_the_definition();
        assert!(off < 5e-5, "{off:e}");
    }

    #[test]
    fn missing_bias_correction_is_found() {
        let off = with(Mutant::TrustsYoungMoments, off_the_definition);
        assert!(off > 1e-3, "the broken Adam passed: {off:e}");
    }

    #[test]
    fn a_count_that_was_set_goes_on_like_one_that_was_reached() {
        let (mut one, mut parameters) = (Adam::new(2), [1.0_f32, 2.0]);
        for _ in 0..50 {
            one.step(&mut parameters, &[0.3, -0.1], 1e-3, 1.0);
        }
        let mut other =
            Adam { means: one.means.clone(), squares: one.squares.clone(), ..Adam::new(2) };
        other.set_steps(50);
        assert_eq!(one, other);
        other.set_steps(u64::MAX);
        assert_eq!(other.steps(), u64::MAX);
    }
}
