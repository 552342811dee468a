//! Performance metrics: the formulas of the field, undefined values null with a reason.
