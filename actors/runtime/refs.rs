//! Handles that survive a restart, and mailboxes that say when they are full.
