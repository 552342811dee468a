//! Worlds to learn in.

pub mod cart_pole;
#[cfg(test)]
pub(crate) mod probe;
pub mod trade;
