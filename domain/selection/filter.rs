//! The hard filters, by class. What a class is, the table of assets says; a symbol's name says nothing.
//!
//! Every filter on bars looks at every symbol, so that all reasons are known. Volatility and metrics are
//! looked at of those only that pass these, because of others they are not measured. The report counts a
//! symbol only up to the first filter that refuses it.

use std::time::Duration;

use super::measure::Member;
use crate::brief::selection::{Candidate, Constraints, FilterReport, Metric};
use crate::market::symbol::AssetClass;
use crate::ratio::Ratio;
use crate::time::Time;

/// Seconds in a day.
const DAY_S: u64 = 86_400;

/// A filter. They are applied in the order of [`Filter::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Filter {
    /// The bars can be read at all.
    Series,
    /// There are enough bars.
    Bars,
    /// Few of them are missing.
    Gaps,
    /// The last one is young.
    Age,
    /// The price is one that can be traded.
    Price,
    /// Enough is traded.
    DollarVolume,
    /// It moves, but not wildly.
    Volatility,
    /// Every metric has a value.
    Metrics,
    /// Both Hurst exponents lie between 0 and 1.
    Hurst,
    /// The half-life is short enough.
    HalfLife,
    /// Shocks to the volatility die out.
    Garch,
}

impl Filter {
    /// All of them, in the order of their application.
    pub const ALL: [Self; 11] = [
        Self::Series,
        Self::Bars,
        Self::Gaps,
        Self::Age,
        Self::Price,
        Self::DollarVolume,
        Self::Volatility,
        Self::Metrics,
        Self::Hurst,
        Self::HalfLife,
        Self::Garch,
    ];

    /// The name in reports; reasons begin with it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Series => "series",
            Self::Bars => "bars",
            Self::Gaps => "gaps",
            Self::Age => "age",
            Self::Price => "price",
            Self::DollarVolume => "dollar_volume",
            Self::Volatility => "volatility",
            Self::Metrics => "metrics",
            Self::Hurst => "hurst",
            Self::HalfLife => "half_life",
            Self::Garch => "garch",
        }
    }
}

/// A filter and why it refuses.
pub type Refusal = (Filter, String);

/// What the filters on bars, price and volume say against a symbol.
pub fn of_bars(candidate: &Candidate, as_of: Time, rules: &Constraints) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let mut refuse = |filter: Filter, why: String| refusals.push((filter, why));
    if candidate.bars < rules.bars_min {
        let why = format!("{} bars, {} needed", candidate.bars, rules.bars_min);
        refuse(Filter::Bars, why);
    }
    if candidate.gap_share > rules.gap_share_max {
        let (share, most) = (percent(candidate.gap_share), percent(rules.gap_share_max));
        refuse(Filter::Gaps, format!("{share} of its bars are missing, {most} allowed"));
    }
    let age = as_of.since(candidate.last_bar_at);
    if age > Duration::from_secs(u64::from(rules.stale_days_max) * DAY_S) {
        let days = age.as_secs() / DAY_S;
        let why = format!("the last bar is {days} days old, {} allowed", rules.stale_days_max);
        refuse(Filter::Age, why);
    }
    let (price_min, volume_min) = match candidate.filter_family {
        AssetClass::Equity => (rules.equity_price_min, rules.equity_volume_min),
        AssetClass::Crypto => Default::default(),
    };
    if candidate.price < price_min || candidate.price.raw() <= 0 {
        refuse(Filter::Price, format!("a price of {}, at least {price_min}", candidate.price));
    }
    if candidate.dollar_volume < volume_min || candidate.dollar_volume.raw() <= 0 {
        let traded = candidate.dollar_volume;
        let why = format!("{traded:.0} traded a session, at least {volume_min}");
        refuse(Filter::DollarVolume, why);
    }
    refusals
}

/// What the filters on metrics say against a symbol that was measured.
fn of_metrics(candidate: &Candidate, rules: &Constraints) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let mut refuse = |filter: Filter, why: String| refusals.push((filter, why));
    let (least, most) = (rules.volatility_min, rules.volatility_max);
    let allowed = format!("{} to {} allowed", percent(least), percent(most));
    match candidate.volatility {
        Some(found) if least <= found && found <= most => {}
        Some(found) => {
            let found = percent(found);
            refuse(Filter::Volatility, format!("a volatility of {found} a year, {allowed}"));
        }
        None => refuse(Filter::Volatility, format!("no volatility, {allowed}")),
    }
    for metric in Metric::ALL {
        let found = candidate.metrics.get(&metric);
        let why = found.map_or("not measured", |found| found.diagnostic.as_str());
        match found.and_then(|found| found.value) {
            None => refuse(Filter::Metrics, format!("{} {why}", metric.name())),
            Some(value) => {
                if let Some((filter, range)) = out_of_range(metric, value.get(), rules) {
                    let why = format!("{} {:.4} is not {range}", metric.name(), value.get());
                    refuse(filter, why);
                }
            }
        }
    }
    refusals
}

/// The filter that refuses a metric's value, and the range that it asks for.
fn out_of_range(metric: Metric, value: f64, rules: &Constraints) -> Option<(Filter, String)> {
    let (most, persistence) = (rules.half_life_max.get(), rules.garch_persistence_max.get());
    let (filter, holds, range) = match metric {
        Metric::HurstShort | Metric::HurstLong => {
            (Filter::Hurst, 0.0 < value && value < 1.0, "between 0 and 1".to_owned())
        }
        Metric::HalfLife => {
            (Filter::HalfLife, 0.0 < value && value < most, format!("between 0 and {most} bars"))
        }
        Metric::GarchPersistence => {
            (Filter::Garch, value < persistence, format!("below {persistence}"))
        }
        _ => return None,
    };
    (!holds).then_some((filter, range))
}

fn percent(share: Ratio) -> String {
    format!("{:.1} %", share.get() * 100.0)
}

/// Every refusal of a symbol, in the order of the filters. One that [`super::measure::measure`] could not
/// read has its reason already and gets no other.
fn refusals(member: &Member, as_of: Time, rules: &Constraints) -> Vec<Refusal> {
    let candidate = &member.candidate;
    if let Some(why) = candidate.excluded.first() {
        let prefix = format!("{}: ", Filter::Series.name());
        return vec![(Filter::Series, why.trim_start_matches(&prefix).to_owned())];
    }
    let mut refusals = of_bars(candidate, as_of, rules);
    if refusals.is_empty() {
        refusals = of_metrics(candidate, rules);
    }
    refusals.sort_by_key(|(filter, _)| *filter);
    refusals
}

/// Applies all filters: each candidate gets its reasons, each filter and class its line.
pub fn apply(members: &mut [Member], as_of: Time, rules: &Constraints) -> Vec<FilterReport> {
    let all: Vec<Vec<Refusal>> =
        members.iter().map(|member| refusals(member, as_of, rules)).collect();
    let mut reports = Vec::new();
    for class in [AssetClass::Equity, AssetClass::Crypto] {
        let of_class = || {
            let pairs = members.iter().zip(&all);
            pairs.filter(|(member, _)| member.candidate.class == class).map(|(_, why)| why)
        };
        if of_class().next().is_none() {
            continue;
        }
        for filter in Filter::ALL {
            let first = |why: &&Vec<Refusal>| why.first().map(|(first, _)| *first);
            let seen = of_class().filter(|why| first(why).is_none_or(|at| at >= filter)).count();
            let passed = of_class().filter(|why| first(why).is_none_or(|at| at > filter)).count();
            let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
            reports.push(FilterReport {
                filter: filter.name().to_owned(),
                class,
                seen: count(seen),
                passed: count(passed),
            });
        }
    }
    for (member, why) in members.iter_mut().zip(all) {
        let text = |(filter, why): Refusal| format!("{}: {why}", filter.name());
        member.candidate.excluded = why.into_iter().map(text).collect();
    }
    reports
}
