//! Language models, as far as they can be decided about: what they cost, and what to do when they fail.
//!
//! Pure: prices are a table, failures a match, time an argument. The wire is in `actors/models`, the
//! network in the binary's adapters.

pub mod backoff;
pub mod billed;
pub mod breaker;
pub mod bucket;
pub mod hedge;
pub mod key;
pub mod price;
pub mod trouble;
pub mod usage;

pub use billed::billed;
pub use price::{Price, PriceFile, PriceTable};
pub use trouble::{Remedy, Trouble};
pub use usage::Usage;
