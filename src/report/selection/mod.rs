//! What a selection leaves behind: `selection.json` and a self-contained `report.html` with the scores, the
//! weights, a heat map of correlations, and the reason against every other symbol.

mod heat;
mod page;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use conclave_domain::brief::selection::{Candidate, FilterReport, Pair};
use conclave_domain::market::asset::UNKNOWN_SECTOR;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::ratio::Ratio;
use conclave_domain::selection::Scored;
use conclave_domain::selection::advised::Council;
use conclave_domain::selection::diversify::Diverse;
use conclave_domain::selection::score::Weights;
use conclave_domain::selection::validate::Selected;
use conclave_domain::signal::Regime;
use conclave_domain::time::Time;
use serde::Serialize;

use super::{ReportError, put_all};

/// Symbols of the ranking whose correlations are shown beside the list's.
pub const SHOWN: usize = 15;

/// Everything that the report of a selection tells; as JSON it has the schema `selection/1`.
#[derive(Clone, Debug, Serialize)]
pub struct SelectionReport {
    /// The name of the document's form.
    pub schema: &'static str,
    /// Nothing was known later than this.
    pub as_of: Time,
    /// Where the symbols come from, in words.
    pub source: String,
    /// Symbols that were looked at, the first look included.
    pub universe: usize,
    /// How many were asked for.
    pub count: usize,
    /// The list, best first.
    pub selected: Selected,
    /// Why each other symbol with a score is not on it, in words.
    pub passed_over: BTreeMap<Symbol, String>,
    /// The regime of the universe.
    pub regime: Regime,
    /// The weights of the scores.
    pub weights: Weights,
    /// What each filter let pass.
    pub filters: Vec<FilterReport>,
    /// Every symbol that was measured: those with a place first, then the others by name.
    pub candidates: Vec<Candidate>,
    /// Correlations of the list and of the best beside it, in order of their symbols.
    pub correlations: Vec<Pair>,
    /// Reasons against symbols whose bars were never read.
    pub first_look: BTreeMap<Symbol, Vec<String>>,
    /// What each symbol truly is, on series of a known nature.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub truth: BTreeMap<Symbol, String>,
    /// What the agents had to do with the list; `None` where nobody was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub council: Option<Council>,
}

impl SelectionReport {
    /// The report of a list of at most `count`; `explained` is shown among its correlations.
    pub fn of(
        scored: &Scored,
        diverse: &Diverse,
        selected: Selected,
        count: usize,
        explained: Option<&Symbol>,
    ) -> Self {
        let ranked = scored.ranked();
        let on_list = selected.symbols();
        let beside = ranked.iter().map(|known| &known.symbol).filter(|one| !on_list.contains(one));
        let room = SHOWN.saturating_sub(on_list.len());
        let shown: BTreeSet<&Symbol> =
            on_list.iter().chain(beside.take(room)).chain(explained).collect();
        let shown: Vec<&Symbol> = shown.into_iter().collect();
        let mut candidates: Vec<Candidate> = ranked.iter().map(|known| (*known).clone()).collect();
        let others = scored.candidates().iter().filter(|known| known.rank.is_none());
        candidates.extend(others.cloned());
        Self {
            schema: "selection/1",
            as_of: scored.as_of(),
            source: String::new(),
            universe: candidates.len(),
            count,
            passed_over: diverse
                .passed_over
                .iter()
                .map(|(symbol, why)| (symbol.clone(), why.to_string()))
                .collect(),
            regime: *scored.regime(),
            weights: scored.weights().clone(),
            filters: scored.reports().to_vec(),
            correlations: scored.pairs(&shown),
            candidates,
            selected,
            first_look: BTreeMap::new(),
            truth: BTreeMap::new(),
            council: None,
        }
    }

    /// A measured symbol.
    pub fn candidate(&self, symbol: &Symbol) -> Option<&Candidate> {
        self.candidates.iter().find(|known| known.symbol == *symbol)
    }

    /// Symbols whose correlations are shown: the list, then the best beside it.
    fn shown(&self) -> Vec<&Symbol> {
        let mut shown: Vec<&Symbol> = self.selected.symbols().iter().collect();
        for candidate in self.candidates.iter().filter(|known| known.rank.is_some()) {
            if shown.len() < SHOWN && !shown.contains(&&candidate.symbol) {
                shown.push(&candidate.symbol);
            }
        }
        shown
    }

    /// Symbols of the list whose sector nobody knows: no share of a sector is held against them.
    pub fn sectorless(&self) -> usize {
        let unknown = |known: &&Candidate| known.sector == UNKNOWN_SECTOR;
        let on_list = self.selected.symbols().iter().filter_map(|symbol| self.candidate(symbol));
        on_list.filter(unknown).count()
    }

    /// Symbols that a filter or an agent excluded, with the first of their reasons: those that were measured,
    /// then those of the first look.
    pub fn excluded(&self) -> impl Iterator<Item = (&Symbol, &str)> {
        let measured = self.candidates.iter().map(|known| (&known.symbol, &known.excluded));
        let all = measured.chain(&self.first_look);
        all.filter_map(|(symbol, reasons)| Some((symbol, reasons.first()?.as_str())))
    }

    /// The correlation of two symbols that are shown.
    pub fn correlation(&self, a: &Symbol, b: &Symbol) -> Option<Ratio> {
        let wanted = (a.min(b), a.max(b));
        let found = self.correlations.binary_search_by(|pair| (&pair.a, &pair.b).cmp(&wanted));
        found.ok().and_then(|at| self.correlations.get(at)).map(|pair| pair.correlation)
    }
}

/// How the vote of the agents ended, as a sentence.
pub fn verdict(council: &Council) -> String {
    let votes: Vec<String> = council
        .votes
        .iter()
        .map(|(agent, vote)| format!("{} {vote}", agent.replace('_', " ")))
        .collect();
    let votes = if votes.is_empty() { "no vote".to_owned() } else { votes.join(", ") };
    match council.code {
        None => format!("{votes}: the list is theirs"),
        Some(code) => {
            format!("{votes}: the list is the one without them ({code}: {})", code.cause())
        }
    }
}

/// Writes the report into `dir`.
///
/// # Errors
/// When the map cannot be drawn or a file not be written.
pub fn write(report: &SelectionReport, dir: &Path) -> Result<Vec<PathBuf>, ReportError> {
    let html = page::html(report).map_err(ReportError::Chart)?;
    let json = serde_json::to_string_pretty(report).map_err(ReportError::Json)? + "\n";
    put_all(dir, [("report.html", html), ("selection.json", json)])
}

#[cfg(test)]
mod tests;
