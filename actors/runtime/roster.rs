//! The roster: every agent there is.
