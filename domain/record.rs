//! Audit records: steps, bodies and the hash chain.
