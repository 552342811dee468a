//! Brains: where an agent's raw answer comes from.
