//! The command line: a file per verb, and what all verbs share.

pub mod error;
pub mod format;
