//! Position Sizer: how large the entry should be, given volatility, drawdown and the signal.
//!
//! Team trading, authority advise. Answers `size_multiplier` (unitless factor on the base size; the
//! caps follow after it).
//!
//! Rules: `(0.20 ÷ vol_20) × (1 − drawdown ÷ drawdown limit)⁺ × (0.5 + confidence)`.
//! Vote: raw ≥ 0.5 for, else against. Where `vol_20` is unknown or zero (a price that stands still is
//! no price) the risk of the position is unknown: the raw factor is 0, against.

use conclave_domain::advice::{Advice, Lever};
use conclave_domain::brief::trading::TradingBrief;
use conclave_domain::limits::Limits;
use conclave_domain::role::{Authority, Role, Team, Tier};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::runtime::agent::{Agent, Cadence, ConsultError};
use crate::runtime::answer::{Ballot, Draft, percent, shown};

/// The annual volatility at which the base size is right.
const TARGET_VOLATILITY: f64 = 0.20;
/// What is added to the signal's confidence, so that a confidence of one half leaves the size.
const CONFIDENCE_OFFSET: f64 = 0.5;
/// From this raw factor on the entry is worth its costs.
const FOR_FROM: f64 = 0.5;

/// The raw answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// One sentence with the figures that decided.
    pub reasoning: String,
    /// Factor on the base size.
    #[schemars(extend("x-bound" = "size_multiplier"))]
    pub size_multiplier: f64,
    /// For or against the entry.
    pub vote: Ballot,
    /// How sure you are of this answer.
    #[schemars(extend("x-bound" = "confidence"))]
    pub confidence: f64,
}

/// The agent.
#[derive(Debug)]
pub struct PositionSizer;

impl Agent for PositionSizer {
    type Brief = TradingBrief;
    type Answer = Answer;
    const ROLE: Role = Role {
        name: "position_sizer",
        title: "Position Sizer",
        team: Team::Trading,
        authority: Authority::Advise,
        tier: Tier::Haiku,
        purpose: "Says how large an entry should be, given volatility, drawdown and the signal.",
    };
    const CADENCE: Cadence = Cadence::EachEntry;

    fn instructions(limits: &Limits) -> String {
        let bounds = &limits.bounds.size_multiplier;
        format!(
            "Say how large the entry should be beside its base size, which already respects the \
             caps on position, exposure and cash.\n\
             - `size_multiplier` scales the base size; it is clamped to {min} .. {max}, to {critical} \
             unless the round is unanimous and a permit is left, and the caps are applied again \
             after it: a position of at most {position} of equity, exposure below {exposure}, cash \
             of at least {cash}.\n\
             - `vote`: against when even a small position is not worth its risk and costs.\n\
             - A yardstick: {target} ÷ annual volatility, times what is left of the drawdown limit \
             of {drawdown}, times ({offset} + the signal's confidence); for from {for_from}.",
            min = bounds.min(),
            max = bounds.max(),
            critical = limits.sizing.critical_factor,
            position = percent(limits.risk.position_max.get()),
            exposure = percent(limits.risk.exposure_max.get()),
            cash = percent(limits.risk.cash_min.get()),
            target = percent(TARGET_VOLATILITY),
            drawdown = percent(limits.risk.drawdown_halt.get()),
            offset = CONFIDENCE_OFFSET,
            for_from = FOR_FROM,
        )
    }

    fn rules(brief: &TradingBrief, limits: &Limits) -> Answer {
        let volatility = brief.features.vol_20.filter(|volatility| volatility.get() > 0.0);
        let by_volatility =
            volatility.map_or(0.0, |volatility| TARGET_VOLATILITY / volatility.get());
        let used = brief.book.drawdown.get() / limits.risk.drawdown_halt.get();
        let left = (1.0 - used).max(0.0);
        let raw = by_volatility * left * (CONFIDENCE_OFFSET + brief.confidence.get());
        Answer {
            reasoning: format!(
                "size × {raw:.3} from volatility {}, drawdown {:.3} and confidence {:.3}",
                shown(volatility),
                brief.book.drawdown.get(),
                brief.confidence.get()
            ),
            size_multiplier: raw,
            vote: if raw >= FOR_FROM { Ballot::For } else { Ballot::Against },
            // Half sure on the edge, sure one whole base size away from it.
            confidence: 0.5 + (raw - FOR_FROM).abs() / 2.0,
        }
    }

    fn admit(
        answer: Answer,
        _brief: &TradingBrief,
        limits: &Limits,
    ) -> Result<Advice, ConsultError> {
        let mut draft = Draft::new(limits);
        let value = draft.admit(&limits.bounds.size_multiplier, answer.size_multiplier)?;
        draft.ask(Lever::SizeMultiplier { value });
        draft.finish(&Self::ROLE, answer.vote.into(), answer.confidence, &answer.reasoning)
    }
}

#[cfg(test)]
mod tests {
    use conclave_domain::ratio::Ratio;
    use serde_json::json;

    use super::*;
    use crate::runtime::agent::Entry;
    use crate::runtime::tests::answer_cases::{
        admits_only_bounded_numbers, read, refuses_what_is_no_answer,
    };
    use crate::trading::sample;

    fn good() -> serde_json::Value {
        json!({"reasoning": "calm", "size_multiplier": 1.2, "vote": "for", "confidence": 0.8})
    }

    #[track_caller]
    fn check(raw: f64, used: f64, clamps: usize) {
        let mut answer = good();
        answer["size_multiplier"] = json!(raw);
        let entry = Entry::of::<PositionSizer>();
        let advice =
            read(&entry, &answer.to_string(), &sample::entry(), &Limits::default()).unwrap();
        assert!(
            matches!(&advice.levers[..], [Lever::SizeMultiplier { value }]
                if (value.get() - used).abs() < 1e-15),
            "{advice:?}"
        );
        assert_eq!(advice.clamps.len(), clamps, "{raw}");
    }

    #[test]
    fn an_answer_is_read_and_clamped() {
        check(1.2, 1.2, 0);
        check(2.5, 2.0, 1);
        check(-1e300, 0.3, 1);
        check(0.0, 0.3, 1);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        refuses_what_is_no_answer(&Entry::of::<PositionSizer>(), &good(), &sample::entry());
    }

    /// B-1: every number that leaves the agent is finite and within its bounds.
    #[test]
    fn any_float_is_bounded_or_refused() {
        let brief = sample::entry();
        admits_only_bounded_numbers::<PositionSizer>(&good(), &brief, |answer, raw| {
            answer.size_multiplier = raw;
        });
    }

    #[test]
    fn the_rules_are_the_formula() {
        let limits = Limits::default();
        let mut brief = sample::entry();
        for (volatility, drawdown, confidence, expected, vote) in [
            // 0.20/0.25 × (1 − 0.03/0.15) × (0.5 + 0.6) = 0.8 × 0.8 × 1.1
            (Some(0.25), 0.03, 0.6, 0.704, Ballot::For),
            // 0.20/0.05 × 1 × 1.4: more than the bound, clamped later
            (Some(0.05), 0.0, 0.9, 5.6, Ballot::For),
            // 0.20/0.50 × 1 × 1.0
            (Some(0.50), 0.0, 0.5, 0.4, Ballot::Against),
            // a drawdown beyond its limit leaves nothing, and never turns the sign
            (Some(0.10), 0.30, 0.9, 0.0, Ballot::Against),
            (Some(0.0), 0.0, 0.9, 0.0, Ballot::Against),
            (None, 0.0, 0.9, 0.0, Ballot::Against),
        ] {
            brief.features.vol_20 = volatility.map(Ratio::of);
            brief.book.drawdown = Ratio::of(drawdown);
            brief.confidence = Ratio::of(confidence);
            let answer = PositionSizer::rules(&brief, &limits);
            assert!((answer.size_multiplier - expected).abs() < 1e-12, "{answer:?}");
            assert_eq!(answer.vote, vote, "{answer:?}");
        }
    }
}
