//! What a raw strategy's call becomes: a close, an open, or both. Pure.
//!
//! Raw means: no council, no gates, no caps, no protective exits; the strategy's call and a size, or
//! the policy's intent and its share of equity.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::book::{Book, BookError};
use crate::fixed::{Money, Price, Qty};
use crate::market::symbol::{AssetClass, Symbol};
use crate::order::{
    ClientOrderId, DecisionId, ExitReason, OrderIntent, OrderKind, Purpose, Side, TimeInForce,
};
use crate::policy::action::Intent;
use crate::signal::Direction;
use crate::sim_broker::SimConfig;
use crate::time::Time;

/// How much a raw strategy trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Size {
    /// This many whole units.
    Units(u32),
    /// The most whole units that the symbol's equal share of equity pays for, fees included, at the
    /// fill price. With one symbol that is all equity.
    AllIn,
}

/// A text that is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a size: a whole number of units above zero, or all-in")]
pub struct SizeError {
    text: String,
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        if text == "all-in" {
            return Ok(Self::AllIn);
        }
        let units = text.parse().ok().filter(|&units| units > 0);
        let error = || SizeError { text: text.chars().take(40).collect() };
        units.map(Self::Units).ok_or_else(error)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Units(units) => write!(f, "{units}"),
            Self::AllIn => f.write_str("all-in"),
        }
    }
}

/// Which directions a raw strategy trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Directions {
    /// A call short only closes what is long.
    Long,
    /// A call turns the position around.
    LongShort,
}

impl Directions {
    /// The word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Long => "long",
            Self::LongShort => "long-short",
        }
    }
}

/// What a call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A strategy's direction, of the size that the terms say.
    Direction(Direction),
    /// A policy's intent, of the share of equity that it says.
    Intent(Intent),
}

impl Wish {
    /// Whether what is held in this direction stands against it.
    fn is_against(self, held: Direction) -> bool {
        match self {
            Self::Direction(direction) | Self::Intent(Intent::Enter { direction, .. }) => {
                direction != held
            }
            Self::Intent(Intent::Close) => true,
            Self::Intent(Intent::Keep) => false,
        }
    }

    /// The direction that it opens, if any, and the percents of equity, if it says so.
    const fn opens(self) -> Option<(Direction, Option<u8>)> {
        match self {
            Self::Direction(direction) => Some((direction, None)),
            Self::Intent(Intent::Enter { direction, percent }) => Some((direction, Some(percent))),
            Self::Intent(Intent::Close | Intent::Keep) => None,
        }
    }
}

/// A call that waits for its fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawCall {
    /// What is asked for.
    pub wish: Wish,
    /// The close of the bar that it was raised at.
    pub at: Time,
}

/// On which terms a raw strategy trades.
#[derive(Clone, Debug, PartialEq)]
pub struct RawTerms {
    /// How much.
    pub size: Size,
    /// Which directions.
    pub directions: Directions,
    /// When orders fill and what they cost.
    pub broker: SimConfig,
    /// The account before the first bar.
    pub cash: Money,
}

impl RawTerms {
    /// The order that closes what stands against a call, at a fill price before slippage.
    pub fn exit(
        &self,
        symbol: &Symbol,
        call: RawCall,
        book: &Book,
        price: Price,
    ) -> Option<OrderIntent> {
        let held = book.position(symbol).filter(|held| call.wish.is_against(held.direction))?;
        let purpose = Purpose::Exit { reason: ExitReason::SignalFlip };
        let side = Side::closing(held.direction);
        Some(order(symbol, side, held.qty, price, call.at, purpose))
    }

    /// The order that opens what a call wants, once nothing stands against it, at a fill price before
    /// slippage. `symbols` share the account. Nothing is opened when equity is not positive.
    ///
    /// # Errors
    /// On overflow.
    pub fn entry(
        &self,
        symbol: &Symbol,
        class: AssetClass,
        call: RawCall,
        book: &Book,
        price: Price,
        symbols: u32,
    ) -> Result<Option<OrderIntent>, BookError> {
        let Some((direction, percent)) = call.wish.opens() else { return Ok(None) };
        let short = direction == Direction::Short;
        let unwanted =
            short && (self.directions == Directions::Long || class == AssetClass::Crypto);
        if unwanted || book.position(symbol).is_some() || book.is_ruined() {
            return Ok(None);
        }
        let side = Side::opening(direction);
        let budget = |share: Money| -> Result<i64, BookError> {
            let paid = self.broker.slipped(price, side, class)?;
            Ok(self.broker.affordable(share.min(book.free_cash()?), paid))
        };
        let units = match (percent, self.size) {
            (Some(percent), _) => budget(percent_of(book.equity()?, percent))?,
            (None, Size::Units(units)) => i64::from(units),
            (None, Size::AllIn) => {
                budget(Money::from_raw(book.equity()?.raw() / i64::from(symbols.max(1))))?
            }
        };
        if units <= 0 {
            return Ok(None);
        }
        let qty = Qty::from_units(units)?;
        Ok(Some(order(symbol, side, qty, price, call.at, Purpose::Entry)))
    }
}

/// Whole percents of an amount, towards zero.
pub fn percent_of(amount: Money, percent: u8) -> Money {
    let raw = i128::from(amount.raw()) * i128::from(percent) / 100;
    // More than all of the largest amount is not there to be spent.
    i64::try_from(raw).map_or(amount, Money::from_raw)
}

/// The order that closes a position because the data ended.
pub(super) fn end_of_data(
    symbol: &Symbol,
    book: &Book,
    close: Price,
    at: Time,
) -> Option<OrderIntent> {
    let held = book.position(symbol)?;
    let purpose = Purpose::Exit { reason: ExitReason::EndOfData };
    Some(order(symbol, Side::closing(held.direction), held.qty, close, at, purpose))
}

fn order(
    symbol: &Symbol,
    side: Side,
    qty: Qty,
    reference: Price,
    at: Time,
    purpose: Purpose,
) -> OrderIntent {
    let what = match purpose {
        Purpose::Entry => "entry",
        Purpose::Exit { reason: ExitReason::EndOfData } => "end",
        Purpose::Exit { .. } => "exit",
    };
    let decision = DecisionId::new(symbol, at, what);
    OrderIntent {
        client_order_id: ClientOrderId::derive(&decision, side, 0),
        decision,
        symbol: symbol.clone(),
        side,
        qty,
        kind: OrderKind::Market,
        time_in_force: TimeInForce::Gtc,
        extended_hours: false,
        purpose,
        at,
        reference,
        exits: None,
    }
}
