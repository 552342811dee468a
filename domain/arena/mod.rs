//! The arena: contestants with a book each, under the rules of a market, in public.
//!
//! - [`foreign`]: readers of other arenas' files.
//! - [`ledger`]: what a book from elsewhere must come to, line by line.
//! - [`market`]: what each market permits, as code; prompts and the page of rules are made from it.

pub mod foreign;
pub mod ledger;
pub mod market;
