//! The newsroom: has items read, each once and by itself, and tells briefs what they come to.
//!
//! Texts end here. The reader is quarantined: it is shown one item and answers in words of ours; it
//! has no tools, knows no position and no limit, and nobody acts on what it says alone.
//!
//! # Invariants
//!
//! - L-1: nothing with `known_at` after the as-of time reaches a brief.

pub mod reader;

use std::sync::Arc;

use conclave_domain::limits::Limits;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::news::door::{Item, Press};
use conclave_domain::news::reading::Reading;
use conclave_domain::news::view::{NewsView, Seen};
use conclave_domain::order::DecisionId;
use conclave_domain::time::Time;
use tokio::sync::OnceCell;

use crate::runtime::agent::Entry;
use crate::runtime::brain::{Ask, Brain, RulesBrain, Spent};
use reader::{NewsReader, ReaderBrief, reading_of};

/// What a newsroom is set up with.
#[derive(Clone, Debug)]
pub struct NewsSetup {
    /// The items of the run.
    pub press: Arc<Press>,
    /// Who reads them.
    pub reader: Arc<dyn Brain<ReaderBrief>>,
}

impl Default for NewsSetup {
    /// No news.
    fn default() -> Self {
        Self { press: Arc::default(), reader: Arc::new(RulesBrain) }
    }
}

/// The news of a run, read as far as they were asked for. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Newsroom(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    press: Arc<Press>,
    reader: Arc<dyn Brain<ReaderBrief>>,
    limits: Arc<Limits>,
    /// What was read of each item; `None` where it could not be read. It stays unread then, so that a
    /// run does not depend on how often an item was asked for.
    readings: Vec<OnceCell<Option<Reading>>>,
}

impl Newsroom {
    /// A newsroom in which nothing was read yet.
    pub fn new(setup: NewsSetup, limits: Arc<Limits>) -> Self {
        let NewsSetup { press, reader } = setup;
        let readings = press.items().iter().map(|_| OnceCell::new()).collect();
        Self(Arc::new(Inner { press, reader, limits, readings }))
    }

    /// What is to be told about a symbol at a time; `None` where nothing was known.
    pub async fn view(&self, symbol: &Symbol, as_of: Time) -> Option<NewsView> {
        let window = self.0.press.window(symbol, as_of);
        let mut seen = Vec::with_capacity(window.len());
        for &place in window {
            if let Some(item) = self.0.press.items().get(place) {
                let reading = self.reading(place, item).await;
                seen.push(Seen { known_at: item.known_at(), reading });
            }
        }
        NewsView::of(seen, as_of)
    }

    /// What one item says; it is read when it is first asked for.
    async fn reading(&self, place: usize, item: &Item) -> Option<Reading> {
        let cell = self.0.readings.get(place)?;
        *cell.get_or_init(|| self.read(item)).await
    }

    async fn read(&self, item: &Item) -> Option<Reading> {
        let brief = ReaderBrief::of(item)?;
        let what = format!("news-{}", item.id());
        let ask = Ask {
            entry: Entry::of::<NewsReader>(),
            decision: DecisionId::new(&brief.symbol, item.known_at(), &what),
            brief: Arc::new(brief),
            limits: Arc::clone(&self.0.limits),
            round: 0,
            granted: None,
            refused: None,
            spent: Spent::default(),
        };
        let thought = self.0.reader.think(ask).await;
        // A reader that was talked into praise is not believed either: our own look at the text counts.
        let read = thought.and_then(|thought| reading_of(&thought.raw));
        let read = read.map(|reading| reading.suspected_if(item.signs().is_any()));
        match &read {
            Ok(reading) if reading.injection_suspected => {
                metrics::counter!("conclave_injections_suspected_total").increment(1);
            }
            Ok(_) => {}
            Err(error) => {
                let error = error as &dyn std::error::Error;
                tracing::warn!(item = item.id(), error, "news item not read");
            }
        }
        read.ok()
    }
}

#[cfg(test)]
mod tests;
