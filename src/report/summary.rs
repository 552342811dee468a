//! A run in a few numbers: `summary.json`, `run.json`, and the table at the end of a run.

use std::collections::BTreeMap;

use conclave_domain::metrics::{Basis, Metrics};
use serde::Serialize;

use super::{AgentRow, Counts, Header, MoneyKind, RunReport};
use crate::cli::format::Table;

/// `summary.json`: the metrics by their names, what the council did, and what a reader must know.
#[derive(Debug, Serialize)]
pub(super) struct Summary<'a> {
    schema: &'static str,
    #[serde(flatten)]
    metrics: &'a Metrics,
    #[serde(flatten)]
    counts: &'a Counts,
    orders: usize,
    open_positions: usize,
    agents: &'a [AgentRow],
    gates: Vec<GateSummary>,
    notes: &'a [String],
}

/// A gate in `summary.json`.
#[derive(Debug, Serialize)]
struct GateSummary {
    gate: &'static str,
    tested: u64,
    passed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'static str>,
}

impl<'a> Summary<'a> {
    pub(super) fn of(report: &'a RunReport) -> Self {
        let gates = report.gates.iter().map(|row| GateSummary {
            gate: row.code.as_str(),
            tested: row.tested,
            passed: row.passed,
            warning: row.warning(),
        });
        Self {
            schema: "summary/1",
            metrics: &report.metrics,
            counts: &report.counts,
            orders: report.orders.len(),
            open_positions: report.open.len(),
            agents: &report.agents,
            gates: gates.collect(),
            notes: &report.notes,
        }
    }
}

/// `run.json`: what identifies the run.
#[derive(Debug, Serialize)]
pub(super) struct Run<'a> {
    schema: &'static str,
    #[serde(flatten)]
    header: &'a Header,
    basis: &'a Basis,
}

impl<'a> Run<'a> {
    pub(super) fn of(report: &'a RunReport) -> Self {
        Self { schema: "run/1", header: &report.header, basis: &report.metrics.basis }
    }
}

/// The table that a run ends with in the terminal: money, ratios with their basis, and the council.
///
/// It ends with a line feed. The council's lines are left out when no round was opened.
pub fn summary_table(report: &RunReport) -> String {
    let RunReport { metrics, counts, .. } = report;
    let text = |key: &str| {
        metrics.find(key).map(|shown| metrics.text_on_basis(&shown)).unwrap_or_default()
    };
    let mut table = Table::listing();
    let money = if report.header.money == MoneyKind::Paper { "paper" } else { "live" };
    let equity = format!("{} from {} ({money})", text("end_equity"), text("start_equity"));
    table.row(["Equity", &equity]);
    let mut growth = text("total_return");
    if let (Some(benchmark), Ok(_)) = (&report.header.benchmark, metrics.benchmark_return) {
        growth = format!("{growth} ({benchmark}: {})", text("benchmark_return"));
    }
    table.row(["Return", &growth]);
    table.row(["CAGR", &text("cagr")]);
    table.row(["Sharpe", &text("sharpe")]);
    let fall = format!("{}, longest {}", text("max_drawdown"), text("max_drawdown_duration_s"));
    table.row(["Max drawdown", &fall]);
    let trades = format!(
        "{}, won {}, profit factor {}, fees {}",
        text("trades"),
        text("win_rate"),
        text("profit_factor"),
        text("fees_paid"),
    );
    table.row(["Trades", &trades]);
    if counts.rounds > 0 || counts.consultations > 0 {
        council(&mut table, counts);
        paid_agents(&mut table, &report.agents);
    }
    for note in &report.notes {
        table.row(["Note", note]);
    }
    table.to_string()
}

fn council(table: &mut Table, counts: &Counts) {
    table.row(["Rounds", &with_parts(counts.rounds, &counts.verdicts)]);
    for (name, map) in
        [("Vetoes", &counts.vetoes), ("Clamps", &counts.clamps), ("Denials", &counts.denials)]
    {
        table.row([name, &with_parts(map.values().sum(), map)]);
    }
    table.row(["Consultations", &with_parts(counts.consultations, &counts.outcomes)]);
    if !counts.restarts.is_empty() {
        table.row(["Restarts", &with_parts(counts.restarts.values().sum(), &counts.restarts)]);
    }
    table.row(["Spend", &super::tables::usd(counts.spend_usd)]);
}

/// What each agent that asks a model was asked, what became of it and what it cost, beside what was
/// expected.
fn paid_agents(table: &mut Table, agents: &[AgentRow]) {
    use super::tables::usd;
    for row in agents {
        let Some(expected) = row.expected.as_ref().filter(|expected| expected.model.is_some())
        else {
            continue;
        };
        let told = format!(
            "asked {} of {}, applied {}, clamped {}, refused {}, abstained {}, late {}, by rules {}, \
             {} of {} at most",
            row.consultations,
            expected.consultations,
            row.applied,
            row.clamped,
            row.refused,
            row.abstained,
            row.late,
            row.by_rules,
            usd(row.cost_usd),
            usd(expected.cost_usd),
        );
        table.row([row.name.as_str(), &told]);
    }
}

/// A total and what it is made of, the most frequent first.
fn with_parts(total: u64, parts: &BTreeMap<String, u64>) -> String {
    let mut parts: Vec<(&String, &u64)> = parts.iter().filter(|(_, count)| **count > 0).collect();
    parts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    if parts.is_empty() {
        return total.to_string();
    }
    let parts: Vec<String> = parts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    format!("{total} ({})", parts.join(", "))
}
