//! The ledger: cash, positions, fees and trades in fixed point.
