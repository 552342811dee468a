//! The proof that every enabled agent can fire.
