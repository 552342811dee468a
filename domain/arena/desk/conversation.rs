//! How a desk comes to a decision on one symbol: who is asked next, given what was said. Pure: what roles
//! said goes in, whose turn it is and, at last, what the desk brings come out.
//!
//! Analysts are asked at the same time; bull and bear, then research manager, trader, risk debaters and
//! portfolio manager one after the other. An analyst that wants to look something up is asked again with
//! what it asked for, as long as enough questions are left for everybody behind it.
//!
//! # Invariants
//!
//! - D-1: the same answers give the same decision, whoever was first; one that nobody asked for, or that
//!   comes twice, changes nothing.
//! - T-3: silence is never consent: a role that failed is missing, and a desk without a readable decision
//!   brings none.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::said::{Lean, Missed, Said, Word};
use super::words::{DeskConfig, DeskRole};
use crate::arena::gate::ToolRequest;
use crate::arena::words::{Brought, Decision};

/// How often the same question with the same arguments is one too many.
const SAME_MAX: u8 = 3;
/// The most requests that are heard of one answer.
pub const REQUESTS_MAX: usize = 4;
/// The most requests that are kept of those that nobody looks up: they are only judged.
const UNHEARD_MAX: usize = 64;

/// One question to one role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Turn {
    /// Who.
    pub role: DeskRole,
    /// Which of its turns, from 0.
    pub round: u8,
    /// Which question of the turn, from 0: an analyst that looks something up is asked again.
    pub step: u8,
}

impl Turn {
    const fn first(role: DeskRole, round: u8) -> Self {
        Self { role, round, step: 0 }
    }

    /// A number, from 1, that no other question of this decision to the same role has: what was said is
    /// found by it.
    pub fn number(self) -> u64 {
        u64::from(self.round) * 256 + u64::from(self.step) + 1
    }
}

/// What a role answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What it said.
    pub said: Said,
    /// What it wants to look up before it is held to that.
    pub requests: Vec<ToolRequest>,
}

/// Where a role's turn stands.
#[derive(Clone, Debug, PartialEq)]
enum Place {
    /// It was asked.
    Asked(Turn),
    /// It said this.
    Said(Said),
    /// It brought nothing.
    Missed(Missed),
}

/// A decision in the making.
#[derive(Clone, Debug)]
pub struct Conversation {
    config: DeskConfig,
    places: BTreeMap<(DeskRole, u8), Place>,
    /// What each role asked for, and how often.
    requested: BTreeMap<(DeskRole, ToolRequest), u8>,
    /// What is to be looked up for whom before it is asked again.
    lookups: BTreeMap<Turn, Vec<ToolRequest>>,
    /// What was asked for and is not looked up.
    unheard: Vec<ToolRequest>,
    steps: u16,
    tokens: u64,
    end: Option<Brought>,
}

impl Conversation {
    /// A conversation in which nothing was said.
    pub const fn new(config: DeskConfig) -> Self {
        Self {
            config,
            places: BTreeMap::new(),
            requested: BTreeMap::new(),
            lookups: BTreeMap::new(),
            unheard: Vec::new(),
            steps: 0,
            tokens: 0,
            end: None,
        }
    }

    /// Whose turn it is now, at the same time; each is told once. Nobody while somebody is still waited
    /// for who must be heard first, and nobody after the end.
    pub fn due(&mut self) -> Vec<Turn> {
        if self.end.is_some() {
            return Vec::new();
        }
        let again: Vec<Turn> =
            self.lookups.keys().copied().filter(|it| !self.is_out(*it)).collect();
        let turns = if again.is_empty() { self.in_order() } else { again };
        let mut asked = Vec::new();
        for turn in turns {
            if self.steps >= self.config.max_steps {
                let steps = self.config.max_steps;
                self.stop(&format!("no decision within {steps} questions"));
                return Vec::new();
            }
            self.steps += 1;
            self.places.insert((turn.role, turn.round), Place::Asked(turn));
            asked.push(turn);
        }
        asked
    }

    fn is_out(&self, turn: Turn) -> bool {
        self.places.get(&(turn.role, turn.round)) == Some(&Place::Asked(turn))
    }

    /// The first turns of the next part of the order that is not through.
    fn in_order(&self) -> Vec<Turn> {
        let fresh = |(role, round): (DeskRole, u8)| {
            (!self.places.contains_key(&(role, round))).then(|| Turn::first(role, round))
        };
        if self.config.analysts.iter().any(|role| !self.is_through(*role, 0)) {
            return self.config.analysts.iter().filter_map(|role| fresh((*role, 0))).collect();
        }
        let speaks = self.order().into_iter().find(|(role, round)| !self.is_through(*role, *round));
        speaks.and_then(fresh).into_iter().collect()
    }

    /// Who speaks behind the analysts, one after the other.
    fn order(&self) -> Vec<(DeskRole, u8)> {
        let each = |roles: &'static [DeskRole], rounds: u8| {
            (0..rounds).flat_map(move |round| roles.iter().map(move |role| (*role, round)))
        };
        each(&DeskRole::DEBATERS, self.config.debate_rounds)
            .chain([(DeskRole::ResearchManager, 0), (DeskRole::Trader, 0)])
            .chain(each(&DeskRole::RISK_DEBATERS, self.config.risk_rounds))
            .chain([(DeskRole::PortfolioManager, 0)])
            .collect()
    }

    fn is_through(&self, role: DeskRole, round: u8) -> bool {
        matches!(self.places.get(&(role, round)), Some(Place::Said(_) | Place::Missed(_)))
    }

    /// Takes what a role answered, and what reading and writing it took, tokens. Whether it counts: an
    /// answer to a question that is not open does not.
    pub fn hear(&mut self, turn: Turn, heard: Result<Answer, Missed>, tokens: u64) -> bool {
        if self.end.is_some() || !self.is_out(turn) {
            return false;
        }
        self.tokens = self.tokens.saturating_add(tokens);
        self.lookups.remove(&turn);
        let key = (turn.role, turn.round);
        match heard {
            Ok(Answer { said, requests }) => self.on_answer(turn, said, requests),
            Err(missed) => drop(self.places.insert(key, Place::Missed(missed))),
        }
        if self.end.is_none() && self.tokens > self.config.tokens_max {
            let most = self.config.tokens_max;
            self.stop(&format!("no decision within {most} tokens"));
        }
        if self.end.is_none() {
            self.settle(turn.role);
        }
        true
    }

    fn on_answer(&mut self, turn: Turn, said: Said, mut requests: Vec<ToolRequest>) {
        let key = (turn.role, turn.round);
        let is_own =
            said.role == turn.role && said.round == turn.round && said.word.is_of(turn.role);
        if !is_own {
            let why = "it answered as somebody else".to_owned();
            self.places.insert(key, Place::Missed(Missed::Unreadable(why)));
            return;
        }
        let over = requests.split_off(requests.len().min(REQUESTS_MAX));
        self.unheard.extend(over);
        for request in &requests {
            let times = self.requested.entry((turn.role, request.clone())).or_default();
            *times = times.saturating_add(1);
            if *times >= SAME_MAX {
                let why = format!("it asked for the same {SAME_MAX} times");
                self.places.insert(key, Place::Missed(Missed::Failed(why)));
                return;
            }
        }
        if turn.role.is_analyst() && !requests.is_empty() && turn.step < self.lookups_max() {
            let next = Turn { step: turn.step.saturating_add(1), ..turn };
            self.lookups.insert(next, requests);
            return;
        }
        self.unheard.append(&mut requests);
        self.unheard.truncate(UNHEARD_MAX);
        self.places.insert(key, Place::Said(said));
    }

    /// How often each analyst may look something up: an equal part of the questions that are left when
    /// everybody has one for each turn. It does not depend on who answers first.
    fn lookups_max(&self) -> u8 {
        let spare = u64::from(self.config.max_steps).saturating_sub(self.config.turns());
        u8::try_from(spare / (self.config.analysts.len() as u64).max(1)).unwrap_or(u8::MAX)
    }

    /// What was asked for since the last time and is never looked up: too much of one answer, or too late.
    pub fn unheard(&mut self) -> Vec<ToolRequest> {
        std::mem::take(&mut self.unheard)
    }

    /// What is to be looked up before this question is put.
    pub fn lookups(&self, turn: Turn) -> &[ToolRequest] {
        self.lookups.get(&turn).map(Vec::as_slice).unwrap_or_default()
    }

    /// Ends the conversation where what a role said, or did not say, decides it.
    fn settle(&mut self, role: DeskRole) {
        let analysts = &self.config.analysts;
        if role.is_analyst() && analysts.iter().all(|role| self.is_through(*role, 0)) {
            self.end = self.without_reports();
        }
        let place = self.places.get(&(role, 0));
        match (role, place) {
            (DeskRole::Trader | DeskRole::PortfolioManager, Some(Place::Missed(missed))) => {
                self.end = Some(brought_by(role, missed));
            }
            (DeskRole::PortfolioManager, Some(Place::Said(said))) => {
                let decision = said.word.rating().and_then(|rating| {
                    Decision::new(rating, said.remark.confidence, &said.remark.reasoning)
                });
                let why = || "a decision without a rating".to_owned();
                self.end =
                    Some(decision.map_or_else(|| Brought::Review { why: why() }, Brought::Decided));
            }
            _ => {}
        }
    }

    /// What a desk brings whose analysts brought nothing; `None` where one of them did.
    fn without_reports(&self) -> Option<Brought> {
        let knows = |said: &Said| said.word.lean() != Some(Lean::Unknown);
        if self.reports().any(knows) {
            return None;
        }
        if self.reports().next().is_some() {
            let why = "nothing is known that its analysts look at".to_owned();
            return Some(Brought::Abstained { why });
        }
        let missed = self.missing();
        let kinds: BTreeSet<&'static str> = missed.iter().map(|(_, why)| why.kind()).collect();
        // One kind of failure is the desk's own; of several the first stands for all.
        let (role, first) = missed.into_iter().next()?;
        Some(if kinds.len() == 1 {
            brought_by(role, &first)
        } else {
            Brought::Failed { why: format!("no analyst answered; {role}: {}", first.text()) }
        })
    }

    /// Ends it without a decision: a limit was reached.
    pub fn stop(&mut self, why: &str) {
        self.lookups.clear();
        self.end.get_or_insert_with(|| Brought::Abstained { why: why.to_owned() });
    }

    /// What the desk brings, once it is over.
    pub const fn end(&self) -> Option<&Brought> {
        self.end.as_ref()
    }

    /// Questions put so far.
    pub const fn steps(&self) -> u16 {
        self.steps
    }

    /// What everybody has said so far, in the order in which they speak.
    pub fn said(&self) -> impl Iterator<Item = &Said> {
        let keys = self.config.analysts.iter().map(|role| (*role, 0)).chain(self.order());
        keys.filter_map(|key| match self.places.get(&key) {
            Some(Place::Said(said)) => Some(said),
            _ => None,
        })
    }

    /// The analysts' reports.
    pub fn reports(&self) -> impl Iterator<Item = &Said> {
        self.said().filter(|said| said.role.is_analyst())
    }

    /// What a role said last.
    pub fn last(&self, role: DeskRole) -> Option<&Said> {
        self.said().filter(|said| said.role == role).last()
    }

    /// Who was to speak and did not, and why.
    pub fn missing(&self) -> Vec<(DeskRole, Missed)> {
        let missed = |(&(role, _), place): (&(DeskRole, u8), &Place)| match place {
            Place::Missed(missed) => Some((role, missed.clone())),
            _ => None,
        };
        self.places.iter().filter_map(missed).collect()
    }

    /// How the desk is set up.
    pub const fn config(&self) -> &DeskConfig {
        &self.config
    }

    /// What a judge said of the debate.
    pub fn judgement(&self) -> Option<&Said> {
        self.last(DeskRole::ResearchManager)
            .filter(|said| matches!(said.word, Word::Judgement { .. }))
    }
}

/// What a desk brings whose decisive role brought nothing.
fn brought_by(role: DeskRole, missed: &Missed) -> Brought {
    match missed {
        Missed::Unreadable(why) => Brought::Review { why: format!("{role}: {why}") },
        Missed::Denied(code) => Brought::Denied { code: code.clone() },
        Missed::Failed(why) => Brought::Failed { why: format!("{role}: {why}") },
    }
}
