//! What every actor stands on: agents, supervision, handles, ports and faults.

pub mod agent;
pub mod answer;
pub mod balance;
pub mod brain;
pub mod compare;
pub mod directory;
pub mod faults;
pub mod fence;
pub mod ports;
pub mod prompt;
pub mod recall;
pub mod recorded;
pub mod refs;
pub mod roster;
pub mod shell;
pub mod supervision;
#[cfg(test)]
pub(crate) mod tests;
