//! The orchestrator: one decision at a time per symbol, from the signal to the cleared order.
