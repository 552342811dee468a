//! `report.html` of a training run; no script, nothing fetched, every text escaped.

use maud::{Markup, PreEscaped, html};

use conclave_domain::ratio::Ratio;

use super::super::chart::Failure;
use super::super::page::document;
use super::chart::Curve;
use super::{Point, Rival, TrainingReport};

/// A figure of a point, and what it is called.
type Figure = (&'static str, fn(&Point) -> Option<f64>);

/// The curves, in the order in which they are shown.
pub(super) const CURVES: [Figure; 8] = [
    ("fitness, out of sample", |point| Some(point.fitness.get())),
    ("training reward a step", |point| Some(point.training_reward.get())),
    ("Sharpe ratio, out of sample", |point| point.sharpe.map(Ratio::get)),
    ("drawdown, out of sample", |point| Some(point.drawdown.get())),
    ("trades a step", |point| Some(point.trade_rate.get())),
    ("KL divergence of an update, nats", |point| point.kl.map(Ratio::get)),
    ("entropy of the policy, nats", |point| point.entropy.map(Ratio::get)),
    ("learning rate", |point| Some(point.learning_rate.get())),
];

/// The whole page.
pub(super) fn html(report: &TrainingReport) -> Result<String, Failure> {
    let mut curves = Vec::with_capacity(CURVES.len());
    for (title, figure) in CURVES {
        curves.push((title, Curve::of(&report.points, figure).draw()?));
    }
    let body = html! {
        h1 { "Conclave train " span.badge { "SIMULATED" } }
        p { (report.run) ": " (report.ending) }
        @if !report.notes.is_empty() {
            div.notes { @for note in &report.notes { p { (note) } } }
        }
        (rivals(&report.rivals))
        h2 { "Curves" }
        p.dim {
            "A point per validation. " span.key.other {} "the agents changed something"
        }
        @for (title, drawn) in &curves {
            @if let Some(drawn) = drawn {
                figure { (PreEscaped(drawn)) figcaption { (title) ", over steps" } }
            }
        }
        (interventions(&report.points))
        (agents(report))
        (identity(report))
    };
    Ok(document(&format!("training {}", report.run), &body))
}

/// The trained policy beside what anybody could have done, out of sample.
fn rivals(rivals: &[Rival]) -> Markup {
    html! {
        @if !rivals.is_empty() {
            h2 { "Out of sample" }
            div.wide { table {
                caption { "After costs, on bars that no update has seen. Whatever it says." }
                tr { th { "policy" } th { "part" } th { "return" } th { "Sharpe" } th { "drawdown" } th { "trades" } }
                @for rival in rivals {
                    tr {
                        td { (rival.name) }
                        td { (rival.part) }
                        td { (percent(rival.total_return)) }
                        td { @if let Some(sharpe) = rival.sharpe { (format!("{:.2}", sharpe.get())) } @else { "n/a" } }
                        td { (percent(rival.drawdown)) }
                        td { (rival.trades) }
                    }
                }
            } }
        }
    }
}

fn percent(share: Ratio) -> String {
    format!("{:.1} %", share.get() * 100.0)
}

/// What was moved, and what was asked for and was not.
fn interventions(points: &[Point]) -> Markup {
    let rows =
        points.iter().flat_map(|point| point.interventions.iter().map(move |it| (point, it)));
    html! {
        @if points.iter().any(|point| !point.interventions.is_empty()) {
            h2 { "Interventions" }
            div.wide { table.words {
                tr { th { "cycle" } th { "steps" } th { "agent" } th { "lever" } th { "outcome" } }
                @for (point, it) in rows {
                    tr {
                        td { (point.cycle) }
                        td { (point.step) }
                        td { (it.by) }
                        td { (it.lever) }
                        td { @if let Some(code) = it.refused { code { (code.as_str()) } } @else { "moved" } }
                    }
                }
            } }
        }
    }
}

/// What became of everything that the agents said.
fn agents(report: &TrainingReport) -> Markup {
    html! {
        h2 { "Agents" }
        @if report.agents.is_empty() {
            p { "Nobody guided this run." }
        } @else {
            div.wide { table {
                tr {
                    th { "agent" } th { "brain" } th { "every" } th { "asked" } th { "moved" }
                    th { "fitness did not fall" } th { "not moved" }
                }
                @for line in &report.agents {
                    tr {
                        td { (line.agent) }
                        td { (line.brain) }
                        td { (line.every) }
                        td { (line.asked) }
                        td { (line.applied) }
                        td { (line.helped) }
                        td.text {
                            @if line.refused.is_empty() { "0" }
                            @for (index, (code, times)) in line.refused.iter().enumerate() {
                                @if index > 0 { ", " } (times) " " code { (code.as_str()) }
                            }
                        }
                    }
                }
            } }
        }
    }
}

fn identity(report: &TrainingReport) -> Markup {
    html! {
        h2 { "What it was made of" }
        div.wide { table.words {
            @for (name, value) in &report.header {
                tr { td { (name) } td { code { (value) } } }
            }
            tr { td { "fingerprint of the policy" } td { code { (report.fingerprint) } } }
        } }
    }
}
