//! `report.html` of a scorecard; no script, nothing fetched, every text escaped.

use conclave_domain::fixed::Money;
use conclave_domain::ratio::Ratio;
use conclave_domain::scorecard::{Calibration, Line, Worth};
use maud::{Markup, PreEscaped, html};

use super::super::chart::Failure;
use super::super::page::document;
use super::ScorecardReport;
use super::chart::{Row, forest, reliability};

/// Rows of the tables of single vetoes and clamps; the document has them all.
const SHOWN: usize = 20;

/// The whole page.
pub(super) fn html(report: &ScorecardReport) -> Result<String, Failure> {
    let card = &report.card;
    let mut rows: Vec<Row<'_>> = Vec::new();
    let told = card.lines.iter().filter_map(|line| Some((line.agent, line.worth.as_ref()?)));
    rows.extend(told.map(|(agent, worth)| (agent.to_owned(), worth)));
    for pair in &card.pairs {
        let names: Vec<&str> = pair.agents.iter().copied().collect();
        rows.push((names.join(" + "), &pair.worth));
    }
    let forest = forest(&rows)?;
    let mut diagrams: Vec<Diagram<'_>> = Vec::new();
    for line in &card.lines {
        if let Some(calibration) = &line.calibration {
            diagrams.push((line.agent, calibration, reliability(calibration)?));
        }
    }
    let body = html! {
        h1 { "Conclave scorecard " span.badge { "WHAT IF" } }
        div.notes { @for note in &report.notes { p { (note) } } }
        h2 { "In words" }
        @for sentence in &report.words { p { (sentence) } }
        @if let Some(forest) = forest {
            h2 { "Worth" }
            figure {
                (PreEscaped(forest))
                figcaption { "The account with, less the account without, as a share of the first equity. Grey: not distinguishable from zero, or no interval." }
            }
        }
        (agents(&card.lines))
        (vetoes(&card.lines))
        (clamps(&card.lines))
        (reliabilities(&diagrams))
        (runs(report))
    };
    Ok(document("scorecard", &body))
}

/// An agent, how well it is calibrated, and the drawing of that.
type Diagram<'a> = (&'a str, &'a Calibration, String);

fn reliabilities(diagrams: &[Diagram<'_>]) -> Markup {
    html! {
        @if !diagrams.is_empty() {
            h2 { "Reliability" }
            p.dim { "Across: how likely a win was said to be. Up: how often it was one, with 95 % intervals. A larger dot is more forecasts; on the line, an agent is as sure as it should be." }
            div.pair {
                @for (agent, calibration, drawn) in diagrams {
                    figure {
                        (PreEscaped(drawn))
                        figcaption {
                            (agent) ": Brier " (format!("{:.3}", calibration.brier.get()))
                            " over " (calibration.forecasts) " forecasts, "
                            (calibration.counterfactual) " of them known from a repetition only"
                        }
                    }
                }
            }
        }
    }
}

fn agents(lines: &[Line]) -> Markup {
    let share = |share: Option<Ratio>| {
        share.map_or_else(|| "n/a".to_owned(), |it| format!("{:.1} %", it.get() * 100.0))
    };
    html! {
        h2 { "Agents" }
        div.wide { table {
            tr {
                th { "agent" } th { "asked" } th { "answered" } th { "abstained" } th { "clamped" }
                th { "agreed" } th { "worth" } th { "vetoes" } th { "worth" } th { "clamps" }
                th { "worth" } th { "Brier" } th { "cost" }
            }
            @for line in lines {
                tr {
                    td { (line.agent) }
                    td { (line.asked.consulted) }
                    td { (line.asked.answered) }
                    td { (line.asked.abstained) }
                    td { (line.asked.clamped) }
                    td { (share(line.agreement)) }
                    td { (dollars(line.worth.as_ref())) }
                    td { (line.vetoes.vetoes) }
                    td { (format!("{:.2}", line.vetoes.value)) }
                    td { (line.clamps.clamps) }
                    td { @if line.clamps.sized > 0 { (format!("{:.2}", line.clamps.value)) } @else { "n/a" } }
                    td { @if let Some(it) = &line.calibration { (format!("{:.3}", it.brier.get())) } @else { "n/a" } }
                    td { (format!("{:.4}", line.cost_usd)) }
                }
            }
        } }
        p.dim { "Worth and cost in dollars. A veto is worth what its trade would have lost where the agent was muted; what else then came otherwise is in the worth of the agent. Of clamps only those of a size have a worth, to first order: profit goes with size. Agreement is with the verdict of a round." }
    }
}

/// The vetoes that were worth most, either way.
fn vetoes(lines: &[Line]) -> Markup {
    let mut all: Vec<_> = lines
        .iter()
        .flat_map(|line| line.vetoes.each.iter().map(|it| (line.agent, it)))
        .filter(|it| it.1.value.is_some())
        .collect();
    all.sort_by_key(|(_, it)| std::cmp::Reverse(it.value.map(Money::abs)));
    html! {
        @if !all.is_empty() {
            h2 { "Vetoes" }
            div.wide { table.words {
                caption { "What their trades would have lost: the " (all.len().min(SHOWN)) " largest of " (all.len()) ", in dollars" }
                tr { th { "decision" } th { "agent" } th { "why" } th { "worth" } }
                @for (agent, it) in all.iter().take(SHOWN) {
                    tr {
                        td { (it.decision) }
                        td { (agent) }
                        td { code { (it.code.as_str()) } }
                        td { (money(it.value)) }
                    }
                }
            } }
        }
    }
}

/// The clamps whose trades came to most, either way.
fn clamps(lines: &[Line]) -> Markup {
    let mut all: Vec<_> = lines
        .iter()
        .flat_map(|line| line.clamps.each.iter().map(|it| (line.agent, it)))
        .filter(|it| it.1.pnl.is_some())
        .collect();
    all.sort_by_key(|(_, it)| {
        std::cmp::Reverse((it.value.map(Money::abs), it.pnl.map(Money::abs)))
    });
    html! {
        @if !all.is_empty() {
            h2 { "Clamps" }
            div.wide { table.words {
                caption { "Numbers that were out of bounds, and what their trades came to: the " (all.len().min(SHOWN)) " largest of " (all.len()) ", in dollars" }
                tr { th { "decision" } th { "agent" } th { "number" } th { "said" } th { "used" } th { "trades" } th { "worth" } }
                @for (agent, it) in all.iter().take(SHOWN) {
                    tr {
                        td { (it.decision) }
                        td { (agent) }
                        td { (it.clamp.parameter) }
                        td { (format!("{:.3}", it.clamp.raw.get())) }
                        td { (format!("{:.3}", it.clamp.clamped.get())) }
                        td { (money(it.pnl)) }
                        td { (money(it.value)) }
                    }
                }
            } }
        }
    }
}

fn money(value: Option<Money>) -> String {
    value.map_or_else(|| "n/a".to_owned(), |value| format!("{value:.2}"))
}

fn dollars(worth: Option<&Worth>) -> String {
    worth.map_or_else(|| "n/a".to_owned(), |worth| format!("{:.2}", worth.total_usd))
}

fn runs(report: &ScorecardReport) -> Markup {
    html! {
        h2 { "Runs" }
        div.wide { table.words {
            tr { th { "run" } th { "record hash" } th { "" } }
            @for run in &report.over {
                tr {
                    td { (run.run) }
                    td { @if let Some(hash) = &run.record_hash { code { (hash) } } }
                    td.text { @if let Some(note) = &run.note { (note) } }
                }
            }
        } }
    }
}
