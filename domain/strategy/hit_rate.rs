//! How often a strategy's calls on one symbol were right: its confidence.
//!
//! A call is settled at the close [`HORIZON_BARS`] bars later, whatever was called in between. It is
//! a hit if the price has moved in its direction by then; an unchanged price is a miss. (Settling at
//! the next opposite call would measure how often a trend follower is whipsawed: less than one half
//! by design even where it earns.)
//! The rate is the mean of a Beta(5, 5) prior and the settled calls, (5 + hits) ÷ (10 + settled): one
//! half before the first outcome, and moved by no single one by more than a twentieth. A call counts
//! only from the bar on whose close it was settled, so the rate looks at nothing later.

use serde::{Deserialize, Serialize};

use crate::fixed::Price;
use crate::ratio::Ratio;
use crate::signal::Direction;

/// Bars after which a call is settled.
pub const HORIZON_BARS: u16 = 20;
const HORIZON: usize = HORIZON_BARS as usize;
/// Hits, and misses, that the prior stands for.
const PRIOR: f64 = 5.0;

/// The record of one source on one symbol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HitRate {
    hits: u32,
    settled: u32,
    bars: u64,
    open: [Option<Pending>; HORIZON],
}

/// A call whose outcome is not known yet. It lies where its bar's number falls in the horizon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pending {
    direction: Direction,
    price: Price,
}

impl HitRate {
    /// Takes the next close; to be told of every bar, before a call on it. Says whether a call that is
    /// settled by it was right.
    pub fn on_bar(&mut self, close: Price) -> Option<bool> {
        self.bars += 1;
        let due = self.slot().take()?;
        let hit = match due.direction {
            Direction::Long => close > due.price,
            Direction::Short => close < due.price,
        };
        self.hits = self.hits.saturating_add(u32::from(hit));
        self.settled = self.settled.saturating_add(1);
        Some(hit)
    }

    /// Takes a call at the close that [`HitRate::on_bar`] was told last.
    pub fn on_call(&mut self, direction: Direction, close: Price) {
        *self.slot() = Some(Pending { direction, price: close });
    }

    fn slot(&mut self) -> &mut Option<Pending> {
        let index = usize::try_from(self.bars % u64::from(HORIZON_BARS)).unwrap_or(0);
        &mut self.open[index]
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
