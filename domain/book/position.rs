//! One open position and one closed round trip, with their costs kept exactly.

use serde::{Deserialize, Serialize};

use crate::fixed::{FixedError, Money, Price, Qty, div_half_even, notional};
use crate::market::symbol::Symbol;
use crate::order::{DecisionId, ExitReason};
use crate::signal::Direction;
use crate::time::Time;

/// An open position. What it cost is kept as money, so that no average price is ever rounded twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Long or short.
    pub direction: Direction,
    /// Its size, always positive.
    pub qty: Qty,
    /// What was paid for it (long) or received for it (short), always positive, fees apart.
    pub cost: Money,
    /// Fees paid so far for what is still open.
    pub fees: Money,
    /// When its first unit was bought or sold.
    pub opened_at: Time,
    /// Closed bars since then, as [`super::Book::close_bar`] counts them.
    pub bars_held: u32,
    /// The last price that it was marked at.
    pub mark: Price,
    /// Its size at the mark, always positive.
    pub value: Money,
    /// The decision that opened it.
    pub decision: Option<DecisionId>,
}

impl Position {
    /// Mean entry price, rounded half to even; exact for a single fill.
    ///
    /// # Errors
    /// When it is outside the range of [`Price`].
    pub fn entry_price(&self) -> Result<Price, FixedError> {
        mean_price(self.cost, self.qty)
    }

    /// What it is worth to the account: negative for a short, which is owed.
    pub const fn signed_value(&self) -> Money {
        signed(self.direction, self.value)
    }

    /// What it cost the account: negative for a short, which brought money in.
    pub const fn signed_cost(&self) -> Money {
        signed(self.direction, self.cost)
    }

    /// Its size with the sign of its direction.
    pub const fn signed_qty(&self) -> Qty {
        match self.direction {
            Direction::Long => self.qty,
            Direction::Short => self.qty.negated(),
        }
    }

    /// Profit at the mark, fees apart.
    ///
    /// # Errors
    /// On overflow.
    pub fn unrealised(&self) -> Result<Money, FixedError> {
        self.signed_value().minus(self.signed_cost())
    }

    /// Values the position at a new price.
    pub(super) fn mark_at(&mut self, price: Price) -> Result<(), FixedError> {
        self.value = notional(price, self.qty)?;
        self.mark = price;
        Ok(())
    }

    /// Takes `qty` (at most all of it) out of the position: the cost and the fees of that part.
    pub(super) fn take(&mut self, qty: Qty) -> Result<(Money, Money), FixedError> {
        let cost = share(self.cost, qty, self.qty);
        let fees = share(self.fees, qty, self.qty);
        self.cost = self.cost.minus(cost)?;
        self.fees = self.fees.minus(fees)?;
        self.qty = self.qty.minus(qty)?;
        Ok((cost, fees))
    }
}

/// A closed round trip: one row of `trades.csv`. A position closed in parts makes several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trade {
    /// The symbol.
    pub symbol: Symbol,
    /// Long or short.
    pub direction: Direction,
    /// How much was closed, always positive.
    pub qty: Qty,
    /// When the position was opened.
    pub entry_time: Time,
    /// Mean entry price.
    pub entry_price: Price,
    /// When this part of it was closed.
    pub exit_time: Time,
    /// At which price.
    pub exit_price: Price,
    /// Profit or loss after the fees of both sides.
    pub pnl: Money,
    /// The fees of both sides.
    pub fees: Money,
    /// Why it was closed.
    pub exit_reason: ExitReason,
    /// Closed bars between the two.
    pub bars_held: u32,
    /// The decision that opened it.
    pub decision: Option<DecisionId>,
}

impl Trade {
    /// Profit or loss as a fraction of what the position cost; `None` where the cost is zero.
    pub fn return_on_cost(&self) -> Option<crate::ratio::Ratio> {
        let cost = notional(self.entry_price, self.qty).ok().filter(|cost| !cost.is_zero())?;
        crate::ratio::Ratio::new(self.pnl.to_f64() / cost.to_f64()).ok()
    }
}

/// `part` of `whole` of an amount, rounded half to even; all of it when the two are equal.
pub(super) fn share(amount: Money, part: Qty, whole: Qty) -> Money {
    if part == whole || whole.raw() <= 0 {
        return amount;
    }
    let product = i128::from(amount.raw()) * i128::from(part.raw());
    let raw = div_half_even(product, i128::from(whole.raw()));
    // A part is at most the whole, so the share is at most the amount.
    i64::try_from(raw).map_or(amount, Money::from_raw)
}

/// Cost divided by quantity, rounded half to even.
pub(super) fn mean_price(cost: Money, qty: Qty) -> Result<Price, FixedError> {
    let product = i128::from(cost.raw()) * i128::from(Qty::SCALE);
    let raw = i64::try_from(div_half_even(product, i128::from(qty.raw().max(1))));
    raw.map(Price::from_raw).map_err(|_| FixedError::OutOfRange {
        what: "the mean entry price".to_owned(),
        unit: "Price",
    })
}

/// An amount with the sign of a direction: what it means to the account.
pub(super) const fn signed(direction: Direction, amount: Money) -> Money {
    match direction {
        Direction::Long => amount,
        Direction::Short => amount.negated(),
    }
}
