//! Safety: supervises the agents, gives permits out of durable budgets, and knows what is forbidden.
