//! Proof that an order may leave: `Cleared`.
