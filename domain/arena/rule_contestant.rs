//! Contestants that need no model: momentum, mean reversion, buy and hold.
//!
//! Their mind is a function of the bars up to the tick: one that is made anew reads them again and says
//! what the old one would have said.
//!
//! - L-1: what they say depends on no bar that closes after the tick: they are shown none.

use std::collections::BTreeMap;

use super::book::BookView;
use super::chat::{ChatStages, Stage, StageState};
use super::season::Rule;
use super::snapshot::{MarketView, Snapshot};
use super::words::{Answered, Brought, Decision, Rating};
use crate::market::symbol::Symbol;
use crate::pipeline::SymbolPipeline;
use crate::ratio::Ratio;
use crate::signal::{Direction, Signal};
use crate::strategy::StrategyConfig;

/// What is known of one symbol.
#[derive(Clone, Debug)]
struct Watched {
    pipeline: SymbolPipeline,
    /// Bars taken.
    taken: usize,
    /// The last call.
    last: Option<Signal>,
}

/// The mind of a contestant by rules.
#[derive(Clone, Debug)]
pub struct RuleMind {
    rule: Rule,
    watched: BTreeMap<Symbol, Watched>,
}

impl RuleMind {
    /// A mind that has seen nothing.
    pub const fn new(rule: Rule) -> Self {
        Self { rule, watched: BTreeMap::new() }
    }

    /// What it brings to a tick.
    pub fn decide(&mut self, snapshot: &Snapshot, view: &MarketView, book: &BookView) -> Answered {
        let mut answered = Answered::default();
        for symbol in snapshot.asked() {
            let (brought, analysis) = match self.rule.strategy() {
                Some(strategy) => self.by_strategy(&strategy, snapshot, (view, symbol)),
                None => by_holding(book, symbol),
            };
            answered.brought.insert(symbol.clone(), brought);
            let stages = ChatStages { market_analysis: analysis, ..ChatStages::default() };
            answered.chats.insert(symbol.clone(), stages);
        }
        answered
    }

    fn by_strategy(
        &mut self,
        strategy: &StrategyConfig,
        snapshot: &Snapshot,
        (view, symbol): (&MarketView, &Symbol),
    ) -> (Brought, Stage) {
        let Some(watched) = self.watch(strategy, (view, symbol)) else {
            let why = "the symbol has no bars that this rule can read".to_owned();
            return (Brought::Abstained { why: why.clone() }, Stage::done(why));
        };
        let at = snapshot.tick.at;
        let is_first = snapshot.tick.number == 0;
        let call = watched.last.as_ref().filter(|call| is_first || call.at == at);
        let (rating, why) = match call.map(|call| call.direction) {
            Some(Direction::Long) => (Rating::Buy, "called long"),
            Some(Direction::Short) => (Rating::Sell, "called short"),
            None if watched.last.is_some() => (Rating::Hold, "has not turned since its last call"),
            None => (Rating::Hold, "has called nothing yet"),
        };
        let name = strategy.name();
        let reasoning = format!("{name} {why}");
        let confidence = call.map_or_else(|| watched.pipeline.hit_rate(), |call| call.confidence);
        let analysis = analysis(watched, &reasoning);
        (decided(rating, confidence, &reasoning), analysis)
    }

    /// Takes the bars that have come since it was asked last.
    fn watch(
        &mut self,
        strategy: &StrategyConfig,
        (view, symbol): (&MarketView, &Symbol),
    ) -> Option<&Watched> {
        if !self.watched.contains_key(symbol) {
            let (class, timeframe) = view.kind(symbol)?;
            let pipeline =
                SymbolPipeline::new(symbol.clone(), class, timeframe, strategy, false).ok()?;
            self.watched.insert(symbol.clone(), Watched { pipeline, taken: 0, last: None });
        }
        let watched = self.watched.get_mut(symbol)?;
        let bars = view.bars(symbol);
        for bar in bars.get(watched.taken..).unwrap_or_default() {
            if let Some(call) = watched.pipeline.on_bar(bar) {
                watched.last = Some(call);
            }
        }
        watched.taken = bars.len();
        Some(watched)
    }
}

/// Buys what it does not hold.
fn by_holding(book: &BookView, symbol: &Symbol) -> (Brought, Stage) {
    let holds = book.held.get(symbol).is_some_and(|held| held.raw() > 0);
    let (rating, reasoning) = if holds {
        (Rating::Hold, "holds it already")
    } else {
        (Rating::Buy, "does not hold it yet")
    };
    // It is sure of its rule, not of the market: it would do the same at any price.
    (decided(rating, Ratio::ONE, reasoning), Stage::done(reasoning))
}

fn decided(rating: Rating, confidence: Ratio, reasoning: &str) -> Brought {
    match Decision::new(rating, confidence, reasoning) {
        Some(decision) => Brought::Decided(decision),
        None => Brought::Failed { why: "a confidence beyond 0 to 1".to_owned() },
    }
}

fn analysis(watched: &Watched, reasoning: &str) -> Stage {
    let mut metrics = BTreeMap::from([
        ("bars".to_owned(), watched.taken.to_string()),
        ("hit_rate".to_owned(), format!("{:.4}", watched.pipeline.hit_rate().get())),
    ]);
    if let Some(close) = watched.pipeline.last_close() {
        metrics.insert("close".to_owned(), close.to_string());
    }
    let mut insights = Vec::new();
    if let Some(call) = &watched.last {
        metrics.insert("last_call".to_owned(), call.at.to_string());
        let word = if call.direction == Direction::Long { "long" } else { "short" };
        insights.push(format!("the last call was {word} at {}", call.price));
    }
    Stage {
        state: StageState::Done,
        key_insights: insights,
        metrics,
        reasoning: reasoning.to_owned(),
        confidence: None,
    }
}
