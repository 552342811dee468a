//! A selection from bars to a ranking: universes, and the work shared out over threads.
//!
//! What is decided lies in `domain/selection`, which is pure; here is only who does which part of it. The
//! result does not depend on the number of threads.

mod alpaca;
mod council;
mod spread;
mod universe;

use conclave_domain::brief::selection::{Constraints, FilterReport};
use conclave_domain::market::symbol::Symbol;
use conclave_domain::selection::correlation::{self, Column, Matrix};
use conclave_domain::selection::measure::{Member, measure};
use conclave_domain::selection::score::{Weights, WeightsError};
use conclave_domain::selection::{Filtered, Scored, per_year};
use conclave_domain::time::Time;

pub use alpaca::from_alpaca;
pub use council::{Question, advise};
pub use spread::{cores, spread};
pub use universe::{Listed, Source, Synthetic, Universe, load, splits};

/// Measures, filters, scores and ranks a universe by the bars that were closed at `as_of`.
///
/// # Errors
/// When the weights are none.
pub fn rank(
    universe: &Universe,
    as_of: Time,
    rules: &Constraints,
    weights: Weights,
    threads: usize,
) -> Result<Scored, WeightsError> {
    let listed = &universe.listed;
    let members: Vec<Member> = spread(listed.len(), threads, |at| {
        let Listed { asset, series } = &listed[at];
        measure(asset, series, as_of, rules)
    });
    let per_year = per_year(listed.iter().map(|listed| &listed.series));
    let filtered = Filtered::of(members, as_of, rules.clone(), per_year);
    let matrix = matrix(&filtered, threads);
    filtered.score(weights, matrix)
}

/// The correlations of all symbols that passed the filters, by rows.
fn matrix(filtered: &Filtered, threads: usize) -> Matrix {
    let (symbols, columns): (Vec<Symbol>, Vec<Column>) = filtered.columns().into_iter().unzip();
    // The longest rows first, so that no thread is left with one of them at the end.
    let last = columns.len().saturating_sub(1);
    let mut rows = spread(columns.len(), threads, |at| correlation::row(&columns, last - at));
    rows.reverse();
    Matrix::from_rows(symbols.into_iter().zip(columns).collect(), rows)
}

/// What was dropped before any bar was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FirstLook {
    /// Every reason against each symbol that was dropped.
    pub refused: std::collections::BTreeMap<Symbol, Vec<String>>,
    /// What each filter let pass.
    pub reports: Vec<FilterReport>,
}
