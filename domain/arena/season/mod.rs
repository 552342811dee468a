//! A season: all books, one tick after the other. Pure: bars and what was brought go in, fills, marks,
//! aggregates and the board come out.
//!
//! What is decided at a close is done at the next opening; nothing is filled at a price that its decision
//! could have seen. What contestants brought comes in as a map, so that who was first cannot matter.
//!
//! - D-1: the same bars and the same answers give the same books, whoever was first.

mod remember;
mod spec;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use spec::{ContestantKind, ContestantSpec, Rule, SeasonSpec, SpecFaults};

use super::aggregate::{Aggregate, aggregate};
use super::book::{ContestantBook, Entry};
use super::chat::{ChatEntry, Final};
use super::gate::Library;
use super::market::MarketRules;
use super::memory::{DeskMemory, Trail};
use super::size::Opening;
use super::snapshot::{Quote, Snapshot};
use super::words::{Answered, Brought, ContestantName, TickId};
use crate::book::BookError;
use crate::fixed::{FixedError, Money, Price};
use crate::market::bar::Bar;
use crate::market::symbol::Symbol;
use crate::record::Digest;
use crate::time::Time;

/// Why a season cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SeasonError {
    /// A book could not be opened.
    #[error("the book of {name} cannot be opened")]
    Book {
        /// Whose.
        name: ContestantName,
        /// Why.
        source: BookError,
    },
    /// The snapshot could not be written down.
    #[error("the snapshot cannot be written as json")]
    Snapshot(#[from] serde_json::Error),
    /// A tick was closed that is not open.
    #[error("no tick is open")]
    NotOpen,
    /// A slice came that closes no later than the one before it.
    #[error("the slice of {at} does not come after the one before it")]
    Order {
        /// Its close.
        at: Time,
    },
    /// Somebody brought something who takes no part.
    #[error("{0} takes no part in the season")]
    Unknown(ContestantName),
    /// A figure left the range of fixed point.
    #[error("the benchmark cannot hold the figure")]
    Range(#[from] FixedError),
}

/// A tick that has opened: what everybody is shown, and what was done at its opening.
#[derive(Clone, Debug)]
pub struct OpenedTick {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Its hash.
    pub hash: Digest,
    /// What became of earlier wishes, by contestant.
    pub entries: BTreeMap<ContestantName, Vec<Entry>>,
}

/// A tick that has closed.
#[derive(Clone, Debug)]
pub struct ClosedTick {
    /// What all said together, by symbol.
    pub aggregates: Vec<Aggregate>,
    /// How each came to what it said.
    pub chats: Vec<ChatEntry>,
}

/// Somebody who was taken out of the season.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exclusion {
    /// Who.
    pub name: ContestantName,
    /// Why.
    pub why: String,
    /// When.
    pub at: Time,
}

/// Equal parts of the starting cash in every symbol that there is, held without costs. Where a symbol comes
/// later, all is divided anew at its first close: before that nothing knows of it.
#[derive(Clone, Debug)]
struct Benchmark {
    value: Money,
    /// The price at which each part was bought, and what all parts were worth then.
    firsts: BTreeMap<Symbol, Price>,
    whole: Money,
    curve: Vec<(Time, Money)>,
}

/// A season under way.
#[derive(Clone, Debug)]
pub struct Season {
    spec: SeasonSpec,
    rules: MarketRules,
    library: Arc<Library>,
    quotes: BTreeMap<Symbol, Quote>,
    books: BTreeMap<ContestantName, ContestantBook>,
    benchmark: Benchmark,
    /// The last closes of each symbol, warm ones too.
    trails: BTreeMap<Symbol, Trail>,
    /// What each contestant remembers; nobody reads another's.
    memories: BTreeMap<ContestantName, DeskMemory>,
    exclusions: Vec<Exclusion>,
    /// The last tick and its snapshot's hash.
    tick: Option<(TickId, Digest)>,
    /// The symbols that the open tick asks about; `None` between two ticks.
    open: Option<Vec<Symbol>>,
    last: Option<Time>,
}

impl Season {
    /// A season before its first bar.
    ///
    /// # Errors
    /// When a book cannot be opened.
    pub fn new(spec: SeasonSpec) -> Result<Self, SeasonError> {
        let mut books = BTreeMap::new();
        for ContestantSpec { name, cash, .. } in &spec.contestants {
            let opened = ContestantBook::new(&spec.season, name.clone(), *cash);
            let opened =
                opened.map_err(|source| SeasonError::Book { name: name.clone(), source })?;
            books.insert(name.clone(), opened);
        }
        let start = spec.contestants.first().map_or(Money::ZERO, |first| first.cash);
        let rules = spec.rules();
        let benchmark =
            Benchmark { value: start, firsts: BTreeMap::new(), whole: start, curve: Vec::new() };
        let (quotes, exclusions) = (BTreeMap::new(), Vec::new());
        Ok(Self {
            spec,
            rules,
            library: Arc::default(),
            quotes,
            books,
            benchmark,
            trails: BTreeMap::new(),
            memories: BTreeMap::new(),
            exclusions,
            tick: None,
            open: None,
            last: None,
        })
    }

    /// The same season with texts and statements: what of them is known at a tick is part of its snapshot.
    #[must_use]
    pub fn with_library(self, library: Arc<Library>) -> Self {
        Self { library, ..self }
    }

    /// What it is played by.
    pub const fn spec(&self) -> &SeasonSpec {
        &self.spec
    }

    /// The rules of its market.
    pub const fn rules(&self) -> &MarketRules {
        &self.rules
    }

    /// All books.
    pub const fn books(&self) -> &BTreeMap<ContestantName, ContestantBook> {
        &self.books
    }

    /// Who was taken out, in order.
    pub fn exclusions(&self) -> &[Exclusion] {
        &self.exclusions
    }

    /// The last tick and the hash of what was shown.
    pub const fn tick(&self) -> Option<(TickId, Digest)> {
        self.tick
    }

    /// The benchmark at every close.
    pub fn benchmark(&self) -> &[(Time, Money)] {
        &self.benchmark.curve
    }

    /// Bars before the season: they are quoted, and nobody is asked.
    ///
    /// # Errors
    /// When the slice does not come after the one before it.
    pub fn warm(&mut self, at: Time, slice: &[(Symbol, Bar)]) -> Result<(), SeasonError> {
        self.advance(at)?;
        for (symbol, bar) in slice {
            let quote = Quote::after(self.quotes.get(symbol), bar);
            self.quotes.insert(symbol.clone(), quote);
        }
        self.follow(slice);
        Ok(())
    }

    fn advance(&mut self, at: Time) -> Result<(), SeasonError> {
        if self.last.is_some_and(|last| at <= last) {
            return Err(SeasonError::Order { at });
        }
        self.last = Some(at);
        Ok(())
    }

    /// The bars of one close: what was wished for is done at their openings, then all is valued at their
    /// closes, then the tick is open.
    ///
    /// # Errors
    /// When the slice does not come after the one before it, or the snapshot cannot be written.
    pub fn on_slice(
        &mut self,
        at: Time,
        slice: &[(Symbol, Bar)],
    ) -> Result<OpenedTick, SeasonError> {
        self.warm(at, slice)?;
        let mut entries = BTreeMap::new();
        for name in self.names() {
            let done = self.open_book(&name, at);
            match done {
                Ok(done) if done.is_empty() => {}
                Ok(done) => drop(entries.insert(name, done)),
                // A figure that nothing can hold ends one book, not the season.
                Err(error) => self.exclude(&name, &format!("the book is broken: {error}"), at)?,
            }
        }
        self.value_benchmark(at, slice)?;
        self.resolve(at);
        let number = self.tick.map_or(0, |(tick, _)| tick.number.saturating_add(1));
        let tick = TickId { number, at };
        let (market, rules) = (self.rules.kind, self.rules.hash());
        let library = self.library.known_hash(at);
        let snapshot = Snapshot { tick, market, rules, quotes: self.quotes.clone(), library };
        let hash = snapshot.hash()?;
        self.tick = Some((tick, hash));
        self.open = Some(snapshot.asked().cloned().collect());
        Ok(OpenedTick { snapshot, hash, entries })
    }

    fn names(&self) -> Vec<ContestantName> {
        self.books.keys().cloned().collect()
    }

    /// One book through the slice that closes `at`: wishes, marks, one point of its curve.
    fn open_book(&mut self, name: &ContestantName, at: Time) -> Result<Vec<Entry>, BookError> {
        let Some(book) = self.books.get_mut(name) else { return Ok(Vec::new()) };
        let is_new = |quote: &Quote| quote.last.close_time == at;
        let mut done = Vec::new();
        for symbol in book.wishes() {
            let quote = self.quotes.get(&symbol).filter(|quote| is_new(quote) && !quote.suspect);
            let Some(quote) = quote else {
                done.extend(book.wait(&symbol, at));
                continue;
            };
            let opened_at = quote.last.open_time;
            let opening = Opening {
                price: quote.last.open,
                at: self.rules.kind.civil(opened_at),
                previous_close: quote.before,
            };
            done.extend(book.open(&symbol, (&opening, opened_at), &self.rules)?);
        }
        for (symbol, quote) in self.quotes.iter().filter(|(_, quote)| is_new(quote)) {
            if !quote.suspect {
                book.mark(symbol, quote.last.close)?;
            }
        }
        let doubted = self.quotes.iter().filter(|(_, quote)| quote.suspect);
        book.doubt(doubted.map(|(symbol, _)| symbol));
        book.close(at)?;
        Ok(done)
    }

    fn value_benchmark(&mut self, at: Time, slice: &[(Symbol, Bar)]) -> Result<(), SeasonError> {
        let Benchmark { value, firsts, whole, curve } = &mut self.benchmark;
        let price = |symbol: &Symbol| self.quotes.get(symbol).map(Quote::believed);
        if !firsts.is_empty() {
            let parts = i128::try_from(firsts.len()).unwrap_or(1);
            let part = i128::from(whole.raw()) / parts;
            let mut now = i128::from(whole.raw());
            for (symbol, first) in &*firsts {
                let Some(price) = price(symbol) else { continue };
                now += part * i128::from(price.raw()) / i128::from(first.raw().max(1)) - part;
            }
            let raw = i64::try_from(now).map_err(|_| FixedError::range("a benchmark", "Money"))?;
            *value = Money::from_raw(raw);
        }
        let is_believed = |symbol: &Symbol| self.quotes.get(symbol).is_some_and(|it| !it.suspect);
        let fresh: Vec<Symbol> = slice
            .iter()
            .map(|(symbol, _)| symbol)
            .filter(|symbol| !firsts.contains_key(*symbol) && is_believed(symbol))
            .cloned()
            .collect();
        if !fresh.is_empty() {
            *whole = *value;
            let all: Vec<Symbol> = firsts.keys().cloned().chain(fresh).collect();
            *firsts = all.into_iter().filter_map(|it| Some((it.clone(), price(&it)?))).collect();
        }
        curve.push((at, *value));
        Ok(())
    }

    /// What everybody brought to the open tick, by name; whoever is not among them has failed.
    ///
    /// # Errors
    /// When no tick is open, or somebody brought something who takes no part.
    pub fn close_tick(
        &mut self,
        mut brought: BTreeMap<ContestantName, Answered>,
    ) -> Result<ClosedTick, SeasonError> {
        let (tick, snapshot) = self.tick.ok_or(SeasonError::NotOpen)?;
        let asked = self.open.take().ok_or(SeasonError::NotOpen)?;
        if let Some(stranger) = brought.keys().find(|name| !self.books.contains_key(*name)) {
            return Err(SeasonError::Unknown(stranger.clone()));
        }
        let mut chats = Vec::new();
        let mut by_symbol: BTreeMap<Symbol, BTreeMap<ContestantName, Brought>> = BTreeMap::new();
        for name in self.names() {
            let mut answered = brought.remove(&name).unwrap_or_default();
            self.note_thinking(&name, tick, &answered)?;
            for symbol in &asked {
                let said = self.said(&name, answered.brought.remove(symbol));
                self.take(&name, tick, symbol, &said)?;
                self.note(&name, tick, symbol, &said);
                chats.push(ChatEntry {
                    season: self.spec.season.clone(),
                    contestant: name.clone(),
                    ticker: symbol.clone(),
                    tick: tick.number,
                    timestamp: tick.at,
                    snapshot,
                    stages: answered.chats.remove(symbol).unwrap_or_default(),
                    final_decision: Final::of(&said),
                });
                by_symbol.entry(symbol.clone()).or_default().insert(name.clone(), said);
            }
        }
        let shown = (tick, snapshot);
        let all = by_symbol.iter().map(|(symbol, brought)| aggregate(symbol, shown, brought));
        Ok(ClosedTick { aggregates: all.collect(), chats })
    }

    /// What counts as brought: an excluded contestant brings nothing, whatever it sends.
    fn said(&self, name: &ContestantName, brought: Option<Brought>) -> Brought {
        if self.books.get(name).is_some_and(|book| book.excluded().is_some()) {
            return Brought::Excluded;
        }
        brought.unwrap_or_else(|| Brought::Failed { why: "brought nothing".to_owned() })
    }

    /// Counts what an answer took; whatever the excluded send is not looked at.
    fn note_thinking(
        &mut self,
        name: &ContestantName,
        tick: TickId,
        answered: &Answered,
    ) -> Result<(), SeasonError> {
        let book = self.books.get_mut(name).filter(|book| book.excluded().is_none());
        match book.map(|book| book.note_thinking(answered)) {
            Some(Err(error)) => {
                self.exclude(name, &format!("the book is broken: {error}"), tick.at)
            }
            _ => Ok(()),
        }
    }

    fn take(
        &mut self,
        name: &ContestantName,
        tick: TickId,
        symbol: &Symbol,
        said: &Brought,
    ) -> Result<(), SeasonError> {
        let Some(price) = self.quotes.get(symbol).map(Quote::believed) else { return Ok(()) };
        let Some(book) = self.books.get_mut(name) else { return Ok(()) };
        let terms = (&self.rules, self.spec.slot);
        if let Err(error) = book.take(tick, (symbol, price), said, terms) {
            self.exclude(name, &format!("the book is broken: {error}"), tick.at)?;
        }
        Ok(())
    }

    /// Takes somebody out, with the reason; the book stays, beside the ranks. Twice is once.
    ///
    /// # Errors
    /// When nobody has this name.
    pub fn exclude(
        &mut self,
        name: &ContestantName,
        why: &str,
        at: Time,
    ) -> Result<(), SeasonError> {
        let book = self.books.get_mut(name).ok_or_else(|| SeasonError::Unknown(name.clone()))?;
        if book.excluded().is_none() {
            book.exclude(why);
            let (name, why) = (name.clone(), why.to_owned());
            self.exclusions.push(Exclusion { name, why, at });
        }
        Ok(())
    }
}
