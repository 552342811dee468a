//! The training team's brief.
