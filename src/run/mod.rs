//! `run`: the long-running process.

pub mod desk;
pub mod rounds;
