//! Who keeps the account: the broker in this process, or one outside.

use serde::{Deserialize, Serialize};

use crate::away::AwayBroker;
use crate::book::{Book, BookError, Trade};
use crate::faults::Item;
use crate::fixed::Money;
use crate::market::bar::Bar;
use crate::market::symbol::{AssetClass, Symbol};
use crate::order::{ClientOrderId, OrderIntent};
use crate::order_state::OrderEvent;
use crate::sim_broker::SimBroker;
use crate::time::Time;

/// Who keeps the account. Stored without a word of which, because the two have no field in common that
/// could be taken for the other's: so accounts of former versions are read as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[expect(clippy::large_enum_variant, reason = "one per account; a box would cost every bar a step")]
pub(super) enum Venue {
    /// The broker in this process, which answers at once.
    Sim(SimBroker),
    /// A broker outside, which is asked and heard.
    Away(AwayBroker),
}

impl Venue {
    pub(super) fn list(&mut self, symbol: Symbol, class: AssetClass) {
        match self {
            Self::Sim(broker) => broker.list(symbol, class),
            Self::Away(broker) => broker.list(symbol, class),
        }
    }

    pub(super) const fn book(&self) -> &Book {
        match self {
            Self::Sim(broker) => broker.book(),
            Self::Away(broker) => broker.book(),
        }
    }

    pub(super) fn take_trades(&mut self) -> Vec<Trade> {
        match self {
            Self::Sim(broker) => broker.take_trades(),
            Self::Away(broker) => broker.take_trades(),
        }
    }

    pub(super) fn class_of(&self, symbol: &Symbol) -> Option<AssetClass> {
        match self {
            Self::Sim(broker) => broker.class_of(symbol),
            Self::Away(broker) => broker.class_of(symbol),
        }
    }

    pub(super) fn last(&self, symbol: &Symbol) -> Option<&Bar> {
        match self {
            Self::Sim(broker) => broker.last(symbol),
            Self::Away(broker) => broker.last(symbol),
        }
    }

    /// Whether orders take bars to arrive: those to a broker outside always may.
    pub(super) const fn is_delayed(&self) -> bool {
        match self {
            Self::Sim(broker) => broker.is_delayed(),
            Self::Away(_) => true,
        }
    }

    pub(super) fn knows(&self, id: &ClientOrderId) -> bool {
        match self {
            Self::Sim(broker) => broker.knows(id),
            Self::Away(broker) => broker.book().knows(id, 0),
        }
    }

    pub(super) fn settle(&mut self) -> Result<Money, BookError> {
        match self {
            Self::Sim(broker) => broker.settle(),
            Self::Away(broker) => broker.settle(),
        }
    }

    pub(super) fn on_bar(
        &mut self,
        symbol: &Symbol,
        bar: &Bar,
    ) -> Result<Vec<OrderEvent>, BookError> {
        match self {
            Self::Sim(broker) => broker.on_bar(symbol, bar),
            Self::Away(broker) => broker.on_bar(symbol, bar).map(|()| Vec::new()),
        }
    }

    /// The order as it can be sent.
    pub(super) fn fitted(&self, intent: OrderIntent) -> OrderIntent {
        match self {
            Self::Sim(_) => intent,
            Self::Away(broker) => broker.fitted(intent),
        }
    }

    /// What is answered at once: all of it, or nothing yet.
    pub(super) fn submit(
        &mut self,
        intent: OrderIntent,
        now: Time,
    ) -> Result<Vec<OrderEvent>, BookError> {
        match self {
            Self::Sim(broker) => broker.submit(intent, now),
            Self::Away(broker) => {
                broker.submit(intent);
                Ok(Vec::new())
            }
        }
    }

    pub(super) fn take_injected(&mut self) -> Vec<Item> {
        match self {
            Self::Sim(broker) => broker.take_injected(),
            Self::Away(_) => Vec::new(),
        }
    }
}
