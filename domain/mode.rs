//! Modes and trading states, and who may change them.
