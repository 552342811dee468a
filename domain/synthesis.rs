//! The orchestrator's synthesis: levers of many agents into the terms of one order.
