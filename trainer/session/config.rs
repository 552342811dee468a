//! How a run is trained and validated.

use conclave_domain::policy::action::ActionSet;
use conclave_domain::policy::reward::RewardWeights;
use conclave_domain::ratio::Ratio;
use conclave_domain::sim_broker::SimConfig;
use serde::{Deserialize, Serialize};

use super::SessionError;
use crate::env::trade::Terms;
use crate::ppo::PpoConfig;
use crate::schedule::Schedule;

/// How a run is trained and validated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// How PPO is run, with the number of environment steps.
    pub ppo: PpoConfig,
    /// Environments side by side, 1 to 4096.
    pub envs: usize,
    /// What the network's outputs mean.
    pub actions: ActionSet,
    /// Cash, costs, shorts.
    pub terms: Terms,
    /// What is paid for, before agents.
    pub weights: RewardWeights,
    /// Share of the rows, the latest, that are validated on and never trained on, above 0 and below 1.
    pub test_share: Ratio,
    /// Windows of a validation, 1 to 1024.
    pub windows: usize,
    /// Validations of the whole run, 1 to 1000.
    pub validations: u32,
    /// Seed of everything that is drawn.
    pub seed: u64,
}

impl Default for TrainConfig {
    /// The usual settings for a million steps.
    fn default() -> Self {
        Self::with_steps(1_000_000)
    }
}

impl TrainConfig {
    /// The usual settings for so many steps.
    pub fn with_steps(total_steps: u64) -> Self {
        let ppo = PpoConfig {
            gamma: 0.9,
            entropy: 0.01,
            target_kl: Some(0.02),
            learning_rate: Schedule::with_peak(1e-3),
            total_steps,
            ..PpoConfig::default()
        };
        Self {
            ppo,
            envs: 16,
            actions: ActionSet::Eight,
            terms: Terms::default(),
            weights: RewardWeights::default(),
            test_share: Ratio::of(0.25),
            windows: 16,
            validations: 10,
            seed: 0,
        }
    }

    /// BLAKE3 in hexadecimal over all of it.
    pub fn hash(&self) -> String {
        // Numbers, words and lists alone: nothing in it is beyond JSON.
        let text = serde_json::to_string(self).unwrap_or_default();
        blake3::hash(text.as_bytes()).to_hex().to_string()
    }

    /// Whether the broker's terms are those that environments can keep: costs are theirs to choose,
    /// the way of filling is not.
    fn fills_simply(&self) -> bool {
        let SimConfig { fee_per_trade, fee, slippage, crypto_slippage, .. } =
            self.terms.broker.clone();
        let simple =
            SimConfig { fee_per_trade, fee, slippage, crypto_slippage, ..SimConfig::default() };
        simple == self.terms.broker
    }

    /// Refuses what makes no sense; the trainer looks at its own settings itself.
    pub(super) fn check(&self) -> Result<(), SessionError> {
        let wrong = |name, bound| Err(SessionError::Config { name, bound });
        let share = self.test_share.get();
        if share <= 0.0 || share >= 1.0 {
            wrong("test_share", "above 0 and below 1")
        } else if !(1..=1_024).contains(&self.windows) {
            wrong("windows", "from 1 to 1024")
        } else if !(1..=1_000).contains(&self.validations) {
            wrong("validations", "from 1 to 1000")
        } else if self.ppo.total_steps == 0 {
            wrong("total_steps", "at least 1")
        } else if self.terms.cash.raw() <= 0 {
            wrong("cash", "positive")
        } else if !self.fills_simply() {
            wrong("broker", "one that fills whole orders at the next open, without faults")
        } else {
            Ok(())
        }
    }
}
