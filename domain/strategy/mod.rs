//! Built-in strategies: what raises a signal at a bar's close.
