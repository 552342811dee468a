//! Corporate actions: of the many kinds that the data side tells, splits.

use serde::{Deserialize, Serialize};

use super::number::{Figure, or_default, plain};
use crate::market::splits::{RATES_SLACK, Split};
use crate::market::symbol::Symbol;

/// A page of `GET /v1/corporate-actions`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionsPage {
    /// What happened.
    pub corporate_actions: Actions,
    /// Where the next page begins.
    #[serde(default)]
    pub next_page_token: Option<String>,
}

/// What happened, by kind; kinds that are not asked for pass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Actions {
    /// More shares than before.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub forward_splits: Vec<SplitAction>,
    /// Fewer shares than before.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub reverse_splits: Vec<SplitAction>,
}

/// A split, in either direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitAction {
    /// Whose shares.
    pub symbol: String,
    /// Shares after.
    #[serde(with = "plain")]
    pub new_rate: Figure,
    /// Shares before.
    #[serde(with = "plain")]
    pub old_rate: Figure,
    /// The first session at the new price, `2020-08-31`.
    pub ex_date: String,
}

impl SplitAction {
    /// As a split of ours. `None` where its symbol or day is none, or its rates are no ratio.
    pub fn split(&self) -> Option<Split> {
        let symbol = Symbol::new(&self.symbol).ok()?;
        let rates = (self.new_rate.decimal(), self.old_rate.decimal());
        Split::told(&symbol, self.ex_date.parse().ok()?, rates, RATES_SLACK)
    }
}
