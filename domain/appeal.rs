//! Appeals of soft vetoes: the conditions, one by one.
