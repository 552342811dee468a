//! The selection team's brief.
