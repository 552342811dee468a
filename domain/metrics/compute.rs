//! From a series to its metrics: the checks at the door, sampling, and the order of the parts.

use super::numerics::{float, mean};
use super::trades::{Activity, finite};
use super::{Basis, Metrics, Reason, Sampling, Terms, series, trades};
use crate::time::Time;

/// Why a series has no metrics at all. Indices count from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetricsError {
    /// There is no value.
    #[error("the series is empty")]
    Empty,
    /// A value is NaN or infinite, or a change between two is too large for a float.
    #[error("value {index} of the {which} is not finite or changes beyond all measure")]
    NotFinite {
        /// `series` or `benchmark`.
        which: &'static str,
        /// Which value.
        index: usize,
    },
    /// The first value, or any of the benchmark, is zero or negative: no return can be taken.
    #[error("value {index} of the {which} is not above zero")]
    NotPositive {
        /// `series` or `benchmark`.
        which: &'static str,
        /// Which value.
        index: usize,
    },
    /// Two columns that belong together have different lengths.
    #[error("{which} has {found} values, the series has {wanted}")]
    Length {
        /// `benchmark`, `times`.
        which: &'static str,
        /// How many it has.
        found: usize,
        /// How many it must have.
        wanted: usize,
    },
    /// Times do not increase.
    #[error("time {index} is not after the one before")]
    Order {
        /// Which time.
        index: usize,
    },
    /// The periods per year are not above zero, or the riskless rate is −100 % or less.
    #[error("the periods per year must be above 0 and the riskless rate above -1")]
    Terms,
}

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The series, oldest first: equity or prices. The first value must be positive; at the first
    /// one that is not, the account is ruined and the series ends with a return of −100 %.
    pub values: &'a [f64],
    /// When each value was taken.
    pub times: Option<&'a [Time]>,
    /// The benchmark at the same moments; all positive.
    pub benchmark: Option<&'a [f64]>,
    /// What the run did; without it the metrics of trades are absent.
    pub activity: Option<Activity<'a>>,
    /// What the ratios are to stand on.
    pub terms: Terms,
}

/// An account's curve at every bar's close, and its benchmark's.
#[derive(Clone, Copy, Debug)]
pub struct Curve<'a> {
    /// When.
    pub times: &'a [Time],
    /// Equity then.
    pub equity: &'a [f64],
    /// The benchmark then.
    pub benchmark: Option<&'a [f64]>,
}

/// The indices of the points that returns are taken between: the first of all, then the last of each
/// day as `day` tells days apart.
///
/// The first point stays so that no part of the first session is lost; of daily bars all stay.
pub fn session_closes<K: PartialEq>(times: &[Time], day: impl Fn(Time) -> K) -> Vec<usize> {
    let mut closes = Vec::new();
    let mut pending: Option<(usize, K)> = None;
    for (index, &time) in times.iter().enumerate() {
        let today = day(time);
        if let Some((last, of)) = pending.take()
            && (of != today || closes.is_empty())
        {
            closes.push(last);
        }
        pending = Some((index, today));
    }
    closes.extend(pending.map(|(last, _)| last));
    closes
}

impl Metrics {
    /// Measures a series as it stands.
    ///
    /// # Errors
    /// When the series or what comes with it is not usable; see [`MetricsError`].
    pub fn of(input: &Input<'_>) -> Result<Self, MetricsError> {
        let whole = Checked::new(input.values, input.times, input.benchmark)?;
        measure(&whole, &whole, input.activity.as_ref(), input.terms)
    }

    /// Measures an account: returns between session closes (weekly bars as they are), drawdowns over
    /// every point.
    ///
    /// `day` names the session of a time: an exchange's trading day, or the UTC day of coins.
    ///
    /// # Errors
    /// When the curve is not usable; see [`MetricsError`].
    pub fn of_account<K: PartialEq>(
        curve: &Curve<'_>,
        day: impl Fn(Time) -> K,
        activity: &Activity<'_>,
        terms: Terms,
    ) -> Result<Self, MetricsError> {
        let whole = Checked::new(curve.equity, Some(curve.times), curve.benchmark)?;
        if terms.sampling == Sampling::Sessions {
            let closes = session_closes(&whole.times, day);
            measure(&whole.sampled(&closes), &whole, Some(activity), terms)
        } else {
            measure(&whole, &whole, Some(activity), terms)
        }
    }
}

/// A series that can be measured: it ends where it was ruined, and all but that value is positive.
#[derive(Clone, Debug)]
struct Checked {
    values: Vec<f64>,
    times: Vec<Time>,
    benchmark: Option<Vec<f64>>,
    /// The last value as it was given, negative perhaps.
    end: f64,
    ruined: bool,
}

impl Checked {
    fn new(
        values: &[f64],
        times: Option<&[Time]>,
        benchmark: Option<&[f64]>,
    ) -> Result<Self, MetricsError> {
        let first = *values.first().ok_or(MetricsError::Empty)?;
        all_finite("series", values)?;
        if first <= 0.0 {
            return Err(MetricsError::NotPositive { which: "series", index: 0 });
        }
        let ruin = values.iter().position(|&value| value <= 0.0);
        let len = ruin.map_or(values.len(), |index| index + 1);
        let times = times.map(|times| ordered(times, values.len())).transpose()?.unwrap_or(&[]);
        let benchmark =
            benchmark.map(|benchmark| comparable(benchmark, values.len())).transpose()?;
        let kept: Vec<f64> = values.iter().take(len).map(|value| value.max(0.0)).collect();
        measurable("series", &kept)?;
        Ok(Self {
            values: kept,
            times: times.iter().take(len).copied().collect(),
            benchmark: benchmark.map(|benchmark| benchmark.iter().take(len).copied().collect()),
            end: values.get(len - 1).copied().unwrap_or(first),
            ruined: ruin.is_some(),
        })
    }

    /// Only these points; the last of them must be the series' last.
    fn sampled(&self, indices: &[usize]) -> Self {
        let pick = |from: &[f64]| indices.iter().filter_map(|&at| from.get(at)).copied().collect();
        Self {
            values: pick(&self.values),
            times: indices.iter().filter_map(|&at| self.times.get(at)).copied().collect(),
            benchmark: self.benchmark.as_deref().map(pick),
            ..*self
        }
    }

    fn growth(values: &[f64]) -> f64 {
        match values {
            [first, .., last] => last / first,
            _ => 1.0,
        }
    }
}

/// Returns come from `samples`, drawdowns from `whole`.
fn measure(
    samples: &Checked,
    whole: &Checked,
    activity: Option<&Activity<'_>>,
    terms: Terms,
) -> Result<Metrics, MetricsError> {
    let Terms { periods_per_year, rf, sampling } = terms;
    if periods_per_year.get() <= 0.0 || rf.get() <= -1.0 {
        return Err(MetricsError::Terms);
    }
    let returns = series::returns(&samples.values);
    let observations = u64::try_from(returns.len()).unwrap_or(u64::MAX);
    let basis = Basis { periods_per_year, rf, observations, sampling };
    let mut metrics = Metrics::unknown(basis, Reason::NoTradeRecord);
    metrics.ruined = whole.ruined;
    metrics.start_equity = whole.values.first().map_or(Err(Reason::OutOfRange), |&v| finite(v));
    metrics.end_equity = finite(whole.end);
    series::fill(&mut metrics, &returns, Checked::growth(&samples.values), &basis);
    let times = (!whole.times.is_empty()).then_some(whole.times.as_slice());
    series::fill_drawdowns(&mut metrics, &whole.values, times);
    match &samples.benchmark {
        Some(values) => {
            let growth = Checked::growth(values);
            let others = series::returns(values);
            series::fill_benchmark(&mut metrics, &returns, &others, growth, &basis);
        }
        None => series::no_benchmark(&mut metrics),
    }
    if let Some(activity) = activity {
        let years = float(returns.len()) / periods_per_year.get();
        trades::fill(&mut metrics, activity, mean(&samples.values), years);
    }
    Ok(metrics)
}

/// The times, when they are as many as wanted and increase.
fn ordered(times: &[Time], wanted: usize) -> Result<&[Time], MetricsError> {
    same_length("times", times.len(), wanted)?;
    match times.windows(2).position(|pair| pair[1] <= pair[0]) {
        Some(index) => Err(MetricsError::Order { index: index + 1 }),
        None => Ok(times),
    }
}

/// The benchmark, when it is as long as wanted, finite and positive.
fn comparable(benchmark: &[f64], wanted: usize) -> Result<&[f64], MetricsError> {
    same_length("benchmark", benchmark.len(), wanted)?;
    all_finite("benchmark", benchmark)?;
    if let Some(index) = benchmark.iter().position(|&value| value <= 0.0) {
        return Err(MetricsError::NotPositive { which: "benchmark", index });
    }
    measurable("benchmark", benchmark)?;
    Ok(benchmark)
}

fn same_length(which: &'static str, found: usize, wanted: usize) -> Result<(), MetricsError> {
    if found == wanted { Ok(()) } else { Err(MetricsError::Length { which, found, wanted }) }
}

fn all_finite(which: &'static str, values: &[f64]) -> Result<(), MetricsError> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(MetricsError::NotFinite { which, index }),
        None => Ok(()),
    }
}

/// Whether every return is finite: 1e-300 to 1e300 is no return.
fn measurable(which: &'static str, values: &[f64]) -> Result<(), MetricsError> {
    match values.windows(2).position(|pair| !(pair[1] / pair[0]).is_finite()) {
        Some(index) => Err(MetricsError::NotFinite { which, index: index + 1 }),
        None => Ok(()),
    }
}
