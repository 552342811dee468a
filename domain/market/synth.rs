//! The synthetic market: seeded bars, regimes with truth labels, news, and faults on request.
