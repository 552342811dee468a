//! The newsroom: has items read, each once and by itself, and tells briefs what they come to.
//!
//! Texts end here. The reader is quarantined: it is shown one item and answers in words of ours; it
//! has no tools, knows no position and no limit, and nobody acts on what it says alone.
//!
//! # Invariants
//!
//! - G-3: money is reserved before a call: a reader that costs something reads under a permit of
//!   safety's, like any agent, and where something is spent the dictionary reads.
//! - L-1: nothing with `known_at` after the as-of time reaches a brief.

pub mod reader;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use conclave_domain::budget::Request;
use conclave_domain::code::Code;
use conclave_domain::limits::Limits;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::news::door::{Item, Press};
use conclave_domain::news::lexicon;
use conclave_domain::news::reading::Reading;
use conclave_domain::news::view::{NewsView, Seen};
use conclave_domain::order::DecisionId;
use conclave_domain::tally::Outcome;
use conclave_domain::time::Time;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

use crate::runtime::agent::{Agent as _, ConsultError, Entry};
use crate::runtime::brain::{Ask, Brain, RulesBrain, Spent};
use crate::runtime::recall::Recall;
use crate::runtime::shell::Lease;
use crate::safety::SafetyHandle;
use crate::score::Score;
use reader::{NewsReader, ReaderBrief, reading_of};

/// The items of one brief that a model reads; the dictionary reads the older ones. A brief looks back
/// on up to forty, and the agents that decide need the consultations too.
pub const READ_BY_MODEL_MAX: usize = 4;

/// What a newsroom is set up with.
#[derive(Clone, Debug)]
pub struct NewsSetup {
    /// The items of the run.
    pub press: Arc<Press>,
    /// Who reads the newest of them; the dictionary reads the others.
    pub reader: Arc<dyn Brain<ReaderBrief>>,
    /// How many items of one brief the reader is asked about.
    pub asked_max: usize,
    /// What an earlier run's briefs were told: its decisions are told the same, and nothing is read
    /// for them.
    pub told: Arc<BTreeMap<DecisionId, NewsView>>,
}

impl Default for NewsSetup {
    /// No news.
    fn default() -> Self {
        Self {
            press: Arc::default(),
            reader: Arc::new(RulesBrain),
            asked_max: READ_BY_MODEL_MAX,
            told: Arc::default(),
        }
    }
}

/// The news of a run, read as far as they were asked for. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Newsroom(Arc<Inner>);

/// Who gives the leave to read.
#[derive(Clone, Debug)]
pub(crate) struct Leave {
    pub(crate) safety: SafetyHandle,
    /// What was read before the process ended: it was paid for.
    pub(crate) recall: Arc<Recall>,
    /// Where readings are counted.
    pub(crate) score: Score,
}

/// A reading that is counted, whatever becomes of it: one that is dropped was not awaited.
struct Counting<'a> {
    score: Option<&'a Score>,
    /// What became of it where it did not read.
    missed: Option<Outcome>,
}

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        if let Some(score) = self.score {
            score.count(|stats| stats.on_reading(NewsReader::ROLE.name, self.missed.as_ref()));
        }
    }
}

#[derive(Debug)]
struct Inner {
    setup: NewsSetup,
    limits: Arc<Limits>,
    /// Without it only free readers are asked.
    leave: Option<Leave>,
    stock: RwLock<Arc<Stock>>,
}

/// The items that there are, and what was read of them.
#[derive(Debug, Default)]
struct Stock {
    press: Arc<Press>,
    /// What was read of each item; `None` where it could not be read. It stays unread then, so that a
    /// run does not depend on how often an item was asked for.
    readings: Vec<Read>,
}

type Read = Arc<OnceCell<Option<Reading>>>;

impl Newsroom {
    /// A newsroom in which nothing was read yet.
    pub(crate) fn new(setup: NewsSetup, limits: Arc<Limits>, leave: Option<Leave>) -> Self {
        let readings = setup.press.items().iter().map(|_| Read::default()).collect();
        let stock = Stock { press: Arc::clone(&setup.press), readings };
        Self(Arc::new(Inner { setup, limits, leave, stock: RwLock::new(Arc::new(stock)) }))
    }

    /// Puts these items in the place of those that there were. What was read of one stays read.
    pub fn restock(&self, press: Press) {
        let former = self.stock();
        let read: BTreeMap<&str, &Read> =
            former.press.items().iter().map(Item::id).zip(&former.readings).collect();
        let readings = press.items().iter();
        let readings = readings
            .map(|item| read.get(item.id()).map_or_else(Read::default, |it| Arc::clone(it)));
        let stock = Arc::new(Stock { readings: readings.collect(), press: Arc::new(press) });
        *self.0.stock.write().unwrap_or_else(PoisonError::into_inner) = stock;
    }

    fn stock(&self) -> Arc<Stock> {
        Arc::clone(&self.0.stock.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the brief of a decision is told about its symbol.
    pub async fn tell(
        &self,
        decision: &DecisionId,
        symbol: &Symbol,
        as_of: Time,
    ) -> Option<NewsView> {
        match self.0.setup.told.get(decision) {
            Some(told) => Some(*told),
            None => self.view(symbol, as_of).await,
        }
    }

    /// What is to be told about a symbol at a time; `None` where nothing was known.
    ///
    /// The newest items are read at the same time, as far as they were not read before.
    pub async fn view(&self, symbol: &Symbol, as_of: Time) -> Option<NewsView> {
        // The same items from here to the end, whatever comes in meanwhile.
        let stock = self.stock();
        let window = stock.press.window(symbol, as_of);
        let asked_from = window.len().saturating_sub(self.0.setup.asked_max);
        // Dropped with the decision: then the calls in flight end.
        let mut reading = JoinSet::new();
        for (nth, &place) in window.iter().enumerate() {
            let (room, stock) = (self.clone(), Arc::clone(&stock));
            if nth < asked_from {
                room.reading(&stock, place, false).await;
            } else if stock.readings.get(place).is_some_and(|cell| !cell.initialized()) {
                reading.spawn(async move { room.reading(&stock, place, true).await });
            }
        }
        while reading.join_next().await.is_some() {}
        let seen = window.iter().filter_map(|&place| {
            let known_at = stock.press.items().get(place)?.known_at();
            let reading = stock.readings.get(place).and_then(|cell| cell.get().copied().flatten());
            Some(Seen { known_at, reading })
        });
        NewsView::of(seen, as_of)
    }

    /// Reads one item when it is first asked for.
    async fn reading(&self, stock: &Stock, place: usize, by_reader: bool) {
        let (cell, item) = (stock.readings.get(place), stock.press.items().get(place));
        let (Some(cell), Some(item)) = (cell, item) else { return };
        cell.get_or_init(|| self.read(item, by_reader)).await;
    }

    async fn read(&self, item: &Item, by_reader: bool) -> Option<Reading> {
        let read = if by_reader { self.ask(item).await } else { Ok(lexicon::read(item)) };
        // A reader that was talked into praise is not believed either: our own look at the text counts.
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

    /// Asks the reader, once it has leave to.
    async fn ask(&self, item: &Item) -> Result<Reading, ConsultError> {
        let Some(brief) = ReaderBrief::of(item) else { return Ok(lexicon::read(item)) };
        let score = self.0.leave.as_ref().map(|leave| &leave.score);
        let mut counting = Counting { score, missed: Some(Outcome::NotAwaited) };
        let read = self.ask_for(item, brief).await;
        counting.missed = read.as_ref().err().map(|error| match error {
            ConsultError::Denied { code } => Outcome::Denied { code: *code },
            ConsultError::Late => Outcome::Late,
            error => Outcome::Failed { why: error.to_string() },
        });
        read
    }

    async fn ask_for(&self, item: &Item, brief: ReaderBrief) -> Result<Reading, ConsultError> {
        let what = format!("news-{}", item.id());
        let decision = DecisionId::new(&brief.symbol, item.known_at(), &what);
        let spent = Spent::default();
        let may = self.leave(&brief, &decision, &spent).await;
        let (lease, refused) = may.map_err(|code| ConsultError::Denied { code })?;
        let ask = Ask {
            entry: Entry::of::<NewsReader>(),
            decision,
            brief: Arc::new(brief),
            limits: Arc::clone(&self.0.limits),
            round: 0,
            granted: lease.as_ref().and_then(Lease::granted),
            refused,
            spent,
        };
        let thought = self.0.setup.reader.think(ask).await;
        // Settled for what it has cost, here and wherever this is dropped.
        drop(lease);
        let thought = thought?;
        if let (Some(Leave { score, .. }), Some(refused)) = (&self.0.leave, thought.refused) {
            score.count(|stats| stats.on_rules(NewsReader::ROLE.name, refused));
        }
        reading_of(&thought.raw)
    }

    /// The permit of a reading that costs something; or why the reader must do without its model.
    async fn leave(
        &self,
        brief: &ReaderBrief,
        decision: &DecisionId,
        spent: &Spent,
    ) -> Result<(Option<Lease>, Option<Code>), Code> {
        let Inner { setup, limits, leave, .. } = self.0.as_ref();
        if setup.reader.is_free() {
            return Ok((None, None));
        }
        let name = NewsReader::ROLE.name;
        let Some(Leave { safety, recall, .. }) = leave else { return Err(Code::SafetyAbsent) };
        if recall.answer(decision, 0, name).is_some() {
            return Ok((None, None));
        }
        let paid = setup.reader.paid(brief, limits);
        let request = Request::consultation(&NewsReader::ROLE, paid.clone());
        match safety.permit(request).await {
            Ok(permit) => Ok((Some(Lease::new(permit, safety.clone(), spent.clone())), None)),
            Err(code) if paid.is_some_and(|paid| paid.falls_to_rules(code)) => {
                Ok((None, Some(code)))
            }
            Err(code) => {
                setup.reader.passed_over(decision, 0, name, code);
                Err(code)
            }
        }
    }
}

#[cfg(test)]
mod tests;
