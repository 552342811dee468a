//! The shared context: its only writer, and consistent snapshots for everyone.
