//! Which symbols are worth trading: what is measured of each, and by which estimator.

pub mod garch;
pub mod half_life;
pub mod hurst;
mod numbers;
pub mod regime;
pub mod whiteness;

#[cfg(test)]
mod tests;

pub use numbers::Undefined;
