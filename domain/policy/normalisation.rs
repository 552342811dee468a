//! Means and scales that columns are brought to one size by: fitted once, frozen into the checkpoint.

use serde::{Deserialize, Serialize};

use super::observation::{ACCOUNT, COLUMNS, MARKET};
use crate::features::as_float;

/// The furthest a normalised value goes, standard deviations; what is beyond is an outlier that a
/// small network would see nothing else for.
pub const FURTHEST: f32 = 8.0;

/// Factors on the account columns, whose sizes are known beforehand: a position's profit and an
/// account's fall are a few percent where the other two columns are halves.
const ACCOUNT_FACTORS: [f32; ACCOUNT] = [1.0, 10.0, 1.0, 10.0];

/// How columns are normalised: (value − mean) × factor, at most [`FURTHEST`] from zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Layout")]
pub struct Normalisation {
    means: Vec<f32>,
    factors: Vec<f32>,
}

/// A normalisation as it is read, before it is believed.
#[derive(Deserialize)]
struct Layout {
    means: Vec<f32>,
    factors: Vec<f32>,
}

/// Numbers that are no normalisation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NormalisationError {
    /// As many means and factors as columns are needed.
    #[error("{means} means and {factors} factors for {COLUMNS} columns")]
    Length {
        /// Means there are.
        means: usize,
        /// Factors there are.
        factors: usize,
    },
    /// A mean or a factor that no value can be normalised by.
    #[error("column {column} cannot be normalised: its mean or factor is not finite, or negative")]
    Number {
        /// Which column, from 0.
        column: usize,
    },
    /// There is nothing to fit to.
    #[error("no rows to fit the normalisation to")]
    NoRows,
}

impl TryFrom<Layout> for Normalisation {
    type Error = NormalisationError;

    fn try_from(layout: Layout) -> Result<Self, NormalisationError> {
        Self::new(layout.means, layout.factors)
    }
}

impl Normalisation {
    /// From one mean and one factor (1 ÷ standard deviation, 0 for a column that is not used) per
    /// column.
    ///
    /// # Errors
    /// See [`NormalisationError`].
    pub fn new(means: Vec<f32>, factors: Vec<f32>) -> Result<Self, NormalisationError> {
        if means.len() != COLUMNS || factors.len() != COLUMNS {
            return Err(NormalisationError::Length { means: means.len(), factors: factors.len() });
        }
        let sound =
            |(mean, factor): (&f32, &f32)| mean.is_finite() && factor.is_finite() && *factor >= 0.0;
        match means.iter().zip(&factors).position(|pair| !sound(pair)) {
            Some(column) => Err(NormalisationError::Number { column }),
            None => Ok(Self { means, factors }),
        }
    }

    /// Fits the market columns to rows, by mean and population standard deviation in two passes; a
    /// column that never changes gets the factor 0 and says nothing.
    ///
    /// # Errors
    /// Without rows, or where they are not finite.
    pub fn fit<'a>(
        rows: impl Iterator<Item = &'a [f32; MARKET]> + Clone,
    ) -> Result<Self, NormalisationError> {
        let mut count = 0_usize;
        let mut sums = [0.0_f64; MARKET];
        for row in rows.clone() {
            count += 1;
            sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        if count == 0 {
            return Err(NormalisationError::NoRows);
        }
        let means = sums.map(|sum| sum / as_float(count));
        let mut squares = [0.0_f64; MARKET];
        for row in rows {
            for ((square, &value), mean) in squares.iter_mut().zip(row).zip(means) {
                let off = f64::from(value) - mean;
                *square += off * off;
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "f32 is the precision of columns")]
        let narrow = |value: f64| value as f32;
        let factor = |square: f64| {
            let sd = (square / as_float(count)).sqrt();
            // Rounding leaves a spread of some 1e-8 around a constant.
            if sd > 1e-6 {
                narrow(1.0 / sd)
            } else if sd >= 0.0 {
                0.0
            } else {
                f32::NAN
            }
        };
        let means = means.into_iter().map(narrow).chain([0.0; ACCOUNT]).collect();
        let factors = squares.into_iter().map(factor).chain(ACCOUNT_FACTORS).collect();
        Self::new(means, factors)
    }

    /// The means, one per column.
    pub fn means(&self) -> &[f32] {
        &self.means
    }

    /// The factors, one per column; 0 for a column that is not used.
    pub fn factors(&self) -> &[f32] {
        &self.factors
    }

    /// Whether a column is used.
    pub fn uses(&self, column: usize) -> bool {
        self.factors.get(column).is_some_and(|&factor| factor > 0.0)
    }

    /// The same without a column: it reads as its mean from now on. False where there is none.
    pub fn drop_column(&mut self, column: usize) -> bool {
        match self.factors.get_mut(column) {
            Some(factor) => {
                *factor = 0.0;
                true
            }
            None => false,
        }
    }

    /// Normalises market columns.
    pub fn market(&self, row: &[f32; MARKET]) -> [f32; MARKET] {
        std::array::from_fn(|at| self.value(at, row[at]))
    }

    /// Normalises account columns.
    pub fn account(&self, row: &[f32; ACCOUNT]) -> [f32; ACCOUNT] {
        std::array::from_fn(|at| self.value(MARKET + at, row[at]))
    }

    /// A column that is not used is 0 whatever it holds; any other passes NaN and infinity on, so that
    /// a guard finds them. The clamp alone would make an outlier of an infinity.
    fn value(&self, column: usize, value: f32) -> f32 {
        let factor = self.factors[column];
        if factor <= 0.0 {
            0.0
        } else if value.is_finite() {
            ((value - self.means[column]) * factor).clamp(-FURTHEST, FURTHEST)
        } else {
            value
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fit_has_mean_zero_and_deviation_one_and_drops_what_never_changes() {
        let rows: Vec<[f32; MARKET]> = (0..101_u16)
            .map(|n| std::array::from_fn(|at| if at == 3 { 0.1 } else { f32::from(n) * 2.0 + 7.0 }))
            .collect();
        let fit = Normalisation::fit(rows.iter()).unwrap();
        let normal: Vec<_> = rows.iter().map(|row| fit.market(row)).collect();
        let mean = normal.iter().map(|row| f64::from(row[0])).sum::<f64>() / 101.0;
        let square = normal.iter().map(|row| f64::from(row[0]).powi(2)).sum::<f64>() / 101.0;
        assert!(mean.abs() < 1e-6 && (square - 1.0).abs() < 1e-5, "{mean} {square}");
        assert!(!fit.uses(3) && fit.uses(0) && !fit.uses(COLUMNS));
        assert!(normal.iter().all(|row| row[3].to_bits() == 0));
    }

    #[test]
    fn a_dropped_column_is_silent_and_any_other_shows_what_is_broken() {
        let mut frozen = Normalisation::new(vec![0.0; COLUMNS], vec![1.0; COLUMNS]).unwrap();
        let broken = [f32::NAN; MARKET];
        assert!(frozen.market(&broken)[5].is_nan());
        for infinite in [f32::INFINITY, f32::NEG_INFINITY] {
            assert!(
                frozen.market(&[infinite; MARKET])[5].is_infinite(),
                "no outlier, but no number"
            );
            assert!(frozen.account(&[infinite; ACCOUNT])[2].is_infinite());
        }
        assert!(frozen.drop_column(5) && !frozen.drop_column(COLUMNS));
        assert_eq!(frozen.market(&broken)[5].to_bits(), 0);
        assert!((frozen.market(&[1e30; MARKET])[0] - FURTHEST).abs() < 1e-6);
        assert!((frozen.account(&[-1e30; ACCOUNT])[0] + FURTHEST).abs() < 1e-6);
    }

    #[test]
    fn what_is_no_normalisation_is_refused() {
        let one = vec![1.0; COLUMNS];
        assert!(Normalisation::new(one.clone(), vec![1.0; 3]).is_err());
        for bad in [f32::NAN, f32::INFINITY, -1.0] {
            let mut factors = one.clone();
            factors[31] = bad;
            let refused = Normalisation::new(one.clone(), factors);
            assert_eq!(refused, Err(NormalisationError::Number { column: 31 }));
        }
        assert!(Normalisation::fit(std::iter::empty()).is_err());
        assert!(Normalisation::fit([[f32::NAN; MARKET]].iter()).is_err());
        let text = serde_json::to_string(&Normalisation::new(one.clone(), one).unwrap()).unwrap();
        assert!(serde_json::from_str::<Normalisation>(&text).is_ok());
        assert!(serde_json::from_str::<Normalisation>(&text.replacen("[1.0,", "[", 1)).is_err());
    }
}
