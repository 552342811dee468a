//! A whole council on fakes and paused time.

pub mod memory_audit;
pub mod memory_store;
