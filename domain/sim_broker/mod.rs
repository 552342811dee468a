//! A broker of closed bars: an account, resting orders, and what each bar does to them. Pure.
//!
//! # Invariants
//!
//! - O-2: one intent, at most one live order: an id that is known gets its first answer again. Ids of
//!   orders that ended are known as long as [`Recent`] remembers them; custody refuses what is older.
//!
//! Money is simulated, rules are not: fees and slippage cost, volume limits, orders take time, are
//! rejected, expire and find no funds. Chance comes from a seed and only where it is switched on.
//! Fills follow the worse path through a bar (see `price`).

mod config;
mod faults;
mod fill;
mod price;
mod refusal;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::book::{Book, BookError, Trade};
use crate::brief::trading::Session;
use crate::code::Code;
use crate::fixed::{Money, Price, Qty};
use crate::market::bar::Bar;
use crate::market::calendar::Calendar;
use crate::market::symbol::{AssetClass, Symbol};
use crate::order::{ClientOrderId, ExitReason, OrderIntent, OrderKind, Purpose, TimeInForce};
use crate::order_state::{News, OrderEvent};
use crate::recent::Recent;
use crate::time::Time;

pub use config::{FillAt, SimConfig};
use faults::Troubles;
use fill::Executed;
use price::{Moment, Offer, Reach, better, reach, within};

/// What the broker knows of one symbol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Asset {
    class: AssetClass,
    last: Option<Bar>,
}

/// An order that waits at the broker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Resting {
    intent: OrderIntent,
    filled: Qty,
    fills: u32,
    /// Bars that it is still on its way.
    wait: u32,
    /// The best price that a trailing stop has followed.
    best: Price,
    /// A stop-limit whose stop has traded.
    triggered: bool,
    /// When the session of a day order ends, once it has seen a bar.
    expires_at: Option<Time>,
    /// It has ended in the bar that is played; what has ended is not kept.
    #[serde(skip)]
    is_over: bool,
}

impl Resting {
    fn open_qty(&self) -> Qty {
        Qty::from_raw(self.intent.qty.raw().saturating_sub(self.filled.raw()))
    }

    fn has_ended(&self) -> bool {
        self.is_over || self.open_qty().is_zero()
    }

    fn event(&self, at: Time, news: News) -> OrderEvent {
        OrderEvent { order: self.intent.client_order_id.clone(), at, news }
    }
}

/// A simulated broker and the account it keeps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SimBroker {
    config: SimConfig,
    book: Book,
    assets: BTreeMap<Symbol, Asset>,
    /// In the order of submission.
    resting: Vec<Resting>,
    /// The last orders that ended without a fill: the code of those that were rejected.
    ended: Recent<Option<Code>>,
    /// Faults on request, in the making.
    #[serde(default, skip_serializing_if = "Troubles::is_quiet")]
    troubles: Troubles,
}

impl SimBroker {
    /// A broker with an account that holds nothing but cash.
    ///
    /// # Errors
    /// When the cash is not positive.
    pub fn new(config: SimConfig, cash: Money) -> Result<Self, BookError> {
        Ok(Self {
            config,
            book: Book::new(cash)?,
            assets: BTreeMap::new(),
            resting: Vec::new(),
            ended: Recent::default(),
            troubles: Troubles::default(),
        })
    }

    /// Lists a symbol for trading. Orders for what is not listed are rejected.
    pub fn list(&mut self, symbol: Symbol, class: AssetClass) {
        self.assets.entry(symbol).or_insert(Asset { class, last: None });
    }

    /// The terms.
    pub const fn config(&self) -> &SimConfig {
        &self.config
    }

    /// The account as the broker keeps it: what a reconciliation is made against.
    pub const fn book(&self) -> &Book {
        &self.book
    }

    /// The account, when all is done.
    pub fn into_book(self) -> Book {
        self.book
    }

    /// Takes the account's closed trades; see [`Book::take_trades`].
    pub fn take_trades(&mut self) -> Vec<Trade> {
        self.book.take_trades()
    }

    /// Values a position at a price between two bars; see [`Book::mark`].
    ///
    /// # Errors
    /// When the price is not positive, or on overflow.
    pub fn mark(&mut self, symbol: &Symbol, price: Price) -> Result<(), BookError> {
        self.book.mark(symbol, price)
    }

    /// What kind of thing a symbol is, as listed.
    pub fn class_of(&self, symbol: &Symbol) -> Option<AssetClass> {
        self.assets.get(symbol).map(|asset| asset.class)
    }

    /// The last bar of a symbol.
    pub fn last(&self, symbol: &Symbol) -> Option<&Bar> {
        self.assets.get(symbol).and_then(|asset| asset.last.as_ref())
    }

    /// Whether orders take bars to arrive.
    pub const fn is_delayed(&self) -> bool {
        self.config.delay_bars > 0
    }

    /// Orders that wait, in the order of submission: each intent with what is left of it.
    pub fn resting(&self) -> impl Iterator<Item = (&OrderIntent, Qty)> {
        self.resting.iter().map(|order| (&order.intent, order.open_qty()))
    }

    /// Equity after every symbol of this moment had its bar; see [`Book::settle`].
    ///
    /// # Errors
    /// On overflow.
    pub fn settle(&mut self) -> Result<Money, BookError> {
        self.book.settle()
    }

    /// Takes an order at `now`. The answer begins with the acceptance or the rejection; fills follow
    /// where it fills at once: a market order under [`FillAt::Close`], a marketable limit, what ends
    /// with the data, and a protective exit whose trigger the last bar has traded through, because
    /// such an exit stands for an order that had rested at the broker all along.
    ///
    /// # Errors
    /// On overflow of the ledger.
    pub fn submit(&mut self, intent: OrderIntent, now: Time) -> Result<Vec<OrderEvent>, BookError> {
        let id = intent.client_order_id.clone();
        if let Some(first) = self.first_answer(&id, now) {
            return Ok(vec![first]);
        }
        let trouble = self.trouble(&id);
        if self.is_in_streak() {
            return Ok(vec![self.streak_rejection(&intent, now)]);
        }
        if let Some(rejected) = self.rejected(&intent, now)? {
            return Ok(self.told(trouble, vec![rejected]));
        }
        let mut events = Vec::with_capacity(2);
        events.push(OrderEvent {
            order: id,
            at: now,
            news: News::Accepted { venue_order_id: None },
        });
        let mut order = self.arrived(intent);
        let fills_now = self.at_once(&order);
        if let Some((offer, at)) = fills_now {
            self.execute(&mut order, offer, at, &mut events)?;
        }
        let over = order.has_ended()
            || (fills_now.is_some() && self.drop_rest(&mut order, now, &mut events));
        if !over {
            self.resting.push(order);
        }
        Ok(self.told(trouble, events))
    }

    /// Takes an order and fills it at once at a price of the moment `at`: how a market order is
    /// filled in an auction. What cannot be filled is canceled. The account has not seen the bar that
    /// the price belongs to.
    ///
    /// # Errors
    /// On overflow of the ledger.
    pub fn fill_at(
        &mut self,
        intent: &OrderIntent,
        price: Price,
        at: Time,
    ) -> Result<Vec<OrderEvent>, BookError> {
        if let Some(first) = self.first_answer(&intent.client_order_id, at) {
            return Ok(vec![first]);
        }
        if let Some(rejected) = self.rejected(intent, at)? {
            return Ok(vec![rejected]);
        }
        let event = |news| OrderEvent { order: intent.client_order_id.clone(), at, news };
        let mut events = Vec::with_capacity(2);
        events.push(event(News::Accepted { venue_order_id: None }));
        let offer = Offer { moment: Moment::Open, price, slips: true };
        let Executed { fill, end } = self.attempt(intent, intent.qty, 0, offer, at)?;
        let part = fill.as_ref().is_none_or(|fill| fill.qty < intent.qty);
        events.extend(fill.map(|fill| event(News::Fill { fill })));
        if let Some(news) = end.or_else(|| part.then_some(News::Canceled)) {
            events.push(self.end(intent, at, news));
        }
        Ok(events)
    }

    /// Cancels what is left of an order; nothing happens to one that does not rest.
    pub fn cancel(&mut self, id: &ClientOrderId, now: Time) -> Vec<OrderEvent> {
        let Some(index) = self.resting.iter().position(|order| order.intent.client_order_id == *id)
        else {
            return Vec::new();
        };
        let order = self.resting.remove(index);
        self.haunt(&order);
        vec![self.end(&order.intent, now, News::Canceled)]
    }

    /// Plays a closed bar: fills what it reaches, expires what its session ends, marks the position
    /// at its close. A bar of a symbol that is not listed does nothing.
    ///
    /// # Errors
    /// On overflow of the ledger, or when the close is not positive.
    pub fn on_bar(&mut self, symbol: &Symbol, bar: &Bar) -> Result<Vec<OrderEvent>, BookError> {
        let Some(asset) = self.assets.get_mut(symbol) else { return Ok(Vec::new()) };
        asset.last = Some(*bar);
        let class = asset.class;
        let quiet = self.config.faults.is_off();
        let mut events = if quiet { Vec::new() } else { self.haunted(symbol, bar)? };
        if !self.resting.is_empty() {
            self.play(symbol, class, bar, &mut events)?;
        }
        self.book.close_bar(symbol, bar.close)?;
        Ok(if quiet { events } else { self.doubled(events) })
    }

    /// Plays a bar to the orders of its symbol.
    fn play(
        &mut self,
        symbol: &Symbol,
        class: AssetClass,
        bar: &Bar,
        events: &mut Vec<OrderEvent>,
    ) -> Result<(), BookError> {
        let calendar = Calendar::of(class);
        let (mut mine, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.resting)
            .into_iter()
            .partition(|order| order.intent.symbol == *symbol);
        self.resting = others;
        mine.retain_mut(|order| {
            let expired = expired_before(order, calendar, bar);
            if expired {
                events.push(self.end(&order.intent, bar.open_time, News::Expired));
            }
            !expired
        });

        let mut due: Vec<(Moment, usize, Offer)> = Vec::with_capacity(mine.len());
        for (index, order) in mine.iter_mut().enumerate() {
            if !trades_in(order, calendar, bar) {
                continue;
            }
            if let Some(offer) = self.offer(order, bar) {
                due.push((offer.moment, index, offer));
            }
        }
        due.sort_by_key(|&(moment, index, _)| (moment, index));
        for (_, index, offer) in due {
            self.execute(&mut mine[index], offer, offer.at(bar), events)?;
        }
        for mut order in mine {
            if order.has_ended() || self.drop_rest(&mut order, bar.close_time, events) {
                continue;
            }
            order.best = better(order.best, bar, order.intent.side);
            if order.expires_at.is_some_and(|end| end <= bar.close_time) {
                events.push(self.end(&order.intent, bar.close_time, News::Expired));
            } else {
                self.resting.push(order);
            }
        }
        Ok(())
    }

    /// What the bar offers an order that has arrived.
    fn offer(&self, order: &mut Resting, bar: &Bar) -> Option<Offer> {
        let kind = order.intent.kind;
        if order.wait > 0 {
            order.wait -= 1;
            let arrives_for_close = order.wait == 0
                && self.config.fill_at == FillAt::Close
                && kind == OrderKind::Market;
            if !arrives_for_close {
                return None;
            }
        }
        let fill_at = self.config.fill_at;
        match reach(kind, order.intent.side, bar, fill_at, order.triggered, order.best) {
            Reach::Fills(offer) => {
                let at_once = order.intent.time_in_force == TimeInForce::Ioc;
                let on_the_way = matches!(offer.moment, Moment::Stop | Moment::Limit);
                (!(at_once && on_the_way)).then_some(offer)
            }
            Reach::Triggers => {
                order.triggered = true;
                None
            }
            Reach::Misses => None,
        }
    }

    /// The fill that an order finds at its submission, if any.
    fn at_once(&self, order: &Resting) -> Option<(Offer, Time)> {
        let intent = &order.intent;
        let bar = self.last(&intent.symbol)?;
        let close = |slips| Offer { moment: Moment::Close, price: bar.close, slips };
        if intent.purpose == (Purpose::Exit { reason: ExitReason::EndOfData }) {
            return Some((close(true), bar.close_time));
        }
        if order.wait > 0 {
            return None;
        }
        let (kind, side) = (intent.kind, intent.side);
        let at_close = self.config.fill_at == FillAt::Close;
        match kind {
            OrderKind::Market if at_close => Some((close(true), bar.close_time)),
            OrderKind::Limit { limit } if at_close && within(bar.close, limit, side) => {
                Some((close(false), bar.close_time))
            }
            OrderKind::Stop { .. } | OrderKind::Limit { .. } if protects(intent) => {
                match reach(kind, side, bar, self.config.fill_at, false, order.best) {
                    Reach::Fills(offer) => Some((offer, offer.at(bar))),
                    Reach::Triggers | Reach::Misses => None,
                }
            }
            _ => None,
        }
    }

    /// Cancels the rest of an order that may not wait for more.
    fn drop_rest(&mut self, order: &mut Resting, now: Time, events: &mut Vec<OrderEvent>) -> bool {
        let drops = order.intent.time_in_force == TimeInForce::Ioc && order.wait == 0;
        if drops {
            events.push(self.end(&order.intent, now, News::Canceled));
        }
        drops
    }

    /// The last news of an order.
    fn end(&mut self, intent: &OrderIntent, at: Time, news: News) -> OrderEvent {
        let code = if let News::Rejected { code, .. } = &news { Some(*code) } else { None };
        self.ended.put(intent.client_order_id.clone(), code);
        OrderEvent { order: intent.client_order_id.clone(), at, news }
    }

    /// Whether an order was submitted before, as far as is remembered.
    pub fn knows(&self, id: &ClientOrderId) -> bool {
        self.ended.get(id).is_some()
            || self.book.knows(id, 0)
            || self.resting.iter().any(|order| order.intent.client_order_id == *id)
    }

    /// The first answer to an order that was submitted before.
    fn first_answer(&self, id: &ClientOrderId, now: Time) -> Option<OrderEvent> {
        let news = match self.ended.get(id).copied().flatten() {
            Some(code) => News::Rejected { code, text: code.cause().to_owned() },
            None => News::Accepted { venue_order_id: None },
        };
        self.knows(id).then(|| OrderEvent { order: id.clone(), at: now, news })
    }

    /// An order that was taken.
    fn arrived(&self, intent: OrderIntent) -> Resting {
        let best = self.last(&intent.symbol).map_or(intent.reference, |bar| bar.close);
        let wait = self.config.delay_bars;
        let filled = Qty::ZERO;
        Resting {
            intent,
            filled,
            fills: 0,
            wait,
            best,
            triggered: false,
            expires_at: None,
            is_over: false,
        }
    }

    /// The news that an order was not taken, if so.
    fn rejected(
        &mut self,
        intent: &OrderIntent,
        at: Time,
    ) -> Result<Option<OrderEvent>, BookError> {
        let Some((code, text)) = self.objection(intent)? else { return Ok(None) };
        let order = intent.client_order_id.clone();
        self.ended.put(order.clone(), Some(code));
        let news = News::Rejected { code, text: text.to_owned() };
        Ok(Some(OrderEvent { order, at, news }))
    }
}

/// Whether an exit stands for an order that had rested at the broker.
const fn protects(intent: &OrderIntent) -> bool {
    matches!(
        intent.purpose,
        Purpose::Exit {
            reason: ExitReason::Stop
                | ExitReason::TakeProfit
                | ExitReason::BreakEven
                | ExitReason::TrailingStop
        }
    )
}

/// Whether a day order's session was over before this bar; the first bar that it sees gives it its
/// session.
fn expired_before(order: &mut Resting, calendar: Calendar, bar: &Bar) -> bool {
    if order.intent.time_in_force != TimeInForce::Day || order.wait > 0 {
        return false;
    }
    let end = *order.expires_at.get_or_insert_with(|| {
        let (_, close) = calendar.ordinary_hours(calendar.session_date(bar.open_time));
        // What comes after the close belongs to the extended hours, which last four more.
        if bar.open_time < close { close } else { close + Duration::from_hours(4) }
    });
    end <= bar.open_time
}

/// Whether an order takes part in a bar: outside of the regular session only where it says so.
fn trades_in(order: &Resting, calendar: Calendar, bar: &Bar) -> bool {
    order.intent.extended_hours
        || !matches!(calendar.session(bar.open_time), Session::Pre | Session::After)
}

#[cfg(test)]
mod tests;
