//! Who calls: a built-in strategy, or a trained policy.

use std::sync::Arc;

use super::StrategyConfig;
use crate::policy::network::Policy;

/// Where calls come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A rule over bars.
    Strategy(StrategyConfig),
    /// A policy that also looks at the account that is traded.
    Policy(Arc<Policy>),
}

impl Source {
    /// What is written down of it: a strategy with its parameters, a policy by its hash.
    pub fn config(&self) -> StrategyConfig {
        match self {
            Self::Strategy(config) => *config,
            Self::Policy(policy) => StrategyConfig::Policy { hash: policy.hash() },
        }
    }

    /// The policy, if it is one.
    pub const fn policy(&self) -> Option<&Arc<Policy>> {
        match self {
            Self::Strategy(_) => None,
            Self::Policy(policy) => Some(policy),
        }
    }
}

impl From<StrategyConfig> for Source {
    fn from(config: StrategyConfig) -> Self {
        Self::Strategy(config)
    }
}
