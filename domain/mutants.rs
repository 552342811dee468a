//! Broken on purpose: one-liners at the places that keep an invariant, compiled under a feature that
//! no binary has, so that a test can show that the simulation finds each of them.

use std::cell::Cell;

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A round acts once its voters are heard, whether or not its guardian is.
    ActsBeforeTheGuardian,
    /// A restart finds full budgets.
    RefillsBudgets,
    /// A position that is on its way out is sent out once more.
    SendsExitsTwice,
    /// What closes a position pays no fee.
    ForgetsFees,
}

impl Mutant {
    /// Every mutant, with the invariant that it breaks.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::ActsBeforeTheGuardian, "T-4"),
        (Self::RefillsBudgets, "G-2"),
        (Self::SendsExitsTwice, "O-2"),
        (Self::ForgetsFees, "P-1"),
    ];
}

thread_local! {
    static ON: Cell<Option<Mutant>> = const { Cell::new(None) };
}

/// Does some work with one thing broken, on this thread only.
pub fn with<T>(mutant: Mutant, work: impl FnOnce() -> T) -> T {
    ON.set(Some(mutant));
    let done = work();
    ON.set(None);
    done
}

/// Whether this is broken now.
pub(crate) fn is(mutant: Mutant) -> bool {
    ON.get() == Some(mutant)
}
