//! How often a strategy's calls on one symbol were right: its confidence.
//!
//! A call is settled at the close of the next call or [`HORIZON_BARS`] bars later, whichever comes
//! first. It is a hit if the price has moved in its direction by then; an unchanged price is a miss.
//! The rate is the mean of a Beta(5, 5) prior and the settled calls, (5 + hits) ÷ (10 + settled): one
//! half before the first outcome, and moved by no single one by more than a twentieth. A call counts
//! only from the bar on whose close it was settled, so the rate looks at nothing later.

use serde::{Deserialize, Serialize};

use crate::fixed::Price;
use crate::ratio::Ratio;
use crate::signal::Direction;

/// Bars after which a call is settled.
pub const HORIZON_BARS: u16 = 20;
/// Hits, and misses, that the prior stands for.
const PRIOR: f64 = 5.0;

/// The record of one source on one symbol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HitRate {
    hits: u32,
    settled: u32,
    open: Option<Pending>,
}

/// A call whose outcome is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pending {
    direction: Direction,
    price: Price,
    bars: u16,
}

impl HitRate {
    /// Takes the next close; to be told of every bar, before a call on it.
    pub fn on_bar(&mut self, close: Price) {
        if let Some(open) = &mut self.open {
            open.bars += 1;
            if open.bars >= HORIZON_BARS {
                self.settle(close);
            }
        }
    }

    /// Settles what is open at this close and opens the new call.
    pub fn on_call(&mut self, direction: Direction, close: Price) {
        self.settle(close);
        self.open = Some(Pending { direction, price: close, bars: 0 });
    }

    fn settle(&mut self, close: Price) {
        let Some(open) = self.open.take() else { return };
        let hit = match open.direction {
            Direction::Long => close > open.price,
            Direction::Short => close < open.price,
        };
        self.hits = self.hits.saturating_add(u32::from(hit));
        self.settled = self.settled.saturating_add(1);
    }

    /// The shrunken rate, above 0 and below 1.
    pub fn rate(&self) -> Ratio {
        let hits = PRIOR + f64::from(self.hits);
        Ratio::or_zero(hits / (2.0 * PRIOR + f64::from(self.settled)))
    }

    /// Calls whose outcome is known.
    pub fn settled(&self) -> u32 {
        self.settled
    }

    /// Those of them that were right.
    pub fn hits(&self) -> u32 {
        self.hits
    }
}
