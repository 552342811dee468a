//! What is told of what is known: dated, bounded, oldest first. A list without anything says so.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;

use super::statement::{Statement, day};
use crate::alpaca::Figure;
use crate::arena::book::BookView;
use crate::arena::memory::Lesson;
use crate::features::Extended;
use crate::fixed::{Price, Volume};
use crate::market::bar::Bar;
use crate::market::symbol::Symbol;
use crate::news::door::{Item, Source};
use crate::signal::{Features, Regime};
use crate::time::Time;

/// Characters of a text's body that are told.
pub const BODY_TOLD: usize = 600;

/// What stands where nothing is known. Nothing neutral stands in for it.
pub const NOTHING_KNOWN: &str = "nothing known";

/// A list with its order, which models misread where it is not said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Told<T> {
    /// Always `oldest first`.
    pub order: &'static str,
    /// [`NOTHING_KNOWN`] where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'static str>,
    /// The things.
    pub items: Vec<T>,
}

impl<T> Told<T> {
    /// A list that is oldest first already.
    pub(super) fn of(items: Vec<T>) -> Self {
        let note = items.is_empty().then_some(NOTHING_KNOWN);
        Self { order: "oldest first", note, items }
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

/// A closed bar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BarTold {
    /// When it closed.
    pub closed_at: Time,
    /// First price.
    pub open: Price,
    /// Highest price.
    pub high: Price,
    /// Lowest price.
    pub low: Price,
    /// Last price.
    pub close: Price,
    /// Shares or coins traded.
    pub volume: Volume,
}

impl From<&Bar> for BarTold {
    fn from(bar: &Bar) -> Self {
        let Bar { close_time: closed_at, open, high, low, close, volume, .. } = *bar;
        Self { closed_at, open, high, low, close, volume }
    }
}

/// What is computed of closed bars. Fractions, not percent; a figure that cannot be had yet is null.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Indicators {
    /// The close that they stand for.
    pub at: Time,
    /// That close.
    pub close: Price,
    /// Bars that they are made of.
    pub bars: u64,
    /// Mean of the last 20 closes.
    pub sma_20: Option<Price>,
    /// Mean of the last 50 closes.
    pub sma_50: Option<Price>,
    /// Mean of the last 200 closes.
    pub sma_200: Option<Price>,
    /// Returns, volatility, ranges and oscillators.
    pub features: Features,
    /// MACD, bands and distances from means.
    pub further: Extended,
    /// How likely each regime is.
    pub regime: Regime,
}

/// A text from outside: data, whatever it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TextTold {
    /// Where it comes from.
    pub kind: TextKind,
    /// When it was known.
    pub known_at: Time,
    /// When that happened what it tells of, where that is said.
    pub event_at: Option<Time>,
    /// One clean line.
    pub headline: String,
    /// The beginning of the text, one clean line.
    pub body: String,
    /// Whether it seems to talk to its reader rather than to tell of something.
    pub suspect: bool,
}

/// Where a text comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TextKind {
    /// A news agency or a paper.
    News,
    /// A post on a social network.
    Post,
    /// A regulatory filing.
    Filing,
}

impl From<Source> for TextKind {
    fn from(source: Source) -> Self {
        match source {
            Source::News => Self::News,
            Source::Post => Self::Post,
            Source::Filing => Self::Filing,
        }
    }
}

impl From<&Item> for TextTold {
    fn from(item: &Item) -> Self {
        Self {
            kind: item.source().into(),
            known_at: item.known_at(),
            event_at: item.event_at(),
            headline: item.headline().to_owned(),
            body: item.body().chars().take(BODY_TOLD).collect(),
            suspect: item.signs().is_any(),
        }
    }
}

/// A statement as it was filed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatementTold {
    /// The last day of its period.
    #[serde(with = "day")]
    pub period_end: Date,
    /// When it was filed.
    pub filed_at: Time,
    /// Its figures, exact.
    pub figures: BTreeMap<String, Figure>,
}

impl From<&Statement> for StatementTold {
    fn from(statement: &Statement) -> Self {
        let Statement { period_end, filed_at, figures, .. } = statement;
        Self { period_end: *period_end, filed_at: *filed_at, figures: figures.clone() }
    }
}

/// What the analysts of a desk are given about one symbol without asking.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Material {
    /// About whom.
    pub symbol: Symbol,
    /// The moment that nothing in it is later than.
    pub as_of: Time,
    /// The last closed bars.
    pub bars: Told<BarTold>,
    /// What is computed of all of them; `None` without a bar.
    pub indicators: Option<Indicators>,
    /// The last periods, each as it was filed last.
    pub statements: Told<StatementTold>,
    /// News of the last thirty days.
    pub news: Told<TextTold>,
    /// Posts of the last thirty days.
    pub posts: Told<TextTold>,
    /// Filings as texts, of the last hundred and twenty days.
    pub filings: Told<TextTold>,
    /// What became of its own decisions on the symbol.
    pub lessons: Told<Lesson>,
    /// Its own book.
    pub book: BookView,
}
