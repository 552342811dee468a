//! A raw strategy's account: calls and bars in, fills and equity out. Pure.
//!
//! The engine drives it in a loop, the actors through mailboxes; both get the same trades, because
//! all that decides is here. For all bars of one moment the order is: [`RawDesk::open`] of each
//! symbol, [`RawDesk::close`] of each, [`RawDesk::call`] for each call, [`RawDesk::settle`]; symbols
//! in their order.

use std::collections::BTreeMap;

use super::raw::{Directions, RawCall, RawTerms, Wish, end_of_data};
use crate::book::{Book, BookError};
use crate::fixed::{Money, Price};
use crate::market::bar::Bar;
use crate::market::symbol::{AssetClass, Symbol};
use crate::order::OrderIntent;
use crate::order_state::{News, Order, OrderError, OrderEvent};
use crate::policy::action::{Intent, intent};
use crate::policy::caller::opinion;
use crate::policy::network::Policy;
use crate::policy::observation::MARKET;
use crate::signal::Direction;
use crate::sim_broker::{FillAt, SimBroker};
use crate::time::Time;

/// Why a raw run stopped.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DeskError {
    /// The ledger refused.
    #[error("the ledger cannot go on")]
    Book(#[from] BookError),
    /// The broker's news contradict an order.
    #[error("the broker's news make no sense")]
    Order(#[from] OrderError),
}

/// What a raw strategy's account is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct RawDesk {
    terms: RawTerms,
    broker: SimBroker,
    classes: BTreeMap<Symbol, AssetClass>,
    symbols: u32,
    pending: BTreeMap<Symbol, RawCall>,
    orders: Vec<Order>,
}

impl RawDesk {
    /// A desk for some symbols, which share its account.
    ///
    /// # Errors
    /// When the cash is not positive.
    pub fn new(
        terms: RawTerms,
        symbols: impl IntoIterator<Item = (Symbol, AssetClass)>,
    ) -> Result<Self, DeskError> {
        let mut broker = SimBroker::new(terms.broker.clone(), terms.cash)?;
        let classes: BTreeMap<Symbol, AssetClass> = symbols.into_iter().collect();
        for (symbol, class) in &classes {
            broker.list(symbol.clone(), *class);
        }
        let symbols = u32::try_from(classes.len()).unwrap_or(u32::MAX);
        let (pending, orders) = (BTreeMap::new(), Vec::new());
        Ok(Self { terms, broker, classes, symbols, pending, orders })
    }

    /// The account.
    pub const fn book(&self) -> &Book {
        self.broker.book()
    }

    /// Every order, oldest first.
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// The account and the orders, when all is done.
    pub fn into_parts(self) -> (Book, Vec<Order>) {
        (self.broker.into_book(), self.orders)
    }

    /// The open of a bar: fills the call that waits for it.
    ///
    /// # Errors
    /// On overflow.
    pub fn open(&mut self, symbol: &Symbol, bar: &Bar) -> Result<(), DeskError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        match self.pending.remove(symbol) {
            Some(call) => self.trade(symbol, call, bar.open, bar.open_time),
            None => Ok(()),
        }
    }

    /// The close of a bar: marks the position.
    ///
    /// # Errors
    /// On overflow.
    pub fn close(&mut self, symbol: &Symbol, bar: &Bar) -> Result<(), DeskError> {
        self.broker.on_bar(symbol, bar)?;
        Ok(())
    }

    /// A call at the close of a bar that the desk has seen: filled at that close, or at the next open.
    ///
    /// # Errors
    /// On overflow.
    pub fn call(
        &mut self,
        symbol: &Symbol,
        direction: Direction,
        bar: &Bar,
    ) -> Result<(), DeskError> {
        self.wish(symbol, Wish::Direction(direction), bar)
    }

    /// What a policy wants at the close of a bar that the desk has seen, filled like a call.
    ///
    /// # Errors
    /// On overflow.
    pub fn act(&mut self, symbol: &Symbol, intent: Intent, bar: &Bar) -> Result<(), DeskError> {
        if intent == Intent::Keep { Ok(()) } else { self.wish(symbol, Wish::Intent(intent), bar) }
    }

    /// Asks a policy about a bar that the desk has seen. Without an opinion nothing is done.
    ///
    /// # Errors
    /// On overflow.
    pub fn consider(
        &mut self,
        symbol: &Symbol,
        policy: &Policy,
        row: &[f32; MARKET],
        bar: &Bar,
    ) -> Result<(), DeskError> {
        let Some(said) = opinion(policy, row, (self.book(), symbol))? else { return Ok(()) };
        let held = self.book().position(symbol).map(|held| held.direction);
        let is_coin = self.classes.get(symbol) == Some(&AssetClass::Crypto);
        let may_short = self.terms.directions == Directions::LongShort && !is_coin;
        self.act(symbol, intent(said.action, held, may_short), bar)
    }

    fn wish(&mut self, symbol: &Symbol, wish: Wish, bar: &Bar) -> Result<(), DeskError> {
        let call = RawCall { wish, at: bar.close_time };
        match self.terms.broker.fill_at {
            FillAt::Close => self.trade(symbol, call, bar.close, bar.close_time),
            FillAt::NextOpen => {
                self.pending.insert(symbol.clone(), call);
                Ok(())
            }
        }
    }

    /// Equity once every bar and every call of a moment is done.
    ///
    /// # Errors
    /// On overflow.
    pub fn settle(&mut self) -> Result<Money, DeskError> {
        Ok(self.broker.settle()?)
    }

    /// The data ended: closes what is open at each symbol's last close and forgets what waits.
    ///
    /// # Errors
    /// On overflow.
    pub fn finish(&mut self) -> Result<Money, DeskError> {
        self.pending.clear();
        let open: Vec<Symbol> = self.book().positions().keys().cloned().collect();
        for symbol in open {
            let Some(&bar) = self.broker.last(&symbol) else { continue };
            let order = end_of_data(&symbol, self.broker.book(), bar.close, bar.close_time);
            if let Some(intent) = order {
                self.send(intent, bar.close, bar.close_time)?;
            }
        }
        self.settle()
    }

    /// A close and an open at one price.
    fn trade(
        &mut self,
        symbol: &Symbol,
        call: RawCall,
        price: Price,
        at: Time,
    ) -> Result<(), DeskError> {
        if let Some(exit) = self.terms.exit(symbol, call, self.broker.book(), price) {
            self.send(exit, price, at)?;
        }
        // What is held otherwise is worth this price now, which is what all equity is measured by.
        self.broker.mark(symbol, price)?;
        let class = self.classes.get(symbol).copied().unwrap_or_default();
        let book = self.broker.book();
        if let Some(entry) = self.terms.entry(symbol, class, call, book, price, self.symbols)? {
            self.send(entry, price, at)?;
        }
        Ok(())
    }

    /// Sends an order and keeps what becomes of it.
    fn send(&mut self, intent: OrderIntent, price: Price, at: Time) -> Result<(), DeskError> {
        let events = self.broker.fill_at(&intent, price, at)?;
        let sent = OrderEvent { order: intent.client_order_id.clone(), at, news: News::Submitted };
        let mut order = Order::new(intent);
        order.apply(&sent)?;
        for event in &events {
            order.apply(event)?;
        }
        self.orders.push(order);
        Ok(())
    }
}
