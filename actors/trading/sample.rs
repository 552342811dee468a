//! The example briefs of `tests/briefs/`, for the tests of this team.

use conclave_domain::brief::trading::TradingBrief;

/// A calm entry that nobody objects to.
pub(crate) fn entry() -> TradingBrief {
    serde_json::from_str(include_str!("../../tests/briefs/trading_entry.json")).unwrap()
}

/// An open position that does well.
pub(crate) fn position() -> TradingBrief {
    serde_json::from_str(include_str!("../../tests/briefs/trading_position.json")).unwrap()
}
