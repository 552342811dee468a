//! What a trained policy sees, does and is paid for: the same in training, back-test, paper and live.
//!
//! One list of columns, one decoder, one forward pass, one reward. The trainer calls them a million
//! times a second, a live run once per bar; neither has a second version of any of them.

pub mod action;
pub mod caller;
pub mod network;
pub mod normalisation;
pub mod observation;
pub mod reward;
pub mod verdict;
