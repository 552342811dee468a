//! The trading team: five advisers on entries and exits, one file each.

use std::collections::BTreeSet;

use conclave_domain::brief::trading::TradingBrief;
use conclave_domain::role::AgentName;

use crate::runtime::agent::{Cadence, Entry};

pub mod execution_timer;
pub mod exit_strategist;
pub mod position_sizer;
pub mod risk_guardian;
pub mod signal_analyst;

/// The team, in the order in which it is asked and listed.
pub const TEAM: &[Entry<TradingBrief>] = &[
    Entry::of::<signal_analyst::SignalAnalyst>(),
    Entry::of::<risk_guardian::RiskGuardian>(),
    Entry::of::<position_sizer::PositionSizer>(),
    Entry::of::<execution_timer::ExecutionTimer>(),
    Entry::of::<exit_strategist::ExitStrategist>(),
];

/// The members that are also asked about open positions, among the enabled ones.
pub fn position_advisers(
    enabled: &BTreeSet<AgentName>,
) -> impl Iterator<Item = &'static Entry<TradingBrief>> {
    TEAM.iter().filter(move |entry| {
        entry.cadence == Cadence::EntriesAndPositions && enabled.contains(entry.role.name)
    })
}

#[cfg(test)]
pub(crate) mod sample {
    //! The example briefs of `tests/briefs/`, for the tests of this team.

    use super::TradingBrief;

    /// A calm entry that nobody objects to.
    pub(crate) fn entry() -> TradingBrief {
        serde_json::from_str(include_str!("../../tests/briefs/trading_entry.json")).unwrap()
    }

    /// An open position that does well.
    pub(crate) fn position() -> TradingBrief {
        serde_json::from_str(include_str!("../../tests/briefs/trading_position.json")).unwrap()
    }
}
