//! One symbol measured: its candidate for the brief, and the closes that it is compared by.
//!
//! A symbol that a filter on its bars refuses is not measured further: the metrics of a share of 40 bars
//! would be noise with many digits.

use std::collections::BTreeMap;

use super::filter::{Filter, of_bars};
use super::numbers::Undefined;
use super::series::{Closes, History, LONG, MEDIUM, SHORT, last};
use super::whiteness::autocorrelation;
use super::{garch, half_life, hurst, regime, score};
use crate::brief::selection::{Candidate, Constraints, Measured, Metric};
use crate::fixed::{Money, Price};
use crate::market::asset::Asset;
use crate::market::series::Series;
use crate::metrics::{Input, Metrics, Sampling, Terms};
use crate::ratio::Ratio;
use crate::time::Time;

/// A symbol of the universe.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// What is known of it.
    pub candidate: Candidate,
    /// Its last closes; empty where it has none.
    pub closes: Closes,
}

/// Measures a symbol by the bars that were closed at `as_of`. Pure, so that a caller may do it for many
/// symbols side by side.
pub fn measure(asset: &Asset, series: &Series, as_of: Time, rules: &Constraints) -> Member {
    let mut candidate = Candidate {
        symbol: asset.symbol.clone(),
        class: asset.class,
        filter_family: asset.class,
        sector: asset.sector.clone(),
        issuer: super::issuer::issuer(&asset.name),
        bars: 0,
        gap_share: Ratio::ZERO,
        last_bar_at: Time::EPOCH,
        price: Price::ZERO,
        dollar_volume: Money::ZERO,
        volatility: None,
        metrics: BTreeMap::new(),
        score: None,
        rank: None,
        excluded: Vec::new(),
    };
    let history = match History::of(series, as_of) {
        Ok(history) if asset.class == series.class => history,
        Ok(_) => {
            let name = Filter::Series.name();
            candidate.excluded.push(format!("{name}: its bars are of another class"));
            return Member { candidate, closes: Closes::default() };
        }
        Err(why) => {
            candidate.excluded.push(format!("{}: {why}", Filter::Series.name()));
            return Member { candidate, closes: Closes::default() };
        }
    };
    candidate.bars = history.bars;
    candidate.gap_share = history.gap_share;
    candidate.last_bar_at = history.last_bar_at;
    candidate.price = history.price;
    candidate.dollar_volume = history.dollar_volume;
    if of_bars(&candidate, as_of, rules).is_empty() {
        let per_year = series.timeframe.bars_per_year(asset.class);
        let (volatility, metrics) = all_metrics(&history.closes, per_year);
        candidate.volatility = volatility;
        candidate.metrics = metrics;
    }
    Member { candidate, closes: history.closes }
}

/// A metric's value with what the estimator says about itself, or why there is none.
type Found = Result<(f64, String), Undefined>;

/// The annual volatility and the eight metrics.
fn all_metrics(closes: &Closes, per_year: Ratio) -> (Option<Ratio>, BTreeMap<Metric, Measured>) {
    let returns = closes.returns();
    let (long, medium) = (last(&returns, LONG), last(&returns, MEDIUM));
    let money = performance(closes.last_logs(MEDIUM), per_year);
    let of_money = |pick: fn(&Metrics) -> crate::metrics::Metric, sign: f64| {
        let metrics = money.as_ref().map_err(|&why| Undefined::Series(why))?;
        let value = pick(metrics).map_err(Undefined::Metric)?;
        // Adding zero turns −0 into 0.
        Ok((sign * value.get() + 0.0, metrics.basis.to_string()))
    };
    let metrics = Metric::ALL.map(|metric| {
        let found: Found = match metric {
            Metric::HurstShort => hurst_of(last(&returns, SHORT)),
            Metric::HurstLong => hurst_of(long),
            Metric::HalfLife => half_life_of(closes.last_logs(MEDIUM)),
            Metric::GarchPersistence => garch_of(long),
            Metric::RegimePersistence => regime_of(long),
            Metric::Autocorrelation => autocorrelation_of(medium),
            Metric::Sharpe => of_money(|metrics| metrics.sharpe, 1.0),
            Metric::Drawdown => of_money(|metrics| metrics.max_drawdown, -1.0),
        };
        (metric, measured(metric, found))
    });
    let volatility = money.ok().and_then(|metrics| metrics.annual_volatility.ok());
    (volatility, BTreeMap::from(metrics))
}

fn measured(metric: Metric, found: Found) -> Measured {
    let found = found.and_then(|(value, diagnostic)| {
        Ratio::new(value).map(|value| (value, diagnostic)).map_err(|_| Undefined::NotFinite)
    });
    match found {
        Ok((value, diagnostic)) => {
            Measured { value: Some(value), part: Some(score::part(metric, value)), diagnostic }
        }
        Err(why) => Measured { value: None, part: None, diagnostic: format!("undefined: {why}") },
    }
}

/// Sharpe, drawdown and volatility by the formulas of every other report.
fn performance(logs: &[f64], per_year: Ratio) -> Result<Metrics, crate::metrics::MetricsError> {
    // Only ratios of prices matter; a series that begins at one cannot overflow.
    let first = logs.first().copied().unwrap_or_default();
    let values: Vec<f64> = logs.iter().map(|log| (log - first).exp()).collect();
    let terms = Terms { periods_per_year: per_year, rf: Ratio::ZERO, sampling: Sampling::Rows };
    Metrics::of(&Input { values: &values, times: None, benchmark: None, activity: None, terms })
}

fn hurst_of(returns: &[f64]) -> Found {
    let exponent = hurst::rescaled_range(returns)?;
    let other = hurst::detrended_fluctuation(returns)
        .map_or_else(|why| format!("none ({why})"), |alpha| format!("{alpha:.3}"));
    Ok((exponent, format!("R/S less Anis–Lloyd over {} returns; dfa-1 {other}", returns.len())))
}

fn half_life_of(logs: &[f64]) -> Found {
    let fit = half_life::half_life(logs)?;
    let unbiased = fit.unbiased.map_or_else(|| "none".to_owned(), |bars| format!("{bars:.1} bars"));
    let walk = if fit.dickey_fuller < half_life::RULED_OUT { "is" } else { "is not" };
    let (phi, pairs, t) = (fit.phi, fit.pairs, fit.dickey_fuller);
    Ok((
        fit.half_life,
        format!(
            "phi {phi:.5} over {pairs} pairs; too short by its small-sample bias, without it \
             {unbiased}; t {t:.2}, a random walk {walk} ruled out"
        ),
    ))
}

fn garch_of(returns: &[f64]) -> Found {
    let fit = garch::fit(returns)?;
    let garch::Garch { alpha, beta, ratio, residuals, squares, arch, .. } = fit;
    let clusters = if fit.has_clusters() { "clusters" } else { "no clusters, so nothing persists" };
    Ok((
        fit.persistence(),
        format!(
            "alpha {alpha:.4}, beta {beta:.4} over {} returns: {clusters} (likelihood ratio \
             {ratio:.1}); p of Ljung–Box {:.3}, of squares {:.3}, of arch-lm {:.3}",
            fit.returns, residuals.p, squares.p, arch.p
        ),
    ))
}

fn regime_of(returns: &[f64]) -> Found {
    let chain = regime::fit(returns)?;
    let ([calm, wild], [low, high]) = (chain.stay, chain.deviation);
    let count = returns.len();
    let states =
        if chain.has_regimes() { "two states" } else { "one state, so no regime persists" };
    let end = if chain.is_settled { "" } else { ", not settled" };
    Ok((
        chain.persistence(),
        format!(
            "{states} over {count} returns (likelihood ratio {:.1}): calm stays {calm:.3} (deviation \
             {low:.4}), wild stays {wild:.3} ({high:.4}); {} rounds{end}",
            chain.ratio, chain.rounds
        ),
    ))
}

fn autocorrelation_of(returns: &[f64]) -> Found {
    let found = autocorrelation(returns, 1)?;
    let count = crate::metrics::numerics::float(returns.len());
    let chance = 1.96 / count.sqrt();
    Ok((found, format!("lag 1 over {count} returns; chance alone stays within ±{chance:.3}")))
}
