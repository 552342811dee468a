//! The fence: what the order path reads immediately before every effect.
