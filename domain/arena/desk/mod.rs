//! A desk: twelve roles around a table, who come to one decision on one symbol.
//!
//! - [`words`]: the roles, and how a desk is set up.
//! - [`said`]: what roles say, typed.
//! - [`conversation`]: who is asked next, and what the desk brings.
//! - [`brief`]: what each role is told at its turn.
//! - [`stages`]: the decision as everybody may read it.

pub mod brief;
pub mod conversation;
pub mod said;
pub mod stages;
pub mod words;

pub use words::{DeskConfig, DeskMind, DeskRole, DeskSpec};
