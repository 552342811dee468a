//! The selection team.
