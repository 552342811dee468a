//! What `select` prints: the list with a bar per metric, who stands beside it and why, and the filters.

use std::io::Write;
use std::path::Path;

use conclave_domain::brief::selection::{Candidate, FilterReport, Metric};
use conclave_domain::market::symbol::Symbol;
use conclave_domain::ratio::Ratio;
use conclave_domain::selection::advised::{Council, Heeded, Shift};

use crate::cli::error::CliError;
use crate::cli::format::{Align, Table};
use crate::report::selection::{SelectionReport, verdict};

/// Symbols beside the list that are named with their reasons.
const BESIDE: usize = 8;
/// From nothing to a full part.
const BARS: [char; 9] = ['·', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The metrics in the columns of a row, beside their bar.
const FIGURES: [(Metric, &str, usize); 8] = [
    (Metric::HurstShort, "hurst s", 2),
    (Metric::HurstLong, "hurst l", 2),
    (Metric::HalfLife, "half-life", 1),
    (Metric::GarchPersistence, "garch", 3),
    (Metric::RegimePersistence, "regime", 3),
    (Metric::Autocorrelation, "acf 1", 3),
    (Metric::Sharpe, "sharpe", 2),
    (Metric::Drawdown, "drawdown", 3),
];

/// Prints a selection.
pub(super) fn print(
    report: &SelectionReport,
    dir: Option<&Path>,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let (picked, universe) = (report.selected.symbols().len(), report.universe);
    writeln!(out, "{picked} of {universe} symbols, as of {}; {}", report.as_of, report.source)?;
    let regime = &report.regime;
    let share = |share: Ratio| format!("{:.0} %", share.get() * 100.0);
    writeln!(
        out,
        "regime: bull {}, bear {}, sideways {}, crash {}\n",
        share(regime.bull),
        share(regime.bear),
        share(regime.sideways),
        share(regime.crash)
    )?;
    if picked > 0 {
        writeln!(out, "{}", scores(report, report.selected.symbols()))?;
    }
    if report.sectorless() > 0 {
        let text = "of the list have no known sector: they do not count against the share of one";
        writeln!(out, "{} {text}\n", report.sectorless())?;
    }
    if picked < report.count && picked > 0 {
        writeln!(out, "{} were asked for; no more fit together\n", report.count)?;
    }
    for others in [beside(report), excluded(report)].into_iter().flatten() {
        writeln!(out, "{others}")?;
    }
    if let Some(council) = &report.council {
        write!(out, "{}", advice(council))?;
    }
    writeln!(out, "{}", filters(&report.filters))?;
    if let Some(dir) = dir {
        writeln!(out, "report: {}", dir.join("report.html").display())?;
    }
    writeln!(out, "conclave select … --explain SYMBOL says everything about one of them")?;
    Ok(())
}

/// The best that are not on the list, each with a reason, and how many more; `None` where nobody is.
fn beside(report: &SelectionReport) -> Option<String> {
    let columns = [("not on it", Align::Left), ("score", Align::Right), ("why", Align::Left)];
    let mut table = Table::new(columns);
    let passed_over = |known: &&Candidate| report.passed_over.contains_key(&known.symbol);
    for candidate in report.candidates.iter().filter(passed_over).take(BESIDE) {
        let why = report.passed_over.get(&candidate.symbol).cloned().unwrap_or_default();
        table.row([candidate.symbol.to_string(), score(candidate), why]);
    }
    with_more(&table, report.passed_over.len())
}

/// A table of the first of so many; `None` where there is nobody.
fn with_more(table: &Table, all: usize) -> Option<String> {
    let more = all.saturating_sub(BESIDE);
    let more = if more > 0 { format!("and {more} more\n") } else { String::new() };
    (!table.is_empty()).then(|| format!("{table}{more}"))
}

/// The first that were excluded, each with a reason, and how many more; `None` where nobody was.
fn excluded(report: &SelectionReport) -> Option<String> {
    let mut table = Table::new([("excluded", Align::Left), ("why", Align::Left)]);
    for (symbol, why) in report.excluded().take(BESIDE) {
        table.row([symbol.to_string(), why.to_owned()]);
    }
    with_more(&table, report.excluded().count())
}

/// What the agents asked for, and what that changed, symbol by symbol.
fn advice(council: &Council) -> String {
    let mut lines = vec![format!("agents: {}", verdict(council))];
    for Heeded { by, wish, refused } in &council.asked {
        let refused = refused.as_ref().map(|why| format!(", refused: {why}")).unwrap_or_default();
        lines.push(format!("  {}: {wish}{refused}", by.replace('_', " ")));
    }
    let text = lines.join("\n") + "\n\n";
    if council.shifts.is_empty() {
        return text;
    }
    let place = |at: Option<usize>| at.map_or_else(|| "beside".to_owned(), |at| at.to_string());
    let points = |score: Option<Ratio>| {
        score.map_or_else(|| "none".to_owned(), |it| format!("{:.3}", it.get()))
    };
    let mut table = Table::new([
        ("by the agents", Align::Left),
        ("place", Align::Right),
        ("was", Align::Right),
        ("score", Align::Right),
        ("was", Align::Right),
    ]);
    for Shift { symbol, was, now } in &council.shifts {
        let (here, there) = (place(now.on_list), place(was.on_list));
        table.row([symbol.to_string(), here, there, points(now.score), points(was.score)]);
    }
    text + &format!("{table}\n")
}

/// A row per symbol: its score, each metric, and its parts of the score as bars.
fn scores(report: &SelectionReport, symbols: &[Symbol]) -> Table {
    let mut columns = vec![
        ("symbol", Align::Left),
        ("score", Align::Right),
        ("parts", Align::Left),
        ("sector", Align::Left),
    ];
    columns.extend(FIGURES.map(|(_, title, _)| (title, Align::Right)));
    if !report.truth.is_empty() {
        columns.push(("truly", Align::Left));
    }
    let mut table = Table::new(columns);
    for symbol in symbols {
        let Some(candidate) = report.candidate(symbol) else { continue };
        let mut row =
            vec![symbol.to_string(), score(candidate), bars(candidate), candidate.sector.clone()];
        row.extend(FIGURES.map(|(metric, _, places)| figure(candidate, metric, places)));
        row.extend(report.truth.get(symbol).cloned());
        table.row(row);
    }
    table
}

pub(super) fn score(candidate: &Candidate) -> String {
    candidate.score.map_or_else(|| "none".to_owned(), |score| format!("{:.3}", score.get()))
}

/// A metric's value, or that there is none.
pub(super) fn figure(candidate: &Candidate, metric: Metric, places: usize) -> String {
    let value = candidate.metrics.get(&metric).and_then(|found| found.value);
    value.map_or_else(|| "n/a".to_owned(), |value| format!("{:.places$}", value.get()))
}

/// One block per metric, in the order of their weights.
fn bars(candidate: &Candidate) -> String {
    let part = |metric: &Metric| candidate.metrics.get(metric).and_then(|found| found.part);
    Metric::ALL.iter().map(|metric| bar(part(metric))).collect()
}

/// A part as one block.
pub(super) fn bar(part: Option<Ratio>) -> char {
    let Some(part) = part else { return '?' };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part is from 0 to 1"
    )]
    let step = (part.get() * 8.0).round() as usize;
    BARS[step.min(8)]
}

/// What each filter let pass, a row per class and filter that refused somebody.
fn filters(reports: &[FilterReport]) -> Table {
    let mut table = Table::new([
        ("filter", Align::Left),
        ("class", Align::Left),
        ("seen", Align::Right),
        ("passed", Align::Right),
    ]);
    for line in reports {
        let (seen, passed) = (line.seen.to_string(), line.passed.to_string());
        table.row([line.filter.clone(), line.class.name().to_owned(), seen, passed]);
    }
    table
}
