//! The life of an order as a state machine.
