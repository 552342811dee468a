//! The trading team.
