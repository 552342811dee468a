//! Actions that no agent, mode or key can bring about.
