//! Books as AI-Trader writes them: `position.jsonl`, a line for every decision, each with the whole
//! book after it.

use std::collections::BTreeMap;

use super::object::{Object, number, symbol};
use super::{Skipped, Stamp, lines, shown};
use crate::fixed::{Money, Price, Qty};
use crate::market::symbol::Symbol;
use crate::order::Side;

/// The key under which a book's cash stands among its symbols.
const CASH: &str = "CASH";

/// One line: what was done, and what the book is said to be after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The line in its file, from one.
    pub number: usize,
    /// When, on the market's clocks.
    pub at: Stamp,
    /// The writer's own number of the line; it may repeat or fall back.
    pub id: i64,
    /// The trade; `None` where nothing was traded.
    pub act: Option<Act>,
    /// The stated cash.
    pub cash: Money,
    /// The stated holdings, without those of zero.
    pub held: BTreeMap<Symbol, Qty>,
}

/// A trade that a line says was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// Bought or sold.
    pub side: Side,
    /// What.
    pub symbol: Symbol,
    /// How much, as it is stated: it may be zero or less.
    pub qty: Qty,
    /// The price, where the line names one.
    pub price: Option<Price>,
}

/// A book, line by line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions {
    /// The lines that could be read, in the file's order.
    pub lines: Vec<Line>,
    /// The others.
    pub skipped: Skipped,
}

/// Reads a book; what is no line of one is noted in [`Positions::skipped`].
pub fn read_positions(text: &str) -> Positions {
    let mut book = Positions::default();
    lines(text, &mut book.skipped, |line, number, skipped| match read_line(line, number) {
        Ok(line) => book.lines.push(line),
        Err(why) => skipped.note(number, why),
    });
    book
}

fn read_line(text: &str, number: usize) -> Result<Line, String> {
    let object = Object::read(text)?;
    let date = object.text("date")?;
    let at = date.parse().map_err(|_| format!("`date`: `{}` is no date", shown(&date)))?;
    let act = object.object_if("this_action")?.map(|act| read_act(&act)).transpose()?.flatten();
    let (mut cash, mut held) = (None, BTreeMap::new());
    for (key, raw) in object.object("positions")?.entries() {
        if key == CASH {
            cash = Some(self::number(key, raw)?);
            continue;
        }
        let qty: Qty = self::number(key, raw)?;
        let symbol = symbol(key)?;
        if !qty.is_zero() {
            held.insert(symbol, qty);
        }
    }
    let cash = cash.ok_or_else(|| format!("`positions` has no `{CASH}`"))?;
    Ok(Line { number, at, id: object.integer("id")?, act, cash, held })
}

fn read_act(act: &Object<'_>) -> Result<Option<Act>, String> {
    let word = act.text("action")?;
    let side = match word.as_str() {
        "no_trade" => return Ok(None),
        "buy" | "buy_crypto" => Side::Buy,
        "sell" | "sell_crypto" => Side::Sell,
        _ => return Err(format!("`action`: `{}` is none that is known", shown(&word))),
    };
    let (symbol, qty) = (act.symbol("symbol")?, act.number("amount")?);
    Ok(Some(Act { side, symbol, qty, price: act.price_if("price")? }))
}
