//! Conclave's trainer: proximal policy optimisation over environments that step together.
//!
//! Nothing here knows of agents, awaits, or reads a clock. A run is a function of its configuration, its
//! data and its seed: repeated on the same kind of processor, it ends in the same bits.

pub mod vec_env;
