//! Briefs: everything an agent is told, one type per team.

pub mod trading;
