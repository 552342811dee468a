//! Metrics of a series alone: returns, drawdowns, and the comparison with a benchmark.

use super::numerics::{float, is_constant, kurtosis, mean, quantile, sample_sd, skew, sorted, sum};
use super::trades::finite;
use super::{Basis, Metric, Metrics, Reason};
use crate::ratio::Ratio;
use crate::time::Time;

/// Simple returns. The values are positive but for the last, which a ruin may have made zero.
pub(super) fn returns(values: &[f64]) -> Vec<f64> {
    values.windows(2).map(|pair| pair[1] / pair[0] - 1.0).collect()
}

/// The size that returns are computed at: one plus the largest of them.
fn scale(returns: &[f64]) -> f64 {
    1.0 + returns.iter().fold(0.0_f64, |scale, value| scale.max(value.abs()))
}

/// Undefined below so many observations.
fn at_least(wanted: usize, found: usize) -> Result<(), Reason> {
    if found < wanted { Err(Reason::TooFewObservations) } else { Ok(()) }
}

/// Fills in what follows from the returns. `growth` is the last value over the first.
pub(super) fn fill(into: &mut Metrics, returns: &[f64], growth: f64, basis: &Basis) {
    let n = returns.len();
    let per_year = basis.periods_per_year.get();
    let riskless = riskless(basis);
    into.total_return = at_least(1, n).and_then(|()| finite(growth - 1.0));
    let enough = at_least(2, n);
    into.cagr = enough.and_then(|()| finite(growth.powf(per_year / float(n)) - 1.0));
    into.annual_volatility = enough.and_then(|()| finite(sample_sd(returns) * per_year.sqrt()));
    into.sharpe = enough.and_then(|()| sharpe(returns, riskless, per_year));
    into.sortino = enough.and_then(|()| sortino(returns, riskless, per_year));
    into.omega = enough.and_then(|()| omega(returns));
    let ordered = sorted(returns);
    into.value_at_risk_95 = enough.and_then(|()| finite(quantile(&ordered, 0.05)));
    into.cvar_95 = enough.and_then(|()| finite(expected_shortfall(&ordered)));
    into.tail_ratio = enough.and_then(|()| tail_ratio(&ordered));
    let varies = |wanted: usize| {
        at_least(wanted, n)?;
        if is_constant(returns, scale(returns)) { Err(Reason::ZeroVariance) } else { Ok(()) }
    };
    into.skew = varies(3).and_then(|()| finite(skew(returns)));
    into.kurtosis = varies(4).and_then(|()| finite(kurtosis(returns)));
}

/// The riskless return of one period.
fn riskless(basis: &Basis) -> f64 {
    (1.0 + basis.rf.get()).powf(basis.periods_per_year.get().recip()) - 1.0
}

fn sharpe(returns: &[f64], riskless: f64, per_year: f64) -> Metric {
    if is_constant(returns, scale(returns)) {
        return Err(Reason::ZeroVariance);
    }
    let excess: Vec<f64> = returns.iter().map(|value| value - riskless).collect();
    finite(mean(&excess) / sample_sd(&excess) * per_year.sqrt())
}

fn sortino(returns: &[f64], riskless: f64, per_year: f64) -> Metric {
    let excess: Vec<f64> = returns.iter().map(|value| value - riskless).collect();
    let squares = sum(excess.iter().map(|value| value.min(0.0).powi(2)));
    if excess.iter().all(|&value| value >= 0.0) {
        return Err(Reason::NoDownside);
    }
    finite(mean(&excess) / (squares / float(excess.len())).sqrt() * per_year.sqrt())
}

fn omega(returns: &[f64]) -> Metric {
    let gains = sum(returns.iter().map(|value| value.max(0.0)));
    let losses = sum(returns.iter().map(|value| (-value).max(0.0)));
    if losses > 0.0 { finite(gains / losses) } else { Err(Reason::NoDownside) }
}

/// The mean of the `⌊0.05·(n − 1)⌋ + 1` smallest returns.
fn expected_shortfall(ordered: &[f64]) -> f64 {
    let worst = (ordered.len().saturating_sub(1)) / 20 + 1;
    mean(ordered.get(..worst).unwrap_or(ordered))
}

fn tail_ratio(ordered: &[f64]) -> Metric {
    let low = quantile(ordered, 0.05);
    if low.abs() > 0.0 {
        finite((quantile(ordered, 0.95) / low).abs())
    } else {
        Err(Reason::NoDownside)
    }
}

/// Fills in the metrics of drawdowns, of every point there is. The values are positive but for the
/// last. `times`, where there are some, are as many.
pub(super) fn fill_drawdowns(into: &mut Metrics, values: &[f64], times: Option<&[Time]>) {
    let falls = Falls::of(values);
    let n = values.len().saturating_sub(1);
    into.max_drawdown = at_least(1, n).and_then(|()| finite(falls.deepest));
    into.avg_drawdown = at_least(1, n).and_then(|()| {
        if falls.depths.is_empty() { Err(Reason::NoDrawdown) } else { finite(mean(&falls.depths)) }
    });
    into.ulcer_index = at_least(2, n).and_then(|()| finite((falls.squares / float(n - 1)).sqrt()));
    into.calmar = into.cagr.and_then(|cagr| {
        if falls.deepest < 0.0 {
            finite(cagr.get() / -falls.deepest)
        } else {
            Err(Reason::NoDrawdown)
        }
    });
    into.max_drawdown_duration_s = at_least(1, n).and_then(|()| {
        let times = times.ok_or(Reason::NoTimes)?;
        let spans = falls
            .spans
            .iter()
            .filter_map(|&(from, to)| Some(times.get(to)?.since(*times.get(from)?).as_secs_f64()));
        finite(spans.fold(0.0, f64::max))
    });
}

/// The drawdowns of a series.
struct Falls {
    /// The deepest point of all, −1 to 0.
    deepest: f64,
    /// The deepest point of each.
    depths: Vec<f64>,
    /// The index of each one's peak, and of its recovery or of the last value.
    spans: Vec<(usize, usize)>,
    /// The sum of the squares of all values' distances from their peaks.
    squares: f64,
}

impl Falls {
    fn of(values: &[f64]) -> Self {
        let mut falls = Self { deepest: 0.0, depths: Vec::new(), spans: Vec::new(), squares: 0.0 };
        let mut peak = values.first().copied().unwrap_or(0.0);
        let mut peak_at = 0;
        let mut depth = 0.0_f64;
        let mut under = Vec::with_capacity(values.len());
        for (index, &value) in values.iter().enumerate() {
            if value >= peak {
                falls.close(depth, peak_at, index);
                (peak, peak_at, depth) = (value, index, 0.0);
            }
            let fall = value / peak - 1.0;
            depth = depth.min(fall);
            under.push(fall * fall);
        }
        falls.close(depth, peak_at, values.len().saturating_sub(1));
        falls.squares = sum(under);
        falls
    }

    fn close(&mut self, depth: f64, from: usize, to: usize) {
        if depth < 0.0 {
            self.depths.push(depth);
            self.spans.push((from, to));
            self.deepest = self.deepest.min(depth);
        }
    }
}

/// Fills in the comparison with a benchmark's returns over the same periods.
pub(super) fn fill_benchmark(
    into: &mut Metrics,
    returns: &[f64],
    benchmark: &[f64],
    growth: f64,
    basis: &Basis,
) {
    let n = returns.len();
    into.benchmark_return = at_least(1, n).and_then(|()| finite(growth - 1.0));
    into.beta = at_least(2, n).and_then(|()| beta(returns, benchmark));
    let riskless = riskless(basis);
    into.alpha = into.beta.and_then(|beta: Ratio| {
        let residuals: Vec<f64> = returns
            .iter()
            .zip(benchmark)
            .map(|(own, other)| (own - riskless) - beta.get() * (other - riskless))
            .collect();
        finite((1.0 + mean(&residuals)).powf(basis.periods_per_year.get()) - 1.0)
    });
    let active: Vec<f64> = returns.iter().zip(benchmark).map(|(own, other)| own - other).collect();
    let scale = scale(returns).max(scale(benchmark));
    into.information_ratio = at_least(2, n).and_then(|()| {
        if is_constant(&active, scale) {
            Err(Reason::ZeroVariance)
        } else {
            finite(mean(&active) / sample_sd(&active))
        }
    });
}

/// Says of every comparison that there is nothing to compare with.
pub(super) fn no_benchmark(into: &mut Metrics) {
    let absent = Err(Reason::NoBenchmark);
    into.benchmark_return = absent;
    into.beta = absent;
    into.alpha = absent;
    into.information_ratio = absent;
}

fn beta(returns: &[f64], benchmark: &[f64]) -> Metric {
    if is_constant(benchmark, scale(benchmark)) {
        return Err(Reason::ZeroVariance);
    }
    let (own, other) = (mean(returns), mean(benchmark));
    let together = sum(returns.iter().zip(benchmark).map(|(r, b)| (r - own) * (b - other)));
    let alone = sum(benchmark.iter().map(|b| (b - other).powi(2)));
    finite(together / alone)
}
