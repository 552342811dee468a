//! Returns of episodes: the sum of rewards from an episode's first step to its last.

use serde::{Deserialize, Serialize};

use crate::vec_env::Steps;

/// How many finished episodes are remembered.
const REMEMBERED: usize = 100;

/// What the episodes in progress have earned, and the last finished ones did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Episodes {
    running: Vec<f64>,
    /// The last finished ones; the oldest is overwritten once there are a hundred.
    finished: Vec<f64>,
    count: u64,
}

impl Episodes {
    pub(crate) fn new(envs: usize) -> Self {
        let finished = Vec::with_capacity(REMEMBERED);
        Self { running: vec![0.0; envs], finished, count: 0 }
    }

    /// How many have finished.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Mean return of the last hundred that finished, or of fewer; `None` before the first.
    pub fn mean(&self) -> Option<f64> {
        let sum: f64 = self.finished.iter().sum();
        (!self.finished.is_empty()).then(|| sum / crate::count::length(self.finished.len()))
    }

    pub(crate) fn add<K>(&mut self, steps: &Steps<K>) {
        for (env, running) in self.running.iter_mut().enumerate() {
            *running += f64::from(steps.rewards[env]);
            if !steps.terminated[env] && !steps.truncated[env] {
                continue;
            }
            if self.finished.len() < REMEMBERED {
                self.finished.push(*running);
            } else {
                let oldest = usize::try_from(self.count % REMEMBERED as u64).unwrap_or_default();
                self.finished[oldest] = *running;
            }
            self.count += 1;
            *running = 0.0;
        }
    }

    /// Whether it can be that of so many environments.
    pub(crate) fn fits(&self, envs: usize) -> bool {
        let remembered =
            usize::try_from(self.count).map_or(REMEMBERED, |count| count.min(REMEMBERED));
        let finite = self.running.iter().chain(&self.finished).all(|sum| sum.is_finite());
        self.running.len() == envs && self.finished.len() == remembered && finite
    }
}
