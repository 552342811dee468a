//! The one binary of integration tests: a module per subject.
#![expect(clippy::expect_used, reason = "a test may panic, in its helpers too")]

mod alpaca;
mod api;
mod arena;
mod backtest;
mod browser;
mod cli;
mod contest;
mod documents;
mod engines;
mod faults;
mod fetch;
mod follow_one_bar;
mod fuzz;
mod hours;
mod http;
mod isolation;
mod leaks;
mod lookahead;
mod morning;
mod operations;
mod otlp;
mod peers;
mod policy;
mod provider;
mod rig;
mod scenarios;
mod season;
mod selection;
mod telegram;
mod tidy;
mod venue;
