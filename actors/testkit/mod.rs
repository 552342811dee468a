//! A whole council on fakes and paused time.

pub mod brains;
pub mod clock;
pub mod council;
pub mod desk;
mod figures;
pub mod memory_audit;
pub mod memory_journal;
pub mod memory_ledger;
pub mod memory_route;
pub mod memory_safety;
pub mod memory_store;
pub mod models;
mod plan;
pub mod told;
pub mod trainer;
