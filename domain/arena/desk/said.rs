//! What the roles of a desk say, typed: nobody reads another's prose for a decision.

use serde::{Deserialize, Serialize};

use super::words::DeskRole;
use crate::arena::words::Rating;
use crate::ratio::Ratio;

/// The most sentences that one role's points hold.
pub const POINTS_MAX: usize = 8;
/// The longest sentence, characters.
pub const POINT_MAX: usize = 300;

/// Which way the figures of a role lean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lean {
    /// Clearly for the price to rise.
    StronglyFor,
    /// For the price to rise.
    For,
    /// For neither.
    Neither,
    /// For the price to fall.
    Against,
    /// Clearly for the price to fall.
    StronglyAgainst,
    /// Nothing is known: this is not neutral, and counts for nothing.
    Unknown,
}

impl Lean {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::StronglyFor,
        Self::For,
        Self::Neither,
        Self::Against,
        Self::StronglyAgainst,
        Self::Unknown,
    ];

    /// From a score of −1 to 1: a half and more is strong, a seventh and less is neither. What is no
    /// number is not known.
    pub fn of_score(score: f64) -> Self {
        if score >= 0.5 {
            Self::StronglyFor
        } else if score >= 0.15 {
            Self::For
        } else if score <= -0.5 {
            Self::StronglyAgainst
        } else if score <= -0.15 {
            Self::Against
        } else if score.is_nan() {
            Self::Unknown
        } else {
            Self::Neither
        }
    }

    /// −1 to 1; `None` where nothing is known.
    pub const fn number(self) -> Option<f64> {
        match self {
            Self::StronglyFor => Some(1.0),
            Self::For => Some(0.5),
            Self::Neither => Some(0.0),
            Self::Against => Some(-0.5),
            Self::StronglyAgainst => Some(-1.0),
            Self::Unknown => None,
        }
    }

    /// In words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::StronglyFor => "strongly for",
            Self::For => "for",
            Self::Neither => "for neither",
            Self::Against => "against",
            Self::StronglyAgainst => "strongly against",
            Self::Unknown => "unknown",
        }
    }
}

/// Who won a debate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Winner {
    /// Who argued for it.
    Bull,
    /// Who argued against it.
    Bear,
    /// Nobody.
    Draw,
}

impl Winner {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Bull, Self::Bear, Self::Draw];

    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bull => "bull",
            Self::Bear => "bear",
            Self::Draw => "draw",
        }
    }
}

/// What every role says beside its own word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remark {
    /// One sentence with the figures that decided.
    pub reasoning: String,
    /// What speaks for it, a sentence each.
    pub points: Vec<String>,
    /// How sure it is, 0 to 1.
    pub confidence: Ratio,
}

impl Remark {
    /// A remark within its bounds: what is longer is cut.
    pub fn new(reasoning: &str, points: &[String], confidence: Ratio) -> Self {
        let cut = |text: &str, most: usize| text.chars().take(most).collect::<String>();
        let points = points.iter().take(POINTS_MAX).map(|point| cut(point, POINT_MAX)).collect();
        let reasoning = cut(reasoning, crate::arena::words::REASONING_MAX);
        Self { reasoning, points, confidence: Ratio::within_unit(confidence.get()) }
    }
}

/// A role's own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "says", rename_all = "snake_case")]
pub enum Word {
    /// An analyst's.
    Report {
        /// Which way its figures lean.
        lean: Lean,
    },
    /// A debater's: its side is its role.
    Argument,
    /// The research manager's.
    Judgement {
        /// Who won.
        winner: Winner,
        /// Which way it all leans.
        lean: Lean,
    },
    /// A rating that is proposed or, by the portfolio manager, decided.
    Rating {
        /// The rating.
        rating: Rating,
    },
}

impl Word {
    /// Whether this is the kind of word that a role has.
    pub const fn is_of(self, role: DeskRole) -> bool {
        match self {
            Self::Report { .. } => role.is_analyst(),
            Self::Argument => matches!(role, DeskRole::Bull | DeskRole::Bear),
            Self::Judgement { .. } => matches!(role, DeskRole::ResearchManager),
            Self::Rating { .. } => matches!(
                role,
                DeskRole::Trader
                    | DeskRole::Aggressive
                    | DeskRole::Neutral
                    | DeskRole::Conservative
                    | DeskRole::PortfolioManager
            ),
        }
    }

    /// The lean, where it has one.
    pub const fn lean(self) -> Option<Lean> {
        match self {
            Self::Report { lean } | Self::Judgement { lean, .. } => Some(lean),
            Self::Argument | Self::Rating { .. } => None,
        }
    }

    /// The rating, where it has one.
    pub const fn rating(self) -> Option<Rating> {
        match self {
            Self::Rating { rating } => Some(rating),
            _ => None,
        }
    }
}

/// What a role said in one of its turns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// Who.
    pub role: DeskRole,
    /// Which of its turns, from 0.
    pub round: u8,
    /// Its own word.
    pub word: Word,
    /// What it says beside it.
    pub remark: Remark,
}

/// Why a role's turn brought nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missed {
    /// Its answer cannot be read, or asks for what is forbidden.
    Unreadable(String),
    /// Its budget refused the call; the code.
    Denied(String),
    /// It, or what it thinks with, failed.
    Failed(String),
}

impl Missed {
    /// The kind: `unreadable`, `denied` or `failed`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::Denied(_) => "denied",
            Self::Failed(_) => "failed",
        }
    }

    /// In words.
    pub fn text(&self) -> String {
        match self {
            Self::Unreadable(why) => format!("its answer cannot be used: {why}"),
            Self::Denied(code) => format!("its budget refused the call: {code}"),
            Self::Failed(why) => format!("it failed: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_leans_by_its_thresholds_and_none_is_unknown() {
        for (score, lean) in [
            (1.0, Lean::StronglyFor),
            (0.5, Lean::StronglyFor),
            (0.49, Lean::For),
            (0.15, Lean::For),
            (0.14, Lean::Neither),
            (-0.14, Lean::Neither),
            (-0.15, Lean::Against),
            (-0.5, Lean::StronglyAgainst),
            (f64::NAN, Lean::Unknown),
        ] {
            assert_eq!(Lean::of_score(score), lean, "{score}");
        }
        assert_eq!(Lean::Unknown.number(), None);
    }

    #[test]
    fn a_remark_is_bounded_in_every_direction() {
        let points = vec!["x".repeat(5_000); 50];
        let remark = Remark::new(&"y".repeat(5_000), &points, Ratio::of(7.0));
        assert_eq!((remark.points.len(), remark.points[0].len()), (POINTS_MAX, POINT_MAX));
        assert_eq!((remark.reasoning.len(), remark.confidence), (1_000, Ratio::ONE));
    }

    #[test]
    fn every_role_has_one_kind_of_word() {
        let words = [
            Word::Report { lean: Lean::For },
            Word::Argument,
            Word::Judgement { winner: Winner::Draw, lean: Lean::For },
            Word::Rating { rating: Rating::Buy },
        ];
        for role in DeskRole::ALL {
            assert_eq!(words.iter().filter(|word| word.is_of(role)).count(), 1, "{role}");
        }
    }
}
