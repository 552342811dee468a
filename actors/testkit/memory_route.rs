//! A way to a broker outside that ends in memory: what was handed over, in order.

use std::sync::{Mutex, PoisonError};

use conclave_domain::away::Outgoing;
use conclave_domain::order::{ClientOrderId, OrderIntent};

use crate::broker::Pass;
use crate::runtime::ports::OrderRoute;

/// The way. Nothing comes back by itself: a test says what the broker does.
#[derive(Debug, Default)]
pub struct MemoryRoute(Mutex<Vec<Outgoing>>);

impl MemoryRoute {
    /// Everything that was handed over so far.
    pub fn sent(&self) -> Vec<Outgoing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same in words: `buy market`, `sell stop`, `cancel`.
    pub fn words(&self) -> Vec<String> {
        let word = |asked: &Outgoing| match asked {
            Outgoing::Submit { intent, .. } => format!("{} {}", intent.side, intent.kind.name()),
            Outgoing::Cancel { .. } => "cancel".to_owned(),
        };
        self.sent().iter().map(word).collect()
    }

    /// The last order that was handed over.
    ///
    /// # Panics
    /// When there was none.
    #[expect(clippy::expect_used, reason = "a test that looks for an order has one")]
    pub fn last(&self) -> OrderIntent {
        let intent = |asked| match asked {
            Outgoing::Submit { intent, .. } => Some(*intent),
            Outgoing::Cancel { .. } => None,
        };
        self.sent().into_iter().rev().find_map(intent).expect("an order")
    }

    /// The ids of the orders that were to be canceled.
    pub fn canceled(&self) -> Vec<ClientOrderId> {
        let id = |asked| match asked {
            Outgoing::Cancel { order, .. } => Some(order),
            Outgoing::Submit { .. } => None,
        };
        self.sent().into_iter().filter_map(id).collect()
    }
}

impl OrderRoute for MemoryRoute {
    fn send(&self, outgoing: Vec<Outgoing>, _: Pass) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(outgoing);
    }
}
