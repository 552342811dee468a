//! A ledger of all runs in memory, that several desks may share, on a clock that stands still.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conclave_domain::budget::BudgetConfig;
use conclave_domain::budget::ledger::{Caller, Ledger, LedgerLine, Want, What};
use conclave_domain::code::Code;
use conclave_domain::fixed::Money;
use conclave_domain::time::Time;

use crate::runtime::ports::{Booked, Done, LedgerError, SpendLedger};

/// A ledger in memory.
#[derive(Debug)]
pub struct MemoryLedger {
    caps: BudgetConfig,
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    sums: Ledger,
    calls: u64,
    under_way: BTreeMap<u64, Caller>,
    is_lost: bool,
}

impl MemoryLedger {
    /// An empty one under these caps.
    pub fn new(caps: BudgetConfig) -> Arc<Self> {
        Arc::new(Self { caps, pages: Mutex::default() })
    }

    /// From now on nothing can be written.
    pub fn lose(&self) {
        self.lock().is_lost = true;
    }

    /// What all runs have spent or reserved within a day.
    pub fn spent(&self) -> Money {
        self.lock().sums.spent(Time::EPOCH).1
    }

    /// Calls that are reserved and not settled.
    pub fn under_way(&self) -> usize {
        self.lock().under_way.len()
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn take(&mut self, want: Want, caps: &BudgetConfig) -> Result<Booked, Code> {
        let rung = self.sums.choose(&want, caps, Time::EPOCH)?;
        let granted = want.rungs.get(rung).ok_or(Code::SafetyUnknownPrice)?;
        self.calls += 1;
        let (call, model) = (self.calls, granted.model.clone());
        let (run, life) = ("memory".to_owned(), "one".to_owned());
        let caller = Caller { run, life, agent: want.agent, model };
        let most = granted.at_most.unwrap_or(Money::ZERO);
        self.sums.take(&LedgerLine::new(Time::EPOCH, What::Reserved, caller.clone(), call, most));
        self.under_way.insert(call, caller);
        Ok(Booked { call, rung })
    }
}

impl SpendLedger for MemoryLedger {
    fn reserve(&self, wants: Vec<Want>, done: Done<Vec<Result<Booked, Code>>, LedgerError>) {
        let mut pages = self.lock();
        let answer = if pages.is_lost {
            Err(LedgerError::Disk { what: "it is lost".to_owned() })
        } else {
            Ok(wants.into_iter().map(|want| pages.take(want, &self.caps)).collect())
        };
        drop(pages);
        done.answer(answer);
    }

    fn settle(&self, call: u64, cost: Money) {
        let mut pages = self.lock();
        if let Some(caller) = pages.under_way.remove(&call) {
            let line = LedgerLine::new(Time::EPOCH, What::Settled, caller, call, cost);
            pages.sums.take(&line);
        }
    }
}
