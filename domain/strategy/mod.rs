//! Built-in strategies: closed bars and figures in, calls out.
//!
//! A strategy calls on a change of its own state, not on every bar on which its condition holds. It
//! knows nothing of positions, gates or agents; what becomes of a call is decided elsewhere.

mod health;
mod hit_rate;
mod mean_reversion;
mod momentum;
mod sma_cross;
mod source;

use serde::{Deserialize, Serialize};

pub use self::health::{SourceHealth, SourceRecord};
pub use self::hit_rate::{HORIZON_BARS, HitRate};
pub use self::mean_reversion::MeanReversion;
pub use self::momentum::Momentum;
pub use self::sma_cross::SmaCross;
pub use self::source::Source;
use crate::features::{FeatureEngine, Needs};
use crate::market::bar::Bar;
use crate::policy::{caller, observation};
use crate::ratio::Ratio;
use crate::record::Digest;
use crate::signal::Direction;

/// What a strategy says at a bar's close.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Long or short.
    pub direction: Direction,
    /// The expected move within [`HORIZON_BARS`] bars, fraction of the price, not negative.
    pub magnitude: Ratio,
}

/// A rule that turns bars into calls.
pub trait Strategy {
    /// The name in signals and on the command line.
    fn name(&self) -> &'static str;

    /// What it reads from the feature engine.
    fn needs(&self) -> Needs;

    /// Its call at the close of `bar`, which `engine` has taken already.
    fn on_bar(&mut self, bar: &Bar, engine: &FeatureEngine) -> Option<Call>;
}

/// A strategy and its parameters, as configured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum StrategyConfig {
    /// Two simple moving averages of the close.
    SmaCross {
        /// Bars in the fast average, 1 to 5000, fewer than in the slow one.
        fast: u16,
        /// Bars in the slow average, 2 to 5000.
        slow: u16,
    },
    /// The return over some bars.
    Momentum {
        /// Bars in the return, 1 to 5000.
        lookback: u16,
        /// The size of a return that turns the state, fraction, 0 to 10.
        threshold: Ratio,
    },
    /// The distance from the mean.
    MeanReversion {
        /// Closes in the mean, 2 to 1000.
        window: u16,
        /// The distance at which it calls, standard deviations, above `rearm` up to 10.
        entry: Ratio,
        /// The distance under which it may call again, standard deviations, at least 0.
        rearm: Ratio,
    },
    /// A trained policy: it calls where the account is kept, and nothing of bars alone.
    Policy {
        /// Over its weights, its normalisation and what they mean.
        hash: Digest,
    },
}

/// A parameter of a strategy that is out of its bounds.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("`{parameter}` of {strategy} is {value}; it must be {bound}")]
pub struct StrategyError {
    /// The strategy's name.
    pub strategy: &'static str,
    /// The parameter's name.
    pub parameter: &'static str,
    /// What it was.
    pub value: Ratio,
    /// What it may be, in words.
    pub bound: &'static str,
}

impl StrategyConfig {
    /// The strategies' names in the order of the manual.
    pub const NAMES: [&'static str; 3] = [SmaCross::NAME, Momentum::NAME, MeanReversion::NAME];

    /// The configured strategy's name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SmaCross { .. } => SmaCross::NAME,
            Self::Momentum { .. } => Momentum::NAME,
            Self::MeanReversion { .. } => MeanReversion::NAME,
            Self::Policy { .. } => caller::NAME,
        }
    }

    /// A strategy by its name with its default parameters; `None` for an unknown name.
    pub fn by_name(name: &str) -> Option<Self> {
        let all = [
            Self::SmaCross { fast: 10, slow: 20 },
            Self::Momentum { lookback: 20, threshold: Ratio::of(0.05) },
            Self::MeanReversion { window: 20, entry: Ratio::of(2.0), rearm: Ratio::of(0.5) },
        ];
        all.into_iter().find(|config| config.name() == name)
    }

    /// Checks every parameter and returns the first that is out of bounds.
    ///
    /// # Errors
    /// Naming the parameter, its value and its bound.
    pub fn validate(&self) -> Result<(), StrategyError> {
        let bars = |value: u16| Ratio::or_zero(f64::from(value));
        let refuse = |parameter, value, bound| {
            Err(StrategyError { strategy: self.name(), parameter, value, bound })
        };
        match *self {
            Self::SmaCross { slow, .. } if !(2..=5000).contains(&slow) => {
                refuse("slow", bars(slow), "2 to 5000")
            }
            Self::SmaCross { fast, slow } if fast == 0 || fast >= slow => {
                refuse("fast", bars(fast), "at least 1 and less than `slow`")
            }
            Self::Momentum { lookback, .. } if !(1..=5000).contains(&lookback) => {
                refuse("lookback", bars(lookback), "1 to 5000")
            }
            Self::Momentum { threshold, .. } if !(0.0..=10.0).contains(&threshold.get()) => {
                refuse("threshold", threshold, "0 to 10")
            }
            Self::MeanReversion { window, .. } if !(2..=1000).contains(&window) => {
                refuse("window", bars(window), "2 to 1000")
            }
            Self::MeanReversion { rearm, .. } if rearm.get() < 0.0 => {
                refuse("rearm", rearm, "at least 0")
            }
            Self::MeanReversion { entry, rearm, .. } if entry <= rearm || entry.get() > 10.0 => {
                refuse("entry", entry, "above `rearm` and at most 10")
            }
            _ => Ok(()),
        }
    }
}

/// A built-in strategy with its state, dispatched without a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum StrategyKind {
    /// See [`SmaCross`].
    SmaCross(SmaCross),
    /// See [`Momentum`].
    Momentum(Momentum),
    /// See [`MeanReversion`].
    MeanReversion(MeanReversion),
    /// A policy, see [`caller`]; here it only says what it reads.
    Policy,
}

impl StrategyKind {
    /// The configured strategy before its first bar.
    ///
    /// # Errors
    /// When a parameter is out of bounds.
    pub fn new(config: &StrategyConfig) -> Result<Self, StrategyError> {
        config.validate()?;
        Ok(match *config {
            StrategyConfig::SmaCross { fast, slow } => Self::SmaCross(SmaCross::new(fast, slow)),
            StrategyConfig::Momentum { lookback, threshold } => {
                Self::Momentum(Momentum::new(lookback, threshold))
            }
            StrategyConfig::MeanReversion { window, entry, rearm } => {
                Self::MeanReversion(MeanReversion::new(window, entry, rearm))
            }
            StrategyConfig::Policy { .. } => Self::Policy,
        })
    }
}

impl Strategy for StrategyKind {
    fn name(&self) -> &'static str {
        match self {
            Self::SmaCross(strategy) => strategy.name(),
            Self::Momentum(strategy) => strategy.name(),
            Self::MeanReversion(strategy) => strategy.name(),
            Self::Policy => caller::NAME,
        }
    }

    fn needs(&self) -> Needs {
        match self {
            Self::SmaCross(strategy) => strategy.needs(),
            Self::Momentum(strategy) => strategy.needs(),
            Self::MeanReversion(strategy) => strategy.needs(),
            Self::Policy => observation::needs(),
        }
    }

    fn on_bar(&mut self, bar: &Bar, engine: &FeatureEngine) -> Option<Call> {
        match self {
            Self::SmaCross(strategy) => strategy.on_bar(bar, engine),
            Self::Momentum(strategy) => strategy.on_bar(bar, engine),
            Self::MeanReversion(strategy) => strategy.on_bar(bar, engine),
            Self::Policy => None,
        }
    }
}

/// The move to expect within [`HORIZON_BARS`] bars from the range of single bars.
///
/// For a random walk the mean distance after n steps is σ·√(2n ÷ π) and the mean range of one step
/// is σ·√(8 ÷ π) (W. Feller, *Annals of Mathematical Statistics* 22, 1951), so the one is √n ÷ 2 of
/// the other. Before 14 bars the mean true range so far stands for the average.
pub(crate) fn move_from_range(engine: &FeatureEngine) -> Ratio {
    let range = engine.atr_so_far_pct().unwrap_or(Ratio::ZERO);
    Ratio::or_zero(range.get() * f64::from(HORIZON_BARS).sqrt() / 2.0)
}

#[cfg(test)]
mod tests;
