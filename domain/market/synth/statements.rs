//! Quarterly statements of the synthetic shares: figures that follow the price and the regime, filed weeks
//! after their period ended.
//!
//! They draw from numbers of their own: a market is the same to the byte whether anybody asks for them.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::model::{Dice, Purpose, terms};
use super::{SynthConfig, SynthFault, SynthMarket};
use crate::alpaca::Figure;
use crate::market::bar::Bar;
use crate::market::series::Series;
use crate::market::symbol::{AssetClass, Symbol};
use crate::time::Time;

/// Share of the statements that a fault spoils.
const SPOILT: f64 = 0.15;
/// The largest change of a quarter's price that revenue follows, log.
const CHANGE_MAX: f64 = 0.5;

/// A quarter of one issuer.
#[derive(Clone, Debug, PartialEq)]
pub struct SynthStatement {
    /// Whose.
    pub symbol: Symbol,
    /// The last day of the quarter.
    pub period_end: Date,
    /// When it was filed; `None` when that is not said.
    pub filed_at: Option<Time>,
    /// The figures by name: money in whole units, per share in cents.
    pub figures: BTreeMap<&'static str, Figure>,
}

/// What an issuer is like.
struct Issuer {
    /// Shares outstanding.
    shares: f64,
    /// Revenue of the last quarter.
    revenue: f64,
    /// Net income as a share of revenue in an ordinary market.
    margin: f64,
    /// Assets in quarters of revenue.
    assets: f64,
    /// Debt as a share of assets.
    leverage: f64,
}

/// The statements of every share, one for each whole quarter of its bars, in symbol order and then by period;
/// coins file nothing.
pub fn statements(config: &SynthConfig, seed: u64, market: &SynthMarket) -> Vec<SynthStatement> {
    let shares = market.series.iter().enumerate();
    let shares = shares.filter(|(_, series)| series.class == AssetClass::Equity);
    shares.flat_map(|(index, series)| of_share(config, seed, (index, series), market)).collect()
}

fn of_share(
    config: &SynthConfig,
    seed: u64,
    (index, series): (usize, &Series),
    market: &SynthMarket,
) -> Vec<SynthStatement> {
    let Some(first) = series.bars.first() else { return Vec::new() };
    let mut dice = Dice::new(seed, Purpose::Statements(index));
    let mut issuer = Issuer::new(&mut dice, first);
    let mut told = Vec::new();
    for (begin, period_end) in quarters(series) {
        let within = |at: Time| day_of(at) >= begin && day_of(at) <= period_end;
        let mut bars = series.bars.iter().filter(|bar| within(bar.open_time));
        let Some(from) = bars.next() else { continue };
        let to = bars.next_back().unwrap_or(from);
        let change = (to.close.to_f64() / from.open.to_f64()).ln();
        let days = market.regimes.iter().filter(|day| within(day.open_time));
        let drifts: Vec<f64> = days.map(|day| terms(day.regime).0.max(-1.0)).collect();
        let mood = mean(&drifts);
        let figures = issuer.quarter(&mut dice, change.clamp_to(CHANGE_MAX), mood);
        // All dice are thrown whatever was asked for, so that a fault changes only what it spoils.
        let (weeks, late_days) = (dice.between(3.0, 6.5), dice.between(70.0, 160.0));
        let (late, unfiled) = (dice.hits(SPOILT), dice.hits(SPOILT));
        let is_late = late && config.has(SynthFault::LateStatements);
        let is_unfiled = unfiled && config.has(SynthFault::UnfiledStatements);
        let days = if is_late { late_days } else { weeks * 7.0 };
        let filed_at = evening(period_end) + Duration::from_secs_f64(days.round() * 86_400.0);
        told.push(SynthStatement {
            symbol: series.symbol.clone(),
            period_end,
            filed_at: (!is_unfiled).then_some(filed_at),
            figures,
        });
    }
    told
}

/// A number held within a distance of zero.
trait Held {
    fn clamp_to(self, most: f64) -> f64;
}

impl Held for f64 {
    fn clamp_to(self, most: f64) -> f64 {
        if self.abs() > most { most.copysign(self) } else { self }
    }
}

impl Issuer {
    fn new(dice: &mut Dice, first: &Bar) -> Self {
        let shares = (50.0 * dice.between(0.0, 3.0).exp()).round() * 1e6;
        let value = shares * first.close.to_f64();
        Self {
            shares,
            // A year's revenue is a quarter to three quarters of what the market pays for the whole.
            revenue: value * dice.between(0.25, 0.75) / 4.0,
            margin: dice.between(0.05, 0.18),
            assets: dice.between(4.0, 9.0),
            leverage: dice.between(0.1, 0.5),
        }
    }

    /// The next quarter: revenue follows the price a little, the margin the market's mood.
    fn quarter(
        &mut self,
        dice: &mut Dice,
        change: f64,
        mood: f64,
    ) -> BTreeMap<&'static str, Figure> {
        self.revenue *= (0.01 + 0.25 * change + 0.02 * dice.normal()).exp();
        let margin = self.margin + 0.08 * mood + 0.10 * change + 0.01 * dice.normal();
        let income = self.revenue * margin.clamp_to(0.4);
        let assets = self.revenue * self.assets;
        let debt = assets * self.leverage;
        let cash_flow = income + self.revenue * 0.04;
        BTreeMap::from([
            ("revenue", whole(self.revenue)),
            ("net_income", whole(income)),
            ("eps", cents(income / self.shares)),
            ("operating_cash_flow", whole(cash_flow)),
            ("assets", whole(assets)),
            ("debt", whole(debt)),
            ("equity", Figure::new(whole(assets).decimal() - whole(debt).decimal())),
            ("shares", whole(self.shares)),
        ])
    }
}

/// The whole quarters of a series: first and last day.
fn quarters(series: &Series) -> Vec<(Date, Date)> {
    let ends = series.bars.first().zip(series.bars.last());
    let Some((first, last)) =
        ends.map(|(first, last)| (day_of(first.open_time), day_of(last.close_time)))
    else {
        return Vec::new();
    };
    let begins = (first.year()..=last.year())
        .flat_map(|year| [1, 4, 7, 10].map(|month| date(year, month, 1)));
    let whole = begins.filter_map(|begin| {
        // Three months on is the next quarter's first day.
        let next = begin.checked_add(jiff::Span::new().months(3)).ok()?;
        let end = next.yesterday().ok()?;
        (begin >= first.first_of_month() && end <= last).then_some((begin, end))
    });
    whole.collect()
}

fn day_of(at: Time) -> Date {
    at.timestamp().to_zoned(TimeZone::UTC).date()
}

/// Nine in the evening in UTC: after the close of New York in summer and in winter.
fn evening(day: Date) -> Time {
    let evening = day.at(21, 0, 0, 0).to_zoned(TimeZone::UTC);
    evening.map_or(Time::EPOCH, |evening| Time::from(evening.timestamp()))
}

#[expect(clippy::cast_precision_loss, reason = "the days of a quarter")]
fn mean(of: &[f64]) -> f64 {
    if of.is_empty() { 0.0 } else { of.iter().sum::<f64>() / of.len() as f64 }
}

#[expect(clippy::cast_possible_truncation, reason = "an issuer is worth far less than 2^63")]
fn whole(number: f64) -> Figure {
    Figure::new(Decimal::new(number.round() as i64, 0))
}

#[expect(clippy::cast_possible_truncation, reason = "a share earns far less than 2^63 cents")]
fn cents(number: f64) -> Figure {
    Figure::new(Decimal::new((number * 100.0).round() as i64, 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::synth::{Preset, generate};

    fn told(faults: &[SynthFault]) -> Vec<SynthStatement> {
        let config = SynthConfig {
            symbols: 4,
            coins: 1,
            bars: 750,
            faults: faults.iter().copied().collect(),
            ..SynthConfig::of(Preset::Default)
        };
        statements(&config, 7, &generate(&config, 7).unwrap())
    }

    fn figure(of: &SynthStatement, name: &str) -> Decimal {
        of.figures[name].decimal()
    }

    /// D-1: the same seed gives the same statements, and a fault changes only what it spoils.
    #[test]
    fn every_whole_quarter_is_filed_weeks_after_it_ended() {
        let all = told(&[]);
        assert_eq!(all, told(&[]));
        // Three years of 252 sessions from January 2010 have eleven whole quarters.
        assert_eq!(all.len(), 4 * 11);
        assert!(all.iter().all(|it| it.symbol.as_str() != "COIN1/USD"));
        for one in &all {
            let days = one.filed_at.unwrap().since(evening(one.period_end)).as_secs() / 86_400;
            assert!((21..=46).contains(&days), "{days}");
            assert_eq!(figure(one, "equity"), figure(one, "assets") - figure(one, "debt"));
            let per_share = figure(one, "net_income") / figure(one, "shares");
            assert!((per_share - figure(one, "eps")).abs() < Decimal::new(1, 2));
            assert!(figure(one, "revenue") > Decimal::ZERO);
        }
    }

    #[test]
    fn some_are_unfiled_or_late_on_request_and_the_figures_stay() {
        let (plain, spoilt) =
            (told(&[]), told(&[SynthFault::UnfiledStatements, SynthFault::LateStatements]));
        assert_eq!(plain.len(), spoilt.len());
        let (mut unfiled, mut late) = (0, 0);
        for (one, other) in plain.iter().zip(&spoilt) {
            assert_eq!(one.figures, other.figures);
            match other.filed_at {
                None => unfiled += 1,
                filed_at if filed_at == one.filed_at => {}
                filed_at => {
                    late += 1;
                    assert!(filed_at > one.filed_at);
                }
            }
        }
        assert!(unfiled > 0 && late > 0, "{unfiled} unfiled, {late} late");
    }

    #[test]
    fn a_falling_quarter_earns_less_than_a_rising_one() {
        let mut dice = Dice::new(1, Purpose::Statements(0));
        let issuer =
            || Issuer { shares: 1e8, revenue: 1e9, margin: 0.1, assets: 5.0, leverage: 0.3 };
        let income = |dice: &mut Dice, change, mood| {
            issuer().quarter(dice, change, mood)["net_income"].decimal()
        };
        let (bad, good) = (income(&mut dice, -0.2, -0.5), income(&mut dice, 0.1, 0.16));
        assert!(bad + bad < good, "{bad} {good}");
    }
}
