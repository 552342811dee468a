//! A run in a few numbers: `summary.json`, `run.json`, and the table at the end of a run.

use std::collections::BTreeMap;

use conclave_domain::fixed::Money;
use conclave_domain::metrics::{Basis, Metrics};
use conclave_domain::stats::Parts;
use serde::Serialize;

use super::tables::usd;
use super::{AgentRow, Counts, Header, MoneyKind, RunReport};
use crate::cli::format::{Align, Table};

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
/// It ends with a line feed. The council's lines are left out when no round was opened, the table of
/// models where nobody thinks by one.
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
    }
    for note in &report.notes {
        table.row(["Note", note]);
    }
    format!("{table}{}", models(report))
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
    table.row(["Spend", &usd(counts.spend_usd)]);
}

/// What each agent that thinks by a model was asked, what became of it and what it cost. Each
/// consultation is in one of the columns between `asked` and `by rules`.
fn models(report: &RunReport) -> String {
    let rows: Vec<&AgentRow> = report.agents.iter().filter(|row| row.model.is_some()).collect();
    if rows.is_empty() {
        return String::new();
    }
    let parts = Parts::default().named().map(|(name, _)| name.replace('_', " "));
    let names = [("model of", Align::Left), ("asked", Align::Right)].into_iter();
    let names = names.chain(parts.iter().map(|name| (name.as_str(), Align::Right)));
    let last = ["by rules", "cost", "at most"].map(|name| (name, Align::Right));
    let mut table = Table::new(names.chain(last));
    let mut row =
        |name: &str, asked: u64, parts: &Parts, by_rules: u64, (cost, most): (Money, _)| {
            let most: Option<Money> = most;
            let counts = parts.named().into_iter().map(|(_, count)| count.to_string());
            let first = [name.to_owned(), asked.to_string()].into_iter();
            let last = [by_rules.to_string(), usd(cost), most.map(usd).unwrap_or_default()];
            table.row(first.chain(counts).chain(last));
        };
    let (mut asked, mut sum, mut by_rules, mut cost) = (0, Parts::default(), 0, Money::ZERO);
    for of in rows {
        let most = of.expected.as_ref().map(|expected| expected.cost_usd);
        row(&of.name, of.consultations, &of.parts, of.by_rules, (of.cost_usd, most));
        (asked, by_rules) = (asked + of.consultations, by_rules + of.by_rules);
        sum = sum.plus(&of.parts);
        cost = cost.plus(of.cost_usd).unwrap_or(cost);
    }
    row("all", asked, &sum, by_rules, (cost, None));
    format!("\n{table}")
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
