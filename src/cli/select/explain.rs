//! `select --explain SYMBOL`: everything that is known of one symbol, and why it is on the list or not.

use std::io::Write;

use conclave_domain::brief::selection::{Candidate, Metric};
use conclave_domain::market::symbol::Symbol;
use conclave_domain::ratio::Ratio;
use serde::Serialize;

use super::show::{bar, figure, score};
use crate::cli::error::CliError;
use crate::cli::format::{Align, Table};
use crate::report::selection::SelectionReport;

/// What `--explain --format json` prints.
#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    schema: &'static str,
    symbol: &'a Symbol,
    selected: bool,
    why: String,
    candidate: Option<&'a Candidate>,
    first_look: Option<&'a [String]>,
}

/// Everything about one symbol.
pub(super) fn document<'a>(report: &'a SelectionReport, symbol: &'a Symbol) -> Document<'a> {
    Document {
        schema: "selection-symbol/1",
        symbol,
        selected: report.selected.symbols().contains(symbol),
        why: why(report, symbol),
        candidate: report.candidate(symbol),
        first_look: report.first_look.get(symbol).map(Vec::as_slice),
    }
}

/// One sentence: on the list at which place, or why not.
fn why(report: &SelectionReport, symbol: &Symbol) -> String {
    if let Some(place) = report.selected.symbols().iter().position(|one| one == symbol) {
        return format!("on the list, place {}", place + 1);
    }
    if let Some(why) = report.passed_over.get(symbol) {
        return format!("not on the list: {why}");
    }
    let measured = report.candidate(symbol).map(|known| &known.excluded);
    let reasons = measured.or_else(|| report.first_look.get(symbol));
    let reasons = reasons.map_or_else(String::new, |reasons| reasons.join("; "));
    format!("excluded: {reasons}")
}

fn none() -> String {
    "n/a".to_owned()
}

/// What is known of a symbol beside its metrics.
fn facts(report: &SelectionReport, candidate: &Candidate) -> Table {
    let percent = |share: Ratio| format!("{:.1} %", share.get() * 100.0);
    let mut facts = Table::listing();
    facts
        .row(["class".to_owned(), candidate.class.name().to_owned()])
        .row(["sector".to_owned(), candidate.sector.clone()])
        .row(["issuer".to_owned(), candidate.issuer.clone()])
        .row(["bars".to_owned(), candidate.bars.to_string()])
        .row(["missing".to_owned(), percent(candidate.gap_share)])
        .row(["last bar".to_owned(), candidate.last_bar_at.to_string()])
        .row(["price".to_owned(), candidate.price.to_string()])
        .row(["traded a session".to_owned(), format!("{:.0}", candidate.dollar_volume)])
        .row(["volatility".to_owned(), candidate.volatility.map_or_else(none, percent)])
        .row(["score".to_owned(), score(candidate)])
        .row(["place".to_owned(), candidate.rank.map_or_else(none, |rank| rank.to_string())]);
    if let Some(truth) = report.truth.get(&candidate.symbol) {
        facts.row(["truly".to_owned(), truth.clone()]);
    }
    facts
}

/// Prints everything about one symbol.
pub(super) fn print(
    report: &SelectionReport,
    symbol: &Symbol,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    writeln!(out, "{symbol}: {}", why(report, symbol))?;
    let Some(candidate) = report.candidate(symbol) else { return Ok(()) };
    writeln!(out, "\n{}", facts(report, candidate))?;
    if candidate.metrics.is_empty() {
        return Ok(());
    }
    let mut table = Table::new([
        ("metric", Align::Left),
        ("value", Align::Right),
        ("part", Align::Right),
        ("", Align::Left),
        ("weight", Align::Right),
        ("how it was found", Align::Left),
    ]);
    for metric in Metric::ALL {
        let Some(found) = candidate.metrics.get(&metric) else { continue };
        let weight = report.weights.get(&metric);
        table.row([
            metric.name().replace('_', " "),
            figure(candidate, metric, 4),
            found.part.map_or_else(none, |part| format!("{:.3}", part.get())),
            bar(found.part).to_string(),
            weight.map_or_else(none, |weight| format!("{:.2}", weight.get())),
            found.diagnostic.clone(),
        ]);
    }
    writeln!(out, "{table}")?;
    let on_list = report.selected.symbols().iter().filter(|one| *one != symbol);
    let mut pairs = Table::new([("moves with", Align::Left), ("correlation", Align::Right)]);
    for other in on_list {
        let found = report.correlation(symbol, other);
        let text = found.map_or_else(none, |found| format!("{:.3}", found.get()));
        pairs.row([other.to_string(), text]);
    }
    if !pairs.is_empty() {
        writeln!(out, "{pairs}")?;
    }
    Ok(())
}
