//! Language models as brains: the port to a provider, the wire in front of it, and what stands between
//! an agent's question and a strict answer.

pub mod envelope;
pub mod port;
pub mod schema;
pub mod wire;

mod strict;
