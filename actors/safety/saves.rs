//! What of safety's record is written where: to the store, into the log, or both.
//!
//! - D-1: what counts on wall time stands in no record of the log.
//! - G-2: a restart gives nothing back: of two saves the later one counts, line by line.

use conclave_domain::budget::BudgetSnapshot;
use serde::{Deserialize, Serialize};

use super::{SafetyRecord, Standing};

/// A save: in the log a block of permits for actions, in the store everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Its number; in the store that of the last block before it.
    pub save: u64,
    /// Everything as it stood, the block included; in the log without what counts on wall time.
    pub record: SafetyRecord,
}

/// What a save takes.
#[derive(Debug, PartialEq, Eq)]
pub struct Writes {
    /// Mode or state have changed, or these are the exact figures of a clean stop.
    pub is_change: bool,
    /// What counts on wall time has changed: it is flushed before a permit is given.
    pub is_paid: bool,
    /// A new block of permits for actions, as the log holds it.
    pub block: Option<SafetyRecord>,
}

impl Writes {
    /// What `record` takes on a disk that holds `before`; `None` for one that holds nothing.
    pub fn of(before: Option<&SafetyRecord>, record: &SafetyRecord) -> Self {
        let nothing = untouched();
        let before = before.unwrap_or(&nothing);
        let is_standing =
            before.trading_state == record.trading_state && before.modes == record.modes;
        let is_change = record.budgets.is_clean() || !is_standing;
        let is_block = !is_change && record.budgets.blocks() != before.budgets.blocks();
        let block = is_block
            .then(|| SafetyRecord { budgets: record.budgets.on_trading_clock(), ..record.clone() });
        Self { is_change, is_paid: !record.budgets.agrees_on_wall_time(&before.budgets), block }
    }
}

/// Safety before anything was saved.
fn untouched() -> SafetyRecord {
    let Standing { trading_state, modes } = Standing::initial();
    SafetyRecord { budgets: BudgetSnapshot::untouched(), trading_state, modes }
}

/// What a store and the last block of a log come to.
pub fn newest(stored: Option<Block>, last_block: Option<Block>) -> Option<Block> {
    match (stored, last_block) {
        (Some(stored), Some(block)) if block.save > stored.save => {
            let Block { save, mut record } = block;
            record.budgets = record.budgets.with_wall_time_of(&stored.record.budgets);
            Some(Block { save, record })
        }
        (Some(stored), _) => Some(stored),
        (None, block) => block,
    }
}
