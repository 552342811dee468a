//! The arena: contestants with a book each, under the rules of a market, in public.
//!
//! - [`market`]: what each market permits, as code; prompts and the page of rules are made from it.

pub mod market;
