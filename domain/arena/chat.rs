//! `ModelChat`: how a contestant came to a decision, in seven stages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::words::{Brought, ContestantName, Rating};
use crate::market::symbol::Symbol;
use crate::ratio::Ratio;
use crate::record::Digest;
use crate::time::Time;

/// Whether a stage took place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageState {
    /// It did.
    Done,
    /// It was to, and whoever it was up to brought nothing.
    Missing,
    /// This contestant has no such stage.
    #[default]
    NotPart,
}

/// One stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Whether it took place.
    pub state: StageState,
    /// What was seen, a sentence each.
    pub key_insights: Vec<String>,
    /// Figures by name, as text.
    pub metrics: BTreeMap<String, String>,
    /// What follows from it.
    pub reasoning: String,
    /// How sure they are, 0 to 1, where they say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Ratio>,
}

impl Stage {
    /// Nothing but a reason.
    pub fn done(reasoning: impl Into<String>) -> Self {
        Self { state: StageState::Done, reasoning: reasoning.into(), ..Self::default() }
    }
}

/// Bull against bear.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Debate {
    /// Whether it took place.
    pub state: StageState,
    /// What spoke for it.
    pub bull: String,
    /// What spoke against it.
    pub bear: String,
    /// Who won, `bull`, `bear` or `draw`, where somebody judged.
    pub winner: Option<String>,
    /// What the judge said.
    pub reasoning: String,
    /// How sure the judge is, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Ratio>,
}

/// The stages before the decision. What a contestant by rules does not have stays
/// [`StageState::NotPart`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatStages {
    /// Prices and what is computed of them.
    pub market_analysis: Stage,
    /// Statements.
    pub fundamentals: Stage,
    /// News and posts.
    pub news_sentiment: Stage,
    /// Bull against bear.
    pub debate: Debate,
    /// The plan.
    pub trader: Stage,
    /// What could go wrong with it.
    pub risk_check: Stage,
}

/// The last stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Final {
    /// How it ended: `decided`, `abstained`, `late`, `failed`, `review`, `denied`, `excluded`.
    pub outcome: &'static str,
    /// The rating, where one was given.
    pub rating: Option<Rating>,
    /// How sure it was, where it decided.
    pub confidence: Option<Ratio>,
    /// Why, or why not.
    pub reasoning: String,
}

impl Final {
    /// The last stage of what was brought.
    pub fn of(brought: &Brought) -> Self {
        let decision = brought.decision();
        let reasoning = match brought {
            Brought::Decided(decision) => decision.reasoning.clone(),
            Brought::Abstained { why } | Brought::Failed { why } | Brought::Review { why } => {
                why.clone()
            }
            Brought::Denied { code } => format!("its budget refused the call: {code}"),
            Brought::Late => "no answer before the tick closed".to_owned(),
            Brought::Excluded => "takes no part any more".to_owned(),
        };
        Self {
            outcome: brought.name(),
            rating: decision.map(|it| it.rating),
            confidence: decision.map(|it| it.confidence),
            reasoning,
        }
    }
}

/// One decision of one contestant on one symbol: a line of `chats.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChatEntry {
    /// The season.
    pub season: String,
    /// Who.
    pub contestant: ContestantName,
    /// On what.
    pub ticker: Symbol,
    /// The tick's number.
    pub tick: u32,
    /// The close that made the tick.
    pub timestamp: Time,
    /// What everybody was shown.
    pub snapshot: Digest,
    /// The stages before.
    #[serde(flatten)]
    pub stages: ChatStages,
    /// The decision.
    pub final_decision: Final,
}
