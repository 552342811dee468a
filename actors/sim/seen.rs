//! What the outside of a simulated council sees, in the order in which it happens.
//!
//! Everything here is text and numbers: the checker that reads it shares no type with what it checks.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use conclave_domain::context::BookKind;
use conclave_domain::custody::Happening;
use conclave_domain::faults::Item;
use serde_json::Value;

use crate::runtime::ports::BrokerWitness;

/// One thing that was seen.
#[derive(Clone, Debug)]
pub(super) enum Seen {
    /// A line of decisions was written; `synced` lines of the stream were on the disk before it.
    Line { text: String, synced: u64 },
    /// So many lines of decisions are on the disk.
    Synced { count: u64 },
    /// The broker did something to an account.
    Broker { book: &'static str, what: Value },
    /// A paid brain was asked.
    Asked { call: u64, team: &'static str, at_most: i64, wall_ms: i64 },
    /// A paid call is over and has cost this much; one that is never heard of cost all of it.
    Paid { call: u64, cost: i64 },
    /// A guardian's brain has spoken.
    Guarded { decision: String, objects: bool },
    /// The market moved to a slice: its time and the closes in it, by symbol.
    Slice { at: String, trading_ms: i64, closes: BTreeMap<String, String> },
    /// A person has begun to do something.
    Begun { act: &'static str },
    /// A person was answered.
    Done { act: &'static str, good: bool, mode: Option<&'static str> },
    /// The books as the broker keeps them.
    Accounts { books: Value },
    /// The books as the shared context shows them.
    Books { books: Value },
    /// How the budgets stand: name, limit, left.
    Budgets { rows: Vec<(String, f64, f64)>, wall_ms: i64, trading_ms: i64, fresh: bool },
    /// The rounds that the council says it has held since its process began, all of them written.
    Held { rounds: u64 },
    /// The accounts are about to be stored under this number.
    Keeping { serial: u64 },
    /// The accounts of this number are on the disk.
    Kept { serial: u64 },
}

/// What was seen and not yet looked at. Nothing is seen of a process that has crashed.
#[derive(Debug, Default)]
pub(super) struct Journal(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    seen: Vec<Seen>,
    is_closed: bool,
    /// Faults of the broker that were injected.
    injected: Vec<Item>,
}

impl Journal {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, seen: Seen) {
        let mut pages = self.pages();
        if !pages.is_closed {
            pages.seen.push(seen);
        }
    }

    /// From now on nothing is seen.
    pub(super) fn close(&self) {
        self.pages().is_closed = true;
    }

    /// A new process begins.
    pub(super) fn open(&self) {
        self.pages().is_closed = false;
    }

    /// The faults of the broker that were injected so far.
    pub(super) fn injected(&self) -> Vec<Item> {
        self.pages().injected.clone()
    }

    pub(super) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.pages().seen)
    }
}

impl BrokerWitness for Journal {
    fn saw(&self, book: BookKind, happened: &[Happening]) {
        for what in happened {
            if let Happening::Injected { item } = what {
                self.pages().injected.push(item.clone());
            }
            let told = !matches!(what, Happening::Marked(_) | Happening::TradeClosed { .. });
            if told && let Ok(what) = serde_json::to_value(what) {
                self.note(Seen::Broker { book: book.name(), what });
            }
        }
    }
}
