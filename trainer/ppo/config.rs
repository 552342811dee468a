//! How PPO is run.

use serde::{Deserialize, Serialize};

use crate::schedule::Schedule;

/// How PPO is run; [`PpoConfig::default`] is what published results are mostly made with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PpoConfig {
    /// Units of each hidden layer, the same for actor and critic.
    pub hidden: Vec<usize>,
    /// Steps of each environment in a rollout.
    pub rollout_steps: usize,
    /// Passes over a rollout.
    pub epochs: usize,
    /// Samples of a gradient step, before an agent's multiplier.
    pub minibatch: usize,
    /// Discount of a reward one step later.
    pub gamma: f64,
    /// How far advantages look before they trust the value function: 0 is one step, 1 is to the end.
    pub lambda: f64,
    /// How far the ratio of new to old probability may go from 1 before it earns nothing more.
    pub clip: f64,
    /// How far a value may go from its old one likewise, in units of reward; `None` leaves it free.
    pub clip_value: Option<f64>,
    /// Weight of the entropy bonus, before an agent's multiplier.
    pub entropy: f64,
    /// Weight of the value loss.
    pub value: f64,
    /// Largest norm of a gradient over all parameters; a longer one is shortened.
    pub gradient_norm: f64,
    /// KL divergence, nats, after whose epoch an update ends; `None` runs all epochs.
    pub target_kl: Option<f64>,
    /// The learning rate over the run.
    pub learning_rate: Schedule,
    /// Environment steps of the whole run, which the schedule is laid over.
    pub total_steps: u64,
}

impl Default for PpoConfig {
    fn default() -> Self {
        Self {
            hidden: vec![64, 64],
            rollout_steps: 128,
            epochs: 4,
            minibatch: 256,
            gamma: 0.99,
            lambda: 0.95,
            clip: 0.2,
            clip_value: None,
            entropy: 0.01,
            value: 0.5,
            gradient_norm: 0.5,
            target_kl: None,
            learning_rate: Schedule::with_peak(2.5e-4),
            total_steps: 1_000_000,
        }
    }
}

/// A setting that PPO cannot run with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {value}, and has to be {wanted}")]
pub struct BadConfig {
    name: &'static str,
    value: String,
    wanted: &'static str,
}

impl PpoConfig {
    /// Whether PPO can run with it.
    ///
    /// # Errors
    /// [`BadConfig`] names the first setting it cannot run with.
    pub fn check(&self) -> Result<(), BadConfig> {
        let counts = [
            ("rollout_steps", self.rollout_steps),
            ("epochs", self.epochs),
            ("minibatch", self.minibatch),
        ];
        for (name, value) in counts {
            if value == 0 || value > 1 << 20 {
                let value = value.to_string();
                return Err(BadConfig { name, value, wanted: "from 1 to 1048576" });
            }
        }
        let unit = "from 0 to 1";
        let positive = "above 0 and finite";
        let from_zero = "0 or more and finite";
        let numbers = [
            ("gamma", self.gamma, (0.0..=1.0).contains(&self.gamma), unit),
            ("lambda", self.lambda, (0.0..=1.0).contains(&self.lambda), unit),
            ("clip", self.clip, self.clip > 0.0 && self.clip < 1.0, "between 0 and 1"),
            ("entropy", self.entropy, is_weight(self.entropy), from_zero),
            ("value", self.value, is_weight(self.value), from_zero),
            ("gradient_norm", self.gradient_norm, is_positive(self.gradient_norm), positive),
        ];
        let optional = [("clip_value", self.clip_value), ("target_kl", self.target_kl)];
        let optional = optional.into_iter().filter_map(|(name, value)| {
            value.map(|value| (name, value, is_positive(value), positive))
        });
        for (name, value, is_good, wanted) in numbers.into_iter().chain(optional) {
            if !is_good {
                return Err(BadConfig { name, value: value.to_string(), wanted });
            }
        }
        if !self.learning_rate.is_valid() {
            let value = format!("{:?}", self.learning_rate);
            let wanted = "a peak above 0 and three shares from 0 to 1";
            return Err(BadConfig { name: "learning_rate", value, wanted });
        }
        Ok(())
    }
}

fn is_weight(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

fn is_positive(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ppo_cannot_run_with_is_refused_by_name() {
        let good = PpoConfig::default();
        assert_eq!(good.check(), Ok(()));
        let bad = [
            ("rollout_steps", PpoConfig { rollout_steps: 0, ..good.clone() }),
            ("epochs", PpoConfig { epochs: usize::MAX, ..good.clone() }),
            ("minibatch", PpoConfig { minibatch: 0, ..good.clone() }),
            ("gamma", PpoConfig { gamma: f64::NAN, ..good.clone() }),
            ("lambda", PpoConfig { lambda: 1.1, ..good.clone() }),
            ("clip", PpoConfig { clip: 0.0, ..good.clone() }),
            ("entropy", PpoConfig { entropy: f64::INFINITY, ..good.clone() }),
            ("gradient_norm", PpoConfig { gradient_norm: f64::NAN, ..good.clone() }),
            ("clip_value", PpoConfig { clip_value: Some(-1.0), ..good.clone() }),
            ("target_kl", PpoConfig { target_kl: Some(f64::NAN), ..good.clone() }),
            ("learning_rate", PpoConfig { learning_rate: Schedule::with_peak(-1.0), ..good }),
        ];
        for (name, config) in bad {
            assert_eq!(config.check().unwrap_err().name, name);
        }
    }
}
