//! Whether two groups of runs differ by more than chance: Welch's t with Bonferroni's correction.
//!
//! An arm is a handful of runs that differ in nothing but their seed. Arms may vary differently, so
//! variances are not pooled; several measures are looked at, so each has to be clearer.

mod beta;

use serde::Serialize;

use crate::ratio::Ratio;

/// Fewer runs in an arm say nothing: a difference would have to be larger than any that is believable.
pub const SEEDS_MIN: usize = 5;
/// A difference that chance brings about less often than this, over all measures, is one.
pub const SIGNIFICANCE: f64 = 0.05;

/// Welch's test of one measure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Welch {
    /// Mean of the first arm, the baseline.
    pub baseline_mean: Ratio,
    /// Mean of the second arm, the treated one.
    pub treated_mean: Ratio,
    /// Treated less baseline.
    pub difference: Ratio,
    /// The statistic; positive where the treated arm is higher.
    pub t: Ratio,
    /// Degrees of freedom by Welch and Satterthwaite.
    pub degrees: Ratio,
    /// How often chance alone brings about a difference as large, either way.
    pub p: Ratio,
}

/// Why a measure has no test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum NoTest {
    /// An arm has fewer than two values.
    #[error("an arm has fewer than two values")]
    TooFew,
    /// Neither arm varies: every run of an arm came to the same.
    #[error("neither arm varies")]
    NoVariance,
    /// A sum is beyond what a float holds.
    #[error("a figure is out of range")]
    OutOfRange,
}

/// Tests whether the means of two arms differ.
///
/// # Errors
/// When there is nothing to test by.
pub fn welch(baseline: &[Ratio], treated: &[Ratio]) -> Result<Welch, NoTest> {
    if baseline.len() < 2 || treated.len() < 2 {
        return Err(NoTest::TooFew);
    }
    let ((base, base_error), (own, own_error)) = (moments(baseline), moments(treated));
    let error = base_error + own_error;
    if error <= 0.0 {
        return Err(NoTest::NoVariance);
    }
    let t = (own - base) / error.sqrt();
    let share = |part: f64, count: usize| part * part / float(count - 1);
    let degrees =
        error * error / (share(base_error, baseline.len()) + share(own_error, treated.len()));
    let p = two_sided(t, degrees);
    let ratio = |value: f64| Ratio::new(value).map_err(|_| NoTest::OutOfRange);
    Ok(Welch {
        baseline_mean: ratio(base)?,
        treated_mean: ratio(own)?,
        difference: ratio(own - base)?,
        t: ratio(t)?,
        degrees: ratio(degrees)?,
        p: ratio(p)?,
    })
}

/// A probability corrected for having looked at several measures.
pub fn bonferroni(p: Ratio, measures: usize) -> Ratio {
    Ratio::within_unit(p.get() * float(measures.max(1)))
}

/// The share of Student's distribution that lies as far out as `t` on either side.
fn two_sided(t: f64, degrees: f64) -> f64 {
    beta::regularised(degrees / (degrees + t * t), degrees / 2.0, 0.5)
}

/// Mean, and the square of its standard error.
fn moments(values: &[Ratio]) -> (f64, f64) {
    let count = float(values.len());
    let mean = values.iter().map(|value| value.get()).sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value.get() - mean).powi(2)).sum();
    (mean, squares / (count - 1.0) / count)
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
const fn float(count: usize) -> f64 {
    count as f64
}

/// One measure of an experiment, and which way is better.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measure {
    /// Its name.
    pub name: &'static str,
    /// Whether more of it is better.
    pub more_is_better: bool,
    /// A value per seed of the arm without agents; undefined ones left out.
    pub baseline: Vec<Ratio>,
    /// The same of the arm with agents.
    pub treated: Vec<Ratio>,
}

/// What a measure says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The treated arm is better by more than chance.
    Better,
    /// It is worse by more than chance.
    Worse,
    /// Chance alone may have brought the difference about.
    Unclear,
}

/// A measure with its test.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tested {
    /// The measure.
    #[serde(flatten)]
    pub measure: Measure,
    /// Its test, if there was anything to test by.
    pub test: Result<Welch, NoTest>,
    /// The probability after the correction; `None` without a test.
    pub corrected_p: Option<Ratio>,
    /// What it says.
    pub finding: Finding,
}

/// What an experiment says as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing was done to the treated arm, so there is nothing to compare: whatever differs is not
    /// the agents' doing.
    NoTreatment,
    /// At least one measure is better and none is worse.
    Helped,
    /// At least one measure is worse and none is better.
    Harmed,
    /// Some are better and others worse.
    Mixed,
    /// No measure differs by more than chance.
    Unclear,
}

/// Tests every measure, corrected for their number.
pub fn tested(measures: Vec<Measure>) -> Vec<Tested> {
    let count = measures.len();
    let test = |measure: Measure| {
        let test = welch(&measure.baseline, &measure.treated);
        let corrected_p = test.ok().map(|test| bonferroni(test.p, count));
        let is_clear = corrected_p.is_some_and(|p| p.get() < SIGNIFICANCE);
        let is_more = test.is_ok_and(|test| test.difference > Ratio::ZERO);
        let finding = match (is_clear, is_more == measure.more_is_better) {
            (false, _) => Finding::Unclear,
            (true, true) => Finding::Better,
            (true, false) => Finding::Worse,
        };
        Tested { measure, test, corrected_p, finding }
    };
    measures.into_iter().map(test).collect()
}

/// What all measures say together, with how often the treated arm was treated in all.
pub fn verdict(tested: &[Tested], applied: u64) -> Verdict {
    let any = |finding| tested.iter().any(|it| it.finding == finding);
    match (any(Finding::Better), any(Finding::Worse)) {
        _ if applied == 0 => Verdict::NoTreatment,
        (true, true) => Verdict::Mixed,
        (true, false) => Verdict::Helped,
        (false, true) => Verdict::Harmed,
        (false, false) => Verdict::Unclear,
    }
}

#[cfg(test)]
mod tests;
