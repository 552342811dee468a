//! The market as data: symbols, bars, sessions.

pub mod asset;
pub mod bar;
pub mod calendar;
pub mod csv;
pub mod digest;
pub mod dividends;
pub mod door;
pub mod doors;
pub mod gather;
pub mod series;
pub mod splits;
pub mod symbol;
pub mod synth;
pub mod tape;
