//! Bars from CSV text.
