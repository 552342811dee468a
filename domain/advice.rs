//! What an agent's answer becomes: a stance, bounded numbers in levers, and the clamps it took.
//!
//! Every agent has an answer type of its own in its file; [`Advice`] is what the rest of the system
//! sees, so that a round, the orchestrator and the audit do not know who their members are. Its
//! numbers are [`Bounded`]: a raw number cannot get in here.

use serde::{Deserialize, Serialize};

use crate::bounds::{Bounded, Clamp};
use crate::code::Code;
use crate::market::symbol::Symbol;
use crate::order::TimeInForce;
use crate::ratio::Ratio;
use crate::role::AgentName;

/// One agent's vote on the round's question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vote {
    /// Do it.
    For,
    /// Do not.
    Against,
    /// No opinion: counted neither way.
    Abstain,
}

/// How an objection was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VetoKind {
    /// A limit is breached: final, never to be appealed.
    Hard,
    /// A judgement: may be appealed once.
    Soft,
}

/// One figure that decided an objection or a denial, beside its limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What was measured, with its unit last: `drawdown_pct`.
    pub name: String,
    /// What it was.
    pub value: Ratio,
    /// What it may be.
    pub limit: Ratio,
}

/// A veto and its reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Objection {
    /// Hard or soft.
    pub kind: VetoKind,
    /// The stable code of the reason.
    pub code: Code,
    /// One sentence for people.
    pub text: String,
    /// The figures that decided.
    pub figures: Vec<Figure>,
}

/// Where an agent stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stance {
    /// A vote that is counted.
    Vote(Vote),
    /// A guardian that has looked and does not object; never counted.
    NoObjection,
    /// A guardian's veto: it closes the round.
    Veto(Objection),
}

/// One bounded thing an agent asks for. Levers of several agents compose; where they conflict the
/// more cautious wins.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "lever")]
pub enum Lever {
    /// Trading: factor on the signal's confidence.
    ConfidenceMultiplier {
        /// The factor.
        value: Bounded,
    },
    /// Trading: enter at half the size.
    ReduceSize,
    /// Trading: factor on the base size.
    SizeMultiplier {
        /// The factor.
        value: Bounded,
    },
    /// Trading: send a market order.
    MarketOrder,
    /// Trading: send a limit order away from the last price.
    LimitOrder {
        /// Distance on the passive side, basis points.
        offset_bp: Bounded,
        /// How long it stays.
        time_in_force: TimeInForce,
    },
    /// Trading: where the stop stands, fraction of the entry price.
    StopDistance {
        /// The distance.
        value: Bounded,
    },
    /// Trading: where the take-profit stands, fraction of the entry price.
    TargetDistance {
        /// The distance.
        value: Bounded,
    },
    /// Trading: close the open position now.
    ExitNow,
    /// Training: factor on the scheduled learning rate.
    LearningRate {
        /// The factor.
        value: Bounded,
    },
    /// Training: factor on the entropy bonus.
    Entropy {
        /// The factor.
        value: Bounded,
    },
    /// Training: factor on the batch size.
    BatchSize {
        /// The factor.
        value: Bounded,
    },
    /// Training: change of one reward part's weight.
    RewardWeight {
        /// The reward part's name.
        part: String,
        /// The change.
        delta: Bounded,
    },
    /// Training: save a checkpoint now.
    Checkpoint,
    /// Training: go back to the best checkpoint. Critical.
    Rollback,
    /// Training: end the run. Critical.
    HaltTraining,
    /// Training: stop using one column of the observations.
    DropColumn {
        /// The column's name.
        column: String,
    },
    /// Training: pause until a person has looked at the data.
    PauseForData {
        /// The column that is at fault.
        column: String,
    },
    /// Selection: leave a symbol out.
    Exclude {
        /// The symbol.
        symbol: Symbol,
        /// Why.
        reason: String,
    },
    /// Selection: change of one score weight from its default.
    ScoreWeight {
        /// The metric's name.
        metric: String,
        /// The change.
        delta: Bounded,
    },
    /// Selection: something in the scoring is wrong.
    ScoringError {
        /// What, with the filter or the symbol that shows it.
        finding: String,
    },
    /// Selection: exchange one symbol for another.
    Swap {
        /// The symbol that leaves.
        out: Symbol,
        /// The symbol that comes in.
        into: Symbol,
    },
}

/// An agent's answer after the clamp: all that the rest of the system ever sees of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Advice {
    /// Who said it.
    pub agent: AgentName,
    /// Where it stands.
    pub stance: Stance,
    /// How sure it is, 0 to 1.
    pub confidence: Bounded,
    /// One sentence with the figures that decided.
    pub reasoning: String,
    /// What it asks for.
    pub levers: Vec<Lever>,
    /// The numbers that were out of bounds, raw and clamped.
    pub clamps: Vec<Clamp>,
}
