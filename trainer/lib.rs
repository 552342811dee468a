//! Conclave's trainer: proximal policy optimisation over environments that step together.
//!
//! Nothing here knows of agents, awaits, or reads a clock. A run is a function of its configuration, its
//! data and its seed: repeated on the same kind of processor, it ends in the same bits.

pub mod actor_critic;
mod adam;
pub mod checkpoint;
mod count;
pub mod env;
pub mod export;
mod gae;
mod init;
mod kernel;
pub mod layout;
mod math;
mod mutants;
mod narrow;
mod net;
pub mod ppo;
pub mod rng;
mod rollout;
pub mod schedule;
pub mod session;
#[cfg(test)]
pub(crate) mod testing;
pub mod validate;
pub mod vec_env;
