//! Bars of one symbol in order, with what is known about them.

use super::bar::{Bar, Timeframe};
use super::symbol::{AssetClass, Symbol};

/// Checked bars of one symbol, oldest first, strictly increasing in time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The symbol.
    pub symbol: Symbol,
    /// What kind of thing it is.
    pub class: AssetClass,
    /// The length of each bar.
    pub timeframe: Timeframe,
    /// The bars.
    pub bars: Vec<Bar>,
}
