//! Market Analyst: which way the price leans, by trend, momentum, regime and stretch.
//!
//! Rules: a mean of the parts that are known, by weight, each −1 to 1:
//! momentum (0.35): the return of 20 bars over its own deviation, ret20 ÷ (vol20·√(20÷year)) ÷ 2;
//! regime (0.25): P(bull) − P(bear) − P(crash);
//! trend (0.20): the signs of the close against its means of 50 and 200 bars, averaged;
//! MACD (0.10): the sign of its histogram;
//! stretch (0.10): −z20 ÷ 3: far above its mean it leans down.
//! Confidence: the share of the weights that is known, times (0.4 + 0.6·|score|).

use conclave_domain::advice::Advice;
use conclave_domain::arena::desk::brief::DeskBrief;
use conclave_domain::arena::desk::said::Lean;
use conclave_domain::arena::gate::Indicators;
use conclave_domain::limits::Limits;
use conclave_domain::role::Role;

use super::answer::{Report, admit};
use super::evidence::{signed, within};
use super::roster::{analyst, looking_up};
use crate::runtime::agent::{Agent, Cadence, ConsultError};

/// Bars of a year that a figure's deviation is stated for, over those of the return: √(252 ÷ 20).
const TO_20_BARS: f64 = 3.549_647_869_859_77;

/// The agent.
#[derive(Debug)]
pub(super) struct MarketAnalyst;

impl Agent for MarketAnalyst {
    type Brief = DeskBrief;
    type Answer = Report;
    const ROLE: Role = analyst(
        "market_analyst",
        "Market Analyst",
        "Reads prices and what is computed of them for one symbol.",
    );
    const CADENCE: Cadence = Cadence::EachRound;

    fn instructions(_limits: &Limits) -> String {
        format!(
            "You are shown closed bars, oldest first and dated, and indicators of the newest: returns \
             and volatility as fractions, the probabilities of four regimes, distances from means in \
             standard deviations.\n\
             - `lean`: which way the price leans over the coming weeks; unknown when the figures do \
             not suffice.\n\
             - `points`: trend, momentum, volatility, drawdown, regime: what stands out, with its \
             figure.\n\
             {}",
            looking_up()
        )
    }

    fn rules(brief: &DeskBrief, _limits: &Limits) -> Report {
        let Some(indicators) = &brief.indicators else { return unknown() };
        let parts = parts(indicators);
        let known: f64 = parts.iter().filter_map(|part| part.value.map(|_| part.weight)).sum();
        if known <= 0.0 {
            return unknown();
        }
        let sum: f64 = parts.iter().filter_map(|part| Some(part.weight * part.value?)).sum();
        let score = sum / known;
        let told = |part: &Part| Some(format!("{} {}", part.name, signed(part.value?)));
        let told: Vec<String> = parts.iter().filter_map(told).collect();
        let mut points: Vec<String> = parts.iter().filter_map(Part::point).collect();
        if let Some(vol) = indicators.features.vol_20 {
            points.push(format!("volatility of 20 bars {:.3} a year", vol.get()));
        }
        Report {
            reasoning: format!("score {} of {}", signed(score), told.join(", ")),
            lean: Lean::of_score(score),
            points,
            confidence: known * (0.4 + 0.6 * score.abs()),
            requests: Vec::new(),
        }
    }

    fn admit(answer: Report, _: &DeskBrief, limits: &Limits) -> Result<Advice, ConsultError> {
        admit(&Self::ROLE, (&answer.reasoning, answer.confidence), limits)
    }
}

fn unknown() -> Report {
    Report {
        reasoning: "no indicator is known yet".to_owned(),
        lean: Lean::Unknown,
        points: Vec::new(),
        confidence: 0.0,
        requests: Vec::new(),
    }
}

/// One part of the score.
struct Part {
    name: &'static str,
    weight: f64,
    value: Option<f64>,
}

impl Part {
    /// What stands out: a part beyond a third.
    fn point(&self) -> Option<String> {
        let value = self.value.filter(|value| value.abs() > 1.0 / 3.0)?;
        let way = if value > 0.0 { "up" } else { "down" };
        Some(format!("{} points {way} ({})", self.name, signed(value)))
    }
}

fn parts(indicators: &Indicators) -> [Part; 5] {
    let Indicators { close, sma_50, sma_200, features, further, regime, .. } = indicators;
    let above = |mean: &Option<conclave_domain::fixed::Price>| {
        mean.map(|mean| if *close > mean { 1.0 } else { -1.0 })
    };
    let trends: Vec<f64> = [above(sma_50), above(sma_200)].into_iter().flatten().collect();
    let trend = match trends.as_slice() {
        [] => None,
        [one] => Some(*one),
        [one, other, ..] => Some(f64::midpoint(*one, *other)),
    };
    let momentum = features.ret_20.zip(features.vol_20).and_then(|(ret, vol)| {
        (vol.get() > 0.0).then(|| within(ret.get() / vol.get() * TO_20_BARS / 2.0))
    });
    let lean = regime.bull.get() - regime.bear.get() - regime.crash.get();
    // Before anything was seen all regimes are alike: that is no knowledge.
    let regime = (indicators.bars > 20).then(|| within(lean));
    let part = |name, weight, value| Part { name, weight, value };
    [
        part("momentum", 0.35, momentum),
        part("regime", 0.25, regime),
        part("trend", 0.20, trend),
        part("macd", 0.10, further.macd.map(|macd| macd.histogram.get().signum())),
        part("stretch", 0.10, features.zscore_20.map(|z| within(-z.get() / 3.0))),
    ]
}
