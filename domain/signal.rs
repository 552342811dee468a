//! What a strategy or a policy says about a symbol, and the numbers that stood behind it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::fixed::{Money, Price};
use crate::market::symbol::Symbol;
use crate::ratio::Ratio;
use crate::time::Time;

/// Long or short: the sign of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Gains when the price rises.
    Long,
    /// Gains when the price falls.
    Short,
}

impl Direction {
    /// +1 or −1.
    pub const fn sign(self) -> f64 {
        match self {
            Self::Long => 1.0,
            Self::Short => -1.0,
        }
    }

    /// The other direction.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Long => Self::Short,
            Self::Short => Self::Long,
        }
    }

    /// The word in reports: `long` or `short`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Long => "long",
            Self::Short => "short",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The regime filter's probabilities; they sum to one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Regime {
    /// Probability of a rising market.
    pub bull: Ratio,
    /// Probability of a falling market.
    pub bear: Ratio,
    /// Probability of a market without direction.
    pub sideways: Ratio,
    /// Probability of a crash.
    pub crash: Ratio,
    /// Bars since the likeliest regime last changed.
    pub bars_in_regime: u32,
}

impl Default for Regime {
    /// Nothing is known: all equal.
    fn default() -> Self {
        let quarter = Ratio::of(0.25);
        Self { bull: quarter, bear: quarter, sideways: quarter, crash: quarter, bars_in_regime: 0 }
    }
}

/// What the feature engine knows of a symbol at a bar's close. Fractions, not percent.
///
/// A figure whose window is not yet full is `None`; nothing neutral stands in for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Features {
    /// Simple return over 1 bar.
    pub ret_1: Option<Ratio>,
    /// Simple return over 5 bars.
    pub ret_5: Option<Ratio>,
    /// Simple return over 20 bars.
    pub ret_20: Option<Ratio>,
    /// Standard deviation of the last 20 log returns, annualised.
    pub vol_20: Option<Ratio>,
    /// `vol_20` against its own last 250 values, in standard deviations.
    pub vol_z: Option<Ratio>,
    /// Average true range over 14 bars (Wilder), fraction of the close.
    pub atr14_pct: Option<Ratio>,
    /// Relative strength index over 14 bars (Wilder), 0–100.
    pub rsi14: Option<Ratio>,
    /// Average directional index over 14 bars (Wilder), 0–100.
    pub adx14: Option<Ratio>,
    /// Close against its 20-bar mean, in standard deviations.
    pub zscore_20: Option<Ratio>,
    /// Estimated bid-ask spread, basis points of the price.
    pub spread_bp: Option<Ratio>,
    /// Open against the former close, fraction.
    pub gap_pct: Option<Ratio>,
    /// Mean traded value per bar over 20 bars.
    pub dollar_volume_20: Option<Money>,
}

/// A strategy's or a policy's call on one symbol at one bar's close.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// The symbol.
    pub symbol: Symbol,
    /// The close of the bar that raised it.
    pub at: Time,
    /// Who raised it: a strategy's or a policy's name.
    pub source: String,
    /// Long or short.
    pub direction: Direction,
    /// How sure the source is, 0 to 1; a strategy's is its own shrunken hit rate on the symbol.
    pub confidence: Ratio,
    /// The expected move, fraction of the price.
    pub magnitude: Ratio,
    /// The close that it was raised at.
    pub price: Price,
    /// The regime then.
    pub regime: Regime,
    /// The features then.
    pub features: Features,
}
