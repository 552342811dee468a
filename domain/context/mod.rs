//! The shared context: what everybody may know of the account, the market and the council itself.
//!
//! Pure: [`Context::apply`] takes an [`Update`] and says which parts it touched. A part is what is
//! stored as one value; it carries the number of the last audit record that was applied to it, so
//! that it can be repaired from the audit's tail ([`Context::repair`]).
//!
//! - C-1: an acknowledged update survives `kill -9`: an update either is in a synced audit record,
//!   and is applied again from there, or its part was flushed before the answer.

mod book_state;
mod part;
mod update;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use book_state::{BookState, BookStateV1, Window};
pub use part::{Part, PartKey, PartValue, PartValueV1};
pub use update::{Lasting, Update};

use crate::book::{Book, BookError};
use crate::brief::trading::{Session, TrackRecord, TradingState};
use crate::fixed::{Money, Price};
use crate::market::symbol::Symbol;
use crate::mode::Mode;
use crate::order::DecisionId;
use crate::ratio::Ratio;
use crate::role::Team;
use crate::signal::{Direction, Regime};
use crate::time::Time;

/// Which of the two books: the one at the broker, or the one that advisory mode fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BookKind {
    /// What the broker holds.
    Real,
    /// What would be held if every recommendation had been followed.
    Shadow,
}

impl BookKind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Real, Self::Shadow];

    /// The book that a mode of trading decides on.
    pub const fn decided_on(mode: Mode) -> Self {
        match mode {
            Mode::Advisory => Self::Shadow,
            Mode::Supervised | Mode::Autonomous => Self::Real,
        }
    }

    /// The word in records and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Shadow => "shadow",
        }
    }
}

/// What is known of the market as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MarketView {
    /// The regime filter's probabilities.
    pub regime: Regime,
    /// Annualised realised volatility of the index or universe, fraction.
    pub volatility: Option<Ratio>,
    /// The VIX-like level, percent.
    pub vix: Option<Ratio>,
    /// Where the market stands in its day.
    pub session: Session,
    /// When the session was last seen to change.
    pub session_at: Time,
}

impl Default for MarketView {
    fn default() -> Self {
        Self {
            regime: Regime::default(),
            volatility: None,
            vix: None,
            session: Session::Closed,
            session_at: Time::EPOCH,
        }
    }
}

/// Modes and trading state: what the council may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// Each job's mode.
    pub modes: BTreeMap<Team, Mode>,
    /// What the trading state permits.
    pub state: TradingState,
    /// Why it is so, one sentence; empty at first.
    pub reason: String,
    /// Since when.
    pub since: Time,
}

impl Default for Control {
    fn default() -> Self {
        let modes = Team::ALL.into_iter().map(|job| (job, Mode::default_for(job)));
        let state = TradingState::default();
        Self { modes: modes.collect(), state, reason: String::new(), since: Time::EPOCH }
    }
}

impl Control {
    /// A job's mode.
    pub fn mode(&self, job: Team) -> Mode {
        self.modes.get(&job).copied().unwrap_or(Mode::default_for(job))
    }
}

/// Whether an agent can be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It answers.
    #[default]
    Up,
    /// It failed and is being started again.
    Restarting,
    /// It failed too often.
    Down,
}

/// How an agent fares.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AgentState {
    /// Whether it can be asked.
    pub health: Health,
    /// How often it was started again.
    pub restarts: u64,
    /// Why the last time.
    pub last_failure: Option<String>,
    /// Its record so far.
    pub record: TrackRecord,
}

/// A prediction whose outcome is not yet known: what opened a position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The decision.
    pub decision: DecisionId,
    /// The symbol.
    pub symbol: Symbol,
    /// Long or short.
    pub direction: Direction,
    /// How sure the council was, 0 to 1.
    pub confidence: Ratio,
    /// The expected move, fraction of the price.
    pub magnitude: Ratio,
    /// The price then.
    pub price: Price,
    /// When.
    pub at: Time,
}

/// Why an update was refused. The context is as it was before it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ContextError {
    /// The ledger did not take it.
    #[error("the {} book refused the update", book.name())]
    Book {
        /// Which book.
        book: BookKind,
        /// Why.
        source: BookError,
    },
    /// The account was never opened.
    #[error("there is no {} book", book.name())]
    NoBook {
        /// Which book.
        book: BookKind,
    },
    /// Somebody else changed the context in between.
    #[error("the context is at version {found}, not at {expected}")]
    Stale {
        /// The version that was expected.
        expected: u64,
        /// The version that it is at.
        found: u64,
    },
}

/// Everything, as of one moment. Cloning it copies pointers only.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context {
    /// Counts the updates since the process began.
    pub version: u64,
    /// The books, in the order of [`BookKind::ALL`]; `None` where none was opened.
    books: [Option<Arc<BookState>>; 2],
    /// The market as a whole.
    pub market: Arc<MarketView>,
    /// Modes and trading state.
    pub control: Arc<Control>,
    /// The agents, by name.
    pub agents: Arc<BTreeMap<String, AgentState>>,
    /// Open predictions.
    pub predictions: Arc<BTreeMap<DecisionId, Prediction>>,
    /// Documents, by name.
    pub documents: Arc<BTreeMap<Arc<str>, Arc<str>>>,
    /// The last audit record that was applied to each part.
    applied: Arc<BTreeMap<PartKey, u64>>,
}

impl Context {
    /// An account, if it was opened.
    pub fn book(&self, book: BookKind) -> Option<&BookState> {
        self.books[book as usize].as_deref()
    }

    /// The last audit record that was applied to a part; 0 when none was.
    pub fn applied(&self, key: &PartKey) -> u64 {
        self.applied.get(key).copied().unwrap_or(0)
    }

    /// Applies an update. `seq` is the audit record that it stands in, if any.
    ///
    /// # Errors
    /// When the update makes no sense for what there is; nothing was changed.
    pub fn apply(&mut self, update: Update, seq: Option<u64>) -> Result<(), ContextError> {
        let key = seq.and_then(|_| update.key());
        self.change(update)?;
        self.version += 1;
        if let (Some(key), Some(seq)) = (key, seq) {
            Arc::make_mut(&mut self.applied).insert(key, seq);
        }
        Ok(())
    }

    /// Applies what an audit record carries to the parts that had not seen it yet.
    ///
    /// # Errors
    /// As [`Context::apply`].
    pub fn repair(&mut self, seq: u64, updates: Vec<Update>) -> Result<(), ContextError> {
        // A record may carry several updates of one part, which counts as repaired behind them all.
        let mut repaired = BTreeSet::new();
        for update in updates {
            if let Some(key) = update.key().filter(|key| self.applied(key) < seq) {
                self.apply(update, None)?;
                repaired.insert(key);
            }
        }
        let applied = Arc::make_mut(&mut self.applied);
        applied.extend(repaired.into_iter().map(|key| (key, seq)));
        Ok(())
    }

    fn change(&mut self, update: Update) -> Result<(), ContextError> {
        match update {
            Update::BookOpened { book, cash } => return self.open(book, cash),
            Update::BookReplaced { book, now } => {
                now.check().map_err(|source| ContextError::Book { book, source })?;
                let account = BookState::of(*now);
                self.books[book as usize] =
                    Some(Arc::new(account.map_err(|source| ContextError::Book { book, source })?));
            }
            Update::Marked { symbol, price } => {
                return self.each_book(|account| account.book.mark(&symbol, price));
            }
            Update::BarClosed { symbol, close } => {
                return self.each_book(|account| account.book.close_bar(&symbol, close));
            }
            Update::Settled => return self.each_book(|account| account.book.settle().map(drop)),
            Update::DayOpened => return self.each_book(BookState::open_day),
            Update::Filled { book, fill, purpose, decision } => {
                let applied = self.held(book)?.fill(&fill, purpose, decision.as_ref());
                applied.map_err(|source| ContextError::Book { book, source })?;
            }
            Update::WindowReset { book } => self.held(book)?.reset_window(),
            Update::SessionSeen { session, at } => {
                let market = Arc::make_mut(&mut self.market);
                (market.session, market.session_at) = (session, at);
            }
            Update::RegimeSeen { regime } => Arc::make_mut(&mut self.market).regime = regime,
            Update::VolatilitySeen { volatility, vix } => {
                let market = Arc::make_mut(&mut self.market);
                (market.volatility, market.vix) = (volatility, vix);
            }
            Update::ModeSet { job, mode } => {
                Arc::make_mut(&mut self.control).modes.insert(job, mode);
            }
            Update::StateSet { state, reason, at } => {
                let control = Arc::make_mut(&mut self.control);
                (control.state, control.reason, control.since) = (state, reason, at);
            }
            other => self.note(other),
        }
        Ok(())
    }

    /// What is only written down.
    fn note(&mut self, update: Update) {
        match update {
            Update::AgentSeen { agent, health, restarts, failure } => {
                let agent = Arc::make_mut(&mut self.agents).entry(agent).or_default();
                (agent.health, agent.restarts) = (health, restarts);
                agent.last_failure = failure.or(agent.last_failure.take());
            }
            Update::AgentJudged { agent, record } => {
                Arc::make_mut(&mut self.agents).entry(agent).or_default().record = record;
            }
            Update::Predicted { prediction } => {
                let key = prediction.decision.clone();
                Arc::make_mut(&mut self.predictions).insert(key, prediction);
            }
            Update::PredictionClosed { decision } => {
                Arc::make_mut(&mut self.predictions).remove(&decision);
            }
            Update::Document { name, json, .. } => {
                let documents = Arc::make_mut(&mut self.documents);
                match json {
                    Some(json) => drop(documents.insert(name, json)),
                    None => drop(documents.remove(&name)),
                }
            }
            _ => {}
        }
    }

    fn open(&mut self, book: BookKind, cash: Money) -> Result<(), ContextError> {
        let place = &mut self.books[book as usize];
        if place.is_none() {
            let account = Book::new(cash).and_then(BookState::of);
            let account = account.map_err(|source| ContextError::Book { book, source })?;
            *place = Some(Arc::new(account));
        }
        Ok(())
    }

    fn held(&mut self, book: BookKind) -> Result<&mut BookState, ContextError> {
        let account = self.books[book as usize].as_mut().map(Arc::make_mut);
        account.ok_or(ContextError::NoBook { book })
    }

    fn each_book(
        &mut self,
        change: impl Fn(&mut BookState) -> Result<(), BookError>,
    ) -> Result<(), ContextError> {
        for book in BookKind::ALL {
            if let Some(account) = &mut self.books[book as usize] {
                change(Arc::make_mut(account))
                    .map_err(|source| ContextError::Book { book, source })?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
