//! The market as data: symbols, bars, sessions.

pub mod bar;
pub mod symbol;
