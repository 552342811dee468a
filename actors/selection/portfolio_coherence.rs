//! Portfolio Coherence: correlation and sector spread of the list; at most three swaps.
//!
//! Team selection, authority advise. Answers swaps of a symbol on the list for one of the reserve.
//!
//! Rules: a pair with a correlation above 0.60, or unmeasured, drops the lower score; a sector above
//! 40 % of the list (and with more than one symbol) drops its lowest score; more than 3 coins, or more
//! than 20 %, drop the lowest coin. The next best symbol comes in that breaks nothing with those that stay.
//!
//! Vote: while checking, for its own swaps or for a list that needs none, against one that cannot be
//! mended by three swaps; on a list put to the vote, against any breach. Abstain without a list.

use conclave_domain::advice::{Advice, Lever};
use conclave_domain::brief::selection::{Candidate, SelectionBrief, SelectionStep};
use conclave_domain::limits::Limits;
use conclave_domain::market::symbol::{AssetClass, Symbol};
use conclave_domain::ratio::Ratio;
use conclave_domain::role::{Authority, Role, Team, Tier};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::known_symbol;
use crate::runtime::agent::{Agent, Cadence, ConsultError};
use crate::runtime::answer::{Ballot, Draft};

/// The most swaps in one selection.
const SWAPS_MAX: usize = 3;

/// One exchange.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Swap {
    /// The symbol that leaves the list.
    pub out: String,
    /// The symbol that comes in.
    pub into: String,
}

/// The raw answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// One sentence with the figures that decided.
    pub reasoning: String,
    /// Exchanges, the most needed first; an empty list keeps all.
    pub swaps: Vec<Swap>,
    /// For or against the list with these swaps.
    pub vote: Ballot,
    /// How sure you are of this answer.
    #[schemars(extend("x-bound" = "confidence"))]
    pub confidence: f64,
}

/// The agent.
#[derive(Debug)]
pub struct PortfolioCoherence;

impl Agent for PortfolioCoherence {
    type Brief = SelectionBrief;
    type Answer = Answer;
    const ROLE: Role = Role {
        name: "portfolio_coherence",
        title: "Portfolio Coherence",
        team: Team::Selection,
        authority: Authority::Advise,
        tier: Tier::Sonnet,
        purpose: "Keeps the list spread over sectors and free of pairs that move together.",
    };
    const CADENCE: Cadence = Cadence::EachSelection;

    fn instructions(_limits: &Limits) -> String {
        format!(
            "Look at the list as one portfolio: pairs that move together, a sector that dominates, \
             too many coins. The thresholds stand in the brief under `constraints`.\n\
             - `swaps`: at most {SWAPS_MAX}, the most needed first; `out` is on the list, `into` is a \
             symbol of the universe that is neither excluded nor on it.\n\
             - `vote`: for the list with your swaps, against one that they cannot mend.\n\
             - A yardstick: of a pair that moves together the lower score leaves; the next best \
             score comes in that breaks nothing with those that stay."
        )
    }

    fn rules(brief: &SelectionBrief, _limits: &Limits) -> Answer {
        if brief.shortlist.is_empty() {
            return Answer {
                reasoning: "there is no list yet".to_owned(),
                swaps: Vec::new(),
                vote: Ballot::Abstain,
                confidence: 0.5,
            };
        }
        let first = breach(&brief.shortlist, brief);
        let (swaps, left) = mend(brief);
        let vote = match (brief.step, &first, &left) {
            (SelectionStep::Vote, Some(_), _) | (_, _, Some(_)) => Ballot::Against,
            _ => Ballot::For,
        };
        let reasoning = match (&first, &left) {
            (None, _) => format!("{} symbols break no constraint", brief.shortlist.len()),
            (Some(first), None) => format!("{}; {} swaps mend it", first.why, swaps.len()),
            (Some(first), Some(left)) => {
                format!("{}; after {} swaps still {}", first.why, swaps.len(), left.why)
            }
        };
        Answer { reasoning, swaps, vote, confidence: 0.85 }
    }

    fn admit(
        answer: Answer,
        brief: &SelectionBrief,
        limits: &Limits,
    ) -> Result<Advice, ConsultError> {
        let mut draft = Draft::new(limits);
        let mut list = brief.shortlist.clone();
        for Swap { out, into } in answer.swaps.iter().take(SWAPS_MAX) {
            let (out, into) = (known_symbol(out, brief)?, known_symbol(into, brief)?);
            let place = list.iter().position(|symbol| *symbol == out);
            let place = place.ok_or_else(|| unreadable(&out, "is not on the list"))?;
            if list.contains(&into) {
                return Err(unreadable(&into, "is on the list already"));
            }
            if brief.candidate(&into).is_none_or(|known| !known.excluded.is_empty()) {
                return Err(unreadable(&into, "is excluded"));
            }
            list[place] = into.clone();
            if brief.step != SelectionStep::Vote {
                draft.ask(Lever::Swap { out, into });
            }
        }
        let more = answer.swaps.len().saturating_sub(SWAPS_MAX);
        let mut reasoning = answer.reasoning;
        if more > 0 {
            reasoning.push_str("; more swaps than allowed, the rest is dropped");
        }
        draft.finish(&Self::ROLE, answer.vote.into(), answer.confidence, &reasoning)
    }
}

fn unreadable(symbol: &Symbol, what: &str) -> ConsultError {
    ConsultError::Unreadable { why: format!("`{symbol}` {what}") }
}

/// One constraint that a list breaks, and the symbol that should leave for it.
#[derive(Debug)]
struct Breach {
    why: String,
    leaver: Symbol,
}

/// A score to compare by; a symbol without one is the lowest.
fn score(candidate: Option<&Candidate>) -> f64 {
    candidate.and_then(|known| known.score).map_or(f64::MIN, Ratio::get)
}

/// The lowest score of some symbols; of equals the one that stands last.
fn lowest<'a>(symbols: impl Iterator<Item = &'a Symbol>, brief: &SelectionBrief) -> Option<Symbol> {
    let rank = |symbol: &&Symbol| score(brief.candidate(symbol));
    let lower = |a: &'a Symbol, b: &'a Symbol| if rank(&b) <= rank(&a) { b } else { a };
    symbols.reduce(lower).cloned()
}

/// The first constraint that a list breaks: pairs, then sectors, then coins.
fn breach(list: &[Symbol], brief: &SelectionBrief) -> Option<Breach> {
    pair_breach(list, brief)
        .or_else(|| sector_breach(list, brief))
        .or_else(|| crypto_breach(list, brief))
}

fn pair_breach(list: &[Symbol], brief: &SelectionBrief) -> Option<Breach> {
    for (index, a) in list.iter().enumerate() {
        for b in &list[index + 1..] {
            let correlation = brief.correlation(a, b);
            if correlation.is_some_and(|found| found <= brief.constraints.correlation_max) {
                continue;
            }
            let leaver = lowest([a, b].into_iter(), brief)?;
            let figure = crate::runtime::answer::shown(correlation);
            return Some(Breach { why: format!("{a} and {b} correlate by {figure}"), leaver });
        }
    }
    None
}

/// A part of a list as a share of it.
fn share(part: usize, list: &[Symbol]) -> f64 {
    let of = |count: usize| u32::try_from(count).map_or(f64::MAX, f64::from);
    of(part) / of(list.len()).max(1.0)
}

fn sector_breach(list: &[Symbol], brief: &SelectionBrief) -> Option<Breach> {
    for symbol in list {
        let known = brief.candidate(symbol)?;
        let sector = &known.sector;
        let is_in = |one: &&Symbol| {
            brief.candidate(one).is_some_and(|candidate| candidate.shares_sector(known))
        };
        let count = list.iter().filter(is_in).count();
        if count > brief.constraints.sector_room(list.len()) {
            let held = share(count, list);
            let leaver = lowest(list.iter().filter(is_in), brief)?;
            return Some(Breach { why: format!("{sector} is {held:.3} of the list"), leaver });
        }
    }
    None
}

fn crypto_breach(list: &[Symbol], brief: &SelectionBrief) -> Option<Breach> {
    let is_coin =
        |one: &&Symbol| brief.candidate(one).is_some_and(|known| known.class == AssetClass::Crypto);
    let coins = list.iter().filter(is_coin).count();
    if coins > brief.constraints.crypto_room(list.len()) {
        let held = share(coins, list);
        let leaver = lowest(list.iter().filter(is_coin), brief)?;
        return Some(Breach { why: format!("{coins} coins are {held:.3} of the list"), leaver });
    }
    None
}

/// The swaps that mend the list, and the breach that is left after the last allowed one, if any.
fn mend(brief: &SelectionBrief) -> (Vec<Swap>, Option<Breach>) {
    let mut list = brief.shortlist.clone();
    let mut swaps = Vec::new();
    let mut gone: Vec<Symbol> = Vec::new();
    while let Some(found) = breach(&list, brief) {
        let place = list.iter().position(|symbol| *symbol == found.leaver);
        let (Some(place), true) = (place, swaps.len() < SWAPS_MAX) else {
            return (swaps, Some(found));
        };
        gone.push(found.leaver.clone());
        let Some(into) = next_best(&list, place, &gone, brief) else {
            return (swaps, Some(found));
        };
        swaps.push(Swap { out: found.leaver.to_string(), into: into.to_string() });
        list[place] = into;
    }
    (swaps, None)
}

/// The best symbol outside of the list that breaks nothing in this place which is not broken without
/// it: no pair with it is too close, and neither its sector nor its class is over its share.
fn next_best(
    list: &[Symbol],
    place: usize,
    gone: &[Symbol],
    brief: &SelectionBrief,
) -> Option<Symbol> {
    let mut reserve: Vec<&Candidate> = brief
        .candidates
        .iter()
        .filter(|known| known.excluded.is_empty() && known.score.is_some())
        .filter(|known| !list.contains(&known.symbol) && !gone.contains(&known.symbol))
        .collect();
    reserve.sort_by(|a, b| score(Some(b)).total_cmp(&score(Some(a))));
    let fits = |known: &&&Candidate| {
        let mut with = list.to_vec();
        with[place] = known.symbol.clone();
        let is_far = |other: &Symbol| {
            let correlation = brief.correlation(&known.symbol, other);
            correlation.is_some_and(|found| found <= brief.constraints.correlation_max)
        };
        let stays = with.iter().enumerate().filter(|(index, _)| *index != place);
        let shares = |one: &&Symbol| brief.candidate(one).is_some_and(|it| it.shares_sector(known));
        let same = with.iter().filter(shares).count();
        let has_room = same <= brief.constraints.sector_room(with.len());
        let is_coin = known.class == AssetClass::Crypto;
        stays.map(|(_, other)| other).all(is_far)
            && has_room
            && (!is_coin || crypto_breach(&with, brief).is_none())
    };
    reserve.iter().find(fits).map(|known| known.symbol.clone())
}

#[cfg(test)]
mod tests;
