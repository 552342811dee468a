//! Conclave's pure decisions: events in, verdicts out.
//!
//! Nothing in this crate awaits, reads a clock, touches a file or draws a random number without a
//! seed; time is an argument. That is what makes a back-test, a replay and a live run the same code.

pub mod advice;
pub mod bounds;
pub mod brief;
pub mod code;
pub mod fixed;
pub mod market;
pub mod order;
pub mod ratio;
pub mod role;
pub mod signal;
pub mod time;
