//! Verdicts for people and scripts.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use conclave_domain::arena::ledger::{Finding, Verdict};
use conclave_domain::arena::market::Refusal;
use conclave_domain::fixed::Money;
use serde_json::{Value, json};

use crate::cli::error::{CliError, ExitCode};
use crate::cli::format::{Align, Table};

/// The most findings that the text shows of a book.
const SHOWN_MAX: usize = 20;

/// Nothing where every book holds.
///
/// # Errors
/// [`ExitCode::Data`] with everything that is against them.
pub(super) fn held(verdicts: &[&Verdict], path: &Path) -> Result<(), CliError> {
    let broken: Vec<&&Verdict> = verdicts.iter().filter(|verdict| !verdict.holds).collect();
    if broken.is_empty() {
        return Ok(());
    }
    let sum = |of: fn(&Verdict) -> usize| broken.iter().map(|verdict| of(verdict)).sum::<usize>();
    let counts = [
        (sum(|it| it.unreconciled), "do not reconcile"),
        (sum(|it| it.orphaned), "orphaned"),
        (sum(|it| it.broken_lines), "changed without a trade"),
        // What of a file cannot be read stands in the verdict on each of its books.
        (broken.iter().map(|it| it.unreadable).max().unwrap_or(0), "unreadable"),
        (sum(|it| it.refused_booked), "booked against a rule"),
    ];
    let against: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let mut text = format!("{} does not hold: {}", path.display(), against.join(", "));
    if let Some(line) = broken.iter().filter_map(|verdict| verdict.first_break).min() {
        text = format!("{text}; the first break is on line {line}");
    }
    Err(CliError::new(ExitCode::Data, text))
}

/// Several books of one file in one document: their sums, and each of them.
pub(super) fn together(verdicts: &[&Verdict]) -> Value {
    let sum = |of: fn(&Verdict) -> usize| verdicts.iter().map(|it| of(it)).sum::<usize>();
    let total = |of: fn(&Verdict) -> Option<Money>| {
        let mut parts = verdicts.iter().map(|it| of(it));
        parts.try_fold(Money::ZERO, |sum, part| sum.plus(part?).ok())
    };
    let mut refused: BTreeMap<Refusal, usize> = BTreeMap::new();
    for (rule, count) in verdicts.iter().flat_map(|verdict| &verdict.refused) {
        *refused.entry(*rule).or_default() += count;
    }
    json!({
        "schema": "arena-verify/1",
        "market": verdicts.first().map(|it| it.market),
        "mode": verdicts.first().map(|it| it.mode),
        "lines": sum(|it| it.lines),
        "trades": sum(|it| it.trades),
        "reconciled": sum(|it| it.reconciled),
        "unreconciled": sum(|it| it.unreconciled),
        "orphaned": sum(|it| it.orphaned),
        "refused": refused,
        "refused_booked": sum(|it| it.refused_booked),
        "broken_lines": sum(|it| it.broken_lines),
        "unreadable": verdicts.iter().map(|it| it.unreadable).max(),
        "holds": verdicts.iter().all(|it| it.holds),
        "start_cash": total(|it| Some(it.start_cash)),
        "final_cash": total(|it| Some(it.final_cash)),
        "fees": total(|it| Some(it.fees)),
        "final_nav": total(|it| it.final_nav),
        "books": verdicts,
    })
}

/// Prints each book.
///
/// # Errors
/// When it cannot be written.
pub(super) fn print(verdicts: &[&Verdict], out: &mut dyn Write) -> Result<(), CliError> {
    for (index, verdict) in verdicts.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        if let Some(model) = &verdict.model {
            writeln!(out, "{}", model.replace(char::is_control, " "))?;
        }
        print_one(verdict, out)?;
    }
    Ok(())
}

fn print_one(verdict: &Verdict, out: &mut dyn Write) -> Result<(), CliError> {
    let mut table = Table::pairs();
    let currency = verdict.market.currency();
    let nav = verdict.final_nav.map_or_else(|| "unknown".to_owned(), |nav| nav.to_string());
    for (name, count) in [
        ("lines", verdict.lines),
        ("trades", verdict.trades),
        ("reconciled", verdict.reconciled),
        ("unreconciled", verdict.unreconciled),
        ("orphaned", verdict.orphaned),
        ("rounded lines", verdict.rounded),
        ("broken lines", verdict.broken_lines),
        ("unreadable", verdict.unreadable),
        ("booked against a rule", verdict.refused_booked),
    ] {
        table.row([name.to_owned(), count.to_string()]);
    }
    for (rule, count) in &verdict.refused {
        table.row([format!("refused by {rule}"), count.to_string()]);
    }
    table.row(["final cash".to_owned(), format!("{} {currency}", verdict.final_cash)]);
    table.row(["final value".to_owned(), format!("{nav} {currency}")]);
    table.row(["fees".to_owned(), format!("{} {currency}", verdict.fees)]);
    for (symbol, qty) in &verdict.holdings {
        table.row([format!("holds {symbol}"), qty.to_string()]);
    }
    write!(out, "{table}")?;
    if !verdict.findings.is_empty() {
        write!(out, "\n{}", findings(&verdict.findings))?;
        if verdict.findings_total > SHOWN_MAX {
            writeln!(out, "… {} in all; --format json has more", verdict.findings_total)?;
        }
        writeln!(out)?;
    }
    let word = if verdict.holds { "the book holds" } else { "the book does not hold" };
    Ok(writeln!(out, "{word}")?)
}

fn findings(findings: &[Finding]) -> Table {
    let mut table = Table::new([
        ("line", Align::Right),
        ("at", Align::Left),
        ("symbol", Align::Left),
        ("finding", Align::Left),
    ]);
    for finding in findings.iter().take(SHOWN_MAX) {
        let at = finding.at.map(|at| at.to_string()).unwrap_or_default();
        let symbol = finding.symbol.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut text = finding.text.clone();
        if let Some(file) = &finding.file {
            text = format!("{file}: {text}");
        }
        for (figure, expected) in &finding.expected {
            let stated = finding.stated.get(figure).map_or("", String::as_str);
            text = format!("{text}; {figure} {stated} instead of {expected}");
        }
        table.row([finding.line.to_string(), at, symbol, text]);
    }
    table
}
