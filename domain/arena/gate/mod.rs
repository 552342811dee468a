//! What a desk may know: a gate whose clock is fixed at birth, in front of bars, texts, statements, book and
//! memory.
//!
//! Every datum is known from a moment on: a bar from its close, a text from when it was known, a statement
//! from its filing, a lesson from its settlement. What is known exactly at the gate's moment may be told; a
//! millisecond later it may not. Whoever asks beyond it hears that it is refused, and a leak is counted;
//! nothing of what lies there is in the answer, not even whether there is anything.
//!
//! # Invariants
//!
//! - L-1: nothing that was known after the gate's moment is in an answer or in the material.

mod library;
mod material;
mod request;
mod statement;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Value, json};

pub use self::library::{Library, STATEMENTS_MAX, TooMany};
pub use self::material::{
    BODY_TOLD, BarTold, Indicators, Material, NOTHING_KNOWN, StatementTold, TextKind, TextTold,
    Told,
};
pub use self::request::{Leak, ToolAnswer, ToolRequest};
pub use self::statement::{FIGURES_MAX, RawStatement, Statement, StatementError};
use super::book::BookView;
use super::memory::{Lesson, TOLD_MAX};
use super::snapshot::MarketView;
use crate::features::{FeatureEngine, Needs};
use crate::market::symbol::Symbol;
use crate::news::door::Source;
use crate::regime::RegimeFilter;
use crate::time::Time;

/// Bars that one answer holds at most.
pub const BARS_MAX: u16 = 250;
/// Texts that one answer holds at most.
pub const TEXTS_MAX: u16 = 40;
/// Periods that are told at most.
const PERIODS_MAX: usize = 8;
/// Bars that indicators are made of: enough for the longest of them, 250 volatilities of 20 returns.
const INDICATOR_BARS: usize = 300;
/// Bars in the material.
const BARS_TOLD: u16 = 30;
/// Texts of each kind in the material.
const TEXTS_TOLD: u16 = 10;
/// How old news and posts in the material are at most.
const NEWS_AGE: Duration = Duration::from_hours(30 * 24);
/// How old filings in the material are at most: a quarter, and the weeks until the next report.
const FILING_AGE: Duration = Duration::from_hours(120 * 24);

/// The gate of one contestant at one tick.
#[derive(Clone, Debug)]
pub struct Gate {
    as_of: Time,
    view: MarketView,
    library: Arc<Library>,
    book: BookView,
    lessons: Vec<Lesson>,
}

impl Gate {
    /// A gate that knows nothing later than `as_of`, whatever it is handed.
    pub fn new(
        as_of: Time,
        view: MarketView,
        library: Arc<Library>,
        book: BookView,
        mut lessons: Vec<Lesson>,
    ) -> Self {
        lessons.retain(|lesson| lesson.resolved_at <= as_of);
        Self { as_of, view: view.until(as_of), library, book, lessons }
    }

    /// The moment that it knows up to.
    pub const fn as_of(&self) -> Time {
        self.as_of
    }

    /// Answers, or refuses.
    pub fn answer(&self, request: &ToolRequest) -> ToolAnswer {
        match self.given(request) {
            Ok(value) => ToolAnswer::Given(value),
            Err(leak) => ToolAnswer::Refused(leak),
        }
    }

    fn given(&self, request: &ToolRequest) -> Result<Value, Leak> {
        match request {
            ToolRequest::Bars { symbol, until, count } => {
                let until = self.within(symbol, *until)?;
                Ok(said("bars", symbol, until, &self.bars(symbol, until, *count)))
            }
            ToolRequest::Indicators { symbol, at } => {
                let at = self.within(symbol, *at)?;
                let indicators = self.indicators(symbol, at);
                let told = indicators.map_or_else(|| json!(NOTHING_KNOWN), |it| value(&it));
                Ok(said("indicators", symbol, at, &told))
            }
            ToolRequest::Fundamentals { symbol, until, period_end } => {
                let until = self.within(symbol, *until)?;
                let filed = self.filed(symbol, until, *period_end);
                if period_end.is_some() && filed.is_empty() {
                    return Err(Leak::Unfiled);
                }
                Ok(said("statements", symbol, until, &Told::of(filed)))
            }
            ToolRequest::News { symbol, until, count, undated } => {
                let until = self.dated(symbol, *until, *undated)?;
                let told = self.texts(symbol, until, *count, |it| it != Source::Post);
                Ok(said("news", symbol, until, &told))
            }
            ToolRequest::Social { symbol, until, count, undated } => {
                let until = self.dated(symbol, *until, *undated)?;
                let told = self.texts(symbol, until, *count, |it| it == Source::Post);
                Ok(said("posts", symbol, until, &told))
            }
            ToolRequest::OwnBook {} => Ok(json!({"as_of": self.as_of, "book": self.book})),
            ToolRequest::Memory { symbol, until } => {
                let until = self.within(symbol, *until).map_err(|leak| match leak {
                    Leak::LaterThanAsOf => Leak::LaterMemory,
                    other => other,
                })?;
                Ok(said("lessons", symbol, until, &self.lessons(symbol, until)))
            }
        }
    }

    /// What analysts are given without asking.
    pub fn material(&self, symbol: &Symbol) -> Material {
        let at = self.as_of;
        let recent = |source: Source, age: Duration| {
            let mut told = self.texts(symbol, at, TEXTS_TOLD, |it| it == source);
            told.items.retain(|text| at.since(text.known_at) <= age);
            Told::of(told.items)
        };
        Material {
            symbol: symbol.clone(),
            as_of: at,
            bars: self.bars(symbol, at, BARS_TOLD),
            indicators: self.indicators(symbol, at),
            statements: Told::of(self.filed(symbol, at, None)),
            news: recent(Source::News, NEWS_AGE),
            posts: recent(Source::Post, NEWS_AGE),
            filings: recent(Source::Filing, FILING_AGE),
            lessons: self.lessons(symbol, at),
            book: self.book.clone(),
        }
    }

    /// The moment that is asked about, where it may be.
    fn within(&self, symbol: &Symbol, until: Option<Time>) -> Result<Time, Leak> {
        // One that has no bar yet is as unknown as any other: that it will come is nobody's to know.
        if self.view.bars(symbol).is_empty() {
            return Err(Leak::UnknownSymbol);
        }
        let until = until.unwrap_or(self.as_of);
        if until <= self.as_of { Ok(until) } else { Err(Leak::LaterThanAsOf) }
    }

    /// The same for texts, of which the undated are not told.
    fn dated(&self, symbol: &Symbol, until: Option<Time>, undated: bool) -> Result<Time, Leak> {
        let until = self.within(symbol, until)?;
        if undated { Err(Leak::Undated) } else { Ok(until) }
    }

    fn bars(&self, symbol: &Symbol, until: Time, count: u16) -> Told<BarTold> {
        let view = self.view.clone().until(until);
        let last = last(view.bars(symbol), count.clamp(1, BARS_MAX).into());
        Told::of(last.iter().map(BarTold::from).collect())
    }

    /// By the engine and the filter that trade: the last [`INDICATOR_BARS`] bars, on which every figure
    /// has forgotten what was before them.
    fn indicators(&self, symbol: &Symbol, at: Time) -> Option<Indicators> {
        let view = self.view.clone().until(at);
        let (class, timeframe) = view.kind(symbol)?;
        let per_year = timeframe.bars_per_year(class);
        let needs = Needs { smas: vec![20, 50, 200], ..Needs::default() }.with_brief();
        let mut engine = FeatureEngine::new(&needs, per_year);
        let mut regime = RegimeFilter::new(per_year);
        let bars = last(view.bars(symbol), INDICATOR_BARS);
        for bar in bars.iter().filter(|bar| engine.update(bar)) {
            regime.update(bar.close);
        }
        Some(Indicators {
            at: bars.last()?.close_time,
            close: engine.close()?,
            bars: engine.bars(),
            sma_20: engine.sma(20),
            sma_50: engine.sma(50),
            sma_200: engine.sma(200),
            features: engine.features(),
            further: engine.extended(),
            regime: regime.regime(),
        })
    }

    /// The last periods, or the one that is asked for, each as it was filed last until then, oldest first.
    fn filed(&self, symbol: &Symbol, until: Time, period_end: Option<Date>) -> Vec<StatementTold> {
        let by_filing = self.library.statements(symbol, until).iter();
        let by_filing =
            by_filing.filter(|it| period_end.is_none_or(|period_end| it.period_end == period_end));
        let newest: BTreeMap<Date, &Statement> = by_filing.map(|it| (it.period_end, it)).collect();
        let skipped = newest.len().saturating_sub(PERIODS_MAX);
        newest.into_values().skip(skipped).map(StatementTold::from).collect()
    }

    fn texts(
        &self,
        symbol: &Symbol,
        until: Time,
        count: u16,
        is_meant: impl Fn(Source) -> bool,
    ) -> Told<TextTold> {
        let texts = self.library.texts(symbol, until).rev();
        let meant = texts.filter(|item| is_meant(item.source()));
        let mut told: Vec<TextTold> =
            meant.take(count.clamp(1, TEXTS_MAX).into()).map(TextTold::from).collect();
        told.reverse();
        Told::of(told)
    }

    fn lessons(&self, symbol: &Symbol, until: Time) -> Told<Lesson> {
        let mut known: Vec<Lesson> =
            self.lessons.iter().filter(|it| it.symbol == *symbol).cloned().collect();
        known.retain(|it| it.resolved_at <= until);
        known.sort_by_key(|it| (it.resolved_at, it.decided_at));
        known.drain(..known.len().saturating_sub(TOLD_MAX));
        Told::of(known)
    }
}

/// The last so many.
fn last<T>(all: &[T], count: usize) -> &[T] {
    all.get(all.len().saturating_sub(count)..).unwrap_or_default()
}

fn value(of: &impl Serialize) -> Value {
    // Words, texts and finite numbers: there is no way to fail, and nothing would be told.
    serde_json::to_value(of).unwrap_or(Value::Null)
}

fn said(what: &str, symbol: &Symbol, until: Time, told: &impl Serialize) -> Value {
    json!({"symbol": symbol, "as_of": until, what: value(told)})
}
