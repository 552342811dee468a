//! How the simulated broker executes: quantity, price, fee, funds, the booking.

use super::price::Offer;
use super::{Resting, SimBroker};
use crate::book::BookError;
use crate::code::Code;
use crate::fixed::{FixedError, Price, Qty, Volume, notional};
use crate::market::symbol::AssetClass;
use crate::order::{ExitReason, Fill, OrderIntent, Purpose, Side};
use crate::order_state::{News, OrderEvent};
use crate::signal::Direction;
use crate::time::Time;

/// What became of an order at an offer: perhaps a fill, perhaps the end of the order.
#[derive(Debug, Default)]
pub(super) struct Executed {
    pub(super) fill: Option<Fill>,
    pub(super) end: Option<News>,
}

impl SimBroker {
    /// Fills a resting order at an offer and says so in `events`.
    pub(super) fn execute(
        &mut self,
        order: &mut Resting,
        offer: Offer,
        at: Time,
        events: &mut Vec<OrderEvent>,
    ) -> Result<(), BookError> {
        let (open, fills) = (order.open_qty(), order.fills);
        let Executed { fill, end } = self.attempt(&order.intent, open, fills, offer, at)?;
        if let Some(fill) = fill {
            order.filled = order.filled.plus(fill.qty)?;
            order.fills += 1;
            events.push(order.event(at, News::Fill { fill }));
        }
        if let Some(news) = end {
            order.is_over = true;
            events.push(self.end(&order.intent, at, news));
        }
        Ok(())
    }

    /// Fills what is open of an order, as far as position, volume and funds reach; `fills` is how
    /// often it was filled before.
    pub(super) fn attempt(
        &mut self,
        intent: &OrderIntent,
        open: Qty,
        fills: u32,
        offer: Offer,
        at: Time,
    ) -> Result<Executed, BookError> {
        let class = self.assets.get(&intent.symbol).map_or(AssetClass::Equity, |asset| asset.class);
        let price = if offer.slips {
            self.config.slipped(offer.price, intent.side, class)?
        } else {
            offer.price
        };
        let is_exit = matches!(intent.purpose, Purpose::Exit { .. });
        let wanted = if is_exit { open.min(self.closable(intent)) } else { open };
        if wanted.is_zero() {
            return Ok(Executed { fill: None, end: Some(News::Canceled) });
        }
        let qty = wanted.min(self.obtainable(intent, class));
        if qty.is_zero() {
            return Ok(Executed::default());
        }
        if self.lacks_funds(intent, qty, price, fills == 0)? {
            let news = if fills == 0 {
                let text = "the account cannot pay for the order at this price".to_owned();
                News::Rejected { code: Code::BrokerFunds, text }
            } else {
                News::Canceled
            };
            return Ok(Executed { fill: None, end: Some(news) });
        }
        let fill = Fill {
            client_order_id: intent.client_order_id.clone(),
            nth: fills,
            symbol: intent.symbol.clone(),
            side: intent.side,
            qty,
            price,
            fee: self.config.fee_of(notional(price, qty)?, fills == 0)?,
            at,
        };
        self.book.apply(&fill, intent.purpose, Some(&intent.decision))?;
        // An exit that was larger than its position has nothing left to close.
        let over = is_exit && qty < open && self.closable(intent).is_zero();
        Ok(Executed { fill: Some(fill), end: over.then_some(News::Canceled) })
    }

    /// How much of a position in the other direction there is for an exit to close.
    fn closable(&self, intent: &OrderIntent) -> Qty {
        let closes = match intent.side {
            Side::Sell => Direction::Long,
            Side::Buy => Direction::Short,
        };
        let held = self.book.position(&intent.symbol);
        held.filter(|held| held.direction == closes).map_or(Qty::ZERO, |held| held.qty)
    }

    /// How much the last bar's volume gives an order. Whole orders get whole units. What is left when
    /// the data ends is valued, not traded, so volume does not limit it.
    fn obtainable(&self, intent: &OrderIntent, class: AssetClass) -> Qty {
        let all = Qty::from_raw(i64::MAX);
        let ends = intent.purpose == (Purpose::Exit { reason: ExitReason::EndOfData });
        let Some(share) = self.config.volume_share.filter(|_| !ends) else { return all };
        let volume = self.last(&intent.symbol).map_or(Volume::ZERO, |bar| bar.volume);
        let Ok(volume) = volume.scaled(share) else { return all };
        // A volume too large to count in quantities limits nobody.
        let steps = Qty::SCALE / Volume::SCALE;
        let Some(raw) = volume.raw().max(0).checked_mul(steps) else { return all };
        let whole = class == AssetClass::Equity && intent.qty.raw() % Qty::SCALE == 0;
        Qty::from_raw(if whole { raw - raw % Qty::SCALE } else { raw })
    }

    /// Whether the account cannot pay for what an order opens. Exits are never asked.
    pub(super) fn lacks_funds(
        &self,
        intent: &OrderIntent,
        qty: Qty,
        price: Price,
        first: bool,
    ) -> Result<bool, FixedError> {
        if matches!(intent.purpose, Purpose::Exit { .. }) {
            return Ok(false);
        }
        let closing = self.closable(intent).min(qty);
        let opens = qty.minus(closing)?;
        if opens.is_zero() {
            return Ok(false);
        }
        let needed =
            notional(price, opens)?.plus(self.config.fee_of(notional(price, qty)?, first)?)?;
        let mut free = self.book.cash();
        for (symbol, held) in self.book.positions() {
            // What this order closes no longer binds cash: it brings in, or costs, its value now.
            let closed = if *symbol == intent.symbol { closing } else { Qty::ZERO };
            let left = notional(held.mark, held.qty.minus(closed)?)?;
            let freed = notional(price, closed)?;
            free = match held.direction {
                Direction::Long => free.plus(freed)?,
                Direction::Short => free.minus(freed)?.minus(left)?.minus(left)?,
            };
        }
        Ok(free < needed)
    }
}
