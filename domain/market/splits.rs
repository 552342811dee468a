//! Share splits: an explicit table, applied to raw bars.
