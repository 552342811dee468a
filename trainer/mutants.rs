//! Broken on purpose: one-liners at places where a trainer that learns nothing looks like one that
//! learns, so that a test can show that each is found. Outside of this crate's own tests nothing is broken.

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// The clipped ratio bounds the wrong side of the advantage.
    ClipsTheWrongSide,
    /// An episode that is cut off counts as one that ended.
    ForgetsTheCutOff,
    /// Adam's first steps are as small as its young moments.
    TrustsYoungMoments,
}

#[cfg(not(test))]
#[inline]
pub(crate) const fn is(_: Mutant) -> bool {
    false
}

#[cfg(test)]
pub(crate) use on::{is, with};

#[cfg(test)]
mod on {
    use std::cell::Cell;

    use super::Mutant;

    thread_local! {
        static ON: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Does some work with one thing broken, on this thread only.
    pub(crate) fn with<T>(mutant: Mutant, work: impl FnOnce() -> T) -> T {
        ON.set(Some(mutant));
        let done = work();
        ON.set(None);
        done
    }

    /// Whether this is broken now.
    pub(crate) fn is(mutant: Mutant) -> bool {
        ON.get() == Some(mutant)
    }
}
