//! The two losses of PPO and what flows back from them, [`LANES`] samples at a time.
//!
//! Comparisons are written so that NaN takes the branch that keeps it: a NaN that a comparison drops
//! would leave a finite gradient behind, which no guard can tell from a good one.
#![expect(
    clippy::inline_always,
    reason = "part of the loop that was compiled for wide vectors, or useless"
)]

use crate::kernel::{LANES, Loop};
use crate::math;
use crate::mutants::{self, Mutant};

/// Sums over samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sums {
    /// Of the clipped surrogate loss.
    pub(crate) policy: f64,
    /// Of the squared error of the value, halved.
    pub(crate) value: f64,
    /// Of the entropy, nats.
    pub(crate) entropy: f64,
    /// Of the estimate of the KL divergence from the old policy, nats: (r − 1) − ln r.
    pub(crate) kl: f64,
    /// Samples whose ratio is beyond the clip.
    pub(crate) clipped: f64,
}

impl Sums {
    pub(crate) fn add(&mut self, other: &Self) {
        self.policy += other.policy;
        self.value += other.value;
        self.entropy += other.entropy;
        self.kl += other.kl;
        self.clipped += other.clipped;
    }
}

/// The clipped surrogate and the entropy bonus.
#[derive(Debug)]
pub(crate) struct PolicyLoss<'a> {
    /// Row by row, `[samples][actions]`.
    pub(crate) logits: &'a [f32],
    pub(crate) actions: &'a [u8],
    /// Log-probability of each action under the old policy.
    pub(crate) old: &'a [f32],
    /// Normalised advantages.
    pub(crate) advantages: &'a [f32],
    /// What flows back into the logits.
    pub(crate) flow: &'a mut [f32],
    /// Room for `actions × LANES` numbers.
    pub(crate) columns: &'a mut [f32],
    pub(crate) clip: f32,
    /// Weight of the entropy.
    pub(crate) entropy: f32,
    /// One over the samples of the minibatch.
    pub(crate) scale: f32,
}

type Lanes = [f32; LANES];

#[inline(always)]
fn lanes(make: impl Fn(usize) -> f32) -> Lanes {
    std::array::from_fn(make)
}

#[inline(always)]
fn sum(lanes: Lanes) -> f64 {
    lanes.iter().map(|lane| f64::from(*lane)).sum()
}

impl Loop for PolicyLoss<'_> {
    type Out = Sums;

    #[inline(always)]
    fn run(mut self) -> Sums {
        let wrong = mutants::is(Mutant::ClipsTheWrongSide);
        let mut sums = Sums::default();
        let mut from = 0;
        while from < self.actions.len() {
            sums.add(&self.block(from, wrong));
            from += LANES;
        }
        sums
    }
}

impl PolicyLoss<'_> {
    /// Fills the columns with the log-probabilities of these rows: the same arithmetic in the same order
    /// as when the actions were drawn.
    #[inline(always)]
    fn log_probs(&mut self, row: &[usize; LANES]) {
        let width = self.columns.len() / LANES;
        let (columns, _) = self.columns.as_chunks_mut::<LANES>();
        let mut highest = [f32::NEG_INFINITY; LANES];
        for (action, column) in columns.iter_mut().enumerate() {
            *column = lanes(|lane| self.logits[row[lane] * width + action]);
            highest = lanes(|lane| highest[lane].max(column[lane]));
        }
        let mut total = [0.0; LANES];
        for column in columns.iter_mut() {
            *column = lanes(|lane| column[lane] - highest[lane]);
            total = lanes(|lane| total[lane] + math::exp(column[lane]));
        }
        let log_total = lanes(|lane| math::ln(total[lane]));
        for column in columns.iter_mut() {
            *column = lanes(|lane| column[lane] - log_total[lane]);
        }
    }

    /// One block of samples; lanes beyond the last sample repeat it and count for nothing.
    #[inline(always)]
    fn block(&mut self, from: usize, wrong: bool) -> Sums {
        let (count, width) = (self.actions.len(), self.columns.len() / LANES);
        let row: [usize; LANES] = std::array::from_fn(|lane| (from + lane).min(count - 1));
        let live = lanes(|lane| if from + lane < count { 1.0 } else { 0.0 });
        self.log_probs(&row);
        let (columns, _) = self.columns.as_chunks::<LANES>();
        let taken = row.map(|row| self.actions[row]);
        let (mut entropy, mut log_prob) = ([0.0; LANES], [0.0; LANES]);
        for (action, column) in columns.iter().enumerate() {
            entropy = lanes(|lane| entropy[lane] - math::exp(column[lane]) * column[lane]);
            let is = |lane: usize| usize::from(taken[lane]) == action;
            log_prob = lanes(|lane| if is(lane) { column[lane] } else { log_prob[lane] });
        }
        let change = lanes(|lane| log_prob[lane] - self.old[row[lane]]);
        let ratio = lanes(|lane| math::exp(change[lane]));
        let (low, high) = (1.0 - self.clip, 1.0 + self.clip);
        let held = lanes(|lane| {
            let ratio = if ratio[lane] > high { high } else { ratio[lane] };
            if ratio < low { low } else { ratio }
        });
        let advantage = lanes(|lane| self.advantages[row[lane]]);
        let free = lanes(|lane| -advantage[lane] * ratio[lane]);
        let bound = lanes(|lane| -advantage[lane] * held[lane]);
        let is_bound = |lane: usize| {
            if wrong { free[lane] > bound[lane] } else { bound[lane] > free[lane] }
        };
        // What the loss changes by with the log-probability: nothing where the bound counts.
        let pull = lanes(|lane| if is_bound(lane) { 0.0 } else { free[lane] });
        let loss = lanes(|lane| if is_bound(lane) { bound[lane] } else { free[lane] });
        let (scale, weight) = (self.scale, self.entropy);
        for (action, column) in columns.iter().enumerate() {
            let out = lanes(|lane| {
                let likely = math::exp(column[lane]);
                let own = if usize::from(taken[lane]) == action { 1.0 } else { 0.0 };
                let bonus = weight * likely * (column[lane] + entropy[lane]);
                (pull[lane] * (own - likely) + bonus) * scale
            });
            for (lane, value) in out.iter().enumerate().take(count - from) {
                self.flow[(from + lane) * width + action] = *value;
            }
        }
        let beyond = |lane: usize| (ratio[lane] - 1.0).abs() > self.clip;
        Sums {
            policy: sum(lanes(|lane| live[lane] * loss[lane])),
            value: 0.0,
            entropy: sum(lanes(|lane| live[lane] * entropy[lane])),
            kl: sum(lanes(|lane| live[lane] * ((ratio[lane] - 1.0) - change[lane]))),
            clipped: sum(lanes(|lane| if beyond(lane) { live[lane] } else { 0.0 })),
        }
    }
}

/// The squared error of the value.
#[derive(Debug)]
pub(crate) struct ValueLoss<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) old: &'a [f32],
    pub(crate) returns: &'a [f32],
    /// What flows back into the values.
    pub(crate) flow: &'a mut [f32],
    /// How far a value may go from its old one; infinite where it is free.
    pub(crate) clip: f32,
    /// Weight of the loss over the samples of the minibatch.
    pub(crate) scale: f32,
}

impl Loop for ValueLoss<'_> {
    /// The sum of half the squared errors.
    type Out = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let mut total = 0.0;
        let all = self.values.iter().zip(self.old).zip(self.returns).zip(self.flow);
        for (((value, old), aim), flow) in all {
            let off = value - aim;
            let moved = value - old;
            let moved = if moved > self.clip { self.clip } else { moved };
            let moved = if moved < -self.clip { -self.clip } else { moved };
            let held = old + moved - aim;
            // Where the held value is the worse one, it has left its bound, and nothing pulls at it.
            let is_bound = self.clip < f32::INFINITY && held * held > off * off;
            let (error, pull) = if is_bound { (held, 0.0) } else { (off, off) };
            *flow = pull * self.scale;
            total += f64::from(error) * f64::from(error);
        }
        0.5 * total
    }
}
