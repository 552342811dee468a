//! The selection team: four advisers on what to trade, one file each.

use conclave_domain::brief::selection::SelectionBrief;
use conclave_domain::market::symbol::Symbol;

use crate::runtime::agent::{ConsultError, Entry};

pub mod compatibility_auditor;
pub mod portfolio_coherence;
pub mod run;
pub mod symbol_scorer;
pub mod weight_optimizer;

/// The team, in the order in which it is asked and listed: the first two act, the others check.
pub const TEAM: &[Entry<SelectionBrief>] = &[
    Entry::of::<symbol_scorer::SymbolScorer>(),
    Entry::of::<weight_optimizer::WeightOptimizer>(),
    Entry::of::<compatibility_auditor::CompatibilityAuditor>(),
    Entry::of::<portfolio_coherence::PortfolioCoherence>(),
];

/// The symbol that an answer names, if the brief has it.
fn known_symbol(text: &str, brief: &SelectionBrief) -> Result<Symbol, ConsultError> {
    let symbol =
        Symbol::new(text).map_err(|error| ConsultError::Unreadable { why: error.to_string() })?;
    if brief.candidate(&symbol).is_some() {
        Ok(symbol)
    } else {
        Err(ConsultError::Unreadable { why: format!("`{symbol}` is not in the universe") })
    }
}

#[cfg(test)]
pub(crate) mod sample {
    //! The example brief of `tests/briefs/`, for the tests of this team.

    use conclave_domain::brief::selection::SelectionStep;

    use super::SelectionBrief;

    /// A sound selection that is being checked.
    pub(crate) fn checking() -> SelectionBrief {
        serde_json::from_str(include_str!("../../tests/briefs/selection.json")).unwrap()
    }

    /// The same selection while symbols are scored.
    pub(crate) fn scoring() -> SelectionBrief {
        SelectionBrief { step: SelectionStep::Score, ..checking() }
    }

    /// The same selection when its list is put to the vote.
    pub(crate) fn voting() -> SelectionBrief {
        SelectionBrief { step: SelectionStep::Vote, ..checking() }
    }
}

#[cfg(test)]
mod tests;
