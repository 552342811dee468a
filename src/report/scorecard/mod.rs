//! What a scorecard leaves behind: `report.html` with the forest plot and the reliability diagrams, and
//! `scorecard.json`.
//!
//! Plain data in, files out, as for the report of a run.

use std::path::{Path, PathBuf};

use conclave_domain::scorecard::{Card, pair_sentence, sentence};
use serde::Serialize;

use super::files::{ReportError, put_all};

mod chart;
mod page;

/// A run that a card is over.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Counted {
    /// Its name on the command line.
    pub run: String,
    /// The hash of its records.
    pub record_hash: Option<String>,
    /// What a reader must know of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Everything that a scorecard tells; as JSON it is the document of the verb.
#[derive(Clone, Debug, Serialize)]
pub struct ScorecardReport {
    /// `scorecard/1`.
    pub schema: &'static str,
    /// The runs.
    pub over: Vec<Counted>,
    /// A sentence for each agent, those that hurt first, then for each pair.
    pub words: Vec<String>,
    /// How to read it.
    pub notes: Vec<String>,
    /// The figures.
    #[serde(flatten)]
    pub card: Card,
}

impl ScorecardReport {
    /// The report of a card.
    pub fn new(over: Vec<Counted>, card: Card) -> Self {
        let pairs = card.pairs.iter().map(pair_sentence);
        let words = card.lines.iter().map(sentence).chain(pairs).collect();
        Self { schema: "scorecard/1", over, words, notes: notes(&card), card }
    }
}

/// What a reader of the figures has to know.
fn notes(card: &Card) -> Vec<String> {
    let frozen: std::collections::BTreeSet<&str> = card
        .lines
        .iter()
        .filter_map(|line| line.worth.as_ref())
        .fold(std::collections::BTreeSet::new(), |mut all, worth| {
            all.extend(worth.frozen.iter().copied());
            all
        });
    let exactness = if frozen.is_empty() {
        "exact: every agent that is asked in a repetition thinks anew".to_owned()
    } else {
        let names: Vec<&str> = frozen.into_iter().collect();
        format!(
            "approximate: in the repetitions the recorded answers of {} are frozen, whatever they would \
             have said to other briefs",
            names.join(", ")
        )
    };
    let share =
        card.family_error.get() / f64::from(u32::try_from(card.comparisons).unwrap_or(1)).max(1.0);
    vec![
        exactness,
        format!(
            "worth is the account with the agent less the account without, a fraction of its first \
             equity, mean over the runs; each interval misses with {:.2} %, so that all {} together \
             miss with {:.0} %, and where so few or so long stretches of days differ that this cannot \
             be promised, none is given",
            share * 100.0,
            card.comparisons,
            card.family_error.get() * 100.0
        ),
        "muting the risk_guardian takes away its judgement; its hard limits stay".to_owned(),
    ]
}

/// Writes the report into `dir`.
///
/// # Errors
/// When a chart cannot be drawn or a file not be written.
pub fn write(report: &ScorecardReport, dir: &Path) -> Result<Vec<PathBuf>, ReportError> {
    let html = page::html(report).map_err(ReportError::Chart)?;
    let document = serde_json::to_string_pretty(report)? + "\n";
    put_all(dir, [("report.html", html), ("scorecard.json", document)])
}

#[cfg(test)]
mod tests;
