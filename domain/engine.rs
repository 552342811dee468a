//! The in-process engine: bars, a strategy, fills and the ledger in one loop.
