//! What the log of a run tells of its agents, and what a repetition with some of them muted came to.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::calibration::Forecast;
use super::curve::Curve;
use super::past::{End, Word};
use crate::advice::{VetoKind, Vote};
use crate::book::Trade;
use crate::bounds::Clamp;
use crate::code::Code;
use crate::fixed::{FixedError, Money};
use crate::order::DecisionId;
use crate::ratio::Ratio;
use crate::role::AgentName;
use crate::stats::AgentStats;
use crate::time::Time;

/// What an agent thought of an entry. An abstention is no opinion.
#[derive(Clone, Debug, PartialEq)]
pub struct Opinion {
    /// Who.
    pub agent: AgentName,
    /// Of what.
    pub decision: DecisionId,
    /// For or against.
    pub vote: Vote,
    /// How sure it was, 0 to 1.
    pub confidence: Ratio,
}

/// A veto that stood: one appeal more against it is still the same veto.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Veto {
    /// Who.
    pub agent: AgentName,
    /// Against what.
    pub decision: DecisionId,
    /// Hard or soft.
    pub kind: VetoKind,
    /// Why.
    pub code: Code,
}

/// A number that was out of bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Forced {
    /// Whose.
    pub agent: AgentName,
    /// On what it was said.
    pub decision: DecisionId,
    /// What was said and what was used.
    pub clamp: Clamp,
}

/// How the trades of a decision ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Profit or loss after fees, USD.
    pub pnl: Money,
    /// When the last of them was closed.
    pub at: Time,
}

impl Ended {
    /// Whether it was worth it.
    pub fn won(self) -> bool {
        self.pnl > Money::ZERO
    }
}

/// The trades of a run by the decision that opened them.
pub type Outcomes = BTreeMap<DecisionId, Ended>;

/// Adds up the trades of each decision.
///
/// # Errors
/// When a sum is beyond what money holds.
pub fn outcomes<'a>(trades: impl IntoIterator<Item = &'a Trade>) -> Result<Outcomes, FixedError> {
    let mut all = Outcomes::new();
    for trade in trades {
        let Some(decision) = &trade.decision else { continue };
        let ended =
            all.entry(decision.clone()).or_insert(Ended { pnl: Money::ZERO, at: trade.exit_time });
        ended.pnl = ended.pnl.plus(trade.pnl)?;
        ended.at = ended.at.max(trade.exit_time);
    }
    Ok(all)
}

/// A run as it was.
#[derive(Clone, Debug, Default)]
pub struct RunFacts {
    /// What it was counted to have asked.
    pub agents: BTreeMap<AgentName, AgentStats>,
    /// What was thought of entries.
    pub opinions: Vec<Opinion>,
    /// Every consultation in a round, with the decision that it was about.
    pub asked: Vec<(DecisionId, Word)>,
    /// What was vetoed.
    pub vetoes: Vec<Veto>,
    /// What was clamped.
    pub forced: Vec<Forced>,
    /// How trades ended.
    pub outcomes: Outcomes,
    /// The account.
    pub curve: Curve,
    /// What the agents' models cost.
    pub costs: BTreeMap<AgentName, Money>,
    /// The run with one or two agents muted.
    pub without: Vec<Without>,
}

/// A run as it would have been without some of its agents.
#[derive(Clone, Debug, Default)]
pub struct Without {
    /// Who was not asked.
    pub muted: BTreeSet<AgentName>,
    /// The account.
    pub curve: Curve,
    /// How trades ended.
    pub outcomes: Outcomes,
    /// Whose recorded answers were given again, whatever they were asked: where there are any, all of
    /// this is an approximation.
    pub frozen: BTreeSet<AgentName>,
}

/// One veto and what it was worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VetoWorth {
    /// Against what.
    pub decision: DecisionId,
    /// Hard or soft.
    pub kind: VetoKind,
    /// Why.
    pub code: Code,
    /// What the trade would have lost where the agent was muted, USD; `None` where there was none.
    pub value: Option<Money>,
}

/// One clamp and what it was worth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClampWorth {
    /// On what it was said.
    pub decision: DecisionId,
    /// What was said and what was used.
    pub clamp: Clamp,
    /// What the decision's trades came to, USD; `None` where there was none.
    pub pnl: Option<Money>,
    /// What of that is the bound's, to first order, USD; `None` where it cannot be told.
    pub value: Option<Money>,
}

/// What vetoes were worth: what the trades that they prevented would have come to, with the sign turned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VetoValue {
    /// Decisions that were vetoed.
    pub vetoes: u64,
    /// Those of them by a limit: muting takes away judgement only, so they stand in every repetition.
    pub hard: u64,
    /// Those that led to a trade where the agent was muted.
    pub prevented: u64,
    /// Those of them that would have lost.
    pub losses_prevented: u64,
    /// What the prevented trades would have lost, less what they would have won, USD.
    pub value: Money,
    /// Each of them, in the order of the log.
    pub each: Vec<VetoWorth>,
}

/// What clamps were worth.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ClampValue {
    /// Numbers that were clamped.
    pub clamps: u64,
    /// Those that stood in decisions whose trades are over.
    pub traded: u64,
    /// What these trades came to, USD.
    pub pnl: Money,
    /// Factors on size among them: the only ones whose worth can be told, because profit goes with size.
    pub sized: u64,
    /// What bounding those factors was worth to first order, before caps and lots, USD.
    pub value: Money,
    /// Each of them, in the order of the log.
    pub each: Vec<ClampWorth>,
}

/// The factor on size: the one number whose profit is known for another value, to first order.
const SIZE: &str = "size_multiplier";

impl RunFacts {
    /// The repetition in which exactly these agents were muted.
    pub fn without(&self, muted: &BTreeSet<AgentName>) -> Option<&Without> {
        self.without.iter().find(|without| without.muted == *muted)
    }

    /// What a later run may be told of this one: every consultation in a round, and how the trades ended that its
    /// agent had voted for.
    pub fn words(&self) -> impl Iterator<Item = Word> + '_ {
        let supported = self.opinions.iter().filter(|it| it.vote == Vote::For);
        let supported: BTreeSet<(&str, &DecisionId)> =
            supported.map(|it| (it.agent, &it.decision)).collect();
        self.asked.iter().map(move |(decision, word)| {
            // Of a decision that was appealed, the round that acted.
            let is_for = word.agreed && supported.contains(&(word.agent.as_str(), decision));
            let ended = self.outcomes.get(decision).filter(|_| is_for);
            let ended = ended.map(|it| End { at: it.at, won: it.won() });
            Word { ended, ..word.clone() }
        })
    }

    /// What one agent said would become of trades, beside what became of them. Where the decision led to
    /// no trade, what it led to with the agent muted stands for it.
    pub fn forecasts(&self, agent: AgentName) -> Vec<Forecast> {
        let without = self.without(&BTreeSet::from([agent]));
        let forecast = |opinion: &Opinion| {
            let was = self.outcomes.get(&opinion.decision);
            let would = without.and_then(|it| it.outcomes.get(&opinion.decision));
            let ended = was.or(would)?;
            let wins = match opinion.vote {
                Vote::For => opinion.confidence.get(),
                Vote::Against => 1.0 - opinion.confidence.get(),
                Vote::Abstain => return None,
            };
            let wins = Ratio::within_unit(wins);
            Some(Forecast { wins, won: ended.won(), is_counterfactual: was.is_none() })
        };
        self.opinions.iter().filter(|it| it.agent == agent).filter_map(forecast).collect()
    }

    /// What one agent's vetoes were worth; without a repetition they are only counted.
    ///
    /// # Errors
    /// When a sum is beyond what money holds.
    pub fn vetoes_of(&self, agent: AgentName) -> Result<VetoValue, FixedError> {
        let without = self.without(&BTreeSet::from([agent]));
        let mut value = VetoValue::default();
        let mut seen = BTreeSet::new();
        for veto in self.vetoes.iter().filter(|veto| veto.agent == agent) {
            if !seen.insert(&veto.decision) {
                continue;
            }
            value.vetoes += 1;
            value.hard += u64::from(veto.kind == VetoKind::Hard);
            // Where an appeal was heard there was a trade after all, and nothing was prevented.
            let was = self.outcomes.contains_key(&veto.decision);
            let would = without.and_then(|it| it.outcomes.get(&veto.decision));
            let prevented = would.filter(|_| !was).copied();
            if let Some(ended) = prevented {
                value.prevented += 1;
                value.losses_prevented += u64::from(!ended.won());
                value.value = value.value.minus(ended.pnl)?;
            }
            let Veto { decision, kind, code, .. } = veto.clone();
            let spared = prevented.map(|ended| ended.pnl.negated());
            value.each.push(VetoWorth { decision, kind, code, value: spared });
        }
        Ok(value)
    }

    /// What the bounds did to one agent's numbers.
    ///
    /// # Errors
    /// When a sum is beyond what money holds.
    pub fn clamps_of(&self, agent: AgentName) -> Result<ClampValue, FixedError> {
        let mut value = ClampValue::default();
        for forced in self.forced.iter().filter(|forced| forced.agent == agent) {
            value.clamps += 1;
            let ended = self.outcomes.get(&forced.decision);
            let worth = ended.map_or(Ok(None), |ended| sized(&forced.clamp, ended.pnl))?;
            if let Some(ended) = ended {
                value.traded += 1;
                value.pnl = value.pnl.plus(ended.pnl)?;
            }
            if let Some(worth) = worth {
                value.sized += 1;
                value.value = value.value.plus(worth)?;
            }
            let Forced { decision, clamp, .. } = forced.clone();
            let pnl = ended.map(|ended| ended.pnl);
            value.each.push(ClampWorth { decision, clamp, pnl, value: worth });
        }
        Ok(value)
    }
}

/// What bounding a factor on size was worth to first order, where the trades of its decision came to
/// `pnl`: profit goes with size. `None` for any other number.
fn sized(clamp: &Clamp, pnl: Money) -> Result<Option<Money>, FixedError> {
    let spared = Ratio::new(1.0 - clamp.raw.get() / clamp.clamped.get());
    let spared = spared.ok().filter(|_| clamp.parameter == SIZE);
    spared.map(|spared| pnl.scaled(spared)).transpose()
}

impl VetoValue {
    /// These and those of another run.
    ///
    /// # Errors
    /// When a sum is beyond what money holds.
    pub fn plus(mut self, other: Self) -> Result<Self, FixedError> {
        self.each.extend(other.each);
        Ok(Self {
            vetoes: self.vetoes + other.vetoes,
            hard: self.hard + other.hard,
            prevented: self.prevented + other.prevented,
            losses_prevented: self.losses_prevented + other.losses_prevented,
            value: self.value.plus(other.value)?,
            each: self.each,
        })
    }
}

impl ClampValue {
    /// These and those of another run.
    ///
    /// # Errors
    /// When a sum is beyond what money holds.
    pub fn plus(mut self, other: Self) -> Result<Self, FixedError> {
        self.each.extend(other.each);
        Ok(Self {
            clamps: self.clamps + other.clamps,
            traded: self.traded + other.traded,
            pnl: self.pnl.plus(other.pnl)?,
            sized: self.sized + other.sized,
            value: self.value.plus(other.value)?,
            each: self.each,
        })
    }
}
