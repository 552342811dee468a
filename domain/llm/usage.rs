//! What a call has used, in the units that are billed.

use serde::{Deserialize, Serialize};

/// Tokens of one call. Every token is counted in one field only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Prompt tokens that were neither read from a cache nor written to one.
    pub input: u64,
    /// Prompt tokens read from a cache.
    pub cache_read: u64,
    /// Prompt tokens written to a cache that is kept for five minutes.
    pub cache_write_5m: u64,
    /// Prompt tokens written to a cache that is kept for an hour.
    pub cache_write_1h: u64,
    /// Tokens of the answer, those of thinking included.
    pub output: u64,
}

impl Usage {
    /// The whole prompt: what decides which price tier holds.
    pub const fn prompt(&self) -> u64 {
        self.input
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write_5m)
            .saturating_add(self.cache_write_1h)
    }
}
