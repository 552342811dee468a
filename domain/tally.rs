//! Counts one round of consensus into one verdict. Pure: events in, verdict out.
