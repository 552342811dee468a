//! One round of consensus: a short-lived collector around a pure tally.
