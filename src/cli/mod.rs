//! The command line: a file per verb, and what all verbs share.

pub mod agents;
pub mod alpaca;
pub mod app;
pub mod arena;
pub mod audit;
pub mod backtest;
pub mod budgets;
pub mod chaos;
pub mod config;
pub mod control;
pub mod data;
pub mod doctor;
pub mod error;
pub mod exchange;
pub mod format;
pub mod logging;
pub mod man;
pub mod metrics;
pub mod progress;
pub mod replay;
pub mod report;
pub mod scorecard;
pub mod select;
pub mod status;
pub mod train;
pub mod watch;
