//! The audit: append-only, hash-chained records with group commit.
