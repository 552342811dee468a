//! The money of one consultation: what was granted, and what is spent or may be.
//!
//! - G-3: money is reserved before a call: an attempt holds its worst case before it leaves, and one
//!   that does not fit does not leave.
//!
//! A hold stays spent unless it is settled. So whoever is cancelled, at whatever await, leaves a figure
//! that is not lower than what the provider may bill.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conclave_domain::fixed::Money;

use crate::runtime::brain::Spent;

/// The purse of one consultation.
#[derive(Debug)]
pub(crate) struct Purse {
    granted: Money,
    /// Settled, and held by attempts that are on their way.
    spent: Mutex<Money>,
    shown: Spent,
}

impl Purse {
    /// A purse with this much in it. From here on `shown` says what is spent.
    pub(crate) fn new(granted: Money, shown: Spent) -> Arc<Self> {
        shown.set(Money::ZERO);
        Arc::new(Self { granted, spent: Mutex::new(Money::ZERO), shown })
    }

    /// Whether an attempt of this worst case fits.
    pub(crate) fn covers(&self, worst: Money) -> bool {
        self.fits(*self.lock(), worst).is_some()
    }

    /// Holds the worst case of an attempt; `None` when it does not fit.
    pub(crate) fn hold(self: &Arc<Self>, worst: Money) -> Option<Held> {
        let mut spent = self.lock();
        *spent = self.fits(*spent, worst)?;
        self.shown.set(*spent);
        Some(Held { purse: Arc::clone(self), worst })
    }

    /// What is spent or may be.
    pub(crate) fn spent(&self) -> Money {
        *self.lock()
    }

    fn fits(&self, spent: Money, worst: Money) -> Option<Money> {
        let with = spent.plus(worst.max(Money::ZERO)).ok()?;
        (with <= self.granted).then_some(with)
    }

    fn lock(&self) -> MutexGuard<'_, Money> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The worst case of an attempt on its way. Dropped, it stays spent.
#[derive(Debug)]
#[must_use = "what is not settled stays spent"]
pub(crate) struct Held {
    purse: Arc<Purse>,
    worst: Money,
}

impl Held {
    /// The attempt has cost this much; a provider may bill more than its worst case, never less than
    /// nothing.
    pub(crate) fn settle(self, cost: Money) {
        let mut spent = self.purse.lock();
        let change = cost.max(Money::ZERO).raw().saturating_sub(self.worst.max(Money::ZERO).raw());
        *spent = Money::from_raw(spent.raw().saturating_add(change));
        self.purse.shown.set(*spent);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cents(raw: i64) -> Money {
        Money::from_raw(raw)
    }

    /// G-3: what is held counts until it is settled, and what does not fit is not held.
    #[test]
    fn an_attempt_holds_its_worst_case_until_it_is_settled() {
        let shown = Spent::default();
        let purse = Purse::new(cents(100), shown.clone());
        assert_eq!(shown.get(), Some(Money::ZERO));
        let first = purse.hold(cents(60)).unwrap();
        assert_eq!(shown.get(), Some(cents(60)));
        assert!(!purse.covers(cents(50)) && purse.hold(cents(50)).is_none());
        first.settle(cents(5));
        assert_eq!(shown.get(), Some(cents(5)));
        drop(purse.hold(cents(95)).unwrap());
        assert_eq!(shown.get(), Some(cents(100)), "an attempt of unknown fate stays spent");
        assert!(purse.covers(Money::ZERO) && !purse.covers(cents(1)));
    }

    #[test]
    fn a_bill_over_the_worst_case_is_booked_and_one_below_nothing_is_nothing() {
        let shown = Spent::default();
        let purse = Purse::new(cents(100), shown.clone());
        purse.hold(cents(10)).unwrap().settle(cents(120));
        assert_eq!(shown.get(), Some(cents(120)));
        assert!(!purse.covers(Money::ZERO));
        let purse = Purse::new(cents(i64::MAX), shown.clone());
        purse.hold(cents(10)).unwrap().settle(cents(-5));
        assert_eq!(shown.get(), Some(Money::ZERO));
        purse.hold(cents(10)).unwrap().settle(cents(i64::MAX));
        assert!(purse.hold(cents(i64::MAX)).is_none(), "a sum beyond all money fits nowhere");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// G-3: as long as nobody bills more than the worst case, the purse is never overdrawn, and
        /// what it shows is never lower than what was billed or may be.
        #[test]
        fn it_is_never_overdrawn(
            granted in 0i64..1_000,
            steps in prop::collection::vec((0i64..400, 0u8..3, 0i64..=100), 0..40),
        ) {
            let shown = Spent::default();
            let purse = Purse::new(cents(granted), shown.clone());
            let (mut open, mut billed) = (Vec::new(), 0);
            for (worst, what, share) in steps {
                if let Some(held) = purse.hold(cents(worst)) {
                    let cost = worst * share / 100;
                    match what {
                        0 => {
                            billed += cost;
                            held.settle(cents(cost));
                        }
                        1 => {
                            billed += worst;
                            drop(held);
                        }
                        _ => open.push(held),
                    }
                }
                let may_be = billed + open.iter().map(|held| held.worst.raw()).sum::<i64>();
                prop_assert_eq!(shown.get(), Some(cents(may_be)));
                prop_assert!(purse.spent() <= cents(granted));
            }
        }
    }
}
