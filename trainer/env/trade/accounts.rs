//! The accounts of many environments side by side: the arithmetic of the trading ledger, to the last
//! unit of fixed point, without its book-keeping.
//!
//! One account trades one symbol in whole units. An intent of a bar's close is filled at the next bar's
//! open: what stands against it is closed, then a share of equity is entered; slippage and fees are
//! those of the simulated broker. Equity is marked at the close, a short as what it would cost to
//! cover.

use conclave_domain::engine::percent_of;
use conclave_domain::fixed::{FixedError, Money, Price};
use conclave_domain::market::symbol::AssetClass;
use conclave_domain::order::Side;
use conclave_domain::policy::action::Intent;
use conclave_domain::policy::observation::AccountView;
use conclave_domain::signal::Direction;
use conclave_domain::sim_broker::SimConfig;
use serde::{Deserialize, Serialize};

/// On which terms environments trade.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// An account at the beginning of an episode.
    pub cash: Money,
    /// Fees and slippage; always filled whole, at the next open.
    pub broker: SimConfig,
    /// Whether shares may be sold short; coins never are.
    pub may_short: bool,
}

impl Default for Terms {
    /// $100,000, $1 a trade, 5 bp of slippage (coins 25 bp), shorts allowed.
    fn default() -> Self {
        let cash = Money::from_raw(100_000 * Money::SCALE);
        Self { cash, broker: SimConfig::default(), may_short: true }
    }
}

/// One account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) cash: Money,
    /// Negative for a short.
    pub(crate) units: i64,
    /// What the position cost, with its sign, fees apart.
    pub(crate) cost: Money,
    /// The fee of its entry.
    pub(crate) fees: Money,
    /// What it is worth at the last mark, with its sign.
    pub(crate) value: Money,
    pub(crate) peak: Money,
    /// Closes since it was opened.
    pub(crate) bars_held: u32,
}

/// A round trip that was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    /// Profit after the fees of both sides.
    pub(crate) profit: Money,
    /// What the position cost, always positive.
    pub(crate) cost: Money,
    pub(crate) bars: u32,
}

/// What one step did to an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) before: Money,
    pub(crate) after: Money,
    /// Fees and slippage paid.
    pub(crate) paid: Money,
    pub(crate) closed: Option<Closed>,
    pub(crate) opened: Option<Direction>,
}

/// The prices of the bar that a step plays.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prices {
    pub(crate) open: Price,
    pub(crate) close: Price,
}

impl Account {
    pub(crate) const fn new(cash: Money) -> Self {
        Self {
            cash,
            units: 0,
            cost: Money::ZERO,
            fees: Money::ZERO,
            value: Money::ZERO,
            peak: cash,
            bars_held: 0,
        }
    }

    /// Long or short, if anything is held.
    pub(crate) const fn held(&self) -> Option<Direction> {
        match self.units {
            0 => None,
            units if units > 0 => Some(Direction::Long),
            _ => Some(Direction::Short),
        }
    }

    pub(crate) fn equity(&self) -> Result<Money, FixedError> {
        self.cash.plus(self.value)
    }

    /// What a policy is told of it; an equity beyond fixed point shows as none.
    pub(crate) fn view(&self) -> AccountView {
        AccountView {
            equity: self.equity().unwrap_or(Money::ZERO),
            peak: self.peak,
            value: self.value,
            cost: self.cost,
            bars_held: self.bars_held,
        }
    }

    /// Plays one bar: the intent is filled at its open, what is held is marked at its close.
    ///
    /// # Errors
    /// Where a figure leaves the range of fixed point; the account is then of no more use.
    pub(crate) fn step(
        &mut self,
        intent: Intent,
        prices: Prices,
        class: AssetClass,
        broker: &SimConfig,
    ) -> Result<Moved, FixedError> {
        let mut moved = Moved { before: self.equity()?, ..Moved::default() };
        match intent {
            Intent::Keep => {}
            Intent::Close => self.leave(prices.open, class, broker, &mut moved)?,
            Intent::Enter { direction, percent } => {
                if self.held().is_some_and(|held| held != direction) {
                    self.leave(prices.open, class, broker, &mut moved)?;
                }
                self.enter((direction, percent), prices.open, class, broker, &mut moved)?;
            }
        }
        if self.units != 0 {
            self.value = worth(prices.close, self.units)?;
            self.bars_held = self.bars_held.saturating_add(1);
        }
        moved.after = self.equity()?;
        self.peak = self.peak.max(moved.after);
        Ok(moved)
    }

    /// Closes what is held at a price before slippage; nothing happens where nothing is.
    pub(crate) fn leave(
        &mut self,
        price: Price,
        class: AssetClass,
        broker: &SimConfig,
        moved: &mut Moved,
    ) -> Result<(), FixedError> {
        let Some(held) = self.held() else { return Ok(()) };
        let filled = broker.slipped(price, Side::closing(held), class)?;
        let proceeds = worth(filled, self.units)?;
        let fee = broker.fee_of(proceeds, true)?;
        let slipped = worth(price, self.units)?.minus(proceeds)?;
        let profit = proceeds.minus(self.cost)?.minus(self.fees)?.minus(fee)?;
        let cost = Money::from_raw(self.cost.raw().saturating_abs());
        moved.paid = moved.paid.plus(fee)?.plus(slipped)?;
        moved.closed = Some(Closed { profit, cost, bars: self.bars_held });
        *self = Self {
            cash: self.cash.plus(proceeds)?.minus(fee)?,
            peak: self.peak,
            ..Self::new(self.cash)
        };
        Ok(())
    }

    /// Opens a position of a share of equity; nothing happens where one is held, or nothing is left.
    fn enter(
        &mut self,
        (direction, percent): (Direction, u8),
        price: Price,
        class: AssetClass,
        broker: &SimConfig,
        moved: &mut Moved,
    ) -> Result<(), FixedError> {
        let barred = direction == Direction::Short && class == AssetClass::Crypto;
        if self.units != 0 || self.cash.raw() <= 0 || barred {
            return Ok(());
        }
        let filled = broker.slipped(price, Side::opening(direction), class)?;
        let budget = percent_of(self.cash, percent).min(self.cash);
        let units = broker.affordable(budget, filled);
        if units <= 0 {
            return Ok(());
        }
        self.units = if direction == Direction::Long { units } else { -units };
        self.cost = worth(filled, self.units)?;
        self.fees = broker.fee_of(self.cost, true)?;
        self.cash = self.cash.minus(self.cost)?.minus(self.fees)?;
        let slipped = self.cost.minus(worth(price, self.units)?)?;
        moved.paid = moved.paid.plus(self.fees)?.plus(slipped)?;
        moved.opened = Some(direction);
        Ok(())
    }
}

/// Price times whole units, with the sign of the units.
fn worth(price: Price, units: i64) -> Result<Money, FixedError> {
    let raw = price.raw().checked_mul(units).map(Money::from_raw);
    raw.ok_or(FixedError::OutOfRange { what: "price × units".to_owned(), unit: "Money" })
}
