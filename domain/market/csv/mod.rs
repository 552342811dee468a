//! Bars from CSV text: columns by name, decimals through text, every fault with its line.
//!
//! The text is walked once, line by line, without a copy of any cell; faults are collected up to a
//! bound instead of ending at the first. Only lines with commas are known; quotes are understood.

mod columns;
mod fault;
mod number;
mod read;
mod stamp;
mod table;
mod write;

pub use fault::{CsvFaults, Fault, LineFault};
pub use read::{CsvOptions, CsvRead, LINE_MAX, read_csv};
pub use write::write_csv;

pub(crate) use table::table;

#[cfg(test)]
mod tests;
