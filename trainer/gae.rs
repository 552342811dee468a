//! Generalised advantage estimation (J. Schulman and others, ICLR 2016), time-major.

use crate::mutants::{self, Mutant};

/// What a rollout brought, as far as advantages need it; all but `after` time-major, `[steps][envs]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trace<'a> {
    pub(crate) rewards: &'a [f32],
    /// Value of each state that was acted in.
    pub(crate) values: &'a [f32],
    pub(crate) terminated: &'a [bool],
    pub(crate) truncated: &'a [bool],
    /// Value of the last state of an episode that was cut off at this step.
    pub(crate) cut_off: &'a [f32],
    /// Value of the state of each environment after the last step.
    pub(crate) after: &'a [f32],
}

/// Advantages and returns of every step. A cut-off episode has a future, an ended one has none, and
/// neither shares one with the next episode.
pub(crate) fn advantages(
    trace: &Trace<'_>,
    gamma: f32,
    lambda: f32,
    advantages: &mut [f32],
    returns: &mut [f32],
) {
    let envs = trace.after.len();
    for env in 0..envs {
        let (mut next_value, mut next_advantage) = (trace.after[env], 0.0);
        for at in (env..trace.rewards.len()).step_by(envs).rev() {
            if trace.terminated[at] {
                (next_value, next_advantage) = (0.0, 0.0);
            } else if trace.truncated[at] {
                let future = !mutants::is(Mutant::ForgetsTheCutOff);
                next_value = if future { trace.cut_off[at] } else { 0.0 };
                next_advantage = 0.0;
            }
            let value = trace.values[at];
            let surprise = trace.rewards[at] + gamma * next_value - value;
            next_advantage = surprise + gamma * lambda * next_advantage;
            advantages[at] = next_advantage;
            returns[at] = next_advantage + value;
            next_value = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Draws, Stream};

    /// The definition: a sum over everything that follows, in double precision.
    fn defined(trace: &Trace<'_>, gamma: f64, lambda: f64, at: usize) -> f64 {
        let envs = trace.after.len();
        let (mut sum, mut weight) = (0.0, 1.0);
        for at in (at..trace.rewards.len()).step_by(envs) {
            let next = if trace.terminated[at] {
                0.0
            } else if trace.truncated[at] {
                trace.cut_off[at]
            } else if at + envs < trace.rewards.len() {
                trace.values[at + envs]
            } else {
                trace.after[at % envs]
            };
            let surprise = f64::from(trace.rewards[at]) + gamma * f64::from(next)
                - f64::from(trace.values[at]);
            sum += weight * surprise;
            weight *= gamma * lambda;
            if trace.terminated[at] || trace.truncated[at] {
                break;
            }
        }
        sum
    }

    #[test]
    fn advantages_are_those_of_the_definition() {
        let (steps, envs) = (64, 5);
        let count = steps * envs;
        let mut sequence = Draws::new(9).sequence(Stream::Environment, 0);
        let mut numbers = |count: usize| -> Vec<f32> {
            (0..count).map(|_| 4.0 * sequence.uniform() - 2.0).collect()
        };
        let (rewards, values, cut_off) = (numbers(count), numbers(count), numbers(count));
        let after = numbers(envs);
        let terminated: Vec<bool> = numbers(count).iter().map(|u| *u > 1.6).collect();
        let truncated: Vec<bool> = numbers(count).iter().map(|u| *u > 1.4).collect();
        assert!(terminated.iter().zip(&truncated).any(|(one, other)| *one && *other));
        let trace = Trace {
            rewards: &rewards,
            values: &values,
            terminated: &terminated,
            truncated: &truncated,
            cut_off: &cut_off,
            after: &after,
        };
        let (mut ours, mut returns) = (vec![0.0; count], vec![0.0; count]);
        advantages(&trace, 0.99, 0.95, &mut ours, &mut returns);
        for at in 0..count {
            let right = defined(&trace, f64::from(0.99_f32), f64::from(0.95_f32), at);
            assert!((f64::from(ours[at]) - right).abs() < 2e-5, "{at}: {} for {right}", ours[at]);
            let back = returns[at] - ours[at] - values[at];
            assert!(back.abs() < 1e-5);
        }
    }
}
