//! The one mailbox of all fourteen agents.
