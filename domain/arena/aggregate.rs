//! What all contestants said together about one symbol at one tick.
//!
//! - T-3: silence is never consent: who brought nothing gave no vote, a tie has no majority, and nothing is
//!   one half by default.

use std::collections::BTreeMap;

use serde::Serialize;

use super::words::{Brought, ContestantName, Rating, TickId, Vote};
use crate::market::symbol::Symbol;
use crate::ratio::Ratio;
use crate::record::Digest;
use crate::time::Time;

/// From this share of the votes on a majority is a high consensus.
pub const HIGH: Ratio = Ratio::of(0.70);
/// Votes without which there is no quorum, beside half of those asked.
const QUORUM_MIN: u32 = 2;

/// Why there is no majority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoConsensus {
    /// Too few gave a vote: less than two, or less than half of those asked.
    Quorum,
    /// Two votes are the most frequent.
    Tie,
}

impl NoConsensus {
    /// In words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Quorum => "no quorum",
            Self::Tie => "a tie",
        }
    }
}

/// What one of them said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Individual {
    /// Who.
    pub contestant: ContestantName,
    /// How it ended: `decided`, `abstained`, `late`, `failed`, `review`, `denied`, `excluded`.
    pub outcome: &'static str,
    /// The rating, where it decided.
    pub rating: Option<Rating>,
    /// What that counts as.
    pub vote: Option<Vote>,
    /// How sure it was.
    pub confidence: Option<Ratio>,
}

/// What all said together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Aggregate {
    /// The symbol.
    pub ticker: Symbol,
    /// The tick's number.
    pub tick: u32,
    /// The close that made the tick.
    pub timestamp: Time,
    /// What most voted, where there is a consensus.
    pub majority_decision: Option<Vote>,
    /// Its votes over all votes given, where there is one.
    pub consensus_level: Option<Ratio>,
    /// Whether that is [`HIGH`] at least.
    pub high_consensus: bool,
    /// Over the votes given; absent without any.
    pub average_confidence: Option<Ratio>,
    /// Votes by word; only words that were voted.
    pub vote_breakdown: BTreeMap<Vote, u32>,
    /// What each said, in order of names.
    pub individual_decisions: Vec<Individual>,
    /// Who voted otherwise than the majority.
    pub outliers: Vec<ContestantName>,
    /// Why there is no majority, where there is none.
    pub no_consensus: Option<NoConsensus>,
    /// Who was asked: all but the excluded.
    pub asked: u32,
    /// What everybody was shown.
    pub snapshot: Digest,
}

/// Adds up what everybody brought for a symbol.
pub fn aggregate(
    symbol: &Symbol,
    (tick, snapshot): (TickId, Digest),
    brought: &BTreeMap<ContestantName, Brought>,
) -> Aggregate {
    let said: Vec<Individual> = brought.iter().map(|(name, said)| individual(name, said)).collect();
    let mut votes: BTreeMap<Vote, u32> = BTreeMap::new();
    for vote in said.iter().filter_map(|one| one.vote) {
        *votes.entry(vote).or_default() += 1;
    }
    let asked = count(brought.values().filter(|said| !matches!(said, Brought::Excluded)).count());
    let given: u32 = votes.values().sum();
    let majority = majority(&votes, given, asked);
    let level = majority.ok().map(|vote| share(votes.get(&vote).copied().unwrap_or(0), given));
    let outliers = said
        .iter()
        .filter(|one| one.vote.zip(majority.ok()).is_some_and(|(vote, majority)| vote != majority));
    let outliers = outliers.map(|one| one.contestant.clone()).collect();
    Aggregate {
        ticker: symbol.clone(),
        tick: tick.number,
        timestamp: tick.at,
        majority_decision: majority.ok(),
        consensus_level: level,
        high_consensus: level.is_some_and(|level| level >= HIGH),
        average_confidence: mean(said.iter().filter_map(|one| one.confidence)),
        vote_breakdown: votes,
        individual_decisions: said,
        outliers,
        no_consensus: majority.err(),
        asked,
        snapshot,
    }
}

fn individual(name: &ContestantName, said: &Brought) -> Individual {
    let decision = said.decision();
    Individual {
        contestant: name.clone(),
        outcome: said.name(),
        rating: decision.map(|it| it.rating),
        vote: decision.map(|it| it.rating.vote()),
        confidence: decision.map(|it| it.confidence),
    }
}

fn majority(votes: &BTreeMap<Vote, u32>, given: u32, asked: u32) -> Result<Vote, NoConsensus> {
    if given < QUORUM_MIN || given.saturating_mul(2) < asked {
        return Err(NoConsensus::Quorum);
    }
    let most = votes.values().copied().max().unwrap_or(0);
    let mut first = votes.iter().filter(|(_, count)| **count == most);
    match (first.next(), first.next()) {
        (Some((vote, _)), None) => Ok(*vote),
        _ => Err(NoConsensus::Tie),
    }
}

fn share(part: u32, whole: u32) -> Ratio {
    Ratio::or_zero(f64::from(part) / f64::from(whole))
}

fn mean(confidences: impl Iterator<Item = Ratio>) -> Option<Ratio> {
    let (sum, count) =
        confidences.fold((0.0, 0_u32), |(sum, count), it| (sum + it.get(), count + 1));
    (count > 0).then(|| Ratio::or_zero(sum / f64::from(count)))
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::words::Decision;

    const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

    fn decided(rating: Rating, confidence: f64) -> Brought {
        Brought::Decided(Decision::new(rating, Ratio::of(confidence), "").unwrap())
    }

    fn of(brought: Vec<Brought>) -> Aggregate {
        let names = NAMES.iter().map(|name| name.parse().unwrap());
        let brought = names.zip(brought).collect();
        let tick = TickId { number: 3, at: Time::from_ms(1) };
        aggregate(&Symbol::new("AAPL").unwrap(), (tick, Digest::of(b"x")), &brought)
    }

    #[test]
    fn four_of_five_are_a_quorum_and_the_one_that_is_late_is_shown() {
        let found = of(vec![
            decided(Rating::Buy, 0.9),
            decided(Rating::Overweight, 0.7),
            decided(Rating::Sell, 0.5),
            Brought::Late,
            decided(Rating::Buy, 0.3),
        ]);
        assert_eq!(found.majority_decision, Some(Vote::Buy));
        assert_eq!(found.consensus_level, Some(Ratio::of(0.75)));
        assert!(found.high_consensus);
        assert!((found.average_confidence.unwrap().get() - 0.6).abs() < 1e-12);
        assert_eq!(found.vote_breakdown, [(Vote::Buy, 3), (Vote::Sell, 1)].into());
        let outliers: Vec<&str> = found.outliers.iter().map(ContestantName::as_str).collect();
        assert_eq!((outliers, found.asked), (vec!["c"], 5));
        assert_eq!(found.individual_decisions[3].outcome, "late");
    }

    /// T-3: neither silence nor a tie is a HOLD.
    #[test]
    fn a_tie_and_a_missing_quorum_are_no_consensus_and_have_no_level() {
        let failed = || Brought::Failed { why: "x".to_owned() };
        for (brought, why) in [
            (vec![decided(Rating::Buy, 0.9), decided(Rating::Sell, 0.9)], NoConsensus::Tie),
            (vec![decided(Rating::Buy, 0.9)], NoConsensus::Quorum),
            (vec![], NoConsensus::Quorum),
            (vec![failed(), Brought::Late], NoConsensus::Quorum),
            (
                vec![
                    decided(Rating::Buy, 0.9),
                    decided(Rating::Buy, 0.9),
                    failed(),
                    failed(),
                    failed(),
                ],
                NoConsensus::Quorum,
            ),
        ] {
            let found = of(brought);
            assert_eq!(found.no_consensus, Some(why));
            assert_eq!((found.majority_decision, found.consensus_level), (None, None));
            assert!(!found.high_consensus && found.outliers.is_empty());
        }
        assert_eq!(of(vec![]).average_confidence, None);
    }

    #[test]
    fn the_excluded_are_not_asked() {
        let two = vec![decided(Rating::Hold, 0.4), decided(Rating::Hold, 0.6)];
        let three = vec![Brought::Excluded, Brought::Excluded, Brought::Excluded];
        let found = of([two, three].concat());
        assert_eq!((found.asked, found.majority_decision), (2, Some(Vote::Hold)));
    }

    /// An answer that nobody can read, and a call that a budget refused, are no votes, least of all HOLD.
    #[test]
    fn what_is_for_review_or_was_denied_is_no_vote() {
        let review = Brought::Review { why: "Final verdict: SELL!".to_owned() };
        let denied = Brought::Denied { code: "safety.model_usd_day".to_owned() };
        let found = of(vec![decided(Rating::Buy, 0.5), decided(Rating::Buy, 0.5), review, denied]);
        assert_eq!((found.asked, found.majority_decision), (4, Some(Vote::Buy)));
        assert_eq!(found.vote_breakdown, [(Vote::Buy, 2)].into());
        let words: Vec<&str> = found.individual_decisions.iter().map(|one| one.outcome).collect();
        assert_eq!(words, ["decided", "decided", "review", "denied"]);
    }
}
