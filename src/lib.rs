//! The Conclave binary's library: command line, configuration, wiring, adapters, HTTP and reports.

pub mod adapters;
pub mod brains;
pub mod catalogue;
pub mod cli;
pub mod config;
pub mod data;
pub mod docs;
pub mod exchange;
mod files;
pub mod http;
pub mod report;
pub mod run;
