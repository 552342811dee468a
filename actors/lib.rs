//! Conclave's org chart: supervised actors that talk to the world through ports only.

pub mod approvals;
pub mod arena;
pub mod audit;
pub mod broker;
pub mod checkpoint;
pub mod consensus;
pub mod consult;
pub mod context;
pub mod council;
pub mod driver;
pub mod inline;
pub mod journal;
pub mod market;
pub mod models;
pub mod news;
pub mod notifier;
pub mod orchestrator;
pub mod pump;
pub mod raw;
pub mod runtime;
pub mod safety;
pub mod score;
pub mod selection;
#[cfg(feature = "sim")]
pub mod sim;
mod spans;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod trading;
pub mod training;
mod tree;
pub mod universe;
