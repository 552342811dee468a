//! An account at a broker outside of this process: what is asked of the broker, what it says, and the
//! ledger that follows from what it says. Pure; the orders' lives are custody's.
//!
//! # Invariants
//!
//! - O-2: one intent, at most one live order: what is asked goes out of [`AwayBroker::take_outgoing`]
//!   once, and what the broker repeats is booked once, whether it is known by the id of its execution
//!   or was booked as part of a total.
//! - P-1: cash + positions at cost + fees is conserved: only fills change the ledger here, and one that
//!   makes no sense changes nothing.
//!
//! Nothing is decided by an answer that is awaited: an order that was asked for stays submitted until
//! the broker says something of it, and whoever needs an order gone waits for the news that it is.

mod price;
mod told;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::book::{Book, BookError, Trade};
use crate::code::Code;
use crate::fixed::{Money, Price, Qty};
use crate::market::bar::Bar;
use crate::market::symbol::{AssetClass, Symbol};
use crate::order::{ClientOrderId, ExitReason, OrderIntent};
use crate::order_state::{News, Order, OrderEvent, Orders};
use crate::ratio::Ratio;
use crate::time::Time;

pub use told::Doubt;
use told::Told;

/// One thing that is asked of the broker. Asked once; whoever carries it says what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ask")]
pub enum Outgoing {
    /// Send an order. What is not sent is said so by [`Said::Denied`].
    Submit {
        /// The order.
        intent: Box<OrderIntent>,
        /// The order that it takes the place of, in one step, so that one of the two stands throughout.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaces: Option<Former>,
    },
    /// Cancel an order.
    Cancel {
        /// What it is about.
        symbol: Symbol,
        /// Our id of it.
        order: ClientOrderId,
        /// The broker's id, once it has said one.
        venue_order_id: Option<String>,
    },
}

/// An order that another one is to take the place of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Former {
    /// Our id of it.
    pub order: ClientOrderId,
    /// The broker's id of it.
    pub venue_order_id: String,
}

/// What the broker says of one order, from a stream or because it was asked. May come twice, late, and
/// in any order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Our id of the order.
    pub order: ClientOrderId,
    /// When it happened, by the broker's clock.
    pub at: Time,
    /// What it says.
    #[serde(flatten)]
    pub said: Said,
}

/// One thing that the broker says of an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "said")]
pub enum Said {
    /// It has the order.
    Accepted {
        /// Its own id of it.
        venue_order_id: Option<String>,
    },
    /// It has executed a part of it, or the rest.
    Executed {
        /// The execution.
        execution: Execution,
    },
    /// How much of it is filled in all, where single executions were missed.
    Total {
        /// In all.
        filled: Qty,
        /// At which mean price.
        average: Price,
    },
    /// It did not cancel it.
    CancelRejected,
    /// It has canceled what was left of it.
    Canceled,
    /// Another order stands in its place.
    Replaced,
    /// It did not put another in its place.
    ReplaceRejected,
    /// Its time ran out.
    Expired,
    /// It did not take it.
    Rejected {
        /// The stable code.
        code: Code,
        /// The broker's words.
        text: String,
    },
    /// It was never sent: said by whoever was to carry it.
    Denied {
        /// The stable code.
        code: Code,
        /// Why.
        text: String,
    },
}

/// One execution as the broker names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// The broker's id of it: what a repetition is known by.
    pub id: String,
    /// How much, always positive.
    pub qty: Qty,
    /// At which price.
    pub price: Price,
    /// What it cost, never negative; zero where the broker charges elsewhere.
    pub fee: Money,
    /// How much of the order is filled in all, this execution included.
    pub filled: Qty,
}

/// What an account abroad is kept by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AwayTerms {
    /// How far behind its trigger the limit of a coin's protective stop stands, fraction of the trigger:
    /// brokers take no plain stops for coins. Beyond it a position leaves by rule at the next bar.
    pub stop_gap: Ratio,
    /// How far a protective stop at the broker may be from where the rules want it, fraction of the
    /// price, before it is replaced: a trailing stop would otherwise be replaced at every bar.
    pub stop_slack: Ratio,
    /// The smallest steps of prices, where the broker states them.
    pub steps: BTreeMap<Symbol, Price>,
}

impl Default for AwayTerms {
    /// Limits 2 % behind a coin's stop; stops that are 0.25 % off are replaced.
    fn default() -> Self {
        let (stop_gap, stop_slack) = (Ratio::of(0.02), Ratio::of(0.0025));
        Self { stop_gap, stop_slack, steps: BTreeMap::new() }
    }
}

/// What is known of one symbol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Asset {
    class: AssetClass,
    last: Option<Bar>,
    /// Whether it is traded here, and not only held in the same account.
    #[serde(default)]
    is_traded: bool,
}

/// An account at a broker outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AwayBroker {
    terms: AwayTerms,
    book: Book,
    assets: BTreeMap<Symbol, Asset>,
    /// What was booked of orders that may still be heard of.
    told: BTreeMap<ClientOrderId, Told>,
    /// Positions that are to be left, until they are.
    wanted: BTreeMap<Symbol, ExitReason>,
    /// What is to be asked, in order.
    outbox: Vec<Outgoing>,
    /// Counts what was asked and what was booked: a statement that was begun at another count is old.
    changes: u64,
    /// The latest time that was heard of.
    heard_at: Time,
    /// Whether a statement was ever taken: the first one says what the account begins with.
    is_stated: bool,
}

impl AwayBroker {
    /// An account that holds nothing but cash.
    ///
    /// # Errors
    /// When the cash is not positive.
    pub fn new(terms: AwayTerms, cash: Money) -> Result<Self, BookError> {
        Ok(Self {
            terms,
            book: Book::new(cash)?,
            assets: BTreeMap::new(),
            told: BTreeMap::new(),
            wanted: BTreeMap::new(),
            outbox: Vec::new(),
            changes: 0,
            heard_at: Time::EPOCH,
            is_stated: false,
        })
    }

    /// Lists a symbol that is traded here.
    pub fn list(&mut self, symbol: Symbol, class: AssetClass) {
        self.listed(symbol, class).is_traded = true;
    }

    /// Lists a symbol that is held, whoever trades it.
    pub(crate) fn list_held(&mut self, symbol: Symbol, class: AssetClass) {
        self.listed(symbol, class);
    }

    fn listed(&mut self, symbol: Symbol, class: AssetClass) -> &mut Asset {
        self.assets.entry(symbol).or_insert(Asset { class, last: None, is_traded: false })
    }

    /// Whether a symbol is traded here; one that has had bars is, whenever it was listed.
    pub(crate) fn is_traded(&self, symbol: &Symbol) -> bool {
        self.assets.get(symbol).is_some_and(|asset| asset.is_traded || asset.last.is_some())
    }

    /// The terms.
    pub const fn terms(&self) -> &AwayTerms {
        &self.terms
    }

    /// The account as it follows from what the broker has said.
    pub const fn book(&self) -> &Book {
        &self.book
    }

    /// Puts a reconciled account in the place of this one.
    pub(crate) fn replace_book(&mut self, book: Book) {
        self.book = book;
        self.changes += 1;
    }

    /// Takes the account's closed trades; see [`Book::take_trades`].
    pub fn take_trades(&mut self) -> Vec<Trade> {
        self.book.take_trades()
    }

    /// What kind of thing a symbol is, as listed.
    pub fn class_of(&self, symbol: &Symbol) -> Option<AssetClass> {
        self.assets.get(symbol).map(|asset| asset.class)
    }

    /// The last bar of a symbol.
    pub fn last(&self, symbol: &Symbol) -> Option<&Bar> {
        self.assets.get(symbol).and_then(|asset| asset.last.as_ref())
    }

    /// Values the position in a symbol at a bar's close.
    ///
    /// # Errors
    /// When the close is not positive, or on overflow of the ledger.
    pub fn on_bar(&mut self, symbol: &Symbol, bar: &Bar) -> Result<(), BookError> {
        let Some(asset) = self.assets.get_mut(symbol) else { return Ok(()) };
        asset.last = Some(*bar);
        self.see(bar.close_time);
        self.book.close_bar(symbol, bar.close)
    }

    /// Equity after every symbol of this moment had its bar; see [`Book::settle`].
    ///
    /// # Errors
    /// On overflow.
    pub fn settle(&mut self) -> Result<Money, BookError> {
        self.book.settle()
    }

    /// The order as the broker takes it: prices on whole steps, to our side of the price that was wanted
    /// where that is a limit of what is paid, and the tighter one where it is a stop.
    #[must_use]
    pub fn fitted(&self, mut intent: OrderIntent) -> OrderIntent {
        let class = self.class_of(&intent.symbol).unwrap_or_default();
        let step = self.terms.steps.get(&intent.symbol).copied();
        intent.kind = price::fitted(intent.kind, intent.side, class, step);
        intent
    }

    /// Asks for an order.
    pub fn submit(&mut self, intent: OrderIntent) {
        self.changes += 1;
        self.outbox.push(Outgoing::Submit { intent: Box::new(intent), replaces: None });
    }

    /// Has an order that waits to be asked for take the place of one that the broker has. `None` where
    /// none waits under that id, or the broker has not said its own id of the former.
    pub(crate) fn in_place_of(
        &mut self,
        order: &ClientOrderId,
        former: &Order,
        now: Time,
    ) -> Option<OrderEvent> {
        let waits = self.outbox.iter_mut().find_map(|it| match it {
            Outgoing::Submit { intent, replaces } if intent.client_order_id == *order => {
                Some(replaces)
            }
            _ => None,
        })?;
        let id = former.intent.client_order_id.clone();
        let venue_order_id = former.venue_order_id()?.to_owned();
        *waits = Some(Former { order: id.clone(), venue_order_id });
        Some(OrderEvent { order: id, at: now, news: News::ReplaceRequested })
    }

    /// Asks for an order's cancellation. One that has not left yet is taken back at once.
    pub fn cancel(&mut self, order: &Order, now: Time) -> OrderEvent {
        let id = order.intent.client_order_id.clone();
        let waits = self.outbox.iter().position(
            |it| matches!(it, Outgoing::Submit { intent, .. } if intent.client_order_id == id),
        );
        let news = if let Some(index) = waits {
            self.outbox.remove(index);
            News::Canceled
        } else {
            self.ask_to_cancel(order);
            News::CancelRequested
        };
        OrderEvent { order: id, at: now, news }
    }

    /// Asks (once more) for an order's cancellation, whatever was asked before.
    pub fn ask_to_cancel(&mut self, order: &Order) {
        let id = order.intent.client_order_id.clone();
        let venue_order_id = order.venue_order_id().map(str::to_owned);
        let symbol = order.intent.symbol.clone();
        self.outbox.push(Outgoing::Cancel { symbol, order: id, venue_order_id });
    }

    /// What is to be asked of the broker now, in order. It is handed out once.
    pub fn take_outgoing(&mut self) -> Vec<Outgoing> {
        std::mem::take(&mut self.outbox)
    }

    /// Takes a report of an order that is known, and books what is new of it. `None`: it was known.
    ///
    /// # Errors
    /// When it cannot be true of this order or of this account; nothing was changed.
    pub(crate) fn hear(
        &mut self,
        orders: &Orders,
        order: &Order,
        report: &Report,
    ) -> Result<Option<OrderEvent>, Doubt> {
        let doubt = |why: String| Doubt { order: report.order.clone(), why };
        let known = self.told.get(&report.order).cloned().unwrap_or_default();
        let (news, told) = known.news(order, report)?;
        let event =
            news.map(|news| OrderEvent { order: report.order.clone(), at: report.at, news });
        if let Some(event) = &event {
            // The order's life is asked first, because a ledger cannot take a fill back.
            let mut after = order.clone();
            after.apply(event).map_err(|error| doubt(error.to_string()))?;
            if after == *order {
                self.see(report.at);
                return Ok(None);
            }
            if let News::Fill { fill } = &event.news {
                let (purpose, decision) = (order.intent.purpose, Some(&order.intent.decision));
                let booked = self.book.apply(fill, purpose, decision);
                booked.map_err(|error| doubt(error.to_string()))?;
                self.changes += 1;
            }
        }
        if !told.is_empty() {
            self.told.retain(|id, _| orders.get(id).is_some());
            self.told.insert(report.order.clone(), told);
        }
        self.see(report.at);
        Ok(event)
    }

    /// Counts what changes the account or is asked for: what a statement is compared with.
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// The latest time that was heard of: what new ids of exits are made of, so that a process that
    /// starts again with an older account makes none that the broker has seen.
    pub const fn heard_at(&self) -> Time {
        self.heard_at
    }

    /// Whether a statement was ever taken.
    pub const fn is_stated(&self) -> bool {
        self.is_stated
    }

    /// A statement is being taken.
    pub(crate) const fn state(&mut self) {
        self.is_stated = true;
    }

    /// Time has gone on to here.
    pub fn see(&mut self, at: Time) {
        self.heard_at = self.heard_at.max(at);
    }

    /// A position is to be left; the first reason stands.
    pub fn want_out(&mut self, symbol: &Symbol, reason: ExitReason) {
        self.wanted.entry(symbol.clone()).or_insert(reason);
    }

    /// Why a position is to be left, if it is.
    pub fn wants_out(&self, symbol: &Symbol) -> Option<ExitReason> {
        self.wanted.get(symbol).copied()
    }

    /// A position has been left.
    pub fn is_out(&mut self, symbol: &Symbol) {
        self.wanted.remove(symbol);
    }
}

#[cfg(test)]
mod tests;
