//! `report.html` of a selection; no script, nothing fetched, every text escaped.

use conclave_domain::brief::selection::{Candidate, Metric};
use conclave_domain::ratio::Ratio;
use conclave_domain::selection::advised::Council;
use maud::{Markup, PreEscaped, html};

use super::super::chart::Failure;
use super::super::page::document;
use super::{SelectionReport, heat, verdict};

/// Excluded symbols that are listed with their reasons; the JSON has all.
const EXCLUDED_MAX: usize = 200;

/// The whole page.
pub(super) fn html(report: &SelectionReport) -> Result<String, Failure> {
    let map = heat::map(report)?;
    let (picked, asked) = (report.selected.symbols().len(), report.count);
    let body = html! {
        h1 { "Conclave select" }
        p { (picked) " of " (report.universe) " symbols, as of " (report.as_of) "; " (report.source) }
        @if picked < asked {
            div.notes {
                p { (asked) " were asked for; no more fit together. Each of the others has its reason below." }
            }
        }
        @if report.sectorless() > 0 {
            div.notes {
                p { (report.sectorless()) " of the list have no known sector: they do not count against the share of one." }
            }
        }
        (regime(report))
        h2 { "Scores" }
        div.wide { (scores(report)) }
        p.dim { "A bar is a metric's part of the score, from nothing to full; the figure beside it is the metric itself." }
        @if let Some(map) = &map {
            h2 { "Correlations" }
            figure {
                (PreEscaped(map))
                figcaption {
                    "Of log returns over common days, the list first. Orange moves together, blue apart; deeper is closer."
                    @if report.shown().len() > heat::SYMBOLS_MAX {
                        " The first " (heat::SYMBOLS_MAX) " of " (report.shown().len()) " symbols; selection.json has every pair."
                    }
                }
            }
        }
        @if let Some(council) = &report.council { (advice(council)) }
        (weights(report))
        (filters(report))
        (exclusions(report))
    };
    Ok(document(&format!("selection at {}", report.as_of), &body))
}

fn regime(report: &SelectionReport) -> Markup {
    let regime = &report.regime;
    let tiles = [
        ("bull", regime.bull),
        ("bear", regime.bear),
        ("sideways", regime.sideways),
        ("crash", regime.crash),
    ];
    html! {
        div.tiles {
            @for (name, share) in tiles {
                div.tile { b { (percent(share)) } span { (name) } }
            }
        }
    }
}

/// The list first, then the best beside it.
fn scores(report: &SelectionReport) -> Markup {
    let shown = report.shown();
    html! {
        table {
            tr {
                th { "symbol" } th { "score" } th { "place" } th { "sector" }
                @if !report.truth.is_empty() { th { "truly" } }
                @for metric in Metric::ALL { th { (metric.name().replace('_', " ")) } }
                th { "beside the list because" }
            }
            @for symbol in shown {
                @if let Some(candidate) = report.candidate(symbol) { (row(report, candidate)) }
            }
        }
    }
}

fn row(report: &SelectionReport, candidate: &Candidate) -> Markup {
    let is_on = report.selected.symbols().contains(&candidate.symbol);
    html! {
        tr {
            td { @if is_on { b { (candidate.symbol) } } @else { (candidate.symbol) } }
            td { @if let Some(score) = candidate.score { (format!("{:.3}", score.get())) } }
            td { @if let Some(rank) = candidate.rank { (rank) } }
            td.text { (candidate.sector) }
            @if !report.truth.is_empty() {
                td.text { (report.truth.get(&candidate.symbol).map_or("", String::as_str)) }
            }
            @for metric in Metric::ALL { (cell(candidate, metric)) }
            td.text { (report.passed_over.get(&candidate.symbol).map_or("", String::as_str)) }
        }
    }
}

/// A metric: its part as a bar, its value, and what its estimator says on hovering.
fn cell(candidate: &Candidate, metric: Metric) -> Markup {
    let Some(found) = candidate.metrics.get(&metric) else { return html! { td {} } };
    let part = found.part.map_or(0.0, Ratio::get);
    html! {
        td title=(found.diagnostic) {
            svg viewBox="0 0 60 8" role="img" style="width:4rem;height:.5rem;margin-left:auto" {
                rect width="60" height="8" fill="currentColor" opacity="0.12" {}
                rect width=(format!("{:.1}", 60.0 * part)) height="8" fill="#2f81d2" {}
            }
            @if let Some(value) = found.value { (format!("{:.3}", value.get())) } @else { "n/a" }
        }
    }
}

/// What the agents asked for, and what that changed.
fn advice(council: &Council) -> Markup {
    let place = |at: Option<usize>| at.map_or_else(|| "beside".to_owned(), |at| at.to_string());
    let score = |of: Option<Ratio>| of.map_or_else(String::new, |of| format!("{:.3}", of.get()));
    html! {
        h2 { "Agents" }
        p { (verdict(council)) }
        @if !council.asked.is_empty() {
            div.wide { table.words {
                tr { th { "agent" } th { "asked for" } th { "refused because" } }
                @for heeded in &council.asked {
                    tr {
                        td { (heeded.by.replace('_', " ")) }
                        td.text { (heeded.wish) }
                        td.text { (heeded.refused.as_deref().unwrap_or_default()) }
                    }
                }
            } }
        }
        @if !council.shifts.is_empty() {
            div.wide { table {
                tr { th { "symbol" } th { "place without" } th { "with them" } th { "score without" } th { "with them" } }
                @for shift in &council.shifts {
                    tr {
                        td { (shift.symbol) }
                        td { (place(shift.was.on_list)) } td { (place(shift.now.on_list)) }
                        td { (score(shift.was.score)) } td { (score(shift.now.score)) }
                    }
                }
            } }
        }
    }
}

fn weights(report: &SelectionReport) -> Markup {
    html! {
        h2 { "Weights" }
        div.wide { table.words {
            tr { th { "metric" } th { "weight" } th { "default" } }
            @for (metric, weight) in &report.weights {
                tr {
                    td { (metric.name().replace('_', " ")) }
                    td { (format!("{:.3}", weight.get())) }
                    td { (format!("{:.3}", metric.default_weight().get())) }
                }
            }
        } }
    }
}

fn filters(report: &SelectionReport) -> Markup {
    html! {
        h2 { "Filters" }
        div.wide { table.words {
            caption { "In the order in which they are applied; a symbol counts up to the first that refuses it." }
            tr { th { "filter" } th { "class" } th { "seen" } th { "passed" } }
            @for line in &report.filters {
                tr {
                    td { (line.filter) } td { (line.class.name()) }
                    td { (line.seen) } td { (line.passed) }
                }
            }
        } }
    }
}

fn exclusions(report: &SelectionReport) -> Markup {
    let excluded = report.candidates.iter().filter(|known| !known.excluded.is_empty());
    let measured = excluded.map(|known| (&known.symbol, &known.excluded));
    let all: Vec<_> = measured.chain(&report.first_look).collect();
    let more = all.len().saturating_sub(EXCLUDED_MAX);
    html! {
        @if !all.is_empty() {
            h2 { "Excluded" }
            div.wide { table.words {
                tr { th { "symbol" } th { "why" } }
                @for (symbol, reasons) in all.iter().take(EXCLUDED_MAX) {
                    tr { td { (symbol) } td.text { (reasons.join("; ")) } }
                }
            } }
            @if more > 0 { p.dim { (more) " more are in selection.json." } }
        }
    }
}

fn percent(share: Ratio) -> String {
    format!("{:.1} %", share.get() * 100.0)
}
