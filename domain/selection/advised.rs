//! What agents change of a selection: exclusions and weights before a list is made, swaps after it, and what
//! that came to for each symbol.
//!
//! - U-2: what an agent asks of a selection is done whole or not at all: weights that are none, or swaps after
//!   which the list would break a constraint, change nothing and say why.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::Scored;
use super::diversify::{Diverse, PassedOver};
use super::score::{Weights, default_weights};
use super::validate::{Selected, Violations};
use crate::advice::{Advice, Lever, Stance, Vote};
use crate::brief::selection::Metric;
use crate::clearance::Decided;
use crate::code::Code;
use crate::market::symbol::Symbol;
use crate::mode::Mode;
use crate::order::DecisionId;
use crate::ratio::Ratio;
use crate::role::AgentName;

/// What an agent asks for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "asked", rename_all = "snake_case")]
pub enum Wish {
    /// Leave a symbol out.
    Exclude {
        /// The symbol.
        symbol: Symbol,
        /// Why.
        reason: String,
    },
    /// Score with another weight.
    Weight {
        /// Whose.
        metric: Metric,
        /// The weight before.
        from: Ratio,
        /// The weight that is wanted.
        to: Ratio,
    },
    /// Nothing: something in the scoring is wrong.
    Finding {
        /// What.
        finding: String,
    },
    /// Exchange a symbol of the list.
    Swap {
        /// The symbol that leaves.
        out: Symbol,
        /// The symbol that comes in.
        into: Symbol,
    },
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exclude { symbol, reason } => write!(f, "{symbol} out: {reason}"),
            Self::Weight { metric, from, to } => {
                write!(f, "{} from {:.3} to {:.3}", metric.name(), from.get(), to.get())
            }
            Self::Finding { finding } => f.write_str(finding),
            Self::Swap { out, into } => write!(f, "{out} for {into}"),
        }
    }
}

/// A wish, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Heeded {
    /// Who asked.
    pub by: AgentName,
    /// For what.
    #[serde(flatten)]
    pub wish: Wish,
    /// Why it was not done; `None` where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// Where a symbol stands in a selection.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Standing {
    /// Its place on the list, from 1; `None` beside it.
    pub on_list: Option<usize>,
    /// Its place by score, from 1.
    pub rank: Option<u32>,
    /// Its score.
    pub score: Option<Ratio>,
}

impl Standing {
    fn of(scored: &Scored, list: &[Symbol], symbol: &Symbol) -> Self {
        let known = scored.candidate(symbol);
        Self {
            on_list: list.iter().position(|one| one == symbol).map(|at| at + 1),
            rank: known.and_then(|known| known.rank),
            score: known.and_then(|known| known.score),
        }
    }
}

/// What the agents have changed for one symbol.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shift {
    /// The symbol.
    pub symbol: Symbol,
    /// How it stands without them.
    pub was: Standing,
    /// How it stands with them.
    pub now: Standing,
}

/// What came of asking the agents.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Council {
    /// The decision in the log.
    pub decision: DecisionId,
    /// The mode that the job stands in.
    pub mode: Mode,
    /// Why the list is the one without them; `None` where it is theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// How each seat of the vote ended, guardians first, in roster order.
    pub votes: Vec<(AgentName, &'static str)>,
    /// What was asked for, in the order in which it was looked at.
    pub asked: Vec<Heeded>,
    /// What that changed, symbol by symbol; empty where the list is the one without them.
    pub shifts: Vec<Shift>,
}

/// A selection that is made: with the agents or without.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// The ranking that the list is of.
    pub scored: Scored,
    /// Why each other symbol is not on it.
    pub diverse: Diverse,
    /// The list, looked at for the last time.
    pub selected: Selected,
}

/// A list that a decision was about.
#[derive(Clone, Debug, PartialEq)]
pub struct ListPlan {
    /// The decision.
    pub decision: DecisionId,
    /// What is to be made of it.
    pub made: Made,
}

impl Decided for ListPlan {
    fn decision(&self) -> &DecisionId {
        &self.decision
    }

    fn adds_risk(&self) -> bool {
        true
    }
}

/// Levers of those who want what they ask for, and findings, which want nothing, of everybody.
fn levers(advice: &[Advice]) -> impl Iterator<Item = (AgentName, &Lever)> {
    advice.iter().flat_map(|advice| {
        let wants = advice.stance == Stance::Vote(Vote::For);
        let said = advice.levers.iter();
        said.filter(move |lever| wants || matches!(lever, Lever::ScoringError { .. }))
            .map(|lever| (advice.agent, lever))
    })
}

impl Scored {
    /// Leaves out and scores anew as the advice says. Weights are taken together: where they are none, all
    /// of them are refused and the former stay.
    pub fn heed(&mut self, advice: &[Advice]) -> Vec<Heeded> {
        let mut heeded = Vec::new();
        let mut wanted: Weights = default_weights();
        let mut moved = Vec::new();
        for (by, lever) in levers(advice) {
            match lever {
                Lever::Exclude { symbol, reason } => {
                    let refused = self.leave_out(by, symbol, reason).err();
                    let wish = Wish::Exclude { symbol: symbol.clone(), reason: reason.clone() };
                    heeded.push(Heeded { by, wish, refused });
                }
                Lever::ScoreWeight { metric, delta } => {
                    let known = Metric::ALL.into_iter().find(|known| known.name() == metric);
                    let Some(metric) = known else { continue };
                    let to = Ratio::or_zero(metric.default_weight().get() + delta.get());
                    wanted.insert(metric, to);
                    moved.push((by, metric, to));
                }
                Lever::ScoringError { finding } => {
                    let wish = Wish::Finding { finding: finding.clone() };
                    heeded.push(Heeded { by, wish, refused: None });
                }
                _ => {}
            }
        }
        if !moved.is_empty() {
            let before = self.weights().clone();
            let refused = self.reweigh(wanted).err().map(|error| error.to_string());
            heeded.extend(moved.into_iter().filter_map(|(by, metric, to)| {
                let from = before.get(&metric).copied().unwrap_or(Ratio::ZERO);
                let wish = Wish::Weight { metric, from, to };
                let differs = (from.get() - to.get()).abs() > f64::EPSILON;
                differs.then(|| Heeded { by, wish, refused: refused.clone() })
            }));
        }
        heeded
    }

    fn leave_out(&mut self, by: AgentName, symbol: &Symbol, reason: &str) -> Result<(), String> {
        let known = self.candidate(symbol).ok_or_else(|| "it is not in the universe".to_owned())?;
        if !known.excluded.is_empty() {
            return Err("it is excluded already".to_owned());
        }
        if self.exclude(symbol, format!("{by}: {reason}")) {
            Ok(())
        } else {
            Err("it cannot be excluded".to_owned())
        }
    }

    /// Exchanges symbols of a list as the advice says, all of them or none, and looks at what comes out
    /// from the list alone. The list stays in the order of the ranking.
    pub fn swap(&self, diverse: &Diverse, advice: &[Advice]) -> (Diverse, Vec<Heeded>) {
        let mut heeded = Self::findings(advice);
        let swaps: Vec<(AgentName, &Symbol, &Symbol)> = levers(advice)
            .filter_map(|(by, lever)| match lever {
                Lever::Swap { out, into } => Some((by, out, into)),
                _ => None,
            })
            .collect();
        if swaps.is_empty() {
            return (diverse.clone(), heeded);
        }
        let swapped = self.swapped(diverse, &swaps);
        let refused = swapped.as_ref().err().cloned();
        heeded.extend(swaps.into_iter().map(|(by, out, into)| {
            let wish = Wish::Swap { out: out.clone(), into: into.clone() };
            Heeded { by, wish, refused: refused.clone() }
        }));
        (swapped.unwrap_or_else(|_| diverse.clone()), heeded)
    }

    fn findings(advice: &[Advice]) -> Vec<Heeded> {
        let mut known = BTreeSet::new();
        let findings = levers(advice).filter_map(|(by, lever)| match lever {
            Lever::ScoringError { finding } => Some((by, finding)),
            _ => None,
        });
        findings
            .filter(|(_, finding)| known.insert(finding.as_str()))
            .map(|(by, finding)| {
                let wish = Wish::Finding { finding: finding.clone() };
                Heeded { by, wish, refused: None }
            })
            .collect()
    }

    fn swapped(
        &self,
        diverse: &Diverse,
        swaps: &[(AgentName, &Symbol, &Symbol)],
    ) -> Result<Diverse, String> {
        let Diverse { mut list, mut passed_over } = diverse.clone();
        for (_, out, into) in swaps {
            let place = list.iter().position(|one| one == *out);
            let place = place.ok_or_else(|| format!("{out} is not on the list"))?;
            list[place] = (*into).clone();
            passed_over.remove(*into);
            let why = PassedOver::Swapped { into: (*into).clone() };
            passed_over.insert((*out).clone(), why);
        }
        // A symbol that went and came back is on the list, whatever was noted on its way.
        passed_over.retain(|symbol, _| !list.contains(symbol));
        list.sort_by_key(|symbol| self.candidate(symbol).and_then(|known| known.rank));
        self.selected(list.clone()).map_err(|violations| violations.to_string())?;
        Ok(Diverse { list, passed_over })
    }
}

impl Made {
    /// The list of the pipeline alone.
    ///
    /// # Errors
    /// When it breaks a constraint, which it never should.
    pub fn alone(scored: Scored, count: usize) -> Result<Self, Violations> {
        let diverse = scored.diverse(count);
        let selected = scored.selected(diverse.list.clone())?;
        Ok(Self { scored, diverse, selected })
    }

    /// What is different for each symbol that is on one of the two lists, or was left out since, in the
    /// order of the former list, the latter, the alphabet.
    pub fn shifts(&self, former: &Self) -> Vec<Shift> {
        let lists = former.selected.symbols().iter().chain(self.selected.symbols());
        let left_out = self.scored.candidates().iter().filter(|known| {
            let before = former.scored.candidate(&known.symbol);
            before.is_some_and(|before| before.excluded != known.excluded)
        });
        let mut seen = BTreeSet::new();
        let symbols = lists.chain(left_out.map(|known| &known.symbol));
        symbols
            .filter(|symbol| seen.insert(*symbol))
            .map(|symbol| Shift {
                symbol: symbol.clone(),
                was: Standing::of(&former.scored, former.selected.symbols(), symbol),
                now: Standing::of(&self.scored, self.selected.symbols(), symbol),
            })
            .filter(|shift| shift.was != shift.now)
            .collect()
    }
}
