//! Briefs: everything an agent is told, one type per team.

pub mod selection;
pub mod trading;
pub mod training;
