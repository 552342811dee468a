//! The broker actor: the only one that may talk to a broker port.
