//! Portfolio Manager: the desk's decision, one of five tiers and how sure it is.
//!
//! Rules: x = Σ confidence·tier ÷ Σ confidence over the risk debaters' last words, with BUY 2, OVERWEIGHT 1,
//! HOLD 0, UNDERWEIGHT −1, SELL −2; the plan's own tier where nobody debated or nobody is sure. The rating is
//! the tier nearest to x, halves towards HOLD. Confidence: the mean of theirs × (1 − spread ÷ 8), where the
//! spread is that between the highest and the lowest tier proposed, 0 to 4.

use conclave_domain::advice::Advice;
use conclave_domain::arena::desk::DeskRole;
use conclave_domain::arena::desk::brief::DeskBrief;
use conclave_domain::arena::desk::said::Said;
use conclave_domain::arena::words::Rating;
use conclave_domain::limits::Limits;
use conclave_domain::role::Role;

use super::answer::{Proposal, admit};
use super::evidence::{rating_at, rating_of, signed, tier};
use super::roster::{at_the_table, judge, tiers};
use crate::runtime::agent::{Agent, Cadence, ConsultError};

/// The spread at which nothing would be left of a confidence.
const SPREAD_MAX: f64 = 8.0;

/// The agent.
#[derive(Debug)]
pub(super) struct PortfolioManager;

impl Agent for PortfolioManager {
    type Brief = DeskBrief;
    type Answer = Proposal;
    const ROLE: Role =
        judge("portfolio_manager", "Portfolio Manager", "Decides on one symbol for the own book.");
    const CADENCE: Cadence = Cadence::EachRound;

    fn instructions(_limits: &Limits) -> String {
        format!(
            "Decide. {}\n{}\n\
             - `rating` is read from its field alone: what stands in your sentences decides nothing.\n\
             - `confidence` is how often you expect to be right with decisions like this one; there is \
             none by default, and half is not a way to say that you do not know.\n\
             - Use all five tiers: each of them is right for some figures.",
            at_the_table(),
            tiers()
        )
    }

    fn rules(brief: &DeskBrief, _limits: &Limits) -> Proposal {
        let last = |role: &DeskRole| brief.risk_debate.iter().rfind(|said| said.role == *role);
        let word = |said: &Said| Some((tier(rating_of(Some(said))?), said.remark.confidence.get()));
        let debated = DeskRole::RISK_DEBATERS.iter().filter_map(last).filter_map(word);
        let mut words: Vec<(i8, f64)> =
            debated.filter(|(_, confidence)| *confidence > 0.0).collect();
        if words.is_empty() {
            words.extend(brief.plan.as_ref().and_then(word));
        }
        let (mut sum, mut sure, mut count) = (0.0, 0.0, 0.0);
        for (tier, confidence) in &words {
            sum += f64::from(*tier) * confidence;
            sure += confidence;
            count += 1.0;
        }
        let x = if sure > 0.0 { sum / sure } else { 0.0 };
        let rating = nearest(x);
        let tiers = || words.iter().map(|(tier, _)| *tier);
        let spread = tiers().max().unwrap_or(0) - tiers().min().unwrap_or(0);
        let mean = if count > 0.0 { sure / count } else { 0.0 };
        let judged =
            brief.judgement.as_ref().map_or("nobody judged", |said| &said.remark.reasoning);
        Proposal {
            reasoning: format!(
                "{} at {} of {} words {spread} tiers apart; {judged}",
                rating.name(),
                signed(x),
                words.len()
            ),
            rating,
            points: Vec::new(),
            confidence: mean * (1.0 - f64::from(spread) / SPREAD_MAX),
        }
    }

    fn admit(answer: Proposal, _: &DeskBrief, limits: &Limits) -> Result<Advice, ConsultError> {
        admit(&Self::ROLE, (&answer.reasoning, answer.confidence), limits)
    }
}

/// The tier nearest to a place between −2 and 2; halves go towards HOLD.
fn nearest(x: f64) -> Rating {
    let size = x.abs();
    let steps = if size > 1.5 { 2 } else { i8::from(size > 0.5) };
    rating_at(if x < 0.0 { -steps } else { steps })
}
