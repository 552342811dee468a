//! Supervision: who is restarted, how often, and when to give up.
