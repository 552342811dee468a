//! A desk: twelve roles around a table, who come to one decision on one symbol.
//!
//! - [`words`]: the roles, what each may take, and how a desk is set up.

pub mod words;

pub use words::{DeskConfig, DeskMind, DeskRole, DeskSpec};
