//! The one place where a number from an agent becomes a number the system uses.
//!
//! # Invariants
//!
//! - B-1: every number that leaves an agent is finite and within its bounds.
//!
//! A number out of bounds is clamped and the clamp is kept beside it; a number that is NaN, infinite
//! or missing is refused, never guessed. Bounds in configuration may be narrower than the hard ones
//! of [`BoundsTable::HARD`], never wider.

use serde::{Deserialize, Serialize};

use crate::ratio::Ratio;

/// The closed interval in which one parameter of an agent's advice must lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bounds {
    parameter: &'static str,
    min: f64,
    max: f64,
}

/// Why a number was refused, or bounds could not be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BoundsError {
    /// NaN or infinite: nobody knows what the agent meant.
    #[error("`{parameter}` is not a finite number")]
    NotFinite {
        /// The parameter's name.
        parameter: &'static str,
    },
    /// Configured bounds that are inverted or wider than the hard ones.
    #[error(
        "`{parameter}` may only be narrowed: {min}..{max} is not within {hard_min}..{hard_max}"
    )]
    Wider {
        /// The parameter's name.
        parameter: &'static str,
        /// The configured lower bound.
        min: f64,
        /// The configured upper bound.
        max: f64,
        /// The hard lower bound.
        hard_min: f64,
        /// The hard upper bound.
        hard_max: f64,
    },
}

/// Which edge a number was clamped to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edge {
    /// Raised to the lower bound.
    Min,
    /// Lowered to the upper bound.
    Max,
}

impl Edge {
    /// The edge's name in metrics and records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Min => "min",
            Self::Max => "max",
        }
    }
}

/// A record of one clamp: what the agent said and what was used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clamp {
    /// The parameter's name.
    pub parameter: String,
    /// What the agent said.
    pub raw: Ratio,
    /// What was used.
    pub clamped: Ratio,
    /// Which edge it was clamped to.
    pub edge: Edge,
}

/// A number that went through [`Bounds::admit`]; there is no other way to make one.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Bounded(Ratio);

impl Bounded {
    /// The number, finite and within its bounds.
    pub const fn get(self) -> f64 {
        self.0.get()
    }

    /// The number as a finite ratio.
    pub const fn ratio(self) -> Ratio {
        self.0
    }
}

impl Bounds {
    /// A constant interval; an inverted one does not compile.
    ///
    /// # Panics
    /// Outside of constants, when the interval is inverted or not finite.
    pub const fn new(parameter: &'static str, min: f64, max: f64) -> Self {
        assert!(min <= max, "the bounds are inverted");
        assert!(min.is_finite() && max.is_finite(), "the bounds are not finite");
        Self { parameter, min, max }
    }

    /// The parameter's name.
    pub const fn parameter(&self) -> &'static str {
        self.parameter
    }

    /// The lower bound.
    pub const fn min(&self) -> f64 {
        self.min
    }

    /// The upper bound.
    pub const fn max(&self) -> f64 {
        self.max
    }

    /// Admits a raw number: within the bounds as it is, outside of them clamped and recorded in
    /// `clamps`.
    ///
    /// # Errors
    /// When the number is NaN or infinite.
    pub fn admit(&self, raw: f64, clamps: &mut Vec<Clamp>) -> Result<Bounded, BoundsError> {
        let raw =
            Ratio::new(raw).map_err(|_| BoundsError::NotFinite { parameter: self.parameter })?;
        let (value, edge) = if raw.get() < self.min {
            (self.min, Some(Edge::Min))
        } else if raw.get() > self.max {
            (self.max, Some(Edge::Max))
        } else {
            (raw.get(), None)
        };
        let clamped = Ratio::or_zero(value);
        if let Some(edge) = edge {
            clamps.push(Clamp { parameter: self.parameter.to_owned(), raw, clamped, edge });
        }
        Ok(Bounded(clamped))
    }

    /// The same parameter with a narrower interval.
    ///
    /// # Errors
    /// When the interval is inverted, not finite, or wider than this one.
    pub fn narrowed(&self, min: f64, max: f64) -> Result<Self, BoundsError> {
        if self.min <= min && min <= max && max <= self.max {
            Ok(Self { parameter: self.parameter, min, max })
        } else {
            Err(BoundsError::Wider {
                parameter: self.parameter,
                min,
                max,
                hard_min: self.min,
                hard_max: self.max,
            })
        }
    }
}

/// The bounds of every number an agent may give, as far as they are in force now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BoundsTable {
    /// How sure an agent is, 0 to 1.
    pub confidence: Bounds,
    /// Signal Analyst: factor on the signal's confidence.
    pub confidence_multiplier: Bounds,
    /// Position Sizer: factor on the base size.
    pub size_multiplier: Bounds,
    /// Execution Timer: distance of a limit price from the last price, basis points.
    pub limit_offset_bp: Bounds,
    /// Exit Strategist: distance of the stop from the entry, fraction of the price.
    pub stop_distance: Bounds,
    /// Exit Strategist: distance of the take-profit from the entry, fraction of the price.
    pub target_distance: Bounds,
    /// Hyperparameter Tuner: factor on the scheduled learning rate.
    pub lr_multiplier: Bounds,
    /// Hyperparameter Tuner: factor on the entropy bonus.
    pub entropy_multiplier: Bounds,
    /// Hyperparameter Tuner: factor on the batch size.
    pub batch_multiplier: Bounds,
    /// Reward Engineer: change of one reward weight in one call.
    pub reward_weight_delta: Bounds,
    /// Reward Engineer: sum of the changes of one reward weight in one run.
    pub reward_weight_total: Bounds,
    /// Weight Optimizer: change of one score weight from its default.
    pub score_weight_delta: Bounds,
}

impl BoundsTable {
    /// The widest bounds there are; configuration can only narrow them.
    pub const HARD: Self = Self {
        confidence: Bounds::new("confidence", 0.0, 1.0),
        confidence_multiplier: Bounds::new("confidence_multiplier", 0.7, 1.3),
        size_multiplier: Bounds::new("size_multiplier", 0.3, 2.0),
        limit_offset_bp: Bounds::new("limit_offset_bp", 0.0, 50.0),
        stop_distance: Bounds::new("stop_distance", 0.005, 0.15),
        target_distance: Bounds::new("target_distance", 0.005, 0.50),
        lr_multiplier: Bounds::new("lr_multiplier", 0.1, 3.0),
        entropy_multiplier: Bounds::new("entropy_multiplier", 0.1, 5.0),
        batch_multiplier: Bounds::new("batch_multiplier", 0.5, 2.0),
        reward_weight_delta: Bounds::new("reward_weight_delta", -0.05, 0.05),
        reward_weight_total: Bounds::new("reward_weight_total", -0.15, 0.15),
        score_weight_delta: Bounds::new("score_weight_delta", -0.10, 0.10),
    };

    /// Every bound, in the order of the fields.
    pub const fn all(&self) -> [&Bounds; 12] {
        [
            &self.confidence,
            &self.confidence_multiplier,
            &self.size_multiplier,
            &self.limit_offset_bp,
            &self.stop_distance,
            &self.target_distance,
            &self.lr_multiplier,
            &self.entropy_multiplier,
            &self.batch_multiplier,
            &self.reward_weight_delta,
            &self.reward_weight_total,
            &self.score_weight_delta,
        ]
    }

    /// The bound of a parameter.
    pub fn named(&self, parameter: &str) -> Option<&Bounds> {
        self.all().into_iter().find(|bounds| bounds.parameter == parameter)
    }
}

/// The bounds of one more factor on top of the product of all earlier ones: both the factor and the
/// new product stay within the parameter's bounds.
///
/// # Errors
/// Never for a finite product; the error is that of [`Bounds::narrowed`].
pub fn within_total(bounds: &Bounds, product: Ratio) -> Result<Bounds, BoundsError> {
    // A product outside of its bounds, from an older and laxer run, may only be led back.
    let product = product.get().max(bounds.min()).min(bounds.max());
    let max = (bounds.max() / product).min(bounds.max());
    let min = (bounds.min() / product).max(bounds.min()).min(max);
    bounds.narrowed(min, max)
}

impl Default for BoundsTable {
    /// The hard bounds, with the learning-rate multiplier capped at 2.0.
    fn default() -> Self {
        let lr_multiplier = Bounds::new("lr_multiplier", 0.1, 2.0);
        Self { lr_multiplier, ..Self::HARD }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B-1: every number that leaves an agent is finite and within its bounds.
    #[test]
    fn a_number_is_admitted_clamped_or_refused() {
        let bounds = BoundsTable::HARD.confidence_multiplier;
        for (raw, used, edge) in [
            (1.1, 1.1, None),
            (0.7, 0.7, None),
            (7.0, 1.3, Some(Edge::Max)),
            (-1e300, 0.7, Some(Edge::Min)),
        ] {
            let mut clamps = Vec::new();
            let admitted = bounds.admit(raw, &mut clamps).unwrap().get();
            assert!((admitted - used).abs() < 1e-15, "{raw}");
            assert_eq!(clamps.first().map(|clamp| clamp.edge), edge, "{raw}");
        }
        for raw in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut clamps = Vec::new();
            assert!(bounds.admit(raw, &mut clamps).is_err(), "{raw}");
            assert!(clamps.is_empty());
        }
    }

    #[test]
    fn a_bound_is_found_by_the_name_of_its_parameter() {
        let table = BoundsTable::default();
        for bounds in table.all() {
            assert_eq!(table.named(bounds.parameter()), Some(bounds));
        }
        assert_eq!(table.named("leverage"), None);
    }

    #[test]
    fn configuration_may_narrow_a_bound_and_never_widen_it() {
        let bounds = BoundsTable::HARD.size_multiplier;
        assert!(bounds.narrowed(0.5, 1.5).is_ok());
        for (min, max) in [(0.2, 1.0), (0.5, 2.1), (1.5, 0.5), (f64::NAN, 1.0)] {
            assert!(bounds.narrowed(min, max).is_err(), "{min}..{max}");
        }
    }
}
