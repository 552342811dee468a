//! A book from elsewhere beside those of a season: one more row, marked, with the verdict on it.
//!
//! It is ranked where it can be compared: its chain holds by the market's rules, everything it holds has a
//! price, it began with the same cash on the same market and ends on the same day. Otherwise it stands below the ranks with the reason.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::Date;
use serde::Deserialize;

use super::board::{Board, Figure, Row, rank};
use super::book::Errors;
use super::ledger::BOOK_SCHEMA;
use super::market::MarketKind;
use super::words::ContestantName;
use crate::fixed::{FixedError, Money, Qty};
use crate::market::symbol::Symbol;
use crate::ratio::Ratio;

/// What such a row goes by.
pub const KIND: &str = "imported";

/// What the board wants of an `arena-book/1`.
#[derive(Clone, Debug, Deserialize)]
pub struct ImportedBook {
    schema: String,
    name: ContestantName,
    start_cash: Money,
    equity: Vec<Point>,
    verdict: Verdict,
}

#[derive(Clone, Debug, Deserialize)]
struct Point {
    /// The market's day, with an hour behind it where it has one.
    day: String,
    value: Money,
}

#[derive(Clone, Debug, Deserialize)]
struct Verdict {
    market: MarketKind,
    mode: String,
    trades: u64,
    reconciled: u64,
    unreconciled: u64,
    orphaned: u64,
    refused_booked: u64,
    broken_lines: u64,
    unreadable: u64,
    holds: bool,
    final_cash: Money,
    final_nav: Option<Money>,
    fees: Money,
    holdings: BTreeMap<Symbol, Qty>,
}

/// Why a book does not come onto a board.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file is no book that was imported.
    #[error("it is no {BOOK_SCHEMA}, as `arena import` writes it")]
    Strange(#[source] Option<serde_json::Error>),
    /// Somebody on the board has its name.
    #[error("the board has a {0} already: import the book under another --name")]
    Taken(ContestantName),
    /// A figure left the range of fixed point.
    #[error("the board cannot hold its figures")]
    Range(#[from] FixedError),
}

impl ImportedBook {
    /// Reads what `arena import` has written.
    ///
    /// # Errors
    /// When it is something else.
    pub fn read(text: &str) -> Result<Self, ImportError> {
        let book: Self =
            serde_json::from_str(text).map_err(|error| ImportError::Strange(Some(error)))?;
        if book.schema == BOOK_SCHEMA { Ok(book) } else { Err(ImportError::Strange(None)) }
    }

    /// Why it cannot be compared with a season on `market` that has come to `day`, whose books began with
    /// `cash`.
    fn unranked(
        &self,
        (market, day): (MarketKind, Option<Date>),
        cash: Option<Money>,
    ) -> Option<String> {
        let verdict = &self.verdict;
        let own = self.equity.last().map_or("", |point| point.day.as_str());
        if !verdict.holds {
            Some("its chain does not hold".to_owned())
        } else if verdict.market != market {
            Some(format!("it was kept on another market, {}", verdict.market))
        } else if cash != Some(self.start_cash) {
            Some(format!("it began with another cash, {}", self.start_cash))
        } else if verdict.refused_booked > 0 {
            Some("it was booked against the market's rules".to_owned())
        } else if let Some(day) = day.filter(|day| !own.starts_with(&day.to_string())) {
            Some(format!("it is about other days: it ends on {own}, the season on {day}"))
        } else if verdict.final_nav.is_none() {
            Some("something that it holds has no price".to_owned())
        } else {
            None
        }
    }

    /// The verdict in words.
    fn told(&self) -> String {
        let Verdict { mode, trades, reconciled, holds, .. } = &self.verdict;
        let word = if *holds { "holds" } else { "does not hold" };
        let counts = [
            (self.verdict.unreconciled, "do not reconcile"),
            (self.verdict.orphaned, "orphaned"),
            (self.verdict.broken_lines, "changed without a trade"),
            (self.verdict.unreadable, "unreadable"),
            (self.verdict.refused_booked, "booked against a rule"),
        ];
        let against = counts.iter().filter(|(count, _)| *count > 0);
        let against: Vec<String> =
            against.map(|(count, what)| format!(", {count} {what}")).collect();
        let against = against.concat();
        format!(
            "imported ({mode}): the book {word}, {reconciled} of {trades} trades reconcile{against}"
        )
    }

    fn row(&self, excluded: Option<String>) -> Result<Row, ImportError> {
        let verdict = &self.verdict;
        let value = verdict.final_nav.unwrap_or(verdict.final_cash);
        let net = value.minus(self.start_cash)?;
        let unknown = || Figure { value: None, reason: Some(KIND.to_owned()) };
        let known = |value: f64| Figure { value: Ratio::new(value).ok(), reason: None };
        Ok(Row {
            rank: None,
            medal: None,
            name: self.name.clone(),
            kind: KIND.to_owned(),
            portfolio_value: value,
            cash: verdict.final_cash,
            positions: verdict.holdings.clone(),
            gross: net.plus(verdict.fees)?,
            fees: verdict.fees,
            net,
            calls: None,
            model_cost: None,
            net_of_model_cost: None,
            leaks: BTreeMap::new(),
            contamination: None,
            knowledge_cutoff: None,
            total_return: known(net.to_f64() / self.start_cash.to_f64()),
            sharpe: unknown(),
            max_drawdown: known(deepest_fall(&self.equity)),
            trades: verdict.trades,
            win_rate: unknown(),
            turnover: unknown(),
            errors: Errors::default(),
            refused: BTreeMap::new(),
            ratings: BTreeMap::new(),
            excluded,
            suspect: false,
            verdict: Some(self.told()),
        })
    }
}

/// The deepest fall from a peak, −1 to 0.
fn deepest_fall(points: &[Point]) -> f64 {
    let (mut peak, mut deepest) = (f64::MIN_POSITIVE, 0.0_f64);
    for point in points {
        let value = point.value.to_f64();
        peak = peak.max(value);
        deepest = deepest.min(value / peak - 1.0);
    }
    deepest
}

/// Adds books from elsewhere to a board and ranks everybody anew.
///
/// # Errors
/// When a name is taken, or a figure leaves its range.
pub fn add(mut board: Board, books: &[ImportedBook]) -> Result<Board, ImportError> {
    // Every contestant of a season begins with its own cash; a book is compared with the first's.
    let first = board.rows.first();
    let cash = first.and_then(|row| row.portfolio_value.minus(row.net).ok());
    // A bar that closes at midnight belongs to the day that it was open on.
    let day = board.tick.map(|tick| board.market.day_of(tick.at - Duration::from_millis(1)));
    for book in books {
        if board.rows.iter().any(|row| row.name == book.name) {
            return Err(ImportError::Taken(book.name.clone()));
        }
        let excluded = book.unranked((board.market, day), cash);
        board.rows.push(book.row(excluded)?);
    }
    rank(&mut board.rows);
    Ok(board)
}
