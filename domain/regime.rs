//! The regime filter: bull, bear, sideways and crash probabilities that keep their state.
