//! Adapters: a file per outside thing.

pub mod control_http;
