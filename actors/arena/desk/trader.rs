//! Trader: the judgement as a plan.
//!
//! Rules: strongly for is BUY, for OVERWEIGHT, neither HOLD, against UNDERWEIGHT, strongly against SELL; by
//! the reports' own net lean where nobody judged. Confidence: the judge's, times 1 − 0.1 per standard
//! deviation by which volatility is above its mean, and 0.9 of it where that is not known; one half of the
//! net lean's size where nobody judged.

use conclave_domain::advice::Advice;
use conclave_domain::arena::desk::brief::DeskBrief;
use conclave_domain::arena::desk::said::Lean;
use conclave_domain::arena::words::Rating;
use conclave_domain::limits::Limits;
use conclave_domain::role::Role;

use super::answer::{Proposal, admit};
use super::evidence::{Evidence, signed};
use super::roster::{at_the_table, speaker, tiers};
use crate::runtime::agent::{Agent, Cadence, ConsultError};

/// What a standard deviation of volatility above its mean takes off.
const PER_VOL_Z: f64 = 0.1;

/// The agent.
#[derive(Debug)]
pub(super) struct Trader;

impl Agent for Trader {
    type Brief = DeskBrief;
    type Answer = Proposal;
    const ROLE: Role =
        speaker("trader", "Trader", "Turns the research manager's judgement into a plan.");
    const CADENCE: Cadence = Cadence::EachRound;

    fn instructions(_limits: &Limits) -> String {
        format!(
            "Turn `judgement` into one of five tiers for the own book. {}\n{}\n\
             - `points`: what the plan rests on, what would end it, and what it costs by \
             `market.rules`.\n\
             - Where there is no `judgement`, go by the reports and be less sure.",
            at_the_table(),
            tiers()
        )
    }

    fn rules(brief: &DeskBrief, _limits: &Limits) -> Proposal {
        let net = Evidence::of(brief).net();
        let judged = brief
            .judgement
            .as_ref()
            .and_then(|said| Some((said.word.lean()?, said.remark.confidence.get())));
        let (lean, confidence) = judged.unwrap_or_else(|| (Lean::of_score(net), net.abs() / 2.0));
        let rating = match lean {
            Lean::StronglyFor => Rating::Buy,
            Lean::For => Rating::Overweight,
            Lean::Neither | Lean::Unknown => Rating::Hold,
            Lean::Against => Rating::Underweight,
            Lean::StronglyAgainst => Rating::Sell,
        };
        let vol_z = brief.indicators.as_ref().and_then(|it| it.features.vol_z);
        let calm = vol_z.map_or(1.0 - PER_VOL_Z, |z| 1.0 - PER_VOL_Z * z.get().max(0.0));
        let weight = brief
            .book
            .weight
            .map_or_else(|| "an unknown share".to_owned(), |weight| format!("{:.3}", weight.get()));
        Proposal {
            reasoning: format!(
                "it leans {} ({}), so {}; {weight} of the equity is in it now",
                lean.text(),
                signed(net),
                rating.name()
            ),
            rating,
            points: Vec::new(),
            confidence: confidence * calm.max(0.0),
        }
    }

    fn admit(answer: Proposal, _: &DeskBrief, limits: &Limits) -> Result<Advice, ConsultError> {
        admit(&Self::ROLE, (&answer.reasoning, answer.confidence), limits)
    }
}
