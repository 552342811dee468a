//! A ledger as it was written before its memory was bounded, for stores of that time.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Book, Booked, Position, Trade};
use crate::fixed::Money;
use crate::market::symbol::Symbol;
use crate::order::ClientOrderId;
use crate::ratio::Ratio;

/// The fields of schema 1, in the order in which they lie on disks.
#[derive(Debug, Deserialize)]
pub struct BookV1 {
    start: Money,
    cash: Money,
    realised: Money,
    fees: Money,
    traded: Money,
    value: Money,
    peak: Money,
    drawdown_max: Ratio,
    positions: BTreeMap<Symbol, Position>,
    trades: Vec<Trade>,
    booked: BTreeMap<ClientOrderId, Vec<Booked>>,
}

impl From<BookV1> for Book {
    fn from(former: BookV1) -> Self {
        Self {
            start: former.start,
            cash: former.cash,
            realised: former.realised,
            fees: former.fees,
            traded: former.traded,
            value: former.value,
            peak: former.peak,
            drawdown_max: former.drawdown_max,
            positions: former.positions,
            trades: former.trades,
            taken: 0,
            booked: former.booked.into_iter().collect(),
        }
    }
}
