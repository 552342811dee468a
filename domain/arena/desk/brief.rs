//! What a role of a desk is told: its part of the material, the own book, the rules, and what was said.
//!
//! Everything in it comes through the gate; rules and models read the same.

use std::sync::Arc;

use serde::Serialize;

use super::conversation::{Conversation, Turn};
use super::said::Said;
use super::words::DeskRole;
use crate::arena::gate::{
    BarTold, Indicators, Leak, Material, StatementTold, TextTold, Told, ToolRequest,
};
use crate::arena::market::{MarketKind, MarketRules};
use crate::arena::memory::Lesson;
use crate::fixed::{Money, Qty, notional};
use crate::market::symbol::Symbol;
use crate::ratio::Ratio;
use crate::time::Time;

/// The market as a desk is told of it, made from the rules that judge.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MarketTold {
    /// Which.
    pub kind: MarketKind,
    /// Its rules, a sentence each.
    pub rules: Arc<[String]>,
    /// The share of equity of a full position.
    pub full_position: Ratio,
    /// Whether more may be sold than is held.
    pub shorts: bool,
}

impl MarketTold {
    /// A market by its rules.
    pub fn of(rules: &MarketRules, full_position: Ratio) -> Self {
        let text = rules.text().into();
        Self { kind: rules.kind, rules: text, full_position, shorts: rules.shorts }
    }
}

/// The own book as far as it concerns one symbol. The ledger says it, nobody's summary.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Holding {
    /// Cash.
    pub cash: Money,
    /// Cash and positions at their last marks.
    pub equity: Money,
    /// What is held of the symbol, negative for a short.
    pub held: Qty,
    /// Its value over the equity at the last close; null where there is no close.
    pub weight: Option<Ratio>,
    /// Other symbols that are held.
    pub other_positions: usize,
}

impl Holding {
    fn of(material: &Material) -> Self {
        let book = &material.book;
        let held = book.held.get(&material.symbol).copied().unwrap_or(Qty::ZERO);
        let close = material.indicators.as_ref().map(|it| it.close);
        let value = close.and_then(|close| notional(close, held).ok());
        let weight = value.and_then(|value| Ratio::new(value.to_f64() / book.equity.to_f64()).ok());
        let others = book
            .held
            .iter()
            .filter(|(symbol, held)| **symbol != material.symbol && held.raw() != 0);
        Self { cash: book.cash, equity: book.equity, held, weight, other_positions: others.count() }
    }
}

/// What a role asked for, and what it heard.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ToolResult {
    /// The request.
    pub request: ToolRequest,
    /// What was given, where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given: Option<serde_json::Value>,
    /// Why nothing was, where it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Leak>,
}

/// Somebody who was to speak and did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Absent {
    /// Who.
    pub role: DeskRole,
    /// `failed`, `denied` or `unreadable`.
    pub why: &'static str,
}

/// What one role is told at one of its turns. What is not for it is not in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeskBrief {
    /// About whom.
    pub symbol: Symbol,
    /// Nothing in it was known later.
    pub as_of: Time,
    /// Which of its turns it is, from 0.
    pub turn: u8,
    /// The market.
    pub market: MarketTold,
    /// The own book.
    pub book: Holding,
    /// The last closed bars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bars: Option<Told<BarTold>>,
    /// What is computed of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub indicators: Option<Indicators>,
    /// Statements, by filing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statements: Option<Told<StatementTold>>,
    /// News.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub news: Option<Told<TextTold>>,
    /// Filings as texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filings: Option<Told<TextTold>>,
    /// Posts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posts: Option<Told<TextTold>>,
    /// What became of its own decisions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lessons: Option<Told<Lesson>>,
    /// What it asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_results: Vec<ToolResult>,
    /// The analysts' reports.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<Said>,
    /// Who was to speak and did not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Absent>,
    /// The other side's last word; absent where it has not spoken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opponent: Option<Said>,
    /// The debate, in the order in which they spoke.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub debate: Vec<Said>,
    /// The research manager's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judgement: Option<Said>,
    /// The trader's plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Said>,
    /// What was said about the risk, in the order in which they spoke.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub risk_debate: Vec<Said>,
}

impl DeskBrief {
    /// What a role is told at a turn.
    pub fn of(
        turn: Turn,
        conversation: &Conversation,
        (market, material): (&MarketTold, &Material),
        tool_results: Vec<ToolResult>,
    ) -> Self {
        let mut brief = Self::bare(turn, (market, material));
        brief.tool_results = tool_results;
        match turn.role {
            DeskRole::MarketAnalyst => {
                brief.bars = Some(material.bars.clone());
                brief.indicators.clone_from(&material.indicators);
            }
            DeskRole::NewsAnalyst => {
                brief.news = Some(material.news.clone());
                brief.filings = Some(material.filings.clone());
            }
            DeskRole::FundamentalsAnalyst => brief.statements = Some(material.statements.clone()),
            DeskRole::SocialAnalyst => brief.posts = Some(material.posts.clone()),
            role => brief.tell(role, conversation, material),
        }
        brief
    }

    fn bare(turn: Turn, (market, material): (&MarketTold, &Material)) -> Self {
        Self {
            symbol: material.symbol.clone(),
            as_of: material.as_of,
            turn: turn.round,
            market: market.clone(),
            book: Holding::of(material),
            bars: None,
            indicators: None,
            statements: None,
            news: None,
            filings: None,
            posts: None,
            lessons: None,
            tool_results: Vec::new(),
            reports: Vec::new(),
            missing: Vec::new(),
            opponent: None,
            debate: Vec::new(),
            judgement: None,
            plan: None,
            risk_debate: Vec::new(),
        }
    }

    /// What those are told who speak behind the analysts.
    fn tell(&mut self, role: DeskRole, conversation: &Conversation, material: &Material) {
        let of = |roles: &[DeskRole]| {
            conversation.said().filter(|said| roles.contains(&said.role)).cloned().collect()
        };
        let absent =
            |(role, missed): (DeskRole, super::said::Missed)| Absent { role, why: missed.kind() };
        self.missing = conversation.missing().into_iter().map(absent).collect();
        self.lessons = Some(material.lessons.clone());
        self.reports = conversation.reports().cloned().collect();
        self.debate = of(&DeskRole::DEBATERS);
        match role {
            DeskRole::Bull => self.opponent = conversation.last(DeskRole::Bear).cloned(),
            DeskRole::Bear => self.opponent = conversation.last(DeskRole::Bull).cloned(),
            _ => {}
        }
        if !matches!(role, DeskRole::Bull | DeskRole::Bear | DeskRole::ResearchManager) {
            // Who plans and weighs risks is told how wild the price is, and no text from outside.
            self.indicators.clone_from(&material.indicators);
            self.debate.clear();
            self.judgement = conversation.judgement().cloned();
            self.plan = conversation.last(DeskRole::Trader).cloned();
            self.risk_debate = of(&DeskRole::RISK_DEBATERS);
        }
    }

    /// What an analyst said of its figures, where it spoke.
    pub fn report(&self, role: DeskRole) -> Option<&Said> {
        self.reports.iter().find(|said| said.role == role)
    }
}
