//! What a book from elsewhere must come to: its trades once more, compared after every line.
//!
//! A foreign book states no cost basis and may owe cash, so this is a ledger of its own and not
//! `crate::book`: cash, holdings, what was bought today. Figures are exact; what agrees is equal but
//! for one step of rounding, or for the places to which the market's books round by themselves.
//!
//! # Invariants
//!
//! - V-1: `trades = reconciled + orphaned + unreconciled`, whatever a file says.

mod book;
mod finding;
mod replay;
mod trips;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

pub use book::{Basis, BookLine, BookTrade, DayValue, ImportedBook, SCHEMA as BOOK_SCHEMA, Source};
pub use finding::{FINDINGS_MAX, Finding, FindingKind, Mark, Refusals, Verdict};
pub use replay::{Fate, HEADS_MAX, ReplayFault, Replayed, Step, StepTrade, replay};
pub use trips::round_trips;

use crate::fixed::{Bp, FixedError, Money, Qty};
use crate::market::symbol::Symbol;

/// How much is forgiven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nothing: every line is read, every trade keeps the rules, and a book that broke stays broken.
    #[default]
    Strict,
    /// Unreadable lines are left out, rules are only judged, and a book that broke is taken up again
    /// where it stands.
    Lenient,
}

/// The terms of a replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// How much is forgiven.
    pub mode: Mode,
    /// The fee that the book charges on every trade's value.
    pub fee: Bp,
}

/// A book at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Cash; negative is owed.
    pub cash: Money,
    /// Holdings, without those of zero; negative is short.
    pub held: BTreeMap<Symbol, Qty>,
    /// The fees that led here.
    pub fees: Money,
    /// What was bought on the last day on which anything was.
    bought: (Option<Date>, BTreeMap<Symbol, Qty>),
}

/// What a line says that the book is.
#[derive(Clone, Copy, Debug)]
struct Stated<'a> {
    cash: Money,
    held: &'a BTreeMap<Symbol, Qty>,
}

/// What a trade changes.
#[derive(Clone, Copy, Debug)]
struct Change<'a> {
    symbol: &'a Symbol,
    /// Added to the holding; negative for a sale.
    qty: Qty,
    /// Added to the cash, the fee taken off.
    cash: Money,
    fee: Money,
    day: Date,
}

/// Figures that differ, by symbol or `CASH`: what was expected, and what is stated.
type Differences = Vec<(String, String, String)>;

impl Ledger {
    /// A book that begins with what is stated.
    fn opening(stated: Stated<'_>) -> Self {
        Self { cash: stated.cash, held: stated.held.clone(), ..Self::default() }
    }

    /// The same days and fees with the cash and the holdings of another book.
    fn restated(&self, stated: Stated<'_>) -> Self {
        Self { cash: stated.cash, held: stated.held.clone(), ..self.clone() }
    }

    /// What is held of a symbol.
    pub fn holding(&self, symbol: &Symbol) -> Qty {
        self.held.get(symbol).copied().unwrap_or_default()
    }

    /// Adds to a holding and to the cash, which `fee` has left already.
    ///
    /// # Errors
    /// When either leaves its range; then nothing is changed.
    fn add(
        &mut self,
        symbol: &Symbol,
        qty: Qty,
        cash: Money,
        fee: Money,
    ) -> Result<(), FixedError> {
        let held = self.holding(symbol).plus(qty)?;
        let (cash, fees) = (self.cash.plus(cash)?, self.fees.plus(fee)?);
        (self.cash, self.fees) = (cash, fees);
        if held.is_zero() {
            self.held.remove(symbol);
        } else {
            self.held.insert(symbol.clone(), held);
        }
        Ok(())
    }

    /// What of a symbol was bought on a day.
    fn bought_on(&self, day: Date, symbol: &Symbol) -> Qty {
        let (last, bought) = &self.bought;
        let today = bought.get(symbol).filter(|_| *last == Some(day));
        today.copied().unwrap_or_default()
    }

    fn expected(&self, symbol: &Symbol, change: Option<&Change<'_>>) -> Result<Qty, FixedError> {
        let added = change.filter(|change| change.symbol == symbol).map(|change| change.qty);
        self.holding(symbol).plus(added.unwrap_or_default())
    }

    /// This book after a change, where what is stated agrees with it; and whether any figure agrees only
    /// as one that was rounded to `digits` places. The book goes on with the rounded figure.
    fn follow(
        &self,
        change: Option<&Change<'_>>,
        stated: Stated<'_>,
        digits: Option<u32>,
    ) -> Option<(Self, bool)> {
        let added = change.map_or(Money::ZERO, |change| change.cash);
        let cash = self.cash.plus(added).ok()?;
        let (cash, mut rounded) = agreed(cash.raw(), stated.cash.raw(), Money::SCALE, digits)?;
        let mut held = BTreeMap::new();
        for symbol in symbols(self, change, stated) {
            let (expected, said) = (self.expected(symbol, change).ok()?, stated_of(stated, symbol));
            let (qty, is_rounded) = agreed(expected.raw(), said.raw(), Qty::SCALE, digits)?;
            rounded |= is_rounded;
            if qty != 0 {
                held.insert(symbol.clone(), Qty::from_raw(qty));
            }
        }
        let fees = self.fees.plus(change.map_or(Money::ZERO, |change| change.fee)).ok()?;
        let bought = self.bought_after(change)?;
        Some((Self { cash: Money::from_raw(cash), held, fees, bought }, rounded))
    }

    fn bought_after(
        &self,
        change: Option<&Change<'_>>,
    ) -> Option<(Option<Date>, BTreeMap<Symbol, Qty>)> {
        let Some(change) = change.filter(|change| change.qty > Qty::ZERO) else {
            return Some(self.bought.clone());
        };
        let (last, mut bought) = self.bought.clone();
        if last != Some(change.day) {
            bought.clear();
        }
        let so_far = bought.entry(change.symbol.clone()).or_default();
        *so_far = so_far.plus(change.qty).ok()?;
        Some((Some(change.day), bought))
    }

    /// The first figures in which this book after a change differs from what is stated.
    fn differences(
        &self,
        change: Option<&Change<'_>>,
        stated: Stated<'_>,
        digits: Option<u32>,
        most: usize,
    ) -> Differences {
        let added = change.map_or(Money::ZERO, |change| change.cash);
        let mut found = Differences::new();
        let cash = self.cash.plus(added);
        let agrees = |cash: Money| agreed(cash.raw(), stated.cash.raw(), Money::SCALE, digits);
        if cash.as_ref().ok().and_then(|&cash| agrees(cash)).is_none() {
            found.push(("CASH".to_owned(), text(cash), stated.cash.to_string()));
        }
        for symbol in symbols(self, change, stated) {
            let (expected, said) = (self.expected(symbol, change), stated_of(stated, symbol));
            let agrees = |qty: Qty| agreed(qty.raw(), said.raw(), Qty::SCALE, digits);
            if found.len() < most && expected.as_ref().ok().and_then(|&qty| agrees(qty)).is_none() {
                found.push((symbol.to_string(), text(expected), said.to_string()));
            }
        }
        found
    }
}

fn text<N: ToString>(number: Result<N, FixedError>) -> String {
    number.map_or_else(|error| error.to_string(), |number| number.to_string())
}

fn stated_of(stated: Stated<'_>, symbol: &Symbol) -> Qty {
    stated.held.get(symbol).copied().unwrap_or_default()
}

/// Every symbol of which anything is held, stated or changed.
fn symbols<'a>(
    ledger: &'a Ledger,
    change: Option<&Change<'a>>,
    stated: Stated<'a>,
) -> BTreeSet<&'a Symbol> {
    let changed = change.map(|change| change.symbol);
    ledger.held.keys().chain(stated.held.keys()).chain(changed).collect()
}

/// The figure with which a replay goes on, where the stated one agrees with the expected: equal within
/// one step, or rounded to `digits` places from within half of the last of them. `true` for the latter.
fn agreed(expected: i64, stated: i64, scale: i64, digits: Option<u32>) -> Option<(i64, bool)> {
    if expected.abs_diff(stated) <= 1 {
        return Some((expected, false));
    }
    let step = scale / 10_i64.checked_pow(digits?)?;
    let is_rounded = step > 1 && stated % step == 0;
    let half = u64::try_from(step / 2).unwrap_or(0);
    (is_rounded && expected.abs_diff(stated) <= half).then_some((stated, true))
}
