//! Whether an agent is as sure as it should be: Brier's score and the reliability of its confidence.
//!
//! A vote for, with a confidence, is read as the probability that the trade wins after costs; a vote
//! against as one minus it. The score is the mean squared error of these probabilities (Brier, "Verification
//! of forecasts expressed in terms of probability", 1950), split as by Murphy (1973): reliability is what
//! wrong confidence costs, resolution what knowing good from bad is worth, uncertainty the world's part.

use serde::Serialize;

use crate::ratio::Ratio;

/// Bins of probability, equally wide.
pub const BINS: usize = 10;
/// The normal quantile of a 95 % interval.
const Z: f64 = 1.959_963_984_540_054;

/// One probability and what became of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// How likely the agent held a win to be, 0 to 1.
    pub wins: Ratio,
    /// Whether it won.
    pub won: bool,
    /// Whether that is known from a repetition only, in which the trade took place.
    pub is_counterfactual: bool,
}

/// How well probabilities and outcomes go together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// Forecasts whose outcome is known.
    pub forecasts: u64,
    /// Those of them whose outcome is known from a repetition only.
    pub counterfactual: u64,
    /// Mean squared error of the probabilities: 0 is perfect, 0.25 what saying one half always brings.
    pub brier: Ratio,
    /// Share that won.
    pub won: Ratio,
    /// The part of the score that wrong confidence costs: lower is better.
    pub reliability: Ratio,
    /// The part that knowing good from bad is worth: higher is better.
    pub resolution: Ratio,
    /// The score of whoever always says the share that won.
    pub uncertainty: Ratio,
    /// The bins that hold a forecast.
    pub bins: Vec<Bin>,
}

/// Forecasts of about the same probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bin {
    /// Forecasts in it.
    pub count: u64,
    /// Their mean probability.
    pub said: Ratio,
    /// The share of them that won.
    pub won: Ratio,
    /// Lower end of the 95 % interval of that share (Wilson 1927).
    pub low: Ratio,
    /// Its upper end.
    pub high: Ratio,
}

#[derive(Clone, Copy, Default)]
struct Filled {
    count: u64,
    said: f64,
    won: u64,
}

impl Calibration {
    /// The calibration of forecasts; `None` without any.
    pub fn of(forecasts: &[Forecast]) -> Option<Self> {
        let mut filled = [Filled::default(); BINS];
        let (mut squares, mut won, mut counterfactual) = (0.0, 0, 0);
        for forecast in forecasts {
            let (wins, outcome) = (forecast.wins.get(), f64::from(u8::from(forecast.won)));
            let bin = &mut filled[bin_of(wins)];
            bin.count += 1;
            bin.said += wins;
            bin.won += u64::from(forecast.won);
            squares += (wins - outcome).powi(2);
            won += u64::from(forecast.won);
            counterfactual += u64::from(forecast.is_counterfactual);
        }
        let count = forecasts.len() as u64;
        if count == 0 {
            return None;
        }
        let base = share(won, count);
        let bins = filled.iter().filter(|bin| bin.count > 0);
        let (mut reliability, mut resolution) = (0.0, 0.0);
        for bin in bins.clone() {
            let (weight, observed) = (share(bin.count, count), share(bin.won, bin.count));
            reliability += weight * (bin.said / float(bin.count) - observed).powi(2);
            resolution += weight * (observed - base).powi(2);
        }
        Some(Self {
            forecasts: count,
            counterfactual,
            brier: Ratio::within_unit(squares / float(count)),
            won: Ratio::within_unit(base),
            reliability: Ratio::within_unit(reliability),
            resolution: Ratio::within_unit(resolution),
            uncertainty: Ratio::within_unit(base * (1.0 - base)),
            bins: bins.map(Bin::of).collect(),
        })
    }

    /// How much better than always saying the share that won, 1 is perfect; `None` where all ended alike.
    pub fn skill(&self) -> Option<Ratio> {
        let uncertainty = self.uncertainty.get();
        Ratio::new(1.0 - self.brier.get() / uncertainty).ok().filter(|_| uncertainty > 0.0)
    }
}

impl Bin {
    fn of(filled: &Filled) -> Self {
        let (count, won) = (float(filled.count), share(filled.won, filled.count));
        let spread = Z * Z / count;
        let middle = (won + spread / 2.0) / (1.0 + spread);
        let half = (won * (1.0 - won) * spread + spread * spread / 4.0).sqrt() / (1.0 + spread);
        Self {
            count: filled.count,
            said: Ratio::within_unit(filled.said / count),
            won: Ratio::within_unit(won),
            low: Ratio::within_unit(middle - half),
            high: Ratio::within_unit(middle + half),
        }
    }
}

fn bin_of(wins: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a probability times ten"
    )]
    let bin = (wins * BINS as f64) as usize;
    bin.min(BINS - 1)
}

fn share(part: u64, of: u64) -> f64 {
    float(part) / float(of)
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
const fn float(count: u64) -> f64 {
    count as f64
}
