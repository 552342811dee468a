//! Adapters: a file per outside thing.

pub mod audit_files;
pub mod control_http;
