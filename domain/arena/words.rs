//! The arena's words: who takes part, what may be said of a symbol, and the ways of saying nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::chat::ChatStages;
use crate::fixed::Money;
use crate::market::symbol::Symbol;
use crate::ratio::Ratio;
use crate::time::Time;

/// A contestant's signature: 1 to 32 of `a-z`, `0-9` and `-`, no `-` in front. Its book, its lines and its
/// orders are named by it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContestantName(Arc<str>);

/// A text that is no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no signature: 1 to 32 of a-z, 0-9 and -, no - in front")]
pub struct NameError {
    text: String,
}

impl ContestantName {
    /// The longest signature, characters.
    pub const MAX_LEN: usize = 32;

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ContestantName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_name = (1..=Self::MAX_LEN).contains(&text.len())
            && !text.starts_with('-')
            && text.bytes().all(is_plain);
        let shown = || text.chars().take(40).collect();
        if is_name { Ok(Self(text.into())) } else { Err(NameError { text: shown() }) }
    }
}

impl fmt::Display for ContestantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for ContestantName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ContestantName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// What a contestant thinks of a symbol, in five tiers. Read strictly, from these words and no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Rating {
    /// A whole slot of it.
    Buy,
    /// Half a slot at least.
    Overweight,
    /// As it is.
    Hold,
    /// Half of what is held goes.
    Underweight,
    /// All of it goes.
    Sell,
}

impl Rating {
    /// The vote that a rating counts as: the one map there is.
    pub const fn vote(self) -> Vote {
        match self {
            Self::Buy | Self::Overweight => Vote::Buy,
            Self::Hold => Vote::Hold,
            Self::Underweight | Self::Sell => Vote::Sell,
        }
    }

    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Buy => "BUY",
            Self::Overweight => "OVERWEIGHT",
            Self::Hold => "HOLD",
            Self::Underweight => "UNDERWEIGHT",
            Self::Sell => "SELL",
        }
    }
}

/// What a rating counts as where votes are added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Vote {
    /// For buying.
    Buy,
    /// For neither.
    Hold,
    /// For selling.
    Sell,
}

impl Vote {
    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Buy => "BUY",
            Self::Hold => "HOLD",
            Self::Sell => "SELL",
        }
    }
}

/// A moment at which everybody is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TickId {
    /// Its number within the season, from 0.
    pub number: u32,
    /// The close that made it.
    pub at: Time,
}

/// The longest reasoning that is kept, characters.
pub const REASONING_MAX: usize = 1_000;

/// What a contestant decided about one symbol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The rating.
    pub rating: Rating,
    /// How sure it is, 0 to 1. There is none by default.
    pub confidence: Ratio,
    /// Why, at most [`REASONING_MAX`] characters.
    pub reasoning: String,
}

impl Decision {
    /// A decision; a longer reasoning is cut, a confidence beyond 0 to 1 is none (`None`).
    pub fn new(rating: Rating, confidence: Ratio, reasoning: &str) -> Option<Self> {
        let is_share = (0.0..=1.0).contains(&confidence.get());
        let reasoning = reasoning.chars().take(REASONING_MAX).collect();
        is_share.then_some(Self { rating, confidence, reasoning })
    }
}

/// What a contestant brought to a tick for a symbol. The ways of bringing nothing are different things,
/// and none of them is HOLD.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Brought {
    /// A decision: the only one that counts as a vote.
    Decided(Decision),
    /// It had nothing to say.
    Abstained {
        /// Why.
        why: String,
    },
    /// It had not answered when the tick closed.
    Late,
    /// Its code or its actor failed.
    Failed {
        /// Why.
        why: String,
    },
    /// It answered, and nobody can say what: prose, another shape, a forbidden action. A person may look
    /// at it; nothing is guessed from it.
    Review {
        /// What is wrong with the answer.
        why: String,
    },
    /// It was not asked: its budget refused the call.
    Denied {
        /// The code of what refused it.
        code: String,
    },
    /// It takes no part any more.
    Excluded,
}

impl Brought {
    /// The word for people and files.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Decided(_) => "decided",
            Self::Abstained { .. } => "abstained",
            Self::Late => "late",
            Self::Failed { .. } => "failed",
            Self::Review { .. } => "review",
            Self::Denied { .. } => "denied",
            Self::Excluded => "excluded",
        }
    }

    /// The decision, where there is one.
    pub const fn decision(&self) -> Option<&Decision> {
        match self {
            Self::Decided(decision) => Some(decision),
            _ => None,
        }
    }
}

/// Everything that one contestant brought to one tick.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// By symbol.
    pub brought: BTreeMap<Symbol, Brought>,
    /// How it came to it, by symbol.
    pub chats: BTreeMap<Symbol, ChatStages>,
    /// Questions that were put to its roles; a rule has none.
    #[serde(default)]
    pub calls: u32,
    /// What the answers cost, dollars.
    #[serde(default)]
    pub cost: Money,
    /// Tries to see what could not be known yet, by kind; nothing of it was shown.
    #[serde(default)]
    pub leaks: BTreeMap<String, u32>,
}

impl Answered {
    /// The same for every symbol, without a word on how.
    pub fn all<'a>(symbols: impl IntoIterator<Item = &'a Symbol>, brought: &Brought) -> Self {
        let brought = symbols.into_iter().map(|symbol| (symbol.clone(), brought.clone())).collect();
        Self { brought, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_short_and_plain_because_it_names_files_and_orders() {
        for good in ["a", "buy-and-hold", "gpt-6-1", &"x".repeat(32)] {
            assert_eq!(good.parse::<ContestantName>().unwrap().as_str(), good);
        }
        for bad in ["", "-a", "A", "a/b", "..", "a b", "ä", &"x".repeat(33)] {
            assert!(bad.parse::<ContestantName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn five_tiers_are_three_votes_and_nothing_else_is_a_rating() {
        let votes: Vec<(Rating, Vote)> = [
            (r#""BUY""#, Vote::Buy),
            (r#""OVERWEIGHT""#, Vote::Buy),
            (r#""HOLD""#, Vote::Hold),
            (r#""UNDERWEIGHT""#, Vote::Sell),
            (r#""SELL""#, Vote::Sell),
        ]
        .map(|(text, vote)| (serde_json::from_str(text).unwrap(), vote))
        .into();
        assert!(votes.iter().all(|(rating, vote)| rating.vote() == *vote));
        for prose in
            ["\"Buy\"", "\"Do not buy here\"", "\"卖出\"", "\"SELL!\"", "\"\"", "1", "null"]
        {
            assert!(serde_json::from_str::<Rating>(prose).is_err(), "{prose}");
        }
    }

    #[test]
    fn a_confidence_beyond_its_interval_makes_no_decision_and_a_long_reason_is_cut() {
        assert_eq!(Decision::new(Rating::Buy, Ratio::of(1.01), "x"), None);
        assert_eq!(Decision::new(Rating::Buy, Ratio::of(-0.01), "x"), None);
        let long = Decision::new(Rating::Buy, Ratio::ONE, &"ä".repeat(2_000)).unwrap();
        assert_eq!(long.reasoning.chars().count(), REASONING_MAX);
    }
}
