//! The training team.
