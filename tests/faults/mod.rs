//! What goes wrong on request, and what a process that is killed leaves behind.

mod agents;
mod budgets;
mod chaos;
mod crash_loop;
mod flushes;
mod full_disk;
mod kills;
mod ports;
mod reducing;
mod stores;
mod tampering;
mod venue_kills;
