//! What the simulated broker does wrong on request: everything through the same orders, the same
//! ledger and the same events, so that nobody downstream can tell it from a bad day.
//!
//! - **timeout**: the order is taken, and what would be said of it now is said a bar later.
//! - **duplicate fill**: the order's fills are told twice.
//! - **late fill**: a cancel is confirmed, and the order fills at the symbol's next bar all the same.
//! - **reject**: this order and the next four are rejected.

use std::mem;

use serde::{Deserialize, Serialize};

use super::fill::Executed;
use super::price::{Moment, Offer};
use super::{Resting, SimBroker};
use crate::book::BookError;
use crate::code::Code;
use crate::faults::{Fault, Item, Place, Port};
use crate::market::bar::Bar;
use crate::market::symbol::Symbol;
use crate::order::{ClientOrderId, OrderIntent};
use crate::order_state::{News, OrderEvent};
use crate::time::Time;

/// Orders that a rejection streak rejects behind the first.
const STREAK: u32 = 4;

/// The broker's faults in the making.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Troubles {
    /// Orders that it was sent; faults go by their number.
    sent: u64,
    /// Rejections that are still due.
    streak: u32,
    /// What was not said in time.
    unsaid: Vec<OrderEvent>,
    /// Orders whose fills are told twice.
    doubled: Vec<ClientOrderId>,
    /// Orders that will fill after their cancel.
    deaf: Vec<ClientOrderId>,
    /// Orders whose cancel was confirmed and that fill at the next bar.
    ghosts: Vec<Resting>,
    /// What was injected and not yet told to whoever writes it down.
    injected: Vec<Item>,
}

impl Troubles {
    /// Whether there is nothing in the making: the state of every broker without faults.
    pub(super) fn is_quiet(&self) -> bool {
        self == &Self { sent: self.sent, ..Self::default() }
    }
}

impl SimBroker {
    /// What was injected since it was last asked.
    pub fn take_injected(&mut self) -> Vec<Item> {
        mem::take(&mut self.troubles.injected)
    }

    /// Counts a new order, and says what goes wrong with it.
    pub(super) fn trouble(&mut self, id: &ClientOrderId) -> Option<Fault> {
        if self.config.faults.is_off() {
            return None;
        }
        let troubles = &mut self.troubles;
        troubles.sent += 1;
        let fault = self.config.faults.at(&Place::Port(Port::Broker), troubles.sent)?;
        troubles.injected.push(Item::of_port(Port::Broker, fault, troubles.sent));
        match fault {
            Fault::DuplicateFill => troubles.doubled.push(id.clone()),
            Fault::LateFill => troubles.deaf.push(id.clone()),
            Fault::Reject => troubles.streak = STREAK + 1,
            _ => {}
        }
        Some(fault)
    }

    /// Whether a rejection streak takes this order; it does so once.
    pub(super) fn is_in_streak(&mut self) -> bool {
        let hit = self.troubles.streak > 0;
        self.troubles.streak = self.troubles.streak.saturating_sub(1);
        hit
    }

    /// The news that a rejection streak rejected an order.
    pub(super) fn streak_rejection(&mut self, intent: &OrderIntent, at: Time) -> OrderEvent {
        let text = "rejected on request, in a streak".to_owned();
        self.end(intent, at, News::Rejected { code: Code::BrokerRejected, text })
    }

    /// What is said of an order, as far as it is said now.
    pub(super) fn told(
        &mut self,
        fault: Option<Fault>,
        events: Vec<OrderEvent>,
    ) -> Vec<OrderEvent> {
        let events = self.doubled(events);
        if fault == Some(Fault::Timeout) {
            self.troubles.unsaid.extend(events);
            return Vec::new();
        }
        events
    }

    /// What is told twice, twice.
    pub(super) fn doubled(&self, events: Vec<OrderEvent>) -> Vec<OrderEvent> {
        if self.troubles.doubled.is_empty() {
            return events;
        }
        let twice = |event: &OrderEvent| {
            matches!(event.news, News::Fill { .. }) && self.troubles.doubled.contains(&event.order)
        };
        let mut told = Vec::with_capacity(events.len() + 1);
        for event in events {
            let again = twice(&event).then(|| event.clone());
            told.push(event);
            told.extend(again);
        }
        told
    }

    /// Keeps an order whose cancel is confirmed, if it will fill all the same.
    pub(super) fn haunt(&mut self, order: &Resting) {
        if self.troubles.deaf.contains(&order.intent.client_order_id) {
            self.troubles.ghosts.push(order.clone());
        }
    }

    /// What was left unsaid, and what fills after its cancel, at a symbol's bar.
    pub(super) fn haunted(
        &mut self,
        symbol: &Symbol,
        bar: &Bar,
    ) -> Result<Vec<OrderEvent>, BookError> {
        let mut events = mem::take(&mut self.troubles.unsaid);
        let ghosts = mem::take(&mut self.troubles.ghosts);
        for ghost in ghosts {
            if ghost.intent.symbol != *symbol {
                self.troubles.ghosts.push(ghost);
                continue;
            }
            let (open, fills) = (ghost.open_qty(), ghost.fills);
            let offer = Offer { moment: Moment::Open, price: bar.open, slips: true };
            let at = bar.open_time;
            // What it cannot pay for any more it does not fill: the cancel has been told already.
            let Executed { fill, .. } = self.attempt(&ghost.intent, open, fills, offer, at)?;
            events.extend(fill.map(|fill| ghost.event(at, News::Fill { fill })));
        }
        Ok(events)
    }
}
