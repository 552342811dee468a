//! The orders of one account that may still matter, by their ids.
//!
//! # Invariants
//!
//! - O-2: one intent, at most one live order: what was forgotten is refused, never taken for new.
//!
//! An order matters while it is open and, once it has ended, while a duplicate or late news of it may
//! come: the last [`REMEMBERED`] that ended are kept, and those of the youngest moment whatever their
//! number. Older ones retire: they wait in [`Orders::take_retired`] for whoever writes reports, and
//! decide nothing any more. An entry that is no younger than what was forgotten is refused, because
//! it may be one of those; an exit is not, because it can only shrink what is held now (O-4).

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::{Order, OrderError, OrderEvent, Transition};
use crate::market::symbol::Symbol;
use crate::order::{ClientOrderId, DecisionId, OrderIntent, Purpose};
use crate::recent::REMEMBERED;
use crate::time::Time;

/// The orders of one account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Orders {
    /// Open and remembered orders.
    by_id: BTreeMap<ClientOrderId, Order>,
    /// Ids of what is not final, so that looking for them does not walk through history.
    open: Vec<ClientOrderId>,
    /// Ids of what is final, in the order in which it became so.
    ended: VecDeque<ClientOrderId>,
    /// How many were ever made.
    made: u64,
    /// Market time of the youngest intent.
    newest: Time,
    /// Market time of the youngest intent that was forgotten.
    forgotten: Option<Time>,
    /// What was forgotten and nobody has taken yet.
    retired: Vec<Order>,
}

/// What became of an intent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Added<'a> {
    /// It is a new order: send it.
    New(&'a Order),
    /// It was made before: this is where it stands. Never send it again.
    Known(&'a Order),
}

impl Orders {
    /// Makes an order of an intent, once.
    ///
    /// # Errors
    /// When another intent has the same id, or an entry is so old that it may have been made before.
    pub fn add(&mut self, intent: OrderIntent) -> Result<Added<'_>, OrderError> {
        let id = intent.client_order_id.clone();
        if self.by_id.contains_key(&id) {
            let known = &self.by_id[&id];
            return if known.intent == intent {
                Ok(Added::Known(known))
            } else {
                Err(OrderError::Conflict { order: id })
            };
        }
        let is_old = self.forgotten.is_some_and(|until| intent.at <= until);
        if is_old && intent.purpose == Purpose::Entry {
            return Err(OrderError::Forgotten { order: id });
        }
        self.newest = self.newest.max(intent.at);
        self.open.push(id.clone());
        let order = Order::numbered(intent, self.made);
        self.made += 1;
        Ok(Added::New(self.by_id.entry(id).or_insert(order)))
    }

    /// Takes news of an order.
    ///
    /// # Errors
    /// When the order is not known (any more), or the news cannot be true of it.
    pub fn apply(&mut self, event: &OrderEvent) -> Result<Transition, OrderError> {
        let unknown = || OrderError::Unknown { order: event.order.clone() };
        let order = self.by_id.get_mut(&event.order).ok_or_else(unknown)?;
        let transition = order.apply(event)?;
        if transition.to.is_final() && !transition.from.is_final() {
            self.open.retain(|id| *id != event.order);
            self.ended.push_back(event.order.clone());
            self.forget();
        }
        Ok(transition)
    }

    /// Retires what has ended longest ago, beyond what is remembered.
    fn forget(&mut self) {
        while REMEMBERED < self.ended.len() {
            let oldest = self.ended.front().and_then(|id| self.by_id.get(id));
            let at = oldest.map(|order| order.intent.at);
            // Of the youngest moment everything is known, so that its other intents are not refused.
            if at.is_some_and(|at| self.newest <= at) {
                break;
            }
            self.forgotten = self.forgotten.max(at);
            let order = self.ended.pop_front().and_then(|id| self.by_id.remove(&id));
            self.retired.extend(order);
        }
    }

    /// The order with this id, while it is open or remembered.
    pub fn get(&self, id: &ClientOrderId) -> Option<&Order> {
        self.by_id.get(id)
    }

    /// [`Orders::get`], or what has retired and was not taken yet.
    pub fn find(&self, id: &ClientOrderId) -> Option<&Order> {
        let retired =
            || self.retired.iter().rev().find(|order| order.intent.client_order_id == *id);
        self.get(id).or_else(retired)
    }

    /// Whether an order of this decision is open or remembered.
    pub fn remembers(&self, decision: &DecisionId) -> bool {
        self.by_id.values().any(|order| order.intent.decision == *decision)
    }

    /// All orders that nobody has taken, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Order> {
        let mut all: Vec<&Order> = self.retired.iter().chain(self.by_id.values()).collect();
        all.sort_by_key(|order| order.number());
        all.into_iter()
    }

    /// The youngest orders among those that are open or remembered, at most `count`, oldest first.
    pub fn latest(&self, count: usize) -> impl Iterator<Item = &Order> {
        let mut all: Vec<&Order> = self.by_id.values().collect();
        all.sort_by_key(|order| order.number());
        let older = all.len().saturating_sub(count);
        all.into_iter().skip(older)
    }

    /// Takes what has retired out of memory, in the order in which it did: whoever takes it keeps it.
    pub fn take_retired(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.retired)
    }

    /// How many orders were ever made.
    pub fn len(&self) -> usize {
        usize::try_from(self.made).unwrap_or(usize::MAX)
    }

    /// Whether none ever was.
    pub const fn is_empty(&self) -> bool {
        self.made == 0
    }

    /// Orders that are not final, those not sent included, oldest first.
    pub fn open(&self) -> impl Iterator<Item = &Order> {
        self.open.iter().filter_map(|id| self.by_id.get(id))
    }

    /// [`Orders::open`] of one symbol.
    pub fn open_for<'a>(&'a self, symbol: &'a Symbol) -> impl Iterator<Item = &'a Order> {
        self.open().filter(move |order| order.intent.symbol == *symbol)
    }
}

/// Orders as they are written down, by this version and by the one that kept them all.
#[derive(Deserialize)]
struct Written {
    by_id: BTreeMap<ClientOrderId, Order>,
    open: Vec<ClientOrderId>,
    #[serde(default)]
    ended: VecDeque<ClientOrderId>,
    made: Made,
    #[serde(default)]
    newest: Option<Time>,
    #[serde(default)]
    forgotten: Option<Time>,
    #[serde(default)]
    retired: Vec<Order>,
}

/// How many orders were made, or the ids of all of them in that order.
#[derive(Deserialize)]
#[serde(untagged)]
enum Made {
    Count(u64),
    Ids(Vec<ClientOrderId>),
}

impl From<Written> for Orders {
    fn from(written: Written) -> Self {
        let Written { by_id, open, ended, made, newest, forgotten, retired } = written;
        let of_all = || by_id.values().map(|order| order.intent.at).max();
        let newest = newest.or_else(of_all).unwrap_or(Time::EPOCH);
        let mut orders = Self { by_id, open, ended, made: 0, newest, forgotten, retired };
        match made {
            Made::Count(made) => orders.made = made,
            Made::Ids(ids) => {
                for id in ids {
                    if let Some(order) = orders.by_id.get_mut(&id) {
                        order.renumber(orders.made);
                        orders.made += 1;
                        if order.status().is_final() {
                            orders.ended.push_back(id);
                        }
                    }
                }
                orders.forget();
            }
        }
        orders
    }
}
