//! A contestant's book: the ledger, what was bought today, and everything that was tried.
//!
//! - P-1: cash + positions at cost + fees is conserved at every fill; NAV is continuous but for fees: the
//!   ledger's own check, at every fill of every contestant.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::market::{MarketRules, Refusal};
use super::size::{Account, Executed, Opening, Wanting, execute, wanted};
use super::words::{Answered, Brought, ContestantName, Rating, TickId};
use crate::book::{Book, BookError};
use crate::fixed::{Money, Price, Qty};
use crate::market::symbol::Symbol;
use crate::order::{ClientOrderId, DecisionId, Fill, Purpose, Side};
use crate::ratio::Ratio;
use crate::time::Time;

/// Slices without a bar of its symbol after which a wish dies.
pub const WAIT_MAX: u32 = 5;

/// What became of a wish; refused ones stay in the history with their reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The order's id, made of contestant, tick and symbol.
    pub intent: ClientOrderId,
    /// The tick that it was wished at.
    pub tick: TickId,
    /// When it was done or refused.
    pub at: Time,
    /// The symbol.
    pub symbol: Symbol,
    /// Buy or sell.
    pub side: Side,
    /// What was wished for.
    pub wanted: Qty,
    /// What was done.
    pub filled: Qty,
    /// At which price.
    pub price: Option<Price>,
    /// The fee.
    pub fee: Money,
    /// Whether anything was done.
    pub success: bool,
    /// The rule that refused it.
    pub reason: Option<Refusal>,
}

/// How often a contestant brought nothing, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errors {
    /// It was too late.
    pub late: u32,
    /// It failed.
    pub failed: u32,
    /// It had nothing to say.
    pub abstained: u32,
    /// Its answer cannot be read as a decision.
    #[serde(default)]
    pub review: u32,
    /// Its budget refused the call.
    #[serde(default)]
    pub denied: u32,
}

/// What a contestant's thinking took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thinking {
    /// Questions that were put to its roles.
    pub calls: u64,
    /// What their answers cost, dollars.
    pub cost: Money,
    /// Tries to see what could not be known yet, by kind.
    pub leaks: BTreeMap<String, u64>,
}

/// A contestant's book.
#[derive(Clone, Debug)]
pub struct ContestantBook {
    season: String,
    name: ContestantName,
    book: Book,
    bought: (Option<Date>, BTreeMap<Symbol, Qty>),
    pending: BTreeMap<Symbol, Wanting>,
    history: Vec<Entry>,
    curve: Vec<(Time, Money)>,
    ratings: BTreeMap<Rating, u32>,
    errors: Errors,
    thinking: Thinking,
    excluded: Option<String>,
    suspect: bool,
}

/// What a contestant is told of its own book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BookView {
    /// Cash.
    pub cash: Money,
    /// Cash and positions at their last marks.
    pub equity: Money,
    /// What is held, negative for a short.
    pub held: BTreeMap<Symbol, Qty>,
}

impl ContestantBook {
    /// A book with nothing but cash.
    ///
    /// # Errors
    /// When the cash is not positive.
    pub fn new(season: &str, name: ContestantName, cash: Money) -> Result<Self, BookError> {
        Ok(Self {
            season: season.to_owned(),
            name,
            book: Book::new(cash)?,
            bought: (None, BTreeMap::new()),
            pending: BTreeMap::new(),
            history: Vec::new(),
            curve: Vec::new(),
            ratings: BTreeMap::new(),
            errors: Errors::default(),
            thinking: Thinking::default(),
            excluded: None,
            suspect: false,
        })
    }

    /// The ledger.
    pub const fn ledger(&self) -> &Book {
        &self.book
    }

    /// Everything that was tried, in order.
    pub fn history(&self) -> &[Entry] {
        &self.history
    }

    /// Equity at every close of the market.
    pub fn curve(&self) -> &[(Time, Money)] {
        &self.curve
    }

    /// How often it gave each rating.
    pub const fn ratings(&self) -> &BTreeMap<Rating, u32> {
        &self.ratings
    }

    /// How often it brought nothing.
    pub const fn errors(&self) -> Errors {
        self.errors
    }

    /// What its thinking took; nothing of it is paid out of the book.
    pub const fn thinking(&self) -> &Thinking {
        &self.thinking
    }

    /// Why it takes no part any more, if so.
    pub fn excluded(&self) -> Option<&str> {
        self.excluded.as_deref()
    }

    /// Whether it holds, or held, something at a price that is not believed.
    pub const fn is_suspect(&self) -> bool {
        self.suspect
    }

    /// What the contestant is told of it.
    ///
    /// # Errors
    /// On overflow.
    pub fn view(&self) -> Result<BookView, BookError> {
        let held = self.book.positions().iter();
        let held = held.map(|(symbol, held)| (symbol.clone(), held.signed_qty())).collect();
        Ok(BookView { cash: self.book.cash(), equity: self.book.equity()?, held })
    }

    fn held(&self, symbol: &Symbol) -> Qty {
        self.book.position(symbol).map_or(Qty::ZERO, crate::book::Position::signed_qty)
    }

    /// Takes what was brought for a symbol; a decision replaces the wish that still waits.
    pub(super) fn take(
        &mut self,
        tick: TickId,
        (symbol, price): (&Symbol, Price),
        brought: &Brought,
        (rules, slot): (&MarketRules, Ratio),
    ) -> Result<(), BookError> {
        match brought {
            Brought::Decided(decision) => {
                let count = self.ratings.entry(decision.rating).or_default();
                *count = count.saturating_add(1);
                let equity = self.book.equity()?;
                let held = self.held(symbol);
                match wanted(decision.rating, held, (equity, price), rules, slot) {
                    Some((side, qty)) => {
                        let wanting = Wanting { tick, side, qty, waited: 0 };
                        self.pending.insert(symbol.clone(), wanting);
                    }
                    None => drop(self.pending.remove(symbol)),
                }
            }
            Brought::Abstained { .. } => {
                self.errors.abstained = self.errors.abstained.saturating_add(1);
            }
            Brought::Late => self.errors.late = self.errors.late.saturating_add(1),
            Brought::Failed { .. } => self.errors.failed = self.errors.failed.saturating_add(1),
            Brought::Review { .. } => self.errors.review = self.errors.review.saturating_add(1),
            Brought::Denied { .. } => self.errors.denied = self.errors.denied.saturating_add(1),
            Brought::Excluded => {}
        }
        Ok(())
    }

    /// Counts what an answer took to think of.
    pub(super) fn note_thinking(&mut self, answered: &Answered) -> Result<(), BookError> {
        let thinking = &mut self.thinking;
        thinking.calls = thinking.calls.saturating_add(u64::from(answered.calls));
        thinking.cost = thinking.cost.plus(answered.cost)?;
        for (kind, times) in &answered.leaks {
            let count = thinking.leaks.entry(kind.clone()).or_default();
            *count = count.saturating_add(u64::from(*times));
        }
        Ok(())
    }

    /// Does the wish for a symbol at its opening, at market time `at` on the civil day `opening.at`.
    pub(super) fn open(
        &mut self,
        symbol: &Symbol,
        (opening, at): (&Opening, Time),
        rules: &MarketRules,
    ) -> Result<Option<Entry>, BookError> {
        let Some(wanting) = self.pending.remove(symbol) else { return Ok(None) };
        let today = opening.at.date();
        if self.bought.0 != Some(today) {
            self.bought = (Some(today), BTreeMap::new());
        }
        let account = Account {
            cash: self.book.cash(),
            free: self.book.free_cash()?,
            held: self.held(symbol),
            bought_today: self.bought.1.get(symbol).copied().unwrap_or(Qty::ZERO),
        };
        match execute(symbol, &wanting, opening, rules, &account) {
            Ok(done) => self.fill(symbol, (&wanting, done), at).map(Some),
            Err(refusal) => Ok(Some(self.refuse(symbol, &wanting, refusal, at))),
        }
    }

    fn fill(
        &mut self,
        symbol: &Symbol,
        (wanting, done): (&Wanting, Executed),
        at: Time,
    ) -> Result<Entry, BookError> {
        let decision = self.decision(symbol, wanting);
        let Executed { qty, price, fee } = done;
        let client_order_id = ClientOrderId::derive(&decision, wanting.side, 0);
        let fill = Fill {
            client_order_id: client_order_id.clone(),
            nth: 0,
            symbol: symbol.clone(),
            side: wanting.side,
            qty,
            price,
            fee,
            at,
        };
        self.book.apply(&fill, Purpose::Entry, Some(&decision))?;
        if wanting.side == Side::Buy {
            let bought = self.bought.1.entry(symbol.clone()).or_default();
            *bought = bought.plus(qty)?;
        }
        let entry = Entry {
            filled: qty,
            price: Some(price),
            fee,
            success: true,
            reason: None,
            ..self.nothing(symbol, wanting, at)
        };
        self.history.push(entry.clone());
        Ok(entry)
    }

    fn refuse(&mut self, symbol: &Symbol, wanting: &Wanting, refusal: Refusal, at: Time) -> Entry {
        let entry = Entry { reason: Some(refusal), ..self.nothing(symbol, wanting, at) };
        self.history.push(entry.clone());
        entry
    }

    /// The entry of a wish of which nothing was done.
    fn nothing(&self, symbol: &Symbol, wanting: &Wanting, at: Time) -> Entry {
        Entry {
            intent: ClientOrderId::derive(&self.decision(symbol, wanting), wanting.side, 0),
            tick: wanting.tick,
            at,
            symbol: symbol.clone(),
            side: wanting.side,
            wanted: wanting.qty,
            filled: Qty::ZERO,
            price: None,
            fee: Money::ZERO,
            success: false,
            reason: None,
        }
    }

    fn decision(&self, symbol: &Symbol, wanting: &Wanting) -> DecisionId {
        let run = format!("{}-{}", self.season, self.name);
        DecisionId::of_run(&run, wanting.tick.number, symbol.as_str())
    }

    /// A slice has gone by without a bar of a symbol that is wished for; after [`WAIT_MAX`] the wish dies.
    pub(super) fn wait(&mut self, symbol: &Symbol, at: Time) -> Option<Entry> {
        let wanting = self.pending.get_mut(symbol)?;
        wanting.waited += 1;
        if wanting.waited < WAIT_MAX {
            return None;
        }
        let wanting = self.pending.remove(symbol)?;
        Some(self.refuse(symbol, &wanting, Refusal::NoPrice, at))
    }

    /// The symbols that are wished for, sales first, each in symbol order.
    pub(super) fn wishes(&self) -> Vec<Symbol> {
        let of = |side: Side| {
            let of_side = self.pending.iter().filter(move |(_, it)| it.side == side);
            of_side.map(|(symbol, _)| symbol.clone())
        };
        of(Side::Sell).chain(of(Side::Buy)).collect()
    }

    /// Values a position at a close.
    pub(super) fn mark(&mut self, symbol: &Symbol, close: Price) -> Result<(), BookError> {
        self.book.close_bar(symbol, close)
    }

    /// Of these symbols the last price is not believed: whoever holds one cannot be ranked until it has one
    /// that is.
    pub(super) fn doubt<'a>(&mut self, mut symbols: impl Iterator<Item = &'a Symbol>) {
        self.suspect = symbols.any(|symbol| self.book.position(symbol).is_some());
    }

    /// The market has closed: one point of the curve.
    pub(super) fn close(&mut self, at: Time) -> Result<(), BookError> {
        let equity = self.book.settle()?;
        self.curve.push((at, equity));
        Ok(())
    }

    /// Takes it out of the season: the book stays and is valued on, nothing is wished for any more.
    pub(super) fn exclude(&mut self, why: &str) {
        self.pending.clear();
        self.excluded.get_or_insert_with(|| why.to_owned());
    }
}
