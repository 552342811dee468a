//! News: texts from outside, on their way to a few words and whole numbers.
//!
//! [`door`] admits items that say when they were known; [`clean`] takes away what a person would not
//! see; [`signs`] looks for texts that talk to their reader; [`lexicon`] reads without a model; and
//! [`view`] folds what was read into the only thing that a brief ever holds: no text leaves here.
//!
//! # Invariants
//!
//! - L-1: nothing with `known_at` after the as-of time reaches a brief: an item without it is not
//!   admitted, and a view takes no later one.

pub mod clean;
pub mod door;
pub mod lexicon;
pub mod lookalikes;
pub mod reading;
pub mod signs;
pub mod view;

#[cfg(test)]
mod tests;
