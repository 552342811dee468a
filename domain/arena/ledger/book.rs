//! A book that was checked, as the arena takes it in: `arena-book/1`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::Serialize;

use super::replay::value;
use super::{Fate, Replayed, Step, Verdict};
use crate::arena::foreign::Stamp;
use crate::arena::foreign::merged::Prices;
use crate::arena::market::Refusal;
use crate::fixed::{Money, Price, Qty};
use crate::market::symbol::Symbol;
use crate::order::Side;
use crate::record::Digest;

/// The form of a book that was imported.
pub const SCHEMA: &str = "arena-book/1";

/// A file that a book was read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Its name, without its directory.
    pub file: String,
    /// BLAKE3 of its bytes.
    pub hash: Digest,
}

/// How much of what is held stands in the values of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// All of it, at the last price of each day.
    Marked,
    /// None of it: cash alone, which round trips change when they end.
    Realised,
}

/// A book from elsewhere. Decimals are texts, times those of the market's clocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImportedBook {
    /// `arena-book/1`.
    pub schema: &'static str,
    /// The name under which the arena shows it.
    pub name: String,
    /// Always: it was not kept here.
    pub imported: bool,
    /// What its prices are in.
    pub currency: &'static str,
    /// The book's own file and the prices.
    pub sources: Vec<Source>,
    /// What it began with.
    pub start_cash: Money,
    /// Every line that was read.
    pub lines: Vec<BookLine>,
    /// What the values of [`ImportedBook::equity`] are made of.
    pub basis: Basis,
    /// The book's value at the end of each day; days on which a holding has no price are left out.
    pub equity: Vec<DayValue>,
    /// What the check came to.
    pub verdict: Verdict,
}

/// A line, and the book that the replay has after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BookLine {
    /// The line in its file.
    pub line: usize,
    /// When.
    pub at: Stamp,
    /// Cash after it.
    pub cash: Money,
    /// Holdings after it, without those of zero.
    pub holdings: BTreeMap<Symbol, Qty>,
    /// The trade, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trade: Option<BookTrade>,
}

/// A trade of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BookTrade {
    /// Bought or sold.
    pub side: Side,
    /// What.
    pub symbol: Symbol,
    /// How much.
    pub qty: Qty,
    /// The market's price, if it has one.
    pub price: Option<Price>,
    /// The fee.
    pub fee: Money,
    /// Whether it is in the book that goes on.
    pub success: bool,
    /// The first rule against it.
    pub reason: Option<Refusal>,
}

/// A book's value at the end of a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DayValue {
    /// The market's day.
    pub day: Stamp,
    /// What the book was worth.
    pub value: Money,
}

impl ImportedBook {
    /// A book of positions, valued at the end of each day of its prices from its first line to its last.
    pub fn marked(name: String, sources: Vec<Source>, replayed: Replayed, prices: &Prices) -> Self {
        let dates = replayed.steps.iter().map(|step| step.at.date);
        let (first, last) = (dates.clone().min(), dates.max());
        let days = first.zip(last).map(|(first, last)| prices.days(first, last));
        let equity = ends(&replayed.steps, days.into_iter().flatten()).filter_map(|(day, step)| {
            let value = value(&step.ledger, prices, Stamp::day(day)).1?;
            Some(DayValue { day: Stamp::day(day), value })
        });
        let equity = equity.collect();
        Self::of(name, sources, Basis::Marked, equity, replayed)
    }

    /// A book of round trips, whose value is its cash at the end of each day on which one ended.
    pub fn realised(name: String, sources: Vec<Source>, replayed: Replayed) -> Self {
        let days: BTreeSet<Date> = replayed.steps.iter().map(|step| step.at.date).collect();
        let ends = ends(&replayed.steps, days.into_iter());
        let equity = ends
            .map(|(day, step)| DayValue { day: Stamp::day(day), value: step.ledger.cash })
            .collect();
        Self::of(name, sources, Basis::Realised, equity, replayed)
    }

    fn of(
        name: String,
        sources: Vec<Source>,
        basis: Basis,
        equity: Vec<DayValue>,
        replayed: Replayed,
    ) -> Self {
        let Replayed { verdict, steps } = replayed;
        let lines = steps.into_iter().map(|step| {
            let Step { line, at, trade, fate, ledger } = step;
            let trade = trade.map(|trade| BookTrade {
                side: trade.act.side,
                symbol: trade.act.symbol,
                qty: trade.act.qty,
                price: trade.price,
                fee: trade.fee,
                success: trade.booked && fate == Fate::Reconciled,
                reason: trade.refusal,
            });
            BookLine { line, at, cash: ledger.cash, holdings: ledger.held, trade }
        });
        Self {
            schema: SCHEMA,
            name,
            imported: true,
            currency: verdict.market.currency(),
            sources,
            start_cash: verdict.start_cash,
            lines: lines.collect(),
            basis,
            equity,
            verdict,
        }
    }
}

/// Each day with the book that the file's last line up to it has left: lines whose dates fall back count
/// where they stand in the file.
fn ends(steps: &[Step], days: impl Iterator<Item = Date>) -> impl Iterator<Item = (Date, &Step)> {
    let lines: BTreeMap<Date, usize> = steps.iter().map(|step| step.at.date).zip(0..).collect();
    let mut lines = lines.into_iter().peekable();
    let mut newest = None;
    days.filter_map(move |day| {
        while let Some((_, line)) = lines.next_if(|(date, _)| *date <= day) {
            newest = newest.max(Some(line));
        }
        Some((day, steps.get(newest?)?))
    })
}
