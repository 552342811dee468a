//! Taking over what a broker's statement says: the one change of a ledger that is no fill and no mark.

use std::collections::BTreeMap;

use super::{Book, BookError, Position};
use crate::fixed::{Money, Price, Qty, notional};
use crate::market::symbol::Symbol;
use crate::signal::Direction;
use crate::time::Time;

/// A position as somebody else keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// How much, negative for a short; zero for none.
    pub qty: Qty,
    /// Its mean entry price.
    pub average: Price,
    /// What one is worth now.
    pub price: Price,
}

impl Book {
    /// The book with this cash and with these positions in the place of its own; positions that are not
    /// named stay as they are. What no fill explains counts as realised: dividends and fees that were
    /// charged elsewhere are profit and loss, and a payment in or out is shown as if it were. Where a book
    /// `begins`, it is what it begins with.
    ///
    /// # Errors
    /// When a price is not positive, or on overflow.
    pub fn adopting(
        &self,
        cash: Money,
        positions: &BTreeMap<Symbol, Adopted>,
        at: Time,
        begins: bool,
    ) -> Result<Self, BookError> {
        let mut book = self.clone();
        let mut gained = cash.minus(book.cash)?;
        for (symbol, theirs) in positions {
            let held = book.positions.remove(symbol);
            let (cost, value) = held.as_ref().map_or((Money::ZERO, Money::ZERO), |held| {
                (held.signed_cost(), held.signed_value())
            });
            gained = gained.minus(cost)?;
            book.value = book.value.minus(value)?;
            if theirs.qty.is_zero() {
                continue;
            }
            let now = taken_over(held, theirs, at)?;
            gained = gained.plus(now.signed_cost())?;
            book.value = book.value.plus(now.signed_value())?;
            book.positions.insert(symbol.clone(), now);
        }
        book.cash = cash;
        let equity = book.equity()?;
        if begins {
            book.start = book.start.plus(gained)?;
            book.peak = equity;
        } else {
            book.realised = book.realised.plus(gained)?;
        }
        book.check()?;
        Ok(book)
    }
}

/// The position as it stands in the statement. One that goes on in its direction keeps its history.
fn taken_over(held: Option<Position>, theirs: &Adopted, at: Time) -> Result<Position, BookError> {
    super::positive_price(theirs.average)?;
    super::positive_price(theirs.price)?;
    let direction = if theirs.qty.raw() > 0 { Direction::Long } else { Direction::Short };
    let qty = theirs.qty.abs();
    let fresh = || Position {
        direction,
        qty,
        cost: Money::ZERO,
        fees: Money::ZERO,
        opened_at: at,
        bars_held: 0,
        mark: theirs.price,
        value: Money::ZERO,
        decision: None,
    };
    let mut now = held.filter(|held| held.direction == direction).unwrap_or_else(fresh);
    now.qty = qty;
    now.cost = notional(theirs.average, qty)?;
    now.mark_at(theirs.price)?;
    Ok(now)
}
