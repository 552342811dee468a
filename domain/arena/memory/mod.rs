//! What a desk remembers of its own decisions: what became of each, and a sentence on it.
//!
//! A decision waits until its symbol has had [`HORIZON`] more bars; then its outcome is known, and from
//! that close on it is a lesson. The memory is made of the season's own slices and answers, so that a
//! replay of the log makes the same one. Each contestant has its own; nobody else's reaches it.
//!
//! - L-1: no lesson is told that was resolved after the moment it is told at.

mod situation;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

pub use situation::{BARS, Situation, Trail};

use super::words::{Decision, Rating, Vote};
use crate::fixed::{Money, Price};
use crate::market::symbol::Symbol;
use crate::ratio::Ratio;
use crate::time::Time;

/// Bars of the symbol after which the outcome of a decision counts.
pub const HORIZON: u16 = 5;
/// Lessons that are told of a symbol at once.
pub const TOLD_MAX: usize = 5;
/// Lessons that are kept of a symbol; the oldest go.
const KEPT_MAX: usize = 256;

/// A decision of its own that has come to something, as a contestant is told of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lesson {
    /// The symbol.
    pub symbol: Symbol,
    /// The close that it was decided at.
    pub decided_at: Time,
    /// The close that it was settled at: nothing of it is known before.
    pub resolved_at: Time,
    /// What was decided.
    pub rating: Rating,
    /// How sure it was, 0 to 1.
    pub confidence: Ratio,
    /// The symbol's return between the two closes, fraction.
    pub outcome: Ratio,
    /// The same less the benchmark's, fraction.
    pub excess: Ratio,
    /// Whether the rating was right.
    pub was_right: bool,
    /// One sentence, made by rule of the figures.
    pub reflection: String,
    /// How like the situation then is to the one now, 0 to 1.
    pub similarity: Ratio,
}

/// The market at the close at which something is noted or resolved.
#[derive(Clone, Copy, Debug)]
pub struct Close {
    /// The close.
    pub at: Time,
    /// The symbol's price at it.
    pub price: Price,
    /// The benchmark's value at it.
    pub benchmark: Money,
}

/// A decision whose outcome is not known yet.
#[derive(Clone, Debug)]
struct Pending {
    close: Close,
    rating: Rating,
    confidence: Ratio,
    situation: Situation,
    /// Bars of the symbol since.
    bars: u16,
}

/// A decision whose outcome is known; the lesson's similarity is filled in when it is told.
#[derive(Clone, Debug)]
struct Resolved {
    lesson: Lesson,
    situation: Situation,
}

/// What a desk remembers; bounded.
#[derive(Clone, Debug, Default)]
pub struct DeskMemory {
    pending: BTreeMap<Symbol, VecDeque<Pending>>,
    /// By symbol, oldest first.
    resolved: BTreeMap<Symbol, VecDeque<Resolved>>,
}

impl DeskMemory {
    /// Remembers a decision, HOLD as well, until its outcome is known.
    pub fn note(
        &mut self,
        symbol: &Symbol,
        decision: &Decision,
        close: Close,
        situation: Situation,
    ) {
        let waiting = self.pending.entry(symbol.clone()).or_default();
        // One for each bar within the horizon is all that can wait.
        if waiting.len() >= usize::from(HORIZON) {
            waiting.pop_front();
        }
        let Decision { rating, confidence, .. } = *decision;
        waiting.push_back(Pending { close, rating, confidence, situation, bars: 0 });
    }

    /// A bar of a symbol has closed: what was decided [`HORIZON`] bars ago becomes a lesson.
    pub fn resolve(&mut self, symbol: &Symbol, now: Close) {
        let Some(waiting) = self.pending.get_mut(symbol) else { return };
        for pending in waiting.iter_mut() {
            pending.bars += 1;
        }
        while waiting.front().is_some_and(|first| first.bars >= HORIZON) {
            let Some(pending) = waiting.pop_front() else { return };
            let Some(lesson) = lesson(symbol, &pending, now) else { continue };
            let kept = self.resolved.entry(symbol.clone()).or_default();
            if kept.len() >= KEPT_MAX {
                kept.pop_front();
            }
            kept.push_back(Resolved { lesson, situation: pending.situation });
        }
    }

    /// The lessons on a symbol that were known at `as_of`: those of the likest situations, of equally like
    /// ones the newest, at most `max`, told oldest first.
    pub fn lessons(
        &self,
        symbol: &Symbol,
        as_of: Time,
        situation: &Situation,
        max: usize,
    ) -> Vec<Lesson> {
        let kept = self.resolved.get(symbol).into_iter().flatten();
        let known = kept.filter(|it| it.lesson.resolved_at <= as_of);
        let mut told: Vec<Lesson> = known
            .map(|it| {
                let similarity = situation.similarity(&it.situation);
                Lesson { similarity, ..it.lesson.clone() }
            })
            .collect();
        told.sort_by(|a, b| {
            let likest = b.similarity.get().total_cmp(&a.similarity.get());
            likest.then(Reverse(a.decided_at).cmp(&Reverse(b.decided_at)))
        });
        told.truncate(max);
        told.sort_by_key(|lesson| lesson.decided_at);
        told
    }
}

/// What became of a decision; `None` where a figure leaves its range.
fn lesson(symbol: &Symbol, pending: &Pending, now: Close) -> Option<Lesson> {
    let Pending { close, rating, confidence, situation, .. } = pending;
    let grown = |from: f64, to: f64| Ratio::new(to / from - 1.0).ok();
    let outcome = grown(close.price.to_f64(), now.price.to_f64())?;
    let benchmark = grown(close.benchmark.to_f64(), now.benchmark.to_f64())?;
    let excess = Ratio::new(outcome.get() - benchmark.get()).ok()?;
    let usual = situation.usual_move(HORIZON);
    let was_right = match rating.vote() {
        Vote::Buy => outcome.get() > 0.0,
        Vote::Sell => outcome.get() < 0.0,
        Vote::Hold => outcome.get().abs() <= usual,
    };
    let percent = |share: f64| share * 100.0;
    let reflection = format!(
        "{} at {} with confidence {:.2} was {}: {:+.2} % in {HORIZON} bars where {:.2} % is usual, \
         {:+.2} % against the benchmark; before, the price had gone {:+.2} % in {BARS} bars and stood \
         {:.2} % under its peak and {:+.1} deviations from its mean",
        rating.name(),
        close.price,
        confidence.get(),
        if was_right { "right" } else { "wrong" },
        percent(outcome.get()),
        percent(usual),
        percent(excess.get()),
        percent(situation.trend.get()),
        percent(-situation.drawdown.get()),
        situation.from_mean.get(),
    );
    Some(Lesson {
        symbol: symbol.clone(),
        decided_at: close.at,
        resolved_at: now.at,
        rating: *rating,
        confidence: *confidence,
        outcome,
        excess,
        was_right,
        reflection,
        similarity: Ratio::ONE,
    })
}
