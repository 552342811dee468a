//! Which symbols are worth trading, and why each other is not.
//!
//! Universe → filtered → scored → diverse → selected: [`measure::measure`] looks at each symbol alone,
//! [`Filtered`] has every reason against each, [`Scored`] ranks those without one, [`Scored::diverse`]
//! makes a list of them, and [`Scored::selected`] looks at whatever list comes out at the end. Nothing is
//! dropped without a reason. What the four agents are shown is [`Scored::brief`].
//!
//! Inside are floats; what leaves is a [`Ratio`], a price or money.

pub mod advised;
pub mod correlation;
pub mod diversify;
pub mod dynamic;
pub mod filter;
pub mod garch;
pub mod half_life;
pub mod hurst;
pub mod issuer;
pub mod measure;
mod numbers;
pub mod prefilter;
pub mod regime;
pub mod score;
pub mod series;
pub mod validate;
pub mod whiteness;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use numbers::Undefined;

use self::correlation::{Column, Matrix};
use self::diversify::Diverse;
use self::measure::{Member, measure};
use self::score::{Weights, WeightsError};
use crate::brief::selection::{
    Candidate, Constraints, FilterReport, Pair, SelectionBrief, SelectionStep,
};
use crate::brief::trading::TrackRecord;
use crate::fixed::Price;
use crate::market::asset::Asset;
use crate::market::series::Series;
use crate::market::symbol::{AssetClass, Symbol};
use crate::ratio::Ratio;
use crate::regime::RegimeFilter;
use crate::signal::Regime;
use crate::time::Time;

/// Symbols beside the list whose correlations are in a brief: those that a swap would bring in.
pub const RESERVE: usize = 10;
/// The most symbols of a universe that are in a brief, those of the list not counted: a record and a prompt
/// have an end.
pub const SHOWN: usize = 100;

/// A universe after the hard filters: every symbol with every reason against it.
#[derive(Clone, Debug, PartialEq)]
pub struct Filtered {
    as_of: Time,
    constraints: Constraints,
    regime: Regime,
    members: Vec<Member>,
    reports: Vec<FilterReport>,
}

impl Filtered {
    /// Filters a universe; `per_year` is how many bars a year has. Of a symbol that is there twice the
    /// first is taken.
    pub fn of(
        mut members: Vec<Member>,
        as_of: Time,
        constraints: Constraints,
        per_year: Ratio,
    ) -> Self {
        let mut seen = BTreeSet::new();
        members.retain(|member| seen.insert(member.candidate.symbol.clone()));
        let reports = filter::apply(&mut members, as_of, &constraints);
        let regime = market_regime(&members, per_year);
        Self { as_of, constraints, regime, members, reports }
    }

    /// The columns of the symbols that nothing speaks against, for [`correlation::row`].
    pub fn columns(&self) -> Vec<(Symbol, Column)> {
        let passed = self.members.iter().filter(|member| member.candidate.excluded.is_empty());
        passed
            .map(|member| (member.candidate.symbol.clone(), Column::of(member.closes.clone())))
            .collect()
    }

    /// Scores and ranks. The matrix has the correlations of [`Filtered::columns`]; a pair that is not in it
    /// counts as too close.
    ///
    /// # Errors
    /// When the weights are none.
    pub fn score(self, weights: Weights, matrix: Matrix) -> Result<Scored, WeightsError> {
        let mut candidates: Vec<Candidate> =
            self.members.into_iter().map(|member| member.candidate).collect();
        candidates.sort_by(|a, b| a.symbol.cmp(&b.symbol));
        score::rank(&mut candidates, &weights)?;
        let Self { as_of, constraints, regime, reports, .. } = Self { members: Vec::new(), ..self };
        Ok(Scored { as_of, constraints, regime, candidates, reports, weights, matrix })
    }
}

/// How many bars a year series have: shares where there is one, else the first.
pub fn per_year<'a>(series: impl IntoIterator<Item = &'a Series>) -> Ratio {
    let shares_first = |series: &&Series| series.class != AssetClass::Equity;
    series
        .into_iter()
        .min_by_key(shares_first)
        .map_or(Ratio::of(252.0), |series| series.timeframe.bars_per_year(series.class))
}

/// The regime of the whole: that of an index which holds every symbol alike and is made anew at each bar.
fn market_regime(members: &[Member], per_year: Ratio) -> Regime {
    let mut moves: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
    for member in members.iter().filter(|member| member.candidate.excluded.is_empty()) {
        let closes = &member.closes;
        for (key, step) in closes.keys().iter().skip(1).zip(closes.returns()) {
            let entry = moves.entry(*key).or_default();
            *entry = (entry.0 + step, entry.1 + 1.0);
        }
    }
    let mut filter = RegimeFilter::new(per_year);
    let mut level = 0.0_f64;
    for (sum, count) in moves.values() {
        level += sum / count;
        // An index beyond what a price holds tells nothing more.
        if let Ok(price) = Price::from_f64(1_000.0 * level.exp()) {
            filter.update(price);
        }
    }
    filter.regime()
}

/// A universe with its scores: what lists are made of, and what the agents are shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    as_of: Time,
    constraints: Constraints,
    regime: Regime,
    /// In the order of their symbols.
    candidates: Vec<Candidate>,
    reports: Vec<FilterReport>,
    weights: Weights,
    matrix: Matrix,
}

impl Scored {
    /// The ranking of some symbols by the bars that were closed at `as_of`, made on this thread.
    ///
    /// # Errors
    /// When the weights are none.
    pub fn of(
        listed: &[(Asset, Series)],
        as_of: Time,
        rules: &Constraints,
        weights: Weights,
    ) -> Result<Self, WeightsError> {
        let members = listed.iter().map(|(asset, series)| measure(asset, series, as_of, rules));
        let per_year = per_year(listed.iter().map(|(_, series)| series));
        let filtered = Filtered::of(members.collect(), as_of, rules.clone(), per_year);
        let matrix = Matrix::from_rows(filtered.columns(), Vec::new());
        filtered.score(weights, matrix)
    }

    /// Nothing was known later than this.
    pub const fn as_of(&self) -> Time {
        self.as_of
    }

    /// What a list must satisfy.
    pub const fn constraints(&self) -> &Constraints {
        &self.constraints
    }

    /// The regime of the whole universe.
    pub const fn regime(&self) -> &Regime {
        &self.regime
    }

    /// Every symbol, in alphabetical order.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// What each filter let pass.
    pub fn reports(&self) -> &[FilterReport] {
        &self.reports
    }

    /// The weights of the scores.
    pub const fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The correlations of all symbols that have passed the filters.
    pub const fn matrix(&self) -> &Matrix {
        &self.matrix
    }

    /// A symbol of the universe.
    pub fn candidate(&self, symbol: &Symbol) -> Option<&Candidate> {
        let at = self.candidates.binary_search_by(|known| known.symbol.cmp(symbol)).ok()?;
        self.candidates.get(at)
    }

    /// The symbols that have a place, best first.
    pub fn ranked(&self) -> Vec<&Candidate> {
        let mut ranked: Vec<&Candidate> =
            self.candidates.iter().filter(|candidate| candidate.rank.is_some()).collect();
        ranked.sort_by_key(|candidate| candidate.rank);
        ranked
    }

    /// Scores once more with other weights.
    ///
    /// # Errors
    /// When the weights are none; then nothing is changed.
    pub fn reweigh(&mut self, weights: Weights) -> Result<(), WeightsError> {
        score::rank(&mut self.candidates, &weights)?;
        self.weights = weights;
        Ok(())
    }

    /// Takes a symbol out, with the reason; `false` where it is not in the universe.
    pub fn exclude(&mut self, symbol: &Symbol, reason: String) -> bool {
        let found = self.candidates.binary_search_by(|known| known.symbol.cmp(symbol));
        let Some(candidate) = found.ok().and_then(|at| self.candidates.get_mut(at)) else {
            return false;
        };
        candidate.excluded.push(reason);
        // The weights were accepted before, so the ranking cannot be refused.
        score::rank(&mut self.candidates, &self.weights).is_ok()
    }

    /// Ranks once more with `margin` added to the scores of some; the scores stay as they are.
    pub fn favour(&mut self, symbols: &BTreeSet<Symbol>, margin: Ratio) {
        let is_favoured = |known: &Candidate| symbols.contains(&known.symbol);
        score::place(
            &mut self.candidates,
            |known| {
                if is_favoured(known) { margin.get() } else { 0.0 }
            },
        );
    }

    /// What the selection team is shown: `diverse` is the list as the diversity step left it, `shortlist`
    /// the one that is spoken of. Correlations are those of both and of the next best [`RESERVE`]; of a
    /// universe that is larger than [`SHOWN`] the best by score are in it, then the others by name.
    pub fn brief(
        &self,
        step: SelectionStep,
        diverse: &Diverse,
        shortlist: &[Symbol],
        track_record: TrackRecord,
    ) -> SelectionBrief {
        let on_list: BTreeSet<&Symbol> = diverse.list.iter().chain(shortlist).collect();
        let ranked = self.ranked();
        let reserve = ranked.iter().map(|known| &known.symbol).filter(|one| !on_list.contains(one));
        let shown: Vec<&Symbol> = on_list.iter().copied().chain(reserve.take(RESERVE)).collect();
        SelectionBrief {
            step,
            as_of: self.as_of,
            regime: self.regime,
            candidates: self.shown(&ranked, &on_list),
            filters: self.reports.clone(),
            correlations: self.pairs(&shown),
            weights: self.weights.clone(),
            diverse: diverse.list.clone(),
            shortlist: shortlist.to_vec(),
            constraints: self.constraints.clone(),
            track_record,
        }
    }

    /// The candidates of a brief, in alphabetical order.
    fn shown(&self, ranked: &[&Candidate], on_list: &BTreeSet<&Symbol>) -> Vec<Candidate> {
        let others = self.candidates.iter().filter(|known| known.rank.is_none());
        let beside = ranked.iter().copied().chain(others);
        let beside = beside.map(|known| &known.symbol).filter(|one| !on_list.contains(one));
        let shown: BTreeSet<&Symbol> = beside.take(SHOWN).chain(on_list.iter().copied()).collect();
        let known = self.candidates.iter().filter(|known| shown.contains(&known.symbol));
        known.cloned().collect()
    }

    /// The known correlations among some symbols.
    pub fn pairs(&self, symbols: &[&Symbol]) -> Vec<Pair> {
        let mut pairs = Vec::new();
        for (at, a) in symbols.iter().enumerate() {
            for b in &symbols[at + 1..] {
                if let Some(correlation) = self.matrix.get(a, b) {
                    pairs.push(Pair { a: (*a).clone(), b: (*b).clone(), correlation });
                }
            }
        }
        pairs
    }
}
