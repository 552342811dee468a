//! What a reader makes of one item: words of ours and nothing else.

use serde::{Deserialize, Serialize};

/// What an item means for the price of what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sentiment {
    /// Much worse than was expected.
    VeryBad,
    /// Worse.
    Bad,
    /// Neither.
    Neutral,
    /// Better.
    Good,
    /// Much better.
    VeryGood,
}

impl Sentiment {
    /// Every word, from the worst.
    pub const ALL: [Self; 5] =
        [Self::VeryBad, Self::Bad, Self::Neutral, Self::Good, Self::VeryGood];

    /// As a number, −2 to 2.
    pub const fn number(self) -> i8 {
        match self {
            Self::VeryBad => -2,
            Self::Bad => -1,
            Self::Neutral => 0,
            Self::Good => 1,
            Self::VeryGood => 2,
        }
    }

    /// Of a number; what is beyond two counts as two.
    pub const fn of(number: i64) -> Self {
        match number {
            ..=-2 => Self::VeryBad,
            -1 => Self::Bad,
            0 => Self::Neutral,
            1 => Self::Good,
            2.. => Self::VeryGood,
        }
    }
}

/// How much an item matters for what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relevance {
    /// It only names it.
    None,
    /// A little.
    Low,
    /// It is about it.
    Medium,
    /// It is about it and weighty.
    High,
}

impl Relevance {
    /// Every word, from the least.
    pub const ALL: [Self; 4] = [Self::None, Self::Low, Self::Medium, Self::High];

    /// As a number, 0 to 3.
    pub const fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Low => 1,
            Self::Medium => 2,
            Self::High => 3,
        }
    }

    /// Of a number; what is beyond the ends counts as them.
    pub const fn of(number: i64) -> Self {
        match number {
            ..=0 => Self::None,
            1 => Self::Low,
            2 => Self::Medium,
            3.. => Self::High,
        }
    }
}

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// Results of a period.
    Earnings,
    /// What management expects.
    Guidance,
    /// A merger, a takeover, a sale of a part.
    Merger,
    /// Courts, regulators, fraud.
    Legal,
    /// People at the top.
    Management,
    /// Products, orders, recalls.
    Product,
    /// What an analyst thinks.
    Analyst,
    /// Dividends, buybacks, issues, debt.
    Capital,
    /// The economy, rates, policy.
    Macro,
    /// The price itself.
    Price,
    /// Anything else.
    Other,
}

impl EventKind {
    /// Every word.
    pub const ALL: [Self; 11] = [
        Self::Earnings,
        Self::Guidance,
        Self::Merger,
        Self::Legal,
        Self::Management,
        Self::Product,
        Self::Analyst,
        Self::Capital,
        Self::Macro,
        Self::Price,
        Self::Other,
    ];
}

/// What a reader made of one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// What it means for the price.
    pub sentiment: Sentiment,
    /// How much it matters.
    pub relevance: Relevance,
    /// What happened.
    pub event: EventKind,
    /// Whether the text seems to talk to its reader rather than to tell of something.
    pub injection_suspected: bool,
}

impl Reading {
    /// The same reading of an item that our own look at its text suspects: suspicion is added, never
    /// taken away, whatever the reader was talked into.
    #[must_use]
    pub const fn suspected_if(self, suspected: bool) -> Self {
        Self { injection_suspected: self.injection_suspected || suspected, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_agree_and_end_at_their_ends() {
        for number in -9..=9 {
            assert_eq!(i64::from(Sentiment::of(number).number()), number.clamp(-2, 2));
            assert_eq!(i64::from(Relevance::of(number).number()), number.clamp(0, 3));
        }
    }

    #[test]
    fn suspicion_is_never_taken_away() {
        let calm = Reading {
            sentiment: Sentiment::Good,
            relevance: Relevance::High,
            event: EventKind::Other,
            injection_suspected: false,
        };
        for (by_reader, by_us) in [(false, false), (false, true), (true, false), (true, true)] {
            let read = Reading { injection_suspected: by_reader, ..calm }.suspected_if(by_us);
            assert_eq!(read.injection_suspected, by_reader || by_us);
        }
    }
}
