//! What a desk may ask for by itself, and what it hears.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::statement::maybe_day;
use crate::market::symbol::Symbol;
use crate::time::Time;

/// A question to the gate, as a model writes it: `{"tool": "bars", "symbol": "AAPL", "count": 60}`.
///
/// Where `until` or `at` is not given, it is the gate's own moment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "tool", rename_all = "snake_case", deny_unknown_fields)]
pub enum ToolRequest {
    /// The last closed bars.
    Bars {
        /// Of whom.
        symbol: Symbol,
        /// Up to the bar that closed then.
        #[serde(default)]
        until: Option<Time>,
        /// How many, 1 to 250.
        #[serde(default = "some")]
        count: u16,
    },
    /// What is computed of the closed bars.
    Indicators {
        /// Of whom.
        symbol: Symbol,
        /// At the bar that closed then.
        #[serde(default)]
        at: Option<Time>,
    },
    /// What was filed, by filing date.
    Fundamentals {
        /// Of whom.
        symbol: Symbol,
        /// Filed until then.
        #[serde(default)]
        until: Option<Time>,
        /// Only the period that ended on this day.
        #[serde(default, with = "maybe_day", skip_serializing_if = "Option::is_none")]
        period_end: Option<Date>,
    },
    /// News and filings as texts.
    News {
        /// About whom.
        symbol: Symbol,
        /// Known until then.
        #[serde(default)]
        until: Option<Time>,
        /// How many, 1 to 40.
        #[serde(default = "some")]
        count: u16,
        /// Also those that do not say when they were known: refused on history.
        #[serde(default, skip_serializing_if = "is_false")]
        undated: bool,
    },
    /// Posts on social networks.
    Social {
        /// About whom.
        symbol: Symbol,
        /// Known until then.
        #[serde(default)]
        until: Option<Time>,
        /// How many, 1 to 40.
        #[serde(default = "some")]
        count: u16,
        /// Also those that do not say when they were known: refused on history.
        #[serde(default, skip_serializing_if = "is_false")]
        undated: bool,
    },
    /// Its own cash and holdings.
    OwnBook {},
    /// What became of its own decisions.
    Memory {
        /// On what.
        symbol: Symbol,
        /// Settled until then.
        #[serde(default)]
        until: Option<Time>,
    },
}

const fn some() -> u16 {
    20
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// What the gate says to a question.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolAnswer {
    /// What was asked for.
    Given(Value),
    /// Nothing, and a leak event.
    Refused(Leak),
}

/// A look beyond what a desk may know. It is refused and counted, and says nothing of what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leak {
    /// Beyond the gate's moment: a bar that has not closed, a text or a filing to come.
    LaterThanAsOf,
    /// Texts that do not say when they were known.
    Undated,
    /// The statement of a period for which none was filed.
    Unfiled,
    /// What becomes of decisions later.
    LaterMemory,
    /// Something that is not part of the season.
    UnknownSymbol,
}

impl Leak {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::LaterThanAsOf, Self::Undated, Self::Unfiled, Self::LaterMemory, Self::UnknownSymbol];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LaterThanAsOf => "later_than_as_of",
            Self::Undated => "undated",
            Self::Unfiled => "unfiled",
            Self::LaterMemory => "later_memory",
            Self::UnknownSymbol => "unknown_symbol",
        }
    }
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
