//! All orders of one account, by their ids.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Order, OrderError, OrderEvent, Transition};
use crate::market::symbol::Symbol;
use crate::order::{ClientOrderId, OrderIntent};

/// The orders of one account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Orders {
    by_id: BTreeMap<ClientOrderId, Order>,
    /// Ids in the order in which they were made.
    made: Vec<ClientOrderId>,
    /// Ids of what is not final, so that looking for them does not walk through history.
    open: Vec<ClientOrderId>,
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
    /// When another intent has the same id.
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
        self.made.push(id.clone());
        self.open.push(id.clone());
        Ok(Added::New(self.by_id.entry(id).or_insert_with(|| Order::new(intent))))
    }

    /// Takes news of an order.
    ///
    /// # Errors
    /// When the order is not known, or the news cannot be true of it.
    pub fn apply(&mut self, event: &OrderEvent) -> Result<Transition, OrderError> {
        let unknown = || OrderError::Unknown { order: event.order.clone() };
        let order = self.by_id.get_mut(&event.order).ok_or_else(unknown)?;
        let transition = order.apply(event)?;
        if order.status().is_final() {
            self.open.retain(|id| *id != event.order);
        }
        Ok(transition)
    }

    /// The order with this id.
    pub fn get(&self, id: &ClientOrderId) -> Option<&Order> {
        self.by_id.get(id)
    }

    /// All orders, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Order> {
        self.made.iter().filter_map(|id| self.by_id.get(id))
    }

    /// How many orders there are.
    pub fn len(&self) -> usize {
        self.made.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.made.is_empty()
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
