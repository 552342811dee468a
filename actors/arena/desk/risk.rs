//! Aggressive, Neutral and Conservative: how much of the plan's risk to take, from the own book, the
//! volatility and the market's rules.
//!
//! Rules, each from the plan's tier and with the plan's confidence:
//! aggressive goes one tier up from OVERWEIGHT, where P(crash) < 0.1, volatility is below one deviation above
//! its mean and less than a full position is held;
//! neutral keeps the tier;
//! conservative goes one tier down for each of these, two at most: volatility above one deviation (or not
//! known), P(crash) > 0.2, a close more than two deviations above its mean, a position that is full already,
//! less than a tenth of the equity in cash. HOLD is where caution ends for a plan to buy.

use conclave_domain::advice::Advice;
use conclave_domain::arena::desk::brief::DeskBrief;
use conclave_domain::arena::words::Rating;
use conclave_domain::limits::Limits;
use conclave_domain::ratio::Ratio;
use conclave_domain::role::Role;

use super::answer::{Proposal, admit};
use super::evidence::{rating_at, rating_of, tier};
use super::roster::{at_the_table, speaker, tiers};
use crate::runtime::agent::{Agent, Cadence, ConsultError};

/// Below this a crash is no concern of the aggressive.
const CRASH_SMALL: f64 = 0.1;
/// Above this it is one of the conservative.
const CRASH_LARGE: f64 = 0.2;
/// Standard deviations of volatility above its mean that are wild.
const WILD: f64 = 1.0;
/// Standard deviations of a close above its mean that are too far.
const STRETCHED: f64 = 2.0;
/// The share of equity below which cash is short.
const CASH_SHORT: f64 = 0.1;
/// The most tiers that caution takes.
const CAUTION_MAX: i8 = 2;

/// What the risk debaters look at.
struct Risk {
    plan: Rating,
    confidence: f64,
    is_full: bool,
    cash: f64,
    crash: f64,
    vol_z: Option<f64>,
    stretch: f64,
}

impl Risk {
    /// `None` without a plan: then there is nothing to weigh.
    fn of(brief: &DeskBrief) -> Option<Self> {
        let plan = rating_of(brief.plan.as_ref())?;
        let features = brief.indicators.as_ref().map(|it| it.features);
        let full = brief.market.full_position.get();
        Some(Self {
            plan,
            confidence: brief.plan.as_ref()?.remark.confidence.get(),
            is_full: brief.book.weight.is_some_and(|weight| weight.get() >= full * 0.95),
            cash: brief.book.cash.to_f64() / brief.book.equity.to_f64(),
            crash: brief.indicators.as_ref().map_or(0.25, |it| it.regime.crash.get()),
            vol_z: features.and_then(|it| it.vol_z).map(Ratio::get),
            stretch: features.and_then(|it| it.zscore_20).map_or(0.0, Ratio::get),
        })
    }

    /// What a careful eye finds, a sentence each.
    fn cautions(&self) -> Vec<String> {
        let mut found = Vec::new();
        match self.vol_z {
            None => found.push("how unusual the volatility is, is not known".to_owned()),
            Some(z) if z > WILD => {
                found.push(format!("volatility is {z:.2} deviations above its mean"));
            }
            Some(_) => {}
        }
        if self.crash > CRASH_LARGE {
            found.push(format!("a crash has a probability of {:.2}", self.crash));
        }
        if self.stretch > STRETCHED {
            found.push(format!("the close is {:.2} deviations above its mean", self.stretch));
        }
        if self.is_full {
            found.push("the position is full already".to_owned());
        }
        if self.cash < CASH_SHORT {
            found.push(format!("cash is {:.3} of the equity", self.cash));
        }
        found
    }

    fn propose(&self, rating: Rating, points: Vec<String>, why: &str) -> Proposal {
        let reasoning = if rating == self.plan {
            format!("{} as planned: {why}", rating.name())
        } else {
            format!("{} instead of {}: {why}", rating.name(), self.plan.name())
        };
        Proposal { reasoning, rating, points, confidence: self.confidence }
    }
}

/// What a debater says where there is no plan to weigh: nothing is taken, and nobody is sure.
fn nothing_to_weigh() -> Proposal {
    Proposal {
        reasoning: "there is no plan to weigh".to_owned(),
        rating: Rating::Hold,
        points: Vec::new(),
        confidence: 0.0,
    }
}

fn instructions(stance: &str) -> String {
    format!(
        "Weigh the risk of `plan` and propose a tier. {stance} {}\n{}\n\
         - `risk_debate` holds what was said before you, in order; where it is empty you are the first.\n\
         - Volatility, crash probability, the size of the position beside `market.full_position`, cash, \
         and what `market.rules` forbid or charge are what counts.",
        at_the_table(),
        tiers()
    )
}

/// The debater who takes it.
#[derive(Debug)]
pub(super) struct Aggressive;

impl Agent for Aggressive {
    type Brief = DeskBrief;
    type Answer = Proposal;
    const ROLE: Role =
        speaker("aggressive", "Aggressive Analyst", "Argues for taking the plan's risk.");
    const CADENCE: Cadence = Cadence::EachRound;

    fn instructions(_limits: &Limits) -> String {
        instructions("You argue for taking risk where it is paid for, and say where it is not.")
    }

    fn rules(brief: &DeskBrief, _limits: &Limits) -> Proposal {
        let Some(risk) = Risk::of(brief) else { return nothing_to_weigh() };
        let is_calm = risk.crash < CRASH_SMALL && risk.vol_z.is_some_and(|z| z < WILD);
        if risk.plan == Rating::Overweight && is_calm && !risk.is_full {
            let points = vec![format!("a crash has a probability of {:.2}", risk.crash)];
            risk.propose(Rating::Buy, points, "it is calm and there is room")
        } else {
            risk.propose(risk.plan, Vec::new(), "no more than the plan is paid for")
        }
    }

    fn admit(answer: Proposal, _: &DeskBrief, limits: &Limits) -> Result<Advice, ConsultError> {
        admit(&Self::ROLE, (&answer.reasoning, answer.confidence), limits)
    }
}

/// The debater in the middle.
#[derive(Debug)]
pub(super) struct Neutral;

impl Agent for Neutral {
    type Brief = DeskBrief;
    type Answer = Proposal;
    const ROLE: Role =
        speaker("neutral", "Neutral Analyst", "Weighs both sides of the plan's risk.");
    const CADENCE: Cadence = Cadence::EachRound;

    fn instructions(_limits: &Limits) -> String {
        instructions("You take neither side and say which of the two has the figures.")
    }

    fn rules(brief: &DeskBrief, _limits: &Limits) -> Proposal {
        let Some(risk) = Risk::of(brief) else { return nothing_to_weigh() };
        risk.propose(risk.plan, risk.cautions(), "the plan stands as it is")
    }

    fn admit(answer: Proposal, _: &DeskBrief, limits: &Limits) -> Result<Advice, ConsultError> {
        admit(&Self::ROLE, (&answer.reasoning, answer.confidence), limits)
    }
}

/// The debater who takes less of it.
#[derive(Debug)]
pub(super) struct Conservative;

impl Agent for Conservative {
    type Brief = DeskBrief;
    type Answer = Proposal;
    const ROLE: Role = speaker(
        "conservative",
        "Conservative Analyst",
        "Argues for taking less of the plan's risk.",
    );
    const CADENCE: Cadence = Cadence::EachRound;

    fn instructions(_limits: &Limits) -> String {
        instructions("You argue for losing less, and say what caution would cost.")
    }

    fn rules(brief: &DeskBrief, _limits: &Limits) -> Proposal {
        let Some(risk) = Risk::of(brief) else { return nothing_to_weigh() };
        let cautions = risk.cautions();
        let steps = i8::try_from(cautions.len()).unwrap_or(CAUTION_MAX).min(CAUTION_MAX);
        let planned = tier(risk.plan);
        // A plan to buy is brought down to HOLD and no further: caution is no opinion on the price.
        let lowest = if planned > 0 { 0 } else { planned };
        let rating = rating_at((planned - steps).max(lowest));
        let why = if cautions.is_empty() {
            "nothing speaks for less"
        } else {
            "there is reason for less"
        };
        risk.propose(rating, cautions, why)
    }

    fn admit(answer: Proposal, _: &DeskBrief, limits: &Limits) -> Result<Advice, ConsultError> {
        admit(&Self::ROLE, (&answer.reasoning, answer.confidence), limits)
    }
}
