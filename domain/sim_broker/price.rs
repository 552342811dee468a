//! At which price an order fills within one bar, if at all. Pure.
//!
//! Nobody knows a bar's path, so the worse one is taken: what stands at the open comes first, then
//! stops, then limits, then the close; a level that follows the market moves after the bar, never
//! within it.

use crate::fixed::Price;
use crate::market::bar::Bar;
use crate::order::{OrderKind, Side};
use crate::time::Time;

use super::FillAt;

/// The moments within a bar, in the order in which they are played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Moment {
    /// The bar's first price.
    Open,
    /// A stop was reached on the way.
    Stop,
    /// A limit was reached on the way.
    Limit,
    /// The bar's last price.
    Close,
}

/// A fill that a bar offers an order, before slippage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) moment: Moment,
    pub(super) price: Price,
    /// Whether slippage applies: not to limits, which fill at their price or better.
    pub(super) slips: bool,
}

impl Offer {
    /// When the fill happens.
    pub(super) const fn at(self, bar: &Bar) -> Time {
        match self.moment {
            Moment::Open => bar.open_time,
            Moment::Stop | Moment::Limit | Moment::Close => bar.close_time,
        }
    }
}

/// What a bar does to an order that rested before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// It fills.
    Fills(Offer),
    /// Its trigger traded, but not its limit.
    Triggers,
    /// Nothing.
    Misses,
}

/// What a bar does to an order. `triggered` is a stop-limit whose stop has traded before, `best` the
/// best price that a trailing stop has followed up to this bar.
pub(super) fn reach(
    kind: OrderKind,
    side: Side,
    bar: &Bar,
    fill_at: FillAt,
    triggered: bool,
    best: Price,
) -> Reach {
    match kind {
        OrderKind::Market => Reach::Fills(match fill_at {
            FillAt::NextOpen => Offer { moment: Moment::Open, price: bar.open, slips: true },
            FillAt::Close => Offer { moment: Moment::Close, price: bar.close, slips: true },
        }),
        OrderKind::Limit { limit } => reach_limit(limit, side, bar),
        OrderKind::Stop { stop } => reach_stop(stop, side, bar).map_or(Reach::Misses, Reach::Fills),
        OrderKind::TrailingStop { trail } => {
            let stop = trailed(best, trail, side);
            reach_stop(stop, side, bar).map_or(Reach::Misses, Reach::Fills)
        }
        OrderKind::StopLimit { limit, .. } if triggered => reach_limit(limit, side, bar),
        OrderKind::StopLimit { stop, limit } => match reach_stop(stop, side, bar) {
            Some(offer) if within(offer.price, limit, side) => {
                Reach::Fills(Offer { slips: false, ..offer })
            }
            Some(_) => Reach::Triggers,
            None => Reach::Misses,
        },
    }
}

/// Where a trailing stop stands behind the best price.
pub(super) fn trailed(best: Price, trail: Price, side: Side) -> Price {
    let raw = match side {
        Side::Sell => best.raw().saturating_sub(trail.raw()),
        Side::Buy => best.raw().saturating_add(trail.raw()),
    };
    Price::from_raw(raw)
}

/// The better of two prices for what a trailing stop protects: the higher one under a sell stop.
pub(super) fn better(best: Price, bar: &Bar, side: Side) -> Price {
    match side {
        Side::Sell => best.max(bar.high),
        Side::Buy => best.min(bar.low),
    }
}

/// Whether a price is as good as a limit, or better.
pub(super) fn within(price: Price, limit: Price, side: Side) -> bool {
    match side {
        Side::Buy => price <= limit,
        Side::Sell => limit <= price,
    }
}

/// A limit fills at a better open, or at itself when the bar reaches it.
fn reach_limit(limit: Price, side: Side, bar: &Bar) -> Reach {
    let extreme = match side {
        Side::Buy => bar.low,
        Side::Sell => bar.high,
    };
    if within(bar.open, limit, side) {
        Reach::Fills(Offer { moment: Moment::Open, price: bar.open, slips: false })
    } else if within(extreme, limit, side) {
        Reach::Fills(Offer { moment: Moment::Limit, price: limit, slips: false })
    } else {
        Reach::Misses
    }
}

/// A stop fills at a worse open, or at itself when the bar reaches it.
fn reach_stop(stop: Price, side: Side, bar: &Bar) -> Option<Offer> {
    let (gapped, reached) = match side {
        Side::Buy => (stop <= bar.open, stop <= bar.high),
        Side::Sell => (bar.open <= stop, bar.low <= stop),
    };
    if gapped {
        Some(Offer { moment: Moment::Open, price: bar.open, slips: true })
    } else if reached {
        Some(Offer { moment: Moment::Stop, price: stop, slips: true })
    } else {
        None
    }
}
