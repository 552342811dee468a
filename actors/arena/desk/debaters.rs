//! Bull and Bear: what speaks for a price to rise, and what against it, from the reports alone.
//!
//! Rules: the reports that lean their way, by weight, confidence and lean. The strength of a side is
//! (own + 0.05) ÷ (own + other + 0.10). Who answers an opponent concedes a tenth of the opponent's strength:
//! strength × (1 − 0.1·opponent). The first turn has nobody to answer.

use conclave_domain::advice::Advice;
use conclave_domain::arena::desk::brief::DeskBrief;
use conclave_domain::limits::Limits;
use conclave_domain::role::Role;

use super::answer::{Argument, admit};
use super::evidence::{Evidence, points};
use super::roster::{at_the_table, speaker};
use crate::runtime::agent::{Agent, Cadence, ConsultError};

/// What is conceded of an opponent's strength.
const CONCEDED: f64 = 0.1;

/// The debater who argues for it.
#[derive(Debug)]
pub(super) struct Bull;

impl Agent for Bull {
    type Brief = DeskBrief;
    type Answer = Argument;
    const ROLE: Role = speaker("bull", "Bull Researcher", "Argues for the price to rise.");
    const CADENCE: Cadence = Cadence::EachRound;

    fn instructions(_limits: &Limits) -> String {
        instructions("rise")
    }

    fn rules(brief: &DeskBrief, _limits: &Limits) -> Argument {
        let evidence = Evidence::of(brief);
        argue(brief, ("rise", 1.0), (evidence.supports, evidence.opposes))
    }

    fn admit(answer: Argument, _: &DeskBrief, limits: &Limits) -> Result<Advice, ConsultError> {
        admit(&Self::ROLE, (&answer.reasoning, answer.confidence), limits)
    }
}

/// The debater who argues against it.
#[derive(Debug)]
pub(super) struct Bear;

impl Agent for Bear {
    type Brief = DeskBrief;
    type Answer = Argument;
    const ROLE: Role = speaker("bear", "Bear Researcher", "Argues for the price to fall.");
    const CADENCE: Cadence = Cadence::EachRound;

    fn instructions(_limits: &Limits) -> String {
        instructions("fall")
    }

    fn rules(brief: &DeskBrief, _limits: &Limits) -> Argument {
        let evidence = Evidence::of(brief);
        argue(brief, ("fall", -1.0), (evidence.opposes, evidence.supports))
    }

    fn admit(answer: Argument, _: &DeskBrief, limits: &Limits) -> Result<Advice, ConsultError> {
        admit(&Self::ROLE, (&answer.reasoning, answer.confidence), limits)
    }
}

fn instructions(way: &str) -> String {
    format!(
        "Argue, from the reports alone, that the price will {way} over the coming weeks. {}\n\
         - `opponent` is the other side's last word: answer its strongest point. Where there is no \
         `opponent` nobody has spoken against you yet: answer nobody, and make up no other side.\n\
         - `confidence`: how strong your side is on the figures, said honestly; a weak case is weak.\n\
         - Figures that stand in no report are not to be used.",
        at_the_table()
    )
}

fn argue(brief: &DeskBrief, (way, sign): (&str, f64), (own, other): (f64, f64)) -> Argument {
    let strength = Evidence::strength(own, other);
    let against = brief.opponent.as_ref().map_or(0.0, |said| said.remark.confidence.get());
    let confidence = strength * (1.0 - CONCEDED * against);
    let points = points(brief, sign);
    let answered = if brief.opponent.is_some() {
        format!(", conceding a tenth of the other side's {against:.3}")
    } else {
        String::new()
    };
    let reasoning = format!(
        "{} of {} reports say that it will {way}, weighing {own:.3} against {other:.3}{answered}",
        points.len(),
        brief.reports.len()
    );
    Argument { reasoning, points, confidence }
}
