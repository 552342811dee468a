//! The trading team: five advisers on entries and exits, one file each.

use conclave_domain::brief::trading::TradingBrief;

use crate::runtime::agent::Entry;

pub mod execution_timer;
pub mod exit_strategist;
pub mod position_sizer;
pub mod risk_guardian;
#[cfg(test)]
pub(crate) mod sample;
pub mod signal_analyst;

/// The team, in the order in which it is asked and listed.
pub const TEAM: &[Entry<TradingBrief>] = &[
    Entry::of::<signal_analyst::SignalAnalyst>(),
    Entry::of::<risk_guardian::RiskGuardian>(),
    Entry::of::<position_sizer::PositionSizer>(),
    Entry::of::<execution_timer::ExecutionTimer>(),
    Entry::of::<exit_strategist::ExitStrategist>(),
];
