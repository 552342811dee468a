//! Faults on request, on simulated money only.
