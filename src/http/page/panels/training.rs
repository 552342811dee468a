//! A training run as it stands.

use maud::{Markup, html};
use serde_json::Value;

use super::super::told::{bar, chart, figure, number, words};
use super::is_training;
use crate::report;
use crate::report::training::Point;

/// Interventions that are shown.
const ASKED: usize = 20;

pub(super) fn draw(status: &Value) -> Markup {
    if !is_training(status) {
        return html! { p.empty { "This process does not train. " code { "conclave train --port 8741" }
        " does, and shows itself on a page of its own." } };
    }
    let (steps, all) = (number(&status["steps"]), number(&status["steps_in_all"]));
    let (steps, all) = (steps.unwrap_or_default(), all.unwrap_or_default());
    let figures = ["reward", "kl", "entropy", "learning_rate"];
    html! {
        (bar(steps, all, &format!("{steps:.0} of {all:.0} steps")))
        table { @for name in figures { tr { td { (words(name)) } td.n { (figure(&status[name])) } } } }
        (curves(&status["history"]))
        h3 { "The last validation" }
        (flat(&status["validation"], "None yet."))
        h3 { "What became of the agents' advice" }
        (flat(&status["counts"], "Nothing yet."))
    }
}

/// How the run went so far, with a mark wherever an agent's lever was moved, and what was asked there.
fn curves(history: &Value) -> Markup {
    let points: Vec<Point> = serde_json::from_value(history.clone()).unwrap_or_default();
    let asked =
        points.iter().rev().flat_map(|point| point.interventions.iter().map(move |it| (point, it)));
    html! {
        @for (title, drawn) in report::training::curves(&points) {
            figure { figcaption.dim { (title) ", over steps" }
                (chart(&drawn, "img", &format!("{title}, over steps"))) }
        }
        @if points.iter().any(|point| !point.interventions.is_empty()) {
            p.dim { "The marks are where an agent's lever was moved." }
            div.scroll tabindex="0" role="group" aria-label="What agents asked for" { table {
                thead { tr { th.n { "steps" } th { "agent" } th { "lever" } th { "outcome" } } }
                tbody { @for (point, it) in asked.take(ASKED) {
                    tr { td.n { (point.step) } td { (words(&it.by)) } td { (it.lever) }
                        td { @if let Some(code) = it.refused { code { (code.as_str()) } } @else { "moved" } } }
                } }
            } }
        }
    }
}

/// The plain fields of an object.
fn flat(value: &Value, none: &str) -> Markup {
    let fields = value.as_object().filter(|fields| !fields.is_empty());
    html! {
        @match fields {
            None => p.empty { (none) },
            Some(fields) => table { @for (name, value) in fields {
                @if !value.is_object() && !value.is_array() {
                    tr { td { (words(name)) } td.n { (figure(value)) } }
                }
            } },
        }
    }
}
