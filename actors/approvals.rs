//! The queue of supervised mode: what waits for a person.
