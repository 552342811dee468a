//! What each agent was worth: a run as it was beside the same run with the agent muted. Pure.
//!
//! Facts of runs go in ([`RunFacts`], [`Without`]), a [`Card`] with a line per agent comes out. A line says
//! how often an agent was asked and what became of that, what the account would have come to without it,
//! what its vetoes and clamps were worth, how well its confidence is calibrated, and what it cost.
//!
//! # Invariants
//!
//! - K-1: an agent that was never consulted is worth nothing, and is called so.
//! - K-2: an agent is called a help or a harm only where chance alone would rarely bring that about, also
//!   where few days differ.
//! - K-3: a run that is handed in twice makes no interval narrower: days of the market are pooled, and whoever
//!   gathers the runs hands each in once, by the hash of its records.

mod calibration;
mod card;
mod curve;
mod facts;
mod interval;
mod past;
mod words;

pub use calibration::{BINS, Bin, Calibration, Forecast};
pub use card::{Card, FAMILY_ERROR, Line, Pair, Worth, card};
pub use curve::{Curve, Differences, pooled};
pub use facts::{
    ClampValue, ClampWorth, Ended, Forced, Opinion, Outcomes, RunFacts, Veto, VetoValue, VetoWorth,
    Without, outcomes,
};
pub use interval::{Interval, RESAMPLES, interval_of_sum};
pub use past::{End, Past, Word};
pub use words::{Finding, pair_sentence, sentence};

#[cfg(test)]
mod tests;
