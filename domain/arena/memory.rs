//! What a contestant remembers: decisions that have come to something.

use serde::{Deserialize, Serialize};

use super::words::Rating;
use crate::market::symbol::Symbol;
use crate::ratio::Ratio;
use crate::time::Time;

/// A decision of its own that has come to something, as a contestant is told of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lesson {
    /// The symbol.
    pub symbol: Symbol,
    /// The close that it was decided at.
    pub decided_at: Time,
    /// The close that it was settled at: nothing of it is known before.
    pub resolved_at: Time,
    /// What was decided.
    pub rating: Rating,
    /// How sure it was, 0 to 1.
    pub confidence: Ratio,
    /// The symbol's return between the two closes, fraction.
    pub outcome: Ratio,
    /// The same less the benchmark's, fraction.
    pub excess: Ratio,
    /// Whether the rating was right.
    pub was_right: bool,
    /// One sentence, made by rule of the figures.
    pub reflection: String,
    /// How like the situation then is to the one now, 0 to 1.
    pub similarity: Ratio,
}
