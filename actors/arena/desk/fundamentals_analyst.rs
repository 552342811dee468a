//! Fundamentals Analyst: whether a business grows and earns, by the statements that were filed.
//!
//! Rules: the newest statement against that of the same quarter a year before (four statements back), or,
//! where there is none, against the one before it. Parts, each −1 to 1, averaged by weight over what is
//! known: growth of revenue (0.35) and of net income (0.35), each relative growth over 0.2; the net margin
//! over 0.2 (0.15); debt over assets, 1 − 2·share (0.15). Confidence: the known weight times
//! (0.4 + 0.6·|score|), times 0.8 without a year to compare with. Without two statements growth is unknown.

use std::collections::BTreeMap;

use conclave_domain::advice::Advice;
use conclave_domain::alpaca::Figure;
use conclave_domain::arena::desk::brief::DeskBrief;
use conclave_domain::arena::desk::said::Lean;
use conclave_domain::arena::gate::StatementTold;
use conclave_domain::limits::Limits;
use conclave_domain::role::Role;

use super::answer::{Report, admit};
use super::evidence::{signed, within};
use super::roster::{analyst, looking_up};
use crate::runtime::agent::{Agent, Cadence, ConsultError};

/// Statements in a year.
const YEAR: usize = 4;
/// Growth, and a margin, that say all they can.
const FULL: f64 = 0.2;
/// What a comparison with the former quarter is worth beside one with the former year.
const QUARTER_TRUST: f64 = 0.8;

/// The agent.
#[derive(Debug)]
pub(super) struct FundamentalsAnalyst;

impl Agent for FundamentalsAnalyst {
    type Brief = DeskBrief;
    type Answer = Report;
    const ROLE: Role = analyst(
        "fundamentals_analyst",
        "Fundamentals Analyst",
        "Reads the filed statements of one issuer.",
    );
    const CADENCE: Cadence = Cadence::EachRound;

    fn instructions(_limits: &Limits) -> String {
        format!(
            "You are shown statements, oldest period first, each with the day on which its period \
             ended and the moment at which it was filed; nothing of it was known before.\n\
             - `lean`: what growth, earnings and debt mean for the price over the coming weeks; \
             unknown where there are no statements.\n\
             - `points`: revenue, income, margin, debt: what stands out, with its figure and against \
             which period.\n\
             {}",
            looking_up()
        )
    }

    fn rules(brief: &DeskBrief, _limits: &Limits) -> Report {
        let told = brief.statements.as_ref().map(|told| told.items.as_slice()).unwrap_or_default();
        let Some((newest, before)) = told.split_last() else { return unknown() };
        let year = before.len().checked_sub(YEAR).and_then(|at| before.get(at));
        let base = year.or_else(|| before.last());
        let parts = parts(newest, base);
        let known: f64 = parts.iter().filter_map(|(_, weight, value)| value.map(|_| weight)).sum();
        if known <= 0.0 {
            return unknown();
        }
        let sum: f64 = parts.iter().filter_map(|(_, weight, value)| Some(weight * (*value)?)).sum();
        let score = sum / known;
        let told = |(name, _, value): &(&str, f64, Option<f64>)| {
            Some(format!("{name} {}", signed((*value)?)))
        };
        let told: Vec<String> = parts.iter().filter_map(told).collect();
        let trust = if year.is_some() { 1.0 } else { QUARTER_TRUST };
        let period = newest.period_end;
        Report {
            reasoning: format!("score {} of {} for {period}", signed(score), told.join(", ")),
            lean: Lean::of_score(score),
            points: told,
            confidence: trust * known * (0.4 + 0.6 * score.abs()),
            requests: Vec::new(),
        }
    }

    fn admit(answer: Report, _: &DeskBrief, limits: &Limits) -> Result<Advice, ConsultError> {
        admit(&Self::ROLE, (&answer.reasoning, answer.confidence), limits)
    }
}

fn unknown() -> Report {
    Report {
        reasoning: "no statement is known".to_owned(),
        lean: Lean::Unknown,
        points: Vec::new(),
        confidence: 0.0,
        requests: Vec::new(),
    }
}

/// A figure by one of its names, as a float.
fn figure(figures: &BTreeMap<String, Figure>, names: &[&str]) -> Option<f64> {
    let found = names.iter().find_map(|name| figures.get(*name))?;
    // Statements are judged, not booked: fifteen digits are enough for a ratio.
    let value: f64 = found.to_string().parse().ok()?;
    value.is_finite().then_some(value)
}

type Part = (&'static str, f64, Option<f64>);

fn parts(newest: &StatementTold, base: Option<&StatementTold>) -> [Part; 4] {
    let of = |names: &[&str]| figure(&newest.figures, names);
    let growth = |names: &[&str]| {
        let (now, then) = (of(names)?, figure(&base?.figures, names)?);
        // From a loss to a gain is growth, whatever the quotient says.
        (then.abs() > 0.0).then(|| within((now - then) / then.abs() / FULL))
    };
    let revenue = ["revenue"];
    let income = ["net_income", "eps"];
    let margin = of(&["net_income"])
        .zip(of(&revenue))
        .and_then(|(income, revenue)| (revenue > 0.0).then(|| within(income / revenue / FULL)));
    let debts = ["debt", "total_debt", "liabilities"];
    let debt = of(&debts)
        .zip(of(&["assets", "total_assets"]))
        .and_then(|(debt, assets)| (assets > 0.0).then(|| within(1.0 - 2.0 * debt / assets)));
    [
        ("revenue growth", 0.35, growth(&revenue)),
        ("income growth", 0.35, growth(&income)),
        ("margin", 0.15, margin),
        ("debt", 0.15, debt),
    ]
}
