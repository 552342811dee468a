//! The selection team's brief: a universe with its metrics, scores, filters and the list so far.
//!
//! A selection has three steps. Scorer and Optimizer *score*; Auditor and Coherence *check* the
//! result; then the final list is put to the *vote* of all four, and nobody changes it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::trading::TrackRecord;
use crate::fixed::{Money, Price};
use crate::market::asset::UNKNOWN_SECTOR;
use crate::market::symbol::{AssetClass, Symbol};
use crate::ratio::Ratio;
use crate::signal::Regime;
use crate::time::Time;

/// Where a selection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SelectionStep {
    /// Symbols are scored.
    Score,
    /// The list is checked.
    Check,
    /// The list is put to the vote.
    Vote,
}

/// One of the eight metrics that a score is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Hurst exponent over a short window.
    HurstShort,
    /// Hurst exponent over a long window.
    HurstLong,
    /// Half-life of an Ornstein–Uhlenbeck process, bars.
    HalfLife,
    /// Persistence α + β of a GARCH(1,1) process.
    GarchPersistence,
    /// Probability that the regime stays.
    RegimePersistence,
    /// Autocorrelation of returns at lag 1.
    Autocorrelation,
    /// Annualised Sharpe ratio.
    Sharpe,
    /// Largest fall from a peak, fraction.
    Drawdown,
}

impl Metric {
    /// All metrics, in the order of their default weights.
    pub const ALL: [Self; 8] = [
        Self::HurstShort,
        Self::HurstLong,
        Self::HalfLife,
        Self::GarchPersistence,
        Self::RegimePersistence,
        Self::Autocorrelation,
        Self::Sharpe,
        Self::Drawdown,
    ];

    /// The metric's name in briefs, levers and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HurstShort => "hurst_short",
            Self::HurstLong => "hurst_long",
            Self::HalfLife => "half_life",
            Self::GarchPersistence => "garch_persistence",
            Self::RegimePersistence => "regime_persistence",
            Self::Autocorrelation => "autocorrelation",
            Self::Sharpe => "sharpe",
            Self::Drawdown => "drawdown",
        }
    }

    /// Its weight in a score unless the regime asks for another; all eight sum to one.
    pub const fn default_weight(self) -> Ratio {
        Ratio::of(match self {
            Self::HurstShort => 0.20,
            Self::HurstLong | Self::HalfLife | Self::GarchPersistence => 0.15,
            Self::RegimePersistence | Self::Autocorrelation | Self::Sharpe => 0.10,
            Self::Drawdown => 0.05,
        })
    }
}

/// One metric of one symbol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The metric itself; `None` where it is undefined.
    pub value: Option<Ratio>,
    /// Its part of the score before the weight, 0 to 1; `None` where the value is undefined.
    pub part: Option<Ratio>,
    /// What the estimator says about itself: window, fit, or why the value is undefined.
    pub diagnostic: String,
}

/// One symbol of the universe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The symbol.
    pub symbol: Symbol,
    /// What kind of thing it is, by the table of assets.
    pub class: AssetClass,
    /// Whose filters it went through.
    pub filter_family: AssetClass,
    /// Its sector, by the table of assets.
    pub sector: String,
    /// Who issued it; two symbols of one issuer are twins.
    pub issuer: String,
    /// Bars there are.
    pub bars: u32,
    /// Share of the bars that should be there and are not.
    pub gap_share: Ratio,
    /// Close of its last bar.
    pub last_bar_at: Time,
    /// Last price.
    pub price: Price,
    /// Mean traded value a day.
    pub dollar_volume: Money,
    /// Annual volatility, fraction.
    pub volatility: Option<Ratio>,
    /// The eight metrics.
    pub metrics: BTreeMap<Metric, Measured>,
    /// The weighted sum of the metrics' parts; `None` before scoring.
    pub score: Option<Ratio>,
    /// Place by score, from 1.
    pub rank: Option<u32>,
    /// Why it is excluded; empty when it is not.
    pub excluded: Vec<String>,
}

impl Candidate {
    /// Whether the two count against each other's sector. Of whom no sector is known, nobody knows that they
    /// share one: correlation and issuer still bind them.
    pub fn shares_sector(&self, other: &Self) -> bool {
        self.sector == other.sector && self.sector != UNKNOWN_SECTOR
    }

    /// Whether one company issued both. Two whose issuers nobody knows are no twins by that.
    pub fn is_twin_of(&self, other: &Self) -> bool {
        self.issuer == other.issuer && !self.issuer.is_empty()
    }
}

/// How many symbols of a class one filter saw and let pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FilterReport {
    /// The filter's name.
    pub filter: String,
    /// The class it was applied to.
    pub class: AssetClass,
    /// Symbols that reached it.
    pub seen: u32,
    /// Symbols that passed it.
    pub passed: u32,
}

/// Correlation of the returns of two symbols.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// One of them.
    pub a: Symbol,
    /// The other.
    pub b: Symbol,
    /// −1 to 1.
    pub correlation: Ratio,
}

/// What a selection must satisfy. Fractions unless stated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Constraints {
    /// Fewest bars.
    pub bars_min: u32,
    /// Largest share of missing bars.
    pub gap_share_max: Ratio,
    /// The last bar may be this many days older than the as-of time.
    pub stale_days_max: u32,
    /// Lowest price of a share.
    pub equity_price_min: Price,
    /// Smallest traded value a day of a share.
    pub equity_volume_min: Money,
    /// Lowest annual volatility.
    pub volatility_min: Ratio,
    /// Highest annual volatility.
    pub volatility_max: Ratio,
    /// Half-lives, bars, lie strictly between 0 and this.
    pub half_life_max: Ratio,
    /// GARCH persistences lie below this.
    pub garch_persistence_max: Ratio,
    /// Most coins on the list.
    pub crypto_count_max: u32,
    /// Largest share of coins on the list.
    pub crypto_share_max: Ratio,
    /// Largest correlation of a pair on the list.
    pub correlation_max: Ratio,
    /// Largest share of one sector on the list.
    pub sector_share_max: Ratio,
}

impl Default for Constraints {
    fn default() -> Self {
        Self {
            bars_min: 500,
            gap_share_max: Ratio::of(0.01),
            stale_days_max: 5,
            equity_price_min: Price::from_raw(5 * Price::SCALE),
            equity_volume_min: Money::from_raw(10_000_000 * Money::SCALE),
            volatility_min: Ratio::of(0.05),
            volatility_max: Ratio::of(0.60),
            half_life_max: Ratio::of(250.0),
            garch_persistence_max: Ratio::of(0.9999),
            crypto_count_max: 3,
            crypto_share_max: Ratio::of(0.20),
            correlation_max: Ratio::of(0.60),
            sector_share_max: Ratio::of(0.40),
        }
    }
}

impl Constraints {
    /// How many symbols of one sector a list of this length may have. One is never too many: the list
    /// would have to be empty, whatever its share.
    pub fn sector_room(&self, length: usize) -> usize {
        self.sector_share_max.room(length).max(1)
    }

    /// How many coins a list of this length may have.
    pub fn crypto_room(&self, length: usize) -> usize {
        let most = usize::try_from(self.crypto_count_max).unwrap_or(usize::MAX);
        self.crypto_share_max.room(length).min(most)
    }
}

/// Everything the selection team is told about one selection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelectionBrief {
    /// Where the selection stands.
    pub step: SelectionStep,
    /// Nothing in this brief was known later than this.
    pub as_of: Time,
    /// The regime filter's probabilities.
    pub regime: Regime,
    /// The symbols of the universe; of a large one the best by score.
    pub candidates: Vec<Candidate>,
    /// The filters in the order in which they were applied.
    pub filters: Vec<FilterReport>,
    /// Correlations of the short list and its reserve.
    pub correlations: Vec<Pair>,
    /// The weights that the scores were made with.
    pub weights: BTreeMap<Metric, Ratio>,
    /// The list as the diversity step left it, or a swap that was looked at again, best first.
    pub diverse: Vec<Symbol>,
    /// The final list, best first.
    pub shortlist: Vec<Symbol>,
    /// What the list must satisfy.
    pub constraints: Constraints,
    /// The asked agent's own record.
    pub track_record: TrackRecord,
}

impl SelectionBrief {
    /// The candidate of a symbol.
    pub fn candidate(&self, symbol: &Symbol) -> Option<&Candidate> {
        self.candidates.iter().find(|candidate| candidate.symbol == *symbol)
    }

    /// The correlation of two symbols, in either order; `None` where it was not measured.
    pub fn correlation(&self, a: &Symbol, b: &Symbol) -> Option<Ratio> {
        let is_pair =
            |pair: &&Pair| (pair.a == *a && pair.b == *b) || (pair.a == *b && pair.b == *a);
        self.correlations.iter().find(is_pair).map(|pair| pair.correlation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_weights_sum_to_one() {
        let sum: f64 = Metric::ALL.iter().map(|metric| metric.default_weight().get()).sum();
        assert!((sum - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_list_has_room_by_its_length() {
        let rules = Constraints::default();
        let rooms = |length: usize| (rules.sector_room(length), rules.crypto_room(length));
        for (length, room) in [
            (0, (1, 0)),
            (1, (1, 0)),
            (4, (1, 0)),
            (5, (2, 1)),
            (10, (4, 2)),
            (20, (8, 3)),
            (50, (20, 3)),
        ] {
            assert_eq!(rooms(length), room, "{length}");
        }
    }

    #[test]
    fn a_correlation_is_found_in_either_order() {
        let brief: SelectionBrief =
            serde_json::from_str(include_str!("../../tests/briefs/selection.json")).unwrap();
        let pair = &brief.correlations[0];
        assert_eq!(brief.correlation(&pair.a, &pair.b), Some(pair.correlation));
        assert_eq!(brief.correlation(&pair.b, &pair.a), Some(pair.correlation));
        assert_eq!(brief.correlation(&pair.a, &pair.a), None);
    }
}
