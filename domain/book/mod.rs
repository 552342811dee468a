//! The ledger: cash, positions, fees and trades in fixed point. Pure: fills and marks in, figures out.
//!
//! # Invariants
//!
//! - P-1: cash + positions at cost + fees is conserved at every fill; NAV is continuous but for fees.
//!
//! A fill is a fact: whatever the broker executed is booked, even where no order of ours should have
//! led to it. Only what makes no sense (no quantity, no price, a negative fee, an overflow, a second
//! fill under the name of the first) is refused, and then the book is as it was before.
//!
//! Memory is bounded where somebody takes what is over: the last [`REMEMBERED`] orders that were filled
//! are known by their ids, and closed trades wait in [`Book::trades`] until [`Book::take_trades`].
//!
//! [`REMEMBERED`]: crate::recent::REMEMBERED

mod adopt;
mod change;
mod former;
mod position;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fixed::{FixedError, Money, Price, Qty, notional};
use crate::market::symbol::Symbol;
use crate::order::{ClientOrderId, DecisionId, Fill, Purpose, Side};
use crate::ratio::Ratio;
use crate::recent::Recent;
use crate::signal::Direction;

pub use adopt::Adopted;
use change::{Change, reason};
pub use former::BookV1;
pub use position::{Position, Trade};
use position::{share, signed};

/// Why something was not booked. The book is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    /// A number in a fill, or the starting cash, that makes no sense.
    #[error("{what} must be {bound}")]
    Senseless {
        /// What it is.
        what: &'static str,
        /// What it must be.
        bound: &'static str,
    },
    /// The same fill came twice with different contents.
    #[error("fill {nth} of order {order} was booked with other contents")]
    Conflict {
        /// The order.
        order: ClientOrderId,
        /// Which of its fills.
        nth: u32,
    },
    /// A figure left the range of fixed point.
    #[error("the ledger cannot hold the figure")]
    Range(#[from] FixedError),
    /// P-1 is broken: the sums do not agree. Nothing may be traded on this book.
    #[error("the ledger is off by {off}")]
    NotConserved {
        /// By how much.
        off: Money,
    },
}

/// What a fill did to the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Whether the fill had been booked before; everything else is then the first answer.
    pub duplicate: bool,
    /// How much of a position in the other direction it closed.
    pub closed: Qty,
    /// How much it opened or added.
    pub opened: Qty,
    /// The position afterwards, negative for a short, zero for none.
    pub position: Qty,
    /// Profit or loss of what it closed, after the fees of both sides.
    pub realised: Money,
    /// The number of the closed part among all trades that the book ever closed, from 0.
    pub trade: Option<usize>,
}

/// What is remembered of a fill, so that a second one under its name is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Booked {
    nth: u32,
    side: Side,
    qty: Qty,
    price: Price,
    fee: Money,
    applied: Applied,
}

/// The account of one desk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Book {
    start: Money,
    cash: Money,
    /// Profit of what was closed, fees apart.
    realised: Money,
    fees: Money,
    traded: Money,
    /// Sum of the positions' signed values, kept up to date so that equity costs one addition.
    value: Money,
    peak: Money,
    drawdown_max: Ratio,
    positions: BTreeMap<Symbol, Position>,
    /// Closed and not taken yet.
    trades: Vec<Trade>,
    /// Closed and taken.
    #[serde(default)]
    taken: usize,
    booked: Recent<Vec<Booked>>,
}

impl Book {
    /// An account with nothing but cash.
    ///
    /// # Errors
    /// When the cash is not positive.
    pub fn new(cash: Money) -> Result<Self, BookError> {
        if cash.raw() <= 0 {
            return Err(BookError::Senseless { what: "the starting cash", bound: "positive" });
        }
        Ok(Self {
            start: cash,
            cash,
            realised: Money::ZERO,
            fees: Money::ZERO,
            traded: Money::ZERO,
            value: Money::ZERO,
            peak: cash,
            drawdown_max: Ratio::ZERO,
            positions: BTreeMap::new(),
            trades: Vec::new(),
            taken: 0,
            booked: Recent::default(),
        })
    }

    /// The cash that it began with.
    pub const fn start(&self) -> Money {
        self.start
    }

    /// The cash on the account, the proceeds of short sales included.
    pub const fn cash(&self) -> Money {
        self.cash
    }

    /// Cash that is not bound: a short binds its own proceeds and its present value again, so that
    /// a short of some size leaves as much as a long of that size would. It never falls when a
    /// position gains. May be negative.
    ///
    /// # Errors
    /// On overflow.
    pub fn free_cash(&self) -> Result<Money, BookError> {
        let shorts = self.positions.values().filter(|held| held.direction == Direction::Short);
        let mut free = self.cash;
        for held in shorts {
            free = free.minus(held.value)?.minus(held.value)?;
        }
        Ok(free)
    }

    /// Cash plus positions at their last marks: the net asset value.
    ///
    /// # Errors
    /// On overflow.
    pub fn equity(&self) -> Result<Money, BookError> {
        Ok(self.cash.plus(self.value)?)
    }

    /// Sum of the positions' sizes at their marks, long and short alike.
    ///
    /// # Errors
    /// On overflow.
    pub fn gross_value(&self) -> Result<Money, BookError> {
        let sizes = self.positions.values().map(|held| held.value);
        Ok(sizes.into_iter().try_fold(Money::ZERO, Money::plus)?)
    }

    /// [`Book::gross_value`] as a fraction of equity; one where equity is not positive and something
    /// is held.
    ///
    /// # Errors
    /// On overflow.
    pub fn exposure(&self) -> Result<Ratio, BookError> {
        let (gross, equity) = (self.gross_value()?, self.equity()?);
        if equity.raw() > 0 {
            return Ok(Ratio::or_zero(gross.to_f64() / equity.to_f64()));
        }
        Ok(if gross.is_zero() { Ratio::ZERO } else { Ratio::ONE })
    }

    /// Profit of what was closed, before fees.
    pub const fn realised(&self) -> Money {
        self.realised
    }

    /// All fees paid.
    pub const fn fees(&self) -> Money {
        self.fees
    }

    /// Value of everything bought and sold: a statistic for turnover, which stays at its largest
    /// value instead of overflowing.
    pub const fn traded(&self) -> Money {
        self.traded
    }

    /// The highest equity that [`Book::settle`] has seen, the starting cash included.
    pub const fn peak(&self) -> Money {
        self.peak
    }

    /// Fall of the present equity from its peak, 0 to 1.
    pub fn drawdown(&self) -> Ratio {
        self.equity().map_or(Ratio::ONE, |equity| drawdown(equity, self.peak))
    }

    /// The deepest drawdown that [`Book::settle`] has seen, 0 to 1.
    pub const fn drawdown_max(&self) -> Ratio {
        self.drawdown_max
    }

    /// Whether nothing is left: trading ends.
    pub fn is_ruined(&self) -> bool {
        self.equity().map_or(true, |equity| equity.raw() <= 0)
    }

    /// The open positions by symbol.
    pub const fn positions(&self) -> &BTreeMap<Symbol, Position> {
        &self.positions
    }

    /// The open position in a symbol.
    pub fn position(&self, symbol: &Symbol) -> Option<&Position> {
        self.positions.get(symbol)
    }

    /// The closed round trips that nobody has taken yet, oldest first.
    pub fn trades(&self) -> &[Trade] {
        &self.trades
    }

    /// Takes the closed round trips out of memory: whoever takes them keeps them.
    pub fn take_trades(&mut self) -> Vec<Trade> {
        self.taken += self.trades.len();
        std::mem::take(&mut self.trades)
    }

    /// How many round trips were ever closed.
    pub const fn closed(&self) -> usize {
        self.taken + self.trades.len()
    }

    /// Whether a fill was booked already, as far as is remembered.
    pub fn knows(&self, order: &ClientOrderId, nth: u32) -> bool {
        self.booked.get(order).is_some_and(|fills| fills.iter().any(|fill| fill.nth == nth))
    }

    /// Values a position at a price; nothing happens where there is none.
    ///
    /// # Errors
    /// When the price is not positive, or on overflow; the book is unchanged.
    pub fn mark(&mut self, symbol: &Symbol, price: Price) -> Result<(), BookError> {
        self.value_at(symbol, price, 0)
    }

    /// [`Book::mark`] at the close of a bar, which the position is one bar older for.
    ///
    /// # Errors
    /// As [`Book::mark`].
    pub fn close_bar(&mut self, symbol: &Symbol, close: Price) -> Result<(), BookError> {
        self.value_at(symbol, close, 1)
    }

    fn value_at(&mut self, symbol: &Symbol, price: Price, bars: u32) -> Result<(), BookError> {
        positive_price(price)?;
        if let Some(held) = self.positions.get_mut(symbol) {
            let worth = notional(price, held.qty)?;
            let gain = signed(held.direction, worth.minus(held.value)?);
            self.value = self.value.plus(gain)?;
            held.value = worth;
            held.mark = price;
            held.bars_held = held.bars_held.saturating_add(bars);
        }
        Ok(())
    }

    /// The equity now, after every symbol of this moment was marked: raises the peak and deepens
    /// the largest drawdown.
    ///
    /// # Errors
    /// On overflow.
    pub fn settle(&mut self) -> Result<Money, BookError> {
        let equity = self.equity()?;
        if self.peak < equity {
            self.peak = equity;
        } else if equity < self.peak {
            let fall = drawdown(equity, self.peak);
            if self.drawdown_max < fall {
                self.drawdown_max = fall;
            }
        }
        Ok(equity)
    }

    /// Books a fill. `purpose` is the order's: the reason that a closed part gets; what an entry
    /// closes, it closes because the signal turned. `decision` is the order's, kept with what it
    /// opens. The position is marked at the fill's price.
    ///
    /// A fill that was booked before changes nothing and returns the first answer.
    ///
    /// # Errors
    /// See [`BookError`]; the book is unchanged.
    pub fn apply(
        &mut self,
        fill: &Fill,
        purpose: Purpose,
        decision: Option<&DecisionId>,
    ) -> Result<Applied, BookError> {
        if let Some(fills) = self.booked.get(&fill.client_order_id)
            && let Some(first) = first_answer(fill, fills)?
        {
            return Ok(first);
        }
        positive_price(fill.price)?;
        if fill.qty.raw() <= 0 {
            return Err(BookError::Senseless { what: "a fill's quantity", bound: "positive" });
        }
        if fill.fee.raw() < 0 {
            return Err(BookError::Senseless { what: "a fill's fee", bound: "zero or more" });
        }
        let change = self.change(fill, purpose, decision)?;
        let applied = self.commit(fill, change);
        let Fill { nth, side, qty, price, fee, .. } = *fill;
        let fills = self.booked.touch(fill.client_order_id.clone());
        fills.push(Booked { nth, side, qty, price, fee, applied });
        self.check()?;
        Ok(applied)
    }

    /// P-1: cash + positions at cost = start + realised − fees, and the running value is the sum of
    /// the positions' values. Called at every fill; call it on a book that was read from a disk.
    ///
    /// # Errors
    /// When the sums do not agree.
    pub fn check(&self) -> Result<(), BookError> {
        let raw = |money: Money| i128::from(money.raw());
        let cost: i128 = self.positions.values().map(|held| raw(held.signed_cost())).sum();
        let value: i128 = self.positions.values().map(|held| raw(held.signed_value())).sum();
        let due = raw(self.start) + raw(self.realised) - raw(self.fees);
        let off = (raw(self.cash) + cost - due).abs().max((raw(self.value) - value).abs());
        if off == 0 {
            return Ok(());
        }
        let off = Money::from_raw(i64::try_from(off).unwrap_or(i64::MAX));
        Err(BookError::NotConserved { off })
    }

    /// What a fill would do, computed without touching the book.
    fn change(
        &self,
        fill: &Fill,
        purpose: Purpose,
        decision: Option<&DecisionId>,
    ) -> Result<Change, BookError> {
        let adds = match fill.side {
            Side::Buy => Direction::Long,
            Side::Sell => Direction::Short,
        };
        let held = self.positions.get(&fill.symbol);
        let against = held.filter(|held| held.direction != adds).map_or(Qty::ZERO, |held| held.qty);
        let closed = against.min(fill.qty);
        let opened = fill.qty.minus(closed)?;
        let close_fee = share(fill.fee, closed, fill.qty);
        let open_fee = fill.fee.minus(close_fee)?;
        let mut change = Change::new(self, held.cloned(), closed, opened)?;
        if closed.raw() > 0 {
            change.close(fill, close_fee, reason(purpose))?;
        }
        if opened.raw() > 0 {
            change.open(fill, open_fee, adds, decision)?;
        }
        change.finish(fill)?;
        Ok(change)
    }

    /// Takes over a computed change. Cannot fail.
    fn commit(&mut self, fill: &Fill, change: Change) -> Applied {
        let position = change.position.as_ref().map_or(Qty::ZERO, Position::signed_qty);
        let mut trade = None;
        let mut realised = Money::ZERO;
        if let Some(closed) = change.trade {
            realised = closed.pnl;
            trade = Some(self.closed());
            self.trades.push(closed);
        }
        (self.cash, self.realised) = (change.cash, change.realised);
        (self.fees, self.value) = (change.fees, change.value);
        self.traded = Money::from_raw(self.traded.raw().saturating_add(change.traded.raw()));
        match change.position {
            Some(held) => self.positions.insert(fill.symbol.clone(), held),
            None => self.positions.remove(&fill.symbol),
        };
        let (closed, opened) = (change.closed, change.opened);
        Applied { duplicate: false, closed, opened, position, realised, trade }
    }
}

/// The first answer to a fill that was booked before.
fn first_answer(fill: &Fill, fills: &[Booked]) -> Result<Option<Applied>, BookError> {
    let Some(known) = fills.iter().find(|known| known.nth == fill.nth) else { return Ok(None) };
    let same = (known.side, known.qty, known.price, known.fee)
        == (fill.side, fill.qty, fill.price, fill.fee);
    if !same {
        let order = fill.client_order_id.clone();
        return Err(BookError::Conflict { order, nth: fill.nth });
    }
    Ok(Some(Applied { duplicate: true, ..known.applied }))
}

/// Fall from a peak, 0 to 1; what fell below zero has lost everything.
fn drawdown(equity: Money, peak: Money) -> Ratio {
    if peak.raw() <= 0 || peak <= equity {
        return Ratio::ZERO;
    }
    let left = equity.to_f64().max(0.0) / peak.to_f64();
    Ratio::or_zero(1.0 - left)
}

fn positive_price(price: Price) -> Result<(), BookError> {
    if price.raw() > 0 {
        Ok(())
    } else {
        Err(BookError::Senseless { what: "a price", bound: "positive" })
    }
}

#[cfg(test)]
mod tests;
