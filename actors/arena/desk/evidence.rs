//! What the analysts' reports come to together, for the roles that think by rules.

use conclave_domain::arena::desk::DeskRole;
use conclave_domain::arena::desk::brief::DeskBrief;
use conclave_domain::arena::desk::said::{Lean, Said, Word};
use conclave_domain::arena::words::Rating;

/// Weight of each analyst's report.
const WEIGHTS: [(DeskRole, f64); 4] = [
    (DeskRole::MarketAnalyst, 0.45),
    (DeskRole::FundamentalsAnalyst, 0.20),
    (DeskRole::NewsAnalyst, 0.20),
    (DeskRole::SocialAnalyst, 0.15),
];
/// What each side begins with, so that few figures are no certainty.
const PRIOR: f64 = 0.05;
/// Right and wrong decisions that a record begins with.
const RECORD_PRIOR: f64 = 5.0;

/// The reports added up: each weight times confidence times lean, apart for and against.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Evidence {
    pub(super) supports: f64,
    pub(super) opposes: f64,
    /// Weight times confidence of all that know something.
    known: f64,
}

impl Evidence {
    pub(super) fn of(brief: &DeskBrief) -> Self {
        let mut evidence = Self::default();
        for (role, weight) in WEIGHTS {
            let Some(said) = brief.report(role) else { continue };
            let Some(lean) = said.word.lean().and_then(Lean::number) else { continue };
            let weight = weight * said.remark.confidence.get();
            evidence.known += weight;
            evidence.supports += weight * lean.max(0.0);
            evidence.opposes += weight * (-lean).max(0.0);
        }
        evidence
    }

    /// −1 to 1: the mean lean by weight and confidence, shrunken towards 0 where little is known.
    pub(super) fn net(self) -> f64 {
        (self.supports - self.opposes) / (self.known + 2.0 * PRIOR)
    }

    /// How strong one side is beside the other, 0 to 1.
    pub(super) fn strength(own: f64, other: f64) -> f64 {
        (own + PRIOR) / (own + other + 2.0 * PRIOR)
    }
}

/// The points of the reports that lean one way, each behind the name of who made it.
pub(super) fn points(brief: &DeskBrief, sign: f64) -> Vec<String> {
    let leans = |said: &&Said| {
        said.word.lean().and_then(Lean::number).is_some_and(|lean| lean * sign > 0.0)
    };
    let point = |said: &Said| {
        let first = said.remark.points.first().unwrap_or(&said.remark.reasoning);
        format!("{}: {first}", said.role)
    };
    brief.reports.iter().filter(leans).map(point).collect()
}

/// The share of its own settled decisions on the symbol that were right, shrunken to one half.
pub(super) fn hit_rate(brief: &DeskBrief) -> f64 {
    let lessons = brief.lessons.as_ref().map(|told| told.items.as_slice()).unwrap_or_default();
    let (right, all) = lessons.iter().fold((0.0, 0.0), |(right, all), lesson| {
        (right + f64::from(u8::from(lesson.was_right)), all + 1.0)
    });
    (right + RECORD_PRIOR) / (all + 2.0 * RECORD_PRIOR)
}

/// A rating's place: 2 for BUY to −2 for SELL.
pub(super) const fn tier(rating: Rating) -> i8 {
    match rating {
        Rating::Buy => 2,
        Rating::Overweight => 1,
        Rating::Hold => 0,
        Rating::Underweight => -1,
        Rating::Sell => -2,
    }
}

/// The rating at a place; beyond the ends it is the last one.
pub(super) const fn rating_at(tier: i8) -> Rating {
    match tier {
        2.. => Rating::Buy,
        1 => Rating::Overweight,
        0 => Rating::Hold,
        -1 => Rating::Underweight,
        _ => Rating::Sell,
    }
}

/// The rating of a word, where it is one.
pub(super) fn rating_of(said: Option<&Said>) -> Option<Rating> {
    match said?.word {
        Word::Rating { rating } => Some(rating),
        _ => None,
    }
}

/// A figure for a sentence, with its sign.
pub(super) fn signed(value: f64) -> String {
    format!("{value:+.3}")
}

/// A number moved into −1 to 1.
pub(super) fn within(value: f64) -> f64 {
    if value < -1.0 { -1.0 } else { value.min(1.0) }
}
