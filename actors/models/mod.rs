//! Language models as brains: the port to a provider, the wire in front of it, and what stands between
//! an agent's question and a strict answer.
//!
//! A question's way: [`brain`] says what it can cost and asks what was granted; `consult` tries,
//! pauses, falls back and hedges within one deadline and one purse; [`gateway`] lets requests out;
//! [`wire`] writes and reads them; [`port`] moves the bytes; [`tape`] keeps what was said.
//!
//! To wire it up: one [`Models`] for a process, with its providers, one [`Gateway`], the price table and
//! a [`tape::Recorder`] where the run is recorded; then a [`ModelBrain`] for each agent, with the rungs
//! of its ladder as configured. A recorded run reads a [`tape::read::Tape`], shares it, and gives each
//! agent a [`tape::recorded::RecordedByTape`] with the same rungs; when it is over, or before,
//! [`tape::shelf::Shelf::fault`] says whether it was the same run.

pub mod brain;
mod consult;
pub mod envelope;
pub mod gateway;
mod measure;
pub mod port;
mod purse;
mod question;
pub mod rung;
pub mod schema;
pub mod standing;
mod strict;
pub mod tape;
pub mod wire;

pub use brain::{ModelBrain, Models};
pub use gateway::{Gateway, ProviderSettings};
pub use question::BrainError;
pub use rung::{Retry, RouteSpec, RungSpec};
pub use standing::{ProviderStanding, Tokens};

#[cfg(test)]
mod tests;
