//! The gates: what the state before an order must look like.
