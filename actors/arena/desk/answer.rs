//! The answers of a desk's roles as they are asked for, and the way to what the desk takes of them.
//!
//! - B-1: every number that leaves an agent is finite and within its bounds: the only number of an answer is
//!   its confidence, and the desk takes the clamped one.

use conclave_domain::advice::{Advice, Stance, Vote};
use conclave_domain::arena::desk::DeskRole;
use conclave_domain::arena::desk::conversation::{Answer, Turn};
use conclave_domain::arena::desk::said::{Lean, Remark, Said, Winner, Word};
use conclave_domain::arena::gate::ToolRequest;
use conclave_domain::arena::words::Rating;
use conclave_domain::limits::Limits;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::ratio::Ratio;
use conclave_domain::role::Role;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::runtime::agent::ConsultError;
use crate::runtime::answer::{Draft, plain};

/// The five tiers, from the best.
const RATINGS: [Rating; 5] =
    [Rating::Buy, Rating::Overweight, Rating::Hold, Rating::Underweight, Rating::Sell];

fn words<W: Serialize>(all: &[W]) -> Schema {
    json_schema!({"type": "string", "enum": all})
}

fn leans(_: &mut SchemaGenerator) -> Schema {
    words(&Lean::ALL)
}

fn winners(_: &mut SchemaGenerator) -> Schema {
    words(&Winner::ALL)
}

fn ratings(_: &mut SchemaGenerator) -> Schema {
    words(&RATINGS)
}

/// What an analyst may look something up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tool {
    /// The last closed bars of a symbol.
    Bars,
    /// What is computed of them.
    Indicators,
    /// Statements that were filed.
    Fundamentals,
    /// News and filings as texts.
    News,
    /// Posts.
    Social,
    /// The own cash and holdings.
    OwnBook,
    /// What became of own decisions.
    Memory,
}

/// How many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    /// The last few.
    Few,
    /// More of them.
    Some,
    /// As many as are told.
    Many,
}

impl Count {
    const fn number(self) -> u16 {
        match self {
            Self::Few => 10,
            Self::Some => 40,
            Self::Many => u16::MAX,
        }
    }
}

/// Something that an analyst wants to look up, in the one form that every provider's grammar can hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// With what.
    pub tool: Tool,
    /// Of which symbol; empty for the own book.
    pub symbol: String,
    /// Up to which moment, as 2013-03-31T20:00:00Z; empty for the brief's own.
    pub until: String,
    /// How many bars or texts.
    pub count: Count,
    /// The last day of the one period that is wanted, as 2013-03-31; empty for the last ones.
    pub period_end: String,
    /// Also texts that do not say when they were known.
    pub undated: bool,
}

impl Request {
    /// The request as the gate takes it.
    fn admit(&self) -> Result<ToolRequest, ConsultError> {
        let unreadable = |what: &str, text: &str| {
            let shown: String = text.chars().take(40).collect();
            ConsultError::Unreadable { why: format!("a request's {what} is `{shown}`") }
        };
        if self.tool == Tool::OwnBook {
            return Ok(ToolRequest::OwnBook {});
        }
        let symbol = Symbol::new(&self.symbol).map_err(|_| unreadable("symbol", &self.symbol))?;
        let until = match self.until.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| unreadable("until", text))?),
        };
        let period_end = match self.period_end.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| unreadable("period_end", text))?),
        };
        let (count, undated) = (self.count.number(), self.undated);
        Ok(match self.tool {
            Tool::Bars => ToolRequest::Bars { symbol, until, count },
            Tool::Indicators => ToolRequest::Indicators { symbol, at: until },
            Tool::Fundamentals => ToolRequest::Fundamentals { symbol, until, period_end },
            Tool::News => ToolRequest::News { symbol, until, count, undated },
            Tool::Social => ToolRequest::Social { symbol, until, count, undated },
            Tool::Memory => ToolRequest::Memory { symbol, until },
            Tool::OwnBook => ToolRequest::OwnBook {},
        })
    }
}

/// An analyst's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// One sentence with the figures that decided.
    pub reasoning: String,
    /// Which way your material leans for the price; unknown when it says nothing.
    #[schemars(schema_with = "leans")]
    pub lean: Lean,
    /// What matters in it, a short sentence each.
    pub points: Vec<String>,
    /// How sure you are of this answer.
    #[schemars(extend("x-bound" = "confidence"))]
    pub confidence: f64,
    /// What you want to look up before you are held to this answer; usually nothing.
    pub requests: Vec<Request>,
}

/// A debater's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Argument {
    /// Your argument in one sentence with the figures that carry it.
    pub reasoning: String,
    /// Your points, a short sentence each.
    pub points: Vec<String>,
    /// How strong your side is.
    #[schemars(extend("x-bound" = "confidence"))]
    pub confidence: f64,
}

/// The research manager's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Judgement {
    /// One sentence with the figures that decided.
    pub reasoning: String,
    /// Who argued better from the figures.
    #[schemars(schema_with = "winners")]
    pub winner: Winner,
    /// Which way it all leans for the price.
    #[schemars(schema_with = "leans")]
    pub lean: Lean,
    /// What decided, a short sentence each.
    pub points: Vec<String>,
    /// How sure you are of this answer.
    #[schemars(extend("x-bound" = "confidence"))]
    pub confidence: f64,
}

/// The answer of who proposes or decides a rating.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// One sentence with the figures that decided.
    pub reasoning: String,
    /// The rating: one of five tiers.
    #[schemars(schema_with = "ratings")]
    pub rating: Rating,
    /// What speaks for it, a short sentence each.
    pub points: Vec<String>,
    /// How sure you are of this answer.
    #[schemars(extend("x-bound" = "confidence"))]
    pub confidence: f64,
}

/// Checks an answer: a reason is given, the confidence is a number. What it advises is the desk's to take.
pub(super) fn admit(
    role: &Role,
    (reasoning, confidence): (&str, f64),
    limits: &Limits,
) -> Result<Advice, ConsultError> {
    Draft::new(limits).finish(role, Stance::Vote(Vote::Abstain), confidence, reasoning)
}

/// What a role's raw answer comes to at a turn, with the confidence that was clamped.
///
/// # Errors
/// When it is not the answer of that role, or asks for something in no form.
pub(super) fn answer_of(turn: Turn, raw: &Value, advice: &Advice) -> Result<Answer, ConsultError> {
    let mut requests = Vec::new();
    let (word, points) = match turn.role {
        DeskRole::MarketAnalyst
        | DeskRole::NewsAnalyst
        | DeskRole::FundamentalsAnalyst
        | DeskRole::SocialAnalyst => {
            let report: Report = read(raw)?;
            for request in &report.requests {
                requests.push(request.admit()?);
            }
            (Word::Report { lean: report.lean }, report.points)
        }
        DeskRole::Bull | DeskRole::Bear => {
            let argument: Argument = read(raw)?;
            (Word::Argument, argument.points)
        }
        DeskRole::ResearchManager => {
            let Judgement { winner, lean, points, .. } = read(raw)?;
            (Word::Judgement { winner, lean }, points)
        }
        DeskRole::Trader
        | DeskRole::Aggressive
        | DeskRole::Neutral
        | DeskRole::Conservative
        | DeskRole::PortfolioManager => {
            let Proposal { rating, points, .. } = read(raw)?;
            (Word::Rating { rating }, points)
        }
    };
    let points: Vec<String> = points.iter().filter_map(|point| plain(point)).collect();
    let confidence = Ratio::within_unit(advice.confidence.get());
    let remark = Remark::new(&advice.reasoning, &points, confidence);
    let said = Said { role: turn.role, round: turn.round, word, remark };
    Ok(Answer { said, requests })
}

fn read<A: DeserializeOwned>(raw: &Value) -> Result<A, ConsultError> {
    A::deserialize(raw).map_err(|error| ConsultError::Unreadable { why: error.to_string() })
}
