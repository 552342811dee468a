//! Corporate actions: what a split does to positions and orders, and a dividend to cash.

use jiff::civil::Date;

use super::Exchange;
use super::account::Deed;
use super::order::Order;
use super::ticket::Amount;
use crate::fixed::{Price, Qty, div_half_even, notional};

/// So many shares stand where so many stood.
#[derive(Clone, Copy, Debug)]
struct Ratio {
    new: i128,
    old: i128,
}

impl Ratio {
    fn qty(self, qty: Qty) -> Qty {
        let raw = div_half_even(i128::from(qty.raw()) * self.new, self.old);
        Qty::from_raw(i64::try_from(raw).unwrap_or(i64::MAX))
    }

    fn price(self, price: Price) -> Price {
        let raw = div_half_even(i128::from(price.raw()) * self.old, self.new);
        Price::from_raw(i64::try_from(raw).unwrap_or(i64::MAX)).max(Price::from_raw(1))
    }

    /// A price in whole steps, as orders state them.
    fn stepped(self, price: Price, step: impl Fn(Price) -> Price) -> Price {
        let scaled = self.price(price);
        let step = i128::from(step(scaled).raw());
        let raw = div_half_even(i128::from(scaled.raw()), step) * step;
        Price::from_raw(i64::try_from(raw).unwrap_or(i64::MAX)).max(Price::from_raw(1))
    }
}

impl Exchange {
    /// Does the splits and dividends of the days since the last ones.
    pub(super) fn corporate_actions(&mut self) {
        let (after, until) = (self.acted_until, self.day);
        self.acted_until = until;
        let due = |date: Date| after < date && date <= until;
        for place in 0..self.venue.listings().len() {
            let listing = self.venue.listing(place);
            let dividends: Vec<Price> = listing
                .dividends
                .iter()
                .filter(|it| due(it.date))
                .map(|dividend| dividend.per_share)
                .collect();
            let splits: Vec<Ratio> = listing
                .splits
                .iter()
                .filter(|it| due(it.date))
                .map(|split| Ratio { new: i128::from(split.new), old: i128::from(split.old) })
                .collect();
            for per_share in dividends {
                self.dividend(place, per_share);
            }
            for ratio in splits {
                self.split(place, ratio);
            }
        }
    }

    fn dividend(&mut self, place: usize, per_share: Price) {
        let now = self.now;
        for account in &mut self.accounts {
            let qty = account.position(place);
            let Ok(amount) = notional(per_share, qty) else { continue };
            let Ok(cash) = account.cash.plus(amount) else { continue };
            if !qty.is_zero() {
                account.cash = cash;
                account.remember(now, Deed::Dividend { place, qty, per_share, amount });
            }
        }
    }

    fn split(&mut self, place: usize, ratio: Ratio) {
        let now = self.now;
        self.venue.listing_mut(place).rescale(|price| ratio.price(price));
        let listing = self.venue.listing(place);
        for account in &mut self.accounts {
            let before = account.position(place);
            let after = ratio.qty(before);
            if let Some(position) = account.positions.get_mut(&place) {
                position.qty = after;
                account.remember(now, Deed::Split { place, before, after });
            }
            let open = account.open.get(&place).cloned().unwrap_or_default();
            for nth in open {
                if let Some(order) = account.order_mut(nth) {
                    rescale(order, ratio, |price| {
                        ratio.stepped(price, |price| listing.price_step(price))
                    });
                    order.updated_at = now;
                }
            }
        }
    }
}

/// An order over shares after a split is the same order: more of them at a lower price.
fn rescale(order: &mut Order, ratio: Ratio, price: impl Fn(Price) -> Price) {
    order.target = order.target.map(|qty| ratio.qty(qty));
    order.filled = ratio.qty(order.filled);
    if let Amount::Qty(qty) = order.amount {
        order.amount = Amount::Qty(ratio.qty(qty));
    }
    order.best = order.best.map(|best| ratio.price(best));
    order.kind = order.kind.split(price);
}
