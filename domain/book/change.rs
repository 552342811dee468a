//! What one fill does to a book, computed whole before any of it is taken over.

use crate::fixed::{FixedError, Money, Qty, notional};
use crate::order::{DecisionId, ExitReason, Fill, Purpose};
use crate::signal::Direction;

use super::Book;
use super::position::{Position, Trade, mean_price, signed};

/// The figures of a book after a fill, before they are taken over.
pub(super) struct Change {
    pub(super) closed: Qty,
    pub(super) opened: Qty,
    pub(super) cash: Money,
    pub(super) realised: Money,
    pub(super) fees: Money,
    pub(super) traded: Money,
    /// The sum of all positions' values; that of the fill's symbol is taken out until the end.
    pub(super) value: Money,
    pub(super) position: Option<Position>,
    pub(super) trade: Option<Trade>,
}

impl Change {
    pub(super) fn new(
        book: &Book,
        position: Option<Position>,
        closed: Qty,
        opened: Qty,
    ) -> Result<Self, FixedError> {
        let before = position.as_ref().map_or(Money::ZERO, Position::signed_value);
        Ok(Self {
            closed,
            opened,
            cash: book.cash,
            realised: book.realised,
            fees: book.fees,
            traded: Money::ZERO,
            value: book.value.minus(before)?,
            position,
            trade: None,
        })
    }

    /// Closes a part of the position, or all of it.
    pub(super) fn close(
        &mut self,
        fill: &Fill,
        fee: Money,
        exit_reason: ExitReason,
    ) -> Result<(), FixedError> {
        #[cfg(feature = "mutants")]
        let fee = if crate::mutants::is(crate::mutants::Mutant::ForgetsFees) {
            crate::fixed::Money::ZERO
        } else {
            fee
        };
        let Some(held) = self.position.as_mut() else { return Ok(()) };
        let entry_price = held.entry_price()?;
        let proceeds = notional(fill.price, self.closed)?;
        let (cost, entry_fees) = held.take(self.closed)?;
        let gain = signed(held.direction, proceeds.minus(cost)?);
        let fees = entry_fees.plus(fee)?;
        self.cash = self.cash.plus(signed(held.direction, proceeds))?.minus(fee)?;
        self.realised = self.realised.plus(gain)?;
        self.fees = self.fees.plus(fee)?;
        self.traded = self.traded.plus(proceeds)?;
        self.trade = Some(Trade {
            symbol: fill.symbol.clone(),
            direction: held.direction,
            qty: self.closed,
            entry_time: held.opened_at,
            entry_price,
            exit_time: fill.at,
            exit_price: fill.price,
            pnl: gain.minus(fees)?,
            fees,
            exit_reason,
            bars_held: held.bars_held,
            decision: held.decision.clone(),
        });
        if held.qty.is_zero() {
            self.position = None;
        }
        Ok(())
    }

    /// Opens a position or adds to it.
    pub(super) fn open(
        &mut self,
        fill: &Fill,
        fee: Money,
        direction: Direction,
        decision: Option<&DecisionId>,
    ) -> Result<(), FixedError> {
        let cost = notional(fill.price, self.opened)?;
        self.cash = self.cash.minus(signed(direction, cost))?.minus(fee)?;
        self.fees = self.fees.plus(fee)?;
        self.traded = self.traded.plus(cost)?;
        let held = self.position.get_or_insert_with(|| Position {
            direction,
            qty: Qty::ZERO,
            cost: Money::ZERO,
            fees: Money::ZERO,
            opened_at: fill.at,
            bars_held: 0,
            mark: fill.price,
            value: Money::ZERO,
            decision: decision.cloned(),
        });
        held.qty = held.qty.plus(self.opened)?;
        held.cost = held.cost.plus(cost)?;
        held.fees = held.fees.plus(fee)?;
        Ok(())
    }

    /// Marks the position at the fill's price and proves that what follows cannot fail.
    pub(super) fn finish(&mut self, fill: &Fill) -> Result<(), FixedError> {
        if let Some(held) = self.position.as_mut() {
            held.mark_at(fill.price)?;
            mean_price(held.cost, held.qty)?;
            self.value = self.value.plus(held.signed_value())?;
        }
        self.cash.plus(self.value).map(drop)
    }
}

/// The reason that a closed part gets from its order's purpose.
pub(super) const fn reason(purpose: Purpose) -> ExitReason {
    match purpose {
        Purpose::Exit { reason } => reason,
        Purpose::Entry => ExitReason::SignalFlip,
    }
}
