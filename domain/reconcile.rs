//! The broker's statement against our account: what it must hold, and in what the two differ. Pure.
//!
//! # Invariants
//!
//! - P-1: cash + positions at cost + fees is conserved: what differs is taken over as a whole, booked as
//!   realised, and named with the figures of both sides.
//!
//! The broker wins, over the union of both sides' symbols. A statement that cannot be right, or that was
//! begun before something changed here, is refused and changes nothing: it is read again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::away::{Report, Said};
use crate::book::{Adopted, Book, BookError};
use crate::code::Code;
use crate::fixed::{FixedError, Money, Price, Qty, notional};
use crate::market::symbol::{AssetClass, Symbol};
use crate::order::ClientOrderId;
use crate::time::Time;

/// By how much of itself the broker's equity may differ from its own cash and positions: prices move
/// between the answers that a statement is made of.
const TORN_AT: f64 = 0.01;

/// Difference of cash, fraction of equity, from which it stops new risk. Smaller ones (dividends, fees
/// that are charged at night, roundings) are booked and told.
const CASH_SLACK: f64 = 0.005;

/// The orders that the broker may still say something of, and how often our account had changed when
/// they were listed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct InFlight {
    /// Goes into the statement that is read next.
    pub changes: u64,
    /// The orders.
    pub orders: Vec<Sent>,
}

/// An order that was asked for and has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// Our id of it.
    pub order: ClientOrderId,
    /// The broker's id, once it has said one.
    pub venue_order_id: Option<String>,
    /// The symbol.
    pub symbol: Symbol,
}

/// What the broker says of the account at one moment.
///
/// Whoever reads it asks for [`InFlight`] first, then reads the orders, then account and positions, then
/// the orders again, and begins anew where the two differ: a fill in between would otherwise be in the
/// one and not in the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// [`InFlight::changes`] as it was before anything was read.
    pub changes: u64,
    /// When it was read.
    pub at: Time,
    /// Its cash; negative is owed.
    pub cash: Money,
    /// Its equity, where it states it: then it must agree with cash and positions.
    pub equity: Option<Money>,
    /// Every position.
    pub positions: Vec<StatedPosition>,
    /// Every order of [`InFlight`], and open orders of ours beside them.
    pub orders: Vec<StatedOrder>,
    /// Open orders that are not ours: told, because what they fill is no order of ours either.
    pub foreign_orders: u32,
}

/// One position of a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatedPosition {
    /// The symbol.
    pub symbol: Symbol,
    /// What kind of thing it is.
    pub class: AssetClass,
    /// How much, negative for a short, never zero.
    pub qty: Qty,
    /// Its mean entry price.
    pub average: Price,
    /// What one is worth now.
    pub price: Price,
}

/// One order of a statement, or of an answer to a question about one order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatedOrder {
    /// Our id of it.
    pub order: ClientOrderId,
    /// The broker's id.
    pub venue_order_id: Option<String>,
    /// When it last changed.
    pub at: Time,
    /// How much of it is filled.
    pub filled: Qty,
    /// At which mean price; `None` before the first fill.
    pub average: Option<Price>,
    /// Where it stands.
    pub state: StatedState,
}

/// Where the broker says that an order stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum StatedState {
    /// It may still be filled.
    Open,
    /// It is filled whole.
    Filled,
    /// What was left was canceled.
    Canceled,
    /// Another order stands in its place.
    Replaced,
    /// Its time ran out.
    Expired,
    /// It was not taken.
    Rejected {
        /// The broker's words.
        text: String,
    },
    /// The broker does not know it. Only to be said of an order that nobody is about to send.
    Unknown,
}

impl StatedOrder {
    /// The same as news: for whoever has asked about one order because of a gap.
    pub fn reports(&self) -> Vec<Report> {
        let report = |said| Report { order: self.order.clone(), at: self.at, said };
        let mut reports = Vec::with_capacity(3);
        let refused = matches!(self.state, StatedState::Rejected { .. } | StatedState::Unknown);
        if !refused {
            let venue_order_id = self.venue_order_id.clone();
            reports.push(report(Said::Accepted { venue_order_id }));
        }
        if let Some(average) = self.average.filter(|_| self.filled.raw() > 0) {
            reports.push(report(Said::Total { filled: self.filled, average }));
        }
        let end = match &self.state {
            StatedState::Open | StatedState::Filled => None,
            StatedState::Canceled => Some(Said::Canceled),
            StatedState::Replaced => Some(Said::Replaced),
            StatedState::Expired => Some(Said::Expired),
            StatedState::Rejected { text } => {
                Some(Said::Rejected { code: Code::BrokerRejected, text: text.clone() })
            }
            StatedState::Unknown => {
                let text = Code::BrokerUnknown.cause().to_owned();
                Some(Said::Rejected { code: Code::BrokerUnknown, text })
            }
        };
        reports.extend(end.map(report));
        reports
    }
}

/// Why a statement was not taken. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Something was asked or booked since the reading began: read again.
    #[error("the account has changed since the statement was begun")]
    Stale,
    /// An order of ours is missing in it.
    #[error("the statement says nothing of order {order}")]
    Incomplete {
        /// The order.
        order: ClientOrderId,
    },
    /// It knows less of an order than the broker has said before.
    #[error("the statement knows less of order {order} than the broker has said")]
    Behind {
        /// The order.
        order: ClientOrderId,
    },
    /// What it says of an order cannot be true.
    #[error("the statement contradicts what is known of order {order}: {why}")]
    Contradiction {
        /// The order.
        order: ClientOrderId,
        /// What is wrong.
        why: String,
    },
    /// A position that cannot be.
    #[error("the statement's position in {symbol} cannot be: {why}")]
    Senseless {
        /// The symbol.
        symbol: Symbol,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Its parts are not of one moment.
    #[error("the statement's equity is {equity}, its cash and positions are worth {worth}")]
    Torn {
        /// As stated.
        equity: Money,
        /// As added up.
        worth: Money,
    },
    /// A figure is out of range.
    #[error("the statement has a figure that is out of range")]
    Range(#[from] FixedError),
    /// The ledger cannot hold what it says.
    #[error("the ledger does not take the statement")]
    Book(#[from] BookError),
}

/// One difference, with the figures of both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "of")]
pub enum Adjustment {
    /// Cash.
    Cash {
        /// As we had it.
        ours: Money,
        /// As the broker has it.
        theirs: Money,
    },
    /// A position.
    Position {
        /// The symbol.
        symbol: Symbol,
        /// As we had it.
        ours: Held,
        /// As the broker has it.
        theirs: Held,
    },
}

/// One side's position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// How much, negative for a short, zero for none.
    pub qty: Qty,
    /// Mean entry price; `None` where nothing is held.
    pub average: Option<Price>,
}

impl Statement {
    /// Whether it can be right by itself.
    ///
    /// # Errors
    /// With what cannot.
    pub fn check(&self) -> Result<(), StatementError> {
        let mut seen = BTreeSet::new();
        let mut worth = self.cash;
        for StatedPosition { symbol, qty, average, price, .. } in &self.positions {
            let wrong = match () {
                () if !seen.insert(symbol) => Some("it is stated twice"),
                () if qty.is_zero() => Some("it is of nothing"),
                () if average.raw() <= 0 => Some("its entry price is not positive"),
                () if price.raw() <= 0 => Some("its price is not positive"),
                () => None,
            };
            if let Some(why) = wrong {
                return Err(StatementError::Senseless { symbol: symbol.clone(), why });
            }
            worth = worth.plus(notional(*price, *qty)?)?;
        }
        if let Some(equity) = self.equity {
            let (stated, added) = (equity.to_f64(), worth.to_f64());
            if (stated - added).abs() > TORN_AT * stated.abs().max(added.abs()) {
                return Err(StatementError::Torn { equity, worth });
            }
        }
        Ok(())
    }

    /// What it says of an order.
    pub fn order(&self, id: &ClientOrderId) -> Option<&StatedOrder> {
        self.orders.iter().find(|stated| stated.order == *id)
    }
}

/// In what a statement differs from the book, over the symbols of both: cash first, then symbols in
/// their order. Mean prices alone are no difference, because ours come from the fills themselves.
///
/// # Errors
/// When a mean price of ours is out of range.
pub fn compare(book: &Book, statement: &Statement) -> Result<Vec<Adjustment>, FixedError> {
    let mut found = Vec::new();
    let (ours, theirs) = (book.cash(), statement.cash);
    if ours != theirs {
        found.push(Adjustment::Cash { ours, theirs });
    }
    let stated: BTreeMap<&Symbol, &StatedPosition> =
        statement.positions.iter().map(|position| (&position.symbol, position)).collect();
    let symbols: BTreeSet<&Symbol> =
        book.positions().keys().chain(stated.keys().copied()).collect();
    for symbol in symbols {
        let ours = match book.position(symbol) {
            Some(held) => Held { qty: held.signed_qty(), average: Some(held.entry_price()?) },
            None => Held::default(),
        };
        let theirs = stated.get(symbol).map_or(Held::default(), |stated| Held {
            qty: stated.qty,
            average: Some(stated.average),
        });
        if ours.qty != theirs.qty {
            found.push(Adjustment::Position { symbol: symbol.clone(), ours, theirs });
        }
    }
    Ok(found)
}

/// The book with the differences taken over; where it `begins`, as what it begins with.
///
/// # Errors
/// When the ledger cannot hold it.
pub fn adjusted(
    book: &Book,
    statement: &Statement,
    adjustments: &[Adjustment],
    begins: bool,
) -> Result<Book, BookError> {
    let mut positions = BTreeMap::new();
    for adjustment in adjustments {
        let Adjustment::Position { symbol, .. } = adjustment else { continue };
        let stated = statement.positions.iter().find(|stated| stated.symbol == *symbol);
        let nothing = Adopted { qty: Qty::ZERO, average: Price::ZERO, price: Price::ZERO };
        let theirs = stated.map_or(nothing, |it| Adopted {
            qty: it.qty,
            average: it.average,
            price: it.price,
        });
        positions.insert(symbol.clone(), theirs);
    }
    book.adopting(statement.cash, &positions, statement.at, begins)
}

/// Whether the differences are such that nobody should take new risk before a person has looked: any
/// position, or a part of the cash that is no dividend and no fee. What an account `begins` with in
/// cash is no difference to anything.
pub fn is_material(adjustments: &[Adjustment], equity: Money, begins: bool) -> bool {
    adjustments.iter().any(|adjustment| match adjustment {
        Adjustment::Position { .. } => true,
        Adjustment::Cash { .. } if begins => false,
        Adjustment::Cash { ours, theirs } => {
            (theirs.to_f64() - ours.to_f64()).abs() > CASH_SLACK * equity.to_f64().max(0.0)
        }
    })
}

#[cfg(test)]
mod tests;
