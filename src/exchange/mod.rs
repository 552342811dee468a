//! `conclave exchange`: an exchange on this machine that speaks a broker's language, so that any of
//! its clients can be tried without a network, an account or a market that is open.
//!
//! The decisions are `conclave_domain::exchange`; here are the clock that drives it, the language, the
//! two streams, and what goes wrong on request. What it knows is in memory: a killed exchange begins
//! anew. Its journal, where one is asked for, holds every event of every order for others to compare.

pub mod accounts;
mod actions;
mod data;
mod feed;
pub mod floor;
mod guard;
pub mod journal;
pub mod keys;
pub(crate) mod load;
mod market;
pub(crate) mod news;
mod orders;
mod pack;
mod query;
mod render;
mod sandbox;
pub mod serve;
mod stream;
#[cfg(test)]
mod tests;
mod ticket;

pub use serve::{Pace, Setup, serve};
