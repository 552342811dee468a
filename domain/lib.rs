//! Conclave's pure decisions: events in, verdicts out.
//!
//! Nothing in this crate awaits, reads a clock, touches a file or draws a random number without a
//! seed; time is an argument. That is what makes a back-test, a replay and a live run the same code.

pub mod account;
pub mod advice;
pub mod alpaca;
pub mod appeal;
pub mod approvals;
pub mod arena;
pub mod away;
pub mod book;
pub mod bounds;
pub mod brief;
pub mod budget;
pub mod clearance;
pub mod code;
pub mod context;
pub mod custody;
pub mod decide;
pub mod deliberation;
pub mod engine;
pub mod exchange;
pub mod exits;
pub mod experiment;
pub mod faults;
pub mod feasibility;
pub mod features;
pub mod fixed;
pub mod forbidden;
pub mod gates;
pub mod guidance;
pub mod limits;
pub mod llm;
pub mod market;
pub mod metrics;
pub mod mode;
#[cfg(feature = "mutants")]
pub mod mutants;
pub mod news;
pub mod notify;
pub mod order;
pub mod order_state;
pub mod pipeline;
pub mod policy;
pub mod projection;
pub mod protections;
pub mod ratio;
pub mod recent;
pub mod reconcile;
pub mod record;
pub mod regime;
pub mod risk;
pub mod role;
pub mod scorecard;
pub mod selection;
pub mod signal;
pub mod sim_broker;
pub mod sizing;
pub mod stats;
pub mod strategy;
pub mod synthesis;
pub mod tally;
#[cfg(test)]
pub(crate) mod testing;
pub mod time;
pub mod watch;
